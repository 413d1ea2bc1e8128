// pefa: queries to measure an index with where nobody has given any: some of its rows, and points between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// Some of the rows, at even steps, as floats. [count x dim] @param count  at most as many as there are
template <EmbeddingScalar Scalar>
[[nodiscard]] std::vector<float> sampled_rows(const EmbeddingView<Scalar>& rows, std::size_t count) {
  std::vector<float> sample(count * rows.dim());
  for (std::size_t i = 0; i < count; ++i) rows.decode(i * rows.size() / count, sample.data() + i * rows.dim());
  return sample;
}

/// Points between some rows each, drawn by the seed. [count x dim]
/// @param mix     the share of the first row; the others share the rest
/// @param others  how many those are, at least 1
/// @param read    (row, out): one of `size` rows as dim floats
template <class Read>
[[nodiscard]] AlignedVector<float> points_between_rows(std::size_t count, std::size_t size, std::size_t dim, float mix,
                                                       std::size_t others, std::uint64_t seed, const Read& read) {
  AlignedVector<float> points(count * dim);
  std::vector<float> other(dim);
  std::mt19937_64 random(seed);
  for (std::size_t q = 0; q < count; ++q) {
    float* point = points.data() + q * dim;
    read(random() % size, point);
    for (std::size_t d = 0; d < dim; ++d) point[d] *= mix;
    for (std::size_t i = 0; i < others; ++i) {
      read(random() % size, other.data());
      for (std::size_t d = 0; d < dim; ++d) point[d] += (1.0f - mix) / static_cast<float>(others) * other[d];
    }
  }
  return points;
}

}  // namespace pefa::detail
