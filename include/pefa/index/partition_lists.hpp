// pefa: the lists of a partitioned index: rows and their 4-bit codes in blocks of 32, one list after the other.
//
// A block's empty places hold `none`, and may be anywhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/memory_block.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/nibble_scan.hpp"

namespace pefa::detail {

/// Which rows each list has, and room for their codes.
class PartitionLists {
 public:
  static constexpr Row none = std::numeric_limits<Row>::max();

  PartitionLists() = default;

  /// @param members  the rows of every list
  PartitionLists(const std::vector<std::vector<Row>>& members, std::size_t quads)
      : quads_(quads), starts_(members.size() + 1), sizes_(members.size()) {
    std::uint64_t blocks = 0;
    for (std::size_t l = 0; l < members.size(); ++l) {
      starts_.mutable_data()[l] = blocks;
      sizes_[l] = members[l].size();
      blocks += (members[l].size() + simd::nibble_rows - 1) / simd::nibble_rows;
    }
    starts_.mutable_data()[members.size()] = blocks;
    rows_ = MemoryBlock<Row>(blocks * simd::nibble_rows);
    codes_ = MemoryBlock<std::uint8_t>(blocks * block_bytes());
    std::fill_n(rows_.mutable_data(), rows_.size(), none);
    for (std::size_t l = 0; l < members.size(); ++l) {
      std::copy(members[l].begin(), members[l].end(), rows_.mutable_data() + starts_[l] * simd::nibble_rows);
    }
  }

  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;
  [[nodiscard]] static inline PartitionLists open(const io::ArchiveReader& reader, const std::string& prefix,
                                                  std::size_t lists, std::size_t quads, std::size_t size,
                                                  std::size_t copies);

  [[nodiscard]] std::size_t count() const noexcept { return sizes_.size(); }
  [[nodiscard]] std::size_t quads() const noexcept { return quads_; }
  [[nodiscard]] std::size_t block_bytes() const noexcept { return quads_ * simd::quad_bytes; }
  /// How many rows a list has, empty places left out.
  [[nodiscard]] std::size_t size(std::size_t list) const noexcept { return sizes_[list]; }
  [[nodiscard]] std::size_t blocks(std::size_t list) const noexcept {
    return static_cast<std::size_t>(starts_[list + 1] - starts_[list]);
  }
  /// The rows in the places of a list's blocks.
  [[nodiscard]] const Row* rows(std::size_t list) const noexcept {
    return rows_.data() + starts_[list] * simd::nibble_rows;
  }
  [[nodiscard]] const std::uint8_t* codes(std::size_t list) const noexcept {
    return codes_.data() + starts_[list] * block_bytes();
  }

  /// Writes the codes of the row at a place. From several threads for different lists.
  void write(std::size_t list, std::size_t place, const std::uint8_t* codes, std::size_t count) noexcept {
    std::uint8_t* block = codes_.mutable_data() + (starts_[list] + place / simd::nibble_rows) * block_bytes();
    for (std::size_t c = 0; c < count; ++c) {
      std::uint8_t& byte = block[simd::nibble_byte(place % simd::nibble_rows, c)];
      byte = static_cast<std::uint8_t>(c % 2 == 0 ? (byte & 0xF0U) | codes[c]
                                                  : (byte & 0x0FU) | static_cast<unsigned>(codes[c]) << 4U);
    }
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return starts_.memory_bytes() + rows_.memory_bytes() + codes_.memory_bytes() +
           sizes_.capacity() * sizeof(std::size_t);
  }
  /// Bytes of rows and codes, wherever they lie.
  [[nodiscard]] std::size_t bytes() const noexcept { return rows_.size() * sizeof(Row) + codes_.size(); }

 private:
  std::size_t quads_ = 0;
  MemoryBlock<std::uint64_t> starts_;  // blocks before each list
  std::vector<std::size_t> sizes_;
  MemoryBlock<Row> rows_;
  MemoryBlock<std::uint8_t> codes_;
};

}  // namespace pefa::detail
