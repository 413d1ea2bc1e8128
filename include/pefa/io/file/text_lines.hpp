// pefa: what the line-oriented readers share: lines with numbers, fields, and errors that say where.
#pragma once

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/quote_name.hpp"

namespace pefa::io::detail {

/// Reads a text file line by line and makes errors of the form "file:line: what".
class LineReader {
 public:
  /// @throws IoError  the file cannot be opened, or is a directory
  explicit LineReader(const std::filesystem::path& path) : name_(path.string()), in_(path, std::ios::binary) {
    if (!in_) pefa::detail::fail<IoError>(name_, ": cannot be opened; does it exist?");
    if (std::filesystem::is_directory(path)) pefa::detail::fail<IoError>(name_, ": is a directory, expected a file");
  }

  /// Moves to the next line, blank or not; a final "\r" is dropped, and the byte order mark that some editors put
  /// first.
  [[nodiscard]] bool next_line() {
    if (!std::getline(in_, line_)) {
      if (in_.bad()) pefa::detail::fail<IoError>(name_, ": cannot be read past line ", number_);
      return false;
    }
    ++number_;
    if (number_ == 1 && line_.starts_with("\xEF\xBB\xBF")) line_.erase(0, 3);
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    return true;
  }

  /// Moves to the next line that is not blank.
  [[nodiscard]] bool next() {
    while (next_line()) {
      if (!blank()) return true;
    }
    return false;
  }

  /// Moves to the next line of a file whose line i + 1 is row i: blank lines may only come last.
  [[nodiscard]] bool next_row() {
    if (!next_line()) return false;
    if (!blank()) return true;
    const std::size_t first_blank = number_;
    if (!next()) return false;
    pefa::detail::fail<FormatError>(name_, ":", first_blank, ": is blank, expected what row ", first_blank - 1,
                                    " is; lines follow it");
  }

  [[nodiscard]] bool blank() const noexcept { return line_.find_first_not_of(" \t") == std::string::npos; }
  [[nodiscard]] std::string_view line() const noexcept { return line_; }
  [[nodiscard]] std::size_t number() const noexcept { return number_; }  ///< of this line, from 1
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    pefa::detail::fail<FormatError>(name_, ":", number_, ": ", parts...);
  }

  /// A row number below `limit`.
  [[nodiscard]] Row parse_row(std::string_view field, const char* what, std::size_t limit) const {
    Row row = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), row);
    if (error != std::errc{} || end != field.data() + field.size()) {
      refuse("expected a ", what, " row number, got ", quote_name(field));
    }
    if (row >= limit) refuse(what, " ", row, " is out of range, expected below ", limit, " (rows count from 0)");
    return row;
  }

  /// A whole number of at most `most`.
  [[nodiscard]] std::size_t parse_count(std::string_view field, const char* what, std::size_t most) const {
    std::size_t count = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), count);
    if (error == std::errc::invalid_argument || end != field.data() + field.size()) {
      refuse("expected ", what, ", got ", quote_name(field));
    }
    if (error != std::errc{} || count > most) refuse(what, " is ", field, ", expected at most ", most);
    return count;
  }

  /// A finite number >= 0; one that is too small for a float is 0.
  [[nodiscard]] float parse_weight(std::string_view field, const char* what) const {
    double weight = 0.0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), weight);
    if (error != std::errc{} || end != field.data() + field.size()) {
      refuse("expected a ", what, ", got ", quote_name(field));
    }
    if (!pefa::detail::is_finite(static_cast<float>(weight)) || weight < 0.0) {
      refuse(what, " is ", field, ", expected finite and >= 0");
    }
    return static_cast<float>(weight);
  }

  /// Refuses a line with a NUL, which a parser of JSON takes for the end of the text.
  void require_no_nul() const {
    const std::size_t at = line_.find('\0');
    if (at != std::string::npos) refuse("is not JSON at byte ", at + 1, ": it has a NUL there");
  }

 private:
  std::string name_;
  std::ifstream in_;
  std::string line_;
  std::size_t number_ = 0;
};

/// Splits at every `separator`.
[[nodiscard]] inline std::vector<std::string_view> split(std::string_view line, char separator) {
  std::vector<std::string_view> fields;
  for (std::size_t begin = 0;;) {
    const std::size_t end = line.find(separator, begin);
    fields.push_back(line.substr(begin, end == std::string_view::npos ? end : end - begin));
    if (end == std::string_view::npos) return fields;
    begin = end + 1;
  }
}

/// Splits at runs of spaces and tabs.
[[nodiscard]] inline std::vector<std::string_view> split_blank(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t begin = line.find_first_not_of(" \t"); begin != std::string_view::npos;) {
    const std::size_t end = line.find_first_of(" \t", begin);
    fields.push_back(line.substr(begin, end == std::string_view::npos ? end : end - begin));
    begin = end == std::string_view::npos ? end : line.find_first_not_of(" \t", end);
  }
  return fields;
}

/// What to say of a line with too few fields: the wrong separator, where it looks like that.
[[nodiscard]] inline const char* separator_hint(std::string_view line, std::size_t fields, const char* expected) {
  if (fields > 1) return "";
  if (line.find(',') != std::string_view::npos) return "; it has commas";
  const bool has_spaces = expected == std::string_view("tabs") && line.find(' ') != std::string_view::npos;
  return has_spaces ? "; it has spaces" : "";
}

}  // namespace pefa::io::detail
