// pefa: what an index over rows of embeddings must do to serve an adapter. Bring your own by satisfying AnnIndex.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa {

/// What a score means. Higher is better for both.
enum class Metric {
  inner_product,  ///< ⟨q, x⟩
  l2              ///< −‖q − x‖²
};

/// Their names.
template <>
inline constexpr std::array enum_names<Metric>{"inner_product", "l2"};

/// Arguments of one search of an index.
struct IndexSearchOptions {
  std::size_t ef = 0;      ///< beam width of graph indexes, raised to k; 0 means the index's own default
  std::size_t rerank = 0;  ///< QuantizedHnswIndex: candidates rescored exactly, raised to k; 0 means its own default
  SearchLimit limit{};     ///< an index that cannot stop halfway may finish instead
  IndexSearchStats* stats = nullptr;  ///< what the search took is added here; nullptr: nobody asks
};

/// An index: built once over rows, then read-only.
///
/// `search` returns at most k neighbours, best first, ties by ascending row; fewer where fewer exist. It is const and
/// safe from any number of threads, and throws ShapeError for a query of another dim, ValueError for k = 0 and for a
/// query with a NaN or infinite element. A score past the range of float is infinite; one that comes to NaN is
/// −infinity. `memory_bytes` is what the index holds on the heap.
/// `build` makes it of rows by its own `Params`; `size` counts the rows, `dim` their elements, and `metric` says what
/// scores mean.
template <class I, class Scalar = float>
concept AnnIndex = requires(const EmbeddingView<Scalar>& rows, const typename I::Params& params,
                            const BuildOptions& build, const I& index, QueryView query, std::size_t k,
                            const IndexSearchOptions& options) {
  { I::build(rows, params, build) } -> std::same_as<I>;
  { index.search(query, k, options) } -> std::same_as<std::vector<Neighbor>>;
  { index.size() } -> std::convertible_to<std::size_t>;
  { index.dim() } -> std::convertible_to<std::size_t>;
  { index.metric() } -> std::same_as<Metric>;
  { index.memory_bytes() } -> std::convertible_to<std::size_t>;
};

/// An index that can also score one of its rows exactly: as search() would, −infinity where that is no number. PefaXl
/// asks it for passages that only the kNN side found; over an index that cannot, PefaXl keeps a copy of the passage
/// rows.
template <class I>
concept ScoringIndex = requires(const I& index, QueryView query, Row row) {
  { index.score(query, row) } -> std::same_as<float>;
};

/// A ScoringIndex with a faster way to score several rows: scores[i] is, to the bit, score(query, rows[i]).
template <class I>
concept BatchScoringIndex = ScoringIndex<I> &&
    requires(const I& index, QueryView query, std::span<const Row> rows, std::span<float> scores) {
  index.score_rows(query, rows, scores);
};

/// An index that gives its rows back as floats. PefaXl asks it for the neighbours of a NeighborGate; over an index that
/// cannot, PefaXl keeps a copy of the training queries.
template <class I>
concept ReadableIndex = requires(const I& index, Row row, std::span<float> out) {
  index.read_row(row, out);
};

/// An index with a faster way to search many queries than one after the other.
template <class I>
concept BatchIndex = requires(const I& index, const EmbeddingView<float>& queries, std::size_t k,
                              const IndexSearchOptions& options, const AnyExecutor& executor) {
  { index.search_batch(queries, k, options, executor) } -> std::same_as<std::vector<std::vector<Neighbor>>>;
};

/// An index that searches among the rows a filter admits: at most k, best first, and never fewer than k where so many
/// are admitted. A filter of every row changes nothing, to the bit; one of no row finds nothing. It throws as search()
/// does, and ShapeError for a set over another number of rows, naming both. See filtered_search.hpp for what becomes of
/// an index that does not.
template <class I>
concept FilteringIndex = requires(const I& index, QueryView query, std::size_t k, const RowFilter& filter,
                                  const IndexSearchOptions& options) {
  { index.search_filtered(query, k, filter, options) } -> std::same_as<std::vector<Neighbor>>;
};

/// A FilteringIndex with a faster way to search many queries under one filter.
template <class I>
concept FilteringBatchIndex = FilteringIndex<I> &&
    requires(const I& index, const EmbeddingView<float>& queries, std::size_t k, const RowFilter& filter,
             const IndexSearchOptions& options, const AnyExecutor& executor) {
  {
    index.search_filtered_batch(queries, k, filter, options, executor)
    } -> std::same_as<std::vector<std::vector<Neighbor>>>;
};

namespace detail {

/// A batch in blocks of queries, each with an account of its own; those whose turn comes after the limit are left out.
/// @param options  IndexSearchOptions, or a retriever's SearchOptions
/// @param search   (begin, end, options of the block)
template <class Options, class Search>
void for_each_query_block(const AnyExecutor& executor, std::size_t queries, std::size_t block, const Options& options,
                          const Search& search) {
  BatchStats stats(options.stats, (queries + block - 1) / block);
  for_each_block(executor, queries, block, [&](std::size_t begin, std::size_t end) {
    Options mine = options;
    mine.stats = stats.part(begin / block);
    if (!options.limit.reached()) {
      search(begin, end, mine);
    } else if (mine.stats != nullptr) {
      mine.stats->stop();
    }
  });
  stats.add_up();
}

}  // namespace detail

/// Searches every query, in the order of the queries, by the index's own batch search where it has one. Queries whose
/// turn comes after the limit have no results.
/// @param queries  [n_queries x dim]
template <class Index>
[[nodiscard]] std::vector<std::vector<Neighbor>> search_batch(const Index& index, const EmbeddingView<float>& queries,
                                                              std::size_t k, const IndexSearchOptions& options = {},
                                                              const AnyExecutor& executor = {}) {
  if constexpr (BatchIndex<Index>) {
    return index.search_batch(queries, k, options, executor);
  } else {
    std::vector<std::vector<Neighbor>> results(queries.size());
    detail::for_each_query_block(executor, queries.size(), 1, options,
                                 [&](std::size_t i, std::size_t, const IndexSearchOptions& mine) {
                                   results[i] = index.search(QueryView(queries.row(i), queries.dim()), k, mine);
                                 });
    return results;
  }
}

namespace detail {

/// The checks every search starts with. @param who  "FlatIndex::search"
inline void require_query(QueryView query, std::size_t k, std::size_t dim, const char* who) {
  if (query.size() != dim) fail<ShapeError>(who, ": query has dim ", query.size(), ", expected ", dim);
  if (k == 0) fail<ValueError>(who, ": k is 0, expected at least 1");
  if (!all_finite(query)) fail<ValueError>(who, ": query has a NaN or infinite element");
}

/// For searches that score by direction alone: against a query of zeros every row scores 0, and the answer would be the
/// first k rows. @param who  "PefaXs::search"
inline void require_nonzero_query(QueryView query, const char* who) {
  for (const float x : query) {
    if (x != 0.0f) return;
  }
  fail<ValueError>(who, ": query is a zero vector, which has no direction to search by");
}

/// The checks of scoring rows. @param who  "FlatIndex::score"
inline void require_rows_to_score(QueryView query, std::size_t dim, std::span<const Row> rows, std::size_t size,
                                  std::size_t scores, const char* who) {
  if (query.size() != dim) fail<ShapeError>(who, ": query has dim ", query.size(), ", expected ", dim);
  if (scores != rows.size()) fail<ShapeError>(who, ": room for ", scores, " scores, expected ", rows.size());
  for (const Row row : rows) {
    if (row >= size) fail<ShapeError>(who, ": row ", row, ", expected below ", size);
  }
}

inline void require_row_to_read(Row row, std::size_t size, std::size_t room, std::size_t dim, const char* who) {
  if (row >= size) fail<ShapeError>(who, ": row ", row, ", expected below ", size);
  if (room != dim) fail<ShapeError>(who, ": room for ", room, " elements, expected ", dim);
}

}  // namespace detail
}  // namespace pefa
