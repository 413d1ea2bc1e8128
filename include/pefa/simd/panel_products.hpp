// pefa: products of matrices of doubles, in panels: what fits and solves of dim x dim matrices spend their time on.
//
// A panel is 24 columns of a matrix, one row of 24 after the other, so that the innermost loop reads memory in order.
// An element of a product is one chain of multiply-adds in the order of the rows, however the work is cut: the same
// bits for any number of threads and rows at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/simd/cpu.hpp"
#include "pefa/simd/x86.hpp"

namespace pefa::simd {

/// Columns of a panel, which one pass of the kernels takes.
inline constexpr std::size_t panel_width = 24;

/// A [rows x columns] matrix as panels; columns past the end are zeros.
class Panels {
 public:
  /// Room for rows x columns, all 0.
  Panels(std::size_t rows, std::size_t columns)
      : rows_(rows), count_((columns + panel_width - 1) / panel_width), values_(rows * count_ * panel_width, 0.0) {}

  /// How many rows.
  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  /// Bytes on the heap.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return values_.capacity() * sizeof(double); }
  /// How many panels.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  /// The elements of panel p, row by row.
  [[nodiscard]] const double* panel(std::size_t p) const noexcept { return values_.data() + p * rows_ * panel_width; }
  /// The same, to be written.
  [[nodiscard]] double* panel(std::size_t p) noexcept { return values_.data() + p * rows_ * panel_width; }

  /// One element.
  [[nodiscard]] double operator()(std::size_t row, std::size_t column) const noexcept {
    return panel(column / panel_width)[row * panel_width + column % panel_width];
  }
  /// The same, to be written.
  [[nodiscard]] double& operator()(std::size_t row, std::size_t column) noexcept {
    return panel(column / panel_width)[row * panel_width + column % panel_width];
  }

 private:
  std::size_t rows_;
  std::size_t count_;
  pefa::detail::AlignedVector<double> values_;
};

namespace detail {

/// out[i][j] += Σ_t a[t·a_stride + i] · b[t][j] for i < rows and t < steps, over the 24 columns of b and of out; at
/// least one step.
using PanelKernel = void (*)(const double* a, std::size_t a_stride, const double* b, std::size_t steps, double* out,
                             std::size_t rows);

inline void scalar_panel(const double* a, std::size_t a_stride, const double* b, std::size_t steps, double* out,
                         std::size_t rows) {
  for (std::size_t i = 0; i < rows; ++i) {
    double* o = out + i * panel_width;
    for (std::size_t t = 0; t < steps; ++t) {
      const double x = a[t * a_stride + i];
      const double* y = b + t * panel_width;
      for (std::size_t j = 0; j < panel_width; ++j) o[j] += x * y[j];
    }
  }
}

#if PEFA_X86_KERNELS
template <std::size_t n>
[[gnu::always_inline]] PEFA_AVX2 inline void avx2_panel_rows(const double* a, std::size_t a_stride, const double* b,
                                                             std::size_t steps, double* out) noexcept {
  __m256d sum[n][3];
  for (std::size_t half = 0; half < panel_width; half += 12) {
    PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
      PEFA_UNROLL for (std::size_t v = 0; v < 3; ++v) {
        sum[i][v] = _mm256_loadu_pd(out + i * panel_width + half + 4 * v);
      }
    }
    for (std::size_t t = 0; t < steps; ++t) {
      const double* y = b + t * panel_width + half;
      const __m256d y0 = _mm256_loadu_pd(y);
      const __m256d y1 = _mm256_loadu_pd(y + 4);
      const __m256d y2 = _mm256_loadu_pd(y + 8);
      PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
        const __m256d x = _mm256_set1_pd(a[t * a_stride + i]);
        sum[i][0] = _mm256_fmadd_pd(x, y0, sum[i][0]);
        sum[i][1] = _mm256_fmadd_pd(x, y1, sum[i][1]);
        sum[i][2] = _mm256_fmadd_pd(x, y2, sum[i][2]);
      }
    }
    PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
      PEFA_UNROLL for (std::size_t v = 0; v < 3; ++v) {
        _mm256_storeu_pd(out + i * panel_width + half + 4 * v, sum[i][v]);
      }
    }
  }
}

PEFA_AVX2 inline void avx2_panel(const double* a, std::size_t a_stride, const double* b, std::size_t steps, double* out,
                                 std::size_t rows) {
  std::size_t i = 0;
  for (; i + 4 <= rows; i += 4) avx2_panel_rows<4>(a + i, a_stride, b, steps, out + i * panel_width);
  for (; i < rows; ++i) avx2_panel_rows<1>(a + i, a_stride, b, steps, out + i * panel_width);
}

PEFA_AVX512_BEGIN

template <std::size_t n>
[[gnu::always_inline]] PEFA_AVX512 inline void avx512_panel_rows(const double* a, std::size_t a_stride, const double* b,
                                                                 std::size_t steps, double* out) noexcept {
  __m512d sum[n][3];
  PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
    PEFA_UNROLL for (std::size_t v = 0; v < 3; ++v) sum[i][v] = _mm512_loadu_pd(out + i * panel_width + 8 * v);
  }
  for (std::size_t t = 0; t < steps; ++t) {
    const double* y = b + t * panel_width;
    const __m512d y0 = _mm512_loadu_pd(y);
    const __m512d y1 = _mm512_loadu_pd(y + 8);
    const __m512d y2 = _mm512_loadu_pd(y + 16);
    PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
      const __m512d x = _mm512_set1_pd(a[t * a_stride + i]);
      sum[i][0] = _mm512_fmadd_pd(x, y0, sum[i][0]);
      sum[i][1] = _mm512_fmadd_pd(x, y1, sum[i][1]);
      sum[i][2] = _mm512_fmadd_pd(x, y2, sum[i][2]);
    }
  }
  PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
    PEFA_UNROLL for (std::size_t v = 0; v < 3; ++v) _mm512_storeu_pd(out + i * panel_width + 8 * v, sum[i][v]);
  }
}

PEFA_AVX512 inline void avx512_panel(const double* a, std::size_t a_stride, const double* b, std::size_t steps,
                                     double* out, std::size_t rows) {
  std::size_t i = 0;
  for (; i + 8 <= rows; i += 8) avx512_panel_rows<8>(a + i, a_stride, b, steps, out + i * panel_width);
  for (; i < rows; ++i) avx512_panel_rows<1>(a + i, a_stride, b, steps, out + i * panel_width);
}

PEFA_AVX512_END
#endif

[[nodiscard]] inline PanelKernel panel_kernel([[maybe_unused]] Level level) noexcept {
#if PEFA_X86_KERNELS
  if (level == Level::avx512) return &avx512_panel;
  if (level == Level::avx2) return &avx2_panel;
#endif
  return &scalar_panel;
}

/// So many rows of a panel stay in the nearest cache (24 KB).
inline constexpr std::size_t panel_steps = 128;

}  // namespace detail

/// out += Aᵀ·B over one panel of B and some columns of A: out[i][j] += Σ_t a[t·a_stride + i] · b[t][j].
///
/// @param a        `steps` rows, `a_stride` elements apart, of which `rows` elements each are read
/// @param b        a panel of `steps` rows
/// @param out      a panel of `rows` rows
inline void add_panel_product(const double* a, std::size_t a_stride, const double* b, std::size_t steps, double* out,
                              std::size_t rows) {
  const detail::PanelKernel kernel = detail::panel_kernel(level());
  for (std::size_t t = 0; t < steps; t += detail::panel_steps) {
    const std::size_t count = std::min(detail::panel_steps, steps - t);
    kernel(a + t * a_stride, a_stride, b + t * panel_width, count, out, rows);
  }
}

}  // namespace pefa::simd
