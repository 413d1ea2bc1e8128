// What the tests of vector formats share: comparing matrices, and building files by hand.
#pragma once

#include <Eigen/Core>

#include <cstddef>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::test {

template <class Value>
[[nodiscard]] std::string bytes_of(const std::vector<Value>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

/// The same elements and, of int8, the same scales.
template <class Scalar>
[[nodiscard]] bool same_bits(const EmbeddingView<Scalar>& a, const EmbeddingView<Scalar>& b) {
  if (a.size() != b.size() || a.dim() != b.dim()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(a.row(i), b.row(i), a.dim() * sizeof(Scalar)) != 0) return false;
    if (a.scale(i) != b.scale(i)) return false;
  }
  return true;
}

template <class Scalar>
[[nodiscard]] bool same_bits(const EmbeddingStore<Scalar>& a, const EmbeddingView<Scalar>& b) {
  return same_bits(a.view(), b);
}

/// Integers from `least` to `least` + 255, no row all zero.
[[nodiscard]] inline RowMajorMatrix random_integers(Eigen::Index rows, Eigen::Index dim, int least, unsigned seed) {
  std::mt19937 random(seed);
  RowMajorMatrix matrix(rows, dim);
  for (Eigen::Index i = 0; i < matrix.size(); ++i) {
    matrix.data()[i] = static_cast<float>(least + static_cast<int>(random() % 256));
  }
  matrix.col(0).setConstant(static_cast<float>(least + 255));
  return matrix;
}

/// True where the call makes something, false for a pefa::Error; anything else escapes.
template <class Read>
[[nodiscard]] bool reads(const Read& read) {
  try {
    (void)read();
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace pefa::test
