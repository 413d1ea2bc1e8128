// pefa: integer dot products of int8 codes: one pair, and one query against many rows of a table with prefetching.
//
// Codes are in [-127, 127], padded with zeros to a multiple of 64, so that no kernel has a tail. The result is exact,
// and the same for every family.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "pefa/core/ids.hpp"
#include "pefa/simd/cpu.hpp"
#include "pefa/simd/int8_x86.hpp"
#include "pefa/simd/neon.hpp"
#include "pefa/simd/rows.hpp"
#include "pefa/simd/scalar_kernels.hpp"

namespace pefa::simd {

/// Codes come in blocks of this many.
inline constexpr std::size_t code_block = 64;

/// So many codes at most: the sums of 2^17 products are still int32, and there is room for what else a row may carry.
inline constexpr std::size_t code_dim_limit = 100'000;

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

/// dot() for every row, a few rows fetched ahead: enough to hide a miss, few enough for the fill buffers.
template <auto dot>
void code_dot_rows(const std::int8_t* query, const std::int8_t* table, std::size_t n, const Row* rows,
                   std::size_t count, std::int32_t* dots) noexcept {
  constexpr std::size_t ahead = 3;
  fetch_rows(table, n, n, rows, std::min(ahead, count));
  for (std::size_t i = 0; i < count; ++i) {
    if (i + ahead < count) fetch_rows(table, n, n, rows + i + ahead, 1);
    dots[i] = dot(query, table + rows[i] * n, n);
  }
}

}  // namespace detail

/// Both kernels of one family.
struct CodeKernels {
  CodeDot dot;           ///< of two rows
  CodeDotRows dot_rows;  ///< of a query and many rows
};

/// The code kernels of a family.
/// @param vnni  whether avx512 may use VNNI, as has_vnni() tells, or neon DotProd, as has_dotprod() tells
[[nodiscard]] inline CodeKernels code_kernels_of([[maybe_unused]] Level level, [[maybe_unused]] bool vnni) noexcept {
#if PEFA_X86_KERNELS
  if (level == Level::avx512 && vnni) return {&detail::vnni_int8_dot, &detail::vnni_code_dot_rows};
  if (level == Level::avx512) return {&detail::avx512_int8_dot, &detail::avx512_code_dot_rows};
  if (level == Level::avx2) return {&detail::avx2_code_dot, &detail::avx2_code_dot_rows};
#elif PEFA_NEON_KERNELS
#if PEFA_DOTPROD_KERNELS
  if (level == Level::neon && vnni) {
    return {&detail::dotprod_int8_dot, &detail::code_dot_rows<&detail::dotprod_int8_dot>};
  }
#endif
  if (level == Level::neon) return {&detail::neon_int8_dot, &detail::code_dot_rows<&detail::neon_int8_dot>};
#endif
  return {&detail::scalar_int8_dot, &detail::code_dot_rows<&detail::scalar_int8_dot>};
}

/// The code kernels of the family in use.
[[nodiscard]] inline CodeKernels code_kernels() noexcept {
  return code_kernels_of(level(), has_vnni() || has_dotprod());
}

}  // namespace pefa::simd
