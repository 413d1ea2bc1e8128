// pefa: what a retriever finds for its own training queries when it does not know them: each is searched with a
// retriever built without the queries of its fold. For whatever is fitted on top of a retriever (the weights of a
// fusion, a threshold, a reranker) and would be misled by queries that have seen themselves.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "pefa/adapter/any_retriever.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/search_options.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/eval/evaluate.hpp"
#include "pefa/eval/score_tiles.hpp"
#include "pefa/eval/training_part.hpp"
#include "pefa/eval/validation_split.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// How training queries are held out and searched.
struct OutOfFoldOptions {
  /// The folds; unlike where a grid is scored, all queries that have passages are searched.
  ValidationOptions validation{.max_queries = std::numeric_limits<std::size_t>::max()};
  SearchOptions search{};  ///< of every search; without a deadline
  AnyExecutor executor{};  ///< for builds and searches
  Progress progress{};     ///< counts searched queries; stop throws Cancelled
};

namespace detail {

/// Rows of a matrix. @param ids  ascending, each below the number of rows
template <EmbeddingScalar Scalar>
[[nodiscard]] EmbeddingStore<Scalar> rows_of(const EmbeddingView<Scalar>& matrix, const std::vector<QueryId>& ids) {
  EmbeddingStore<Scalar> rows(matrix.dim());
  rows.reserve(ids.size());
  for (const QueryId id : ids) rows.append(matrix.slice(id.row(), id.row() + std::size_t{1}));
  return rows;
}

}  // namespace detail

/// Searches training queries with retrievers that know neither them nor the other queries of their fold.
///
/// The queries of a fold are taken out of Q and Y, not only out of Y: they are no neighbours, no centroids, and part of
/// nothing that is fitted. Queries with the same vector are held out together unless options say otherwise.
///
/// @param spec       any that build() takes; an `automatic` index is chosen by the size that a fold leaves
/// @param passages   P [n_passages x dim]
/// @param queries    Q [n_train_queries x dim]
/// @param relevance  Y [n_train_queries x n_passages]
/// @param k          how many hits a query asks for, at least 1
/// @return           [n_train_queries] rankings, as search() gives them; empty for a query that has no passage, or is
///                   not in the sample of options.validation
/// @throws ShapeError, ValueError  as build(), search() and split_validation(); a deadline in options.search
/// @throws Cancelled  the progress callback said stop
/// One build a fold, one search a query.
template <EmbeddingScalar Scalar>
[[nodiscard]] std::vector<std::vector<Hit>> search_out_of_fold(const RetrieverSpec& spec,
                                                               const EmbeddingView<Scalar>& passages,
                                                               const EmbeddingView<Scalar>& queries,
                                                               const RelevanceMatrix& relevance, std::size_t k,
                                                               const OutOfFoldOptions& options = {}) {
  detail::require_training_data(passages, queries, relevance, "search_out_of_fold");
  if (k == 0) detail::fail<ValueError>("search_out_of_fold: k is 0, expected at least 1");
  detail::require_no_deadline(options.search, "search_out_of_fold");
  const auto folds = split_validation(queries, relevance, options.validation);
  std::size_t total = 0;
  for (const auto& held_out : folds) total += held_out.size();
  ProgressMeter meter(options.progress, total, "search_out_of_fold");
  // A build counts for nothing, and is stopped when the callback says so.
  const Progress poll = [&meter](std::size_t, std::size_t) {
    meter.poll();
    return ProgressAction::proceed;
  };

  std::vector<std::vector<Hit>> results(queries.size());
  for (const auto& held_out : folds) {
    const std::vector<QueryId> others = other_queries(queries.size(), held_out);
    const EmbeddingStore<Scalar> known = detail::rows_of(queries, others);
    const RelevanceMatrix known_relevance = detail::rows_of(relevance, others);
    const AnyRetriever retriever =
        build(spec, passages, known.view(), known_relevance, {options.executor, poll}, Rows::borrow);
    constexpr std::size_t block = 256;  // queries between two reports
    for (std::size_t begin = 0; begin < held_out.size(); begin += block) {
      const std::size_t end = std::min(held_out.size(), begin + block);
      RowMajorMatrix asked;
      detail::decode_rows(
          queries, end - begin, [&](std::size_t i) { return held_out[begin + i].row(); }, asked);
      auto found = retriever.search_batch(asked, k, options.search, options.executor);
      for (std::size_t i = begin; i < end; ++i) results[held_out[i].row()] = std::move(found[i - begin]);
      meter.add(end - begin);
    }
  }
  return results;
}

}  // namespace pefa
