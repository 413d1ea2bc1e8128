// pefa: the tables that nibble_scan.hpp adds up: products of a query's int8 codes with 16 centres a subspace, cut to
// six bits.
//
// Products are integers, and each is cut by one multiplication, so that every family gives the same tables.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "pefa/simd/cpu.hpp"
#include "pefa/simd/int8_x86.hpp"
#include "pefa/simd/nibble_scan.hpp"

namespace pefa::simd {

/// products[16·s + c] = Σ_d query[s·width + d] · centre c of subspace s at d. Codes are in [-127, 127].
///
/// @param width    of a subspace, a multiple of 4
/// @param centres  [subspaces x width/4 x 16 x 4]
using CentreProducts = void (*)(const std::int8_t* query, const std::int8_t* centres, std::size_t subspaces,
                                std::size_t width, std::int32_t* products);

/// Writes trunc((products[16·s + c] − the least of subspace s) · factor) where table_start() says.
/// @return  the sum of those least products
using CutTables = std::int64_t (*)(const std::int32_t* products, std::size_t subspaces, float factor,
                                   std::uint8_t* tables);

/// The largest difference between two products of one subspace.
using ProductRange = std::int64_t (*)(const std::int32_t* products, std::size_t subspaces);

namespace detail {

inline void scalar_centre_products(const std::int8_t* query, const std::int8_t* centres, std::size_t subspaces,
                                   std::size_t width, std::int32_t* products) {
  for (std::size_t s = 0; s < subspaces; ++s) {
    std::int32_t* out = products + s * nibble_values;
    std::fill_n(out, nibble_values, 0);
    for (std::size_t t = 0; t < width; t += 4) {
      const std::int8_t* q = query + s * width + t;
      const std::int8_t* c = centres + (s * width + t) * nibble_values;
      for (std::size_t i = 0; i < nibble_values; ++i) {
        for (std::size_t d = 0; d < 4; ++d) out[i] += std::int32_t{q[d]} * std::int32_t{c[4 * i + d]};
      }
    }
  }
}

inline std::int64_t scalar_cut_tables(const std::int32_t* products, std::size_t subspaces, float factor,
                                      std::uint8_t* tables) {
  std::int64_t floor = 0;
  for (std::size_t s = 0; s < subspaces; ++s) {
    const std::int32_t* of = products + s * nibble_values;
    const std::int32_t least = *std::min_element(of, of + nibble_values);
    floor += least;
    std::uint8_t* out = tables + table_start(s);
    for (std::size_t c = 0; c < nibble_values; ++c) {
      out[c] = static_cast<std::uint8_t>(static_cast<std::int32_t>(static_cast<float>(of[c] - least) * factor));
    }
    std::copy_n(out, nibble_values, out + nibble_values);
  }
  return floor;
}

inline std::int64_t scalar_product_range(const std::int32_t* products, std::size_t subspaces) {
  std::int64_t range = 0;
  for (std::size_t s = 0; s < subspaces; ++s) {
    const auto [least, most] = std::minmax_element(products + s * nibble_values, products + (s + 1) * nibble_values);
    range = std::max(range, std::int64_t{*most} - std::int64_t{*least});
  }
  return range;
}

#if PEFA_X86_KERNELS

PEFA_AVX2 inline __m256i load_products(const std::int32_t* p) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

/// The least of 16 products, in every lane.
PEFA_AVX2 inline __m256i least_product(__m256i a, __m256i b) noexcept {
  __m256i least = _mm256_min_epi32(a, b);
  least = _mm256_min_epi32(least, _mm256_permute2x128_si256(least, least, 1));
  least = _mm256_min_epi32(least, _mm256_shuffle_epi32(least, 0x4E));
  return _mm256_min_epi32(least, _mm256_shuffle_epi32(least, 0xB1));
}

PEFA_AVX2 inline void avx2_centre_products(const std::int8_t* query, const std::int8_t* centres, std::size_t subspaces,
                                           std::size_t width, std::int32_t* products) {
  for (std::size_t s = 0; s < subspaces; ++s) {
    __m256i low = _mm256_setzero_si256();
    __m256i high = low;
    for (std::size_t t = 0; t < width; t += 4) {
      std::int32_t four;
      std::memcpy(&four, query + s * width + t, sizeof four);
      const __m256i q = _mm256_set1_epi32(four);
      const __m256i absolute = _mm256_abs_epi8(q);
      const std::int8_t* c = centres + (s * width + t) * nibble_values;
      low = _mm256_add_epi32(low, multiply_codes(q, absolute, load32(c)));
      high = _mm256_add_epi32(high, multiply_codes(q, absolute, load32(c + 32)));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(products + s * nibble_values), low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(products + s * nibble_values + 8), high);
  }
}

PEFA_AVX2 inline std::int64_t avx2_cut_tables(const std::int32_t* products, std::size_t subspaces, float factor,
                                              std::uint8_t* tables) {
  const __m256 by = _mm256_set1_ps(factor);
  std::int64_t floor = 0;
  for (std::size_t s = 0; s < subspaces; ++s) {
    const __m256i a = load_products(products + s * nibble_values);
    const __m256i b = load_products(products + s * nibble_values + 8);
    const __m256i least = least_product(a, b);
    floor += _mm_cvtsi128_si32(_mm256_castsi256_si128(least));
    const __m256i x = _mm256_cvttps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(a, least)), by));
    const __m256i y = _mm256_cvttps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(b, least)), by));
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(x, y), 0xD8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    std::uint8_t* out = tables + table_start(s);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + nibble_values), bytes);
  }
  return floor;
}

PEFA_AVX2 inline std::int64_t avx2_product_range(const std::int32_t* products, std::size_t subspaces) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i range = zero;
  for (std::size_t s = 0; s < subspaces; ++s) {
    const __m256i a = load_products(products + s * nibble_values);
    const __m256i b = load_products(products + s * nibble_values + 8);
    range = _mm256_max_epi32(range, _mm256_sub_epi32(_mm256_max_epi32(a, b), least_product(a, b)));
  }
  // A lane's own largest less the least of all: the largest lane is the range.
  return -std::int64_t{_mm_cvtsi128_si32(
      _mm256_castsi256_si128(least_product(_mm256_sub_epi32(zero, range), _mm256_sub_epi32(zero, range))))};
}
#endif

}  // namespace detail

/// What makes a query's tables.
struct NibbleTables {
  CentreProducts products;  ///< of the query with the centres
  ProductRange range;       ///< of what is to be cut; products of a subspace are less than 2^31 apart
  CutTables cut;            ///< range · factor is at most largest_entry + 1/2
};

/// Those of a family.
[[nodiscard]] inline NibbleTables nibble_tables_of([[maybe_unused]] Level level) noexcept {
#if PEFA_X86_KERNELS
  if (level == Level::avx512 || level == Level::avx2) {
    return {&detail::avx2_centre_products, &detail::avx2_product_range, &detail::avx2_cut_tables};
  }
#endif
  return {&detail::scalar_centre_products, &detail::scalar_product_range, &detail::scalar_cut_tables};
}

/// Those of the family in use.
[[nodiscard]] inline NibbleTables nibble_tables() noexcept {
  return nibble_tables_of(level());
}

}  // namespace pefa::simd
