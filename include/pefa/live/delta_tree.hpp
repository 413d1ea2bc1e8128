// pefa: which list of a delta a new row belongs to, without asking all of them: a tree that grows with the splits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/simd/kernels.hpp"

namespace pefa::live::detail {

/// A binary tree: a list that was split is a branch, and its halves are below it. The writer's alone.
class DeltaTree {
 public:
  /// Begins with list 0. @param center  of it
  void start(std::span<const float> center) {
    dim_ = center.size();
    nodes_.clear();
    centers_.clear();
    leaves_.clear();
    add(0, center);
  }

  /// Lets a list and a new one, whose number is the next, stand in the place of the list.
  void split(std::size_t list, std::span<const float> center, std::span<const float> other_center) {
    const std::uint32_t branch = leaves_[list];
    const std::size_t other = leaves_.size();
    nodes_[branch].children = static_cast<std::uint32_t>(nodes_.size());
    add(list, center);
    add(other, other_center);
  }

  /// The list whose centre is nearest to a row, or nearly so: of every level the nearest few branches are gone into.
  [[nodiscard]] std::size_t nearest(std::span<const float> row) const {
    std::vector<Near> beam{{0.0f, 0}};
    std::vector<Near> below;
    Near best{-std::numeric_limits<float>::infinity(), leaves_[0]};
    while (!beam.empty()) {
      below.clear();
      for (const Near& near : beam) {
        const Node& node = nodes_[near.node];
        if (node.children == 0) {
          if (near.score > best.score || nodes_.size() == 1) best = near;
          continue;
        }
        for (const std::uint32_t child : {node.children, node.children + 1})
          below.push_back({score(row, child), child});
      }
      const auto kept = below.begin() + static_cast<std::ptrdiff_t>(std::min(width, below.size()));
      std::partial_sort(below.begin(), kept, below.end(), [](const Near& a, const Near& b) {
        return a.score > b.score || (a.score == b.score && a.node < b.node);
      });
      below.erase(kept, below.end());
      beam.swap(below);
    }
    return nodes_[best.node].list;
  }

 private:
  static constexpr std::size_t width = 4;  // wider finds no better lists

  struct Node {
    std::size_t list;            // of a leaf
    std::uint32_t children = 0;  // the first of two; 0: a leaf
    float half_square = 0.0f;    // ‖c‖²/2
  };
  struct Near {
    float score;
    std::uint32_t node;
  };

  void add(std::size_t list, std::span<const float> center) {
    const float square = simd::dot_kernel<float>()(center.data(), center.data(), dim_, 1.0f);
    if (list == leaves_.size()) leaves_.push_back(0);
    leaves_[list] = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({list, 0, 0.5f * square});
    centers_.insert(centers_.end(), center.begin(), center.end());
  }

  /// −‖x − c‖²/2, but for ‖x‖².
  [[nodiscard]] float score(std::span<const float> row, std::uint32_t node) const {
    const float product = simd::dot_kernel<float>()(row.data(), centers_.data() + node * dim_, dim_, 1.0f);
    return pefa::detail::rankable(product - nodes_[node].half_square);
  }

  std::size_t dim_ = 0;
  std::vector<Node> nodes_;
  std::vector<float> centers_;         // of the nodes
  std::vector<std::uint32_t> leaves_;  // of the lists
};

}  // namespace pefa::live::detail
