// pefa: some of the training queries with their pairs, as if there were no others. What a fold of tune() trains on.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// Some of the training queries, as a retriever built of them alone would get them.
struct TrainingPart {
  EmbeddingStore<float> queries;
  RelevanceMatrix relevance;
};

/// Rows of Y. @param ids  each below the number of rows
[[nodiscard]] inline RelevanceMatrix rows_of(const RelevanceMatrix& relevance, const std::vector<QueryId>& ids) {
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < ids.size(); ++i) {
    const RelevanceMatrix::Entries entries = relevance.passages_of(ids[i]);
    for (std::size_t e = 0; e < entries.size(); ++e) {
      pairs.push_back({QueryId(i), PassageId(static_cast<Row>(entries.columns[e])), entries.weights[e]});
    }
  }
  return RelevanceMatrix::from_pairs(pairs, ids.size(), relevance.cols());
}

/// @param rows  which of Q
template <class Scalar>
[[nodiscard]] TrainingPart training_part(const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                         const std::vector<QueryId>& rows) {
  auto kept = EmbeddingStore<float>::for_overwrite(rows.size(), queries.dim());
  for (std::size_t i = 0; i < rows.size(); ++i) queries.decode(rows[i].row(), kept.mutable_row(i));
  return {std::move(kept), rows_of(relevance, rows)};
}

}  // namespace pefa::detail
