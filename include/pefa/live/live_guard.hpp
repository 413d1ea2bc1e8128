// pefa: whether a base that was just built may serve: whether its index finds what an exact search finds, and whether
// it answers recent training queries as well as the base before.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "pefa/adapter/exact_search.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/any_index.hpp"
#include "pefa/live/live_epoch.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/live_state.hpp"
#include "pefa/live/live_view.hpp"

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
                                 "; the old base stays: raise ef_search, or give merge() a lower min_ann_recall");
}

/// Recall@10 on the last training queries that have a pair, each asked as if it had never come.
struct RecentRecall {
  std::size_t queries = 0;
  double mean = 0.0;  ///< of the share of a query's passages that are in its top 10
};

/// Of up to `count` queries. The order of training queries outlives a merge, so before and after it they are the same.
[[nodiscard]] inline RecentRecall recent_recall(const LiveView& view, std::size_t count,
                                                const AnyExecutor& executor = {}) {
  const LiveSnapshot& shown = view.shown();
  std::vector<Row> rows;
  shown.queries.for_each([&](std::size_t row, const LiveState::Query& query) {
    if (query != nullptr && !query->passages.empty()) rows.push_back(static_cast<Row>(row));
  });
  if (rows.size() > count) rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(count));
  std::vector<double> recalls(rows.size());
  executor.run(rows.size(), [&](std::size_t i) {
    const LiveQuery& query = *shown.queries[rows[i]];
    std::size_t found = 0;
    for (const Hit& hit : view.search_as_new(rows[i], 10)) {
      const Row passage = hit.passage.row();
      found += query.has(passage, query.find(passage)) ? 1U : 0U;
    }
    recalls[i] = static_cast<double>(found) / static_cast<double>(std::min<std::size_t>(query.passages.size(), 10));
  });
  RecentRecall recall{rows.size()};
  for (const double one : recalls) recall.mean += one / static_cast<double>(rows.size());
  return recall;
}

/// @throws ValueError  the new base answers recent training queries worse than the old one by more than `most`
inline void require_recent_recall(const RecentRecall& before, const LiveView& after, double most,
                                  const AnyExecutor& executor = {}) {
  if (most >= 1.0) return;
  const RecentRecall now = recent_recall(after, before.queries, executor);
  if (before.mean - now.mean <= most) return;
  pefa::detail::fail<ValueError>(
      "LiveRetriever::merge: the new base has Recall@10 ", now.mean, " on the last ", now.queries,
      " training queries, the old one ", before.mean, ", more than max_recall_loss ", most,
      " below; the old base stays: give merge() another max_recall_loss where that is meant");
}

}  // namespace pefa::live::detail
