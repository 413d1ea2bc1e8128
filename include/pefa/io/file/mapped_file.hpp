// pefa: a file's bytes in memory without reading them first.
//
// POSIX mmap, read-only and private. Where there is none, the file is read into memory: same interface, no sharing.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>

#include "pefa/core/error.hpp"

#if __has_include(<sys/mman.h>)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#define PEFA_HAS_MMAP 1
#else
#include <fstream>
#include <vector>
#define PEFA_HAS_MMAP 0
#endif

namespace pefa::io {

/// A read-only file in memory; the bytes stay where they are for as long as this object, or what it was moved to,
/// lives.
class MappedFile {
 public:
  /// @throws IoError  the file cannot be opened, is a directory, or cannot be mapped
  explicit MappedFile(const std::filesystem::path& path) {
#if PEFA_HAS_MMAP
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) fail_with_errno(path, "cannot be opened");
    struct stat status {};
    if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(descriptor);
      pefa::detail::fail<IoError>(path.string(), ": is not a regular file");
    }
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ > 0) {
      void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
      const int reason = errno;
      ::close(descriptor);
      errno = reason;
      if (address == MAP_FAILED) fail_with_errno(path, "cannot be mapped");
      data_ = static_cast<const std::byte*>(address);
    } else {
      ::close(descriptor);
    }
#else
    std::ifstream in(path, std::ios::binary | std::ios::ate);
    if (!in || std::filesystem::is_directory(path)) pefa::detail::fail<IoError>(path.string(), ": cannot be opened");
    size_ = static_cast<std::size_t>(in.tellg());
    contents_.resize(size_);
    in.seekg(0);
    in.read(reinterpret_cast<char*>(contents_.data()), static_cast<std::streamsize>(size_));
    if (!in) pefa::detail::fail<IoError>(path.string(), ": cannot be read");
    data_ = contents_.data();
#endif
  }

  /// Takes over the bytes; the other is left empty.
  MappedFile(MappedFile&& other) noexcept {
    swap(other);
  }
  /// Swaps the two.
  MappedFile& operator=(MappedFile&& other) noexcept {
    swap(other);
    return *this;
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
#if PEFA_HAS_MMAP
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
#endif
  }

  /// The first byte; an empty file has none.
  [[nodiscard]] const std::byte* data() const noexcept {
    return data_;
  }
  /// Bytes of the file.
  [[nodiscard]] std::size_t size() const noexcept {
    return size_;
  }

 private:
#if PEFA_HAS_MMAP
  [[noreturn]] static void fail_with_errno(const std::filesystem::path& path, const char* what) {
    pefa::detail::fail<IoError>(path.string(), ": ", what, ": ", std::strerror(errno));
  }
#else
  std::vector<std::byte> contents_;
#endif

  void swap(MappedFile& other) noexcept {
#if !PEFA_HAS_MMAP
    contents_.swap(other.contents_);
#endif
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace pefa::io
