// pefa: what a retriever was fitted with, in archives: FittedParts, and what else came with version 2 of the spec.
//
//   "whitening.map"          f32, W as LinearMap keeps it; of shape "whitening.shape", "whitening.rows" x
//   "whitening.dim" "least_squares.inverse"  f64 [dim x dim], M⁻¹ "balance.query_map", "balance.row_map"  f32 [rank x
//   dim], A and B "balance.mean"           f32 [dim], μ
//
// Each is there where the retriever has it; an archive of version 1 has none.
#pragma once

#include <Eigen/Core>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/adapter/balance.hpp"
#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/least_squares.hpp"
#include "pefa/adapter/linear_map.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/whitening.hpp"
#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/archive/metadata.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"

namespace pefa::detail {

/// The names of MapShape in archives.
inline constexpr std::array map_shapes{"dense", "lower_triangle"};

/// @throws FormatError  a value that is not finite
inline void require_finite(const io::ArchiveReader& reader, const std::string& key, std::span<const double> values) {
  for (const double value : values) {
    if (!is_finite(value)) fail<FormatError>(reader.name(), ": section '", key, "' has a NaN or infinite element");
  }
}

inline void add_whitening(io::ArchiveWriter& writer, const Whitening& whitening) {
  add_named(writer, "whitening.scatter", whitening.params().scatter);
  writer.metadata().add("whitening.shrinkage", whitening.params().shrinkage);
  writer.metadata().add("whitening.rank", whitening.params().rank);
  writer.metadata().add("whitening.shape", map_shapes[static_cast<std::size_t>(whitening.map().shape())]);
  writer.metadata().add("whitening.rows", whitening.rank());
  writer.metadata().add("whitening.dim", whitening.dim());
  writer.add("whitening.map", whitening.map().values());
}

/// A map whose values are there, as many as it needs, and finite.
[[nodiscard]] inline LinearMap read_map(const io::ArchiveReader& reader, const std::string& key, std::size_t rows,
                                        std::size_t dim, MapShape shape) {
  const auto values = reader.section<float>(key, LinearMap::value_count(rows, dim, shape));
  require_finite(reader, key, values);
  return {values, rows, dim, shape};
}

/// The largest dim that an archive may name; products of two are far from overflow.
inline constexpr std::int64_t largest_dim = std::numeric_limits<std::int32_t>::max();

[[nodiscard]] inline std::optional<Whitening> read_whitening(const io::ArchiveReader& reader) {
  if (!reader.contains("whitening.map")) return std::nullopt;
  const WhiteningParams params{.scatter = read_named<Scatter>(reader, "whitening.scatter"),
                               .shrinkage = read_float(reader, "whitening.shrinkage"),
                               .rank = read_count(reader, "whitening.rank", 0)};
  const std::string shape = reader.metadata().text("whitening.shape");
  const std::size_t rows = read_count(reader, "whitening.rows", 1, largest_dim);
  const std::size_t dim = read_count(reader, "whitening.dim", 1, largest_dim);
  const bool is_triangle = shape == map_shapes[1];
  if ((!is_triangle && shape != map_shapes[0]) || rows > dim || (is_triangle && rows != dim)) {
    fail<FormatError>(reader.name(), ": metadata 'whitening' is ", shape, " of ", rows, " x ", dim,
                      ", expected dense of at most dim rows, or lower_triangle of dim x dim");
  }
  return Whitening(
      read_map(reader, "whitening.map", rows, dim, is_triangle ? MapShape::lower_triangle : MapShape::dense), params);
}

inline void add_balance(io::ArchiveWriter& writer, const Balance& balance) {
  writer.metadata().add("balance.rows", balance.rank());
  writer.metadata().add("balance.dim", balance.dim());
  writer.add("balance.query_map", balance.query_map().values());
  writer.add("balance.row_map", balance.row_map().values());
  writer.add("balance.mean", std::span<const float>(balance.mean()));
}

[[nodiscard]] inline std::optional<Balance> read_balance(const io::ArchiveReader& reader) {
  if (!reader.contains("balance.query_map")) return std::nullopt;
  const std::size_t rows = read_count(reader, "balance.rows", 1, largest_dim);
  const std::size_t dim = read_count(reader, "balance.dim", 1, largest_dim);
  if (rows > dim) {
    fail<FormatError>(reader.name(), ": metadata 'balance.rows' is ", rows, ", expected at most 'balance.dim', ", dim);
  }
  LinearMap query_map = read_map(reader, "balance.query_map", rows, dim, MapShape::dense);
  LinearMap row_map = read_map(reader, "balance.row_map", rows, dim, MapShape::dense);
  const auto mean = reader.section<float>("balance.mean", dim);
  require_finite(reader, "balance.mean", mean);
  return Balance(std::move(query_map), std::move(row_map), std::vector<float>(mean.begin(), mean.end()));
}

inline void add_fitted(io::ArchiveWriter& writer, const FittedParts& fitted) {
  if (fitted.whitening) add_whitening(writer, *fitted.whitening);
  if (fitted.balance) add_balance(writer, *fitted.balance);
  if (!fitted.least_squares) return;
  const auto dim = static_cast<Eigen::Index>(fitted.least_squares->dim());
  writer.metadata().add("least_squares.dim", fitted.least_squares->dim());
  const Eigen::MatrixXd inverse = fitted.least_squares->inverse();  // symmetric: rows are columns
  writer.add("least_squares.inverse", std::vector<double>(inverse.data(), inverse.data() + dim * dim));
}

/// What add_fitted() wrote. @param params  of the least squares
/// @throws FormatError  parts that do not fit together, or the rows of the passage index
/// @param is_whitened  whether the rows of the passage index are  @param rows  elements of one
[[nodiscard]] inline FittedParts read_fitted(const io::ArchiveReader& reader, const LeastSquaresParams& params,
                                             bool is_whitened, std::size_t rows) {
  FittedParts fitted{.whitening = read_whitening(reader), .balance = read_balance(reader)};
  if (is_whitened && !fitted.whitening) {
    fail<FormatError>(reader.name(), ": the rows are whitened, expected a section 'whitening.map'");
  }
  const std::size_t space = fitted.balance ? fitted.balance->dim() : rows;  // of the fold
  const auto require = [&](const char* what, std::size_t dim, std::size_t expected) {
    if (dim != expected) fail<FormatError>(reader.name(), ": ", what, " has dim ", dim, ", expected ", expected);
  };
  if (fitted.balance) require("the balance", fitted.balance->rank(), rows);
  if (is_whitened) require("the whitening", fitted.whitening->rank(), space);
  if (reader.contains("least_squares.inverse")) {
    const std::size_t dim = read_count(reader, "least_squares.dim", 1, largest_dim);
    const auto inverse = reader.section<double>("least_squares.inverse", std::uint64_t{dim} * dim);
    require_finite(reader, "least_squares.inverse", inverse);
    require("the least squares", dim, space);
    const auto size = static_cast<Eigen::Index>(dim);
    fitted.least_squares =
        LeastSquares::of_inverse(Eigen::Map<const Eigen::MatrixXd>(inverse.data(), size, size), params);
  }
  return fitted;
}

/// How training queries are folded, beside λ.
inline void add_rule(io::ArchiveWriter& writer, FoldRule rule, const LeastSquaresParams& params, std::size_t balance) {
  add_named(writer, "rule", rule);
  writer.metadata().add("least_squares.shrinkage", params.shrinkage);
  writer.metadata().add("least_squares.passages_as_queries", params.passages_as_queries);
  add_count(writer, "balance.rank", balance);
}

/// What add_rule() wrote; of version 1, which had no rule, the only one that there was.
struct ArchivedRule {
  FoldRule rule = FoldRule::correlation;
  LeastSquaresParams params{};
  std::size_t balance = 0;
};

[[nodiscard]] inline ArchivedRule read_rule(const io::ArchiveReader& reader) {
  if (!reader.metadata().find_text("rule")) return {};
  return {read_named<FoldRule>(reader, "rule"),
          {.shrinkage = read_float(reader, "least_squares.shrinkage"),
           .passages_as_queries = read_float(reader, "least_squares.passages_as_queries")},
          read_count(reader, "balance.rank", 0)};
}

/// Which searches are whitened; none in version 1.
[[nodiscard]] inline Whitened read_whitened(const io::ArchiveReader& reader) {
  if (!reader.metadata().find_text("whitened")) return Whitened::none;
  return read_named<Whitened>(reader, "whitened");
}

}  // namespace pefa::detail
