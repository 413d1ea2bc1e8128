// pefa: integers with the most significant byte first, as network protocols and hashes have them.
#pragma once

#include <cstddef>
#include <string>

namespace pefa::io::detail {

/// Appends an integer, the most significant byte first.
template <class Unsigned>
void append_big_endian(std::string& out, Unsigned value) {
  for (std::size_t shift = 8 * sizeof(Unsigned); shift > 0; shift -= 8) {
    out += static_cast<char>(static_cast<unsigned char>(value >> (shift - 8)));
  }
}

/// Reads one. @param bytes  sizeof(Unsigned) of them
template <class Unsigned>
[[nodiscard]] Unsigned read_big_endian(const char* bytes) noexcept {
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
    value = static_cast<Unsigned>(value << 8U) | static_cast<Unsigned>(static_cast<unsigned char>(bytes[i]));
  }
  return value;
}

}  // namespace pefa::io::detail
