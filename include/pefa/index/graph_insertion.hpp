// pefa: building a graph of hnswlib from several threads.
//
// The steps are those of hnswlib's addPoint, by its own search for candidates and its own choice of links. What is ours
// is the locking: addPoint reads the entry point and draws levels without a lock while others write them, which is a
// data race. Nodes are numbered as the rows are, and a node's level does not depend on which thread came first.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/hnswlib_graph.hpp"

namespace pefa::detail {

/// Fills an empty graph, each row once. A row equal to an earlier one gets a node that no link leads to: its first link
/// is to itself, which no other node has, its second to the row it equals.
class GraphInsertion {
 public:
  /// @param graph  has room for as many nodes as there are rows
  /// @param first  for each row the first one equal to it; empty: no two are equal
  GraphInsertion(HnswGraph& graph, std::span<const Row> first) : graph_(graph), first_(first) {
    make_room_for_prefetch(graph);
    for (std::size_t row = 0; row < graph.max_elements_; ++row) {
      graph.element_levels_[row] = is_first(row) ? graph.getRandomLevel(graph.mult_) : 0;
      graph.linkLists_[row] = nullptr;  // for the destructor, wherever insertion ends
    }
    graph.cur_element_count = graph.max_elements_;
  }

  /// Safe from several threads once row 0 is in. @param point  the row as the graph's space has it
  void insert(std::size_t row, const void* point) {
    const auto node = static_cast<hnswlib::tableint>(row);
    if (!is_first(row)) {
      place(node, point, 0);
      const std::array<hnswlib::tableint, 2> links{node, first_[row]};
      auto* list = graph_.get_linklist0(node);
      graph_.setListCount(list, links.size());
      std::memcpy(list + 1, links.data(), sizeof links);
      return;
    }
    const int level = graph_.element_levels_[row];
    const std::lock_guard own(graph_.link_list_locks_[node]);  // who finds the node waits until its links are complete
    std::unique_lock entry_lock(entry_mutex_);
    const int top = graph_.maxlevel_;
    hnswlib::tableint nearest = graph_.enterpoint_node_;
    const bool rises = level > top;   // above all others: it becomes the entry point,
    if (!rises) entry_lock.unlock();  // and whoever starts meanwhile waits for it
    place(node, point, level);
    if (top >= 0) {
      nearest = descend(nearest, top, level, point);
      for (int l = std::min(level, top); l >= 0; --l) {
        auto candidates = graph_.searchBaseLayer(nearest, point, l);
        nearest = graph_.mutuallyConnectNewElement(point, node, candidates, l, false);
      }
    }
    if (!rises) return;
    graph_.enterpoint_node_ = node;
    graph_.maxlevel_ = level;
  }

 private:
  [[nodiscard]] bool is_first(std::size_t row) const noexcept { return first_.empty() || first_[row] == row; }

  /// Gives a node its row and empty lists of links.
  void place(hnswlib::tableint node, const void* point, int level) {
    std::memset(graph_.data_level0_memory_ + node * graph_.size_data_per_element_, 0, graph_.size_data_per_element_);
    graph_.setExternalLabel(node, node);
    std::memcpy(graph_.getDataByInternalId(node), point, graph_.data_size_);
    if (level == 0) return;
    const std::size_t bytes = graph_.size_links_per_element_ * static_cast<std::size_t>(level) + 1;
    void* lists = std::calloc(bytes, 1);  // for hnswlib to free
    if (lists == nullptr) throw std::bad_alloc();
    graph_.linkLists_[node] = static_cast<char*>(lists);
  }

  /// Greedy descent from the top level to the one above `level`.
  [[nodiscard]] hnswlib::tableint descend(hnswlib::tableint nearest, int top, int level, const void* point) {
    const auto distance = [&](hnswlib::tableint node) {
      return graph_.fstdistfunc_(point, graph_.getDataByInternalId(node), graph_.dist_func_param_);
    };
    std::vector<hnswlib::tableint> links;
    float best = level < top ? distance(nearest) : 0.0f;
    for (int l = top; l > level; --l) {
      for (bool moved = true; moved;) {
        moved = false;
        {
          const std::lock_guard lock(graph_.link_list_locks_[nearest]);
          auto* list = graph_.get_linklist(nearest, l);
          links.assign(list + 1, list + 1 + graph_.getListCount(list));
        }
        for (const hnswlib::tableint link : links) {
          const float far = distance(link);
          if (!(far < best)) continue;
          best = far;
          nearest = link;
          moved = true;
        }
      }
    }
    return nearest;
  }

  HnswGraph& graph_;
  std::span<const Row> first_;
  std::mutex entry_mutex_;
};

/// Inserts rows 0 … n-1: the first alone, as the others start their descent from it, the rest in blocks over the
/// executor. `encode(row, scratch)` gives the bytes of a row as the graph's space has them; each block has a scratch of
/// its own.
/// @param first  for each row the first one equal to it; empty: no two are equal
/// @throws Cancelled  the progress callback said stop  @throws Error  what hnswlib could not do
template <class Encode>
void insert_rows(HnswGraph& graph, std::span<const Row> first, const char* who, const BuildOptions& options,
                 const Encode& encode) {
  constexpr std::size_t block = 16;
  const std::size_t n = graph.max_elements_;
  GraphInsertion insertion(graph, first);
  ProgressMeter meter(options.progress, n, who);
  const auto insert = [&](std::size_t begin, std::size_t end) {
    std::vector<std::byte> scratch;
    for (std::size_t row = begin; row < end; ++row) insertion.insert(row, encode(row, scratch));
    meter.add(end - begin);
  };
  with_hnswlib(who, [&] {
    insert(0, 1);
    for_each_block(options.executor, n - 1, block,
                   [&](std::size_t begin, std::size_t end) { insert(begin + 1, end + 1); });
  });
}

}  // namespace pefa::detail
