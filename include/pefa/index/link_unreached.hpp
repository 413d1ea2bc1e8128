// pefa: a way to every row of a graph: those that no path from the entry point leads to get a link from one near them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/growing_links.hpp"
#include "pefa/index/row_walk.hpp"

namespace pefa::detail {

/// The rows that paths from some row lead to, as links are added.
class ReachedRows {
 public:
  explicit ReachedRows(const GrowingLinks& links) : links_(links), reached_(links.size(), 0) {}

  [[nodiscard]] bool contains(Row row) const noexcept { return reached_[row] != 0; }

  /// Adds a row and what it leads to.
  void add(Row from) {
    mark(from);
    while (!pending_.empty()) {
      const Row row = pending_.back();
      pending_.pop_back();
      for (const Row link : links_.list(row)) {
        if (!contains(link)) mark(link);
      }
    }
  }

 private:
  void mark(Row row) {
    reached_[row] = 1;
    pending_.push_back(row);
  }

  const GrowingLinks& links_;
  std::vector<char> reached_;
  std::vector<Row> pending_;  // reached, but its links were not looked at
};

/// Links every row that cannot be reached from `entry` to the nearest found that can, and has fewer than `most` links;
/// where there is none, to one that has any room. On one thread, as each link changes what can be reached.
/// @param order  all rows that are in the graph
inline void link_unreached(std::span<const Row> order, Row entry, const RowWalk& walk, GrowingLinks& links,
                           std::size_t most, ProgressMeter& meter) {
  constexpr std::size_t width = 64;
  ReachedRows reached(links);
  reached.add(entry);
  RowWalkState state(links.size());
  const auto find_room = [&](Row row) {
    walk.ask(row, state);
    walk.start({&entry, 1}, width, state);
    walk.run(state);
    for (const std::size_t limit : {most, links.room()}) {
      for (std::size_t i = 0; i < state.beam.size(); ++i) {
        if (links.list(state.beam[i].row()).size() < limit) return state.beam[i].row();
      }
    }
    // There is room: every row has some past `most`, and gives one reached row a link for each that it takes.
    for (const Row other : order) {
      if (reached.contains(other) && links.list(other).size() < links.room()) return other;
    }
    return entry;
  };
  for (const Row row : order) {
    if (reached.contains(row)) continue;
    links.append(find_room(row), row);
    reached.add(row);
    meter.poll();
  }
}

}  // namespace pefa::detail
