// pefa: the exact scan of admitted rows where they have codes: the codes rule nearly all of them out, the rest are
// scored on the rows themselves, as many as the codes' own errors ask for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/code_walk.hpp"
#include "pefa/index/filtered_scan.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa::detail {

/// The best k by exact scores of candidates sorted by the scores of their codes.
///
/// After `rerank` of them it goes on until no candidate's code comes near: what was scored tells how far codes are off,
/// and half of that spread is added to the largest error seen, four standard deviations of what the codes leave out.
/// @param is_all       there is no row behind the last candidate
/// @param score_exact  (std::span<const Row> rows, std::span<float> scores)
/// @return  nothing where a row behind the last candidate may belong to the best k
template <class ScoreExact>
[[nodiscard]] std::optional<std::vector<Neighbor>> rescore_by_errors(std::vector<Neighbor> candidates, bool is_all,
                                                                     std::size_t k, std::size_t rerank,
                                                                     IndexSearchStats& stats,
                                                                     const ScoreExact& score_exact) {
  constexpr std::size_t step = 16;
  std::vector<Row> rows;
  std::vector<float> scores;
  std::vector<Neighbor> found;
  float lowest = std::numeric_limits<float>::infinity();
  float highest = -lowest;
  for (std::size_t begin = 0; begin < candidates.size();) {
    const std::size_t count = std::min(begin == 0 ? rerank : step, candidates.size() - begin);
    rows.clear();
    for (std::size_t i = 0; i < count; ++i) rows.push_back(candidates[begin + i].row);
    scores.resize(count);
    score_exact(std::span<const Row>(rows), std::span<float>(scores));
    for (std::size_t i = 0; i < count; ++i) {
      const float error = scores[i] - candidates[begin + i].score;
      lowest = std::min(lowest, error);
      highest = std::max(highest, error);
      found.push_back({rows[i], scores[i]});
    }
    begin += count;
    stats.reranked += count;
    keep_best(found, k);
    if (begin == candidates.size() && is_all) return found;
    const float next = candidates[std::min(begin, candidates.size() - 1)].score;
    // So written, scores past the range of float are never good enough.
    if (found.size() == k && next + highest + 0.5f * (highest - lowest) < found.back().score) return found;
  }
  return std::nullopt;
}

/// The best k of the admitted rows, or of those that the limit leaves time for.
/// @param state  its stats are added to
template <class ScoreExact>
[[nodiscard]] std::vector<Neighbor> scan_codes(const CodeWalk& walk, QueryView query, std::size_t k, std::size_t rerank,
                                               const RowFilter& filter, std::size_t size, const SearchLimit& limit,
                                               WalkState& state, const ScoreExact& score_exact) {
  constexpr float allowance = 4.0f;  // standard deviations: a head rules out for certain
  walk.encode(query, state);
  const std::size_t kept = 2 * rerank;
  TopK best(std::min(kept, size));
  LimitWatch watch(limit);
  std::size_t scanned = 0;
  const bool whole = for_each_admitted_block(filter, size, [&](std::span<const Row> rows) {
    walk.score_promising(
        rows, allowance, state, [&](float score) { return score >= best.floor(); },
        [&](Row row, float score) {
          best.push({row, rankable(score)});
        });
    scanned += rows.size();
    return !watch.reached_after(rows.size());
  });
  ++state.stats.scans;
  state.stats.scanned += scanned;
  state.stats.distances += scanned;
  if (!whole) state.stats.stopped = true;
  std::vector<Neighbor> candidates = best.take();
  const bool is_all = !whole || candidates.size() == scanned;
  auto found = rescore_by_errors(std::move(candidates), is_all, std::min(k, size), rerank, state.stats, score_exact);
  if (found) return *std::move(found);
  // The codes cannot tell the rows apart: equal ones, or scores past what codes hold.
  IndexSearchStats stats;
  std::vector<Neighbor> exact = scan_admitted(filter, size, k, {.limit = limit, .stats = &stats}, score_exact);
  stats.scans = 0;  // the same scan goes on
  state.stats += stats;
  return exact;
}

}  // namespace pefa::detail
