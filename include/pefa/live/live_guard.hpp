// pefa: whether an index that was just built finds what an exact search finds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "pefa/adapter/exact_search.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/any_index.hpp"
#include "pefa/live/live_epoch.hpp"

namespace pefa::live::detail {

/// The share of the exact top 10 that the passage index finds, of 32 queries out of all: training queries where there
/// are any, else passages. 1 where there is no index. O(32 · passages · dim).
[[nodiscard]] inline double measured_ann_recall(const LiveEpoch& epoch) {
  const AnyIndex* index = epoch.passage_index();
  if (index == nullptr) return 1.0;
  const auto& asking = epoch.queries().view.empty() ? epoch.passages().view : epoch.queries().view;
  const std::size_t count = std::min<std::size_t>(32, asking.size());
  std::size_t found = 0;
  std::size_t expected = 0;
  for (std::size_t i = 0; i < count; ++i) {
    pefa::detail::AskedQuery asked;
    epoch.ask({asking.row(i * asking.size() / count), asking.dim()}, asked);
    const auto exact = pefa::detail::exact_neighbors(*index, asked.passages.view, 10, {});
    expected += exact.size();
    for (const Neighbor& neighbor : index->search(asked.passages.view, 10)) {
      // An equal score is as good: which of two equal rows is found says nothing.
      found += neighbor.score >= exact.back().score ? std::size_t{1} : std::size_t{0};
    }
  }
  return static_cast<double>(found) / static_cast<double>(expected);
}

/// @throws ValueError  the index finds less
inline void require_ann_recall(const LiveEpoch& epoch, double least) {
  const double recall = measured_ann_recall(epoch);
  if (recall >= least) return;
  pefa::detail::fail<ValueError>("LiveRetriever::merge: the new index finds ", recall,
                                 " of the exact top 10, expected at least ", least,
                                 "; the old base stays: raise ef_search or lower min_ann_recall");
}

}  // namespace pefa::live::detail
