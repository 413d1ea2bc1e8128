// pefa: the principal axes of a set of rows: the rotation that puts most of a vector's variance into its first
// coordinates, so that a search may decide on those alone (Jolliffe, Principal Component Analysis, 2002, chapter 2).
//
// All axes cost dim³, which is a second at 1,024 and minutes at 4,096: there the leading ones alone are found, by block
// subspace iteration (Halko, Martinsson & Tropp, SIAM Review 2011, section 4.5).
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

#include "pefa/core/executor.hpp"
#include "pefa/core/linear_algebra.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// Called several times a second in a long computation, from any thread; throws to end it.
using Poll = std::function<void()>;

inline void ask(const Poll& poll) {
  if (poll) poll();
}

/// At most so many of some rows, evenly spaced, less their mean.
template <class Scalar>
class CentredSample {
 public:
  CentredSample(const EmbeddingView<Scalar>& rows, std::size_t most) : rows_(rows), size_(std::min(rows.size(), most)) {
    Eigen::VectorXd sum = Eigen::VectorXd::Zero(dim());
    RowMajorMatrix one(1, dim());
    for (std::size_t i = 0; i < size_; ++i) {
      rows_.decode(number(i), one.data());
      sum += one.row(0).transpose().template cast<double>();
    }
    mean_ = (sum / static_cast<double>(size_)).template cast<float>();
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] Eigen::Index dim() const noexcept { return static_cast<Eigen::Index>(rows_.dim()); }
  [[nodiscard]] std::vector<float> mean() const { return {mean_.data(), mean_.data() + mean_.size()}; }

  /// Rows begin … end-1 of the sample.
  [[nodiscard]] RowMajorMatrix block(std::size_t begin, std::size_t end) const {
    RowMajorMatrix centred(static_cast<Eigen::Index>(end - begin), dim());
    for (std::size_t i = begin; i < end; ++i) rows_.decode(number(i), centred.data() + (i - begin) * rows_.dim());
    centred.rowwise() -= mean_.transpose();
    return centred;
  }

 private:
  [[nodiscard]] std::size_t number(std::size_t i) const noexcept { return i * rows_.size() / size_; }

  const EmbeddingView<Scalar>& rows_;
  std::size_t size_;
  Eigen::VectorXf mean_;
};

/// The largest share of the variance that `count` axes can hold: sqrt(count · tr C² / (tr C)²) by Cauchy–Schwarz, C the
/// covariance, whose traces products of few rows estimate. O(512² · dim): it spares the axes of rows that have none to
/// speak of. 0 where all rows are equal.
template <class Scalar>
[[nodiscard]] double most_share_held(const EmbeddingView<Scalar>& rows, std::size_t count) {
  const CentredSample<Scalar> sample(rows, 512);
  const RowMajorMatrix centred = sample.block(0, sample.size());
  const RowMajorMatrix products = centred * centred.transpose();
  const auto n = static_cast<double>(sample.size());
  const Eigen::VectorXd squares = products.diagonal().template cast<double>();
  const double trace = squares.sum() / n;
  const double trace_of_square =
      (products.template cast<double>().squaredNorm() - squares.squaredNorm()) / (n * std::max(n - 1.0, 1.0));
  return trace > 0.0 ? std::sqrt(static_cast<double>(count) * trace_of_square) / trace : 0.0;
}

/// Centre and axes of rows, by descending variance: all axes, or the first.
struct PrincipalAxes {
  std::vector<float> mean;        ///< μ [dim]
  RowMajorMatrix axes;            ///< orthonormal, one axis a row [count x dim]
  std::vector<double> variances;  ///< along each axis [count]
  std::vector<double> spread;     ///< variance of each coordinate [dim]
  double total = 0.0;             ///< variance in all directions

  /// All axes, of at most `sample` rows. O(sample · dim² + dim³). Where their squares pass the range of float, the
  /// variances are infinite and the axes those of the coordinates.
  template <class Scalar>
  [[nodiscard]] static PrincipalAxes of(const EmbeddingView<Scalar>& rows, std::size_t sample_size,
                                        const AnyExecutor& executor, const Poll& poll = {}) {
    const CentredSample<Scalar> sample(rows, sample_size);
    const Eigen::Index dim = sample.dim();
    // Parts of a fixed size, summed in their order: the same bits for any number of threads.
    constexpr std::size_t part_rows = 4096;
    std::vector<RowMajorMatrix> parts((sample.size() + part_rows - 1) / part_rows);
    executor.run(parts.size(), [&](std::size_t p) {
      parts[p] = RowMajorMatrix::Zero(dim, dim);
      for_each_block(sample, p * part_rows, std::min(sample.size(), (p + 1) * part_rows), poll,
                     [&](const RowMajorMatrix& centred) { parts[p].noalias() += centred.transpose() * centred; });
    });
    // Named late, as below, so that who includes this and builds no index compiles none of its expressions.
    using Covariance = std::conditional_t<EmbeddingScalar<Scalar>, Eigen::MatrixXd, void>;
    Covariance covariance = Covariance::Zero(dim, dim);
    for (const RowMajorMatrix& part : parts) covariance += part.template cast<double>();
    covariance /= static_cast<double>(sample.size());
    PrincipalAxes result;
    result.mean = sample.mean();
    if (!covariance.allFinite()) return result.without_axes(dim);
    ask(poll);
    const Eigenpairs pairs = eigenpairs(covariance);
    ask(poll);
    result.axes = leading_axes<RowMajorMatrix>(pairs, dim);
    result.take_variances(pairs.values);
    result.take_spread(covariance.diagonal());
    return result;
  }

  /// The first `count` axes, at most dim, of at most `sample` rows. O(rounds · sample · dim · count). The last ones
  /// found are less exact than the first. @param start  axes to begin with, of another sample perhaps; the rest is
  /// drawn
  template <class Scalar>
  [[nodiscard]] static PrincipalAxes leading(const EmbeddingView<Scalar>& rows, std::size_t sample_size,
                                             std::size_t count, std::size_t rounds, const RowMajorMatrix& start,
                                             const AnyExecutor& executor, const Poll& poll = {}) {
    const CentredSample<Scalar> sample(rows, sample_size);
    const Eigen::Index dim = sample.dim();
    const auto wanted = std::min(static_cast<Eigen::Index>(count), dim);
    RowMajorMatrix axes(wanted, dim);
    const Eigen::Index given = std::min(start.rows(), wanted);
    if (given > 0) axes.topRows(given) = start.topRows(given);
    std::mt19937 random(1);
    std::normal_distribution<float> gaussian;
    std::generate(axes.data() + given * dim, axes.data() + axes.size(), [&] { return gaussian(random); });
    PrincipalAxes result;
    result.mean = sample.mean();
    for (std::size_t round = 0;; ++round) {
      make_orthonormal(axes);
      ask(poll);
      const bool last = round == rounds;
      const Products products = multiply(sample, axes, last, executor, poll);
      if (!products.turned.allFinite() || !products.squares.allFinite()) return result.without_axes(dim);
      if (!last) {
        axes = products.turned;
        continue;
      }
      const double n = static_cast<double>(sample.size());
      using Inner = std::conditional_t<EmbeddingScalar<Scalar>, Eigen::MatrixXd, void>;
      const Eigenpairs pairs = eigenpairs(Inner(products.inner.template cast<double>() / n));
      result.axes.noalias() = leading_axes<RowMajorMatrix>(pairs, wanted) * axes;
      result.take_variances(pairs.values);
      result.take_spread(products.squares / n);
      return result;
    }
  }

 private:
  /// What a round takes from the sample X, given axes V.
  struct Products {
    RowMajorMatrix turned;    // V XᵀX, in every round but the last
    RowMajorMatrix inner;     // V XᵀX Vᵀ, in the last
    Eigen::VectorXd squares;  // of each coordinate of X, summed
  };

  template <class Scalar, class Body>
  static void for_each_block(const CentredSample<Scalar>& sample, std::size_t begin, std::size_t end, const Poll& poll,
                             const Body& body) {
    constexpr std::size_t block = 256;  // between two polls
    for (; begin < end; begin += block) {
      ask(poll);
      body(sample.block(begin, std::min(begin + block, end)));
    }
  }

  template <class Scalar>
  [[nodiscard]] static Products multiply(const CentredSample<Scalar>& sample, const RowMajorMatrix& axes, bool last,
                                         const AnyExecutor& executor, const Poll& poll) {
    std::array<Products, 8> parts;  // a fixed number, summed in their order: the same bits for any number of threads
    executor.run(parts.size(), [&](std::size_t p) {
      Products& part = parts[p];
      part.turned = RowMajorMatrix::Zero(last ? 0 : axes.rows(), axes.cols());
      part.inner = RowMajorMatrix::Zero(last ? axes.rows() : 0, last ? axes.rows() : 0);
      part.squares = Eigen::VectorXd::Zero(axes.cols());
      const std::size_t begin = p * sample.size() / parts.size();
      const std::size_t end = (p + 1) * sample.size() / parts.size();
      for_each_block(sample, begin, end, poll, [&](const RowMajorMatrix& centred) {
        const RowMajorMatrix along = centred * axes.transpose();
        if (last) {
          part.inner.noalias() += along.transpose() * along;
          part.squares += centred.colwise().squaredNorm().transpose().template cast<double>();
        } else {
          part.turned.noalias() += along.transpose() * centred;
        }
      });
    });
    for (std::size_t p = 1; p < parts.size(); ++p) {
      parts[0].turned += parts[p].turned;
      parts[0].inner += parts[p].inner;
      parts[0].squares += parts[p].squares;
    }
    return std::move(parts[0]);
  }

  [[nodiscard]] PrincipalAxes& without_axes(Eigen::Index dim) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    axes = RowMajorMatrix::Identity(dim, dim);
    variances.assign(mean.size(), infinity);
    spread = variances;
    total = infinity;
    return *this;
  }

  /// @param ascending  eigenvalues
  void take_variances(const Eigen::VectorXd& ascending) {
    variances.resize(static_cast<std::size_t>(ascending.size()));
    std::transform(ascending.data(), ascending.data() + ascending.size(), variances.rbegin(),
                   [](double variance) { return std::max(0.0, variance); });
  }

  void take_spread(const Eigen::VectorXd& of_coordinates) {
    spread.assign(of_coordinates.data(), of_coordinates.data() + of_coordinates.size());
    total = of_coordinates.sum();
  }
};

}  // namespace pefa::detail
