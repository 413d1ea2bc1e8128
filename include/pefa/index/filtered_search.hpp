// pefa: a filtered search of any index: its own where it has one, else a search that is widened until enough rows are
// admitted, else the scores of all that are. A filter is never ignored.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/filtered_scan.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa {

/// An index that search_filtered() serves: one that filters, or one whose rows can be scored where the search for them
/// has found too few.
template <class I>
concept FilterableIndex = FilteringIndex<I> || ScoringIndex<I>;

namespace detail {

/// Scores rows one by one, or by the faster way where the index has one.
template <ScoringIndex Index>
void score_rows(const Index& index, QueryView query, std::span<const Row> rows, std::span<float> scores) {
  if constexpr (BatchScoringIndex<Index>) {
    index.score_rows(query, rows, scores);
  } else {
    for (std::size_t i = 0; i < rows.size(); ++i) scores[i] = index.score(query, rows[i]);
  }
}

/// The search of an index that knows no filter: wider and wider, and what is not admitted is dropped.
/// @return  nothing where scoring every admitted row is less work than the next search
template <class Index>
[[nodiscard]] std::optional<std::vector<Neighbor>> search_and_drop(const Index& index, QueryView query, std::size_t k,
                                                                   const RowFilter& filter, std::size_t admitted,
                                                                   const IndexSearchOptions& options) {
  constexpr std::size_t growth = 4;
  const std::size_t size = index.size();
  // Rows for k admitted ones if the filter has nothing to do with the query, and half as many again.
  const double usual = 1.5 * static_cast<double>(k) * static_cast<double>(size) / static_cast<double>(admitted) + 16.0;
  for (double wanted = usual; wanted < 0.25 * static_cast<double>(admitted); wanted *= growth) {
    const auto rows = static_cast<std::size_t>(wanted);
    std::vector<Neighbor> found = index.search(query, rows, options);
    const bool is_short = found.size() < rows;
    std::erase_if(found, [&](const Neighbor& each) { return !filter.admits(each.row); });
    if (found.size() >= k || options.limit.reached()) {
      found.resize(std::min(found.size(), k));
      return found;
    }
    if (is_short) break;  // a graph may not reach them all
  }
  return std::nullopt;
}

}  // namespace detail

/// The best k of the rows that a filter admits, best first, ties by ascending row; never fewer than k where so many are
/// admitted, unless a limit is reached.
///
/// An index that is no FilteringIndex is searched for more rows than k, those not admitted are dropped, and where that
/// finds too few, or a hundredth of the rows are admitted at most, every admitted row is scored.
/// @throws ShapeError  a set over another number of rows than the index has; and as search()
template <class Index>
[[nodiscard]] std::vector<Neighbor> search_filtered(const Index& index, QueryView query, std::size_t k,
                                                    const RowFilter& filter, const IndexSearchOptions& options = {}) {
  static_assert(FilterableIndex<Index>,
                "this index can neither filter (search_filtered) nor score its rows (score), so that a filtered search "
                "could return fewer rows than are admitted: give it one of the two members");
  if constexpr (FilteringIndex<Index>) {
    return index.search_filtered(query, k, filter, options);
  } else {
    detail::require_query(query, k, index.dim(), "search_filtered");
    const std::size_t size = index.size();
    filter.require_universe(size, "search_filtered");
    if (filter.admits_all()) return index.search(query, k, options);
    const RowSet set = filter.to_set(size);
    if (set.empty()) return {};
    if (set.size() > k && set.size() > size / 100) {
      if (auto found = detail::search_and_drop(index, query, k, set, set.size(), options)) return *std::move(found);
    }
    return detail::scan_admitted(set, size, k, options, [&](std::span<const Row> rows, std::span<float> scores) {
      detail::score_rows(index, query, rows, scores);
    });
  }
}

/// The same for many queries under one filter; a predicate is asked about each row once. Queries whose turn comes after
/// the limit have no results. @param queries  [n_queries x dim]
template <class Index>
[[nodiscard]] std::vector<std::vector<Neighbor>> search_filtered_batch(const Index& index,
                                                                       const EmbeddingView<float>& queries,
                                                                       std::size_t k, const RowFilter& filter,
                                                                       const IndexSearchOptions& options = {},
                                                                       const AnyExecutor& executor = {}) {
  filter.require_universe(index.size(), "search_filtered_batch");
  if (filter.admits_all()) return search_batch(index, queries, k, options, executor);
  if constexpr (FilteringBatchIndex<Index>) {
    return index.search_filtered_batch(queries, k, filter, options, executor);
  } else {
    const RowSet set = filter.to_set(index.size());
    std::vector<std::vector<Neighbor>> results(queries.size());
    detail::for_each_query_block(
        executor, queries.size(), 1, options, [&](std::size_t i, std::size_t, const IndexSearchOptions& mine) {
          results[i] = search_filtered(index, QueryView(queries.row(i), queries.dim()), k, set, mine);
        });
    return results;
  }
}

}  // namespace pefa
