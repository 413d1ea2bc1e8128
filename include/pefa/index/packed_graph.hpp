// pefa: the links of a finished HNSW graph, packed for reading: what QuantizedHnswIndex walks.
//
// Level 0 is in compressed rows by row number: a node takes the room of the links that it has.
// An upper level numbers its own nodes, so that a descent needs no search for them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/memory_block.hpp"
#include "pefa/io/archive/fwd.hpp"

namespace pefa::detail {

/// Lists of 32-bit numbers, one after the other.
class PackedLists {
 public:
  PackedLists() = default;
  /// @param lengths  the length of each list; fill them through mutable_list()
  explicit PackedLists(const std::vector<std::uint32_t>& lengths) : starts_(lengths.size() + 1) {
    std::uint64_t* starts = starts_.mutable_data();
    for (std::size_t i = 0; i < lengths.size(); ++i) starts[i + 1] = starts[i] + lengths[i];
    items_ = MemoryBlock<std::uint32_t>(static_cast<std::size_t>(starts[lengths.size()]));
  }

  /// Adds sections "starts" and "items". Defined, as is open(), in quantized_hnsw_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// In place. @param lists  how many  @param limit  of the numbers: every one is below it
  [[nodiscard]] static inline PackedLists open(const io::ArchiveReader& reader, const std::string& prefix,
                                               std::size_t lists, std::size_t limit);

  [[nodiscard]] std::span<const std::uint32_t> list(std::size_t i) const noexcept {
    return {items_.data() + starts_[i], static_cast<std::size_t>(starts_[i + 1] - starts_[i])};
  }
  [[nodiscard]] std::span<std::uint32_t> mutable_list(std::size_t i) noexcept {
    return {items_.mutable_data() + starts_[i], static_cast<std::size_t>(starts_[i + 1] - starts_[i])};
  }
  void prefetch(std::size_t i) const noexcept {
    const auto items = list(i);
    for (std::size_t line = 0; line < items.size(); line += 16) __builtin_prefetch(items.data() + line);
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return starts_.memory_bytes() + items_.memory_bytes(); }

 private:
  MemoryBlock<std::uint64_t> starts_;
  MemoryBlock<std::uint32_t> items_;
};

/// An upper level: its nodes in ascending order of rows.
struct PackedLevel {
  std::vector<Row> rows;            ///< the row of each node
  std::vector<std::uint32_t> down;  ///< its number on the level below; on level 1 that is its row
  PackedLists links;                ///< numbers of this level
};

/// Goes down from level to level, on each by greedy steps to whatever is better. @return  the row of level 0 to start
/// from
/// @param levels    from level 1 up  @param entry  a number of the topmost level; a row where there is none
/// @param score_of  (Row): higher is nearer
/// @param on_pass   (): called for every list of links that is followed
template <class ScoreOf, class OnPass>
[[nodiscard]] Row greedy_descent(std::span<const PackedLevel> levels, std::uint32_t entry, const ScoreOf& score_of,
                                 const OnPass& on_pass) {
  std::uint32_t node = entry;
  for (std::size_t l = levels.size(); l-- > 0;) {
    const PackedLevel& level = levels[l];
    float best = score_of(level.rows[node]);
    for (bool moved = true; moved;) {
      moved = false;
      on_pass();
      for (const std::uint32_t link : level.links.list(node)) {
        const float score = score_of(level.rows[link]);
        if (!(score > best)) continue;  // so written, codes that come to NaN cannot keep it going in circles
        best = score;
        node = link;
        moved = true;
        break;  // first improvement: the rest of the old list is behind it
      }
    }
    node = level.down[node];
  }
  return node;
}

/// All links, by row number whatever the order of insertion was.
class PackedGraph {
 public:
  PackedGraph() = default;

  /// @param bottom  level 0, one list a row  @param upper  level 1 and up  @param entry  a number of the topmost level
  PackedGraph(PackedLists bottom, std::vector<PackedLevel> upper, std::uint32_t entry) noexcept
      : bottom_(std::move(bottom)), upper_(std::move(upper)), entry_(entry) {}

  /// Adds the links of every level, and where a descent begins. Defined, as is open(), in
  /// quantized_hnsw_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// The links in place, each checked once. @param size  the number of rows
  [[nodiscard]] static inline PackedGraph open(const io::ArchiveReader& reader, const std::string& prefix,
                                               std::size_t size);

  /// Level 0, by row.
  [[nodiscard]] const PackedLists& bottom() const noexcept { return bottom_; }
  /// Level 1 and up.
  [[nodiscard]] const std::vector<PackedLevel>& upper() const noexcept { return upper_; }
  /// The number of the entry node on the topmost level.
  [[nodiscard]] std::uint32_t entry() const noexcept { return entry_; }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    std::size_t bytes = bottom_.memory_bytes() + upper_.capacity() * sizeof(PackedLevel);
    for (const PackedLevel& level : upper_) {
      bytes += level.rows.capacity() * sizeof(Row) + level.down.capacity() * sizeof(std::uint32_t) +
               level.links.memory_bytes();
    }
    return bytes;
  }

 private:
  PackedLists bottom_;
  std::vector<PackedLevel> upper_;
  std::uint32_t entry_ = 0;
};

}  // namespace pefa::detail
