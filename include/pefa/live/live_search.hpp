// pefa: searching an index without the rows that are gone, and a delta beside it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/any_index.hpp"
#include "pefa/live/live_delta.hpp"
#include "pefa/live/persistent_array.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::live::detail {

/// The best k rows of an index that are admitted: asks for more until there are enough.
/// @param n_hidden  rows that are certainly not admitted  @param admits  (Row)
template <class Admits>
[[nodiscard]] std::vector<Neighbor> search_admitted(const AnyIndex& index, QueryView query, std::size_t k,
                                                    std::size_t n_hidden, const Admits& admits,
                                                    const IndexSearchOptions& options) {
  const std::size_t size = index.size();
  if (n_hidden >= size) return {};
  for (std::size_t asked = std::min(size, k + std::min(n_hidden, k + 16));; asked = std::min(size, 4 * asked)) {
    std::vector<Neighbor> found = index.search(query, asked, options);
    const bool is_all = asked == size || found.size() < asked;
    std::erase_if(found, [&](const Neighbor& neighbor) { return !admits(neighbor.row); });
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
    return metric == Metric::inner_product
               ? pefa::detail::rankable(simd::dot_kernel<float>()(query.data(), row, query.size(), 1.0f))
               : pefa::detail::rankable(-simd::squared_l2_kernel<float>()(query.data(), row, query.size(), 1.0f));
  }

  /// The best k of both, ties by ascending row.
  template <class Admits>
  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k, bool is_filtered, const Admits& admits,
                                             const IndexSearchOptions& options) const {
    std::vector<Neighbor> found;
    if (index != nullptr && hidden->size() == 0 && !is_filtered) {
      found = index->search(query, k, options);
    } else if (index != nullptr) {
      found = search_admitted(
          *index, query, k, hidden->size(), [&](Row row) { return !hidden->contains(row) && admits(row); }, options);
    }
    if (delta->size() == 0) return found;
    TopK best(k);
    for (const Neighbor& neighbor : found) best.push(neighbor);
    delta->for_each([&](Row row, const float* values) {
      const Neighbor neighbor{row, score(query, values)};
      if (neighbor.score >= best.floor() && admits(row)) best.push(neighbor);
    });
    if (options.stats != nullptr) options.stats->distances += delta->size();
    return best.take();
  }
};

}  // namespace pefa::live::detail
