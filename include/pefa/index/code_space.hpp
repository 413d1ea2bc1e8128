// pefa: rows as int8 codes, and the space that lets hnswlib build a graph on them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "pefa/index/hnswlib_headers.hpp"
#include "pefa/simd/code_kernels.hpp"

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

/// What stands beside the codes of a row: sim(x, y) = factor · s_x·s_y·⟨codes_x, codes_y⟩ + add_x + add_y + e_x·e_y.
struct CodeTerms {
  float scale;  ///< s
  float add;    ///< what the row contributes on its own
  float lift;   ///< e, the lifting coordinate (lift.hpp)
};

/// hnswlib's view of coded rows: `code_bytes` codes, then their CodeTerms. A distance is the negated similarity.
class CodeSpace final : public hnswlib::SpaceInterface<float> {
 public:
  /// @param code_bytes  a multiple of simd::code_block
  CodeSpace(std::size_t code_bytes, float factor)
      : code_bytes_(code_bytes), factor_(factor), dot_(simd::code_kernels().dot) {}

  std::size_t get_data_size() override { return code_bytes_ + sizeof(CodeTerms); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return &distance; }
  void* get_dist_func_param() override { return this; }

  /// Puts a row's terms behind its codes.
  void finish_row(std::byte* row, const CodeTerms& terms) const noexcept {
    std::memcpy(row + code_bytes_, &terms, sizeof terms);
  }

 private:
  static float distance(const void* a, const void* b, const void* self) {
    const auto& space = *static_cast<const CodeSpace*>(self);
    const auto* x = static_cast<const std::int8_t*>(a);
    const auto* y = static_cast<const std::int8_t*>(b);
    CodeTerms of_x;
    CodeTerms of_y;
    std::memcpy(&of_x, x + space.code_bytes_, sizeof of_x);
    std::memcpy(&of_y, y + space.code_bytes_, sizeof of_y);
    const float product = static_cast<float>(space.dot_(x, y, space.code_bytes_)) * (of_x.scale * of_y.scale);
    return -(space.factor_ * product + (of_x.add + of_y.add) + of_x.lift * of_y.lift);
  }

  std::size_t code_bytes_;
  float factor_;
  simd::CodeDot dot_;
};

}  // namespace pefa::detail
