// pefa: safetensors files: one matrix by its name, in and out. Needs nlohmann-json, which the rest of the library does
// not: pefa/pefa.hpp leaves this header out.
//
// The matrix is F64, F32, F16, BF16 or I8. I8 elements are codes; their row scales are a second tensor in the same
// file, "x.scales" beside "x", F32 of one extent. Other tensors may be there and are passed over.
#pragma once

#include <Eigen/Core>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/file/mapped_file.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/quote_name.hpp"
#include "pefa/io/vectors/file_rows.hpp"
#include "pefa/io/vectors/safetensors_header.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::io {

namespace detail {

template <EmbeddingScalar Scalar>
[[nodiscard]] constexpr const char* safetensors_type() noexcept {
  if constexpr (std::same_as<Scalar, double>) return "F64";
  if constexpr (std::same_as<Scalar, float>) return "F32";
  if constexpr (std::same_as<Scalar, Eigen::half>) return "F16";
  if constexpr (std::same_as<Scalar, Eigen::bfloat16>) return "BF16";
  return "I8";
}

/// The name of the tensor with the row scales of an I8 tensor.
[[nodiscard]] inline std::string scales_name(const std::string& tensor) {
  return tensor + ".scales";
}

/// The first few names, for a message.
[[nodiscard]] inline std::string list_names(const std::vector<const SafetensorsEntry*>& tensors) {
  constexpr std::size_t most = 8;
  std::string names;
  for (std::size_t i = 0; i < std::min(tensors.size(), most); ++i) {
    names += (i == 0 ? "" : ", ") + quote_name(tensors[i]->name);
  }
  if (tensors.size() > most) names += " and " + std::to_string(tensors.size() - most) + " more";
  return names.empty() ? "no tensor" : names;
}

/// The tensor of that name, or nullptr.
[[nodiscard]] inline const SafetensorsEntry* find_tensor(const SafetensorsHeader& header, std::string_view name) {
  const auto found = std::find_if(header.tensors.begin(), header.tensors.end(),
                                  [name](const SafetensorsEntry& tensor) { return tensor.name == name; });
  return found == header.tensors.end() ? nullptr : &*found;
}

/// The matrix of that name; with an empty name the only matrix there is.
/// @throws FormatError  none, several without a name, or not a matrix
[[nodiscard]] inline const SafetensorsEntry& find_matrix(const SafetensorsHeader& header, std::string_view name,
                                                         const std::string& file) {
  std::vector<const SafetensorsEntry*> all;
  std::vector<const SafetensorsEntry*> matrices;
  for (const SafetensorsEntry& tensor : header.tensors) {
    all.push_back(&tensor);
    if (tensor.rank == 2) matrices.push_back(&tensor);
  }
  if (name.empty() && matrices.size() != 1) {
    pefa::detail::fail<FormatError>(file, ": has ", matrices.size(), " tensors of 2 dimensions, expected ",
                                    matrices.empty() ? "one; it holds " : "one or a name; they are ",
                                    list_names(matrices.empty() ? all : matrices));
  }
  const SafetensorsEntry* tensor = name.empty() ? matrices[0] : find_tensor(header, name);
  if (tensor == nullptr) {
    pefa::detail::fail<FormatError>(file, ": has no tensor ", quote_name(name), "; it holds ", list_names(all));
  }
  if (tensor->rank != 2) {
    pefa::detail::fail<FormatError>(file, ": tensor ", quote_name(tensor->name), " has ", tensor->rank,
                                    " dimensions, expected 2 (rows, dim)");
  }
  if (tensor->shape[0] == 0 || tensor->shape[1] == 0) {
    pefa::detail::fail<FormatError>(file, ": tensor ", quote_name(tensor->name), " is a ", tensor->shape[0], " x ",
                                    tensor->shape[1], " matrix, expected at least one row and one column");
  }
  return *tensor;
}

/// A matrix in a whole file in memory, and what its elements are.
struct SafetensorsMatrix {
  std::string name;
  std::string type;
  FileRows rows;
};

/// @throws FormatError  as parse_safetensors_header and find_matrix; codes without scales
[[nodiscard]] inline SafetensorsMatrix find_safetensors_rows(const std::byte* bytes, std::size_t size,
                                                             std::string_view name, const std::string& file) {
  const SafetensorsHeader header = parse_safetensors_header(bytes, size, file);
  const SafetensorsEntry& tensor = find_matrix(header, name, file);
  const std::byte* data = bytes + header.data_offset;
  FileRows rows;
  rows.first = data + tensor.begin;
  rows.size = static_cast<std::size_t>(tensor.shape[0]);  // no more than the file's bytes: they are all there
  rows.dim = static_cast<std::size_t>(tensor.shape[1]);
  rows.stride = rows.dim * tensor.type.bits / 8;
  if (std::string_view(tensor.type.name) == "I8") {
    const SafetensorsEntry* scales = find_tensor(header, scales_name(tensor.name));
    if (scales == nullptr || std::string_view(scales->type.name) != "F32" || scales->rank != 1 ||
        scales->shape[0] != tensor.shape[0]) {
      pefa::detail::fail<FormatError>(file, ": tensor ", quote_name(tensor.name), " has I8 codes, expected their ",
                                      tensor.shape[0], " row scales in an F32 tensor ",
                                      quote_name(scales_name(tensor.name)), " of one dimension");
    }
    rows.scales = data + scales->begin;
  }
  return {tensor.name, tensor.type.name, rows};
}

/// Copies a matrix into a store. @throws FormatError  elements of a type that no store holds
template <EmbeddingScalar Scalar>
[[nodiscard]] EmbeddingStore<Scalar> copy_matrix(const SafetensorsMatrix& matrix, Normalize normalize,
                                                 const std::string& file) {
  if (matrix.type == "F64") return copy_rows<Scalar, double>(matrix.rows, normalize, file);
  if (matrix.type == "F32") return copy_rows<Scalar, float>(matrix.rows, normalize, file);
  if (matrix.type == "F16") return copy_rows<Scalar, Eigen::half>(matrix.rows, normalize, file);
  if (matrix.type == "BF16") return copy_rows<Scalar, Eigen::bfloat16>(matrix.rows, normalize, file);
  if (matrix.type == "I8") return copy_rows<Scalar, std::int8_t>(matrix.rows, normalize, file);
  pefa::detail::fail<FormatError>(file, ": tensor ", quote_name(matrix.name), " has elements of type ", matrix.type,
                                  ", expected F64, F32, F16, BF16 or I8");
}

}  // namespace detail

/// Reads a matrix into memory, converting to `Scalar` where the file has another type.
///
/// @param tensor  its name; empty for the only tensor of two dimensions
/// @throws IoError  the file cannot be read
/// @throws FormatError  as parse_safetensors_header; no such matrix (the message lists what there is), another type, or
///                      I8 without scales
/// @throws ValueError  a row that is not finite, or zero; names it
template <EmbeddingScalar Scalar = float>
[[nodiscard]] EmbeddingStore<Scalar> read_safetensors(const std::filesystem::path& path, std::string_view tensor = {},
                                                      Normalize normalize = Normalize::none) {
  const MappedFile file(path);
  return detail::copy_matrix<Scalar>(detail::find_safetensors_rows(file.data(), file.size(), tensor, path.string()),
                                     normalize, path.string());
}

/// A matrix of a mapped file, served in place. Its rows are not checked until something is built on them.
template <EmbeddingScalar Scalar>
class MappedSafetensors {
 public:
  /// @throws IoError, FormatError  as read_safetensors, and where the elements are not aligned `Scalar`s
  explicit MappedSafetensors(const std::filesystem::path& path, std::string_view tensor = {}) : file_(path) {
    const detail::SafetensorsMatrix matrix =
        detail::find_safetensors_rows(file_.data(), file_.size(), tensor, path.string());
    if (matrix.type != detail::safetensors_type<Scalar>()) {
      pefa::detail::fail<FormatError>(path.string(), ": tensor ", detail::quote_name(matrix.name), " holds ",
                                      matrix.type, ", asked to map it as ", detail::safetensors_type<Scalar>(),
                                      "; read_safetensors converts");
    }
    view_ = detail::map_rows<Scalar>(matrix.rows, path.string());
  }

  /// The rows in place; valid while this object lives (moving it is fine).
  [[nodiscard]] EmbeddingView<Scalar> view() const noexcept { return view_; }

 private:
  MappedFile file_;
  EmbeddingView<Scalar> view_;
};

/// Writes a file with one matrix, its first element on a multiple of 64 bytes; int8 rows also with their scales.
///
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
/// @throws ShapeError  no rows
/// @throws ValueError  a name that is empty, "__metadata__" or not UTF-8
template <EmbeddingScalar Scalar>
void write_safetensors(const std::filesystem::path& path, const std::string& tensor, const EmbeddingView<Scalar>& rows,
                       const StopCheck& stop = {}) {
  if (rows.empty()) pefa::detail::fail<ShapeError>(path.string(), ": a matrix without rows cannot be written");
  if (tensor.empty() || tensor == "__metadata__") {
    pefa::detail::fail<ValueError>(path.string(), ": a tensor cannot have the name ", detail::quote_name(tensor));
  }
  const std::size_t row_bytes = rows.dim() * sizeof(Scalar);
  nlohmann::json entries;
  std::size_t begin = 0;
  if constexpr (has_row_scales<Scalar>) {  // before the codes, as a float is to start at a multiple of 4
    begin = rows.size() * sizeof(float);
    entries[detail::scales_name(tensor)] = {{"dtype", "F32"}, {"shape", {rows.size()}}, {"data_offsets", {0, begin}}};
  }
  entries[tensor] = {{"dtype", detail::safetensors_type<Scalar>()},
                     {"shape", {rows.size(), rows.dim()}},
                     {"data_offsets", {begin, begin + rows.size() * row_bytes}}};
  std::string header;
  try {
    header = entries.dump();
  } catch (const nlohmann::json::type_error&) {
    pefa::detail::fail<ValueError>(path.string(), ": the tensor's name ", detail::quote_name(tensor), " is not UTF-8");
  }
  const std::size_t prefix = sizeof(std::uint64_t);
  header.resize((prefix + header.size() + 63) / 64 * 64 - prefix, ' ');
  const std::uint64_t length = header.size();

  OutputFile file(path, stop);
  std::ostream& out = file.stream();
  out.write(reinterpret_cast<const char*>(&length), sizeof(length));
  out.write(header.data(), static_cast<std::streamsize>(header.size()));
  if constexpr (has_row_scales<Scalar>) {
    out.write(reinterpret_cast<const char*>(rows.scales()), static_cast<std::streamsize>(begin));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out.write(reinterpret_cast<const char*>(rows.row(i)), static_cast<std::streamsize>(row_bytes));
  }
  file.commit();
}

/// The same of a store.
template <EmbeddingScalar Scalar>
void write_safetensors(const std::filesystem::path& path, const std::string& tensor, const EmbeddingStore<Scalar>& rows,
                       const StopCheck& stop = {}) {
  write_safetensors(path, tensor, rows.view(), stop);
}

}  // namespace pefa::io
