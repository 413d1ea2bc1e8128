// pefa: how a partitioned index turns vectors before it codes them: to axes along which residuals do not correlate, and
// into an order in which every code has an even share of what varies (Ge, He, Ke & Sun, Optimized Product Quantization,
// PAMI 2014, section 4: a parametric solution).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/kernels.hpp"

namespace pefa::detail {

/// An order of the coordinates, or axes. Queries are turned by this, rows by what makes products stay as they were: the
/// same order, or the inverse of the transposed axes (code_turn_fit.hpp). Axes are int8 with a scale each, which rows
/// make up for.
class CodeTurn {
 public:
  /// Of no coordinates.
  CodeTurn() = default;
  /// @param order  which coordinate comes first, second, …
  explicit CodeTurn(std::vector<std::uint32_t> order) : dim_(order.size()), order_(std::move(order)) {}
  /// @param axes  [dim x dim], nearly orthonormal, one axis after the other  @param scales  of the axes
  CodeTurn(AlignedVector<std::int8_t> axes, std::vector<float> scales)
      : dim_(scales.size()), axes_(std::move(axes)), scales_(std::move(scales)), numbers_(dim_) {
    std::iota(numbers_.begin(), numbers_.end(), Row{0});
  }

  /// Defined, as open() is, in partitioned_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;
  [[nodiscard]] static inline CodeTurn open(const io::ArchiveReader& reader, const std::string& prefix,
                                            std::size_t dim);

  [[nodiscard]] bool has_axes() const noexcept { return !axes_.empty(); }
  [[nodiscard]] const std::vector<std::uint32_t>& order() const noexcept { return order_; }
  [[nodiscard]] const AlignedVector<std::int8_t>& axes() const noexcept { return axes_; }
  [[nodiscard]] const std::vector<float>& scales() const noexcept { return scales_; }

  /// @param query  dim floats  @param turned  as many, elsewhere
  void turn(const float* query, float* turned) const noexcept {
    if (has_axes()) {
      kernel_(query, axes_.data(), dim_, dim_, numbers_.data(), dim_, scales_.data(), turned);
    } else {
      for (std::size_t d = 0; d < dim_; ++d) turned[d] = query[order_[d]];
    }
  }

  /// A row as it was before it was turned. @param row  dim floats, elsewhere
  void turn_back(const float* turned, float* row) const noexcept {
    if (!has_axes()) {
      for (std::size_t d = 0; d < dim_; ++d) row[order_[d]] = turned[d];
      return;
    }
    std::fill_n(row, dim_, 0.0f);
    for (std::size_t a = 0; a < dim_; ++a) {
      const float along = turned[a] * scales_[a];
      for (std::size_t d = 0; d < dim_; ++d) row[d] += along * static_cast<float>(axes_[a * dim_ + d]);
    }
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return axes_.capacity() + scales_.capacity() * sizeof(float) + numbers_.capacity() * sizeof(Row) +
           order_.capacity() * sizeof(std::uint32_t);
  }

 private:
  std::size_t dim_ = 0;
  simd::RowsKernel<std::int8_t> kernel_ = simd::dot_rows_kernel<std::int8_t>();
  std::vector<std::uint32_t> order_;
  AlignedVector<std::int8_t> axes_;
  std::vector<float> scales_;
  std::vector<Row> numbers_;  // 0, 1, … of the axes
};

}  // namespace pefa::detail
