// pefa: distances between rows as int8 codes, and the space that lets hnswlib build a graph on them.
//
// A row is encoded as codes padded to whole blocks, the scale that brings them back, and an offset: the lifting
// coordinate (lift.hpp) under inner product, ‖x‖² under L2.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "pefa/index/ann_index.hpp"
#include "pefa/index/hnswlib_headers.hpp"
#include "pefa/simd/code_kernels.hpp"

namespace pefa::detail {

/// Writes round(127 · x / max|x|) for `dim` floats and zeros up to the padded dim. @return the scale: x ≈ scale · code
inline float encode_row(const float* values, std::size_t dim, std::int8_t* codes) {
  float largest = 0.0f;
  for (std::size_t d = 0; d < dim; ++d) largest = std::max(largest, std::abs(values[d]));
  std::fill(codes + dim, codes + simd::padded_code_dim(dim), std::int8_t{0});
  const float scale = largest / 127.0f;
  if (scale < 1e-30f) {  // as good as zero; its inverse would overflow
    std::fill(codes, codes + dim, std::int8_t{0});
    return 0.0f;
  }
  const float to_code = 1.0f / scale;
  for (std::size_t d = 0; d < dim; ++d) codes[d] = static_cast<std::int8_t>(std::lrintf(values[d] * to_code));
  return scale;
}

/// The layout of an encoded row in hnswlib's memory: codes, scale, offset.
class CodeSpace final : public hnswlib::SpaceInterface<float> {
 public:
  CodeSpace(std::size_t dim, Metric metric)
      : padded_(simd::padded_code_dim(dim)), metric_(metric), dot_(simd::code_kernels().dot) {}

  std::size_t get_data_size() override { return padded_ + 2 * sizeof(float); }
  hnswlib::DISTFUNC<float> get_dist_func() override {
    return metric_ == Metric::inner_product ? &negated_product : &squared_l2;
  }
  void* get_dist_func_param() override { return this; }

  /// Puts a row's scale and offset behind its codes.
  void finish_row(std::byte* row, float scale, float offset) const noexcept {
    std::memcpy(row + padded_, &scale, sizeof(float));
    std::memcpy(row + padded_ + sizeof(float), &offset, sizeof(float));
  }

 private:
  struct Pair {
    float product;  // of the decoded rows
    float a_offset;
    float b_offset;
  };

  [[nodiscard]] Pair compare(const void* a, const void* b) const noexcept {
    const auto* x = static_cast<const std::int8_t*>(a);
    const auto* y = static_cast<const std::int8_t*>(b);
    float x_tail[2];
    float y_tail[2];
    std::memcpy(x_tail, x + padded_, sizeof x_tail);
    std::memcpy(y_tail, y + padded_, sizeof y_tail);
    return {static_cast<float>(dot_(x, y, padded_)) * (x_tail[0] * y_tail[0]), x_tail[1], y_tail[1]};
  }
  static float negated_product(const void* a, const void* b, const void* self) {
    const Pair pair = static_cast<const CodeSpace*>(self)->compare(a, b);
    return -(pair.product + pair.a_offset * pair.b_offset);
  }
  static float squared_l2(const void* a, const void* b, const void* self) {
    const Pair pair = static_cast<const CodeSpace*>(self)->compare(a, b);
    return pair.a_offset + pair.b_offset - 2.0f * pair.product;
  }

  std::size_t padded_;
  Metric metric_;
  simd::CodeDot dot_;
};

}  // namespace pefa::detail
