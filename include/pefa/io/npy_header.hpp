// pefa: the header of a NumPy .npy file, versions 1 to 3 (numpy.lib.format).
//
// Magic "\x93NUMPY", a version, the header's length, then a Python dictionary with the keys descr, fortran_order and
// shape. Only what a matrix of embeddings can be is accepted; everything else is refused with the reason.
#pragma once

#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"

namespace pefa::io {

/// The element types of .npy files that this library reads.
enum class NpyType { float16, float32, float64, int8 };

[[nodiscard]] constexpr std::size_t size_of(NpyType type) noexcept {
  switch (type) {
    case NpyType::float16: return 2;
    case NpyType::float32: return 4;
    case NpyType::float64: return 8;
    case NpyType::int8: return 1;
  }
  return 0;
}

[[nodiscard]] constexpr const char* name(NpyType type) noexcept {
  switch (type) {
    case NpyType::float16: return "float16";
    case NpyType::float32: return "float32";
    case NpyType::float64: return "float64";
    case NpyType::int8: return "int8";
  }
  return "unknown";
}

/// What the header of a .npy file says.
struct NpyHeader {
  NpyType type = NpyType::float32;
  std::vector<std::size_t> shape;
  std::size_t data_offset = 0;  ///< bytes before the first element

  [[nodiscard]] std::size_t element_count() const noexcept {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    return count;
  }
};

namespace detail {

/// A cursor over the Python dictionary in a header; knows only the literals NumPy writes there.
class NpyDictionary {
 public:
  NpyDictionary(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  [[nodiscard]] NpyHeader parse() {
    NpyHeader header;
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        header.type = parse_type();
        has_descr = true;
      } else if (key == "fortran_order") {
        parse_order();
        has_order = true;
      } else if (key == "shape") {
        header.shape = parse_shape();
        has_shape = true;
      } else {
        refuse("has the unknown key '", key, "' in its header");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!has_descr || !has_order || !has_shape) {
      refuse("has a header without ", !has_descr ? "'descr'" : !has_order ? "'fortran_order'" : "'shape'");
    }
    return header;
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    pefa::detail::fail<FormatError>(file_, ": ", parts...);
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  [[nodiscard]] bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse("has a damaged header: expected '", c, "' at byte ", at_, " of its dictionary");
  }
  [[nodiscard]] std::string_view quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    const std::size_t end = quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : std::string_view::npos;
    if (end == std::string_view::npos)
      refuse("has a damaged header: expected a string at byte ", at_, " of its dictionary");
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return inside;
  }
  [[nodiscard]] bool accept_word(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  [[nodiscard]] NpyType parse_type() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') refuse("holds records, expected one element type");
    const std::string_view descr = quoted();
    if (descr == "|i1" || descr == "<i1" || descr == "=i1" || descr == "i1") return NpyType::int8;
    const bool little = !descr.empty() && (descr[0] == '<' || descr[0] == '=');
    const std::string_view kind = descr.empty() ? descr : descr.substr(1);
    const bool readable = kind == "f2" || kind == "f4" || kind == "f8";
    if (readable && descr[0] == '>')
      refuse("is big-endian ('", descr, "'), expected little-endian; save it with astype('<", kind, "')");
    if (!readable || !little) {
      refuse("has elements of type '", descr,
             "', expected float16 ('<f2'), float32 ('<f4'), float64 ('<f8') or int8 ('|i1')");
    }
    return kind == "f2" ? NpyType::float16 : kind == "f4" ? NpyType::float32 : NpyType::float64;
  }

  void parse_order() {
    if (accept_word("False")) return;
    if (accept_word("True")) refuse("is in Fortran order, expected C order; save it with numpy.ascontiguousarray");
    refuse("has a damaged header: fortran_order is neither True nor False");
  }

  [[nodiscard]] std::vector<std::size_t> parse_shape() {
    std::vector<std::size_t> shape;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::size_t extent = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), extent);
      if (error != std::errc{}) refuse("has a damaged header: expected an extent at byte ", at_, " of its dictionary");
      at_ = static_cast<std::size_t>(end - text_.data());
      shape.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  std::string_view text_;
  std::string_view file_;
  std::size_t at_ = 0;
};

}  // namespace detail

/// Reads the header at the start of a whole file in memory, and checks that the file holds all the elements it
/// declares.
///
/// @param bytes  the file's first byte; `size` is the whole file's length
/// @param file   the file's name, for messages
/// @throws FormatError  not a .npy file, a version, type or order this library does not read, or a truncated file
[[nodiscard]] inline NpyHeader parse_npy_header(const std::byte* bytes, std::size_t size, std::string_view file) {
  static_assert(std::endian::native == std::endian::little, "pefa reads little-endian files on little-endian machines");
  const auto at = [bytes](std::size_t i) { return std::to_integer<std::size_t>(bytes[i]); };
  const auto refuse = [file](const auto&... parts) { pefa::detail::fail<FormatError>(file, ": ", parts...); };

  if (size == 0) refuse("is empty, expected a .npy file");
  if (size < 6 || std::memcmp(bytes, "\x93NUMPY", 6) != 0)
    refuse("is not a .npy file: it does not start with \\x93NUMPY");
  if (size < 10) refuse("is truncated: ", size, " bytes, expected a header of at least 10");
  const std::size_t version = at(6);
  if (version < 1 || version > 3) refuse("has .npy version ", version, ".", at(7), ", expected 1 to 3");
  const std::size_t prefix = version == 1 ? 10 : 12;
  if (size < prefix) refuse("is truncated: ", size, " bytes, expected a header of at least ", prefix);
  std::size_t length = at(8) | at(9) << 8;
  if (version > 1) length |= at(10) << 16 | at(11) << 24;
  if (length > size - prefix) refuse("is truncated: its header takes ", length, " bytes, ", size - prefix, " are left");

  const std::string_view text(reinterpret_cast<const char*>(bytes + prefix), length);
  NpyHeader header = detail::NpyDictionary(text, file).parse();
  header.data_offset = prefix + length;

  std::size_t elements = 1;
  const std::size_t most = std::numeric_limits<std::size_t>::max() / size_of(header.type);
  for (const std::size_t extent : header.shape) {
    if (extent != 0 && elements > most / extent) refuse("declares a shape that overflows memory");
    elements *= extent;
  }
  const std::size_t expected = elements * size_of(header.type);
  const std::size_t left = size - header.data_offset;
  if (left < expected) refuse("is truncated: expected ", expected, " bytes of elements, ", left, " are left");
  if (left > expected) refuse("has ", left - expected, " bytes after its last element");
  return header;
}

}  // namespace pefa::io
