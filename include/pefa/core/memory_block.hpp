// pefa: a block of memory that is read alike whether it was built here or lies in an archive that is mapped.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "pefa/core/huge_buffer.hpp"

namespace pefa::detail {

/// `size` elements of a trivial type: the block's own, on the heap, or another's, kept alive as long as the block.
template <class T>
class MemoryBlock {
 public:
  MemoryBlock() = default;

  /// Its own, zeroed; fill them through mutable_data().
  explicit MemoryBlock(std::size_t size) : owned_(size), elements_(owned_.data(), size) {}

  /// Another's. @param owner  keeps the elements where they are
  MemoryBlock(std::span<const T> elements, std::shared_ptr<const void> owner)
      : owner_(std::move(owner)), elements_(elements) {}

  MemoryBlock(MemoryBlock&& other) noexcept { swap(other); }
  MemoryBlock& operator=(MemoryBlock&& other) noexcept {
    MemoryBlock taken(std::move(other));  // so that what was here goes now, not with `other`
    swap(taken);
    return *this;
  }
  MemoryBlock(const MemoryBlock&) = delete;
  MemoryBlock& operator=(const MemoryBlock&) = delete;
  ~MemoryBlock() = default;

  [[nodiscard]] const T* data() const noexcept { return elements_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return elements_.size(); }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return elements_[i]; }
  [[nodiscard]] std::span<const T> elements() const noexcept { return elements_; }

  /// For filling; nullptr where the elements are another's.
  [[nodiscard]] T* mutable_data() noexcept { return owned_.data(); }

  /// Bytes on the heap: 0 where the elements are another's, as pages of a mapped file are the system's to keep or drop.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return owned_.bytes(); }

 private:
  void swap(MemoryBlock& other) noexcept {
    std::swap(owned_, other.owned_);
    std::swap(owner_, other.owner_);
    std::swap(elements_, other.elements_);
  }

  HugeBuffer<T> owned_;
  std::shared_ptr<const void> owner_;
  std::span<const T> elements_;
};

}  // namespace pefa::detail
