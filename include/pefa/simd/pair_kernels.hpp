// pefa: similarity of two rows of one element type: what a graph over half, bfloat16 or int8 rows is built with.
#pragma once

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "pefa/simd/cpu.hpp"
#include "pefa/simd/float_x86.hpp"
#include "pefa/simd/int8_x86.hpp"
#include "pefa/simd/neon.hpp"
#include "pefa/simd/scalar_kernels.hpp"

namespace pefa::simd {

/// An exact integer for int8, a float for the others.
template <class Scalar>
using PairSum = std::conditional_t<std::is_same_v<Scalar, std::int8_t>, std::int32_t, float>;

/// kernel(a, b, dim): two arrays of `dim` elements, any dim and no alignment beyond their type's. int8: any values,
/// -128 too, dim below 2^17; their scales are the caller's to multiply with.
template <class Scalar>
using PairKernel = PairSum<Scalar> (*)(const Scalar* a, const Scalar* b, std::size_t dim);

namespace detail {

template <class Scalar, auto kernel>
[[nodiscard]] float unscaled(const Scalar* a, const Scalar* b, std::size_t dim) noexcept {
  return kernel(a, b, dim, 1.0f);
}

}  // namespace detail

/// Whether this CPU has instructions for products of pairs of `Scalar` that not every CPU of its best level has:
/// AVX512_BF16 for bfloat16, VNNI or DotProd for int8.
template <class Scalar>
[[nodiscard]] bool has_pair_extension() noexcept {
  if constexpr (std::is_same_v<Scalar, std::int8_t>) return has_vnni() || has_dotprod();
  if constexpr (std::is_same_v<Scalar, Eigen::bfloat16>) return has_bf16();
  return false;
}

/// The kernel of a family. Pairs of double always use the scalar one, which sums in double.
///
/// Integers are the same in every family. Floats differ by the rounding of a sum in another order; with AVX512_BF16,
/// moreover, subnormal elements and sums (below 2^-126) count as zero.
///
/// @param extension  whether it may use what has_pair_extension() tells of
template <Sum sum, class Scalar>
  requires(sum == Sum::product || !std::is_same_v<Scalar, std::int8_t>)
[[nodiscard]] PairKernel<Scalar> pair_kernel_of([[maybe_unused]] Level level,
                                                [[maybe_unused]] bool extension) noexcept {
  if constexpr (std::is_same_v<Scalar, std::int8_t>) {
#if PEFA_X86_KERNELS
    if (level == Level::avx512) return extension ? &detail::vnni_int8_dot : &detail::avx512_int8_dot;
    if (level == Level::avx2) return &detail::avx2_int8_dot;
#elif PEFA_NEON_KERNELS
#if PEFA_DOTPROD_KERNELS
    if (level == Level::neon && extension) return &detail::dotprod_int8_dot;
#endif
    if (level == Level::neon) return &detail::neon_int8_dot;
#endif
    return &detail::scalar_int8_dot;
  } else {
    if constexpr (!std::is_same_v<Scalar, double>) {
#if PEFA_X86_KERNELS
      if constexpr (sum == Sum::product && std::is_same_v<Scalar, Eigen::bfloat16>) {
        if (level == Level::avx512 && extension) return &detail::bf16_dot;
      }
      if (level == Level::avx512) return &detail::unscaled<Scalar, &detail::avx512_sum<sum, Scalar, Scalar>>;
      if (level == Level::avx2) return &detail::unscaled<Scalar, &detail::avx2_sum<sum, Scalar, Scalar>>;
#elif PEFA_NEON_KERNELS
      if (level == Level::neon) return &detail::unscaled<Scalar, &detail::neon_sum<sum, Scalar, Scalar>>;
#endif
    }
    return &detail::unscaled<Scalar, &detail::scalar_kernel<sum, Scalar, Scalar>>;
  }
}

/// The inner product ⟨a, b⟩ of the family in use.
template <class Scalar>
[[nodiscard]] PairKernel<Scalar> pair_dot_kernel() noexcept {
  return pair_kernel_of<Sum::product, Scalar>(level(), has_pair_extension<Scalar>());
}

/// The squared distance ‖a − b‖² of the family in use; not of int8, which mean nothing without their scales.
template <class Scalar>
[[nodiscard]] PairKernel<Scalar> pair_squared_l2_kernel() noexcept {
  return pair_kernel_of<Sum::squared_difference, Scalar>(level(), has_pair_extension<Scalar>());
}

}  // namespace pefa::simd
