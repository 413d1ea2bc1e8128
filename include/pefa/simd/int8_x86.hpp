// pefa: integer dot products of int8 codes on x86, exact: of pairs, and of one query with the rows of a table.
#pragma once

#include "pefa/simd/x86.hpp"

#if PEFA_X86_KERNELS
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "pefa/core/ids.hpp"
#include "pefa/simd/rows.hpp"

namespace pefa::simd::detail {

using CodeGroup = RowGroup<std::int8_t, group_rows>;

PEFA_AVX2 inline std::int32_t add_lanes(__m256i v) noexcept {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
  return _mm_cvtsi128_si32(half);
}

/// The sums of the lanes of four vectors, in order.
PEFA_AVX2 inline __m128i add_lanes(__m256i a, __m256i b, __m256i c, __m256i d) noexcept {
  const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

PEFA_AVX2 inline __m256i load32(const std::int8_t* p) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

/// 32 products of codes, added in fours: |a| · (b with a's sign). With codes in [-127, 127] two products stay below
/// 2^15, where maddubs would saturate, and −b is an int8.
PEFA_AVX2 inline __m256i multiply_codes(__m256i a, __m256i absolute_a, __m256i b) noexcept {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(absolute_a, _mm256_sign_epi8(b, a)), _mm256_set1_epi16(1));
}

PEFA_AVX2 inline std::int32_t avx2_code_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  __m256i even = _mm256_setzero_si256();
  __m256i odd = even;
  for (std::size_t i = 0; i < n; i += 64) {
    const __m256i x = load32(a + i);
    const __m256i y = load32(a + i + 32);
    even = _mm256_add_epi32(even, multiply_codes(x, _mm256_abs_epi8(x), load32(b + i)));
    odd = _mm256_add_epi32(odd, multiply_codes(y, _mm256_abs_epi8(y), load32(b + i + 32)));
  }
  return add_lanes(_mm256_add_epi32(even, odd));
}

PEFA_AVX2 inline void avx2_code_dot_rows(const std::int8_t* query, const std::int8_t* table, std::size_t n,
                                         const Row* rows, std::size_t count, std::int32_t* dots) noexcept {
  fetch_rows(table, n, n, rows, std::min(group_rows, count));
  std::size_t i = 0;
  for (; i + group_rows <= count; i += group_rows) {
    const CodeGroup g(table, n, rows, i, count);
    __m256i total[group_rows];
    PEFA_UNROLL for (std::size_t k = 0; k < group_rows; ++k) total[k] = _mm256_setzero_si256();
    for (std::size_t at = 0; at < n; at += 64) {
      PEFA_UNROLL for (std::size_t k = 0; k < group_rows; ++k) fetch(g.next[k] + at, 1);
      PEFA_UNROLL for (std::size_t half = 0; half < 64; half += 32) {
        const __m256i x = load32(query + at + half);
        const __m256i absolute = _mm256_abs_epi8(x);
        PEFA_UNROLL for (std::size_t k = 0; k < group_rows; ++k) {
          total[k] = _mm256_add_epi32(total[k], multiply_codes(x, absolute, load32(g.row[k] + at + half)));
        }
      }
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dots + i), add_lanes(total[0], total[1], total[2], total[3]));
  }
  for (; i < count; ++i) dots[i] = avx2_code_dot(query, table + rows[i] * n, n);
}

PEFA_AVX512_BEGIN

/// The sums of the lanes of four vectors, in order.
PEFA_AVX512 inline __m128i add_lanes(__m512i a, __m512i b, __m512i c, __m512i d) noexcept {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i sums = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/// Any length and any int8.
PEFA_AVX512 inline std::int32_t avx512_int8_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  __m512i sum = _mm512_setzero_si512();
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m512i x = _mm512_cvtepi8_epi16(load32(a + i));
    const __m512i y = _mm512_cvtepi8_epi16(load32(b + i));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(x, y));
  }
  if (i < n) {
    const auto mask = first_lanes<__mmask32>(n - i);
    const __m512i x = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, a + i));
    const __m512i y = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, b + i));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(x, y));
  }
  return _mm512_reduce_add_epi32(sum);
}

/// As with AVX2: |query| times the row with the query's signs.
PEFA_AVX512 inline void avx512_code_dot_rows(const std::int8_t* query, const std::int8_t* table, std::size_t n,
                                             const Row* rows, std::size_t count, std::int32_t* dots) noexcept {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i ones = _mm512_set1_epi16(1);
  fetch_rows(table, n, n, rows, std::min(group_rows, count));
  std::size_t i = 0;
  for (; i + group_rows <= count; i += group_rows) {
    const CodeGroup g(table, n, rows, i, count);
    __m512i total[group_rows];
    PEFA_UNROLL for (std::size_t k = 0; k < group_rows; ++k) total[k] = zero;
    for (std::size_t at = 0; at < n; at += 64) {
      const __m512i x = _mm512_loadu_si512(query + at);
      const __m512i absolute = _mm512_abs_epi8(x);
      const __mmask64 negative = _mm512_movepi8_mask(x);
      PEFA_UNROLL for (std::size_t k = 0; k < group_rows; ++k) {
        fetch(g.next[k] + at, 1);
        const __m512i y = _mm512_loadu_si512(g.row[k] + at);
        const __m512i pairs = _mm512_maddubs_epi16(absolute, _mm512_mask_sub_epi8(y, negative, zero, y));
        total[k] = _mm512_add_epi32(total[k], _mm512_madd_epi16(pairs, ones));
      }
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dots + i), add_lanes(total[0], total[1], total[2], total[3]));
  }
  for (; i < count; ++i) dots[i] = avx512_int8_dot(query, table + rows[i] * n, n);
}

/// Any length and any int8. VNNI multiplies unsigned by signed: (a + 128) · b − 128 · b, both sums at once.
PEFA_AVX512_VNNI inline std::int32_t vnni_int8_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i shifted = _mm512_setzero_si512();
  __m512i excess = shifted;
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    const __m512i x = _mm512_loadu_si512(a + i);
    const __m512i y = _mm512_loadu_si512(b + i);
    shifted = _mm512_dpbusd_epi32(shifted, _mm512_xor_si512(x, offset), y);
    excess = _mm512_dpbusd_epi32(excess, offset, y);
  }
  if (i < n) {
    const auto mask = first_lanes<__mmask64>(n - i);
    const __m512i x = _mm512_maskz_loadu_epi8(mask, a + i);
    const __m512i y = _mm512_maskz_loadu_epi8(mask, b + i);
    shifted = _mm512_dpbusd_epi32(shifted, _mm512_xor_si512(x, offset), y);
    excess = _mm512_dpbusd_epi32(excess, offset, y);
  }
  return _mm512_reduce_add_epi32(_mm512_sub_epi32(shifted, excess));
}

/// (row + 128) · query − 128 · query: what is subtracted is the same for every row, and is where the sums start.
PEFA_AVX512_VNNI inline void vnni_code_dot_rows(const std::int8_t* query, const std::int8_t* table, std::size_t n,
                                                const Row* rows, std::size_t count, std::int32_t* dots) noexcept {
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(0x80));
  fetch_rows(table, n, n, rows, std::min(group_rows, count));
  __m512i excess = _mm512_setzero_si512();
  for (std::size_t at = 0; at < n; at += 64) {
    excess = _mm512_dpbusd_epi32(excess, offset, _mm512_loadu_si512(query + at));
  }
  const __m512i start = _mm512_sub_epi32(_mm512_setzero_si512(), excess);
  std::size_t i = 0;
  for (; i + group_rows <= count; i += group_rows) {
    const CodeGroup g(table, n, rows, i, count);
    __m512i total[group_rows];
    PEFA_UNROLL for (std::size_t k = 0; k < group_rows; ++k) total[k] = start;
    for (std::size_t at = 0; at < n; at += 64) {
      const __m512i x = _mm512_loadu_si512(query + at);
      PEFA_UNROLL for (std::size_t k = 0; k < group_rows; ++k) {
        fetch(g.next[k] + at, 1);
        const __m512i y = _mm512_loadu_si512(g.row[k] + at);
        total[k] = _mm512_dpbusd_epi32(total[k], _mm512_xor_si512(y, offset), x);
      }
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dots + i), add_lanes(total[0], total[1], total[2], total[3]));
  }
  for (; i < count; ++i) dots[i] = vnni_int8_dot(query, table + rows[i] * n, n);
}

PEFA_AVX512_END

}  // namespace pefa::simd::detail

#endif  // PEFA_X86_KERNELS
