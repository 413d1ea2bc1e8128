// pefa: NumPy .npy files in and out: matrices of float16, float32, float64 or int8 in C order.
//
// An int8 matrix is codes; its row scales are a float32 vector in a second file, "x.scales.npy" beside "x.npy". Reading
// checks rows as any ingestion does (store/embedding_store.hpp); mapping reads nothing until a row is touched.
#pragma once

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/file/mapped_file.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/vectors/npy_array_header.hpp"
#include "pefa/io/vectors/npy_matrix_header.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::io {

/// Where the row scales of an int8 file are: "passages.npy" has "passages.scales.npy".
[[nodiscard]] inline std::filesystem::path scales_path(const std::filesystem::path& path) {
  return detail::beside_npy(path, ".scales.npy");
}

namespace detail {

template <EmbeddingScalar Scalar>
[[nodiscard]] constexpr std::optional<NpyType> npy_type() noexcept {
  if constexpr (std::same_as<Scalar, Eigen::half>) return NpyType::float16;
  if constexpr (std::same_as<Scalar, float>) return NpyType::float32;
  if constexpr (std::same_as<Scalar, double>) return NpyType::float64;
  if constexpr (std::same_as<Scalar, std::int8_t>) return NpyType::int8;
  return std::nullopt;  // NumPy has no bfloat16
}

/// As NumPy writes it.
template <EmbeddingScalar Scalar>
[[nodiscard]] constexpr const char* npy_descr() noexcept {
  constexpr const char* names[] = {"<f2", "<f4", "<f8", "|i1"};
  return names[static_cast<std::size_t>(*npy_type<Scalar>())];
}

/// An open .npy file whose header has been checked.
struct NpyFile {
  explicit NpyFile(const std::filesystem::path& path)
      : name(path.string()), file(path), header(parse_npy_header(file.data(), file.size(), name)) {}

  void require_matrix() const {
    if (header.shape.size() != 2) {
      pefa::detail::fail<FormatError>(name, ": has ", header.shape.size(), " dimensions, expected 2 (rows, dim)");
    }
    if (header.shape[0] == 0 || header.shape[1] == 0) {
      pefa::detail::fail<FormatError>(name, ": is a ", header.shape[0], " x ", header.shape[1],
                                      " matrix, expected at least one row and one column");
    }
  }

  /// The first element; aligned for any element type, as NumPy aligns headers to 16 bytes or more.
  template <class Scalar>
  [[nodiscard]] const Scalar* elements() const {
    const std::byte* first = file.data() + header.data_offset;
    if (reinterpret_cast<std::uintptr_t>(first) % alignof(Scalar) != 0) {
      pefa::detail::fail<FormatError>(name, ": its elements start at byte ", header.data_offset,
                                      ", which is not a multiple of their size; save it again with numpy.save");
    }
    return reinterpret_cast<const Scalar*>(first);
  }

  template <class Scalar>
  [[nodiscard]] EmbeddingView<Scalar> matrix(const float* scales = nullptr) const {
    return {elements<Scalar>(), header.shape[0], header.shape[1], scales};
  }

  std::string name;
  MappedFile file;
  NpyHeader header;
};

/// The scales that belong to the codes in `codes`.
[[nodiscard]] inline NpyFile open_scales(const NpyFile& codes, const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    pefa::detail::fail<IoError>(codes.name, ": has int8 codes, expected their float32 row scales in ", path.string());
  }
  NpyFile scales(path);
  if (scales.header.type != NpyType::float32 ||
      scales.header.shape != std::vector<std::size_t>{codes.header.shape[0]}) {
    pefa::detail::fail<FormatError>(scales.name, ": expected a float32 vector of ", codes.header.shape[0],
                                    " scales, one a row of ", codes.name);
  }
  return scales;
}

}  // namespace detail

/// Reads a matrix into memory, converting to `Scalar` where the file has another type.
///
/// @throws IoError  the file (or an int8 file's scales) cannot be read
/// @throws FormatError  not a C-order matrix of a known type, or truncated
/// @throws ValueError  a row that is not finite, or zero; the message names it
template <EmbeddingScalar Scalar = float>
[[nodiscard]] EmbeddingStore<Scalar> read_npy(const std::filesystem::path& path,
                                              Normalize normalize = Normalize::none) {
  const detail::NpyFile file(path);
  file.require_matrix();
  const auto store = [&](const auto& rows) {
    try {
      return EmbeddingStore<Scalar>::from(rows, normalize);
    } catch (const ValueError& error) {
      throw ValueError(file.name + ": " + error.what());
    }
  };
  switch (file.header.type) {
    case NpyType::float16: return store(file.matrix<Eigen::half>());
    case NpyType::float32: return store(file.matrix<float>());
    case NpyType::float64: return store(file.matrix<double>());
    case NpyType::int8: break;
  }
  const detail::NpyFile scales = detail::open_scales(file, scales_path(path));
  return store(file.matrix<std::int8_t>(scales.elements<float>()));
}

/// A matrix in a mapped file: view() serves its rows in place. Rows are not checked until something is built on them.
template <EmbeddingScalar Scalar>
class MappedNpy {
 public:
  /// @throws IoError, FormatError  as read_npy, and where the file's element type is not `Scalar`
  explicit MappedNpy(const std::filesystem::path& path) : file_(path) {
    static_assert(detail::npy_type<Scalar>().has_value(), "NumPy has no such element type");
    file_.require_matrix();
    if (file_.header.type != *detail::npy_type<Scalar>()) {
      pefa::detail::fail<FormatError>(file_.name, ": holds ", name(file_.header.type), ", asked to map it as ",
                                      scalar_name<Scalar>(), "; read_npy converts");
    }
    if constexpr (has_row_scales<Scalar>) scales_.emplace(detail::open_scales(file_, scales_path(path)));
    (void)view();  // misaligned elements are refused now, not on first use
  }

  /// The rows in place; valid while this object lives (moving it is fine).
  [[nodiscard]] EmbeddingView<Scalar> view() const {
    return file_.template matrix<Scalar>(scales_ ? scales_->template elements<float>() : nullptr);
  }

 private:
  detail::NpyFile file_;
  std::optional<detail::NpyFile> scales_;
};

/// Writes a matrix as .npy, version 1.0; int8 rows also write their scales to scales_path(path).
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
template <EmbeddingScalar Scalar>
void write_npy(const std::filesystem::path& path, const EmbeddingView<Scalar>& rows, const StopCheck& stop = {}) {
  static_assert(detail::npy_type<Scalar>().has_value(), "NumPy has no bfloat16: convert to half or float first");
  OutputFile file(path, stop);
  file.stream() << npy_array_header(detail::npy_descr<Scalar>(), {rows.size(), rows.dim()});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    file.stream().write(reinterpret_cast<const char*>(rows.row(i)),
                        static_cast<std::streamsize>(rows.dim() * sizeof(Scalar)));
  }
  if constexpr (has_row_scales<Scalar>) {
    file.stream().flush();  // whatever stops it is met before the scales take their place
    OutputFile scales(scales_path(path), stop);
    scales.stream() << npy_array_header(detail::npy_descr<float>(), {rows.size()});
    scales.stream().write(reinterpret_cast<const char*>(rows.scales()),
                          static_cast<std::streamsize>(rows.size() * sizeof(float)));
    scales.commit();
  }
  file.commit();
}

/// The same of a store.
template <EmbeddingScalar Scalar>
void write_npy(const std::filesystem::path& path, const EmbeddingStore<Scalar>& rows, const StopCheck& stop = {}) {
  write_npy(path, rows.view(), stop);
}

}  // namespace pefa::io
