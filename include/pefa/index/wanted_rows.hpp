// pefa: where some rows stand among the candidates of a search, without sorting those.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "pefa/core/ids.hpp"

namespace pefa::detail {

/// Some rows, to be found among candidates.
class WantedRows {
 public:
  explicit WantedRows(const std::vector<Neighbor>& wanted) {
    rows_.reserve(wanted.size());
    for (const Neighbor& each : wanted) rows_.push_back(each.row);
    std::sort(rows_.begin(), rows_.end());
  }

  /// How many candidates rank before each of the rows, ascending; a row that is not there has no place, one that is
  /// there twice its better one. O(n) where few of the candidates rank before the last of the rows.
  [[nodiscard]] std::vector<std::uint32_t> places_in(const std::vector<Neighbor>& candidates) const {
    std::vector<Neighbor> found(rows_.size());
    std::vector<bool> is_found(rows_.size());
    for (const Neighbor& candidate : candidates) {
      const auto at = std::lower_bound(rows_.begin(), rows_.end(), candidate.row);
      if (at == rows_.end() || *at != candidate.row) continue;
      const auto i = static_cast<std::size_t>(at - rows_.begin());
      if (!is_found[i] || ranks_before(candidate, found[i])) found[i] = candidate;
      is_found[i] = true;
    }
    std::vector<Neighbor> there;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (is_found[i]) there.push_back(found[i]);
    }
    std::sort(there.begin(), there.end(), ranks_before);
    std::vector<std::uint32_t> places(there.size(), 0);
    for (const Neighbor& candidate : candidates) {
      if (there.empty() || !ranks_before(candidate, there.back())) continue;
      ++places[static_cast<std::size_t>(std::upper_bound(there.begin(), there.end(), candidate, ranks_before) -
                                        there.begin())];
    }
    std::partial_sum(places.begin(), places.end(), places.begin());
    return places;
  }

 private:
  std::vector<Row> rows_;
};

}  // namespace pefa::detail
