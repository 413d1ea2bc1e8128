// pefa: the rows that came or changed since the last merge: few, and scanned whole.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/persistent_array.hpp"

namespace pefa::live::detail {

/// A row of a delta.
struct DeltaRow {
  Row row = 0;            ///< of the state
  SharedVector values{};  ///< as an index would hold it; null: nothing is here
};

/// Rows by the numbers they have in the state. One writer; snapshots are read from any thread.
class LiveDelta {
 public:
  /// How many rows.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The row of that number, or null.
  [[nodiscard]] const float* find(Row row) const noexcept {
    const Row place = places_[row];
    return place == 0 ? nullptr : rows_[place - 1].values.get();
  }

  /// Puts in a row, in place of the one that has its number.
  void put(Row row, SharedVector values) {
    Row place = places_[row];
    if (place == 0) {
      ++size_;
      if (free_.empty()) {
        place = static_cast<Row>(size_);
      } else {
        place = free_.back();
        free_.pop_back();
      }
      places_.edit(row) = place;
    }
    rows_.edit(place - 1) = {row, std::move(values)};
  }

  /// Takes out the row of that number, if it is there.
  void erase(Row row) {
    const Row place = places_[row];
    if (place == 0) return;
    places_.edit(row) = 0;
    rows_.edit(place - 1) = {};
    free_.push_back(place);
    --size_;
  }

  /// Calls visit(row, values) for every row.
  template <class Visit>
  void for_each(const Visit& visit) const {
    rows_.for_each([&](std::size_t, const DeltaRow& row) {
      if (row.values != nullptr) visit(row.row, row.values.get());
    });
  }

  /// As it is now. O(1).
  [[nodiscard]] LiveDelta snapshot() {
    LiveDelta copy;
    copy.rows_ = rows_.snapshot();
    copy.places_ = places_.snapshot();
    copy.size_ = size_;
    return copy;
  }

 private:
  PersistentArray<DeltaRow> rows_;
  PersistentArray<Row> places_;  // 1 + where a row is; 0: nowhere
  std::vector<Row> free_;        // places; the writer's alone
  std::size_t size_ = 0;
};

}  // namespace pefa::live::detail
