// pefa: a growable array in a block of aligned_memory.hpp, for rows that vector instructions read.
#pragma once

#include <cstddef>
#include <limits>
#include <new>
#include <vector>

#include "pefa/core/aligned_memory.hpp"

namespace pefa::detail {

/// A standard allocator of aligned blocks.
template <class T>
struct AlignedAllocator {
  using value_type = T;

  AlignedAllocator() noexcept = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) noexcept {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] T* allocate(std::size_t n) {
    if (n > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(allocate_block(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept { free_block(p, n * sizeof(T)); }

  template <class U>
  friend bool operator==(const AlignedAllocator&, const AlignedAllocator<U>&) noexcept {
    return true;
  }
};

/// The same, but elements that are made without a value are left unset, so that the threads that write them are the
/// first to touch their pages.
template <class T>
struct UnsetAllocator : AlignedAllocator<T> {
  UnsetAllocator() noexcept = default;
  template <class U>
  UnsetAllocator(const UnsetAllocator<U>&) noexcept {}  // NOLINT(google-explicit-constructor)

  /// As `new T` leaves a number; other constructions are the standard's own.
  template <class U>
  void construct(U* p) noexcept {
    ::new (static_cast<void*>(p)) U;
  }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

/// `resize(n)` leaves new elements unset; `resize(n, x)` and `assign` set them.
template <class T>
using UnsetVector = std::vector<T, UnsetAllocator<T>>;

}  // namespace pefa::detail
