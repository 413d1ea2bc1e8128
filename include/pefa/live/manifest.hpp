// pefa: what a live folder holds: its bases, each with the place in the log that it stands for, and which one is
// current.
//
// The file "manifest" is lines of text, so that an operator can read it, with a checksum at its end:
//
//   pefa-live 1                                       the format's version
//   identity 0f1e2d3c4b5a6978                         of the log
//   generation 7                                      counts the manifests of this folder
//   base 3 1200 a1b2c3d4e5f60718                      number, sequence and chain; the last base is the current one
//   note anything, to the end of the line             the host's; no such line where it is empty
//   file 8413 5566778899aabbcc passages.pefa          bytes, XXH64 (seed 0) and name of a file of that base
//   checksum 0011223344556677                         XXH64 (seed 0) of the bytes before this line
//
// There is one way to write a manifest, and no other is read.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/archive/checksum.hpp"
#include "pefa/live/file_system.hpp"
#include "pefa/live/log_format.hpp"

namespace pefa::live {

/// A file of a base.
struct BaseFile {
  std::string name;            ///< 1 to 200 of A-Z a-z 0-9 . _ -, not beginning with a dot
  std::uint64_t bytes = 0;     ///< how many
  std::uint64_t checksum = 0;  ///< XXH64 of them

  /// Whether all members are equal.
  friend bool operator==(const BaseFile&, const BaseFile&) = default;
};

/// All that was built from the batches up to a place in the log.
struct Base {
  std::uint64_t number = 0;     ///< from 1 on; no two bases of a folder have the same
  LogPosition position;         ///< what it holds of the log
  std::string note{};           ///< the host's own, one line of up to 2^20 bytes
  std::vector<BaseFile> files;  ///< ascending by name

  /// Whether all members are equal.
  friend bool operator==(const Base&, const Base&) = default;
};

/// What a folder holds.
struct Manifest {
  std::uint64_t identity = 0;    ///< of the log
  std::uint64_t generation = 0;  ///< one more each time that it is written
  std::vector<Base> bases;       ///< in the order in which they became current; the last one is

  /// The one to serve; null where there is none yet.
  [[nodiscard]] const Base* current() const noexcept { return bases.empty() ? nullptr : &bases.back(); }
  /// The one that holds the least of the log, from where on it is needed; null where there is none yet.
  [[nodiscard]] const Base* oldest() const noexcept {
    const auto found = std::min_element(bases.begin(), bases.end(), [](const Base& a, const Base& b) {
      return a.position.sequence < b.position.sequence;
    });
    return found == bases.end() ? nullptr : &*found;
  }

  /// Whether all members are equal.
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

namespace detail {

inline constexpr std::string_view manifest_name = "manifest";
inline constexpr std::uint64_t max_manifest_bytes = std::uint64_t{1} << 26;
inline constexpr std::size_t max_note_bytes = std::size_t{1} << 20;

[[nodiscard]] inline bool is_base_file_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 200 && name[0] != '.' && std::all_of(name.begin(), name.end(), allowed);
}

[[nodiscard]] inline bool is_note(std::string_view note) {
  return note.size() <= max_note_bytes && note.find('\n') == std::string_view::npos;
}

[[nodiscard]] inline std::string hex(std::uint64_t value) {
  char digits[16];
  const char* end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  const std::string text(digits, static_cast<std::size_t>(end - digits));
  return std::string(16 - text.size(), '0') + text;
}

[[nodiscard]] inline std::uint64_t checksum_of(std::string_view text) {
  return io::checksum(std::as_bytes(std::span(text)));
}

/// Reads a manifest's lines; what they leave open, writing it again decides.
class ManifestParser {
 public:
  ManifestParser(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  [[nodiscard]] Manifest manifest() {
    Manifest manifest;
    expect("pefa-live 1");
    manifest.identity = number("identity", 16);
    manifest.generation = number("generation", 10);
    while (take_word("base ")) manifest.bases.push_back(base());
    expect_word("checksum ");
    return manifest;
  }

 private:
  [[noreturn]] void refuse(std::string_view expected) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
    pefa::detail::fail<FormatError>(name_, ", line ", line, ": expected ", expected);
  }

  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void expect_word(std::string_view word) {
    if (!take_word(word)) refuse(word);
  }
  void expect(std::string_view line) {
    expect_word(line);
    expect_word("\n");
  }
  [[nodiscard]] std::string_view rest_of_line() {
    const std::size_t end = text_.find('\n', at_);
    if (end == std::string_view::npos) refuse("an end of the line");
    const std::string_view rest = text_.substr(at_, end - at_);
    at_ = end + 1;
    return rest;
  }
  [[nodiscard]] std::uint64_t value(int base) {
    std::uint64_t number = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), number, base);
    if (error != std::errc()) refuse("a number");
    at_ += static_cast<std::size_t>(end - begin);
    return number;
  }
  [[nodiscard]] std::uint64_t number(std::string_view key, int base) {
    expect_word(key);
    expect_word(" ");
    const std::uint64_t read = value(base);
    expect_word("\n");
    return read;
  }
  [[nodiscard]] Base base() {
    Base base;
    base.number = value(10);
    expect_word(" ");
    base.position.sequence = value(10);
    expect_word(" ");
    base.position.chain = value(16);
    expect_word("\n");
    if (take_word("note ")) base.note = rest_of_line();
    while (take_word("file ")) {
      BaseFile file;
      file.bytes = value(10);
      expect_word(" ");
      file.checksum = value(16);
      expect_word(" ");
      file.name = rest_of_line();
      if (!is_base_file_name(file.name)) refuse("before it the name of a file");
      base.files.push_back(std::move(file));
    }
    return base;
  }

  std::string_view text_;
  std::string_view name_;
  std::size_t at_ = 0;
};

}  // namespace detail

/// A manifest as text.
[[nodiscard]] inline std::string encode(const Manifest& manifest) {
  std::string text = "pefa-live 1\nidentity " + detail::hex(manifest.identity) + "\ngeneration " +
                     std::to_string(manifest.generation) + "\n";
  for (const Base& base : manifest.bases) {
    text += "base " + std::to_string(base.number) + " " + std::to_string(base.position.sequence) + " " +
            detail::hex(base.position.chain) + "\n";
    if (!base.note.empty()) text += "note " + base.note + "\n";
    for (const BaseFile& file : base.files) {
      text += "file " + std::to_string(file.bytes) + " " + detail::hex(file.checksum) + " " + file.name + "\n";
    }
  }
  return text + "checksum " + detail::hex(detail::checksum_of(text)) + "\n";
}

/// The manifest that encode() wrote as exactly this text.
/// @param name  where it is from, for messages
/// @throws FormatError  there is none; or two bases have one number
[[nodiscard]] inline Manifest decode_manifest(std::string_view text, std::string_view name = "live::decode_manifest") {
  constexpr std::size_t checksum_line = 9 + 16 + 1;
  const std::string_view first_line = "pefa-live ";
  if (text.substr(0, first_line.size()) != first_line) {
    pefa::detail::fail<FormatError>(name, ": is no manifest of a live folder");
  }
  if (text.substr(0, text.find('\n')) != "pefa-live 1") {
    pefa::detail::fail<FormatError>(name, ": a live folder of another format version, this pefa reads 1");
  }
  const std::size_t body = text.size() - std::min(text.size(), checksum_line);
  if (text.substr(body) != "checksum " + detail::hex(detail::checksum_of(text.substr(0, body))) + "\n") {
    pefa::detail::fail<FormatError>(name, ": damaged: its checksum is wrong");
  }
  Manifest manifest = detail::ManifestParser(text, name).manifest();
  if (encode(manifest) != text) pefa::detail::fail<FormatError>(name, ": is not written as a manifest is");
  for (std::size_t i = 0; i < manifest.bases.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (manifest.bases[i].number == manifest.bases[j].number) {
        pefa::detail::fail<FormatError>(name, ": two bases have the number ", manifest.bases[i].number);
      }
    }
  }
  return manifest;
}

/// The manifest of a folder, as it is now; a writer may swap it at any time. Takes no lock.
/// @throws IoError  there is none, or it cannot be read  @throws FormatError  it is damaged
[[nodiscard]] inline Manifest read_manifest(FileSystem& files, const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / std::string(detail::manifest_name);
  const auto bytes = read_file(files, path, detail::max_manifest_bytes);
  if (!bytes) pefa::detail::fail<IoError>(folder.string(), ": is no live folder: it has no file 'manifest'");
  return decode_manifest({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, path.string());
}

}  // namespace pefa::live
