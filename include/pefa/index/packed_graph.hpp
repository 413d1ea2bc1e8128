// pefa: the links of a finished HNSW graph, packed for reading: what QuantizedHnswIndex walks.
//
// Level 0 is in compressed rows by row number: most nodes use about half of the 2M links that hnswlib keeps room for.
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
#include "pefa/index/hnswlib_graph.hpp"
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

/// All links, by row number whatever the order of insertion was.
class PackedGraph {
 public:
  PackedGraph() = default;

  explicit PackedGraph(const HnswGraph& graph) {
    const std::size_t n = graph.max_elements_;
    std::vector<Row> row_of_node(n);
    std::vector<hnswlib::tableint> node_of_row(n);
    for (hnswlib::tableint node = 0; node < n; ++node) {
      row_of_node[node] = static_cast<Row>(graph.getExternalLabel(node));
      node_of_row[row_of_node[node]] = node;
    }
    std::vector<std::uint32_t> number(row_of_node.begin(), row_of_node.end());  // of each node on the level at work
    bottom_ = pack(graph, 0, node_of_row, number);

    for (int level = 1; level <= graph.maxlevel_; ++level) {
      PackedLevel packed;
      std::vector<hnswlib::tableint> nodes;
      for (const hnswlib::tableint node : node_of_row) {
        if (graph.element_levels_[node] < level) continue;
        nodes.push_back(node);
        packed.rows.push_back(row_of_node[node]);
        packed.down.push_back(number[node]);
      }
      for (std::uint32_t i = 0; i < nodes.size(); ++i) number[nodes[i]] = i;
      packed.links = pack(graph, level, nodes, number);
      upper_.push_back(std::move(packed));
    }
    entry_ = number[graph.enterpoint_node_];
  }

  /// Adds the links of every level, and where a descent begins. Defined, as is open(), in
  /// quantized_hnsw_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// The links in place, each checked once. @param size  the number of rows
  [[nodiscard]] static inline PackedGraph open(const io::ArchiveReader& reader, const std::string& prefix,
                                               std::size_t size);

  /// Level 0, by row.
  [[nodiscard]] const PackedLists& bottom() const noexcept { return bottom_; }
  /// Puts other links on level 0. @param links  one list a row
  void replace_bottom(PackedLists links) noexcept { bottom_ = std::move(links); }
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
  /// The links of `nodes` on a level, each as its number there.
  static PackedLists pack(const HnswGraph& graph, int level, const std::vector<hnswlib::tableint>& nodes,
                          const std::vector<std::uint32_t>& number) {
    const auto links = [&](hnswlib::tableint node) {
      auto* list = level == 0 ? graph.get_linklist0(node) : graph.get_linklist(node, level);
      return std::span(reinterpret_cast<const hnswlib::tableint*>(list + 1), graph.getListCount(list));
    };
    std::vector<std::uint32_t> lengths;
    lengths.reserve(nodes.size());
    for (const hnswlib::tableint node : nodes) lengths.push_back(static_cast<std::uint32_t>(links(node).size()));
    PackedLists packed(lengths);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto to = packed.mutable_list(i);
      const auto from = links(nodes[i]);
      for (std::size_t l = 0; l < to.size(); ++l) to[l] = number[from[l]];
    }
    return packed;
  }

  PackedLists bottom_;
  std::vector<PackedLevel> upper_;
  std::uint32_t entry_ = 0;
};

}  // namespace pefa::detail
