// pefa: the rows that came or changed since the last merge, in lists of rows that lie near each other.
//
// A new row goes to the list whose centre is nearest; a list that is full is split in two (as SPFresh splits its
// postings: Xu et al., SOSP 2023), so that nothing is ever clustered anew. Up to `scanned_rows` a search looks at all
// rows and is exact; past that it looks at the lists that promise most, a sixth of the rows or more.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/live/delta_list.hpp"
#include "pefa/live/delta_tree.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/persistent_array.hpp"
#include "pefa/simd/kernels.hpp"

namespace pefa::live::detail {

/// Rows by the numbers they have in the state. One writer; snapshots are read from any thread.
class LiveDelta {
 public:
  /// A search looks at all rows up to here.
  static constexpr std::size_t scanned_rows = 4096;

  /// How many rows.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The row of that number, or null. Valid as long as this is not written to.
  [[nodiscard]] const float* find(Row row) const noexcept {
    const Place place = places_[row];
    return place.list == 0 ? nullptr : (*lists_[place.list - 1])[place.slot].values.get();
  }

  /// Puts in a row, in place of the one that has its number. @param values  as an index would hold it; the first row
  /// decides how many
  void put(Row row, std::span<const float> values) {
    if (moves_little(row, values)) {
      const Place place = places_[row];
      return open(place.list - 1).replace(place.slot, share_vector(values));
    }
    erase(row);
    insert(row, share_vector(values), values.size());
  }

  /// Takes out the row of that number, if it is there.
  void erase(Row row) {
    const Place place = places_[row];
    if (place.list == 0) return;
    places_.edit(row) = {};
    DeltaList& rows = open(place.list - 1);
    rows.remove(place.slot);
    if (place.slot < rows.size()) places_.edit(rows[place.slot].row).slot = place.slot;
    --size_;
    if (size_ == 0 || n_lists_ > 16 + size_ / 4) gather();  // rows that come and go leave lists that are all but empty
  }

  /// Pushes the best rows among those that a predicate admits.
  /// @param floor   no score below it counts
  /// @param is_all  whether it looks at all rows, however many there are
  /// @return how many it looked at
  template <class Admits>
  std::size_t search(QueryView query, Metric metric, float floor, bool is_all, const Admits& admits,
                     const IndexSearchOptions& options, TopK& best) const {
    if (size_ == 0) return 0;
    DeltaQuery asked(query, metric);
    std::size_t seen = 0;
    /// Whether there was time for it.
    const auto scan = [&](std::size_t list) {
      if (options.limit.reached()) {
        if (options.stats != nullptr) options.stats->stop();
        return false;
      }
      const DeltaList& rows = *lists_[list];
      if (rows.size() > 0) rows.scan(asked, floor, admits, best);
      seen += rows.size();
      return true;
    };
    if (is_all || size_ <= scanned_rows) {
      for (std::size_t list = 0; list < n_lists_ && scan(list); ++list) {
      }
      return seen;
    }
    const std::size_t budget = std::max(scanned_rows, size_ / 6);
    for (const Neighbor& list : promising_lists(asked)) {
      if (seen >= budget || !scan(list.row)) break;
    }
    return seen;
  }

  /// As it is now, to be searched. O(1), but for the paths and lists that the next writes copy.
  [[nodiscard]] LiveDelta snapshot() {
    open_.clear();
    LiveDelta copy;
    copy.lists_ = lists_.snapshot();
    copy.places_ = places_.snapshot();
    copy.n_lists_ = n_lists_;
    copy.size_ = size_;
    return copy;
  }

 private:
  /// Where a row is.
  struct Place {
    std::uint32_t list = 0;  // 1 + its number; 0: nowhere
    std::uint32_t slot = 0;
  };

  /// A list, to be written to.
  [[nodiscard]] DeltaList& open(std::size_t list) {
    std::shared_ptr<DeltaList>& writable = open_[list];
    if (writable == nullptr) {
      writable = std::make_shared<DeltaList>(*lists_[list]);
      lists_.edit(list) = writable;
    }
    return *writable;
  }

  /// Puts in a row that is not here.
  void insert(Row row, SharedVector values, std::size_t dim) {
    if (n_lists_ == 0) {
      add_list({values.get(), dim});
      tree_.start({values.get(), dim});
    }
    const std::size_t list = tree_.nearest({values.get(), dim});
    DeltaList& rows = open(list);
    places_.edit(row) = {static_cast<std::uint32_t>(list + 1), static_cast<std::uint32_t>(rows.size())};
    rows.append(row, std::move(values));
    ++size_;
    if (rows.size() == DeltaList::most) split(list);
  }

  /// Puts the rows into new lists.
  void gather() {
    std::vector<DeltaRow> rows;
    std::size_t dim = 0;
    for (std::size_t list = 0; list < n_lists_; ++list) {
      dim = lists_[list]->center().size();
      for (std::size_t i = 0; i < lists_[list]->size(); ++i) rows.push_back((*lists_[list])[i]);
    }
    lists_ = {};
    open_.clear();
    n_lists_ = 0;
    size_ = 0;
    for (DeltaRow& row : rows) insert(row.row, std::move(row.values), dim);
  }

  /// Makes a list that is empty.
  DeltaList& add_list(std::span<const float> center) {
    std::shared_ptr<DeltaList>& made = open_[n_lists_];
    made = std::make_shared<DeltaList>(center);
    lists_.edit(n_lists_++) = made;
    return *made;
  }

  /// Whether a row that is here may stay in its list with other values.
  [[nodiscard]] bool moves_little(Row row, std::span<const float> values) const {
    const Place place = places_[row];
    if (place.list == 0) return false;
    const DeltaList& list = *lists_[place.list - 1];
    const float far = simd::squared_l2_kernel<float>()(values.data(), list.center().data(), values.size(), 1.0f);
    return far <= 1.5f * list.spread() * list.spread();
  }

  /// All lists, those first where the best rows are likely to be. A row's score is about its centre's, give or take
  /// what its list is spread by: so wide lists promise more than their centres do.
  [[nodiscard]] std::vector<Neighbor> promising_lists(const DeltaQuery& query) const {
    constexpr float spread_share = 0.4f;  // of WordNet's and of its queries' nearest rows most are found so
    const auto dot = simd::dot_kernel<float>();
    const QueryView values = query.values;
    const float reach = spread_share * std::sqrt(dot(values.data(), values.data(), values.size(), 1.0f));
    const bool is_l2 = query.metric == Metric::l2;
    std::vector<Neighbor> order(n_lists_);
    lists_.for_each([&](std::size_t number, const std::shared_ptr<const DeltaList>& list) {
      if (number >= n_lists_) return;
      const std::span<const float> center = list->center();
      float score = dot(values.data(), center.data(), center.size(), 1.0f) + reach * list->spread();
      if (is_l2) score -= 0.5f * list->mean_square();
      order[number] = {static_cast<Row>(number), pefa::detail::rankable(score)};
    });
    std::sort(order.begin(), order.end(), ranks_before);
    return order;
  }

  /// Makes two lists of one that is full.
  void split(std::size_t list) {
    DeltaList& near = open(list);
    const std::size_t other = n_lists_;
    DeltaList& far = add_list(near.center());
    const DeltaList full = std::exchange(near, DeltaList(near.center()));
    const std::vector<bool> stays = halves(full);
    for (std::size_t i = 0; i < full.size(); ++i) {
      DeltaList& rows = stays[i] ? near : far;
      const auto number = static_cast<std::uint32_t>(stays[i] ? list : other);
      places_.edit(full[i].row) = {number + 1, static_cast<std::uint32_t>(rows.size())};
      rows.append(full[i].row, full[i].values);
    }
    near.find_center();
    far.find_center();
    tree_.split(list, near.center(), far.center());
  }

  PersistentArray<std::shared_ptr<const DeltaList>> lists_;
  PersistentArray<Place> places_;
  std::size_t n_lists_ = 0;
  std::size_t size_ = 0;
  std::unordered_map<std::size_t, std::shared_ptr<DeltaList>> open_;  // lists that no snapshot shares; the writer's
  DeltaTree tree_;                                                    // the writer's, too
};

}  // namespace pefa::live::detail
