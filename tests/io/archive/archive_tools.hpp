// What the archive tests and the fuzz target share: changing an archive's bytes, and all that a reader hands out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/io/archive/reader.hpp"

namespace pefa::test {

using Bytes = pefa::detail::AlignedVector<std::byte>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
  Bytes bytes(text.size());
  std::copy_n(reinterpret_cast<const std::byte*>(text.data()), text.size(), bytes.begin());
  return bytes;
}

template <class T>
void patch(Bytes& bytes, std::size_t offset, const T& value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

template <class T>
[[nodiscard]] T peek(const Bytes& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/// Offsets in the file: of the directory, as the header says, and of one entry in it.
[[nodiscard]] inline std::size_t directory_of(const Bytes& bytes) {
  return static_cast<std::size_t>(peek<std::uint64_t>(bytes, 32));
}
[[nodiscard]] inline std::size_t entry_of(const Bytes& bytes, std::size_t number) {
  return directory_of(bytes) + 80 * number;
}

/// Makes the checksums of header and directory right again, as a forger would, so that what they cover is read.
inline void sign(Bytes& bytes) {
  if (bytes.size() < 64) return;
  const std::span<const std::byte> all(bytes);
  patch(bytes, 56, io::checksum(all.first(56)));
  const std::uint64_t directory = peek<std::uint64_t>(bytes, 32);
  if (directory > bytes.size() - 8) return;
  const auto summed = all.first(bytes.size() - 8).subspan(static_cast<std::size_t>(directory));
  patch(bytes, bytes.size() - 8, io::checksum(summed));
}

[[nodiscard]] inline io::ArchiveReader open_bytes(const Bytes& bytes) {
  return io::ArchiveReader::over(bytes, nullptr, "x.pefa");
}

namespace archive_text {

template <class T>
void append(std::string& out, std::span<const T> elements) {
  const auto bytes = std::as_bytes(elements);
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

inline void append_elements(std::string& out, const io::ArchiveReader& reader, const io::ArchiveSection& section) {
  using io::ElementType;
  switch (section.type) {
    case ElementType::int8: return append(out, reader.section<std::int8_t>(section.key));
    case ElementType::uint8: return append(out, reader.section<std::uint8_t>(section.key));
    case ElementType::int16: return append(out, reader.section<std::int16_t>(section.key));
    case ElementType::uint16: return append(out, reader.section<std::uint16_t>(section.key));
    case ElementType::int32: return append(out, reader.section<std::int32_t>(section.key));
    case ElementType::uint32: return append(out, reader.section<std::uint32_t>(section.key));
    case ElementType::int64: return append(out, reader.section<std::int64_t>(section.key));
    case ElementType::uint64: return append(out, reader.section<std::uint64_t>(section.key));
    case ElementType::float16: return append(out, reader.section<Eigen::half>(section.key));
    case ElementType::bfloat16: return append(out, reader.section<Eigen::bfloat16>(section.key));
    case ElementType::float32: return append(out, reader.section<float>(section.key));
    case ElementType::float64: return append(out, reader.section<double>(section.key));
  }
}

}  // namespace archive_text

/// Everything that can be read from an archive, in one string.
[[nodiscard]] inline std::string everything_in(const io::ArchiveReader& reader) {
  std::string out;
  for (const io::ArchiveSection& section : reader.sections()) {
    out += section.key + '\n' + std::to_string(section.count) + io::name(section.type) + '\n';
    archive_text::append_elements(out, reader, section);
  }
  archive_text::append(out, std::span<const std::byte>(reader.metadata().encoded()));
  return out;
}

}  // namespace pefa::test
