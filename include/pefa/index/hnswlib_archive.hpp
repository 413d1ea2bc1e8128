// pefa: a graph of hnswlib in an archive, and hnswlib's own object serving it from where it lies.
//
// Level 0 is stored as hnswlib has it in memory, a node's links, row and label one after the other, so that a search
// reads the mapped file as it would read the heap. What is made on opening is what hnswlib keeps beside: a pointer and
// a level a node.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/index/hnswlib_graph.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"

namespace pefa::detail {

/// Adds a finished graph over float rows:
///   "graph"   u32 [size x words]: a count and room for 2M links, the row as floats, the label in 8 bytes; a node whose
///             first link is to itself has the row of its second, and that one's links
///   "levels"  u8 [size]: each node's level
///   "upper"   u32: for each node and level from 1 a count, room for M links, and one number that means nothing
inline void save_graph(const HnswGraph& graph, io::ArchiveWriter& writer, const std::string& prefix) {
  constexpr std::size_t word = sizeof(std::uint32_t);
  const std::size_t n = graph.max_elements_;
  std::vector<std::uint8_t> levels(n);
  std::size_t upper_lists = 0;
  for (std::size_t node = 0; node < n; ++node) {
    levels[node] = static_cast<std::uint8_t>(graph.element_levels_[node]);
    upper_lists += levels[node];
  }
  const std::size_t list_words = graph.size_links_per_element_ / word;
  writer.metadata().add(prefix + "entry", graph.enterpoint_node_);
  writer.add(prefix + "graph", std::span(reinterpret_cast<const std::uint32_t*>(graph.data_level0_memory_),
                                         n * graph.size_data_per_element_ / word));
  writer.add(prefix + "levels", std::move(levels));
  writer.add_produced<std::uint32_t>(prefix + "upper", upper_lists * list_words,
                                     [&graph, n, list_words](const io::ArchiveWriter::Put<std::uint32_t>& put) {
                                       for (std::size_t node = 0; node < n; ++node) {
                                         const int level = graph.element_levels_[node];
                                         if (level == 0) continue;
                                         put({reinterpret_cast<const std::uint32_t*>(graph.linkLists_[node]),
                                              static_cast<std::size_t>(level) * list_words});
                                       }
                                     });
}

/// Reads what save_graph() wrote, checks it, and lets hnswlib serve it.
class GraphOpener {
 public:
  /// @param stored_dim  floats a row, the lifting coordinate included
  GraphOpener(const io::ArchiveReader& reader, const std::string& prefix, std::size_t size, std::size_t stored_dim,
              std::size_t m)
      : reader_(reader),
        prefix_(prefix),
        size_(size),
        m_(m),
        words_(1 + 2 * m + stored_dim + label_words),
        level0_(reader.section<std::uint32_t>(prefix + "graph", std::uint64_t{size} * words_)),
        levels_(reader.section<std::uint8_t>(prefix + "levels", size)) {
    std::uint64_t lists = 0;
    for (const std::uint8_t level : levels_) lists += level;
    upper_ = reader.section<std::uint32_t>(prefix + "upper", lists * list_words());
    entry_ = static_cast<std::uint32_t>(read_count(reader, prefix + "entry", 0, static_cast<std::int64_t>(size) - 1));
  }

  /// The node of each row. @throws FormatError  labels that do not number the rows, links that lead nowhere
  [[nodiscard]] std::vector<std::uint32_t> checked_nodes() const {
    constexpr auto none = std::numeric_limits<std::uint32_t>::max();
    std::vector<std::uint32_t> node_of_row(size_, none);
    const std::uint32_t* upper = upper_.data();
    for (std::size_t node = 0; node < size_; ++node) {
      const std::uint32_t* element = level0_.data() + node * words_;
      require_list(element, 2 * m_, 0, node);
      for (std::uint8_t level = 1; level <= levels_[node]; ++level, upper += list_words()) {
        require_list(upper, m_, level, node);
      }
      std::uint64_t label = 0;
      std::memcpy(&label, element + words_ - label_words, sizeof label);
      if (label >= size_ || node_of_row[static_cast<std::size_t>(label)] != none) {
        fail<FormatError>(reader_.name(), ": section '", prefix_, "graph': node ", node, " has label ", label,
                          ", expected each below ", size_, " once");
      }
      node_of_row[static_cast<std::size_t>(label)] = static_cast<std::uint32_t>(node);
    }
    return node_of_row;
  }

  /// hnswlib's object over the archive; checked_nodes() comes first. @param space  must outlive it
  template <class Graph = HnswGraph>
  [[nodiscard]] HnswGraphPtr serve(HnswSpace& space, std::size_t ef_construction) const {
    HnswGraphPtr graph(new Graph(&space, 1, m_, ef_construction));  // its constants, by its own rules
    if (graph->size_data_per_element_ != words_ * sizeof(std::uint32_t)) {
      fail<Error>("HnswIndex::open: this hnswlib keeps ", graph->size_data_per_element_, " bytes a node, expected ",
                  words_ * sizeof(std::uint32_t));
    }
    make_room_for_prefetch(*graph);
    graph->max_elements_ = size_;  // before the marks for them are made
    release_build_state(*graph);
    graph->element_levels_.assign(levels_.begin(), levels_.end());
    auto* lists = static_cast<char**>(std::malloc(size_ * sizeof(char*)));  // for hnswlib to free
    if (lists == nullptr) throw std::bad_alloc();
    std::free(std::exchange(graph->linkLists_, lists));
    // hnswlib has no const; a graph without its locks is only read.
    const std::uint32_t* upper = upper_.data();
    for (std::size_t node = 0; node < size_; ++node) {
      lists[node] = levels_[node] == 0 ? nullptr : as_memory(upper);
      upper += levels_[node] * list_words();
    }
    std::free(std::exchange(graph->data_level0_memory_, as_memory(level0_.data())));
    graph.get_deleter() = {true, reader_.owner()};
    graph->cur_element_count = size_;
    graph->enterpoint_node_ = entry_;
    graph->maxlevel_ = levels_[entry_];
    return graph;
  }

 private:
  static constexpr std::size_t label_words = sizeof(hnswlib::labeltype) / sizeof(std::uint32_t);
  static_assert(sizeof(hnswlib::labeltype) == 8 && sizeof(hnswlib::tableint) == 4);

  [[nodiscard]] std::size_t list_words() const noexcept { return 1 + m_ + 1; }

  [[nodiscard]] static char* as_memory(const std::uint32_t* words) noexcept {
    return const_cast<char*>(reinterpret_cast<const char*>(words));
  }

  /// @param list  a count, then links, which must be nodes of that level
  void require_list(const std::uint32_t* list, std::size_t most, std::uint8_t level, std::size_t node) const {
    const std::size_t count = list[0];
    if (count > most) refuse_list(node, level, "has ", count, " links, expected at most ", most);
    for (std::size_t i = 1; i <= count; ++i) {
      if (list[i] >= size_ || levels_[list[i]] < level) refuse_list(node, level, "has a link to ", list[i], "");
    }
  }
  template <class... What>
  [[noreturn]] void refuse_list(std::size_t node, std::uint8_t level, const What&... what) const {
    fail<FormatError>(reader_.name(), ": '", prefix_, "': node ", node, " on level ", int{level}, " ", what...);
  }

  const io::ArchiveReader& reader_;
  const std::string& prefix_;
  std::size_t size_;
  std::size_t m_;
  std::size_t words_;  // a node takes on level 0
  std::span<const std::uint32_t> level0_;
  std::span<const std::uint8_t> levels_;
  std::span<const std::uint32_t> upper_;
  std::uint32_t entry_ = 0;
};

}  // namespace pefa::detail
