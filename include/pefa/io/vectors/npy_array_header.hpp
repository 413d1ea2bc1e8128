// pefa: .npy headers of arrays that are not embeddings: any simple element type, any number of dimensions.
//
// npy_matrix_header.hpp reads what a matrix of embeddings can be and refuses the rest; the parts of a sparse matrix and
// the ids of hits are integers, bools and names.
#pragma once

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/vectors/npy_preamble.hpp"

namespace pefa::io {

/// The element type of a NumPy array, as in '<i8': little-endian or of one byte.
struct NpyElement {
  char kind = 'f';       ///< 'b' bool, 'i' integer, 'u' unsigned, 'f' float, 'S' bytes, 'U' text
  std::size_t size = 4;  ///< bytes an element

  /// Whether kind and size are equal.
  friend bool operator==(const NpyElement&, const NpyElement&) = default;
};

/// As NumPy names it, without its byte order: "i8".
[[nodiscard]] inline std::string name(const NpyElement& element) {
  return element.kind + std::to_string(element.kind == 'U' ? element.size / 4 : element.size);
}

/// What the header of an .npy file says of its array.
struct NpyArrayHeader {
  NpyElement element;              ///< the type of its elements
  std::vector<std::size_t> shape;  ///< of no extents for a single value
  bool fortran_order = false;      ///< no matter in fewer than two dimensions
  std::size_t data_offset = 0;     ///< bytes before the first element
  std::size_t count = 0;           ///< elements

  /// Bytes of all elements.
  [[nodiscard]] std::size_t data_bytes() const noexcept { return count * element.size; }
};

namespace detail {

/// A path with another ending: instead of ".npy", or after any other name, so that "run.k10" and "run.k20" stay two.
[[nodiscard]] inline std::filesystem::path beside_npy(std::filesystem::path path, std::string_view ending) {
  if (path.extension() == ".npy") path.replace_extension();
  return path += ending;
}

/// @param descr  as in '<i8'
[[nodiscard]] inline NpyElement parse_npy_element(std::string_view descr, std::string_view file) {
  const auto refuse = [file](const auto&... parts) { pefa::detail::fail<FormatError>(file, ": ", parts...); };
  std::string_view rest = descr;
  const bool has_order = !rest.empty() && std::string_view("<>|=").find(rest[0]) != std::string_view::npos;
  const char order = has_order ? rest[0] : '=';
  if (has_order) rest.remove_prefix(1);
  const char kind = rest.empty() ? '\0' : rest[0];
  const std::string_view digits = rest.empty() ? rest : rest.substr(1);
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  const bool text = kind == 'S' || kind == 'U';
  const bool integer = kind == 'i' || kind == 'u';
  const bool known = whole && (text ? size <= 1024
                                    : (kind == 'b' && size == 1) || (integer && size == 1) ||
                                          ((integer || kind == 'f') && (size == 2 || size == 4 || size == 8)));
  if (!known) refuse("has elements of type '", descr, "', expected bools, integers, floats or a name");
  if (order == '>' && size > 1 && kind != 'S') refuse("is big-endian ('", descr, "'), expected little-endian");
  return {kind, kind == 'U' ? 4 * size : size};
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
  detail::NpyDictionary dictionary = detail::parse_npy_dictionary(start, file);
  const NpyElement element = detail::parse_npy_element(dictionary.descr, file);
  const std::size_t count = detail::npy_element_count(dictionary, element.size, size, file);
  return {element, std::move(dictionary.shape), dictionary.fortran_order, dictionary.data_offset, count};
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
