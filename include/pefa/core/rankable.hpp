// pefa: scores that can be sorted: NaN is in no order with anything, and std::sort may leave its bounds over it.
#pragma once

#include <limits>

#include "pefa/core/finite.hpp"

namespace pefa::detail {

/// The score, or −infinity for NaN, which products of huge finite values come to as well as a damaged file's rows.
[[nodiscard]] constexpr float rankable(float score) noexcept {
  return is_nan(score) ? -std::numeric_limits<float>::infinity() : score;
}

}  // namespace pefa::detail
