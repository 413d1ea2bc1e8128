// pefa: what the x86 kernels share: the instructions they are compiled for, and how eight or sixteen elements of each
// type become floats.
#pragma once

#include "pefa/simd/cpu.hpp"

#if PEFA_X86_KERNELS
#include <immintrin.h>

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>

#define PEFA_AVX2 __attribute__((target("avx2,fma,f16c")))
#define PEFA_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))
#define PEFA_AVX512_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")))

// A loop over an array of vectors, which then stay in registers.
#if defined(__clang__)
#define PEFA_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PEFA_UNROLL _Pragma("GCC unroll 16")
#endif

// GCC 12's own AVX-512 header starts results from an undefined register and then warns of it (GCC bug 105593).
#if defined(__clang__)
#define PEFA_AVX512_BEGIN
#define PEFA_AVX512_END
#else
#define PEFA_AVX512_BEGIN                                                              \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wuninitialized\"") \
      _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"")
#define PEFA_AVX512_END _Pragma("GCC diagnostic pop")
#endif

namespace pefa::simd::detail {

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

PEFA_AVX512_BEGIN

/// The first `count` lanes, from 1 to as many as a vector has.
template <class Mask>
[[nodiscard]] constexpr Mask first_lanes(std::size_t count) noexcept {
  return static_cast<Mask>(~std::uint64_t{0} >> (64 - count));
}

// The lanes outside `mask` are zero, and their memory is not read.
PEFA_AVX512 inline __m512 load16(const float* p, __mmask16 mask) noexcept {
  return _mm512_maskz_loadu_ps(mask, p);
}
PEFA_AVX512 inline __m512 load16(const Eigen::half* p, __mmask16 mask) noexcept {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p));
}
PEFA_AVX512 inline __m512 load16(const Eigen::bfloat16* p, __mmask16 mask) noexcept {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p)), 16));
}
PEFA_AVX512 inline __m512 load16(const std::int8_t* p, __mmask16 mask) noexcept {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, p)));
}

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

PEFA_AVX512_END

}  // namespace pefa::simd::detail

#endif  // PEFA_X86_KERNELS
