// pefa: opens a .pefa archive (format.hpp) and serves its arrays where they are, without copying.
//
// Opening reads the header and the directory, whatever the size of the rest; verify() reads everything.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <ios>
#include <istream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/io/archive/checksum.hpp"
#include "pefa/io/archive/format.hpp"
#include "pefa/io/archive/metadata.hpp"
#include "pefa/io/file/format_bytes.hpp"
#include "pefa/io/file/mapped_file.hpp"

namespace pefa::io {

/// An archive that is open; copies share it, and reading it is safe from any number of threads.
///
/// A section's elements are valid while a reader, or what owner() returned, lives; all else that is returned by
/// reference while a reader does: not of a temporary one. Sections begin on 64-byte boundaries of memory.
/// What is in them is unchecked until verify(): who builds on an archive checks what it relies on (ids in range, …).
class ArchiveReader {
 public:
  /// Maps a file. It may be replaced or removed meanwhile, as ArchiveWriter::save does; cutting it short in place makes
  /// the system end the process on the next access, as with any mapped file.
  /// @throws IoError  it cannot be read  @throws FormatError  it is no archive, of a later format version or another
  /// byte order, cut off, or its header or directory is damaged; the message says which
  [[nodiscard]] static ArchiveReader open(const std::filesystem::path& path) {
    auto file = std::make_shared<const MappedFile>(path);
    const std::span<const std::byte> bytes(file->data(), file->size());
    return {bytes, std::move(file), path.string()};
  }

  /// Serves an archive that is in memory already, and keeps `owner` alive as long as itself.
  /// @param bytes  the whole archive, on a 64-byte boundary  @param name  what messages call it
  /// @throws ValueError  the boundary is another  @throws FormatError  as open
  [[nodiscard]] static ArchiveReader over(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                          std::string name = "archive in memory") {
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % detail::archive_alignment != 0) {
      pefa::detail::fail<ValueError>(name, ": expected on a ", detail::archive_alignment, "-byte boundary");
    }
    return {bytes, std::move(owner), std::move(name)};
  }

  /// Reads an archive from a binary stream into memory and leaves the stream behind its last byte. Memory grows with
  /// what arrives: up to twice that, never by what a header claims.
  /// @throws IoError  the stream fails  @throws FormatError  as open
  [[nodiscard]] static ArchiveReader read(std::istream& in, std::string name = "archive stream") {
    if (!in) pefa::detail::fail<IoError>(name, ": cannot be read; does it exist?");
    const auto memory = std::make_shared<pefa::detail::AlignedVector<std::byte>>();
    const auto fill_to = [&](std::size_t size) {
      const std::size_t before = memory->size();
      memory->resize(size);
      memory->resize(before + read_some(in, std::span(*memory).subspan(before), name));
      return memory->size() == size;
    };
    (void)fill_to(sizeof(detail::ArchiveHeader));
    const std::uint64_t file_size = checked_header(*memory, name).file_size;
    while (memory->size() < file_size) {
      const std::uint64_t next = std::max<std::uint64_t>(2 * memory->size(), detail::archive_block);
      if (!fill_to(static_cast<std::size_t>(std::min(file_size, next)))) break;  // its size is refused below
    }
    return {std::span<const std::byte>(*memory), memory, std::move(name)};
  }

  /// What messages call it: for a file, its path.
  [[nodiscard]] const std::string& name() const noexcept { return contents_->name; }
  /// Bytes of the whole archive.
  [[nodiscard]] std::uint64_t byte_size() const noexcept { return contents_->bytes.size(); }
  /// The version of the format that it is written in.
  [[nodiscard]] std::uint32_t format_version() const noexcept { return contents_->header.format_version; }
  /// The version of the pefa that wrote it, as "0.1.0".
  [[nodiscard]] std::string library_version() const { return version_text(contents_->header); }

  /// What it says of itself beside its sections.
  [[nodiscard]] const ArchiveMetadata& metadata() const noexcept { return contents_->metadata; }
  /// In the order of the file.
  [[nodiscard]] std::span<const ArchiveSection> sections() const noexcept { return contents_->sections; }
  /// Whether it has a section of that key.
  [[nodiscard]] bool contains(std::string_view key) const noexcept { return contents_->find(key) != nullptr; }

  /// A section's elements, or nullopt where there is no such section. @throws FormatError  they are of another type
  template <ArchiveElement T>
  [[nodiscard]] std::optional<std::span<const T>> find_section(std::string_view key) const {
    if (!contains(key)) return std::nullopt;
    return section<T>(key);
  }

  /// A section's elements. @throws FormatError  there is no such section, or they are of another type
  template <ArchiveElement T>
  [[nodiscard]] std::span<const T> section(std::string_view key) const {
    const ArchiveSection& found = section_of(key, element_type<T>());
    return {reinterpret_cast<const T*>(contents_->bytes.data() + found.offset), static_cast<std::size_t>(found.count)};
  }

  /// A section of `count` elements. @throws FormatError  as above, or there are more or fewer
  template <ArchiveElement T>
  [[nodiscard]] std::span<const T> section(std::string_view key, std::uint64_t count) const {
    require_count(section_of(key, element_type<T>()), count);
    return section<T>(key);
  }

  /// What keeps the spans valid: the mapping, the memory, or the owner given to over().
  [[nodiscard]] std::shared_ptr<const void> owner() const noexcept { return contents_->owner; }

  /// Reads the whole archive against its checksums. Progress counts bytes.
  /// @throws FormatError  a section, which the message names, or what should be zero between two is damaged
  /// @throws Cancelled  the progress callback said stop
  void verify(const Progress& progress = {}) const {
    ProgressMeter meter(progress, contents_->bytes.size(), "ArchiveReader::verify");
    std::uint64_t end = sizeof(detail::ArchiveHeader);
    meter.add(end);
    for (const ArchiveSection& section : contents_->sections) {
      require_zeros(end, section.offset, meter);
      require_intact(section, meter);
      end = section.offset + section.byte_size();
    }
    require_zeros(end, contents_->header.directory_offset, meter);
    meter.add(contents_->bytes.size() - contents_->header.directory_offset);
  }

  /// Reads one section against its checksum. @throws FormatError  it is damaged, or not there
  void verify_section(std::string_view key) const {
    const ArchiveSection* section = contents_->find(key);
    if (section == nullptr) pefa::detail::fail<FormatError>(name(), ": has no section '", key, "'");
    const Progress none;
    ProgressMeter silent(none, 0, "");
    require_intact(*section, silent);
  }

 private:
  struct Contents {
    std::string name;
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
    detail::ArchiveHeader header;
    std::vector<ArchiveSection> sections;
    ArchiveMetadata metadata;

    /// One after the other: an archive has a few dozen.
    [[nodiscard]] const ArchiveSection* find(std::string_view key) const noexcept {
      for (const ArchiveSection& section : sections) {
        if (section.key == key) return &section;
      }
      return nullptr;
    }
  };

  ArchiveReader(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string name) {
    const auto contents = std::make_shared<Contents>();
    contents->name = std::move(name);
    contents->bytes = bytes;
    contents->owner = std::move(owner);
    contents->header = checked_header(bytes, contents->name);
    if (contents->header.file_size != bytes.size()) {
      pefa::detail::fail<FormatError>(contents->name, ": has ", bytes.size(), " bytes, its header says ",
                                      contents->header.file_size,
                                      bytes.size() < contents->header.file_size ? ": it is cut off" : "");
    }
    read_directory(*contents);
    contents_ = contents;
  }

  [[nodiscard]] static std::string version_text(const detail::ArchiveHeader& header) {
    const auto& version = header.library_version;
    return pefa::detail::join_message(version[0], '.', version[1], '.', version[2]);
  }

  /// The header at the start of `bytes`, consistent in itself; whether the file has the size it says is for the caller.
  [[nodiscard]] static detail::ArchiveHeader checked_header(std::span<const std::byte> bytes, const std::string& name) {
    using pefa::detail::fail;
    detail::ArchiveHeader header;
    if (bytes.size() < sizeof header.magic ||
        std::memcmp(bytes.data(), header.magic.data(), sizeof header.magic) != 0) {
      const char* format = detail::format_of_bytes(
          {reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 16)}, bytes.size());
      fail<FormatError>(name, ": is not a pefa archive",
                        format != nullptr ? ", it is " + detail::describe_format(format) : std::string());
    }
    if (bytes.size() < sizeof header) {
      fail<FormatError>(name, ": has ", bytes.size(), " bytes, expected a header of ", sizeof header,
                        ": it is cut off");
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.endianness == 0x04030201) {
      fail<FormatError>(name, ": was written in the byte order of a big-endian machine, expected little-endian");
    }
    if (header.endianness != detail::archive_endianness) fail<FormatError>(name, ": its endianness mark is damaged");
    if (header.format_version > detail::archive_version) {
      fail<FormatError>(name, ": has format version ", header.format_version, ", written by pefa ",
                        version_text(header), "; this pefa reads up to version ", detail::archive_version);
    }
    if (header.checksum != header.expected_checksum()) fail<FormatError>(name, ": its header is damaged (checksum)");
    if (header.format_version == 0) fail<FormatError>(name, ": has format version 0, expected 1");
    if (header.section_count > detail::max_archive_sections || header.metadata_size > detail::max_archive_metadata) {
      fail<FormatError>(name, ": has ", header.section_count, " sections and ", header.metadata_size,
                        " bytes of metadata, expected at most ", detail::max_archive_sections, " and ",
                        detail::max_archive_metadata);
    }
    const std::uint64_t directory = detail::directory_size(header.section_count, header.metadata_size);
    if (header.directory_offset < sizeof header || header.directory_offset > header.file_size ||
        header.file_size - header.directory_offset != directory) {
      fail<FormatError>(name, ": its header puts a directory of ", directory, " bytes at byte ",
                        header.directory_offset, " of ", header.file_size);
    }
    return header;
  }

  static void read_directory(Contents& contents) {
    const detail::ArchiveHeader& header = contents.header;
    const auto directory = contents.bytes.subspan(static_cast<std::size_t>(header.directory_offset));
    const auto summed = directory.first(directory.size() - sizeof(std::uint64_t));
    std::uint64_t stored = 0;
    std::memcpy(&stored, summed.data() + summed.size(), sizeof stored);
    if (stored != checksum(summed)) {
      pefa::detail::fail<FormatError>(contents.name, ": its directory is damaged (checksum)");
    }
    std::uint64_t end = sizeof header;  // of the section before
    contents.sections.reserve(header.section_count);
    for (std::size_t i = 0; i < header.section_count; ++i) {
      detail::ArchiveEntry entry;
      std::memcpy(&entry, summed.data() + i * sizeof entry, sizeof entry);
      ArchiveSection section = checked_entry(entry, i, end, header.directory_offset, contents.name);
      if (contents.find(section.key) != nullptr) {
        pefa::detail::fail<FormatError>(contents.name, ": has two sections '", section.key, "'");
      }
      end = section.offset + section.byte_size();
      contents.sections.push_back(std::move(section));
    }
    contents.metadata =
        ArchiveMetadata::decoded(summed.subspan(header.section_count * sizeof(detail::ArchiveEntry)), contents.name);
  }

  /// @param end  where the section before ends  @param limit  where the directory begins
  [[nodiscard]] static ArchiveSection checked_entry(const detail::ArchiveEntry& entry, std::size_t number,
                                                    std::uint64_t end, std::uint64_t limit, const std::string& name) {
    std::string key(entry.key.data(), entry.key.size());
    key.erase(key.find_last_not_of('\0') + 1);  // a zero that is left within is no character of a key
    if (!detail::is_archive_key(key)) {
      pefa::detail::fail<FormatError>(name, ": entry ", number, " of its directory has no valid key");
    }
    const std::uint32_t size = size_of(entry.type);
    if (size == 0 || size != entry.element_size) {
      pefa::detail::fail<FormatError>(name, ": section '", key, "' has elements of type ",
                                      static_cast<std::uint32_t>(entry.type), " and ", entry.element_size,
                                      " bytes, which this pefa does not know");
    }
    if (entry.offset < end || entry.offset > limit || entry.offset % detail::archive_alignment != 0 ||
        entry.count > (limit - entry.offset) / size) {
      pefa::detail::fail<FormatError>(name, ": section '", key, "' has ", entry.count, " elements of ", size,
                                      " bytes at byte ", entry.offset, ", expected a multiple of ",
                                      detail::archive_alignment, " and all within bytes ", end, " to ", limit);
    }
    return {std::move(key), entry.type, entry.count, entry.offset, entry.checksum};
  }

  /// Reads until `into` is full or the stream ends; the number of bytes that came.
  [[nodiscard]] static std::size_t read_some(std::istream& in, std::span<std::byte> into, const std::string& name) {
    try {
      in.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(into.size()));
    } catch (const std::ios_base::failure& error) {  // a stream that the host has told to throw, also at its end
      if (!in.eof()) pefa::detail::fail<IoError>(name, ": cannot be read: ", error.what());
    }
    if (in.bad()) pefa::detail::fail<IoError>(name, ": cannot be read");
    return static_cast<std::size_t>(in.gcount());
  }

  /// Calls `take` with the bytes in [begin, end), a block at a time, and reports each.
  template <class Take>
  void for_each_block(std::uint64_t begin, std::uint64_t end, ProgressMeter& meter, const Take& take) const {
    while (begin < end) {
      const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(end - begin, detail::archive_block));
      take(contents_->bytes.subspan(static_cast<std::size_t>(begin), size));
      meter.add(size);
      begin += size;
    }
  }

  /// @throws FormatError  there is no such section, or its elements are of another type
  [[nodiscard]] const ArchiveSection& section_of(std::string_view key, ElementType type) const {
    const ArchiveSection* section = contents_->find(key);
    if (section == nullptr) {
      pefa::detail::fail<FormatError>(name(), ": has no section '", key, "', expected one of ", io::name(type));
    }
    if (section->type != type) {
      pefa::detail::fail<FormatError>(name(), ": section '", key, "' holds ", io::name(section->type), ", expected ",
                                      io::name(type));
    }
    return *section;
  }

  void require_count(const ArchiveSection& section, std::uint64_t count) const {
    if (section.count == count) return;
    pefa::detail::fail<FormatError>(name(), ": section '", section.key, "' holds ", section.count,
                                    " elements, expected ", count);
  }

  void require_intact(const ArchiveSection& section, ProgressMeter& meter) const {
    const std::uint64_t end = section.offset + section.byte_size();
    Checksum sum;
    for_each_block(section.offset, end, meter, [&](std::span<const std::byte> block) { sum.update(block); });
    if (sum.value() != section.checksum) {
      pefa::detail::fail<FormatError>(name(), ": section '", section.key, "', bytes ", section.offset, " to ", end,
                                      ", is damaged (checksum)");
    }
  }

  void require_zeros(std::uint64_t begin, std::uint64_t end, ProgressMeter& meter) const {
    for_each_block(begin, end, meter, [&](std::span<const std::byte> block) {
      for (const std::byte& each : block) {
        if (each == std::byte{0}) continue;
        pefa::detail::fail<FormatError>(name(), ": byte ", &each - contents_->bytes.data(),
                                        ", between two sections, is not zero: the file is damaged");
      }
    });
  }

  std::shared_ptr<const Contents> contents_;
};

}  // namespace pefa::io
