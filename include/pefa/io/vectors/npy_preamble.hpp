// pefa: what the readers of NumPy's .npy files share (numpy.lib.format, versions 1 to 3).
//
// Magic "\x93NUMPY", a version, the header's length, then a Python dictionary with the keys descr, fortran_order and
// shape, then the elements. Which element types and orders there may be is the reader's to say.
#pragma once

#include <bit>
#include <charconv>
#include <cstddef>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "pefa/core/error.hpp"

namespace pefa::io::detail {

static_assert(std::endian::native == std::endian::little, "pefa reads little-endian files on little-endian machines");

/// How much of the start of an .npy file says how long its header is.
inline constexpr std::size_t npy_prefix_bytes = 12;

/// Where the elements of an .npy file start. @param start  its first npy_prefix_bytes, or all it has
[[nodiscard]] inline std::size_t npy_data_offset(std::string_view start, std::string_view file) {
  const auto refuse = [file](const auto&... parts) { pefa::detail::fail<FormatError>(file, ": ", parts...); };
  const auto at = [start](std::size_t i) { return std::size_t{static_cast<unsigned char>(start[i])}; };
  if (start.empty()) refuse("is empty, expected a .npy file");
  if (!start.starts_with("\x93NUMPY")) refuse("is not a .npy file: it does not start with \\x93NUMPY");
  if (start.size() < 10) refuse("is truncated: ", start.size(), " bytes, expected a header of at least 10");
  if (at(6) < 1 || at(6) > 3) refuse("has .npy version ", at(6), ".", at(7), ", expected 1 to 3");
  const std::size_t length = at(8) | at(9) << 8;
  if (at(6) == 1) return 10 + length;
  if (start.size() < 12) refuse("is truncated: ", start.size(), " bytes, expected a header of at least 12");
  return 12 + (length | at(10) << 16 | at(11) << 24);
}

/// What the dictionary says.
struct NpyDictionary {
  std::string_view descr;  ///< in the bytes it was read from
  bool fortran_order = false;
  std::vector<std::size_t> shape;  ///< of no extents for a single value
  std::size_t data_offset = 0;     ///< bytes before the first element
};

/// A cursor over the dictionary; knows only the literals that NumPy writes there.
class NpyDictionaryParser {
 public:
  NpyDictionaryParser(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  [[nodiscard]] NpyDictionary parse() {
    std::optional<std::string_view> descr;
    std::optional<bool> fortran_order;
    std::optional<std::vector<std::size_t>> shape;
    expect('{');
    while (!accept("}")) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        if (accept("[")) refuse("holds records, expected one element type");
        descr = quoted();
      } else if (key == "fortran_order") {
        fortran_order = accept("True");
        if (!*fortran_order && !accept("False")) refuse_damaged("fortran_order is neither True nor False");
      } else if (key == "shape") {
        shape = parse_shape();
      } else {
        refuse("has the unknown key '", key, "' in its header");
      }
      if (accept(",")) continue;
      expect('}');
      break;
    }
    skip_space();
    if (at_ != text_.size()) refuse_damaged("expected its end at byte ", at_, " of its dictionary");
    if (!descr || !fortran_order || !shape) {
      refuse("has a header without ", !descr ? "'descr'" : !fortran_order ? "'fortran_order'" : "'shape'");
    }
    return {*descr, *fortran_order, *std::move(shape)};
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    pefa::detail::fail<FormatError>(file_, ": ", parts...);
  }
  template <class... Parts>
  [[noreturn]] void refuse_damaged(const Parts&... parts) const {
    refuse("has a damaged header: ", parts...);
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  [[nodiscard]] bool accept(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void expect(char c) {
    if (!accept({&c, 1})) refuse_damaged("expected '", c, "' at byte ", at_, " of its dictionary");
  }
  [[nodiscard]] std::string_view quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    const std::size_t end = quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : std::string_view::npos;
    if (end == std::string_view::npos) refuse_damaged("expected a string at byte ", at_, " of its dictionary");
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return inside;
  }
  [[nodiscard]] std::vector<std::size_t> parse_shape() {
    constexpr std::size_t most_dimensions = 32;  // NumPy's own limit
    std::vector<std::size_t> shape;
    expect('(');
    while (!accept(")")) {
      std::size_t extent = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), extent);
      if (error != std::errc{} || shape.size() == most_dimensions) {
        refuse_damaged("expected an extent at byte ", at_, " of its dictionary");
      }
      at_ = static_cast<std::size_t>(end - text_.data());
      shape.push_back(extent);
      if (accept(",")) continue;
      expect(')');
      break;
    }
    return shape;
  }

  std::string_view text_;
  std::string_view file_;
  std::size_t at_ = 0;
};

/// Reads the dictionary. @param start  the file's first bytes, npy_data_offset() of them or more
[[nodiscard]] inline NpyDictionary parse_npy_dictionary(std::string_view start, std::string_view file) {
  const std::size_t offset = npy_data_offset(start, file);
  const std::size_t prefix = start[6] == 1 ? 10 : 12;
  if (offset > start.size()) {
    pefa::detail::fail<FormatError>(file, ": is truncated: its header takes ", offset - prefix, " bytes, ",
                                    start.size() - prefix, " are left");
  }
  NpyDictionary dictionary = NpyDictionaryParser(start.substr(prefix, offset - prefix), file).parse();
  dictionary.data_offset = offset;
  return dictionary;
}

/// How many elements there are. @throws FormatError  a file of another length than they take; says how many bytes
[[nodiscard]] inline std::size_t npy_element_count(const NpyDictionary& dictionary, std::size_t element_bytes,
                                                   std::size_t file_bytes, std::string_view file) {
  const auto refuse = [file](const auto&... parts) { pefa::detail::fail<FormatError>(file, ": ", parts...); };
  const std::size_t most = std::numeric_limits<std::size_t>::max() / (element_bytes == 0 ? 1 : element_bytes);
  std::size_t count = 1;
  for (const std::size_t extent : dictionary.shape) {
    if (extent != 0 && count > most / extent) refuse("declares a shape that overflows memory");
    count *= extent;
  }
  const std::size_t expected = count * element_bytes;
  const std::size_t left = file_bytes - dictionary.data_offset;
  if (left < expected) refuse("is truncated: expected ", expected, " bytes of elements, ", left, " are left");
  if (left > expected) refuse("has ", left - expected, " bytes after its last element");
  return count;
}

}  // namespace pefa::io::detail
