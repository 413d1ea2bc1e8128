// pefa: what ERM, PEFA-XS and PEFA-XL have in common, so that evaluation, tuning and a host's code take any of them.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "pefa/adapter/search_filter.hpp"
#include "pefa/adapter/search_options.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/share.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/filtered_search.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa {

/// A retriever: query vector in, scored passages out, best first, ties by ascending id; at most k, fewer where fewer
/// exist. Searching is const and safe from any number of threads.
/// `dim` is that of its queries, `passage_count` what PassageIds are below, `memory_bytes` what it holds on the heap.
template <class R>
concept Retriever = requires(const R& retriever, QueryView query, const EmbeddingView<float>& queries, std::size_t k,
                             const SearchOptions& options, const AnyExecutor& executor) {
  { retriever.search(query, k, options) } -> std::same_as<std::vector<Hit>>;
  { retriever.search_batch(queries, k, options, executor) } -> std::same_as<std::vector<std::vector<Hit>>>;
  { retriever.passage_count() } -> std::convertible_to<std::size_t>;
  { retriever.dim() } -> std::convertible_to<std::size_t>;
  { retriever.memory_bytes() } -> std::convertible_to<std::size_t>;
};

/// A Retriever that searches among the passages a filter admits: the exact top k of them where its index is exact, and
/// never fewer than k where so many are admitted. A filter of every passage changes nothing, to the bit; one of none
/// finds nothing. It throws as search() does, ShapeError for a set over another number of passages, naming both, and
/// ValueError for a filter on training queries that it cannot heed.
/// The library's retrievers are such over a FilterableIndex; over another their search_filtered does not compile.
template <class R>
concept FilteringRetriever = Retriever<R> &&
    requires(const R& retriever, QueryView query, const EmbeddingView<float>& queries, std::size_t k,
             const SearchFilter& filter, const SearchOptions& options, const AnyExecutor& executor) {
  { retriever.search_filtered(query, k, filter, options) } -> std::same_as<std::vector<Hit>>;
  {
    retriever.search_filtered_batch(queries, k, filter, options, executor)
    } -> std::same_as<std::vector<std::vector<Hit>>>;
} && !requires {
  requires !R::can_filter;
};

namespace detail {

/// What a search asks of the passage index.
[[nodiscard]] inline IndexSearchOptions passage_options(const SearchOptions& options) noexcept {
  return {.ef = options.ef,
          .rerank = options.rerank,
          .limit = options.limit,
          .stats = options.stats == nullptr ? nullptr : &options.stats->passages};
}

/// What a search asks of the index of training queries.
[[nodiscard]] inline IndexSearchOptions query_options(const SearchOptions& options) noexcept {
  return {.ef = options.query_ef,
          .limit = options.limit,
          .stats = options.stats == nullptr ? nullptr : &options.stats->queries};
}

/// Adds the time it lives to one of a search's accounts; where nobody asks for one it looks at no clock.
class StopWatch {
 public:
  using Clock = std::chrono::steady_clock;

  StopWatch(const SearchOptions& options, double SearchStats::*account)
      : account_(options.stats == nullptr ? nullptr : &(options.stats->*account)),
        start_(account_ == nullptr ? Clock::time_point{} : Clock::now()) {}
  StopWatch(const StopWatch&) = delete;
  StopWatch& operator=(const StopWatch&) = delete;
  ~StopWatch() {
    if (account_ != nullptr) *account_ += std::chrono::duration<double, std::micro>(Clock::now() - start_).count();
  }

 private:
  double* account_;
  Clock::time_point start_;
};

/// The retrievers' search of the passage index.
template <class Index>
[[nodiscard]] std::vector<Neighbor> search_passages(const Index& index, QueryView query, std::size_t k,
                                                    const SearchOptions& options) {
  const StopWatch watch(options, &SearchStats::passage_microseconds);
  return index.search(query, k, passage_options(options));
}

template <class Index>
[[nodiscard]] std::vector<std::vector<Neighbor>> search_passages(const Index& index,
                                                                 const EmbeddingView<float>& queries, std::size_t k,
                                                                 const SearchOptions& options,
                                                                 const AnyExecutor& executor) {
  const StopWatch watch(options, &SearchStats::passage_microseconds);
  return pefa::search_batch(index, queries, k, passage_options(options), executor);
}

/// The retrievers' search of the passage index among admitted rows.
template <class Index>
[[nodiscard]] std::vector<Neighbor> search_admitted_passages(const Index& index, QueryView query, std::size_t k,
                                                             const RowFilter& filter, const SearchOptions& options) {
  const StopWatch watch(options, &SearchStats::passage_microseconds);
  return pefa::search_filtered(index, query, k, filter, passage_options(options));
}

template <class Index>
[[nodiscard]] std::vector<std::vector<Neighbor>> search_admitted_passages(const Index& index,
                                                                          const EmbeddingView<float>& queries,
                                                                          std::size_t k, const RowFilter& filter,
                                                                          const SearchOptions& options,
                                                                          const AnyExecutor& executor) {
  const StopWatch watch(options, &SearchStats::passage_microseconds);
  return pefa::search_filtered_batch(index, queries, k, filter, passage_options(options), executor);
}

/// @throws ShapeError  a set over another number of passages  @param who  "PefaXs::search_filtered"
inline void require_passage_filter(const SearchFilter& filter, std::size_t passages, const char* who) {
  filter.passages.rows().require_universe(passages, who, "passages");
}

/// @throws ValueError  a filter on training queries, which the retriever cannot heed  @param why  "has folded them into
/// the passages"
inline void require_no_query_filter(const SearchFilter& filter, const char* why, const char* who) {
  if (filter.training_queries.rows().admits_all()) return;
  fail<ValueError>(who, ": the filter is on training queries, too, but this retriever ", why,
                   "; filter passages alone, or use PefaXl");
}

/// A batch as so many single searches. Queries whose turn comes after the limit have no results.
/// @param search  (QueryView, const SearchOptions&): std::vector<Hit>
template <class Search>
[[nodiscard]] std::vector<std::vector<Hit>> search_each(const EmbeddingView<float>& queries,
                                                        const SearchOptions& options, const AnyExecutor& executor,
                                                        const Search& search) {
  std::vector<std::vector<Hit>> results(queries.size());
  for_each_query_block(executor, queries.size(), 1, options,
                       [&](std::size_t i, std::size_t, const SearchOptions& mine) {
                         results[i] = search(QueryView(queries.row(i), queries.dim()), mine);
                       });
  return results;
}

/// Retrievers score by direction: to a query of zeros all passages are equal. What the index refuses is left to it.
/// @param who  "PefaXs::search"
inline void require_direction(QueryView query, const char* who) {
  if (!query.empty()) require_nonzero_query(query, who);
}

/// The same of many. @param who  "PefaXs::search_batch"
inline void require_directions(const EmbeddingView<float>& queries, const char* who) {
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const float* query = queries.row(i);
    if (std::any_of(query, query + queries.dim(), [](float x) { return x != 0.0f; })) continue;
    fail<ValueError>(who, ": query ", i, " is a zero vector, which has no direction to search by");
  }
}

/// How many training queries a retriever looks up: those of Y where it keeps Y, or none.
template <class R>
[[nodiscard]] std::size_t looked_up_queries(const R& retriever) {
  if constexpr (requires { retriever.relevance().rows(); }) {
    return retriever.relevance().rows();
  } else {
    return 0;
  }
}

/// Writes neighbours of a passage index to a caller's buffer; returns how many.
inline std::size_t to_hits(const std::vector<Neighbor>& neighbors, std::span<Hit> hits) {
  const std::size_t count = std::min(neighbors.size(), hits.size());
  for (std::size_t i = 0; i < count; ++i) hits[i] = {PassageId(neighbors[i].row), neighbors[i].score};
  return count;
}

/// The neighbours of a passage index as hits.
[[nodiscard]] inline std::vector<Hit> to_hits(const std::vector<Neighbor>& neighbors) {
  std::vector<Hit> hits;
  hits.reserve(neighbors.size());
  for (const Neighbor& neighbor : neighbors) hits.push_back({PassageId(neighbor.row), neighbor.score});
  return hits;
}

[[nodiscard]] inline std::vector<std::vector<Hit>> to_hits(const std::vector<std::vector<Neighbor>>& batch) {
  std::vector<std::vector<Hit>> hits;
  hits.reserve(batch.size());
  for (const std::vector<Neighbor>& neighbors : batch) hits.push_back(to_hits(neighbors));
  return hits;
}

inline void require_lambda(float lambda, const char* who) {
  require_share(lambda, "lambda", who);
}

/// @throws ValueError  a search asks for another λ than the one that is folded into the index
inline void require_folded_lambda(const SearchOptions& options, float folded, const char* who) {
  if (!options.lambda || *options.lambda == folded) return;
  fail<ValueError>(who, ": lambda is ", *options.lambda, ", but ", folded,
                   " is folded into the index; build another, or use PefaXl to change it per call");
}

/// The adapters blend inner products; a distance does not add up with them.
template <class Index>
void require_inner_product(const Index& index, const char* who) {
  if (index.metric() != Metric::inner_product) {
    fail<ValueError>(who, ": the index has metric ", name(index.metric()), ", expected ", name(Metric::inner_product));
  }
}

/// The checks of P, Q and Y that XS and XL share. @param who  "PefaXs::build"
template <class Scalar>
void require_training_data(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                           const RelevanceMatrix& relevance, const char* who) {
  if (passages.empty()) fail<ValueError>(who, ": no passages, expected at least 1");
  if (queries.empty()) fail<ValueError>(who, ": no training queries, expected at least 1");
  if (queries.dim() != passages.dim()) {
    fail<ShapeError>(who, ": queries have dim ", queries.dim(), ", passages have dim ", passages.dim());
  }
  if (relevance.rows() != queries.size()) {
    fail<ShapeError>(who, ": relevance has ", relevance.rows(), " rows, queries has ", queries.size(),
                     " (one row a training query)");
  }
  if (relevance.cols() != passages.size()) {
    fail<ShapeError>(who, ": relevance has ", relevance.cols(), " columns, passages has ", passages.size(),
                     " (one column a passage)");
  }
  if (relevance.pair_count() == 0) fail<ValueError>(who, ": relevance has no pairs, expected at least 1");
  require_valid_rows(passages, RowCheck::finite_non_zero, join_message(who, ": passages").c_str());
  require_valid_rows(queries, RowCheck::finite_non_zero, join_message(who, ": queries").c_str());
}

}  // namespace detail
}  // namespace pefa
