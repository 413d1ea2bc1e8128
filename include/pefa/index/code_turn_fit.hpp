// pefa: the turn of a partitioned index, found from a sample of residuals, and how rows are turned by it.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/index/code_turn.hpp"
#include "pefa/index/partition_centers.hpp"
#include "pefa/index/principal_axes.hpp"
#include "pefa/index/row_codes.hpp"
#include "pefa/simd/score_panels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// A template, so that only who builds an index compiles it.
template <class Scalar>
class CodeTurnFit {
 public:
  /// Axes are looked for up to here: all of them cost dim³, and every query dim².
  static constexpr std::size_t most_axes = 768;
  /// By how much, on average, the logarithm of a variance along the axes must be below one along the coordinates, for
  /// axes to pay: 1.3 of WordNet's passages as Universal Sentence Encoder Lite has them, 0.56 of the same whitened, 0
  /// of least-squares rows in their balanced form.
  static constexpr double least_gain = 0.1;

  /// @param residuals  [count x dim]  @param width  coordinates of a code
  CodeTurnFit(const std::vector<float>& residuals, std::size_t dim, std::size_t width, const AnyExecutor& executor,
              const Poll& poll)
      : dim_(dim) {
    const std::size_t count = std::min(residuals.size() / dim, most_rows);
    const EmbeddingView<float> sample(residuals.data(), count, dim);
    if (dim <= most_axes && count >= 2 * dim) {
      PrincipalAxes axes = PrincipalAxes::of(sample, count, executor, poll);
      if (is_finite(axes.total) && gain_of(axes, count) >= least_gain) {
        take_axes(axes, even_shares(axes.variances, width));
        return;
      }
    }
    turn_ = CodeTurn(even_shares(variances_of(sample), width));
  }

  [[nodiscard]] const CodeTurn& turn() const noexcept { return turn_; }

  /// Turns rows. @param rows  [n x dim], n <= CenterPanels::row_block  @param turned  as many floats, elsewhere
  /// @param scratch  reused
  void turn_rows(const float* rows, std::size_t n, float* turned, AlignedVector<float>& scratch) const {
    if (!turn_.has_axes()) {
      for (std::size_t i = 0; i < n; ++i) turn_.turn(rows + i * dim_, turned + i * dim_);
      return;
    }
    const CenterPanels& panels = panels_.front();
    scratch.resize(n * dim_ + n * panels.stride());
    float* products = scratch.data() + n * dim_;
    simd::detail::transpose(rows, n, dim_, scratch.data(), n);
    panels.multiply(scratch.data(), n, products);
    for (std::size_t i = 0; i < n; ++i) std::copy_n(products + i * panels.stride(), dim_, turned + i * dim_);
  }

 private:
  static constexpr std::size_t most_rows = 4096;

  [[nodiscard]] static double least_of(const std::vector<double>& variances) {
    return 1e-6 * *std::max_element(variances.begin(), variances.end()) + 1e-300;
  }

  [[nodiscard]] static double mean_logarithm(const std::vector<double>& variances, double least) {
    double sum = 0.0;
    for (const double variance : variances) sum += std::log(std::max(variance, least));
    return sum / static_cast<double>(variances.size());
  }

  /// Less what axes of a sample gain by chance where nothing correlates, by the law of Marchenko and Pastur.
  [[nodiscard]] static double gain_of(const PrincipalAxes& axes, std::size_t count) {
    const double least = least_of(axes.variances);
    const double share = static_cast<double>(axes.variances.size()) / static_cast<double>(count);  // at most a half
    const double by_chance = 1.0 + (1.0 - share) / share * std::log1p(-share);
    return mean_logarithm(axes.spread, least) - mean_logarithm(axes.variances, least) - by_chance;
  }

  [[nodiscard]] static std::vector<double> variances_of(const EmbeddingView<float>& sample) {
    std::vector<double> sums(sample.dim(), 0.0);
    std::vector<double> squares(sample.dim(), 0.0);
    for (std::size_t i = 0; i < sample.size(); ++i) {
      const float* row = sample.row(i);
      for (std::size_t d = 0; d < sample.dim(); ++d) {
        sums[d] += double{row[d]};
        squares[d] += double{row[d]} * double{row[d]};
      }
    }
    const auto n = static_cast<double>(sample.size());
    for (std::size_t d = 0; d < sample.dim(); ++d) {
      squares[d] = std::max(0.0, squares[d] / n - sums[d] / n * (sums[d] / n));
    }
    return squares;
  }

  /// The coordinates in an order in which every `width` of them, one after the other, have variances of about the same
  /// product: the largest one that is left goes to where the product is the smallest.
  [[nodiscard]] static std::vector<std::uint32_t> even_shares(const std::vector<double>& variances, std::size_t width) {
    const std::size_t dim = variances.size();
    const std::size_t groups = (dim + width - 1) / width;
    const double least = least_of(variances);
    std::vector<std::uint32_t> largest(dim);
    std::iota(largest.begin(), largest.end(), 0U);
    std::stable_sort(largest.begin(), largest.end(), [&](auto a, auto b) { return variances[a] > variances[b]; });
    std::vector<std::vector<std::uint32_t>> members(groups);
    std::vector<double> products(groups, 0.0);  // their logarithms
    for (const std::uint32_t d : largest) {
      std::size_t best = groups;
      for (std::size_t g = 0; g < groups; ++g) {
        const bool has_room = members[g].size() < std::min(width, dim - g * width);
        if (has_room && (best == groups || products[g] < products[best])) best = g;
      }
      members[best].push_back(d);
      products[best] += std::log(std::max(variances[d], least) / least);
    }
    std::vector<std::uint32_t> order;
    for (const auto& each : members) order.insert(order.end(), each.begin(), each.end());
    return order;
  }

  void take_axes(const PrincipalAxes& axes, const std::vector<std::uint32_t>& order) {
    AlignedVector<std::int8_t> codes(dim_ * dim_);
    std::vector<float> scales(dim_);
    using Matrix =
        std::conditional_t<EmbeddingScalar<Scalar>, RowMajorMatrix, void>;  // named late, as in PrincipalAxes
    const auto size = static_cast<Eigen::Index>(dim_);
    Matrix coded(size, size);
    for (std::size_t a = 0; a < dim_; ++a) {
      std::int8_t* out = codes.data() + a * dim_;
      scales[a] = encode_row(axes.axes.data() + order[a] * dim_, dim_, out);
      for (std::size_t d = 0; d < dim_; ++d) coded.data()[a * dim_ + d] = static_cast<float>(out[d]) * scales[a];
    }
    // The inverse of the transposed: Newton's steps, each of which squares an error of a hundredth.
    Matrix inverse = coded;
    for (int step = 0; step < 3; ++step) {
      Matrix rest = -(coded.transpose() * inverse);
      rest.diagonal().array() += 2.0f;
      inverse = (inverse * rest).eval();
    }
    panels_.emplace_back(inverse.data(), dim_, dim_);
    turn_ = CodeTurn(std::move(codes), std::move(scales));
  }

  std::size_t dim_;
  CodeTurn turn_;
  std::vector<CenterPanels> panels_;  // of what rows are turned by; none where they are put in order
};

}  // namespace pefa::detail
