// pefa: the level of every row of an HNSW graph, and the order in which rows go in.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"

namespace pefa::detail {

/// Rows in order of descending level, then of their numbers: every level is a beginning of the order, and the graph on
/// it is the one that these rows make.
///
/// P(level >= l) = M^−l (Malkov & Yashunin, TPAMI 2018, section 4.1). A row's level depends on the seed and its number
/// alone: the same on every machine.
struct RowLevels {
  std::vector<Row> order;          ///< every row once; of rows equal to each other only the first
  std::vector<std::size_t> sizes;  ///< how many of them each level has, from 0 up

  /// @param first  for each of the n rows the first one equal to it; empty: no two are equal  @param n  at least 1
  [[nodiscard]] static RowLevels draw(std::size_t n, std::span<const Row> first, std::size_t m, std::size_t seed) {
    const double scale = 1.0 / std::log(static_cast<double>(m));
    std::vector<std::uint8_t> levels(n);
    RowLevels drawn;
    for (std::size_t i = 0; i < n; ++i) {
      if (!first.empty() && first[i] != i) continue;
      levels[i] = static_cast<std::uint8_t>(-std::log(uniform(seed, i)) * scale);
      drawn.order.push_back(static_cast<Row>(i));
    }
    std::stable_sort(drawn.order.begin(), drawn.order.end(), [&](Row a, Row b) { return levels[a] > levels[b]; });
    drawn.sizes.assign(levels[drawn.order.front()] + std::size_t{1}, 0);
    for (const Row row : drawn.order) {
      for (std::size_t level = 0; level <= levels[row]; ++level) ++drawn.sizes[level];
    }
    return drawn;
  }

 private:
  /// One of 2^53 numbers in (0, 1], by the finaliser of SplitMix64 (Steele et al., OOPSLA 2014).
  [[nodiscard]] static double uniform(std::size_t seed, std::size_t i) noexcept {
    std::uint64_t x = seed + 0x9E37'79B9'7F4A'7C15U * (std::uint64_t{i} + 1);
    x = (x ^ (x >> 30)) * 0xBF58'476D'1CE4'E5B9U;
    x = (x ^ (x >> 27)) * 0x94D0'49BB'1331'11EBU;
    x ^= x >> 31;
    return (static_cast<double>(x >> 11) + 1.0) * 0x1p-53;
  }
};

}  // namespace pefa::detail
