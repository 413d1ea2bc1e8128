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
#include "pefa/core/rankable.hpp"
#include "pefa/index/beam.hpp"
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

/// What a descent works with; reused.
struct DescentState {
  SeenRows seen{0};
  Beam beam;
  std::vector<Row> rows;    ///< of the links at work
  std::vector<Row> starts;  ///< rows of level 0, once it is done
};

/// Goes down from level to level, on each by a beam of a few nodes. Leaves the rows of level 0 to start from in
/// state.starts, the best first.
///
/// HNSW's own descent is greedy (Malkov & Yashunin, TPAMI 2018, algorithm 5). Where rows lie in clusters it ends in the
/// wrong one, whose links stay inside, and so do insertions that begin there. Measured on 300,000 rows of 96 dimensions
/// about 300 centres, at ef = 30: 31 of 300 queries find none of their best ten by greedy descents, and none by a beam
/// of eight, for 4 microseconds more.
/// @param levels     from level 1 up  @param entry  a number of the topmost level; a row where there is none
/// @param scores_of  (std::span<const Row>): const float*, higher is nearer
/// @param on_pass    (): called for every list of links that is followed
template <class ScoresOf, class OnPass>
void descend(std::span<const PackedLevel> levels, std::uint32_t entry, const ScoresOf& scores_of, const OnPass& on_pass,
             DescentState& state) {
  constexpr std::size_t width = 8;
  state.starts.assign(1, entry);
  for (std::size_t l = levels.size(); l-- > 0;) {
    const PackedLevel& level = levels[l];
    state.seen.fit(level.rows.size());
    state.seen.clear();
    state.beam.reset(width);
    const auto add = [&](std::span<const std::uint32_t> nodes) {
      const std::span<const Row> fresh = state.seen.insert(nodes);
      state.rows.clear();
      for (const std::uint32_t node : fresh) state.rows.push_back(level.rows[node]);
      const float* scores = scores_of(std::span<const Row>(state.rows));
      for (std::size_t i = 0; i < fresh.size(); ++i) {
        const float score = rankable(scores[i]);
        if (state.beam.admits(score)) state.beam.insert(fresh[i], score);
      }
    };
    add(state.starts);
    while (const Beam::Candidate* candidate = state.beam.expand_next()) {
      on_pass();
      add(level.links.list(candidate->row()));
    }
    state.starts.clear();
    for (std::size_t i = 0; i < state.beam.size(); ++i) state.starts.push_back(level.down[state.beam[i].row()]);
  }
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
