// pefa: the formats of files that begin with bytes of their own: npy, safetensors, pefa and zip, which .npz files are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pefa::io::detail {

/// The format that a file's first bytes are of, or nullptr. @param start  16 of them, or all  @param size  of the file
[[nodiscard]] inline const char* format_of_bytes(std::string_view start, std::uint64_t size) noexcept {
  if (start.starts_with("\x93NUMPY")) return "npy";
  if (start.starts_with("\x93PEFA\r\n\x1a")) return "pefa";
  if (start.starts_with("PK\x03\x04")) return "zip";
  // safetensors: eight bytes say how long a JSON object is that follows them
  std::uint64_t length = 0;
  if (start.size() <= sizeof(length) || start[sizeof(length)] != '{') return nullptr;
  for (std::size_t i = 0; i < sizeof(length); ++i) {
    length |= std::uint64_t{static_cast<unsigned char>(start[i])} << (8 * i);
  }
  return length >= 2 && length <= size - sizeof(length) ? "safetensors" : nullptr;
}

/// "a .npy file".
[[nodiscard]] inline std::string describe_format(std::string_view format) {
  return format == "zip" ? "a .zip or .npz file" : "a ." + std::string(format) + " file";
}

}  // namespace pefa::io::detail
