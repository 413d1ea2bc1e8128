// pefa: searching an index without the rows that are gone, and a delta beside it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/any_index.hpp"
#include "pefa/live/live_delta.hpp"
#include "pefa/live/persistent_array.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa::live::detail {

/// The best k rows of an index that are not among a few hidden ones: asks for more until there are enough, which costs
/// less than a filtered search.
[[nodiscard]] inline std::vector<Neighbor> search_shown(const AnyIndex& index, QueryView query, std::size_t k,
                                                        const PersistentRowSet& hidden,
                                                        const IndexSearchOptions& options) {
  const std::size_t size = index.size();
  for (std::size_t asked = std::min(size, k + std::min(hidden.size(), k + 16));; asked = std::min(size, 4 * asked)) {
    std::vector<Neighbor> found = index.search(query, asked, options);
    const bool is_all = asked == size || found.size() < asked;
    std::erase_if(found, [&](const Neighbor& neighbor) { return hidden.contains(neighbor.row); });
    if (found.size() > k) found.resize(k);
    if (found.size() == k || is_all || options.limit.reached()) return found;
  }
}

/// One side of a live retriever: an index with some of its rows hidden, and a delta.
struct LiveSide {
  const AnyIndex* index = nullptr;           ///< null: it has no rows
  const PersistentRowSet* hidden = nullptr;  ///< rows of the index that changed or are gone
  const LiveDelta* delta = nullptr;
  Metric metric = Metric::inner_product;

  /// The score of a row of the delta, as an index has it.
  [[nodiscard]] float score(QueryView query, const float* row) const noexcept {
    return delta_score(query, metric, row);
  }

  /// The best k of both, ties by ascending row; exact as far as the index is, and up to LiveDelta::scanned_rows.
  template <class Admits>
  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k, bool is_filtered, const Admits& admits,
                                             const IndexSearchOptions& options) const {
    std::vector<Neighbor> found;
    if (index != nullptr && !is_filtered && 8 * hidden->size() <= index->size()) {
      found = hidden->size() == 0 ? index->search(query, k, options) : search_shown(*index, query, k, *hidden, options);
    } else if (index != nullptr && hidden->size() < index->size()) {
      const auto is_shown = [&](Row row) { return !hidden->contains(row) && admits(row); };
      found = index->search_filtered(query, k, RowFilter(is_shown), options);
    }
    if (delta->size() == 0) return found;
    const float floor = found.size() < k ? -std::numeric_limits<float>::infinity() : found.back().score;
    TopK best(k);
    for (const Neighbor& neighbor : found) best.push(neighbor);
    const std::size_t seen = delta->search(query, metric, floor, is_filtered, admits, options, best);
    if (options.stats != nullptr) options.stats->distances += seen;
    return best.take();
  }
};

}  // namespace pefa::live::detail
