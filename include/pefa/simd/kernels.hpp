// pefa: the inner loops: similarity of a float query with rows of float, double, half, bfloat16 or int8 codes.
//
// One loop a family of instructions; the element types differ only in how they become floats. The scalar loops are the
// reference that the tests hold the others to. int8 rows carry a scale: x = scale · code. Rows and queries have any dim
// and no alignment beyond their type's.
#pragma once

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "pefa/core/ids.hpp"
#include "pefa/simd/cpu.hpp"
#include "pefa/simd/float_x86.hpp"
#include "pefa/simd/neon.hpp"
#include "pefa/simd/rows.hpp"
#include "pefa/simd/scalar_kernels.hpp"

namespace pefa::simd {

/// kernel(query, row, dim, scale): both arrays have `dim` elements; `scale` matters to int8 rows only.
template <class Scalar>
using Kernel = float (*)(const float* query, const Scalar* row, std::size_t dim, float scale);

/// The same for the rows rows[0 … count) of a table, in their order: out[i] is, to the bit, what the Kernel of the same
/// family gives for table + rows[i] · stride with scales[rows[i]].
///
/// Rows ahead are fetched into the cache and, on x86, four are summed at once: for rows all over a table that is larger
/// than the caches about half again as fast as a Kernel a row.
///
/// @param scales  a scale a row of the table, by its number; null: 1. They matter to int8 rows only
/// @param out     count sums; may be none of the inputs
template <class Scalar>
using RowsKernel = void (*)(const float* query, const Scalar* table, std::size_t stride, std::size_t dim,
                            const Row* rows, std::size_t count, const float* scales, float* out);

/// The kernel of a family. Rows of double always use the scalar one, which sums in double.
template <Sum sum, class Scalar>
[[nodiscard]] Kernel<Scalar> kernel_of([[maybe_unused]] Level level) noexcept {
  if constexpr (!std::is_same_v<Scalar, double>) {
#if PEFA_X86_KERNELS
    if (level == Level::avx512) return &detail::avx512_sum<sum, float, Scalar>;
    if (level == Level::avx2) return &detail::avx2_sum<sum, float, Scalar>;
#elif PEFA_NEON_KERNELS
    if (level == Level::neon) return &detail::neon_sum<sum, float, Scalar>;
#endif
  }
  return &detail::scalar_kernel<sum, float, Scalar>;
}

/// The kernel over rows of a family.
template <Sum sum, class Scalar>
[[nodiscard]] RowsKernel<Scalar> rows_kernel_of([[maybe_unused]] Level level) noexcept {
  if constexpr (!std::is_same_v<Scalar, double>) {
#if PEFA_X86_KERNELS
    if (level == Level::avx512) {
      return &detail::grouped_rows<Scalar, &detail::avx512_group<sum, Scalar>, &detail::avx512_sum<sum, float, Scalar>>;
    }
    if (level == Level::avx2) {
      return &detail::grouped_rows<Scalar, &detail::avx2_group<sum, Scalar>, &detail::avx2_sum<sum, float, Scalar>>;
    }
#elif PEFA_NEON_KERNELS
    if (level == Level::neon) return &detail::single_rows<Scalar, &detail::neon_sum<sum, float, Scalar>>;
#endif
  }
  return &detail::single_rows<Scalar, &detail::scalar_kernel<sum, float, Scalar>>;
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

/// The inner products with many rows, of the family in use.
template <class Scalar>
[[nodiscard]] RowsKernel<Scalar> dot_rows_kernel() noexcept {
  return rows_kernel_of<Sum::product, Scalar>(level());
}

/// The squared distances to many rows, of the family in use.
template <class Scalar>
[[nodiscard]] RowsKernel<Scalar> squared_l2_rows_kernel() noexcept {
  return rows_kernel_of<Sum::squared_difference, Scalar>(level());
}

}  // namespace pefa::simd
