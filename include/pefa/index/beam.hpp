// pefa: what a beam search over a graph keeps while it runs: the best candidates so far, and which nodes it has seen.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return candidates_.capacity() * sizeof(Candidate); }

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

  /// Marks a row. @return whether it was new
  bool insert(Row row) {
    std::uint64_t& word = words_[row / 64];
    const std::uint64_t bit = std::uint64_t{1} << (row % 64);
    if ((word & bit) != 0) return false;
    word |= bit;
    touched_.push_back(row / 64);
    return true;
  }
  void prefetch(Row row) const noexcept { __builtin_prefetch(&words_[row / 64]); }

  void clear() noexcept {
    for (const std::uint32_t word : touched_) words_[word] = 0;
    touched_.clear();
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return words_.capacity() * sizeof(std::uint64_t) + touched_.capacity() * sizeof(std::uint32_t);
  }

 private:
  std::vector<std::uint64_t> words_;
  std::vector<std::uint32_t> touched_;
};

}  // namespace pefa::detail
