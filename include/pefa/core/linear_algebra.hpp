// pefa: products and eigenvectors of dense matrices, each for one type of matrix, so that no unit compiles Eigen's
// expressions of them twice. Templates, so that only who fits compiles them at all.
#pragma once

#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>

#include <type_traits>

namespace pefa::detail {

/// Eigenvalues of a symmetric matrix, ascending, and their vectors.
struct Eigenpairs {
  Eigen::VectorXd values;   ///< [dim]
  Eigen::MatrixXd vectors;  ///< orthonormal, one a column [dim x dim]
};

/// The eigenpairs into memory of the caller's, [dim] and [dim x dim] by columns: Eigen's allocator depends on compiler
/// flags, which the unit that compiles this may not share.
template <class Matrix = Eigen::MatrixXd>
void find_eigenpairs(const std::type_identity_t<Matrix>& matrix, double* values, double* vectors) {
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(matrix);
  Eigen::Map<Eigen::VectorXd>(values, matrix.rows()) = solver.eigenvalues();
  Eigen::Map<Eigen::MatrixXd>(vectors, matrix.rows(), matrix.rows()) = solver.eigenvectors();
}

/// O(dim³). @param matrix  symmetric, finite; its lower triangle is read
template <class Matrix = Eigen::MatrixXd>
[[nodiscard]] Eigenpairs eigenpairs(const std::type_identity_t<Matrix>& matrix) {
  Eigenpairs pairs{Eigen::VectorXd(matrix.rows()), Eigen::MatrixXd(matrix.rows(), matrix.rows())};
  find_eigenpairs<Matrix>(matrix, pairs.values.data(), pairs.vectors.data());
  return pairs;
}

/// The eigenvectors of the `count` largest values, the largest first, one a row. [count x dim]
template <class Rows = Eigen::MatrixXd>
[[nodiscard]] Rows leading_axes(const Eigenpairs& pairs, Eigen::Index count) {
  const Eigen::Index dim = pairs.values.size();
  Rows axes(count, dim);
  for (Eigen::Index r = 0; r < count; ++r) {
    axes.row(r) = pairs.vectors.col(dim - 1 - r).transpose().template cast<typename Rows::Scalar>();
  }
  return axes;
}

/// A·B. What comes transposed is copied first, which is little beside the product.
template <class Matrix = Eigen::MatrixXd>
[[nodiscard]] Matrix product(const std::type_identity_t<Matrix>& a, const std::type_identity_t<Matrix>& b) {
  Matrix result(a.rows(), b.cols());
  result.noalias() = a * b;
  return result;
}

/// Rows that span what the rows span, orthonormal. In double, whose Householder reflections the eigenvectors need too.
/// O(rows² · dim). @param rows  a dense Eigen matrix, [at most dim x dim]
template <class Rows>
void make_orthonormal(Rows& rows) {
  using Columns = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
  const Columns columns = rows.transpose().template cast<double>();
  const Eigen::HouseholderQR<Columns> factors(columns);
  Columns basis = Columns::Identity(rows.cols(), rows.rows());
  basis.applyOnTheLeft(factors.householderQ());
  rows = basis.transpose().template cast<typename Rows::Scalar>();
}

#if defined(PEFA_COMPILED) && PEFA_COMPILED
/// @cond
extern template void find_eigenpairs<Eigen::MatrixXd>(const Eigen::MatrixXd& matrix, double* values, double* vectors);
/// @endcond
#endif

}  // namespace pefa::detail
