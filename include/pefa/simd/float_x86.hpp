// pefa: sums of floats on x86: one `a` against one row, or against several at once. int8 rows carry a scale a row.
//
// A row's sum is the same to the bit however many rows are at work: each keeps four partial sums of its own, added up
// in one order.
#pragma once

#include "pefa/simd/x86.hpp"

#if PEFA_X86_KERNELS
#include <cstddef>

#include "pefa/simd/rows.hpp"
#include "pefa/simd/scalar_kernels.hpp"

namespace pefa::simd::detail {

template <Sum sum, bool scaled_row>
PEFA_AVX2 inline __m256 accumulate8(__m256 total, __m256 a, __m256 b, __m256 scale) noexcept {
  if constexpr (sum == Sum::product) return _mm256_fmadd_ps(a, b, total);
  const __m256 d = scaled_row ? _mm256_fnmadd_ps(b, scale, a) : _mm256_sub_ps(a, b);
  return _mm256_fmadd_ps(d, d, total);
}

template <Sum sum, std::size_t n, class A, class B>
[[gnu::always_inline]] PEFA_AVX2 inline void avx2_sums(const A* a, const RowGroup<B, n>& group, std::size_t dim,
                                                       const float* scales, float* out) noexcept {
  constexpr std::size_t step = 32;
  constexpr bool each = scales_each<sum, B>;
  const RowGroup<B, n> g = group;
  __m256 s[n];
  __m256 total[n][4];
  PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
    s[k] = _mm256_set1_ps(scales[k]);
    PEFA_UNROLL for (std::size_t j = 0; j < 4; ++j) total[k][j] = _mm256_setzero_ps();
  }
  std::size_t i = 0;
  for (; i + step <= dim; i += step) {
    if constexpr (n > 1) {
      PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) fetch(g.next[k] + i, step * sizeof(B));
    }
    PEFA_UNROLL for (std::size_t j = 0; j < 4; ++j) {
      const __m256 x = load8(a + i + 8 * j);
      PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
        total[k][j] = accumulate8<sum, each>(total[k][j], x, load8(g.row[k] + i + 8 * j), s[k]);
      }
    }
  }
  for (; i + 8 <= dim; i += 8) {
    const __m256 x = load8(a + i);
    PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
      if constexpr (n > 1) fetch(g.next[k] + i, 1);
      total[k][0] = accumulate8<sum, each>(total[k][0], x, load8(g.row[k] + i), s[k]);
    }
  }
  PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
    const __m256 low = _mm256_add_ps(total[k][0], total[k][1]);
    out[k] = add_lanes(_mm256_add_ps(low, _mm256_add_ps(total[k][2], total[k][3])));
  }
  PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
    if (i < dim) {
      if constexpr (n > 1) fetch(g.next[k] + i, 1);
      out[k] += scalar_sum<sum>(a + i, g.row[k] + i, dim - i, scales[k]);
    }
    out[k] = scaled<sum, B>(out[k], scales[k]);
  }
}

template <Sum sum, class A, class B>
PEFA_AVX2 inline float avx2_sum(const A* a, const B* b, std::size_t dim, float scale) noexcept {
  float out;
  avx2_sums<sum, 1>(a, RowGroup<B, 1>(b), dim, &scale, &out);
  return out;
}

template <Sum sum, class Scalar>
PEFA_AVX2 inline void avx2_group(const float* query, const RowGroup<Scalar, group_rows>& group, std::size_t dim,
                                 const float* scales, float* out) noexcept {
  avx2_sums<sum, group_rows>(query, group, dim, scales, out);
}

PEFA_AVX512_BEGIN

template <Sum sum, bool scaled_row>
PEFA_AVX512 inline __m512 accumulate16(__m512 total, __m512 a, __m512 b, __m512 scale) noexcept {
  if constexpr (sum == Sum::product) return _mm512_fmadd_ps(a, b, total);
  const __m512 d = scaled_row ? _mm512_fnmadd_ps(b, scale, a) : _mm512_sub_ps(a, b);
  return _mm512_fmadd_ps(d, d, total);
}

template <Sum sum, std::size_t n, class A, class B>
[[gnu::always_inline]] PEFA_AVX512 inline void avx512_sums(const A* a, const RowGroup<B, n>& group, std::size_t dim,
                                                           const float* scales, float* out) noexcept {
  constexpr std::size_t step = 64;
  constexpr bool each = scales_each<sum, B>;
  const RowGroup<B, n> g = group;
  __m512 s[n];
  __m512 total[n][4];
  PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
    s[k] = _mm512_set1_ps(scales[k]);
    PEFA_UNROLL for (std::size_t j = 0; j < 4; ++j) total[k][j] = _mm512_setzero_ps();
  }
  std::size_t i = 0;
  for (; i + step <= dim; i += step) {
    if constexpr (n > 1) {
      PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) fetch(g.next[k] + i, step * sizeof(B));
    }
    PEFA_UNROLL for (std::size_t j = 0; j < 4; ++j) {
      const __m512 x = load16(a + i + 16 * j);
      PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
        total[k][j] = accumulate16<sum, each>(total[k][j], x, load16(g.row[k] + i + 16 * j), s[k]);
      }
    }
  }
  for (; i + 16 <= dim; i += 16) {
    const __m512 x = load16(a + i);
    PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
      if constexpr (n > 1) fetch(g.next[k] + i, 1);
      total[k][0] = accumulate16<sum, each>(total[k][0], x, load16(g.row[k] + i), s[k]);
    }
  }
  if (i < dim) {
    const auto mask = first_lanes<__mmask16>(dim - i);
    const __m512 x = load16(a + i, mask);
    PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
      if constexpr (n > 1) fetch(g.next[k] + i, 1);
      total[k][0] = accumulate16<sum, each>(total[k][0], x, load16(g.row[k] + i, mask), s[k]);
    }
  }
  PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
    const __m512 low = _mm512_add_ps(total[k][0], total[k][1]);
    const __m512 all = _mm512_add_ps(low, _mm512_add_ps(total[k][2], total[k][3]));
    out[k] = scaled<sum, B>(_mm512_reduce_add_ps(all), scales[k]);
  }
}

template <Sum sum, class A, class B>
PEFA_AVX512 inline float avx512_sum(const A* a, const B* b, std::size_t dim, float scale) noexcept {
  float out;
  avx512_sums<sum, 1>(a, RowGroup<B, 1>(b), dim, &scale, &out);
  return out;
}

template <Sum sum, class Scalar>
PEFA_AVX512 inline void avx512_group(const float* query, const RowGroup<Scalar, group_rows>& group, std::size_t dim,
                                     const float* scales, float* out) noexcept {
  avx512_sums<sum, group_rows>(query, group, dim, scales, out);
}

PEFA_AVX512_END

}  // namespace pefa::simd::detail

#endif  // PEFA_X86_KERNELS
