// pefa: the .pefa container, byte by byte: named arrays and a few values in one file that is used where it is mapped.
//
// All numbers are little-endian. A file is, from its first byte to its last, with zero bytes between the parts:
//
//   header      64 bytes, at offset 0
//   sections    the arrays, in the order of the directory; each starts at a multiple of 64
//   directory   at a multiple of 64, to the end of the file: section_count entries of 80 bytes, the metadata, and 8
//               bytes of XXH64 (seed 0) of those two
//
// Header                                            Directory entry
//   0   8  magic: 93 50 45 46 41 0D 0A 1A             0  48  key: 1 to 48 of A-Z a-z 0-9 . _ - /, then zeros
//   8   4  endianness mark: 04 03 02 01              48   4  element type, an ElementType
//  12   4  format version: 1                         52   4  bytes an element
//  16   6  version of the writing pefa: 3 x u16      56   8  number of elements
//  22   2  zero                                      64   8  offset of the section in the file
//  24   8  bytes of the whole file                   72   8  XXH64 (seed 0) of the section's bytes
//  32   8  offset of the directory
//  40   4  number of sections, at most 4096         Metadata: items one after the other
//  44   4  bytes of metadata, at most 2^20            0   1  kind: 1 i64, 2 f64 (IEEE 754), 3 text (UTF-8)
//  48   8  zero                                       1   1  bytes of the key, 1 to 48, as above
//  56   8  XXH64 (seed 0) of bytes 0 to 55            2   2  zero
//                                                     4   4  bytes of the value, 8 for kinds 1 and 2
// Keys are unique among the sections, and among       8      the key, then the value
// the metadata. Sections do not overlap.
//
// In every format version bytes 0 to 23 mean this, so that a reader can say what it cannot read. Opening checks header
// and directory; a section's contents, and that the bytes between are zero, are checked where the reader is asked to.
// A section of 1 MiB or more starts at a multiple of 4096, so that it has its pages to itself; readers need not care.
#pragma once

#include <Eigen/Core>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "pefa/io/archive/checksum.hpp"
#include "pefa/version.hpp"

namespace pefa::io {

/// What the elements of a section are; the values are the file's.
enum class ElementType : std::uint32_t {
  int8 = 1,
  uint8 = 2,
  int16 = 3,
  uint16 = 4,
  int32 = 5,
  uint32 = 6,
  int64 = 7,
  uint64 = 8,
  float16 = 9,
  bfloat16 = 10,
  float32 = 11,
  float64 = 12
};

/// The name of a type: "int8"; "unknown" where it is none of them.
[[nodiscard]] constexpr const char* name(ElementType type) noexcept {
  switch (type) {
    case ElementType::int8: return "int8";
    case ElementType::uint8: return "uint8";
    case ElementType::int16: return "int16";
    case ElementType::uint16: return "uint16";
    case ElementType::int32: return "int32";
    case ElementType::uint32: return "uint32";
    case ElementType::int64: return "int64";
    case ElementType::uint64: return "uint64";
    case ElementType::float16: return "float16";
    case ElementType::bfloat16: return "bfloat16";
    case ElementType::float32: return "float32";
    case ElementType::float64: return "float64";
  }
  return "unknown";
}

/// Bytes an element; 0 for a value that is no type.
[[nodiscard]] constexpr std::uint32_t size_of(ElementType type) noexcept {
  switch (type) {
    case ElementType::int8:
    case ElementType::uint8: return 1;
    case ElementType::int16:
    case ElementType::uint16:
    case ElementType::float16:
    case ElementType::bfloat16: return 2;
    case ElementType::int32:
    case ElementType::uint32:
    case ElementType::float32: return 4;
    case ElementType::int64:
    case ElementType::uint64:
    case ElementType::float64: return 8;
  }
  return 0;
}

/// What a section may hold: numbers, and characters and raw bytes, which are stored as uint8. Not bool: a byte of a
/// file that is neither 0 nor 1 would be undefined behaviour.
template <class T>
concept ArchiveElement = std::same_as<T, std::byte> || std::same_as<T, Eigen::half> ||
    std::same_as<T, Eigen::bfloat16> || std::same_as<T, float> || std::same_as<T, double> ||
    (std::integral<T> && !std::same_as<T, bool> && sizeof(T) <= 8);

/// The type that elements of T are stored as.
template <ArchiveElement T>
[[nodiscard]] constexpr ElementType element_type() noexcept {
  if constexpr (std::same_as<T, Eigen::half>)
    return ElementType::float16;
  else if constexpr (std::same_as<T, Eigen::bfloat16>)
    return ElementType::bfloat16;
  else if constexpr (std::same_as<T, float>)
    return ElementType::float32;
  else if constexpr (std::same_as<T, double>)
    return ElementType::float64;
  else if constexpr (std::same_as<T, std::byte> || std::same_as<T, char>)
    return ElementType::uint8;
  else {
    // int8, uint8, int16 … uint64 are 1 … 8: two a width, the signed one first.
    constexpr auto width = static_cast<std::uint32_t>(std::countr_zero(sizeof(T)));
    return static_cast<ElementType>(2 * width + (std::is_signed_v<T> ? 1 : 2));
  }
}

/// One named array of an archive.
struct ArchiveSection {
  std::string key;             ///< its name
  ElementType type{};          ///< of its elements
  std::uint64_t count = 0;     ///< elements
  std::uint64_t offset = 0;    ///< of its first byte in the file
  std::uint64_t checksum = 0;  ///< XXH64 of its bytes

  /// Bytes of its elements.
  [[nodiscard]] std::uint64_t byte_size() const noexcept { return count * size_of(type); }
};

namespace detail {

static_assert(std::endian::native == std::endian::little, "pefa reads little-endian files on little-endian machines");

inline constexpr std::array<unsigned char, 8> archive_magic{0x93, 'P', 'E', 'F', 'A', '\r', '\n', 0x1A};
inline constexpr std::uint32_t archive_endianness = 0x01020304;
inline constexpr std::uint32_t archive_version = 1;
inline constexpr std::size_t max_archive_sections = 4096;
inline constexpr std::size_t max_archive_metadata = std::size_t{1} << 20;
inline constexpr std::size_t max_archive_key = 48;
inline constexpr std::uint64_t archive_alignment = 64;
inline constexpr std::size_t archive_block = std::size_t{1} << 20;  ///< what is checked or copied at a time

/// The first bytes of the file.
struct ArchiveHeader {
  std::array<unsigned char, 8> magic = archive_magic;
  std::uint32_t endianness = archive_endianness;
  std::uint32_t format_version = archive_version;
  std::array<std::uint16_t, 4> library_version{PEFA_VERSION_MAJOR, PEFA_VERSION_MINOR, PEFA_VERSION_PATCH, 0};
  std::uint64_t file_size = 0;
  std::uint64_t directory_offset = 0;
  std::uint32_t section_count = 0;
  std::uint32_t metadata_size = 0;
  std::uint64_t reserved = 0;
  std::uint64_t checksum = 0;

  [[nodiscard]] std::uint64_t expected_checksum() const noexcept {
    return io::checksum(std::as_bytes(std::span(this, 1)).first(offsetof(ArchiveHeader, checksum)));
  }
};

/// A line of the directory.
struct ArchiveEntry {
  std::array<char, max_archive_key> key{};
  ElementType type{};
  std::uint32_t element_size = 0;
  std::uint64_t count = 0;
  std::uint64_t offset = 0;
  std::uint64_t checksum = 0;
};

static_assert(sizeof(ArchiveHeader) == 64 && std::has_unique_object_representations_v<ArchiveHeader>);
static_assert(sizeof(ArchiveEntry) == 80 && std::has_unique_object_representations_v<ArchiveEntry>);

/// Entries, metadata and their checksum; no overflow, both counts being 32-bit.
[[nodiscard]] constexpr std::uint64_t directory_size(std::uint64_t section_count,
                                                     std::uint64_t metadata_size) noexcept {
  return section_count * sizeof(ArchiveEntry) + metadata_size + sizeof(std::uint64_t);
}

[[nodiscard]] constexpr bool is_archive_key(std::string_view key) noexcept {
  const auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == '/';
  };
  if (key.empty() || key.size() > max_archive_key) return false;
  for (const char c : key) {
    if (!allowed(c)) return false;
  }
  return true;
}

}  // namespace detail
}  // namespace pefa::io
