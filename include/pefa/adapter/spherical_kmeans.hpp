// pefa: spherical k-means of a few weighted rows: the directions that the training queries of one passage point in.
//
// Meant for many small groups at once: one call is one thread's work, and the caller runs the groups in parallel.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// How rows are clustered.
struct SphericalKMeansParams {
  std::size_t clusters = 8;         ///< at most so many; at least 1
  std::size_t max_iterations = 25;  ///< of Lloyd's; fewer where the assignment settles
  std::uint64_t seed = 0;           ///< of the first centres
};

namespace detail {

/// A member weighs w_i·‖x_i‖ at the direction x_i/‖x_i‖, so that a cluster's centre is Π(Σ w_i·x_i), as in PEFA-XS.
///
/// @tparam Real  of directions and similarities; a template, so that only who clusters compiles Eigen's products
template <class Real>
class SphericalKMeans {
 public:
  template <class Scalar>
  SphericalKMeans(const EmbeddingView<Scalar>& rows, const RelevanceMatrix::Entries& members)
      : directions_(static_cast<Eigen::Index>(members.size()), static_cast<Eigen::Index>(rows.dim())),
        mass_(static_cast<Eigen::Index>(members.size())),
        cluster_(members.size(), 0) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto row = static_cast<Eigen::Index>(i);
      rows.decode(static_cast<std::size_t>(members.columns[i]), directions_.row(row).data());
      const Real norm = directions_.row(row).stableNorm();
      if (norm > Real(0)) directions_.row(row) /= norm;
      mass_[row] = static_cast<Wide>(members.weights[i]) * static_cast<Wide>(norm);
    }
  }

  [[nodiscard]] std::vector<std::uint32_t> run(const SphericalKMeansParams& params) {
    seed(params);
    for (std::size_t iteration = 0; iteration < params.max_iterations && assign(); ++iteration) move_centers();
    return std::move(cluster_);
  }

 private:
  using Wide = decltype(Real() * double());  // of sums
  using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Sums = Eigen::Matrix<Wide, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using WideVector = Eigen::Matrix<Wide, Eigen::Dynamic, 1>;

  /// k-means++ (Arthur & Vassilvitskii 2007) with 1 − cosine, half the squared distance of unit vectors. Ends early
  /// where the members have fewer directions.
  void seed(const SphericalKMeansParams& params) {
    std::mt19937_64 random(params.seed);
    const auto most = std::min<Eigen::Index>(static_cast<Eigen::Index>(params.clusters), directions_.rows());
    centers_.resize(most, directions_.cols());
    WideVector distance = WideVector::Constant(directions_.rows(), 2.0);
    for (Eigen::Index c = 0; c < most; ++c) {
      const WideVector share = mass_.cwiseProduct(distance);
      const Eigen::Index chosen = draw(share, random);
      if (chosen < 0) {
        centers_.conservativeResize(c, Eigen::NoChange);
        break;
      }
      centers_.row(c) = directions_.row(chosen);
      const Eigen::Matrix<Real, Eigen::Dynamic, 1> similarity = directions_ * centers_.row(c).transpose();
      distance = distance.cwiseMin((1.0 - similarity.template cast<Wide>().array()).matrix());
      distance = (distance.array() < same_direction).select(0.0, distance);
    }
  }

  /// An index drawn in proportion to `share`; −1 where all are 0. Its own arithmetic, as std's distributions differ
  /// between platforms.
  [[nodiscard]] static Eigen::Index draw(const WideVector& share, std::mt19937_64& random) {
    double left = static_cast<double>(random() >> 11) * 0x1p-53 * share.sum();
    Eigen::Index last = -1;
    for (Eigen::Index i = 0; i < share.size(); ++i) {
      if (share[i] <= 0.0) continue;
      last = i;
      left -= share[i];
      if (left < 0.0) break;
    }
    return last;
  }

  /// Gives each member the nearest centre, ties the first; drops centres left without any. @return  something changed
  [[nodiscard]] bool assign() {
    const Matrix similarity = directions_ * centers_.transpose();
    std::vector<std::uint32_t> nearest(cluster_.size());
    for (std::size_t i = 0; i < nearest.size(); ++i) {
      Eigen::Index best = 0;
      similarity.row(static_cast<Eigen::Index>(i)).maxCoeff(&best);
      nearest[i] = static_cast<std::uint32_t>(best);
    }
    number_by_first_member(nearest);
    const bool changed = nearest != cluster_;
    cluster_ = std::move(nearest);
    return changed;
  }

  static void number_by_first_member(std::vector<std::uint32_t>& clusters) {
    constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
    std::vector<std::uint32_t> number(clusters.size(), none);
    std::uint32_t used = 0;
    for (std::uint32_t& cluster : clusters) {
      if (number[cluster] == none) number[cluster] = used++;
      cluster = number[cluster];
    }
  }

  void move_centers() {
    const auto used = static_cast<Eigen::Index>(*std::max_element(cluster_.begin(), cluster_.end())) + 1;
    Sums sums = Sums::Zero(used, directions_.cols());
    for (Eigen::Index i = 0; i < directions_.rows(); ++i) {
      sums.row(cluster_[static_cast<std::size_t>(i)]) += mass_[i] * directions_.row(i).template cast<Wide>();
    }
    sums.rowwise().normalize();  // a zero sum stays zero
    centers_ = sums.template cast<Real>();
  }

  static constexpr double same_direction = 1e-6;  // what float leaves of 1 − cosine of equal rows

  Matrix directions_;
  WideVector mass_;
  Matrix centers_;
  std::vector<std::uint32_t> cluster_;
};

}  // namespace detail

/// Groups rows by direction: spherical k-means (Dhillon & Modha 2001), each row counting w_i times.
///
/// @param rows     [size x dim], finite, not zero
/// @param members  which rows, and their weights w_i > 0; at least one
/// @return         the cluster of each member, numbered from 0 in the order of their first members; none is empty, and
///                 there are fewer than `clusters` where the members have fewer directions
/// @throws ValueError  clusters = 0
/// O(iterations · members · clusters · dim) time, a float copy of the members. The same for the same seed.
template <class Scalar>
[[nodiscard]] std::vector<std::uint32_t> spherical_kmeans(const EmbeddingView<Scalar>& rows,
                                                          const RelevanceMatrix::Entries& members,
                                                          const SphericalKMeansParams& params = {}) {
  if (params.clusters == 0) detail::fail<ValueError>("spherical_kmeans: clusters is 0, expected at least 1");
  if (params.clusters == 1 || members.size() <= 1) return std::vector<std::uint32_t>(members.size(), 0);
  return detail::SphericalKMeans<float>(rows, members).run(params);
}

}  // namespace pefa
