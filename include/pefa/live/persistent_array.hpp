// pefa: an array whose snapshots cost nothing to take: what a live retriever's searches read while a writer goes on.
//
// A radix tree of 32 children a node. A snapshot shares all nodes; writing copies the path to a node that a snapshot
// shares, once a snapshot.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace pefa::live::detail {

/// An array of T with no end: what was never written is T{}. One writer; snapshots are read from any thread.
template <class T>
class PersistentArray {
 public:
  /// The element at an index. O(log size).
  [[nodiscard]] const T& operator[](std::size_t index) const noexcept {
    if (levels_ == 0 || index >> (bits * levels_) != 0) return unwritten();
    const Node* node = root_.get();
    for (unsigned level = levels_; --level > 0 && node != nullptr;) {
      node = static_cast<const Branch*>(node)->children[(index >> (bits * level)) % fan].get();
    }
    return node == nullptr ? unwritten() : static_cast<const Leaf*>(node)->values[index % fan];
  }

  /// The element at an index, to be written to. Valid until the next snapshot().
  [[nodiscard]] T& edit(std::size_t index) {
    if (levels_ == 0) grow();
    while (index >> (bits * levels_) != 0) grow();
    std::shared_ptr<Node>* at = &root_;
    for (unsigned level = levels_; --level > 0;) {
      at = &own<Branch>(*at).children[(index >> (bits * level)) % fan];
    }
    return own<Leaf>(*at).values[index % fan];
  }

  /// The array as it is now; later edits of this one do not show in it. O(1).
  [[nodiscard]] PersistentArray snapshot() {
    ++generation_;
    return *this;
  }

  /// Calls visit(index, element) for every element of a node that was ever written to, ascending.
  template <class Visit>
  void for_each(const Visit& visit) const {
    if (levels_ > 0) walk(root_.get(), levels_ - 1, 0, visit);
  }

 private:
  static constexpr unsigned bits = 5;
  static constexpr std::size_t fan = std::size_t{1} << bits;

  struct Node {
    std::uint64_t generation;  // of the writer, when the node was made
  };
  struct Leaf : Node {
    std::array<T, fan> values{};
  };
  struct Branch : Node {
    std::array<std::shared_ptr<Node>, fan> children{};
  };

  [[nodiscard]] static const T& unwritten() noexcept {
    static const T none{};
    return none;
  }

  /// The node, made or copied first where no edit since the last snapshot did.
  template <class N>
  [[nodiscard]] N& own(std::shared_ptr<Node>& node) {
    if (node == nullptr) {
      node = std::make_shared<N>();
    } else if (node->generation != generation_) {
      node = std::make_shared<N>(static_cast<const N&>(*node));
    }
    node->generation = generation_;
    return static_cast<N&>(*node);
  }

  void grow() {
    if (levels_ > 0 && root_ != nullptr) {
      auto above = std::make_shared<Branch>();
      above->generation = generation_;
      above->children[0] = std::move(root_);
      root_ = std::move(above);
    }
    ++levels_;
  }

  template <class Visit>
  static void walk(const Node* node, unsigned level, std::size_t first, const Visit& visit) {
    if (node == nullptr) return;
    for (std::size_t i = 0; i < fan; ++i) {
      if (level > 0) {
        walk(static_cast<const Branch*>(node)->children[i].get(), level - 1, (first + i) << bits, visit);
      } else {
        visit(first + i, static_cast<const Leaf*>(node)->values[i]);
      }
    }
  }

  std::shared_ptr<Node> root_;
  unsigned levels_ = 0;  // 1: the root is a leaf
  std::uint64_t generation_ = 1;
};

/// A set of rows with the same promise: 64 rows an element.
class PersistentRowSet {
 public:
  /// Whether a row is in it.
  [[nodiscard]] bool contains(std::size_t row) const noexcept { return (words_[row / 64] >> (row % 64) & 1) != 0; }
  /// How many rows are in it.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Puts a row in, or takes it out.
  void set(std::size_t row, bool is_in) {
    if (contains(row) == is_in) return;
    words_.edit(row / 64) ^= std::uint64_t{1} << (row % 64);
    size_ += is_in ? std::size_t{1} : ~std::size_t{0};
  }

  /// As it is now. O(1).
  [[nodiscard]] PersistentRowSet snapshot() {
    PersistentRowSet copy;
    copy.words_ = words_.snapshot();
    copy.size_ = size_;
    return copy;
  }

 private:
  PersistentArray<std::uint64_t> words_;
  std::size_t size_ = 0;
};

}  // namespace pefa::live::detail
