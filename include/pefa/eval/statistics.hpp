// pefa: means with their uncertainty, and percentiles; plain statistics over per-query numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace pefa {

/// A mean over queries and the interval that holds it with 95 % confidence.
struct Estimate {
  double mean = 0.0;  ///< over the queries
  double low = 0.0;   ///< lower end of the interval
  double high = 0.0;  ///< upper end of the interval
};

/// The mean of `values` with its 95 % percentile-bootstrap interval (Efron & Tibshirani 1993, chapter 13).
///
/// @param samples  resamplings; 0 gives the mean alone, as all three numbers
/// @param seed     the same seed gives the same interval on every platform
/// O(samples · n).
[[nodiscard]] inline Estimate bootstrap_mean(const std::vector<double>& values, std::size_t samples,
                                             std::uint64_t seed) {
  if (values.empty()) return {};
  const auto n = values.size();
  double sum = 0.0;
  for (const double value : values) sum += value;
  const double mean = sum / static_cast<double>(n);
  if (samples == 0) return {mean, mean, mean};

  std::mt19937_64 random(seed);
  std::vector<double> means(samples);
  for (double& resampled : means) {
    double total = 0.0;
    // The high half of a product: uniform over [0, n) up to 2^-32, and the same everywhere, unlike std's distribution.
    for (std::size_t i = 0; i < n; ++i) total += values[static_cast<std::size_t>(((random() >> 32) * n) >> 32)];
    resampled = total / static_cast<double>(n);
  }
  std::sort(means.begin(), means.end());
  const auto low = static_cast<std::size_t>(0.025 * static_cast<double>(samples - 1));
  return {mean, means[low], means[samples - 1 - low]};
}

namespace detail {

/// Whether one mean is above another by more than what the order of a sum decides.
[[nodiscard]] constexpr bool is_ahead(double mean, double other) noexcept {
  return mean > other + 1e-12;
}

}  // namespace detail

/// The smallest value that at least `share` of the values do not exceed (nearest rank). `values` must not be empty.
[[nodiscard]] inline double percentile(std::vector<double> values, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::clamp<std::size_t>(rank, 1, values.size()) - 1);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace pefa
