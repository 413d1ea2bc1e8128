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

/// @param rows  which of Q, ascending
template <class Scalar>
[[nodiscard]] TrainingPart training_part(const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                         const std::vector<QueryId>& rows) {
  auto kept = EmbeddingStore<float>::for_overwrite(rows.size(), queries.dim());
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < rows.size(); ++i) {
    queries.decode(rows[i].row(), kept.mutable_row(i));
    const RelevanceMatrix::Entries entries = relevance.passages_of(rows[i]);
    for (std::size_t e = 0; e < entries.size(); ++e) {
      pairs.push_back({QueryId(i), PassageId(static_cast<Row>(entries.columns[e])), entries.weights[e]});
    }
  }
  return {std::move(kept), RelevanceMatrix::from_pairs(pairs, rows.size(), relevance.cols())};
}

}  // namespace pefa::detail
