// pefa: where large arrays lie: on a cache line, and from 32 MiB on on huge pages where the system has them, so that a
// random row costs one miss instead of one for the page table and one for the row.
#pragma once

#include <cstddef>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace pefa::detail {

inline constexpr std::size_t cache_line = 64;
inline constexpr std::size_t huge_page = std::size_t{1} << 21;
inline constexpr std::size_t huge_from = 16 * huge_page;  // bytes; below, what rounding up would waste counts

[[nodiscard]] constexpr std::align_val_t block_alignment(std::size_t bytes) noexcept {
  return std::align_val_t{bytes >= huge_from ? huge_page : cache_line};
}

/// `bytes` bytes on a 64-byte boundary, from 32 MiB on on a 2 MiB boundary and advised to be huge pages (madvise; a
/// system that knows none ignores it). Their values are not set. @throws std::bad_alloc
[[nodiscard]] inline void* allocate_block(std::size_t bytes) {
  void* block = ::operator new(bytes, block_alignment(bytes));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (bytes >= huge_from) (void)::madvise(block, bytes, MADV_HUGEPAGE);
#endif
  return block;
}

/// @param bytes  as many as were asked for
inline void free_block(void* block, std::size_t bytes) noexcept {
  ::operator delete(block, block_alignment(bytes));
}

}  // namespace pefa::detail
