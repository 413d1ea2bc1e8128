// pefa: a linear map of vectors, x -> W·x, by the kernels of the searches: what a whitening or a balancing costs a
// query.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// What of a matrix is kept and multiplied.
enum class MapShape {
  dense,
  lower_triangle  ///< nothing above the diagonal: half the memory, and half the time of a product
};

/// W [rows x dim] in floats, 16 rows a group. A group is as wide as its last row needs.
class LinearMap {
 public:
  LinearMap() = default;

  /// @param matrix  any dense Eigen matrix
  template <class Matrix>
  explicit LinearMap(const Matrix& matrix, MapShape shape = MapShape::dense)
      : rows_(static_cast<std::size_t>(matrix.rows())), dim_(static_cast<std::size_t>(matrix.cols())), shape_(shape) {
    allocate();
    for (std::size_t i = 0; i < rows_; ++i) {
      const std::size_t group = i / group_rows;
      float* out = values_.data() + start(group) + (i % group_rows) * width(group);
      const std::size_t kept = shape == MapShape::dense ? dim_ : std::min(dim_, i + 1);
      for (std::size_t d = 0; d < kept; ++d) {
        out[d] = static_cast<float>(matrix(static_cast<std::ptrdiff_t>(i), static_cast<std::ptrdiff_t>(d)));
      }
    }
  }

  /// What values() of a map of this shape gave. @throws ShapeError  another number of values
  LinearMap(std::span<const float> values, std::size_t rows, std::size_t dim, MapShape shape)
      : rows_(rows), dim_(dim), shape_(shape) {
    if (values.size() != value_count(rows, dim, shape)) {
      fail<ShapeError>("LinearMap: ", values.size(), " values, expected ", value_count(rows, dim, shape), " for ", rows,
                       " rows of dim ", dim);
    }
    allocate();
    std::copy(values.begin(), values.end(), values_.begin());
  }

  /// How many values a map of this shape has. @param rows  at least 1; so dim
  [[nodiscard]] static std::size_t value_count(std::size_t rows, std::size_t dim, MapShape shape) noexcept {
    const LinearMap sizes(rows, dim, shape);
    const std::size_t last = (rows - 1) / group_rows;
    return sizes.start(last) + (rows - last * group_rows) * sizes.width(last);
  }

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t dim() const noexcept { return dim_; }
  [[nodiscard]] MapShape shape() const noexcept { return shape_; }
  [[nodiscard]] std::span<const float> values() const noexcept { return values_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return values_.capacity() * sizeof(float); }

  /// W itself, as a dense Eigen matrix of this type.
  template <class Matrix>
  [[nodiscard]] Matrix matrix() const {
    Matrix result = Matrix::Zero(static_cast<std::ptrdiff_t>(rows_), static_cast<std::ptrdiff_t>(dim_));
    for (std::size_t i = 0; i < rows_; ++i) {
      const std::size_t group = i / group_rows;
      const float* row = values_.data() + start(group) + (i % group_rows) * width(group);
      for (std::size_t d = 0; d < width(group); ++d) {
        result(static_cast<std::ptrdiff_t>(i), static_cast<std::ptrdiff_t>(d)) =
            static_cast<typename Matrix::Scalar>(row[d]);
      }
    }
    return result;
  }

  /// out = W·x. @param x  dim floats  @param out  rows floats
  void apply(const float* x, float* out) const {
    const auto kernel = simd::dot_rows_kernel<float>();
    for (std::size_t g = 0; g * group_rows < rows_; ++g) apply_group(kernel, g, x, out);
  }

  /// The same of `count` vectors, `dim` and `rows` floats apart: a group of W stays in the cache for all of them.
  void apply(const float* x, std::size_t count, float* out) const {
    const auto kernel = simd::dot_rows_kernel<float>();
    for (std::size_t g = 0; g * group_rows < rows_; ++g) {
      for (std::size_t i = 0; i < count; ++i) apply_group(kernel, g, x + i * dim_, out + i * rows_);
    }
  }

  /// W·x of every row, the same bits as one by one.
  /// @param prepare  prepare(x), of dim floats, before the product  @param finish  finish(i, out), of rows floats,
  /// after
  template <class Scalar, class Prepare, class Finish>
  [[nodiscard]] EmbeddingStore<float> apply_all(const EmbeddingView<Scalar>& vectors, const Prepare& prepare,
                                                const Finish& finish, const AnyExecutor& executor,
                                                ProgressMeter& meter) const {
    auto mapped = EmbeddingStore<float>::for_overwrite(vectors.size(), rows_);
    for_each_block(executor, vectors.size(), 32, [&](std::size_t begin, std::size_t end) {
      AlignedVector<float> x((end - begin) * dim_);
      for (std::size_t i = begin; i < end; ++i) {
        float* row = x.data() + (i - begin) * dim_;
        vectors.decode(i, row);
        prepare(row);
      }
      apply(x.data(), end - begin, mapped.mutable_row(begin));
      for (std::size_t i = begin; i < end; ++i) finish(i, mapped.mutable_row(i));
      meter.add(end - begin);
    });
    return mapped;
  }

 private:
  static constexpr std::size_t group_rows = 16;

  LinearMap(std::size_t rows, std::size_t dim, MapShape shape) noexcept : rows_(rows), dim_(dim), shape_(shape) {}

  [[nodiscard]] std::size_t width(std::size_t group) const noexcept {
    return shape_ == MapShape::dense ? dim_ : std::min(dim_, (group + 1) * group_rows);
  }
  [[nodiscard]] std::size_t start(std::size_t group) const noexcept {
    return shape_ == MapShape::dense ? group * group_rows * dim_ : group_rows * group_rows * group * (group + 1) / 2;
  }
  void allocate() { values_.assign(value_count(rows_, dim_, shape_), 0.0f); }

  void apply_group(simd::RowsKernel<float> kernel, std::size_t g, const float* x, float* out) const {
    static constexpr std::array<Row, group_rows> all = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const std::size_t first = g * group_rows;
    kernel(x, values_.data() + start(g), width(g), width(g), all.data(), std::min(group_rows, rows_ - first), nullptr,
           out + first);
  }

  std::size_t rows_ = 0;
  std::size_t dim_ = 0;
  MapShape shape_ = MapShape::dense;
  AlignedVector<float> values_;
};

/// x = Π(x), its length in double. @return  whether x has a direction
inline bool make_unit(float* x, std::size_t dim) noexcept {
  double squares = 0.0;
  for (std::size_t d = 0; d < dim; ++d) squares += static_cast<double>(x[d]) * static_cast<double>(x[d]);
  if (!(squares > 0.0)) return false;
  const double factor = 1.0 / std::sqrt(squares);
  for (std::size_t d = 0; d < dim; ++d) x[d] = static_cast<float>(static_cast<double>(x[d]) * factor);
  return true;
}

}  // namespace pefa::detail
