// pefa: what a beam search over a graph keeps while it runs: the best candidates so far, and which nodes it has seen.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"

namespace pefa::detail {

/// The best `width` candidates in one sorted array, best first; each is expanded once.
///
/// An insertion moves the tail of the array, a few hundred bytes in the cache, and costs less than two heaps do.
class Beam {
 public:
  struct Candidate {
    float score;
    std::uint32_t row_and_flag;  // the lowest bit: expanded

    [[nodiscard]] Row row() const noexcept { return row_and_flag >> 1; }
    [[nodiscard]] bool expanded() const noexcept { return (row_and_flag & 1U) != 0; }
  };

  /// Rows must be below this.
  static constexpr std::size_t row_limit = std::size_t{1} << 31;

  void reset(std::size_t width) {
    if (candidates_.size() < width) candidates_.resize(width);
    width_ = width;
    size_ = 0;
    next_ = 0;
  }

  /// Whether a candidate of this score would enter.
  [[nodiscard]] bool admits(float score) const noexcept {
    return size_ < width_ || score > candidates_[size_ - 1].score;
  }

  /// Puts in a candidate that admits() let pass; the worst leaves where the beam is full.
  void insert(Row row, float score) noexcept {
    Candidate* first = candidates_.data();
    Candidate* at = std::upper_bound(first, first + size_, score,
                                     [](float value, const Candidate& candidate) { return value > candidate.score; });
    if (size_ < width_) ++size_;
    std::move_backward(at, first + size_ - 1, first + size_);
    *at = {score, row << 1};
    next_ = std::min(next_, static_cast<std::size_t>(at - first));
  }

  /// The best candidate that was not expanded yet, marked as expanded; nullptr where there is none.
  [[nodiscard]] const Candidate* expand_next() noexcept {
    while (next_ < size_ && candidates_[next_].expanded()) ++next_;
    if (next_ == size_) return nullptr;
    candidates_[next_].row_and_flag |= 1U;
    return &candidates_[next_++];
  }

  /// The candidate that expand_next() would give if nothing better came, for prefetching; nullptr where there is none.
  [[nodiscard]] const Candidate* peek() const noexcept {
    for (std::size_t i = next_; i < size_; ++i) {
      if (!candidates_[i].expanded()) return &candidates_[i];
    }
    return nullptr;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const Candidate& operator[](std::size_t i) const noexcept { return candidates_[i]; }

 private:
  std::vector<Candidate> candidates_;
  std::size_t width_ = 0;
  std::size_t size_ = 0;
  std::size_t next_ = 0;  // every candidate before it is expanded
};

/// Which rows a search has seen: one bit each, which for millions of rows still fits the cache. Only what was set is
/// reset.
class SeenRows {
 public:
  explicit SeenRows(std::size_t rows) : words_((rows + 63) / 64) {}

  /// Makes room for so many rows; none is forgotten.
  void fit(std::size_t rows) {
    if (words_.size() < (rows + 63) / 64) words_.resize((rows + 63) / 64);
  }

  /// Marks the rows, and lists those that were new.
  [[nodiscard]] std::span<const Row> insert(std::span<const Row> rows) {
    if (log_.size() < used_ + rows.size()) log_.resize(2 * (used_ + rows.size()));
    Row* fresh = log_.data() + used_;
    std::size_t count = 0;
    for (const Row row : rows) {  // without a branch: whether a link was seen is beyond prediction
      std::uint64_t& word = words_[row / 64];
      const std::uint64_t bit = std::uint64_t{1} << (row % 64);
      fresh[count] = row;
      count += (word & bit) == 0 ? 1U : 0U;
      word |= bit;
    }
    used_ += count;
    return {fresh, count};
  }

  void clear() noexcept {
    for (std::size_t i = 0; i < used_; ++i) words_[log_[i] / 64] = 0;
    used_ = 0;
  }

 private:
  std::vector<std::uint64_t> words_;
  std::vector<Row> log_;  // every row seen, in order
  std::size_t used_ = 0;
};

}  // namespace pefa::detail
