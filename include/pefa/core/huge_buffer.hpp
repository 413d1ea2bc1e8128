// pefa: a fixed block of memory for what is read at random and all over: aligned, and on huge pages where the system
// has them, so that a random row costs one miss instead of one for the page table and one for the row.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace pefa::detail {

/// `size` zeroed elements of a trivial type, on a 64-byte boundary; from 2 MiB on, on a 2 MiB boundary and advised to
/// be huge pages (madvise; a system that knows none ignores it).
template <class T>
class HugeBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  HugeBuffer() = default;
  explicit HugeBuffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    if (size > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_array_new_length();
    data_ = static_cast<T*>(::operator new(bytes(), alignment()));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (bytes() >= huge_from) (void)::madvise(data_, bytes(), MADV_HUGEPAGE);
#endif
    std::memset(static_cast<void*>(data_), 0, bytes());
  }
  HugeBuffer(HugeBuffer&& other) noexcept {
    swap(other);
  }
  HugeBuffer& operator=(HugeBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  HugeBuffer(const HugeBuffer&) = delete;
  HugeBuffer& operator=(const HugeBuffer&) = delete;
  ~HugeBuffer() {
    if (data_ != nullptr) ::operator delete(data_, alignment());
  }

  [[nodiscard]] T* data() noexcept {
    return data_;
  }
  [[nodiscard]] const T* data() const noexcept {
    return data_;
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return size_;
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return size_ * sizeof(T);
  }
  [[nodiscard]] T& operator[](std::size_t i) noexcept {
    return data_[i];
  }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept {
    return data_[i];
  }

 private:
  static constexpr std::size_t huge_page = std::size_t{1} << 21;
  static constexpr std::size_t huge_from = 16 * huge_page;

  [[nodiscard]] std::align_val_t alignment() const noexcept {
    return std::align_val_t{bytes() >= huge_from ? huge_page : 64};
  }
  void swap(HugeBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace pefa::detail
