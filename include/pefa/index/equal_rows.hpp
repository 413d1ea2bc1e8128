// pefa: rows that are equal to the bit: one of each group stands in a graph and answers for the others.
//
// Put into a graph, equal rows link to each other alone and fill the beam of every search that comes by: what lies
// behind them is not found, and of themselves only some are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// A hash of a row's stored bytes and its scale.
template <class Scalar>
[[nodiscard]] std::uint64_t row_hash(const EmbeddingView<Scalar>& rows, std::size_t i) noexcept {
  constexpr std::uint64_t odd = 0x9E37'79B9'7F4A'7C15U;
  const float scale = rows.scale(i);
  std::uint64_t hash = 0;
  std::memcpy(&hash, &scale, sizeof scale);
  const auto* bytes = reinterpret_cast<const char*>(rows.row(i));
  for (std::size_t left = rows.dim() * sizeof(Scalar); left > 0;) {
    std::uint64_t word = 0;
    const std::size_t count = std::min(left, sizeof word);
    std::memcpy(&word, bytes, count);
    hash = (hash ^ word) * odd;
    hash ^= hash >> 32;
    bytes += count;
    left -= count;
  }
  return hash;
}

/// For every row the first one that equals it, itself perhaps; empty where no two rows are equal. O(size · dim).
template <class Scalar>
[[nodiscard]] std::vector<Row> first_equal_rows(const EmbeddingView<Scalar>& rows, const AnyExecutor& executor) {
  using Hashed = std::pair<std::uint64_t, Row>;
  std::vector<Hashed> hashed(rows.size());
  for_each_block(executor, rows.size(), 4096, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) hashed[i] = {row_hash(rows, i), static_cast<Row>(i)};
  });
  std::sort(hashed.begin(), hashed.end());
  const auto equal = [&](Row a, Row b) {
    const float scales[2]{rows.scale(a), rows.scale(b)};
    return std::memcmp(rows.row(a), rows.row(b), rows.dim() * sizeof(Scalar)) == 0 &&
           std::memcmp(&scales[0], &scales[1], sizeof(float)) == 0;
  };
  std::vector<Row> first;
  std::vector<Row> distinct;  // of one hash
  for (std::size_t begin = 0; begin < hashed.size();) {
    std::size_t end = begin + 1;
    while (end < hashed.size() && hashed[end].first == hashed[begin].first) ++end;
    distinct.assign(1, hashed[begin].second);
    for (std::size_t i = begin + 1; i < end; ++i) {
      const Row row = hashed[i].second;
      const auto same = std::find_if(distinct.begin(), distinct.end(), [&](Row other) { return equal(row, other); });
      if (same == distinct.end()) {
        distinct.push_back(row);
        continue;
      }
      if (first.empty()) {
        first.resize(rows.size());
        for (std::size_t r = 0; r < first.size(); ++r) first[r] = static_cast<Row>(r);
      }
      first[row] = *same;
    }
    begin = end;
  }
  return first;
}

/// The groups of equal rows of an index, by their first row. Nothing is held where no two rows are equal, else four
/// bytes a row.
class EqualRows {
 public:
  EqualRows() = default;

  /// @param first  as first_equal_rows() gives it
  explicit EqualRows(const std::vector<Row>& first) : next_(first.size(), none) {
    std::vector<Row> last(first);
    for (std::size_t i = 0; i < first.size(); ++i) {
      if (first[i] == i) continue;
      next_[last[first[i]]] = static_cast<Row>(i);
      last[first[i]] = static_cast<Row>(i);
    }
  }

  [[nodiscard]] bool empty() const noexcept { return next_.empty(); }

  /// Whether a first row, or one equal to it, is admitted. @param admits  (Row)
  template <class Admits>
  [[nodiscard]] bool any(Row row, const Admits& admits) const {
    if (admits(row)) return true;
    if (empty()) return false;
    while ((row = next_[row]) != none) {
      if (admits(row)) return true;
    }
    return false;
  }

  /// Appends those that are admitted of a first row and the rows equal to it, in ascending order, at most `most`.
  template <class Admits>
  void append_admitted(Neighbor neighbor, std::size_t most, const Admits& admits, std::vector<Neighbor>& found) const {
    for (std::size_t count = 0; count < most;) {
      if (admits(neighbor.row)) {
        found.push_back(neighbor);
        ++count;
      }
      if (empty() || (neighbor.row = next_[neighbor.row]) == none) return;
    }
  }

  /// The first that is admitted of a first row and the rows equal to it, of which there is one.
  template <class Admits>
  [[nodiscard]] Row first_admitted(Row row, const Admits& admits) const {
    while (!admits(row)) row = next_[row];
    return row;
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept { return next_.capacity() * sizeof(Row); }

 private:
  static constexpr Row none = std::numeric_limits<Row>::max();

  std::vector<Row> next_;  // of each row the next one equal to it
};

}  // namespace pefa::detail
