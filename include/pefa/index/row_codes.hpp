// pefa: a row of floats as int8 codes with one scale.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace pefa::detail {

/// Writes round(127 · x / max|x|) for `dim` floats. @return the scale: x ≈ scale · code
inline float encode_row(const float* values, std::size_t dim, std::int8_t* codes) {
  float largest = 0.0f;
  for (std::size_t d = 0; d < dim; ++d) largest = std::max(largest, std::abs(values[d]));
  const float scale = largest / 127.0f;
  if (scale < 1e-30f) {  // as good as zero; its inverse would overflow
    std::fill(codes, codes + dim, std::int8_t{0});
    return 0.0f;
  }
  const float to_code = 1.0f / scale;
  for (std::size_t d = 0; d < dim; ++d) codes[d] = static_cast<std::int8_t>(std::lrintf(values[d] * to_code));
  return scale;
}

}  // namespace pefa::detail
