// pefa: a UUID for any id: for engines whose points have UUIDs or whole numbers as ids. The host finds a point again by
// the same rule, which every language has: uuid.uuid5(uuid.NAMESPACE_OID, id) in Python.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "pefa/io/file/big_endian.hpp"

namespace pefa::io {

namespace detail {

/// SHA-1 (FIPS 180-4), which version 5 of UUIDs is defined by; not for secrets.
[[nodiscard]] inline std::array<std::uint32_t, 5> sha1(std::string message) {
  const std::uint64_t bits = 8 * static_cast<std::uint64_t>(message.size());
  message += '\x80';
  while (message.size() % 64 != 56) message += '\0';
  append_big_endian(message, bits);
  std::array<std::uint32_t, 5> hash{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  std::array<std::uint32_t, 80> w{};
  for (std::size_t block = 0; block < message.size(); block += 64) {
    for (std::size_t t = 0; t < 16; ++t) w[t] = read_big_endian<std::uint32_t>(message.data() + block + 4 * t);
    for (std::size_t t = 16; t < 80; ++t) w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    auto [a, b, c, d, e] = hash;
    for (std::size_t t = 0; t < 80; ++t) {
      const std::uint32_t f = t < 20   ? (b & c) | (~b & d)
                              : t < 40 ? b ^ c ^ d
                              : t < 60 ? (b & c) | (b & d) | (c & d)
                                       : b ^ c ^ d;
      static constexpr std::array<std::uint32_t, 4> constants{0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
      const std::uint32_t next = std::rotl(a, 5) + f + e + constants[t / 20] + w[t];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    hash = {hash[0] + a, hash[1] + b, hash[2] + c, hash[3] + d, hash[4] + e};
  }
  return hash;
}

}  // namespace detail

/// The UUID of version 5 of a name in the namespace OID (RFC 9562, section 5.5):
/// "886313e1-3b8a-5372-9b90-0c9aee199e5d".
[[nodiscard]] inline std::string uuid5(std::string_view name) {
  static constexpr std::string_view namespace_oid("\x6b\xa7\xb8\x12\x9d\xad\x11\xd1\x80\xb4\x00\xc0\x4f\xd4\x30\xc8",
                                                  16);
  const auto hash = detail::sha1(std::string(namespace_oid) + std::string(name));
  static constexpr std::string_view hex = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < 16; ++i) {
    auto byte = static_cast<unsigned char>(hash[i / 4] >> (24 - 8 * (i % 4)));
    if (i == 6) byte = static_cast<unsigned char>((byte & 0x0FU) | 0x50U);  // the version
    if (i == 8) byte = static_cast<unsigned char>((byte & 0x3FU) | 0x80U);  // the variant
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += hex[byte >> 4U];
    text += hex[byte & 0x0FU];
  }
  return text;
}

}  // namespace pefa::io
