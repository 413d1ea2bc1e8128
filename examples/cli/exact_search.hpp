// What a retriever would find if its indexes were exact: every row is scored. Slow; what recall is measured against.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/core/top_k.hpp"

namespace pefa::cli {

/// The best k of all rows of an index, by exact scores.
template <ScoringIndex Index>
[[nodiscard]] std::vector<Neighbor> exact_neighbors(const Index& index, QueryView query, std::size_t k) {
  TopK best(std::min(k, std::size_t{index.size()}));
  for (Row row = 0; row < index.size(); ++row) best.push({row, index.score(query, row)});
  return best.take();
}

template <class R>
  requires requires(const R& retriever) {
    retriever.index();
  }
[[nodiscard]] std::vector<Hit> exact_search(const R& retriever, QueryView query, std::size_t k, const SearchOptions&) {
  return pefa::detail::to_hits(exact_neighbors(retriever.index(), query, k));
}

template <class Index>
[[nodiscard]] std::vector<Hit> exact_search(const PefaXsMulti<float, Index>& retriever, QueryView query, std::size_t k,
                                            const SearchOptions&) {
  std::vector<float> scores(retriever.passage_count(), -std::numeric_limits<float>::infinity());
  for (Row row = 0; row < retriever.vector_count(); ++row) {
    float& score = scores[retriever.passages()[row].row()];
    score = std::max(score, retriever.index().score(query, row));
  }
  TopK best(std::min(k, scores.size()));
  for (Row row = 0; row < scores.size(); ++row) best.push({row, scores[row]});
  return pefa::detail::to_hits(best.take());
}

/// λ·⟨q̂, p_j⟩ + (1 − λ)·Σ_{i ∈ NN(q̂, Q; k)} w_i·s(q̂, q_i)·Y_ij for every passage.
template <class P, class Q, class G>
[[nodiscard]] std::vector<Hit> exact_search(const PefaXl<float, P, Q, G>& retriever, QueryView query, std::size_t k,
                                            const SearchOptions& options) {
  const auto& params = retriever.params();
  const float lambda = options.lambda.value_or(params.lambda);
  std::vector<float> scores(retriever.passage_count());
  for (Row row = 0; row < scores.size(); ++row) scores[row] = lambda * retriever.passage_index().score(query, row);
  if (lambda < 1.0f) {
    const std::size_t neighbors = options.neighbors == 0 ? params.neighbors : options.neighbors;
    const auto nearest = exact_neighbors(retriever.query_index(), query, neighbors);
    const pefa::detail::KnnScale scale(params.similarity, params.knn_scale, query);
    std::vector<float> similarities;
    for (const Neighbor& each : nearest) similarities.push_back(scale.similarity(each.score));
    std::vector<float> weights(similarities.size());
    if (!nearest.empty()) params.gate(similarities, weights);
    for (std::size_t i = 0; i < nearest.size(); ++i) {
      const auto entries = retriever.relevance().passages_of(QueryId(nearest[i].row));
      const float strength = (1.0f - lambda) * weights[i] * similarities[i] * scale.vote_factor();
      for (std::size_t e = 0; e < entries.size(); ++e) {
        scores[static_cast<std::size_t>(entries.columns[e])] += strength * entries.weights[e];
      }
    }
  }
  TopK best(std::min(k, scores.size()));
  for (Row row = 0; row < scores.size(); ++row) best.push({row, scores[row]});
  return pefa::detail::to_hits(best.take());
}

}  // namespace pefa::cli
