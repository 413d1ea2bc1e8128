// pefa: a row of floats as int8 codes with one scale, or as two rows of codes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "pefa/core/aligned_vector.hpp"

namespace pefa::detail {

/// Writes round(127 · x / max|x|) for `dim` floats. @return the scale: x ≈ scale · code
inline float encode_row(const float* values, std::size_t dim, std::int8_t* codes) {
  std::uint32_t largest = 0;  // by their bits, lengths order as integers do, and loops over those are vectorised
  for (std::size_t d = 0; d < dim; ++d) {
    largest = std::max(largest, std::bit_cast<std::uint32_t>(values[d]) & 0x7FFF'FFFFU);
  }
  const float scale = std::bit_cast<float>(largest) / 127.0f;
  if (scale < 1e-30f) {  // as good as zero; its inverse would overflow
    std::fill(codes, codes + dim, std::int8_t{0});
    return 0.0f;
  }
  const float to_code = 1.0f / scale;
  // Adding 1.5 · 2^23 leaves the nearest integer in the lowest bits, ties to even, without a call an element.
  for (std::size_t d = 0; d < dim; ++d) {
    codes[d] = static_cast<std::int8_t>(std::bit_cast<std::uint32_t>(values[d] * to_code + 12'582'912.0f) & 0xFFU);
  }
  return scale;
}

/// A vector as codes, and what those leave as codes once more: x ≈ high_scale · high + low_scale · low, off by a
/// 32,000th of the largest element at most. Products with codes stay integers, at twice their time. Reused.
struct FineCodes {
  AlignedVector<std::int8_t> high;
  AlignedVector<std::int8_t> low;
  float high_scale = 0.0f;
  float low_scale = 0.0f;
  std::vector<float> rest;  ///< scratch

  /// @param padded  how many codes there shall be, those behind `dim` 0
  void encode(const float* values, std::size_t dim, std::size_t padded) {
    high.assign(padded, 0);
    low.assign(padded, 0);
    rest.resize(dim);
    high_scale = encode_row(values, dim, high.data());
    for (std::size_t d = 0; d < dim; ++d) rest[d] = values[d] - high_scale * static_cast<float>(high[d]);
    low_scale = encode_row(rest.data(), dim, low.data());
  }

  /// A product with codes, from those of high and low.
  [[nodiscard]] float product(std::int32_t high_dot, std::int32_t low_dot) const noexcept {
    return high_scale * static_cast<float>(high_dot) + low_scale * static_cast<float>(low_dot);
  }
};

}  // namespace pefa::detail
