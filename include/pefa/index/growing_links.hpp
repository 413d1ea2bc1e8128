// pefa: the links of level 0 while a graph is built: one list a row, each with the same room.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/memory_block.hpp"
#include "pefa/index/packed_graph.hpp"

namespace pefa::detail {

/// Lists of rows, empty at first. Threads may set different lists at once, while none is read.
class GrowingLinks {
 public:
  /// @param room  links a list may have
  GrowingLinks(std::size_t rows, std::size_t room) : room_(room), links_(rows * room), counts_(rows, 0) {}

  [[nodiscard]] std::size_t size() const noexcept { return counts_.size(); }
  [[nodiscard]] std::size_t room() const noexcept { return room_; }

  [[nodiscard]] std::span<const Row> list(Row row) const noexcept {
    return {links_.data() + row * room_, counts_[row]};
  }
  void prefetch(Row row) const noexcept {
    const auto links = list(row);
    for (std::size_t at = 0; at < links.size(); at += 16) __builtin_prefetch(links.data() + at);
  }

  /// @param links  not of this list, at most room()
  void set(Row row, std::span<const Row> links) noexcept {
    std::copy(links.begin(), links.end(), links_.mutable_data() + row * room_);
    counts_[row] = static_cast<std::uint32_t>(links.size());
  }
  /// Appends a link; there must be room.
  void append(Row row, Row link) noexcept { links_.mutable_data()[row * room_ + counts_[row]++] = link; }

  /// As they are served. @param first  for each row the first one equal to it; empty: no two are equal. A row that
  /// equals an earlier one links to itself, as no other does, and to that one
  [[nodiscard]] PackedLists packed(std::span<const Row> first) const {
    std::vector<std::uint32_t> lengths(counts_);
    for (std::size_t i = 0; i < first.size(); ++i) {
      if (first[i] != i) lengths[i] = 2;
    }
    PackedLists lists(lengths);
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      const auto row = static_cast<Row>(i);
      const auto to = lists.mutable_list(i);
      if (!first.empty() && first[i] != row) {
        to[0] = row;
        to[1] = first[i];
        continue;
      }
      const auto links = list(row);
      std::copy(links.begin(), links.end(), to.begin());
    }
    return lists;
  }

 private:
  std::size_t room_;
  MemoryBlock<Row> links_;
  std::vector<std::uint32_t> counts_;
};

}  // namespace pefa::detail
