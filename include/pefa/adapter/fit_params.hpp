// pefa: the parameters of what is fitted to training data, in closed form. What each fit does stands beside its code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pefa/adapter/policies.hpp"

namespace pefa {

/// How the least squares are shrunk: see LeastSquares.
struct LeastSquaresParams {
  float shrinkage = 0.1f;            ///< α >= 0; 0 needs more independent queries than dimensions
  float passages_as_queries = 0.0f;  ///< b >= 0: how much of a training query each passage is of its own

  /// Whether all are equal.
  friend bool operator==(const LeastSquaresParams&, const LeastSquaresParams&) = default;
};

/// How the space is whitened: see Whitening.
struct WhiteningParams {
  /// Which second moment is made unit.
  Scatter scatter = Scatter::within;
  float shrinkage = 1.0f;  ///< α >= 0; 0.1 to 3 do about the same
  std::size_t rank = 0;    ///< r: dimensions of the whitened space; 0: as many as the vectors have

  /// Whether all are equal.
  friend bool operator==(const WhiteningParams&, const WhiteningParams&) = default;
};

/// How hubness is estimated: see Hubness.
struct HubnessParams {
  std::size_t nearest = 10;        ///< so many of the others are looked at; at least 1
  std::size_t sample_size = 4096;  ///< among so many of the training queries; at least 2
  std::uint64_t seed = 0;          ///< of the sample
};

/// How the local regression weighs neighbours: see LocalRegressionGate.
struct LocalRegressionParams {
  float bandwidth = 0.125f;  ///< h > 0: similarities that differ by h differ by a factor e
  float ridge = 0.3f;        ///< γ > 0: how little to trust each neighbour's own answer
};

/// How the balanced form is made: see Balance.
struct BalanceParams {
  std::size_t rank = 0;     ///< r: dimensions of the balanced space; 0: as many as the vectors have
  float shrinkage = 0.01f;  ///< of both second moments, 0 or more
};

}  // namespace pefa
