// pefa: every line of a text file with its number, for the formats in which a line's place is the row it stands for.
//
// Blank lines count and are handed out: text_lines.hpp has the reader that passes over them.
#pragma once

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "pefa/core/error.hpp"

namespace pefa::io::detail {

/// Reads a text file line by line and makes errors of the form "file:line: what".
class NumberedLines {
 public:
  /// @throws IoError  the file cannot be opened, or is a directory
  explicit NumberedLines(const std::filesystem::path& path) : name_(path.string()), in_(path, std::ios::binary) {
    if (!in_) pefa::detail::fail<IoError>(name_, ": cannot be opened; does it exist?");
    if (std::filesystem::is_directory(path)) pefa::detail::fail<IoError>(name_, ": is a directory, expected a file");
  }

  /// Moves to the next line, blank or not; a final "\r" is dropped.
  [[nodiscard]] bool next() {
    if (!std::getline(in_, line_)) {
      if (in_.bad()) pefa::detail::fail<IoError>(name_, ": cannot be read past line ", number_);
      return false;
    }
    ++number_;
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    return true;
  }

  /// Moves to the next line of a file whose line i + 1 is row i: blank lines may only come last.
  [[nodiscard]] bool next_row() {
    if (!next()) return false;
    if (!blank()) return true;
    const std::size_t first_blank = number_;
    while (next()) {
      if (!blank()) {
        pefa::detail::fail<FormatError>(name_, ":", first_blank, ": is blank, expected what row ", first_blank - 1,
                                        " is; lines follow it");
      }
    }
    return false;
  }

  [[nodiscard]] bool blank() const noexcept { return line_.find_first_not_of(" \t") == std::string::npos; }
  [[nodiscard]] std::string_view line() const noexcept { return line_; }
  [[nodiscard]] std::size_t number() const noexcept { return number_; }  ///< of this line, from 1
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    pefa::detail::fail<FormatError>(name_, ":", number_, ": ", parts...);
  }

  /// A whole number of at most `most`.
  [[nodiscard]] std::size_t parse_count(std::string_view field, const char* what, std::size_t most) const {
    std::size_t count = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), count);
    if (error == std::errc::invalid_argument || end != field.data() + field.size()) {
      refuse("expected ", what, ", got '", field, "'");
    }
    if (error != std::errc{} || count > most) refuse(what, " is ", field, ", expected at most ", most);
    return count;
  }

 private:
  std::string name_;
  std::ifstream in_;
  std::string line_;
  std::size_t number_ = 0;
};

}  // namespace pefa::io::detail
