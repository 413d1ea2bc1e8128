// pefa: a second moment made safe to invert, and its inverse factor. Templates on the matrix, so that only who fits
// compiles Eigen's solvers.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/finite.hpp"

namespace pefa::detail {

/// @throws ValueError  a shrinkage that is not finite, or negative
inline void require_shrinkage(float shrinkage, const char* who) {
  if (!(is_finite(shrinkage) && shrinkage >= 0.0f)) {
    fail<ValueError>(who, ": shrinkage is ", shrinkage, ", expected finite and at least 0");
  }
}

/// S + α·(tr S/d)·I (Ledoit & Wolf 2004 without the rescaling of S): α says how far to trust the mean variance.
template <class Matrix = Eigen::MatrixXd>
[[nodiscard]] Matrix shrunk(const std::type_identity_t<Matrix>& matrix, double shrinkage) {
  Matrix result = matrix;
  result.diagonal().array() += shrinkage * matrix.trace() / static_cast<double>(matrix.rows());
  return result;
}

/// L of M = L·Lᵀ. @throws ValueError  M is singular, as of fewer rows than dimensions without shrinkage
template <class Matrix = Eigen::MatrixXd>
[[nodiscard]] Matrix cholesky(const std::type_identity_t<Matrix>& matrix, const char* who) {
  const Eigen::LLT<Matrix> factor(matrix);
  const Matrix lower = factor.matrixL();
  const Matrix pivots = lower.diagonal();
  // A pivot that is lost in the rounding of the largest says that nothing is left of its dimension.
  if (factor.info() != Eigen::Success || !pivots.allFinite() || pivots.minCoeff() < 1e-7 * pivots.maxCoeff()) {
    fail<ValueError>(who, ": the second moment of the training queries is singular (too few of them for ",
                     matrix.rows(), " dimensions, or one without variance), expected a shrinkage above 0, such as 0.1");
  }
  return lower;
}

/// L⁻¹ of a lower triangle, in parallel by columns. O(dim³/3).
template <class Matrix = Eigen::MatrixXd>
[[nodiscard]] Matrix inverse_of_lower(const std::type_identity_t<Matrix>& lower, const AnyExecutor& executor) {
  const auto dim = static_cast<std::size_t>(lower.rows());
  Matrix inverse = Matrix::Zero(lower.rows(), lower.rows());
  for_each_block(executor, dim, 48, [&](std::size_t begin, std::size_t end) {
    const auto first = static_cast<Eigen::Index>(begin);
    const auto rest = lower.rows() - first;
    auto columns = inverse.block(first, first, rest, static_cast<Eigen::Index>(end - begin));
    columns.setIdentity();
    lower.bottomRightCorner(rest, rest).template triangularView<Eigen::Lower>().solveInPlace(columns);
  });
  return inverse;
}

}  // namespace pefa::detail
