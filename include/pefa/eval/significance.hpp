// pefa: is the difference between two retrievers on the same queries more than chance? Plain statistics over per-query
// numbers.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"

namespace pefa {

/// The standard error of the mean: s / √n with s² = Σ (x − mean)² / (n − 1). 0 for fewer than two values.
[[nodiscard]] inline double standard_error(std::span<const double> values) {
  if (values.size() < 2) return 0.0;
  const auto n = static_cast<double>(values.size());
  double sum = 0.0;
  for (const double value : values) sum += value;
  const double mean = sum / n;
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (n - 1.0) / n);
}

/// first_i − second_i. @throws ShapeError  sizes that disagree
[[nodiscard]] inline std::vector<double> paired_differences(std::span<const double> first,
                                                            std::span<const double> second) {
  if (first.size() != second.size()) {
    detail::fail<ShapeError>("paired_differences: ", first.size(), " values against ", second.size(),
                             ", expected one of each a query");
  }
  std::vector<double> differences(first.size());
  for (std::size_t i = 0; i < first.size(); ++i) differences[i] = first[i] - second[i];
  return differences;
}

/// The two-sided p-value of the paired randomisation test: how often a mean difference at least as far from 0 comes
/// about when each query's difference gets a random sign (Smucker, Allan, Carterette, CIKM 2007).
///
///     p = (1 + #{|T*| >= |T|}) / (1 + samples)
///
/// The observed difference counts as one of the samples, so p is never 0 (Phipson & Smyth 2010).
///
/// @param differences  one a query, finite, see paired_differences; none, or all 0, give p = 1
/// @param samples      random assignments of signs; the smallest p is 1 / (1 + samples)
/// @param seed         the same seed gives the same p on every platform
/// @throws ValueError  a difference that is not finite
/// O(samples · n).
[[nodiscard]] inline double paired_randomization_test(std::span<const double> differences, std::size_t samples = 10'000,
                                                      std::uint64_t seed = 1) {
  std::vector<double> changed;  // a difference of 0 stays 0 whatever its sign
  double observed = 0.0;
  double magnitude = 0.0;
  for (const double difference : differences) {
    if (!detail::is_finite(difference)) {
      detail::fail<ValueError>("paired_randomization_test: a difference is ", difference, ", expected finite ones");
    }
    if (difference != 0.0) changed.push_back(difference);
    observed += difference;
    magnitude += std::abs(difference);
  }
  // Sums of the same terms in another order differ by rounding, which must not decide whether they are equal.
  const double threshold = std::abs(observed) - 1e-12 * magnitude;

  std::mt19937_64 random(seed);
  std::size_t as_far = 0;
  for (std::size_t sample = 0; sample < samples; ++sample) {
    double sum = 0.0;
    std::uint64_t signs = 0;
    for (std::size_t i = 0; i < changed.size(); ++i) {
      signs = i % 64 == 0 ? random() : signs >> 1;
      sum += (signs & 1U) != 0 ? changed[i] : -changed[i];
    }
    as_far += std::abs(sum) >= threshold ? 1U : 0U;
  }
  return static_cast<double>(1 + as_far) / static_cast<double>(1 + samples);
}

}  // namespace pefa
