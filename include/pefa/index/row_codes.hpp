// pefa: a row of floats as int8 codes with one scale.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

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

}  // namespace pefa::detail
