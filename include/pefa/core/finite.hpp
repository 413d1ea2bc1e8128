// pefa: whether numbers are finite, told by their bits: a host's -ffast-math lets a compiler take every comparison that
// would find a NaN for settled.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pefa::detail {

/// Neither NaN nor infinite.
[[nodiscard]] constexpr bool is_finite(float x) noexcept {
  return (std::bit_cast<std::uint32_t>(x) & 0x7F80'0000U) != 0x7F80'0000U;
}
[[nodiscard]] constexpr bool is_finite(double x) noexcept {
  return (std::bit_cast<std::uint64_t>(x) & 0x7FF0'0000'0000'0000U) != 0x7FF0'0000'0000'0000U;
}

[[nodiscard]] constexpr bool is_nan(float x) noexcept {
  return (std::bit_cast<std::uint32_t>(x) & 0x7FFF'FFFFU) > 0x7F80'0000U;
}

/// Whether all are finite; without a branch an element.
[[nodiscard]] inline bool all_finite(std::span<const float> values) noexcept {
  std::uint32_t others = 0;
  for (const float x : values) others |= is_finite(x) ? 0U : 1U;
  return others == 0;
}

}  // namespace pefa::detail
