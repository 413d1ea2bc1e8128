// pefa: the inner loops: similarity of a float query with a row of float, double, half, bfloat16 or int8 codes.
//
// One loop a family of instructions; the element types differ only in how eight or sixteen of them become floats. The
// scalar loops are the reference that the tests hold the others to. int8 rows carry a scale: x = scale · code.
#pragma once

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "pefa/simd/cpu.hpp"

#if PEFA_X86_KERNELS
#include <immintrin.h>
#define PEFA_AVX2 __attribute__((target("avx2,fma,f16c")))
#define PEFA_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))
#endif

namespace pefa::simd {

/// kernel(query, row, dim, scale): both arrays have `dim` elements, any alignment; `scale` matters to int8 rows only.
template <class Scalar>
using Kernel = float (*)(const float* query, const Scalar* row, std::size_t dim, float scale);

/// What a kernel sums over the coordinates.
enum class Sum {
  product,            ///< q·x
  squared_difference  ///< (q − x)²
};

namespace detail {

template <class Scalar>
inline constexpr bool is_coded = std::is_same_v<Scalar, std::int8_t>;

/// The type a sum is held in: double for double rows, float for all others.
template <class Scalar>
using Accumulator = std::conditional_t<std::is_same_v<Scalar, double>, double, float>;

template <Sum sum, class Real>
[[nodiscard]] constexpr Real term(Real q, Real x) noexcept {
  if constexpr (sum == Sum::product) return q * x;
  return (q - x) * (q - x);
}

/// A product needs the scale once, at the end; a difference needs it on every coordinate.
template <Sum sum, class Scalar>
inline constexpr bool scales_each = is_coded<Scalar>&& sum == Sum::squared_difference;

template <Sum sum, class Scalar>
[[nodiscard]] constexpr float scaled(float total, float scale) noexcept {
  if constexpr (is_coded<Scalar> && sum == Sum::product) return total * scale;
  return total;
}

/// The sum over [begin, dim), not yet scaled: the whole scalar kernel, and the tail of the others.
template <Sum sum, class Scalar>
[[nodiscard]] inline Accumulator<Scalar> scalar_sum(const float* query, const Scalar* row, std::size_t begin,
                                                    std::size_t dim, float scale) noexcept {
  using Real = Accumulator<Scalar>;
  constexpr std::size_t lanes = 8;  // independent sums, so that the compiler may use what vectors it has
  Real totals[lanes] = {};
  std::size_t i = begin;
  const auto value = [&](std::size_t at) {
    const Real x = static_cast<Real>(row[at]);
    if constexpr (scales_each<sum, Scalar>) return x * static_cast<Real>(scale);
    return x;
  };
  for (; i + lanes <= dim; i += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      totals[lane] += term<sum>(static_cast<Real>(query[i + lane]), value(i + lane));
    }
  }
  for (; i < dim; ++i) totals[0] += term<sum>(static_cast<Real>(query[i]), value(i));
  return ((totals[0] + totals[1]) + (totals[2] + totals[3])) + ((totals[4] + totals[5]) + (totals[6] + totals[7]));
}

template <Sum sum, class Scalar>
[[nodiscard]] inline float scalar_kernel(const float* query, const Scalar* row, std::size_t dim, float scale) noexcept {
  return scaled<sum, Scalar>(static_cast<float>(scalar_sum<sum>(query, row, 0, dim, scale)), scale);
}

#if PEFA_X86_KERNELS

PEFA_AVX2 inline __m256 load8(const float* p) noexcept {
  return _mm256_loadu_ps(p);
}
PEFA_AVX2 inline __m256 load8(const Eigen::half* p) noexcept {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
PEFA_AVX2 inline __m256 load8(const Eigen::bfloat16* p) noexcept {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
PEFA_AVX2 inline __m256 load8(const std::int8_t* p) noexcept {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}

PEFA_AVX2 inline float add_lanes(__m256 v) noexcept {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  half = _mm_add_ss(half, _mm_movehdup_ps(half));
  return _mm_cvtss_f32(half);
}

template <Sum sum, bool scaled_row>
PEFA_AVX2 inline __m256 accumulate8(__m256 total, __m256 q, __m256 x, __m256 scale) noexcept {
  if constexpr (scaled_row) x = _mm256_mul_ps(x, scale);
  if constexpr (sum == Sum::product) return _mm256_fmadd_ps(q, x, total);
  const __m256 d = _mm256_sub_ps(q, x);
  return _mm256_fmadd_ps(d, d, total);
}

template <Sum sum, class Scalar>
PEFA_AVX2 inline float avx2_kernel(const float* query, const Scalar* row, std::size_t dim, float scale) noexcept {
  constexpr bool scaled_row = scales_each<sum, Scalar>;
  const __m256 s = _mm256_set1_ps(scale);
  __m256 a = _mm256_setzero_ps();
  __m256 b = a;
  __m256 c = a;
  __m256 d = a;
  std::size_t i = 0;
  for (; i + 32 <= dim; i += 32) {
    a = accumulate8<sum, scaled_row>(a, _mm256_loadu_ps(query + i), load8(row + i), s);
    b = accumulate8<sum, scaled_row>(b, _mm256_loadu_ps(query + i + 8), load8(row + i + 8), s);
    c = accumulate8<sum, scaled_row>(c, _mm256_loadu_ps(query + i + 16), load8(row + i + 16), s);
    d = accumulate8<sum, scaled_row>(d, _mm256_loadu_ps(query + i + 24), load8(row + i + 24), s);
  }
  for (; i + 8 <= dim; i += 8) a = accumulate8<sum, scaled_row>(a, _mm256_loadu_ps(query + i), load8(row + i), s);
  float result = add_lanes(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
  if (i < dim) result += scalar_sum<sum>(query, row, i, dim, scale);
  return scaled<sum, Scalar>(result, scale);
}

// GCC 12's own AVX-512 header starts results from an undefined register and then warns of it (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

PEFA_AVX512 inline __m512 load16(const float* p) noexcept {
  return _mm512_loadu_ps(p);
}
PEFA_AVX512 inline __m512 load16(const Eigen::half* p) noexcept {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
PEFA_AVX512 inline __m512 load16(const Eigen::bfloat16* p) noexcept {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
PEFA_AVX512 inline __m512 load16(const std::int8_t* p) noexcept {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}

template <Sum sum, bool scaled_row>
PEFA_AVX512 inline __m512 accumulate16(__m512 total, __m512 q, __m512 x, __m512 scale) noexcept {
  if constexpr (scaled_row) x = _mm512_mul_ps(x, scale);
  if constexpr (sum == Sum::product) return _mm512_fmadd_ps(q, x, total);
  const __m512 d = _mm512_sub_ps(q, x);
  return _mm512_fmadd_ps(d, d, total);
}

template <Sum sum, class Scalar>
PEFA_AVX512 inline float avx512_kernel(const float* query, const Scalar* row, std::size_t dim, float scale) noexcept {
  constexpr bool scaled_row = scales_each<sum, Scalar>;
  const __m512 s = _mm512_set1_ps(scale);
  __m512 a = _mm512_setzero_ps();
  __m512 b = a;
  __m512 c = a;
  __m512 d = a;
  std::size_t i = 0;
  for (; i + 64 <= dim; i += 64) {
    a = accumulate16<sum, scaled_row>(a, _mm512_loadu_ps(query + i), load16(row + i), s);
    b = accumulate16<sum, scaled_row>(b, _mm512_loadu_ps(query + i + 16), load16(row + i + 16), s);
    c = accumulate16<sum, scaled_row>(c, _mm512_loadu_ps(query + i + 32), load16(row + i + 32), s);
    d = accumulate16<sum, scaled_row>(d, _mm512_loadu_ps(query + i + 48), load16(row + i + 48), s);
  }
  for (; i + 16 <= dim; i += 16) a = accumulate16<sum, scaled_row>(a, _mm512_loadu_ps(query + i), load16(row + i), s);
  const __m512 total = _mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d));
  float result = _mm512_reduce_add_ps(total);
  if (i < dim) result += scalar_sum<sum>(query, row, i, dim, scale);
  return scaled<sum, Scalar>(result, scale);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif  // PEFA_X86_KERNELS

}  // namespace detail

/// The kernel of a family. Rows of double always use the scalar one, which sums in double.
template <Sum sum, class Scalar>
[[nodiscard]] Kernel<Scalar> kernel_of([[maybe_unused]] Level level) noexcept {
#if PEFA_X86_KERNELS
  if constexpr (!std::is_same_v<Scalar, double>) {
    if (level == Level::avx512) return &detail::avx512_kernel<sum, Scalar>;
    if (level == Level::avx2) return &detail::avx2_kernel<sum, Scalar>;
  }
#endif
  return &detail::scalar_kernel<sum, Scalar>;
}

/// The inner product ⟨q, x⟩ of the family in use.
template <class Scalar>
[[nodiscard]] Kernel<Scalar> dot_kernel() noexcept {
  return kernel_of<Sum::product, Scalar>(level());
}

/// The squared distance ‖q − x‖² of the family in use.
template <class Scalar>
[[nodiscard]] Kernel<Scalar> squared_l2_kernel() noexcept {
  return kernel_of<Sum::squared_difference, Scalar>(level());
}

}  // namespace pefa::simd
