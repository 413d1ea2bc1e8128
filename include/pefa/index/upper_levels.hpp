// pefa: the upper levels of a graph while it is built, from the topmost down.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/index/packed_graph.hpp"

namespace pefa::detail {

/// The levels that are there, each with numbers of its own.
class UpperLevels {
 public:
  /// @param entry  the row where a descent begins
  explicit UpperLevels(Row entry) : entry_(entry) {}

  /// Puts a level below those that are there. @param rows  in ascending order, those of the level above among them
  /// @param links  of each, as rows of this level
  void add(std::vector<Row> rows, const std::vector<std::vector<Row>>& links) {
    PackedLevel level;
    level.rows = std::move(rows);
    level.down.assign(level.rows.begin(), level.rows.end());
    const auto number = [&level](Row row) {
      return static_cast<std::uint32_t>(std::lower_bound(level.rows.begin(), level.rows.end(), row) -
                                        level.rows.begin());
    };
    std::vector<std::uint32_t> lengths;
    lengths.reserve(links.size());
    for (const std::vector<Row>& list : links) lengths.push_back(static_cast<std::uint32_t>(list.size()));
    level.links = PackedLists(lengths);
    for (std::size_t i = 0; i < links.size(); ++i) {
      std::transform(links[i].begin(), links[i].end(), level.links.mutable_list(i).begin(), number);
    }
    if (levels_.empty()) {
      entry_ = number(entry_);
    } else {
      for (std::uint32_t& down : levels_.front().down) down = number(down);
    }
    levels_.insert(levels_.begin(), std::move(level));
  }

  /// The rows of level 0 to start from, in state.starts. @param scores  as descend() has it
  template <class Scores>
  void descend(const Scores& scores, DescentState& state) const {
    detail::descend(
        levels_, entry_, scores, [] {}, state);
  }

  /// The row where a descent begins.
  [[nodiscard]] Row entry_row() const noexcept { return levels_.empty() ? entry_ : levels_.back().rows[entry_]; }

  /// The whole graph. @param bottom  level 0. What was here is gone
  [[nodiscard]] PackedGraph with_bottom(PackedLists bottom) noexcept {
    return PackedGraph(std::move(bottom), std::move(levels_), entry_);
  }

 private:
  std::vector<PackedLevel> levels_;  // from level 1 up
  std::uint32_t entry_;              // a row; with levels its number on the topmost
};

}  // namespace pefa::detail
