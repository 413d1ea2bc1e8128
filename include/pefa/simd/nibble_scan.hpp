// pefa: sums of table entries by 4-bit codes, 32 rows at a time: the tables stay in registers, where a byte shuffle
// looks up 16 entries and more at once (André, Kermarrec & Le Scouarnec, VLDB 2015).
//
// All arithmetic is on integers that cannot wrap, so that every family gives the same sums.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "pefa/simd/cpu.hpp"
#include "pefa/simd/neon.hpp"
#include "pefa/simd/x86.hpp"

namespace pefa::simd {

/// Rows of a block of codes.
inline constexpr std::size_t nibble_rows = 32;
/// What a code may be.
inline constexpr std::size_t nibble_values = 16;
/// The largest entry of a table: four of them are added in a byte.
inline constexpr std::size_t largest_entry = 63;
/// So many codes a row at most: the sum of their entries is below 2^16.
inline constexpr std::size_t most_nibbles = 1024;

/// Codes come in quads, four of each row: 64 bytes a quad of a block. Byte i of the first half is row i's codes 0 (the
/// low bits) and 1, byte i of the second half its codes 2 and 3.
inline constexpr std::size_t quad_codes = 4;
/// Bytes of a quad of a block.
inline constexpr std::size_t quad_bytes = 64;
/// The tables of a quad, each twice: 0, 0, 2, 2, then 1, 1, 3, 3.
inline constexpr std::size_t quad_table_bytes = 2 * quad_codes * nibble_values;

/// Where row `row` of a block has code `code`: the byte, from the block's first.
[[nodiscard]] constexpr std::size_t nibble_byte(std::size_t row, std::size_t code) noexcept {
  return code / 2 * nibble_rows + row;
}

/// Where the first copy of a code's table starts; the second follows it.
[[nodiscard]] constexpr std::size_t table_start(std::size_t code) noexcept {
  const std::size_t in_quad = code % quad_codes;
  return code / quad_codes * quad_table_bytes + in_quad % 2 * 64 + in_quad / 2 * 32;
}

/// sums[32·b + i] = Σ over the codes of row i of block b of their table's entry.
/// above[b] has bit i where that sum is at least `floor`.
///
/// @param codes   `blocks` blocks of quads · 64 bytes
/// @param tables  quads · 128 bytes, none above largest_entry
using NibbleScan = void (*)(const std::uint8_t* codes, const std::uint8_t* tables, std::size_t quads,
                            std::size_t blocks, std::uint16_t floor, std::uint16_t* sums, std::uint32_t* above);

namespace detail {

inline void scalar_nibble_scan(const std::uint8_t* codes, const std::uint8_t* tables, std::size_t quads,
                               std::size_t blocks, std::uint16_t floor, std::uint16_t* sums, std::uint32_t* above) {
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::uint8_t* block = codes + b * quads * quad_bytes;
    std::uint16_t* out = sums + b * nibble_rows;
    std::fill_n(out, nibble_rows, std::uint16_t{0});
    for (std::size_t pair = 0; pair < 2 * quads; ++pair) {
      const std::uint8_t* even = tables + table_start(2 * pair);
      const std::uint8_t* odd = tables + table_start(2 * pair + 1);
      for (std::size_t i = 0; i < nibble_rows; ++i) {
        const unsigned byte = block[pair * nibble_rows + i];
        out[i] = static_cast<std::uint16_t>(out[i] + even[byte & 15U] + odd[byte >> 4U]);
      }
    }
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < nibble_rows; ++i) bits |= std::uint32_t{out[i] >= floor ? 1U : 0U} << i;
    above[b] = bits;
  }
}

#if PEFA_X86_KERNELS

/// Two lookups a byte of a half quad. @param tables  those of the low bits; those of the high ones are 64 bytes on
PEFA_AVX2 inline __m256i look_up(const std::uint8_t* codes, const std::uint8_t* tables) noexcept {
  const __m256i low = _mm256_set1_epi8(15);
  const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  const __m256i even = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tables));
  const __m256i odd = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tables + 64));
  return _mm256_add_epi8(_mm256_shuffle_epi8(even, _mm256_and_si256(both, low)),
                         _mm256_shuffle_epi8(odd, _mm256_and_si256(_mm256_srli_epi16(both, 4), low)));
}

PEFA_AVX2 inline void avx2_nibble_scan(const std::uint8_t* codes, const std::uint8_t* tables, std::size_t quads,
                                       std::size_t blocks, std::uint16_t floor, std::uint16_t* sums,
                                       std::uint32_t* above) {
  const __m256i least = _mm256_set1_epi16(static_cast<short>(floor));
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::uint8_t* block = codes + b * quads * quad_bytes;
    __m256i all = _mm256_setzero_si256();   // of 16 bits: rows 0, 2, … with 256 times rows 1, 3, … on top
    __m256i odds = _mm256_setzero_si256();  // rows 1, 3, … alone
    for (std::size_t q = 0; q < quads; ++q) {
      const __m256i four = _mm256_add_epi8(look_up(block + q * quad_bytes, tables + q * quad_table_bytes),
                                           look_up(block + q * quad_bytes + 32, tables + q * quad_table_bytes + 32));
      all = _mm256_add_epi16(all, four);
      odds = _mm256_add_epi16(odds, _mm256_srli_epi16(four, 8));
    }
    const __m256i evens = _mm256_sub_epi16(all, _mm256_slli_epi16(odds, 8));
    const __m256i low = _mm256_unpacklo_epi16(evens, odds);   // rows 0 … 7 and 16 … 23
    const __m256i high = _mm256_unpackhi_epi16(evens, odds);  // rows 8 … 15 and 24 … 31
    const __m256i first = _mm256_permute2x128_si256(low, high, 0x20);
    const __m256i second = _mm256_permute2x128_si256(low, high, 0x31);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + b * nibble_rows), first);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + b * nibble_rows + 16), second);
    const __m256i packed = _mm256_packs_epi16(_mm256_cmpeq_epi16(_mm256_max_epu16(first, least), first),
                                              _mm256_cmpeq_epi16(_mm256_max_epu16(second, least), second));
    above[b] = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_permute4x64_epi64(packed, 0xD8)));
  }
}

PEFA_AVX512_BEGIN

/// Two lookups a byte of a quad.
[[gnu::always_inline]] PEFA_AVX512 inline __m512i look_up(const std::uint8_t* codes, __m512i even,
                                                          __m512i odd) noexcept {
  const __m512i low = _mm512_set1_epi8(15);
  const __m512i both = _mm512_loadu_si512(codes);
  return _mm512_add_epi8(_mm512_shuffle_epi8(even, _mm512_and_si512(both, low)),
                         _mm512_shuffle_epi8(odd, _mm512_and_si512(_mm512_srli_epi16(both, 4), low)));
}

/// n blocks at once, so that a table is loaded once for all of them.
template <std::size_t n>
[[gnu::always_inline]] PEFA_AVX512 inline void avx512_nibble_blocks(const std::uint8_t* codes,
                                                                    const std::uint8_t* tables, std::size_t quads,
                                                                    __m512i least, std::uint16_t* sums,
                                                                    std::uint32_t* above) noexcept {
  const std::size_t stride = quads * quad_bytes;
  __m512i all[n];
  __m512i odds[n];
  PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) all[k] = odds[k] = _mm512_setzero_si512();
  std::size_t q = 0;
  for (; q + 2 <= quads; q += 2) {
    const __m512i even0 = _mm512_loadu_si512(tables + q * quad_table_bytes);
    const __m512i odd0 = _mm512_loadu_si512(tables + q * quad_table_bytes + 64);
    const __m512i even1 = _mm512_loadu_si512(tables + q * quad_table_bytes + 128);
    const __m512i odd1 = _mm512_loadu_si512(tables + q * quad_table_bytes + 192);
    PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
      const std::uint8_t* at = codes + k * stride + q * quad_bytes;
      const __m512i four = _mm512_add_epi8(look_up(at, even0, odd0), look_up(at + quad_bytes, even1, odd1));
      all[k] = _mm512_add_epi16(all[k], four);
      odds[k] = _mm512_add_epi16(odds[k], _mm512_srli_epi16(four, 8));
    }
  }
  if (q < quads) {
    const __m512i even = _mm512_loadu_si512(tables + q * quad_table_bytes);
    const __m512i odd = _mm512_loadu_si512(tables + q * quad_table_bytes + 64);
    PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
      const __m512i two = look_up(codes + k * stride + q * quad_bytes, even, odd);
      all[k] = _mm512_add_epi16(all[k], two);
      odds[k] = _mm512_add_epi16(odds[k], _mm512_srli_epi16(two, 8));
    }
  }
  PEFA_UNROLL for (std::size_t k = 0; k < n; ++k) {
    const __m512i evens = _mm512_sub_epi16(all[k], _mm512_slli_epi16(odds[k], 8));
    const __m256i even = _mm256_add_epi16(_mm512_castsi512_si256(evens), _mm512_extracti64x4_epi64(evens, 1));
    const __m256i odd = _mm256_add_epi16(_mm512_castsi512_si256(odds[k]), _mm512_extracti64x4_epi64(odds[k], 1));
    const __m256i lows = _mm256_unpacklo_epi16(even, odd);
    const __m256i highs = _mm256_unpackhi_epi16(even, odd);
    const __m512i rows = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_permute2x128_si256(lows, highs, 0x20)),
                                            _mm256_permute2x128_si256(lows, highs, 0x31), 1);
    _mm512_storeu_si512(sums + k * nibble_rows, rows);
    above[k] = _mm512_cmpge_epu16_mask(rows, least);
  }
}

PEFA_AVX512 inline void avx512_nibble_scan(const std::uint8_t* codes, const std::uint8_t* tables, std::size_t quads,
                                           std::size_t blocks, std::uint16_t floor, std::uint16_t* sums,
                                           std::uint32_t* above) {
  const __m512i least = _mm512_set1_epi16(static_cast<short>(floor));
  const std::size_t stride = quads * quad_bytes;
  std::size_t b = 0;
  for (; b + 4 <= blocks; b += 4) {
    avx512_nibble_blocks<4>(codes + b * stride, tables, quads, least, sums + b * nibble_rows, above + b);
  }
  for (; b + 2 <= blocks; b += 2) {
    avx512_nibble_blocks<2>(codes + b * stride, tables, quads, least, sums + b * nibble_rows, above + b);
  }
  if (b < blocks) {
    avx512_nibble_blocks<1>(codes + b * stride, tables, quads, least, sums + b * nibble_rows, above + b);
  }
}

PEFA_AVX512_END
#endif

#if PEFA_NEON_KERNELS
inline void neon_nibble_scan(const std::uint8_t* codes, const std::uint8_t* tables, std::size_t quads,
                             std::size_t blocks, std::uint16_t floor, std::uint16_t* sums, std::uint32_t* above) {
  const uint8x16_t low = vdupq_n_u8(15);
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::uint8_t* block = codes + b * quads * quad_bytes;
    std::uint16_t* out = sums + b * nibble_rows;
    for (std::size_t half = 0; half < 2; ++half) {  // 16 rows each
      uint16x8_t first = vdupq_n_u16(0);
      uint16x8_t second = first;
      for (std::size_t q = 0; q < quads; ++q) {
        const std::uint8_t* table = tables + q * quad_table_bytes;
        const uint8x16_t a = vld1q_u8(block + q * quad_bytes + 16 * half);
        const uint8x16_t c = vld1q_u8(block + q * quad_bytes + 32 + 16 * half);
        uint8x16_t four = vqtbl1q_u8(vld1q_u8(table), vandq_u8(a, low));
        four = vaddq_u8(four, vqtbl1q_u8(vld1q_u8(table + 64), vshrq_n_u8(a, 4)));
        four = vaddq_u8(four, vqtbl1q_u8(vld1q_u8(table + 32), vandq_u8(c, low)));
        four = vaddq_u8(four, vqtbl1q_u8(vld1q_u8(table + 96), vshrq_n_u8(c, 4)));
        first = vaddw_u8(first, vget_low_u8(four));
        second = vaddw_high_u8(second, four);
      }
      vst1q_u16(out + 16 * half, first);
      vst1q_u16(out + 16 * half + 8, second);
    }
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < nibble_rows; ++i) bits |= std::uint32_t{out[i] >= floor ? 1U : 0U} << i;
    above[b] = bits;
  }
}
#endif

}  // namespace detail

/// The scan of a family.
[[nodiscard]] inline NibbleScan nibble_scan_of([[maybe_unused]] Level level) noexcept {
#if PEFA_X86_KERNELS
  if (level == Level::avx512) return &detail::avx512_nibble_scan;
  if (level == Level::avx2) return &detail::avx2_nibble_scan;
#elif PEFA_NEON_KERNELS
  if (level == Level::neon) return &detail::neon_nibble_scan;
#endif
  return &detail::scalar_nibble_scan;
}

/// The scan of the family in use.
[[nodiscard]] inline NibbleScan nibble_scan() noexcept {
  return nibble_scan_of(level());
}

}  // namespace pefa::simd
