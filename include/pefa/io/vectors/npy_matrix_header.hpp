// pefa: the header of a NumPy .npy file of embeddings: float16, float32, float64 or int8, in C order; everything else
// is refused with the reason.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/vectors/npy_preamble.hpp"

namespace pefa::io {

/// The element types of .npy files that this library reads.
enum class NpyType { float16, float32, float64, int8 };

/// Bytes an element.
[[nodiscard]] constexpr std::size_t size_of(NpyType type) noexcept {
  switch (type) {
    case NpyType::float16: return 2;
    case NpyType::float32: return 4;
    case NpyType::float64: return 8;
    case NpyType::int8: return 1;
  }
  return 0;
}

/// The name of a type: "float16".
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
  NpyType type = NpyType::float32;  ///< of the elements
  std::vector<std::size_t> shape;   ///< extents, the slowest first
  std::size_t data_offset = 0;      ///< bytes before the first element

  /// How many elements: the product of the extents.
  [[nodiscard]] std::size_t element_count() const noexcept {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    return count;
  }
};

namespace detail {

/// @param descr  as in '<f4'
[[nodiscard]] inline NpyType parse_npy_type(std::string_view descr, std::string_view file) {
  const auto refuse = [file](const auto&... parts) { pefa::detail::fail<FormatError>(file, ": ", parts...); };
  if (descr == "|i1" || descr == "<i1" || descr == "=i1" || descr == "i1") return NpyType::int8;
  const bool little = !descr.empty() && (descr[0] == '<' || descr[0] == '=');
  const std::string_view kind = descr.empty() ? descr : descr.substr(1);
  const bool readable = kind == "f2" || kind == "f4" || kind == "f8";
  if (readable && descr[0] == '>') {
    refuse("is big-endian ('", descr, "'), expected little-endian; save it with astype('<", kind, "')");
  }
  if (!readable || !little) {
    refuse("has elements of type '", descr,
           "', expected float16 ('<f2'), float32 ('<f4'), float64 ('<f8') or int8 ('|i1')");
  }
  return kind == "f2" ? NpyType::float16 : kind == "f4" ? NpyType::float32 : NpyType::float64;
}

}  // namespace detail

/// Reads the header at the start of a whole file in memory, and checks that the file holds all the elements it
/// declares.
///
/// @param bytes  the file's first byte; `size` is the whole file's length
/// @param file   the file's name, for messages
/// @throws FormatError  not a .npy file, a version, type or order this library does not read, or a truncated file
[[nodiscard]] inline NpyHeader parse_npy_header(const std::byte* bytes, std::size_t size, std::string_view file) {
  detail::NpyDictionary dictionary = detail::parse_npy_dictionary({reinterpret_cast<const char*>(bytes), size}, file);
  const NpyType type = detail::parse_npy_type(dictionary.descr, file);
  if (dictionary.fortran_order) {
    pefa::detail::fail<FormatError>(file,
                                    ": is in Fortran order, expected C order; save it with numpy.ascontiguousarray");
  }
  (void)detail::npy_element_count(dictionary, size_of(type), size, file);
  return {type, std::move(dictionary.shape), dictionary.data_offset};
}

}  // namespace pefa::io
