// pefa: the best k of some scored rows by counting: linear passes without a branch that depends on a score, where a
// selection by comparisons guesses wrong every second time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "pefa/core/ids.hpp"

namespace pefa::detail {

/// Cuts candidates to their best; reused, so that it does not allocate after the first.
class BucketSelection {
 public:
  /// Leaves the k best of `found` in no order, ties by ascending row; all where there are no more. O(n) but where many
  /// scores are all but equal.
  void keep(std::vector<Neighbor>& found, std::size_t k) {
    if (found.size() <= k) return;
    float least = std::numeric_limits<float>::infinity();
    float most = -least;
    for (const Neighbor& each : found) {
      least = std::min(least, each.score);
      most = std::max(most, each.score);
    }
    const float per_score = static_cast<float>(buckets - 1) / (most - least);
    if (found.size() < 2 * buckets || k == 0 || !(most - least < infinity) || !(per_score < infinity)) {
      select(found, k);
      return;
    }
    counts_.fill(0);
    of_.resize(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto bucket = static_cast<std::uint8_t>((found[i].score - least) * per_score);
      of_[i] = bucket;
      ++counts_[bucket];
    }
    std::size_t last = buckets - 1;  // the bucket that holds the k-th
    std::size_t above = 0;
    for (; above + counts_[last] < k; --last) above += counts_[last];
    edge_.resize(found.size());
    std::size_t kept = 0;
    std::size_t at_edge = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const Neighbor each = found[i];
      edge_[at_edge] = each;
      at_edge += of_[i] == last ? 1U : 0U;
      found[kept] = each;
      kept += of_[i] > last ? 1U : 0U;
    }
    edge_.resize(at_edge);
    select(edge_, k - above);
    found.resize(kept);
    found.insert(found.end(), edge_.begin(), edge_.end());
  }

 private:
  static constexpr std::size_t buckets = 256;
  static constexpr float infinity = std::numeric_limits<float>::infinity();

  static void select(std::vector<Neighbor>& found, std::size_t k) {
    if (k < found.size()) {
      std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(k), found.end(), ranks_before);
      found.resize(k);
    }
  }

  std::array<std::uint32_t, buckets> counts_{};
  std::vector<std::uint8_t> of_;
  std::vector<Neighbor> edge_;  // of the bucket that holds the k-th
};

}  // namespace pefa::detail
