// pefa: going through the rows that a filter admits, one after the other: exact, and the fastest where they are few.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa::detail {

/// Rows handed over at a time: their scores stay in the L1 cache.
inline constexpr std::size_t admitted_block = 256;

/// Calls visit(rows) with the admitted ones of `size` rows, ascending, at most admitted_block at a time, for as long as
/// it returns true. @return  whether it did to the end
template <class Visit>
bool for_each_admitted_block(const RowFilter& filter, std::size_t size, const Visit& visit) {
  const RowSet* set = filter.set();
  if (set != nullptr && set->form() == RowSetForm::listed) {
    const std::span<const Row> rows = set->listed();
    for (std::size_t begin = 0; begin < rows.size(); begin += admitted_block) {
      if (!visit(rows.subspan(begin, std::min(admitted_block, rows.size() - begin)))) return false;
    }
    return true;
  }
  std::array<Row, admitted_block> block;
  std::size_t used = 0;
  bool goes_on = true;
  const auto take = [&](Row row) {
    block[used++] = row;
    if (used < block.size()) return;
    goes_on = goes_on && visit(std::span<const Row>(block));
    used = 0;
  };
  if (set != nullptr) {
    set->for_each(take);
  } else {
    for (std::size_t row = 0; row < size && goes_on; ++row) {
      if (filter.admits(static_cast<Row>(row))) take(static_cast<Row>(row));
    }
  }
  if (goes_on && used > 0) goes_on = visit(std::span<const Row>(block.data(), used));
  return goes_on;
}

/// The best k of the admitted rows by their scores, or of those that the limit leaves time for.
/// @param score_rows  (std::span<const Row> rows, std::span<float> scores)
template <class ScoreRows>
[[nodiscard]] std::vector<Neighbor> scan_admitted(const RowFilter& filter, std::size_t size, std::size_t k,
                                                  const IndexSearchOptions& options, const ScoreRows& score_rows) {
  TopK best(std::min(k, size));
  std::array<float, admitted_block> scores;
  LimitWatch watch(options.limit);
  IndexSearchStats stats{.scans = 1};
  const bool whole = for_each_admitted_block(filter, size, [&](std::span<const Row> rows) {
    score_rows(rows, std::span<float>(scores.data(), rows.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) best.push({rows[i], scores[i]});
    stats.distances += rows.size();
    return !watch.reached_after(rows.size());
  });
  stats.scanned = stats.distances;
  stats.stopped = !whole;
  if (options.stats != nullptr) *options.stats += stats;
  return best.take();
}

}  // namespace pefa::detail
