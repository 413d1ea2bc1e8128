// pefa: which training queries go when a live retriever nears its cap. Dropped, not condensed: a sum of several owners'
// queries could not be forgotten for one of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <tuple>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/live/event.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/live_state.hpp"
#include "pefa/live/live_view.hpp"

namespace pefa::live::detail {

/// How many training queries a merge leaves at most.
[[nodiscard]] inline std::size_t most_queries(const CountingParams& counting) noexcept {
  return counting.max_queries - static_cast<std::size_t>(counting.retire * static_cast<double>(counting.max_queries));
}

/// Whether half of what a merge frees is taken again.
[[nodiscard]] inline bool is_retirement_due(std::size_t queries, const CountingParams& counting) noexcept {
  const std::size_t most = most_queries(counting);
  return queries > most + (counting.max_queries - most) / 2;
}

/// What lets the training queries of the least weight go, the oldest among equals, down to most_queries(). No event
/// where there are no more than that. O(training queries + pairs)
[[nodiscard]] inline Batch retirement(const LiveSnapshot& shown, const CountingParams& counting, std::int64_t time) {
  Batch batch;
  const std::size_t most = most_queries(counting);
  if (shown.counts.queries <= most) return batch;
  struct Candidate {
    double weight;
    Row row;
  };
  std::vector<Candidate> candidates;
  candidates.reserve(shown.counts.queries);
  shown.queries.for_each([&](std::size_t row, const LiveState::Query& query) {
    if (query == nullptr) return;
    candidates.push_back({std::accumulate(query->totals.begin(), query->totals.end(), 0.0), static_cast<Row>(row)});
  });
  const std::size_t count = shown.counts.queries - most;
  const auto less = [](const Candidate& a, const Candidate& b) {
    return std::tie(a.weight, a.row) < std::tie(b.weight, b.row);
  };
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count) - 1, candidates.end(),
                   less);
  candidates.resize(count);
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.row < b.row; });
  for (const Candidate& candidate : candidates) {
    batch.events.emplace_back(RetireQuery{shown.queries[candidate.row]->id, time});
  }
  return batch;
}

}  // namespace pefa::live::detail
