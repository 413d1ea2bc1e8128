// pefa: the kernels for 64-bit Arm: sums of floats, and exact integer dot products of int8 with and without DotProd.
#pragma once

#include "pefa/simd/cpu.hpp"

#if PEFA_NEON_KERNELS
#include <arm_neon.h>

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>

#include "pefa/simd/scalar_kernels.hpp"

// A function that may use the DotProd extension. Clang declares its intrinsics for single functions from version 16 on.
#if defined(__ARM_FEATURE_DOTPROD)
#define PEFA_DOTPROD
#define PEFA_DOTPROD_KERNELS 1
#elif !defined(__clang__)
#define PEFA_DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#define PEFA_DOTPROD_KERNELS 1
#elif __clang_major__ >= 16
#define PEFA_DOTPROD __attribute__((target("dotprod")))
#define PEFA_DOTPROD_KERNELS 1
#else
#define PEFA_DOTPROD_KERNELS 0
#endif

namespace pefa::simd::detail {

/// Eight 16-bit elements, through bytes, which may alias anything.
inline uint16x8_t load_bits(const void* p) noexcept {
  return vreinterpretq_u16_u8(vld1q_u8(static_cast<const std::uint8_t*>(p)));
}

inline float32x4x2_t load8(const float* p) noexcept {
  return {{vld1q_f32(p), vld1q_f32(p + 4)}};
}
inline float32x4x2_t load8(const Eigen::half* p) noexcept {
  const float16x8_t halves = vreinterpretq_f16_u16(load_bits(p));
  return {{vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)}};
}
inline float32x4x2_t load8(const Eigen::bfloat16* p) noexcept {
  const uint16x8_t bits = load_bits(p);
  return {
      {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(bits), 16)), vreinterpretq_f32_u32(vshll_high_n_u16(bits, 16))}};
}
inline float32x4x2_t load8(const std::int8_t* p) noexcept {
  const int16x8_t wide = vmovl_s8(vld1_s8(p));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_high_s16(wide))}};
}

template <Sum sum, bool scaled_row>
inline float32x4_t accumulate4(float32x4_t total, float32x4_t a, float32x4_t b, float32x4_t scale) noexcept {
  if constexpr (sum == Sum::product) return vfmaq_f32(total, a, b);
  const float32x4_t d = scaled_row ? vfmsq_f32(a, b, scale) : vsubq_f32(a, b);
  return vfmaq_f32(total, d, d);
}

template <Sum sum, class A, class B>
[[nodiscard]] inline float neon_sum(const A* a, const B* b, std::size_t dim, float scale) noexcept {
  constexpr bool each = scales_each<sum, B>;
  const float32x4_t s = vdupq_n_f32(scale);
  float32x4_t even_low = vdupq_n_f32(0.0f);
  float32x4_t even_high = even_low;
  float32x4_t odd_low = even_low;
  float32x4_t odd_high = even_low;
  std::size_t i = 0;
  for (; i + 16 <= dim; i += 16) {
    const float32x4x2_t x = load8(a + i);
    const float32x4x2_t y = load8(b + i);
    const float32x4x2_t z = load8(a + i + 8);
    const float32x4x2_t w = load8(b + i + 8);
    even_low = accumulate4<sum, each>(even_low, x.val[0], y.val[0], s);
    even_high = accumulate4<sum, each>(even_high, x.val[1], y.val[1], s);
    odd_low = accumulate4<sum, each>(odd_low, z.val[0], w.val[0], s);
    odd_high = accumulate4<sum, each>(odd_high, z.val[1], w.val[1], s);
  }
  if (i + 8 <= dim) {
    const float32x4x2_t x = load8(a + i);
    const float32x4x2_t y = load8(b + i);
    even_low = accumulate4<sum, each>(even_low, x.val[0], y.val[0], s);
    even_high = accumulate4<sum, each>(even_high, x.val[1], y.val[1], s);
    i += 8;
  }
  float result = vaddvq_f32(vaddq_f32(vaddq_f32(even_low, even_high), vaddq_f32(odd_low, odd_high)));
  if (i < dim) result += scalar_sum<sum>(a + i, b + i, dim - i, scale);
  return scaled<sum, B>(result, scale);
}

/// Any length and any int8: a product is at most 2^14, and two of them are added in 32 bits.
[[nodiscard]] inline std::int32_t neon_int8_dot(const std::int8_t* a, const std::int8_t* b, std::size_t n) noexcept {
  int32x4_t low = vdupq_n_s32(0);
  int32x4_t high = low;
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const int8x16_t x = vld1q_s8(a + i);
    const int8x16_t y = vld1q_s8(b + i);
    low = vpadalq_s16(low, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
    high = vpadalq_s16(high, vmull_high_s8(x, y));
  }
  return vaddvq_s32(vaddq_s32(low, high)) + scalar_int8_dot(a + i, b + i, n - i);
}

#if PEFA_DOTPROD_KERNELS
/// Any length and any int8.
[[nodiscard]] PEFA_DOTPROD inline std::int32_t dotprod_int8_dot(const std::int8_t* a, const std::int8_t* b,
                                                                std::size_t n) noexcept {
  int32x4_t even = vdupq_n_s32(0);
  int32x4_t odd = even;
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    even = vdotq_s32(even, vld1q_s8(a + i), vld1q_s8(b + i));
    odd = vdotq_s32(odd, vld1q_s8(a + i + 16), vld1q_s8(b + i + 16));
  }
  return vaddvq_s32(vaddq_s32(even, odd)) + scalar_int8_dot(a + i, b + i, n - i);
}
#endif

}  // namespace pefa::simd::detail

#endif  // PEFA_NEON_KERNELS
