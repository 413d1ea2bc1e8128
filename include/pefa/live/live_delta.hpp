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
#include <limits>
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
    erase(row);
    if (n_lists_ == 0) {
      dim_ = values.size();
      add_list(values);
    }
    const std::size_t list = nearest_list(values);
    DeltaList& rows = open(list);
    places_.edit(row) = {static_cast<std::uint32_t>(list + 1), static_cast<std::uint32_t>(rows.size())};
    rows.append(row, share_vector(values), dim_);
    ++size_;
    if (rows.size() == DeltaList::most) split(list);
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
  }

  /// Pushes the best rows among those that a predicate admits.
  /// @param floor   no score below it counts
  /// @param is_all  whether it looks at all rows, however many there are
  /// @return how many it looked at
  template <class Admits>
  std::size_t search(QueryView query, Metric metric, float floor, bool is_all, const Admits& admits,
                     const IndexSearchOptions& options, TopK& best) const {
    if (size_ == 0) return 0;
    const DeltaQuery asked(query, metric);
    std::size_t seen = 0;
    const auto scan = [&](std::size_t list) {
      const DeltaList& rows = *lists_[list];
      if (rows.size() > 0) rows.scan(asked, floor, admits, best);
      seen += rows.size();
    };
    if (is_all || size_ <= scanned_rows) {
      for (std::size_t list = 0; list < n_lists_ && !options.limit.reached(); ++list) scan(list);
      return seen;
    }
    const std::size_t budget = std::max(scanned_rows, size_ / 6);
    for (const Neighbor& list : promising_lists(asked)) {
      if (seen >= budget || options.limit.reached()) break;
      scan(list.row);
    }
    return seen;
  }

  /// As it is now. O(1), but for the paths and lists that the next writes copy.
  [[nodiscard]] LiveDelta snapshot() {
    open_.clear();
    owns_centers_ = false;
    LiveDelta copy;
    copy.lists_ = lists_.snapshot();
    copy.places_ = places_.snapshot();
    copy.centers_ = centers_;
    copy.n_lists_ = n_lists_;
    copy.size_ = size_;
    copy.dim_ = dim_;
    return copy;
  }

 private:
  /// Where a row is.
  struct Place {
    std::uint32_t list = 0;  // 1 + its number; 0: nowhere
    std::uint32_t slot = 0;
  };
  /// What the lists were made with.
  struct Centers {
    std::vector<float> rows;          // means c
    std::vector<float> half_squares;  // ‖c‖²/2
    std::vector<float> spreads;       // root mean square of ‖x − c‖
  };

  /// A list, to be written to.
  [[nodiscard]] DeltaList& open(std::size_t list) {
    std::shared_ptr<DeltaList>& writable = open_[list];
    if (writable == nullptr) {
      const std::shared_ptr<const DeltaList>& shown = lists_[list];
      writable = shown == nullptr ? std::make_shared<DeltaList>() : std::make_shared<DeltaList>(*shown);
      lists_.edit(list) = writable;
    }
    return *writable;
  }

  /// The centres, to be written to.
  [[nodiscard]] Centers& own_centers() {
    if (!owns_centers_) {
      centers_ = centers_ == nullptr ? std::make_shared<Centers>() : std::make_shared<Centers>(*centers_);
      owns_centers_ = true;
    }
    return *centers_;
  }

  /// Makes a list that is empty.
  void add_list(std::span<const float> center) {
    Centers& centers = own_centers();
    centers.rows.insert(centers.rows.end(), center.begin(), center.end());
    centers.half_squares.push_back(0.5f * squared_length(center.data()));
    centers.spreads.push_back(0.0f);
    (void)open(n_lists_++);
  }

  [[nodiscard]] float squared_length(const float* row) const noexcept {
    return simd::dot_kernel<float>()(row, row, dim_, 1.0f);
  }

  /// The list to put a row in: the one that has the nearest centre.
  [[nodiscard]] std::size_t nearest_list(std::span<const float> values) const {
    const auto dot = simd::dot_kernel<float>();
    std::size_t nearest = 0;
    float most = -std::numeric_limits<float>::infinity();
    for (std::size_t list = 0; list < n_lists_; ++list) {
      const float* center = centers_->rows.data() + list * dim_;
      const float score = dot(values.data(), center, dim_, 1.0f) - centers_->half_squares[list];
      if (score > most) most = score, nearest = list;
    }
    return nearest;
  }

  /// All lists, those first where the best rows are likely to be. A row's score is about its centre's, give or take
  /// what its list is spread by: so wide lists promise more than their centres do.
  [[nodiscard]] std::vector<Neighbor> promising_lists(const DeltaQuery& query) const {
    constexpr float spread_share = 0.4f;  // of WordNet's and of its queries' nearest rows most are found so
    const auto dot = simd::dot_kernel<float>();
    const QueryView values = query.values();
    const float reach = spread_share * std::sqrt(squared_length(values.data()));
    const bool is_l2 = query.metric() == Metric::l2;
    std::vector<Neighbor> order(n_lists_);
    for (std::size_t list = 0; list < n_lists_; ++list) {
      const float spread = centers_->spreads[list];
      float score = dot(values.data(), centers_->rows.data() + list * dim_, dim_, 1.0f) + reach * spread;
      if (is_l2) score -= centers_->half_squares[list] + 0.5f * spread * spread;
      order[list] = {static_cast<Row>(list), pefa::detail::rankable(score)};
    }
    std::sort(order.begin(), order.end(), ranks_before);
    return order;
  }

  /// Makes two lists of one that is full.
  void split(std::size_t list) {
    const DeltaList full = std::exchange(open(list), DeltaList());
    const std::vector<bool> stays = halves(full, dim_);
    const std::size_t other = n_lists_;
    add_list(std::vector<float>(dim_));
    for (std::size_t i = 0; i < full.size(); ++i) {
      const std::size_t to = stays[i] ? list : other;
      DeltaList& rows = open(to);
      places_.edit(full[i].row) = {static_cast<std::uint32_t>(to + 1), static_cast<std::uint32_t>(rows.size())};
      rows.append(full[i].row, full[i].values, dim_);
    }
    find_center(list);
    find_center(other);
  }

  /// Of the rows that are in a list now.
  void find_center(std::size_t list) {
    const DeltaList& rows = *lists_[list];
    Centers& centers = own_centers();
    float* center = centers.rows.data() + list * dim_;
    const float share = 1.0f / static_cast<float>(rows.size());
    float mean_square = 0.0f;
    std::fill_n(center, dim_, 0.0f);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const float* row = rows[i].values.get();
      for (std::size_t d = 0; d < dim_; ++d) center[d] += share * row[d];
      mean_square += share * squared_length(row);
    }
    const float square = squared_length(center);
    centers.half_squares[list] = 0.5f * square;
    centers.spreads[list] = std::sqrt(std::max(0.0f, mean_square - square));
  }

  PersistentArray<std::shared_ptr<const DeltaList>> lists_;
  PersistentArray<Place> places_;
  std::shared_ptr<Centers> centers_;
  std::size_t n_lists_ = 0;
  std::size_t size_ = 0;
  std::size_t dim_ = 0;
  std::unordered_map<std::size_t, std::shared_ptr<DeltaList>> open_;  // lists that no snapshot shares; the writer's
  bool owns_centers_ = false;                                         // the same of the centres
};

}  // namespace pefa::live::detail
