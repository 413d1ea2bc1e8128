// pefa: products of a block of queries with many rows, in panels of floats: what scoring everything against everything
// spends its time on.
//
// A panel holds 48 rows, one element of all of them after the other, so that the innermost loop reads memory in order.
// An element of a product is one chain of multiply-adds over the dimensions, however many queries and rows there are.
#pragma once

#include <algorithm>
#include <cstddef>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/simd/cpu.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/simd/x86.hpp"

namespace pefa::simd {

/// Rows of a score panel, which one pass of the kernels takes.
inline constexpr std::size_t score_panel_width = 48;

namespace detail {

/// out[i·out_stride + j] (+)= Σ_t a[t·a_stride + i] · b[t][j] for i < rows and t < steps, over the 48 rows of b. It
/// adds where `first` is false.
using ScoreKernel = void (*)(const float* a, std::size_t a_stride, const float* b, std::size_t steps, float* out,
                             std::size_t out_stride, std::size_t rows, bool first);

inline void scalar_score_panel(const float* a, std::size_t a_stride, const float* b, std::size_t steps, float* out,
                               std::size_t out_stride, std::size_t rows, bool first) {
  for (std::size_t i = 0; i < rows; ++i) {
    float* o = out + i * out_stride;
    if (first) std::fill_n(o, score_panel_width, 0.0f);
    for (std::size_t t = 0; t < steps; ++t) {
      const float x = a[t * a_stride + i];
      const float* y = b + t * score_panel_width;
      for (std::size_t j = 0; j < score_panel_width; ++j) o[j] += x * y[j];
    }
  }
}

#if PEFA_X86_KERNELS
template <std::size_t n>
[[gnu::always_inline]] PEFA_AVX2 inline void avx2_score_rows(const float* a, std::size_t a_stride, const float* b,
                                                             std::size_t steps, float* out, std::size_t out_stride,
                                                             bool first) noexcept {
  __m256 sum[n][3];
  for (std::size_t half = 0; half < score_panel_width; half += 24) {
    PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
      PEFA_UNROLL for (std::size_t v = 0; v < 3; ++v) {
        sum[i][v] = first ? _mm256_setzero_ps() : _mm256_loadu_ps(out + i * out_stride + half + 8 * v);
      }
    }
    for (std::size_t t = 0; t < steps; ++t) {
      const float* y = b + t * score_panel_width + half;
      const __m256 y0 = _mm256_loadu_ps(y);
      const __m256 y1 = _mm256_loadu_ps(y + 8);
      const __m256 y2 = _mm256_loadu_ps(y + 16);
      PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
        const __m256 x = _mm256_set1_ps(a[t * a_stride + i]);
        sum[i][0] = _mm256_fmadd_ps(x, y0, sum[i][0]);
        sum[i][1] = _mm256_fmadd_ps(x, y1, sum[i][1]);
        sum[i][2] = _mm256_fmadd_ps(x, y2, sum[i][2]);
      }
    }
    PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
      PEFA_UNROLL for (std::size_t v = 0; v < 3; ++v) {
        _mm256_storeu_ps(out + i * out_stride + half + 8 * v, sum[i][v]);
      }
    }
  }
}

PEFA_AVX2 inline void avx2_score_panel(const float* a, std::size_t a_stride, const float* b, std::size_t steps,
                                       float* out, std::size_t out_stride, std::size_t rows, bool first) {
  std::size_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    avx2_score_rows<4>(a + i, a_stride, b, steps, out + i * out_stride, out_stride, first);
  }
  for (; i < rows; ++i) avx2_score_rows<1>(a + i, a_stride, b, steps, out + i * out_stride, out_stride, first);
}

PEFA_AVX512_BEGIN

template <std::size_t n>
[[gnu::always_inline]] PEFA_AVX512 inline void avx512_score_rows(const float* a, std::size_t a_stride, const float* b,
                                                                 std::size_t steps, float* out, std::size_t out_stride,
                                                                 bool first) noexcept {
  __m512 sum[n][3];
  PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
    PEFA_UNROLL for (std::size_t v = 0; v < 3; ++v) {
      sum[i][v] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(out + i * out_stride + 16 * v);
    }
  }
  for (std::size_t t = 0; t < steps; ++t) {
    const float* y = b + t * score_panel_width;
    const __m512 y0 = _mm512_loadu_ps(y);
    const __m512 y1 = _mm512_loadu_ps(y + 16);
    const __m512 y2 = _mm512_loadu_ps(y + 32);
    PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
      const __m512 x = _mm512_set1_ps(a[t * a_stride + i]);
      sum[i][0] = _mm512_fmadd_ps(x, y0, sum[i][0]);
      sum[i][1] = _mm512_fmadd_ps(x, y1, sum[i][1]);
      sum[i][2] = _mm512_fmadd_ps(x, y2, sum[i][2]);
    }
  }
  PEFA_UNROLL for (std::size_t i = 0; i < n; ++i) {
    PEFA_UNROLL for (std::size_t v = 0; v < 3; ++v) _mm512_storeu_ps(out + i * out_stride + 16 * v, sum[i][v]);
  }
}

PEFA_AVX512 inline void avx512_score_panel(const float* a, std::size_t a_stride, const float* b, std::size_t steps,
                                           float* out, std::size_t out_stride, std::size_t rows, bool first) {
  std::size_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    avx512_score_rows<8>(a + i, a_stride, b, steps, out + i * out_stride, out_stride, first);
  }
  for (; i < rows; ++i) avx512_score_rows<1>(a + i, a_stride, b, steps, out + i * out_stride, out_stride, first);
}

PEFA_AVX512_END
#endif

[[nodiscard]] inline ScoreKernel score_kernel([[maybe_unused]] Level level) noexcept {
#if PEFA_X86_KERNELS
  if (level == Level::avx512) return &avx512_score_panel;
  if (level == Level::avx2) return &avx2_score_panel;
#endif
  return &scalar_score_panel;
}

/// So many elements of a panel stay in the nearest cache (24 KB).
inline constexpr std::size_t score_steps = 128;

/// Rows that are transposed at a time: a line of floats each.
inline constexpr std::size_t transposed_rows = 16;

/// out[d·stride + i] = rows[i·dim + d] for i < n.
inline void transpose(const float* rows, std::size_t n, std::size_t dim, float* out, std::size_t stride) {
  for (std::size_t first = 0; first < n; first += transposed_rows) {
    const std::size_t end = std::min(n, first + transposed_rows);
    for (std::size_t d = 0; d < dim; ++d) {
      for (std::size_t i = first; i < end; ++i) out[d * stride + i] = rows[i * dim + d];
    }
  }
}

}  // namespace detail

/// A block of queries, to be multiplied with one tile of rows after another. Not for concurrent use.
class QueryBlock {
 public:
  /// @param queries  [n_queries x dim], row-major; copied
  QueryBlock(const float* queries, std::size_t n_queries, std::size_t dim)
      : n_queries_(n_queries),
        dim_(dim),
        rows_(queries, queries + n_queries * dim),
        queries_(n_queries * dim),
        panel_(score_panel_width * dim) {
    detail::transpose(queries, n_queries, dim, queries_.data(), n_queries);
  }

  /// How many queries.
  [[nodiscard]] std::size_t size() const noexcept { return n_queries_; }

  /// scores[q·n + i] = ⟨query q, row i⟩. What is not finite is what dot_kernel() has: a chain of multiply-adds may end
  /// at an infinity where separate products would be NaN. @param rows  [n x dim], row-major
  void multiply(const float* rows, std::size_t n, float* scores) {
    for (std::size_t first = 0; first < n; first += score_panel_width) {
      const std::size_t width = std::min(score_panel_width, n - first);
      if (width < score_panel_width) std::fill(panel_.begin(), panel_.end(), 0.0f);
      detail::transpose(rows + first * dim_, width, dim_, panel_.data(), score_panel_width);
      if (width == score_panel_width) {
        multiply_panel(scores + first, n);
        continue;
      }
      last_.resize(n_queries_ * score_panel_width);
      multiply_panel(last_.data(), score_panel_width);
      for (std::size_t q = 0; q < n_queries_; ++q) {
        std::copy_n(last_.data() + q * score_panel_width, width, scores + q * n + first);
      }
    }
    if (pefa::detail::all_finite({scores, n_queries_ * n})) return;
    for (std::size_t i = 0; i < n_queries_ * n; ++i) {
      if (pefa::detail::is_finite(scores[i])) continue;
      scores[i] = dot_kernel<float>()(rows_.data() + i / n * dim_, rows + i % n * dim_, dim_, 1.0f);
    }
  }

 private:
  void multiply_panel(float* out, std::size_t stride) const {
    const detail::ScoreKernel kernel = detail::score_kernel(level());
    for (std::size_t t = 0; t < dim_; t += detail::score_steps) {
      const std::size_t steps = std::min(detail::score_steps, dim_ - t);
      kernel(queries_.data() + t * n_queries_, n_queries_, panel_.data() + t * score_panel_width, steps, out, stride,
             n_queries_, t == 0);
    }
  }

  std::size_t n_queries_;
  std::size_t dim_;
  pefa::detail::AlignedVector<float> rows_;     // [n_queries x dim]
  pefa::detail::AlignedVector<float> queries_;  // [dim x n_queries]
  pefa::detail::AlignedVector<float> panel_;    // [dim x 48]
  pefa::detail::AlignedVector<float> last_;     // of a panel that is not full
};

}  // namespace pefa::simd
