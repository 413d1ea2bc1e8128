// pefa: the gate that asks how the neighbours of a query lie to each other: ten copies of one question then weigh as
// one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/adapter/fit_params.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/simd/kernels.hpp"

namespace pefa {

/// What a NeighborGate works in, kept by the caller so that no call allocates after the first.
struct GateScratch {
  std::vector<double> matrix;  ///< [k x k] of one query
  std::vector<double> right;   ///< [k] of one query
};

/// w = (K + γI)⁻¹·κ, scaled to Σ|w_i| = 1: kernel ridge regression of relevance at q̂ from its neighbours alone.
/// K_ij = exp((⟨q_i, q_j⟩ − 1)/h), κ_i = exp((s_i − β·r_i − 1)/h).
///
/// Weights may be negative. f_kNN = Σ w_i·Y_ij, without the factor s_i of the other gates. Meant for rows of unit
/// length.
class LocalRegressionGate {
 public:
  /// @throws ValueError  h or γ that is not finite and above 0
  explicit LocalRegressionGate(const LocalRegressionParams& params = {}) : params_(params) {
    require_positive(params.bandwidth, "bandwidth");
    require_positive(params.ridge, "ridge");
  }

  /// What it was fitted or made with.
  [[nodiscard]] const LocalRegressionParams& params() const noexcept { return params_; }

  /// @param similarities  s_i − β·r_i of the k neighbours, in any order
  /// @param vectors       q_i, `dim` floats each, as many
  /// @param weights       to fill, as many
  /// O(k² · dim + k³).
  void operator()(std::span<const float> similarities, std::span<const float* const> vectors, std::size_t dim,
                  std::span<float> weights, GateScratch& scratch) const {
    const std::size_t k = similarities.size();
    if (vectors.size() != k || weights.size() != k) {
      detail::fail<ShapeError>("LocalRegressionGate: ", k, " similarities, ", vectors.size(), " vectors, ",
                               weights.size(), " weights, expected as many of each");
    }
    if (k == 0) return;
    const auto h = static_cast<double>(params_.bandwidth);
    float largest = similarities[0];  // a factor of κ that the scaling takes out again: nothing underflows
    for (const float s : similarities) largest = std::max(largest, s);
    scratch.right.resize(k);
    scratch.matrix.resize(k * k);
    const auto dot = simd::dot_kernel<float>();
    for (std::size_t i = 0; i < k; ++i) {
      scratch.right[i] = std::exp((static_cast<double>(similarities[i]) - static_cast<double>(largest)) / h);
      for (std::size_t j = 0; j <= i; ++j) {
        scratch.matrix[i * k + j] = std::exp((static_cast<double>(dot(vectors[i], vectors[j], dim, 1.0f)) - 1.0) / h);
      }
      scratch.matrix[i * k + i] += static_cast<double>(params_.ridge);
    }
    solve(scratch.matrix.data(), scratch.right.data(), k);
    double sum = 0.0;
    for (const double w : scratch.right) sum += std::abs(w);
    for (std::size_t i = 0; i < k; ++i) weights[i] = static_cast<float>(scratch.right[i] / sum);
  }

 private:
  static void require_positive(float value, const char* name) {
    if (!(detail::is_finite(value) && value > 0.0f)) {
      detail::fail<ValueError>("LocalRegressionGate: ", name, " is ", value, ", expected finite and above 0");
    }
  }

  /// b = A⁻¹·b by Cholesky's factor, written over the lower triangle of A. A is positive definite: exp of an inner
  /// product is a kernel, and γ is above 0.
  static void solve(double* a, double* b, std::size_t k) noexcept {
    for (std::size_t i = 0; i < k; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        double sum = a[i * k + j];
        for (std::size_t t = 0; t < j; ++t) sum -= a[i * k + t] * a[j * k + t];
        a[i * k + j] = i == j ? std::sqrt(sum) : sum / a[j * k + j];
      }
      for (std::size_t t = 0; t < i; ++t) b[i] -= a[i * k + t] * b[t];
      b[i] /= a[i * k + i];
    }
    for (std::size_t i = k; i-- > 0;) {
      b[i] /= a[i * k + i];
      for (std::size_t t = 0; t < i; ++t) b[t] -= a[i * k + t] * b[i];
    }
  }

  LocalRegressionParams params_;
};

}  // namespace pefa
