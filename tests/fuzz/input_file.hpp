// A fuzzer's input as a file: in memory on Linux, where a disk would be what is tested.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "pefa/core/error.hpp"
#include "support.hpp"

namespace pefa::fuzz {

/// A file with these bytes; the next call replaces them.
inline std::filesystem::path input_file(const std::uint8_t* data, std::size_t size) {
#if defined(__linux__)
  static const int file = ::memfd_create("input", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, 0) != 0 || ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size))
    std::abort();
  return "/proc/self/fd/" + std::to_string(file);
#else
  static const test::TemporaryDirectory directory;
  return directory.write("input", std::string(reinterpret_cast<const char*>(data), size));
#endif
}

/// Runs a reader that may refuse its input; anything else that it throws ends the program.
template <class Read>
void accept_errors(const Read& read) {
  try {
    (void)read();
  } catch (const Error&) {
  }
}

}  // namespace pefa::fuzz
