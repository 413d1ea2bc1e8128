// pefa: the vector files of the TEXMEX corpora (SIFT1M, GIST1M, BIGANN): .fvecs, .bvecs and .ivecs.
//
// Each row is an int32 dim and `dim` elements: float32 in .fvecs, uint8 in .bvecs, int32 in .ivecs, which holds the ids
// of true neighbours. The file has no count of its rows: one cut between two rows is a shorter file, and reads as that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>

#include "pefa/core/error.hpp"
#include "pefa/io/file/mapped_file.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/results/ground_truth.hpp"
#include "pefa/io/vectors/file_rows.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::io {

namespace detail {

/// The bytes of a row's dim.
inline constexpr std::size_t vecs_prefix = sizeof(std::int32_t);

/// Finds the rows of a whole file in memory, each with a dim and that many elements of `element_size` bytes.
/// @throws FormatError  no rows, a dim below 1 or unlike row 0's, a truncated row; names the row and its first byte
/// O(rows).
[[nodiscard]] inline FileRows find_vecs_rows(const std::byte* bytes, std::size_t size, std::size_t element_size,
                                             const std::string& file) {
  if (size == 0) pefa::detail::fail<FormatError>(file, ": is empty, expected at least one row");
  FileRows rows;
  for (std::size_t at = 0; at < size; at += rows.stride, ++rows.size) {
    const auto refuse = [&](const auto&... parts) {
      pefa::detail::fail<FormatError>(file, ": row ", rows.size, " (byte ", at, ") ", parts...);
    };
    const std::size_t left = size - at;
    if (left < vecs_prefix) refuse("is truncated: expected ", vecs_prefix, " bytes of its dim, ", left, " are left");
    std::int32_t dim = 0;
    std::memcpy(&dim, bytes + at, sizeof(dim));
    if (dim < 1) refuse("has dim ", dim, ", expected at least 1");
    if (rows.size == 0) rows.dim = static_cast<std::size_t>(dim);
    if (static_cast<std::size_t>(dim) != rows.dim) refuse("has dim ", dim, ", expected ", rows.dim, " as in row 0");
    if ((left - vecs_prefix) / element_size < rows.dim) {
      refuse("is truncated: expected ", rows.dim, " elements of ", element_size, " bytes, ", left - vecs_prefix,
             " bytes are left");
    }
    rows.stride = vecs_prefix + rows.dim * element_size;
  }
  rows.first = bytes + vecs_prefix;
  return rows;
}

/// The int32 elements of a whole .ivecs file in memory.
[[nodiscard]] inline GroundTruth parse_ivecs(const std::byte* bytes, std::size_t size, const std::string& file) {
  const FileRows rows = find_vecs_rows(bytes, size, sizeof(std::int32_t), file);
  GroundTruth truth{.query_count = rows.size, .k = rows.dim, .ids = {}, .distances = {}};
  truth.ids.resize(rows.size * rows.dim);
  for (std::size_t i = 0; i < rows.size; ++i) {
    std::memcpy(truth.ids.data() + i * rows.dim, rows.first + i * rows.stride, rows.dim * sizeof(std::int32_t));
  }
  return truth;
}

template <EmbeddingScalar Scalar, FileElement Element>
[[nodiscard]] EmbeddingStore<Scalar> read_vecs(const std::filesystem::path& path, Normalize normalize) {
  const MappedFile file(path);
  const FileRows rows = find_vecs_rows(file.data(), file.size(), sizeof(Element), path.string());
  return copy_rows<Scalar, Element>(rows, normalize, path.string());
}

/// A row's dim as its bytes. @throws ShapeError  no rows, or a dim past int32's range
[[nodiscard]] inline std::string vecs_dim(std::size_t rows, std::size_t dim, const std::string& file) {
  constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
  if (rows == 0 || dim == 0 || dim > static_cast<std::size_t>(most)) {
    pefa::detail::fail<ShapeError>(file, ": a ", rows, " x ", dim,
                                   " matrix cannot be written, expected rows, of a dim from 1 to ", most);
  }
  const auto stored = static_cast<std::int32_t>(dim);
  return {reinterpret_cast<const char*>(&stored), sizeof(stored)};
}

template <FileElement Element>
void write_vecs(const std::filesystem::path& path, const EmbeddingView<float>& rows, const StopCheck& stop) {
  const std::string dim = vecs_dim(rows.size(), rows.dim(), path.string());
  OutputFile file(path, stop);
  write_rows<Element>(file.stream(), rows, dim, path.string());
  file.commit();
}

}  // namespace detail

/// Reads .fvecs: float32 rows.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  no rows, rows of different dims, or a truncated row; names the row and its first byte
/// @throws ValueError  a row that is not finite, or zero; names it
template <EmbeddingScalar Scalar = float>
[[nodiscard]] EmbeddingStore<Scalar> read_fvecs(const std::filesystem::path& path,
                                                Normalize normalize = Normalize::none) {
  return detail::read_vecs<Scalar, float>(path, normalize);
}

/// Reads .bvecs: uint8 rows, each byte the number 0 to 255 it stands for. @throws as read_fvecs
template <EmbeddingScalar Scalar = float>
[[nodiscard]] EmbeddingStore<Scalar> read_bvecs(const std::filesystem::path& path,
                                                Normalize normalize = Normalize::none) {
  return detail::read_vecs<Scalar, std::uint8_t>(path, normalize);
}

/// Reads .ivecs: the ids of true neighbours, without distances. @throws IoError, FormatError  as read_fvecs
[[nodiscard]] inline GroundTruth read_ivecs(const std::filesystem::path& path) {
  const MappedFile file(path);
  return detail::parse_ivecs(file.data(), file.size(), path.string());
}

/// The rows of a mapped .fvecs file, served in place, dim + 1 floats apart. Their values are not checked until
/// something is built on them; their dims are, which touches every row once.
class MappedFvecs {
 public:
  /// @throws IoError, FormatError  as read_fvecs
  explicit MappedFvecs(const std::filesystem::path& path)
      : file_(path),
        view_(detail::map_rows<float>(detail::find_vecs_rows(file_.data(), file_.size(), sizeof(float), path.string()),
                                      path.string())) {}

  /// The rows in place; valid while this object lives (moving it is fine).
  [[nodiscard]] EmbeddingView<float> view() const noexcept { return view_; }

 private:
  MappedFile file_;
  EmbeddingView<float> view_;
};

/// Writes .fvecs.
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so  @throws ShapeError  no rows  @throws
/// ValueError  a value not finite
inline void write_fvecs(const std::filesystem::path& path, const EmbeddingView<float>& rows,
                        const StopCheck& stop = {}) {
  detail::write_vecs<float>(path, rows, stop);
}

/// The same of a store, a temporary one too.
inline void write_fvecs(const std::filesystem::path& path, const EmbeddingStore<float>& rows,
                        const StopCheck& stop = {}) {
  write_fvecs(path, rows.view(), stop);
}

/// Writes .bvecs. @throws as write_fvecs, and ValueError for a value that is not an integer from 0 to 255
inline void write_bvecs(const std::filesystem::path& path, const EmbeddingView<float>& rows,
                        const StopCheck& stop = {}) {
  detail::write_vecs<std::uint8_t>(path, rows, stop);
}

/// The same of a store, a temporary one too.
inline void write_bvecs(const std::filesystem::path& path, const EmbeddingStore<float>& rows,
                        const StopCheck& stop = {}) {
  write_bvecs(path, rows.view(), stop);
}

/// Writes .ivecs; distances have no place there and are left out.
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so  @throws ShapeError  no ids, or not
/// query_count x k of them
inline void write_ivecs(const std::filesystem::path& path, const GroundTruth& truth, const StopCheck& stop = {}) {
  detail::require_whole(truth, path.string());
  const std::string dim = detail::vecs_dim(truth.query_count, truth.k, path.string());
  OutputFile file(path, stop);
  for (std::size_t query = 0; query < truth.query_count; ++query) {
    file.stream() << dim;
    file.stream().write(reinterpret_cast<const char*>(truth.ids_of(query).data()),
                        static_cast<std::streamsize>(truth.k * sizeof(std::int32_t)));
  }
  file.commit();
}

}  // namespace pefa::io
