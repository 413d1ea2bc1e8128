// pefa: writes a .pefa archive (format.hpp): named arrays, straight from the memory they are in, and metadata.
//
// It keeps descriptions, not copies: sizes are known before the first byte, checksums by the last, so that the archive
// goes out in one pass, to a file or to a stream that cannot seek.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/io/archive/checksum.hpp"
#include "pefa/io/archive/format.hpp"
#include "pefa/io/archive/metadata.hpp"
#include "pefa/io/file/byte_sink.hpp"
#include "pefa/io/file/durable_file.hpp"

namespace pefa::io {

/// Collects sections and metadata, then writes them, as often as asked. Writing is const and takes a buffer's memory.
class ArchiveWriter {
 public:
  /// Takes the next elements of a section.
  template <ArchiveElement T>
  using Put = std::function<void(std::span<const T> elements)>;

  /// What the archive says of itself: to be filled in.
  [[nodiscard]] ArchiveMetadata& metadata() noexcept { return metadata_; }

  /// Adds an array. What is passed by reference, or is a span, is borrowed: it must live, unchanged, until the archive
  /// is written. A container passed as an rvalue is moved in.
  /// @throws ValueError  the key is there already or is no key (1 to 48 of A-Z a-z 0-9 . _ - /), the array has more
  /// than 2^48 bytes, or there are 4096 sections already
  template <std::ranges::contiguous_range Range>
    requires(std::ranges::sized_range<Range>&& ArchiveElement<std::ranges::range_value_t<Range>>)
  void add(std::string key, Range&& elements) {
    using T = std::ranges::range_value_t<Range>;
    if constexpr (std::ranges::borrowed_range<Range>) {
      const std::span<const T> borrowed(std::ranges::data(elements), std::ranges::size(elements));
      add_section({std::move(key), element_type<T>(), borrowed.size(), std::as_bytes(borrowed), {}, {}});
    } else {
      const auto kept = std::make_shared<const std::remove_cvref_t<Range>>(std::forward<Range>(elements));
      const std::span<const T> whole(std::ranges::data(*kept), std::ranges::size(*kept));
      add_section({std::move(key), element_type<T>(), whole.size(), std::as_bytes(whole), kept, {}});
    }
  }

  /// Adds an array that is nowhere in one piece: `produce(put)` hands over exactly `count` elements, in any number of
  /// calls of put; it runs each time the archive is written, and writing throws ValueError where it gives another
  /// count.
  /// @throws ValueError  as add()
  template <ArchiveElement T>
  void add_produced(std::string key, std::uint64_t count, std::function<void(const Put<T>& put)> produce) {
    add_section({std::move(key), element_type<T>(), count, {}, {}, [produce = std::move(produce)](const PutBytes& put) {
                   produce([&put](std::span<const T> elements) { put(std::as_bytes(elements)); });
                 }});
  }

  /// The bytes that write() puts out.
  [[nodiscard]] std::uint64_t byte_size() const { return layout().header.file_size; }

  /// Writes the archive; on an error the sink has a part of it. Progress counts bytes.
  /// @throws IoError  the sink could not take them  @throws Cancelled  the progress callback said stop
  void write(ByteSink& sink, const Progress& progress = {}) const {
    Layout layout = this->layout();
    Output out(sink, progress, layout.header.file_size);
    out.put(std::as_bytes(std::span(&layout.header, 1)));
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      out.pad_to(layout.entries[i].offset);
      layout.entries[i].checksum = write_section(sections_[i], out);
    }
    out.pad_to(layout.header.directory_offset);
    Checksum sum;
    const std::vector<std::byte> metadata = metadata_.encoded();
    out.put(std::as_bytes(std::span(layout.entries)), &sum);
    out.put(metadata, &sum);
    const std::uint64_t directory_checksum = sum.value();
    out.put(std::as_bytes(std::span(&directory_checksum, 1)));
  }

  /// Writes the archive to a binary stream, which need not be seekable, and flushes it. @throws  as write
  void write(std::ostream& out, const Progress& progress = {}) const {
    StreamSink sink(out);
    write(sink, progress);
    sink.flush();
  }

  /// Writes the archive to a file and flushes it to the disk. On any error, and where the process dies, an older
  /// archive of that name stays as it was; readers that have that one open keep it.
  /// @throws IoError, Cancelled  as write and BasicDurableFile::commit
  void save(const std::filesystem::path& path, const Progress& progress = {}) const {
    DurableFile file(path);
    write(file, progress);
    file.commit();
  }

 private:
  using PutBytes = std::function<void(std::span<const std::byte>)>;

  struct Section {
    std::string key;
    ElementType type;
    std::uint64_t count;
    std::span<const std::byte> bytes;              // the elements, where they are in one piece
    std::shared_ptr<const void> owner;             // of them, where that is the writer
    std::function<void(const PutBytes&)> produce;  // else
  };

  /// Where everything goes; the checksums of the sections are still to come.
  struct Layout {
    detail::ArchiveHeader header;
    std::vector<detail::ArchiveEntry> entries;
  };

  static constexpr std::uint64_t max_section_size = std::uint64_t{1} << 48;  // 4096 of them do not overflow
  static constexpr std::uint64_t page_size = 4096;
  static constexpr std::uint64_t paged_from = std::uint64_t{1} << 20;

  /// What has been written, counted and reported.
  class Output {
   public:
    Output(ByteSink& sink, const Progress& progress, std::uint64_t total)
        : sink_(sink), meter_(progress, static_cast<std::size_t>(total), "ArchiveWriter::write") {}

    /// In blocks, each hashed and written while it is in the cache, with a report between.
    void put(std::span<const std::byte> bytes, Checksum* sum = nullptr) {
      while (!bytes.empty()) {
        const auto block = bytes.first(std::min(bytes.size(), detail::archive_block));
        if (sum != nullptr) sum->update(block);
        sink_.write(block);
        position_ += block.size();
        meter_.add(block.size());
        bytes = bytes.subspan(block.size());
      }
    }
    void pad_to(std::uint64_t offset) {
      static constexpr std::array<std::byte, page_size> zeros{};
      put(std::span(zeros).first(static_cast<std::size_t>(offset - position_)));
    }

   private:
    ByteSink& sink_;
    ProgressMeter meter_;
    std::uint64_t position_ = 0;
  };

  void add_section(Section section) {
    if (!detail::is_archive_key(section.key)) {
      pefa::detail::fail<ValueError>("ArchiveWriter: section key '", section.key, "': expected 1 to ",
                                     detail::max_archive_key, " of A-Z a-z 0-9 . _ - /");
    }
    for (const Section& other : sections_) {
      if (other.key == section.key) {
        pefa::detail::fail<ValueError>("ArchiveWriter: section '", section.key, "' is there already");
      }
    }
    if (sections_.size() == detail::max_archive_sections) {
      pefa::detail::fail<ValueError>("ArchiveWriter: section '", section.key, "' is one more than ",
                                     detail::max_archive_sections);
    }
    if (section.count > max_section_size / size_of(section.type)) {
      pefa::detail::fail<ValueError>("ArchiveWriter: section '", section.key, "' has ", section.count, " elements of ",
                                     size_of(section.type), " bytes, expected at most 2^48 bytes");
    }
    sections_.push_back(std::move(section));
  }

  [[nodiscard]] Layout layout() const {
    Layout layout;
    std::uint64_t end = sizeof(detail::ArchiveHeader);
    const auto aligned = [&end](std::uint64_t alignment) { return (end + alignment - 1) / alignment * alignment; };
    for (const Section& section : sections_) {
      detail::ArchiveEntry& entry = layout.entries.emplace_back();
      std::copy(section.key.begin(), section.key.end(), entry.key.begin());
      entry.type = section.type;
      entry.element_size = size_of(section.type);
      entry.count = section.count;
      const std::uint64_t size = section.count * entry.element_size;
      entry.offset = aligned(size >= paged_from ? page_size : detail::archive_alignment);
      end = entry.offset + size;
    }
    detail::ArchiveHeader& header = layout.header;
    header.section_count = static_cast<std::uint32_t>(sections_.size());
    header.metadata_size = static_cast<std::uint32_t>(metadata_.encoded_size());
    header.directory_offset = aligned(detail::archive_alignment);
    header.file_size = header.directory_offset + detail::directory_size(header.section_count, header.metadata_size);
    header.checksum = header.expected_checksum();
    return layout;
  }

  [[nodiscard]] static std::uint64_t write_section(const Section& section, Output& out) {
    const std::uint64_t size = section.count * size_of(section.type);
    const auto refuse = [&section](const char* what) {
      pefa::detail::fail<ValueError>("ArchiveWriter: section '", section.key, "' was announced with ", section.count,
                                     " elements, its producer gave ", what);
    };
    Checksum sum;
    if (!section.produce) {
      out.put(section.bytes, &sum);
      return sum.value();
    }
    std::uint64_t written = 0;
    section.produce([&](std::span<const std::byte> bytes) {
      if (bytes.size() > size - written) refuse("more");
      out.put(bytes, &sum);
      written += bytes.size();
    });
    if (written != size) refuse("fewer");
    return sum.value();
  }

  ArchiveMetadata metadata_;
  std::vector<Section> sections_;
};

}  // namespace pefa::io
