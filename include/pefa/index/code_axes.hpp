// pefa: what rows are centred on and turned to before CodeTable codes them: a mean, and axes that are codes themselves.
//
// The axes are orthonormal up to their own rounding. What codes leave of a row is told by the axes as they are rounded
// (decoded()), so that nothing is lost by it.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/principal_axes.hpp"
#include "pefa/index/row_codes.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// Axes of rows of `dim` elements; none of a default one. Const and safe from any number of threads.
class CodeAxes {
 public:
  CodeAxes() = default;

  /// The first `count` of some axes.
  CodeAxes(PrincipalAxes&& axes, std::size_t count) : CodeAxes(std::move(axes.mean), count) {
    rotation_.assign(count * raw_bytes_, 0);
    floats_ = std::move(axes.axes);
    floats_.conservativeResize(static_cast<Eigen::Index>(count), Eigen::NoChange);
    for (std::size_t a = 0; a < count; ++a) {
      scales_[a] = encode_row(floats_.data() + a * dim(), dim(), rotation_.data() + a * raw_bytes_);
    }
  }

  /// Defined, as is open(), in quantized_hnsw_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;
  [[nodiscard]] static inline CodeAxes open(const io::ArchiveReader& reader, const std::string& prefix, std::size_t dim,
                                            std::size_t count);

  /// What rows are centred on, dim floats; nothing where there are no axes.
  [[nodiscard]] const std::vector<float>& mean() const noexcept { return mean_; }
  /// How many axes.
  [[nodiscard]] std::size_t count() const noexcept { return scales_.size(); }

  /// The axes before they were codes, for coding rows. [count x dim]; nothing after forget_floats()
  [[nodiscard]] const RowMajorMatrix& floats() const noexcept { return floats_; }
  void forget_floats() { floats_.resize(0, 0); }

  /// A vector along the axes, by its codes: the time is a sixth of floats'. @param codes  padded with 0
  /// @param scale  of the codes  @param dots  scratch  @param along  count floats
  void multiply(const AlignedVector<std::int8_t>& codes, float scale, const simd::CodeKernels& kernels,
                std::vector<std::int32_t>& dots, float* along) const {
    dots.resize(count());
    kernels.dot_rows(codes.data(), rotation_.data(), raw_bytes_, numbers_.data(), count(), dots.data());
    for (std::size_t a = 0; a < count(); ++a) along[a] = static_cast<float>(dots[a]) * (scale * scales_[a]);
  }

  /// What multiply() multiplies with. [count x dim]
  [[nodiscard]] RowMajorMatrix decoded() const {
    RowMajorMatrix axes(static_cast<Eigen::Index>(count()), static_cast<Eigen::Index>(dim()));
    for (std::size_t a = 0; a < count(); ++a) {
      const std::int8_t* axis = rotation_.data() + a * raw_bytes_;
      for (std::size_t d = 0; d < dim(); ++d) axes.data()[a * dim() + d] = scales_[a] * static_cast<float>(axis[d]);
    }
    return axes;
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return rotation_.capacity() + (mean_.capacity() + scales_.capacity()) * sizeof(float) +
           numbers_.capacity() * sizeof(Row);
  }

 private:
  CodeAxes(std::vector<float> mean, std::size_t count)
      : mean_(std::move(mean)), raw_bytes_(simd::padded_code_dim(mean_.size())), numbers_(count), scales_(count) {
    std::iota(numbers_.begin(), numbers_.end(), Row{0});
  }

  [[nodiscard]] std::size_t dim() const noexcept { return mean_.size(); }

  std::vector<float> mean_;
  std::size_t raw_bytes_ = 0;            // of an axis
  std::vector<Row> numbers_;             // 0 to count - 1: a table's rows
  AlignedVector<std::int8_t> rotation_;  // [count x raw_bytes_]
  std::vector<float> scales_;            // of the axes' codes
  RowMajorMatrix floats_;
};

}  // namespace pefa::detail
