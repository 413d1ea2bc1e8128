// pefa: products and eigenvectors of dense matrices, each for one type of matrix, so that no unit compiles Eigen's
// expressions of them twice. Templates, so that only who fits compiles them at all; pefa::compiled has them ready.
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

/// O(dim³). @param matrix  symmetric, finite; its lower triangle is read
template <class Matrix = Eigen::MatrixXd>
[[nodiscard]] Eigenpairs eigenpairs(const std::type_identity_t<Matrix>& matrix) {
  Eigen::SelfAdjointEigenSolver<Matrix> solver(matrix);
  return {solver.eigenvalues(), solver.eigenvectors()};
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
extern template Eigenpairs eigenpairs<Eigen::MatrixXd>(const Eigen::MatrixXd& matrix);
extern template Eigen::MatrixXd product<Eigen::MatrixXd>(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b);
/// @endcond
#endif

}  // namespace pefa::detail
