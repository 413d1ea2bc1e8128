// pefa: rows of embeddings that someone else owns (an Eigen matrix, a span, a mapped file), read in place.
//
// A view copies nothing and checks nothing but its shape; whoever builds on the rows calls require_valid_rows() first.
// It takes Eigen's matrices without including Eigen.
#pragma once

#include <cassert>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/store/scalar.hpp"

namespace Eigen {
template <typename Scalar, int rows, int columns, int options, int most_rows, int most_columns>
class Matrix;
}  // namespace Eigen

namespace pefa {

/// A query: `dim` finite floats.
using QueryView = std::span<const float>;

/// A matrix of floats as this library hands it around: one row a vector. Eigen::Matrix<float, Dynamic, Dynamic,
/// RowMajor>; include <Eigen/Core> to make one.
using RowMajorMatrix = Eigen::Matrix<float, -1, -1, 1, -1, -1>;

/// A dense Eigen object whose rows lie one after the other in memory: a row-major Matrix, a Map, a block of rows.
template <class M, class Scalar>
concept RowMajorDense = std::same_as<typename M::Scalar, Scalar> && static_cast<bool>(M::IsRowMajor) &&
                        static_cast<int>(M::InnerStrideAtCompileTime) == 1 && requires(const M& matrix) {
  { matrix.data() } -> std::convertible_to<const Scalar*>;
  matrix.rows();
  matrix.cols();
  matrix.outerStride();
};

/// A borrowed [size x dim] matrix of embeddings, row-major, rows `stride` elements apart.
///
/// Cheap to copy. Valid while the memory it was made over is. Reading is safe from any number of threads.
template <EmbeddingScalar Scalar>
class EmbeddingView {
 public:
  /// What an element is stored as.
  using scalar_type = Scalar;

  /// No rows, of dim 0.
  EmbeddingView() = default;

  /// @param data    [size x dim], rows one after the other
  /// @param scales  int8 only: `size` factors, row i means scales[i] · data[i]; ignored for the other types
  /// @throws ShapeError  dim is 0, size is past the range of Row, or int8 rows come without scales
  EmbeddingView(const Scalar* data, std::size_t size, std::size_t dim, const float* scales = nullptr)
      : EmbeddingView(data, size, dim, dim, scales) {}

  /// The same with rows `stride` >= dim elements apart.
  EmbeddingView(const Scalar* data, std::size_t size, std::size_t dim, std::size_t stride, const float* scales)
      : data_(data), size_(size), dim_(dim), stride_(stride), scales_(scales) {
    if (dim == 0) detail::fail<ShapeError>("EmbeddingView: dim is 0, expected at least 1");
    if (stride < dim) detail::fail<ShapeError>("EmbeddingView: stride is ", stride, ", expected at least dim = ", dim);
    if (size > std::numeric_limits<Row>::max()) {
      detail::fail<ShapeError>("EmbeddingView: ", size, " rows, expected at most ", std::numeric_limits<Row>::max());
    }
    if (data == nullptr && size > 0) detail::fail<ShapeError>("EmbeddingView: ", size, " rows over a null pointer");
    if (has_row_scales<Scalar> && scales == nullptr && size > 0) {
      detail::fail<ShapeError>("EmbeddingView: int8 rows need one scale a row, got none");
    }
  }

  /// Over a flat span of whole rows. @throws ShapeError  values.size() is not a multiple of dim
  EmbeddingView(std::span<const Scalar> values, std::size_t dim)
      : EmbeddingView(values.data(), dim == 0 ? 0 : values.size() / dim, dim) {
    if (values.size() % dim != 0) {
      detail::fail<ShapeError>("EmbeddingView: ", values.size(), " values are not whole rows of dim ", dim);
    }
  }

  /// Over a row-major Eigen matrix or a block of one. A column-major matrix does not compile: it would need a copy.
  template <RowMajorDense<Scalar> M>
    requires(!has_row_scales<Scalar>)
  EmbeddingView(const M& matrix)  // NOLINT(google-explicit-constructor): reads in place
      : EmbeddingView(matrix.data(), static_cast<std::size_t>(matrix.rows()), static_cast<std::size_t>(matrix.cols()),
                      static_cast<std::size_t>(matrix.outerStride()), nullptr) {}

  /// How many rows.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Elements of a row.
  [[nodiscard]] std::size_t dim() const noexcept { return dim_; }
  /// Elements from one row to the next; at least dim().
  [[nodiscard]] std::size_t stride() const noexcept { return stride_; }
  /// Whether there are no rows.
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// The first element of the first row.
  [[nodiscard]] const Scalar* data() const noexcept { return data_; }
  /// The scales of int8 rows, nullptr for other types. [size]
  [[nodiscard]] const float* scales() const noexcept { return scales_; }

  /// The `dim` stored elements of a row.
  [[nodiscard]] const Scalar* row(std::size_t i) const noexcept {
    assert(i < size_);
    return data_ + i * stride_;
  }

  /// What a stored element of row i is multiplied with: 1 unless the rows are int8 codes.
  [[nodiscard]] float scale(std::size_t i) const noexcept {
    if constexpr (has_row_scales<Scalar>) return scales_[i];
    return 1.0f;
  }

  /// Writes row i as floats. @param out  dim elements
  void decode(std::size_t i, float* out) const noexcept {
    const Scalar* values = row(i);
    for (std::size_t d = 0; d < dim_; ++d) {
      out[d] = static_cast<float>(values[d]);
      if constexpr (has_row_scales<Scalar>) out[d] *= scales_[i];
    }
  }

  /// The rows [begin, end).
  [[nodiscard]] EmbeddingView slice(std::size_t begin, std::size_t end) const {
    if (begin > end || end > size_) {
      detail::fail<ShapeError>("EmbeddingView::slice: rows [", begin, ", ", end, ") of ", size_);
    }
    return {data_ + begin * stride_, end - begin, dim_, stride_, scales_ == nullptr ? nullptr : scales_ + begin};
  }

 private:
  const Scalar* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t dim_ = 0;
  std::size_t stride_ = 0;
  const float* scales_ = nullptr;
};

/// What rows must be before something is built on them.
enum class RowCheck {
  finite,          ///< no NaN, no infinity
  finite_non_zero  ///< and not all zero: a zero vector has no direction and would match nothing and everything
};

namespace detail {

/// ‖row i‖² of the row as floats, summed in double; NaN or infinite where an element or a scale is.
template <class Scalar>
[[nodiscard]] double squared_norm(const EmbeddingView<Scalar>& rows, std::size_t i) noexcept {
  const Scalar* values = rows.row(i);
  double sum = 0.0;
  for (std::size_t d = 0; d < rows.dim(); ++d) {
    const double x = static_cast<double>(static_cast<float>(values[d]));
    sum += x * x;
  }
  const double scale = static_cast<double>(rows.scale(i));
  return sum * scale * scale;
}

}  // namespace detail

/// Checks every row, and names the first that fails. @param who  the caller and the argument, for the message
/// @throws ValueError  a row that is not finite in float32, or (finite_non_zero) a zero row
/// O(size · dim).
template <class Scalar>
void require_valid_rows(const EmbeddingView<Scalar>& rows, RowCheck check, const char* who) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double norm = detail::squared_norm(rows, i);
    if (!detail::is_finite(norm)) detail::fail<ValueError>(who, ": row ", i, " has a NaN or infinite element");
    if (check == RowCheck::finite_non_zero && norm == 0.0) {
      detail::fail<ValueError>(who, ": row ", i, " is a zero vector, which has no direction to search by");
    }
  }
}

}  // namespace pefa
