// pefa: the weights of the local regression gate for several k at once, from the inner products of the neighbours. What
// tune() uses in the place of LocalRegressionGate, which asks for the vectors.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/adapter/policies.hpp"

namespace pefa::detail {

/// The neighbours of one query, nearest first: those of a smaller k are the first of a larger. So are the rows of
/// Cholesky's factor of K + γI, and the first half of the solution. Not for concurrent use.
class GramGate {
 public:
  /// @param ranked    s_i − β·r_i, best first
  /// @param products  ⟨q_i, q_j⟩ for j <= i, row after row
  /// O(k³).
  void factor(const GateSpec& gate, std::span<const float> ranked, std::span<const float> products) {
    const std::size_t k = ranked.size();
    const auto h = static_cast<double>(gate.bandwidth);
    factor_.resize(k * (k + 1) / 2);
    half_.resize(k);
    for (std::size_t i = 0; i < k; ++i) {
      double* row = factor_.data() + i * (i + 1) / 2;
      const float* product = products.data() + i * (i + 1) / 2;
      half_[i] = std::exp((static_cast<double>(ranked[i]) - static_cast<double>(ranked[0])) / h);
      for (std::size_t j = 0; j <= i; ++j) {
        const double* other = factor_.data() + j * (j + 1) / 2;
        double sum = std::exp((static_cast<double>(product[j]) - 1.0) / h);
        if (i == j) sum += static_cast<double>(gate.ridge);
        for (std::size_t t = 0; t < j; ++t) sum -= row[t] * other[t];
        row[j] = i == j ? std::sqrt(sum) : sum / other[j];
      }
      for (std::size_t t = 0; t < i; ++t) half_[i] -= row[t] * half_[t];
      half_[i] /= row[i];
    }
  }

  /// The weights of the first weights.size() neighbours, Σ|w_i| = 1. O(k²).
  void weigh(std::span<float> weights) {
    const std::size_t k = weights.size();
    solution_.assign(half_.begin(), half_.begin() + static_cast<std::ptrdiff_t>(k));
    for (std::size_t i = k; i-- > 0;) {
      const double* row = factor_.data() + i * (i + 1) / 2;
      solution_[i] /= row[i];
      for (std::size_t t = 0; t < i; ++t) solution_[t] -= row[t] * solution_[i];
    }
    double sum = 0.0;
    for (const double w : solution_) sum += std::abs(w);
    for (std::size_t i = 0; i < k; ++i) weights[i] = static_cast<float>(solution_[i] / sum);
  }

 private:
  std::vector<double> factor_;  // the lower triangle, row after row
  std::vector<double> half_;    // L⁻¹κ
  std::vector<double> solution_;
};

}  // namespace pefa::detail
