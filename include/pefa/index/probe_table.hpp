// pefa: what a beam width means to a partitioned index: how many lists a search probes, and how many of their rows it
// scores on better codes.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pefa/io/archive/fwd.hpp"

namespace pefa {

/// What a beam width means to a partitioned index.
struct ProbePoint {
  std::uint32_t ef;          ///< the width
  std::uint32_t lists;       ///< that are probed
  std::uint32_t candidates;  ///< rows of them that are scored on better codes
};

}  // namespace pefa
namespace pefa::detail {

/// How far one search goes.
struct Probe {
  std::size_t lists;
  std::size_t candidates;
};

/// Lists and candidates for a few beam widths, measured when the index was built; between them by power laws.
///
/// A graph's search of width ef misses about a share of the exact best 100 that falls with ef. The table holds what
/// misses no more on a sample: 1.3 % at ef = 100, 0.38 % at 300, 0.1 % at 1000.
class ProbeTable {
 public:
  static constexpr std::array<std::uint32_t, 6> widths{30, 100, 200, 300, 600, 1200};

  using Point = ProbePoint;

  ProbeTable() = default;
  /// @param points  by ascending ef, none of whose numbers is 0 or falls
  explicit ProbeTable(std::vector<Point> points) : points_(std::move(points)) {}

  /// The share of the best 100 that a search of that width may miss.
  [[nodiscard]] static double allowed_miss(double ef) noexcept { return 0.0038 * std::pow(300.0 / ef, 1.1); }

  /// @param ef  at least 1
  [[nodiscard]] Probe at(std::size_t ef) const noexcept {
    if (points_.size() < 2) return {points_.empty() ? 1 : points_[0].lists, std::max<std::size_t>(ef, 1)};
    std::size_t i = 1;
    while (i + 1 < points_.size() && points_[i].ef < ef) ++i;
    const Point& a = points_[i - 1];
    const Point& b = points_[i];
    const double share = std::log(static_cast<double>(ef) / a.ef) / std::log(static_cast<double>(b.ef) / a.ef);
    const auto between = [share](double x, double y) {
      return static_cast<std::size_t>(std::clamp(std::ceil(x * std::pow(y / x, share) - 1e-6), 1.0, 1e15));
    };
    return {between(a.lists, b.lists), between(a.candidates, b.candidates)};
  }

  /// Defined, as open() is, in partitioned_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;
  [[nodiscard]] static inline ProbeTable open(const io::ArchiveReader& reader, const std::string& prefix);

  [[nodiscard]] const std::vector<Point>& points() const noexcept { return points_; }

 private:
  std::vector<Point> points_;
};

}  // namespace pefa::detail
