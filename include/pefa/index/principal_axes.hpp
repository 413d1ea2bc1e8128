// pefa: the principal axes of a set of rows: the rotation that puts most of a vector's variance into its first
// coordinates, so that a search may decide on those alone (Jolliffe, Principal Component Analysis, 2002, chapter 2).
#pragma once

#include <Eigen/Core>
#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "pefa/core/executor.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// Centre and axes of rows, by descending variance.
struct PrincipalAxes {
  std::vector<float> mean;        ///< μ [dim]
  RowMajorMatrix axes;            ///< orthonormal, one axis a row [dim x dim]
  std::vector<double> variances;  ///< along each axis [dim]

  /// Of at most `sample` rows, evenly spaced. O(sample · dim² + dim³). Where their squares pass the range of float, the
  /// variances are infinite and the axes those of the coordinates.
  template <class Scalar>
  [[nodiscard]] static PrincipalAxes of(const EmbeddingView<Scalar>& rows, std::size_t sample,
                                        const AnyExecutor& executor) {
    const auto dim = static_cast<Eigen::Index>(rows.dim());
    const std::size_t count = std::min(rows.size(), sample);
    const auto sampled_row = [&](std::size_t i) { return i * rows.size() / count; };

    Eigen::VectorXd sum = Eigen::VectorXd::Zero(dim);
    RowMajorMatrix one(1, dim);
    for (std::size_t i = 0; i < count; ++i) {
      rows.decode(sampled_row(i), one.data());
      sum += one.row(0).transpose().template cast<double>();
    }
    PrincipalAxes result;
    const Eigen::VectorXf mean = (sum / static_cast<double>(count)).template cast<float>();
    result.mean.assign(mean.data(), mean.data() + dim);

    // Blocks of a fixed size, summed in their order: the same bits for any number of threads.
    constexpr std::size_t block = 4096;
    const std::size_t blocks = (count + block - 1) / block;
    std::vector<RowMajorMatrix> parts(blocks);
    executor.run(blocks, [&](std::size_t b) {
      const std::size_t begin = b * block;
      const std::size_t end = std::min(count, begin + block);
      RowMajorMatrix centred(static_cast<Eigen::Index>(end - begin), dim);
      for (std::size_t i = begin; i < end; ++i) {
        rows.decode(sampled_row(i), centred.data() + (i - begin) * rows.dim());
      }
      centred.rowwise() -= mean.transpose();
      parts[b].noalias() = centred.transpose() * centred;
    });
    Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(dim, dim);
    for (const RowMajorMatrix& part : parts) covariance += part.template cast<double>();
    covariance /= static_cast<double>(count);
    if (!covariance.allFinite()) {
      result.axes = RowMajorMatrix::Identity(dim, dim);
      result.variances.assign(rows.dim(), std::numeric_limits<double>::infinity());
      return result;
    }

    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance);  // ascending
    result.axes = solver.eigenvectors().transpose().colwise().reverse().template cast<float>();
    result.variances.resize(rows.dim());
    for (Eigen::Index d = 0; d < dim; ++d) {
      result.variances[static_cast<std::size_t>(d)] = std::max(0.0, solver.eigenvalues()(dim - 1 - d));
    }
    return result;
  }
};

}  // namespace pefa::detail
