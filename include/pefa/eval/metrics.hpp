// pefa: the quality of one ranked list, as trec_eval defines it. Averages and intervals over queries are evaluate()'s.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// The grade of a passage for a query: its weight in the truth, 0 where it is not relevant. O(log |truth|).
[[nodiscard]] inline float grade_of(PassageId passage, const RelevanceMatrix::Entries& truth) noexcept {
  const auto column = static_cast<std::int32_t>(passage.row());
  const auto found = std::lower_bound(truth.columns.begin(), truth.columns.end(), column);
  if (found == truth.columns.end() || *found != column) return 0.0f;
  return truth.weights[static_cast<std::size_t>(found - truth.columns.begin())];
}

/// `Recall@k` = relevant passages among the first k hits / relevant passages. `truth` must not be empty.
[[nodiscard]] inline double recall_at(std::span<const Hit> hits, const RelevanceMatrix::Entries& truth, std::size_t k) {
  std::size_t found = 0;
  for (const Hit& hit : hits.first(std::min(k, hits.size()))) found += grade_of(hit.passage, truth) > 0.0f ? 1U : 0U;
  return static_cast<double>(found) / static_cast<double>(truth.size());
}

/// Hit rate at k: 1 where a relevant passage is among the first k hits, else 0.
[[nodiscard]] inline double hit_rate_at(std::span<const Hit> hits, const RelevanceMatrix::Entries& truth,
                                        std::size_t k) {
  return recall_at(hits, truth, k) > 0.0 ? 1.0 : 0.0;
}

/// `MRR@k`: 1 / the rank of the first relevant hit, 0 where none is among the first k.
[[nodiscard]] inline double reciprocal_rank_at(std::span<const Hit> hits, const RelevanceMatrix::Entries& truth,
                                               std::size_t k) {
  for (std::size_t rank = 0; rank < std::min(k, hits.size()); ++rank) {
    if (grade_of(hits[rank].passage, truth) > 0.0f) return 1.0 / static_cast<double>(rank + 1);
  }
  return 0.0;
}

/// `nDCG@k = DCG@k / the DCG@k of the ideal order`, with `DCG@k = Σ grade / log2(rank + 1)`, rank from 1 (trec_eval's
/// ndcg_cut). `truth` must not be empty.
[[nodiscard]] inline double ndcg_at(std::span<const Hit> hits, const RelevanceMatrix::Entries& truth, std::size_t k) {
  const auto discounted = [](float grade, std::size_t rank) {
    return static_cast<double>(grade) / std::log2(static_cast<double>(rank) + 2.0);
  };
  double gained = 0.0;
  for (std::size_t rank = 0; rank < std::min(k, hits.size()); ++rank) {
    gained += discounted(grade_of(hits[rank].passage, truth), rank);
  }
  std::vector<float> ideal(truth.weights.begin(), truth.weights.end());
  const std::size_t depth = std::min(k, ideal.size());
  std::partial_sort(ideal.begin(), ideal.begin() + static_cast<std::ptrdiff_t>(depth), ideal.end(), std::greater<>());
  double best = 0.0;
  for (std::size_t rank = 0; rank < depth; ++rank) best += discounted(ideal[rank], rank);
  return best > 0.0 ? gained / best : 0.0;
}

/// The share of the exact top k that an approximate search found: a property of an index, not of a retriever.
/// @param exact  the first k of an exact search; an empty one counts as found
[[nodiscard]] inline double ann_recall(std::span<const Neighbor> found, std::span<const Neighbor> exact) {
  if (exact.empty()) return 1.0;
  std::vector<Row> rows;
  rows.reserve(found.size());
  for (const Neighbor& neighbor : found) rows.push_back(neighbor.row);
  std::sort(rows.begin(), rows.end());
  const auto hits = std::count_if(exact.begin(), exact.end(), [&](const Neighbor& neighbor) {
    return std::binary_search(rows.begin(), rows.end(), neighbor.row);
  });
  return static_cast<double>(hits) / static_cast<double>(exact.size());
}

}  // namespace pefa
