// pefa: the true nearest neighbours of a set of queries, as nearest-neighbour benchmarks publish them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pefa/core/error.hpp"

namespace pefa::io {

/// The k nearest neighbours of every query, nearest first. Files differ in what pads a short row; ids are kept as
/// stored.
struct GroundTruth {
  std::size_t query_count = 0;    ///< rows of ids and distances
  std::size_t k = 0;              ///< neighbours a query
  std::vector<std::int32_t> ids;  ///< [query_count x k], row numbers of the base vectors
  std::vector<float> distances;  ///< [query_count x k] in the benchmark's own measure, or empty where the file has none

  /// The neighbours of a query. [k]
  [[nodiscard]] std::span<const std::int32_t> ids_of(std::size_t query) const noexcept {
    return std::span(ids).subspan(query * k, k);
  }
  /// Their distances, or nothing where the file has none. [k]
  [[nodiscard]] std::span<const float> distances_of(std::size_t query) const noexcept {
    return distances.empty() ? std::span<const float>() : std::span(distances).subspan(query * k, k);
  }

  /// Whether all fields are equal.
  friend bool operator==(const GroundTruth&, const GroundTruth&) = default;
};

namespace detail {

/// What every format asks of a table that it writes. @throws ShapeError  not query_count x k ids, or other distances
inline void require_whole(const GroundTruth& truth, const std::string& file) {
  const std::size_t ids = truth.ids.size();
  const bool whole = truth.k == 0 ? ids == 0 : ids % truth.k == 0 && ids / truth.k == truth.query_count;
  if (!whole || (!truth.distances.empty() && truth.distances.size() != ids)) {
    pefa::detail::fail<ShapeError>(file, ": the ground truth has ", ids, " ids and ", truth.distances.size(),
                                   " distances, expected ", truth.query_count, " x ", truth.k,
                                   " ids and as many distances or none");
  }
}

}  // namespace detail
}  // namespace pefa::io
