// pefa: the vector files of the big-ann-benchmarks: .fbin, .f16bin, .u8bin, .i8bin, and ground truths in .ibin.
//
// A header of two uint32, rows and dim, then the rows, row-major and packed. The header does not tell the element type:
// the extension does, or the caller. Codes in .i8bin have no scales: they are the numbers. A ground truth is rows of k
// int32 ids and, in most files, as many float32 distances after all the ids; the file's size tells which.
#pragma once

#include <Eigen/Core>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <ostream>
#include <string>

#include "pefa/core/error.hpp"
#include "pefa/io/file/mapped_file.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/results/ground_truth.hpp"
#include "pefa/io/vectors/file_rows.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::io {

/// The element types of big-ann vector files.
enum class BigAnnType { float32, float16, uint8, int8 };

/// The name of a type: "float32".
[[nodiscard]] constexpr const char* name(BigAnnType type) noexcept {
  switch (type) {
    case BigAnnType::float32: return "float32";
    case BigAnnType::float16: return "float16";
    case BigAnnType::uint8: return "uint8";
    case BigAnnType::int8: return "int8";
  }
  return "unknown";
}

/// The element type that a file's extension tells. @throws ValueError  not an extension of these files
[[nodiscard]] inline BigAnnType big_ann_type_of(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".fbin") return BigAnnType::float32;
  if (extension == ".f16bin") return BigAnnType::float16;
  if (extension == ".u8bin") return BigAnnType::uint8;
  if (extension == ".i8bin") return BigAnnType::int8;
  pefa::detail::fail<ValueError>(path.string(), ": has the extension '", extension,
                                 "', expected .fbin, .f16bin, .u8bin or .i8bin");
}

namespace detail {

inline constexpr std::size_t big_ann_header = 2 * sizeof(std::uint32_t);

/// Reads the two counts at the start of a whole file in memory; the rows' bytes are still to be checked.
/// @throws FormatError  no room for them, or a count of 0
[[nodiscard]] inline FileRows parse_big_ann_header(const std::byte* bytes, std::size_t size, const std::string& file) {
  if (size < big_ann_header) {
    pefa::detail::fail<FormatError>(file, ": is truncated: ", size, " bytes, expected a header of ", big_ann_header);
  }
  std::uint32_t counts[2] = {};
  std::memcpy(counts, bytes, sizeof(counts));
  if (counts[0] == 0 || counts[1] == 0) {
    pefa::detail::fail<FormatError>(file, ": is a ", counts[0], " x ", counts[1],
                                    " matrix, expected at least one row and one column");
  }
  FileRows rows;
  rows.first = bytes + big_ann_header;
  rows.size = counts[0];
  rows.dim = counts[1];
  return rows;
}

/// Whether exactly `bytes` bytes hold size x dim elements of `element_size` bytes.
[[nodiscard]] inline bool fills(const FileRows& rows, std::size_t element_size, std::uint64_t bytes) noexcept {
  const std::uint64_t elements = std::uint64_t{rows.size} * rows.dim;  // both are 32 bits wide: no overflow
  return bytes % element_size == 0 && bytes / element_size == elements;
}

/// Finds the rows of a whole vector file in memory.
/// @throws FormatError  a bad header, or a size that is not exactly what the header says
template <FileElement Element>
[[nodiscard]] FileRows find_big_ann_rows(const std::byte* bytes, std::size_t size, const std::string& file) {
  FileRows rows = parse_big_ann_header(bytes, size, file);
  if (!fills(rows, sizeof(Element), size - big_ann_header)) {
    pefa::detail::fail<FormatError>(file, ": has ", size - big_ann_header, " bytes after its header, expected ",
                                    rows.size, " x ", rows.dim, " elements of ", sizeof(Element), " bytes");
  }
  rows.stride = rows.dim * sizeof(Element);
  return rows;
}

/// The ids, and the distances where they are, of a whole ground-truth file in memory.
[[nodiscard]] inline GroundTruth parse_ibin(const std::byte* bytes, std::size_t size, const std::string& file) {
  const FileRows rows = parse_big_ann_header(bytes, size, file);
  const std::size_t left = size - big_ann_header;
  const bool with_distances = fills(rows, sizeof(std::int32_t) + sizeof(float), left);
  if (!with_distances && !fills(rows, sizeof(std::int32_t), left)) {
    pefa::detail::fail<FormatError>(file, ": has ", left, " bytes after its header, expected ", rows.size, " x ",
                                    rows.dim, " int32 ids, alone or with as many float32 distances");
  }
  const std::size_t count = rows.size * rows.dim;
  GroundTruth truth{.query_count = rows.size, .k = rows.dim, .ids = {}, .distances = {}};
  truth.ids.resize(count);
  std::memcpy(truth.ids.data(), rows.first, count * sizeof(std::int32_t));
  if (with_distances) {
    truth.distances.resize(count);
    std::memcpy(truth.distances.data(), rows.first + count * sizeof(std::int32_t), count * sizeof(float));
  }
  return truth;
}

/// Writes the two counts. @throws ShapeError  one of them is 0 or past 32 bits
inline void write_big_ann_header(std::ostream& out, std::size_t rows, std::size_t dim, const std::string& file) {
  constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();
  if (rows == 0 || dim == 0 || rows > most || dim > most) {
    pefa::detail::fail<ShapeError>(file, ": a ", rows, " x ", dim, " matrix cannot be written, expected 1 to ", most,
                                   " rows and columns");
  }
  const std::uint32_t counts[2] = {static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(dim)};
  out.write(reinterpret_cast<const char*>(counts), sizeof(counts));
}

}  // namespace detail

/// Reads a matrix of `type` into memory, converting to `Scalar`. As int8, .i8bin keeps its codes, with scales of 1.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  the file's size is not exactly what its header says, or there are no rows
/// @throws ValueError  a row that is not finite, or zero; names it
template <EmbeddingScalar Scalar = float>
[[nodiscard]] EmbeddingStore<Scalar> read_big_ann(const std::filesystem::path& path, BigAnnType type,
                                                  Normalize normalize = Normalize::none) {
  const MappedFile file(path);
  const auto read = [&]<class Element>(Element) {
    const detail::FileRows rows = detail::find_big_ann_rows<Element>(file.data(), file.size(), path.string());
    return detail::copy_rows<Scalar, Element>(rows, normalize, path.string());
  };
  switch (type) {
    case BigAnnType::float16: return read(Eigen::half());
    case BigAnnType::uint8: return read(std::uint8_t{});
    case BigAnnType::int8: return read(std::int8_t{});
    case BigAnnType::float32: break;
  }
  return read(float{});
}

/// The same, of the type that the extension tells. @throws ValueError  also for an extension that tells none
template <EmbeddingScalar Scalar = float>
[[nodiscard]] EmbeddingStore<Scalar> read_big_ann(const std::filesystem::path& path,
                                                  Normalize normalize = Normalize::none) {
  return read_big_ann<Scalar>(path, big_ann_type_of(path), normalize);
}

/// The rows of a mapped .fbin (float) or .f16bin (Eigen::half) file, served in place. They are not checked until
/// something is built on them.
template <EmbeddingScalar Scalar>
  requires(std::same_as<Scalar, float> || std::same_as<Scalar, Eigen::half>)
class MappedBigAnn {
 public:
  /// @throws IoError, FormatError  as read_big_ann, and where the extension tells another type than `Scalar`
  /// @throws ValueError  an extension that tells none
  explicit MappedBigAnn(const std::filesystem::path& path) : file_(path) {
    const BigAnnType type = big_ann_type_of(path);
    if (type != (std::same_as<Scalar, float> ? BigAnnType::float32 : BigAnnType::float16)) {
      pefa::detail::fail<FormatError>(path.string(), ": holds ", name(type), ", asked to map it as ",
                                      scalar_name<Scalar>(), "; read_big_ann converts");
    }
    view_ = detail::map_rows<Scalar>(detail::find_big_ann_rows<Scalar>(file_.data(), file_.size(), path.string()),
                                     path.string());
  }

  /// The rows in place; valid while this object lives (moving it is fine).
  [[nodiscard]] EmbeddingView<Scalar> view() const noexcept { return view_; }

 private:
  MappedFile file_;
  EmbeddingView<Scalar> view_;
};

/// Writes a matrix as `type`; rows of other types go through float32, and int8 codes are written times their scales.
///
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
/// @throws ShapeError  no rows
/// @throws ValueError  a value that `type` cannot hold: not finite, past float16, not an integer of 8 bits; names it
template <EmbeddingScalar Scalar>
void write_big_ann(const std::filesystem::path& path, const EmbeddingView<Scalar>& rows, BigAnnType type,
                   const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  detail::write_big_ann_header(file.stream(), rows.size(), rows.dim(), path.string());
  const auto write = [&]<class Element>(Element) {
    detail::write_rows<Element>(file.stream(), rows, {}, path.string());
  };
  switch (type) {
    case BigAnnType::float32: write(float{}); break;
    case BigAnnType::float16: write(Eigen::half()); break;
    case BigAnnType::uint8: write(std::uint8_t{}); break;
    case BigAnnType::int8: write(std::int8_t{}); break;
  }
  file.commit();
}

/// The same, of the type that the extension tells.
template <EmbeddingScalar Scalar>
void write_big_ann(const std::filesystem::path& path, const EmbeddingView<Scalar>& rows) {
  write_big_ann(path, rows, big_ann_type_of(path));
}
/// The same of a store.
template <EmbeddingScalar Scalar>
void write_big_ann(const std::filesystem::path& path, const EmbeddingStore<Scalar>& rows) {
  write_big_ann(path, rows.view());
}

/// Reads a ground truth: ids, and distances where the file's size says there are.
/// @throws IoError  the file cannot be read  @throws FormatError  its size is neither, or there are no rows
[[nodiscard]] inline GroundTruth read_ibin(const std::filesystem::path& path) {
  const MappedFile file(path);
  return detail::parse_ibin(file.data(), file.size(), path.string());
}

/// Writes a ground truth, with its distances where it has them.
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so  @throws ShapeError  no ids, or not
/// query_count x k of them
inline void write_ibin(const std::filesystem::path& path, const GroundTruth& truth, const StopCheck& stop = {}) {
  detail::require_whole(truth, path.string());
  OutputFile file(path, stop);
  std::ostream& out = file.stream();
  detail::write_big_ann_header(out, truth.query_count, truth.k, path.string());
  out.write(reinterpret_cast<const char*>(truth.ids.data()),
            static_cast<std::streamsize>(truth.ids.size() * sizeof(std::int32_t)));
  out.write(reinterpret_cast<const char*>(truth.distances.data()),
            static_cast<std::streamsize>(truth.distances.size() * sizeof(float)));
  file.commit();
}

}  // namespace pefa::io
