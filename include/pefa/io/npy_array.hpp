// pefa: .npy headers of arrays that are not embeddings: any simple element type, any number of dimensions.
//
// npy_header.hpp reads what a matrix of embeddings can be and refuses the rest; the parts of a sparse matrix and the
// ids of hits are integers, bools and names.
#pragma once

#include <bit>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "pefa/core/error.hpp"

namespace pefa::io {

/// The element type of a NumPy array, as in '<i8': little-endian or of one byte.
struct NpyElement {
  char kind = 'f';       ///< 'b' bool, 'i' integer, 'u' unsigned, 'f' float, 'S' bytes, 'U' text
  std::size_t size = 4;  ///< bytes an element

  friend bool operator==(const NpyElement&, const NpyElement&) = default;
};

/// As NumPy names it, without its byte order: "i8".
[[nodiscard]] inline std::string name(const NpyElement& element) {
  return element.kind + std::to_string(element.kind == 'U' ? element.size / 4 : element.size);
}

/// What the header of an .npy file says of its array.
struct NpyArrayHeader {
  NpyElement element;
  std::vector<std::size_t> shape;  ///< of no extents for a single value
  bool fortran_order = false;      ///< no matter in fewer than two dimensions
  std::size_t data_offset = 0;     ///< bytes before the first element
  std::size_t count = 0;           ///< elements

  [[nodiscard]] std::size_t data_bytes() const noexcept { return count * element.size; }
};

namespace detail {

/// A cursor over the header's Python dictionary.
class NpyArrayDictionary {
 public:
  NpyArrayDictionary(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  [[nodiscard]] NpyArrayHeader parse() {
    std::optional<NpyElement> element;
    std::optional<bool> fortran_order;
    std::optional<std::vector<std::size_t>> shape;
    require('{');
    while (!accept("}")) {
      const std::string_view key = quoted();
      require(':');
      if (key == "descr") {
        element = parse_element();
      } else if (key == "fortran_order") {
        fortran_order = accept("True");
        if (!*fortran_order && !accept("False")) damaged("True or False");
      } else if (key == "shape") {
        shape = parse_shape();
      } else {
        refuse("has the unknown key '", key, "' in its header");
      }
      if (accept(",")) continue;
      require('}');
      break;
    }
    skip_space();
    if (at_ != text_.size()) damaged("its end");
    if (!element || !fortran_order || !shape) {
      refuse("has a header without ", !element ? "'descr'" : !fortran_order ? "'fortran_order'" : "'shape'");
    }
    return {*element, *shape, *fortran_order};
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    pefa::detail::fail<FormatError>(file_, ": ", parts...);
  }
  template <class Expected>
  [[noreturn]] void damaged(const Expected& expected) const {
    refuse("has a damaged header: expected ", expected, " at byte ", at_, " of its dictionary");
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
  void require(char c) {
    if (!accept({&c, 1})) damaged(c);
  }
  [[nodiscard]] std::string_view quoted() {
    const char quote = accept("'") ? '\'' : '"';
    if (quote == '"' && !accept("\"")) damaged("a string");
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) damaged("a string that ends");
    const std::string_view inside = text_.substr(at_, end - at_);
    at_ = end + 1;
    return inside;
  }
  [[nodiscard]] std::optional<std::size_t> number(std::string_view digits, std::size_t& used) const {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    used = static_cast<std::size_t>(end - digits.data());
    return error == std::errc{} ? std::optional(value) : std::nullopt;
  }

  [[nodiscard]] NpyElement parse_element() {
    if (accept("[")) refuse("holds records, expected one element type");
    const std::string_view descr = quoted();
    std::string_view rest = descr;
    const bool has_order = !rest.empty() && std::string_view("<>|=").find(rest[0]) != std::string_view::npos;
    const char order = has_order ? rest[0] : '=';
    if (has_order) rest.remove_prefix(1);
    const char kind = rest.empty() ? '\0' : rest[0];
    std::size_t used = 0;
    std::optional<std::size_t> size;
    if (!rest.empty()) size = number(rest.substr(1), used);
    const bool whole = size && used + 1 == rest.size();
    const bool text = kind == 'S' || kind == 'U';
    const bool integer = kind == 'i' || kind == 'u';
    const bool known = whole && (text ? *size <= 1024
                                      : (kind == 'b' && *size == 1) || (integer && *size == 1) ||
                                            ((integer || kind == 'f') && (*size == 2 || *size == 4 || *size == 8)));
    if (!known) refuse("has elements of type '", descr, "', expected bools, integers, floats or a name");
    if (order == '>' && *size > 1 && kind != 'S') refuse("is big-endian ('", descr, "'), expected little-endian");
    return {kind, kind == 'U' ? 4 * *size : *size};
  }

  [[nodiscard]] std::vector<std::size_t> parse_shape() {
    constexpr std::size_t most_dimensions = 32;  // NumPy's own limit
    std::vector<std::size_t> shape;
    require('(');
    while (!accept(")")) {
      skip_space();
      std::size_t used = 0;
      const std::optional<std::size_t> extent = number(text_.substr(at_), used);
      if (!extent || shape.size() == most_dimensions) damaged("an extent");
      shape.push_back(*extent);
      at_ += used;
      if (accept(",")) continue;
      require(')');
      break;
    }
    return shape;
  }

  std::string_view text_;
  std::string_view file_;
  std::size_t at_ = 0;
};

/// How much of the start of an .npy file says how long its header is.
inline constexpr std::size_t npy_prefix_bytes = 12;

/// Where the elements of an .npy file start, from its first npy_prefix_bytes.
[[nodiscard]] inline std::size_t npy_data_offset(std::string_view start, std::string_view file) {
  if (start.size() < npy_prefix_bytes || !start.starts_with("\x93NUMPY")) {
    pefa::detail::fail<FormatError>(file, ": is not a .npy file: it does not start with \\x93NUMPY and a header");
  }
  const auto at = [start](std::size_t i) { return std::size_t{static_cast<unsigned char>(start[i])}; };
  if (at(6) < 1 || at(6) > 3) {
    pefa::detail::fail<FormatError>(file, ": has .npy version ", at(6), ".", at(7), ", expected 1 to 3");
  }
  const std::size_t length = at(8) | at(9) << 8;
  return at(6) == 1 ? 10 + length : 12 + (length | at(10) << 16 | at(11) << 24);
}

}  // namespace detail

/// Reads the header of an .npy file.
///
/// @param start  the file's first bytes, npy_data_offset() of them or more
/// @param size   the whole file's length
/// @param file   its name, for messages
/// @throws FormatError  not a .npy file, an element type this library does not know, or another length than the header
/// says
[[nodiscard]] inline NpyArrayHeader parse_npy_array_header(std::string_view start, std::size_t size,
                                                           std::string_view file) {
  static_assert(std::endian::native == std::endian::little, "pefa reads little-endian files on little-endian machines");
  const std::size_t offset = detail::npy_data_offset(start, file);
  if (offset > start.size()) {
    pefa::detail::fail<FormatError>(file, ": is truncated: expected a header of ", offset, " bytes, ", start.size(),
                                    " are there");
  }
  const std::size_t prefix = start[6] == 1 ? 10 : 12;
  NpyArrayHeader header = detail::NpyArrayDictionary(start.substr(prefix, offset - prefix), file).parse();
  header.data_offset = offset;
  header.count = 1;
  const std::size_t most =
      std::numeric_limits<std::size_t>::max() / (header.element.size == 0 ? 1 : header.element.size);
  for (const std::size_t extent : header.shape) {
    if (extent != 0 && header.count > most / extent) {
      pefa::detail::fail<FormatError>(file, ": declares a shape that overflows memory");
    }
    header.count *= extent;
  }
  if (header.data_bytes() != size - offset) {
    pefa::detail::fail<FormatError>(file, ": has ", size - offset, " bytes of elements, expected ",
                                    header.data_bytes());
  }
  return header;
}

/// The header of a C-order array, version 1.0. @param descr  "<i8"
[[nodiscard]] inline std::string npy_array_header(std::string_view descr, const std::vector<std::size_t>& shape) {
  std::string dictionary = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    dictionary += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  dictionary += shape.size() == 1 ? ",), }" : "), }";
  constexpr std::size_t prefix = 10;
  const std::size_t padded = (prefix + dictionary.size() + 1 + 63) / 64 * 64;  // elements start on a cache line
  dictionary.resize(padded - prefix - 1, ' ');
  dictionary.push_back('\n');
  std::string header("\x93NUMPY\x01\x00", 8);
  header.push_back(static_cast<char>(dictionary.size() & 0xFF));
  header.push_back(static_cast<char>(dictionary.size() >> 8));
  return header + dictionary;
}

}  // namespace pefa::io
