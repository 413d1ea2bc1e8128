// pefa: a matrix of vectors from and to a file of any format, told by its extension or by name.
//
// Includes the formats that need other libraries (safetensors needs nlohmann-json): pefa/pefa.hpp leaves this header
// out. The formats' own headers have more to say: mapping, tensors by name, ground truths.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "pefa/core/error.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/wrong_format.hpp"
#include "pefa/io/vectors/big_ann.hpp"
#include "pefa/io/vectors/npy.hpp"
#include "pefa/io/vectors/safetensors.hpp"
#include "pefa/io/vectors/vecs.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::io {

/// The formats of vector files; each is its own extension.
enum class VectorFormat { npy, fvecs, bvecs, fbin, u8bin, i8bin, f16bin, safetensors };

/// Every format.
inline constexpr std::array vector_formats = {VectorFormat::npy,    VectorFormat::fvecs,      VectorFormat::bvecs,
                                              VectorFormat::fbin,   VectorFormat::u8bin,      VectorFormat::i8bin,
                                              VectorFormat::f16bin, VectorFormat::safetensors};

/// The format's name: its extension without the dot.
[[nodiscard]] constexpr const char* name(VectorFormat format) noexcept {
  switch (format) {
    case VectorFormat::npy: return "npy";
    case VectorFormat::fvecs: return "fvecs";
    case VectorFormat::bvecs: return "bvecs";
    case VectorFormat::fbin: return "fbin";
    case VectorFormat::u8bin: return "u8bin";
    case VectorFormat::i8bin: return "i8bin";
    case VectorFormat::f16bin: return "f16bin";
    case VectorFormat::safetensors: return "safetensors";
  }
  return "unknown";
}

namespace detail {

[[nodiscard]] inline std::optional<VectorFormat> find_vector_format(std::string_view text) noexcept {
  for (const VectorFormat format : vector_formats) {
    if (text == name(format)) return format;
  }
  return std::nullopt;
}

/// "npy, fvecs, ... or safetensors", each with `before` in front of it.
[[nodiscard]] inline std::string list_vector_formats(const char* before) {
  std::string list;
  for (const VectorFormat format : vector_formats) {
    if (format != vector_formats.front()) list += format == vector_formats.back() ? " or " : ", ";
    list += before;
    list += name(format);
  }
  return list;
}

}  // namespace detail

/// The format of that name. @throws ValueError  none has it; lists those there are
[[nodiscard]] inline VectorFormat parse_vector_format(std::string_view text) {
  const auto format = detail::find_vector_format(text);
  if (!format) {
    pefa::detail::fail<ValueError>("'", text, "' is no format of vectors, expected ", detail::list_vector_formats(""));
  }
  return *format;
}

/// The format that a file's extension tells. @throws ValueError  it tells none; lists those there are
[[nodiscard]] inline VectorFormat vector_format_of(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  const auto format = extension.empty() ? std::nullopt : detail::find_vector_format(extension.substr(1));
  if (!format) {
    pefa::detail::fail<ValueError>(path.string(), ": has the extension '", extension,
                                   "', which tells no format of vectors, expected ", detail::list_vector_formats("."));
  }
  return *format;
}

/// Reads a matrix of vectors, converting to `Scalar`; of a safetensors file, its only tensor of two dimensions.
///
/// @param format  where the extension does not tell it
/// @throws IoError, FormatError, ValueError  as the format's own reader, and as vector_format_of
/// @throws WrongFormat  the file is of another format than it was read as
template <EmbeddingScalar Scalar = float>
[[nodiscard]] EmbeddingStore<Scalar> read_vectors(const std::filesystem::path& path,
                                                  Normalize normalize = Normalize::none,
                                                  std::optional<VectorFormat> format = std::nullopt) {
  const VectorFormat known = format ? *format : vector_format_of(path);
  return detail::naming_wrong_format(path, name(known), [&] {
    switch (known) {
      case VectorFormat::npy: break;
      case VectorFormat::fvecs: return read_fvecs<Scalar>(path, normalize);
      case VectorFormat::bvecs: return read_bvecs<Scalar>(path, normalize);
      case VectorFormat::fbin: return read_big_ann<Scalar>(path, BigAnnType::float32, normalize);
      case VectorFormat::u8bin: return read_big_ann<Scalar>(path, BigAnnType::uint8, normalize);
      case VectorFormat::i8bin: return read_big_ann<Scalar>(path, BigAnnType::int8, normalize);
      case VectorFormat::f16bin: return read_big_ann<Scalar>(path, BigAnnType::float16, normalize);
      case VectorFormat::safetensors: return read_safetensors<Scalar>(path, {}, normalize);
    }
    return read_npy<Scalar>(path, normalize);
  });
}

/// Writes a matrix of vectors: float32 in .npy, .fvecs, .fbin and .safetensors (as the tensor "embeddings"), rounded to
/// float16 in .f16bin, and in .bvecs, .u8bin and .i8bin only integers in the range of their bytes.
///
/// @param format  where the extension does not tell it
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
/// @throws ShapeError  no rows
/// @throws ValueError  a value that the format cannot hold; names its row; and as vector_format_of
inline void write_vectors(const std::filesystem::path& path, const EmbeddingView<float>& rows,
                          std::optional<VectorFormat> format = std::nullopt, const StopCheck& stop = {}) {
  const VectorFormat to = format ? *format : vector_format_of(path);
  if (rows.empty()) pefa::detail::fail<ShapeError>(path.string(), ": a matrix without rows cannot be written");
  switch (to) {
    case VectorFormat::npy: return write_npy(path, rows, stop);
    case VectorFormat::fvecs: return write_fvecs(path, rows, stop);
    case VectorFormat::bvecs: return write_bvecs(path, rows, stop);
    case VectorFormat::fbin: return write_big_ann(path, rows, BigAnnType::float32, stop);
    case VectorFormat::u8bin: return write_big_ann(path, rows, BigAnnType::uint8, stop);
    case VectorFormat::i8bin: return write_big_ann(path, rows, BigAnnType::int8, stop);
    case VectorFormat::f16bin: return write_big_ann(path, rows, BigAnnType::float16, stop);
    case VectorFormat::safetensors: return write_safetensors(path, "embeddings", rows, stop);
  }
}

/// The same of a store, a temporary one too.
inline void write_vectors(const std::filesystem::path& path, const EmbeddingStore<float>& rows,
                          std::optional<VectorFormat> format = std::nullopt, const StopCheck& stop = {}) {
  write_vectors(path, rows.view(), format, stop);
}

}  // namespace pefa::io
