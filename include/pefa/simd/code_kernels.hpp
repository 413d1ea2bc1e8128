// pefa: integer dot products of int8 codes: one pair, and one query against many rows of a table with prefetching.
//
// Codes are in [-127, 127], padded with zeros to a multiple of 64, so that no kernel has a tail. The result is exact,
// and the same for every family.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pefa/core/ids.hpp"
#include "pefa/simd/cpu.hpp"
#include "pefa/simd/kernels.hpp"

namespace pefa::simd {

/// Codes come in blocks of this many.
inline constexpr std::size_t code_block = 64;

/// The smallest multiple of code_block that holds `dim` codes.
[[nodiscard]] constexpr std::size_t padded_code_dim(std::size_t dim) noexcept {
  return (dim + code_block - 1) / code_block * code_block;
}

/// dot(a, b, n): Σ a_i · b_i; n a multiple of code_block, at most 2^17.
using CodeDot = std::int32_t (*)(const std::int8_t* a, const std::int8_t* b, std::size_t n);

/// The dot products of `query` with the rows `rows[0 … count)` of `table`, whose rows are n codes apart.
using CodeDotRows = void (*)(const std::int8_t* query, const std::int8_t* table, std::size_t n, const Row* rows,
                             std::size_t count, std::int32_t* dots);

namespace detail {

/// How many rows ahead of the one at work are fetched: enough to hide a miss, few enough for the fill buffers.
inline constexpr std::size_t prefetch_rows = 3;

inline void prefetch_row(const std::int8_t* row, std::size_t n) noexcept {
  for (std::size_t line = 0; line < n; line += 64) __builtin_prefetch(row + line);
}

[[nodiscard]] inline std::int32_t scalar_code_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<std::int32_t>(a[i]) * static_cast<std::int32_t>(b[i]);
  return sum;
}

// The loop over rows is the same for every family; as a macro it is compiled for each family's instructions, so that
// the kernel is inlined into it.
#define PEFA_CODE_DOT_ROWS(target, name, kernel)                                                              \
  target inline void name(const std::int8_t* query, const std::int8_t* table, std::size_t n, const Row* rows, \
                          std::size_t count, std::int32_t* dots) noexcept {                                   \
    for (std::size_t i = 0; i < count && i < prefetch_rows; ++i) prefetch_row(table + rows[i] * n, n);        \
    for (std::size_t i = 0; i < count; ++i) {                                                                 \
      if (i + prefetch_rows < count) prefetch_row(table + rows[i + prefetch_rows] * n, n);                    \
      dots[i] = kernel(query, table + rows[i] * n, n);                                                        \
    }                                                                                                         \
  }

PEFA_CODE_DOT_ROWS(, scalar_code_dot_rows, scalar_code_dot)

#if PEFA_X86_KERNELS

PEFA_AVX2 inline std::int32_t add_lanes(__m256i v) noexcept {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
  return _mm_cvtsi128_si32(half);
}

/// 32 products, added in fours: |a| · (b with a's sign) never saturates, as 2 · 127 · 127 < 2^15.
PEFA_AVX2 inline __m256i multiply_codes(const std::int8_t* a, const std::int8_t* b) noexcept {
  const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a));
  const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(y, x));
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

PEFA_AVX2 inline std::int32_t avx2_code_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  __m256i even = _mm256_setzero_si256();
  __m256i odd = even;
  for (std::size_t i = 0; i < n; i += code_block) {
    even = _mm256_add_epi32(even, multiply_codes(a + i, b + i));
    odd = _mm256_add_epi32(odd, multiply_codes(a + i + 32, b + i + 32));
  }
  return add_lanes(_mm256_add_epi32(even, odd));
}

PEFA_CODE_DOT_ROWS(PEFA_AVX2, avx2_code_dot_rows, avx2_code_dot)

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push  // as in kernels.hpp
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define PEFA_AVX512_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")))

PEFA_AVX512 inline std::int32_t avx512_code_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i < n; i += 32) {
    const __m512i x = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i)));
    const __m512i y = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i)));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(x, y));
  }
  return _mm512_reduce_add_epi32(sum);
}

PEFA_CODE_DOT_ROWS(PEFA_AVX512, avx512_code_dot_rows, avx512_code_dot)

/// VNNI multiplies unsigned by signed: (a + 128) · b − 128 · b, both sums at once.
PEFA_AVX512_VNNI inline std::int32_t vnni_code_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i shifted = _mm512_setzero_si512();
  __m512i excess = shifted;
  for (std::size_t i = 0; i < n; i += code_block) {
    const __m512i x = _mm512_loadu_si512(a + i);
    const __m512i y = _mm512_loadu_si512(b + i);
    shifted = _mm512_dpbusd_epi32(shifted, _mm512_xor_si512(x, offset), y);
    excess = _mm512_dpbusd_epi32(excess, offset, y);
  }
  return _mm512_reduce_add_epi32(_mm512_sub_epi32(shifted, excess));
}

PEFA_CODE_DOT_ROWS(PEFA_AVX512_VNNI, vnni_code_dot_rows, vnni_code_dot)

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif  // PEFA_X86_KERNELS
#undef PEFA_CODE_DOT_ROWS

}  // namespace detail

/// Both kernels of one family.
struct CodeKernels {
  CodeDot dot;
  CodeDotRows dot_rows;
};

/// The code kernels of a family; @param vnni  whether avx512 may use VNNI, as has_vnni() tells
[[nodiscard]] inline CodeKernels code_kernels_of([[maybe_unused]] Level level, [[maybe_unused]] bool vnni) noexcept {
#if PEFA_X86_KERNELS
  if (level == Level::avx512 && vnni) return {&detail::vnni_code_dot, &detail::vnni_code_dot_rows};
  if (level == Level::avx512) return {&detail::avx512_code_dot, &detail::avx512_code_dot_rows};
  if (level == Level::avx2) return {&detail::avx2_code_dot, &detail::avx2_code_dot_rows};
#endif
  return {&detail::scalar_code_dot, &detail::scalar_code_dot_rows};
}

/// The code kernels of the family in use.
[[nodiscard]] inline CodeKernels code_kernels() noexcept {
  return code_kernels_of(level(), has_vnni());
}

}  // namespace pefa::simd
