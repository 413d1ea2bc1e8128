// pefa: how a PartitionedIndex, its lists and its codes go into an archive and are served from one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/index/partitioned_index.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/simd/code_kernels.hpp"

namespace pefa {
namespace detail {

inline void ProductCodes::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  writer.metadata().add(prefix + "code_width", width_);
  writer.add(prefix + "code_centers", centers_);
  writer.add(prefix + "code_scale", std::vector<float>{scale_});
  if (has_lift_) writer.add(prefix + "lift_levels", levels_);
}

inline ProductCodes ProductCodes::open(const io::ArchiveReader& reader, const std::string& prefix, std::size_t dim,
                                       bool has_lift) {
  constexpr std::int64_t widest = 1000;  // ten times what a build makes of the longest rows; sums stay in 32 bits
  ProductCodes product;
  product.dim_ = dim;
  product.width_ = read_count(reader, prefix + "code_width", 1, widest);
  product.has_lift_ = has_lift;
  if (product.codes() > simd::most_nibbles) {
    fail<FormatError>(reader.name(), ": '", prefix, "' has ", product.codes(), " codes a row, expected at most ",
                      simd::most_nibbles);
  }
  const std::size_t bytes = product.subspaces() * product.padded_width() * values;
  const auto centers = reader.section<std::int8_t>(prefix + "code_centers", bytes);
  product.centers_.assign(centers.begin(), centers.end());
  product.scale_ = read_floats(reader, prefix + "code_scale", 1)[0];
  if (product.scale_ < 0.0f) fail<FormatError>(reader.name(), ": '", prefix, "code_scale' is below 0");
  if (!has_lift) return product;
  const std::vector<float> levels = read_floats(reader, prefix + "lift_levels", values);
  std::copy(levels.begin(), levels.end(), product.levels_.begin());
  return product;
}

inline void CodeTurn::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  if (has_axes()) {
    writer.add(prefix + "axes", axes_);
    writer.add(prefix + "axis_scales", scales_);
  } else {
    writer.add(prefix + "order", order_);
  }
}

inline CodeTurn CodeTurn::open(const io::ArchiveReader& reader, const std::string& prefix, std::size_t dim) {
  if (reader.contains(prefix + "axes")) {
    const auto axes = reader.section<std::int8_t>(prefix + "axes", std::uint64_t{dim} * dim);
    return {AlignedVector<std::int8_t>(axes.begin(), axes.end()), read_floats(reader, prefix + "axis_scales", dim)};
  }
  std::vector<std::uint32_t> as_they_are(dim);
  std::iota(as_they_are.begin(), as_they_are.end(), 0U);
  if (!reader.contains(prefix + "order")) return CodeTurn(as_they_are);  // from before vectors were turned
  const auto order = reader.section<std::uint32_t>(prefix + "order", dim);
  std::vector<bool> seen(dim);
  for (const std::uint32_t d : order) {
    if (d >= dim || seen[d]) {
      fail<FormatError>(reader.name(), ": section '", prefix, "order' is no order of ", dim, " coordinates");
    }
    seen[d] = true;
  }
  return CodeTurn(std::vector<std::uint32_t>(order.begin(), order.end()));
}

inline void PartitionLists::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  writer.add(prefix + "starts", starts_.elements());
  writer.add(prefix + "rows", rows_.elements());
  writer.add(prefix + "codes", codes_.elements());
}

/// @param size    rows there are  @param copies  lists that a row may be in
inline PartitionLists PartitionLists::open(const io::ArchiveReader& reader, const std::string& prefix,
                                           std::size_t lists, std::size_t quads, std::size_t size, std::size_t copies) {
  PartitionLists opened;
  opened.quads_ = quads;
  const auto starts = reader.section<std::uint64_t>(prefix + "starts", std::uint64_t{lists} + 1);
  const auto rows = reader.section<Row>(prefix + "rows");
  const std::uint64_t blocks = rows.size() / simd::nibble_rows;
  if (starts.front() != 0 || starts.back() != blocks || !std::ranges::is_sorted(starts) ||
      rows.size() % simd::nibble_rows != 0) {
    fail<FormatError>(reader.name(), ": section '", prefix, "starts': expected ascending numbers from 0 to ", blocks,
                      ", the blocks of ", simd::nibble_rows, " rows");
  }
  const auto codes = reader.section<std::uint8_t>(prefix + "codes", blocks * opened.block_bytes());
  std::vector<std::uint8_t> seen(size);
  opened.sizes_.resize(lists);
  for (std::size_t l = 0; l < lists; ++l) {
    for (std::uint64_t i = starts[l] * simd::nibble_rows; i < starts[l + 1] * simd::nibble_rows; ++i) {
      if (rows[i] == none) continue;
      if (rows[i] >= size || seen[rows[i]] == copies) {
        fail<FormatError>(reader.name(), ": section '", prefix, "rows': element ", i, " is ", rows[i],
                          ", expected below ", size, " and no row more than ", copies, " times");
      }
      ++seen[rows[i]];
      ++opened.sizes_[l];
    }
  }
  opened.starts_ = {starts, reader.owner()};
  opened.rows_ = {rows, reader.owner()};
  opened.codes_ = {codes, reader.owner()};
  return opened;
}

inline void ProbeTable::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  std::vector<std::uint32_t> numbers;
  for (const Point& point : points_) numbers.insert(numbers.end(), {point.ef, point.lists, point.candidates});
  writer.add(prefix + "probes", std::move(numbers));
}

inline ProbeTable ProbeTable::open(const io::ArchiveReader& reader, const std::string& prefix) {
  const auto numbers = reader.section<std::uint32_t>(prefix + "probes");
  std::vector<Point> points;
  for (std::size_t i = 0; i + 2 < numbers.size(); i += 3) {
    const Point point{numbers[i], numbers[i + 1], numbers[i + 2]};
    const Point least =
        points.empty() ? Point{1, 1, 1} : Point{points.back().ef + 1, points.back().lists, points.back().candidates};
    if (point.ef < least.ef || point.lists < least.lists || point.candidates < least.candidates) {
      fail<FormatError>(reader.name(), ": section '", prefix, "probes': numbers ", i, " to ", i + 2,
                        " are below those before them");
    }
    points.push_back(point);
  }
  if (points.size() < 2 || numbers.size() % 3 != 0 || points.size() > 1000) {
    fail<FormatError>(reader.name(), ": section '", prefix, "probes' holds ", numbers.size(),
                      " elements, expected three for each of 2 to 1000 widths");
  }
  return ProbeTable(std::move(points));
}

inline void PartitionTable::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  writer.metadata().add(prefix + "lists", list_count());
  writer.metadata().add(prefix + "copies", copies_);
  writer.add(prefix + "unit", std::vector<float>{unit_});
  writer.add(prefix + "spread", spread_);
  writer.add(prefix + "turned_spread", turned_spread_);
  writer.add(prefix + "centers", centers_);
  writer.add(prefix + "center_scales", center_scales_);
  turn_.save(writer, prefix);
  product_.save(writer, prefix);
  lists_.save(writer, prefix + "lists.");
  writer.add(prefix + "codes", codes_.elements());
  writer.add(prefix + "code_scales", code_scales_.elements());
  writer.add(prefix + "list_of", list_of_.elements());
  probes_.save(writer, prefix);
  if (!is_l2_) return;
  writer.add(prefix + "center_lifts", center_lifts_);
  writer.add(prefix + "lifts", lifts_.elements());
}

inline PartitionTable PartitionTable::open(const io::ArchiveReader& reader, const std::string& prefix,
                                           const IndexDescription& shape) {
  PartitionTable table(shape.size, shape.dim, shape.metric);
  if (shape.dim > simd::code_dim_limit) {
    fail<FormatError>(reader.name(), ": '", prefix, "' has codes of dim ", shape.dim, ", expected at most ",
                      simd::code_dim_limit);
  }
  const std::size_t lists = read_count(reader, prefix + "lists", 1, most_lists);
  table.copies_ = read_count(reader, prefix + "copies", 1, 2);
  table.unit_ = read_floats(reader, prefix + "unit", 1)[0];
  if (!(table.unit_ > 0.0f)) fail<FormatError>(reader.name(), ": '", prefix, "unit' is not above 0");
  table.spread_ = read_floats(reader, prefix + "spread", shape.dim);
  const bool is_turned = reader.contains(prefix + "turned_spread");
  table.turned_spread_ = is_turned ? read_floats(reader, prefix + "turned_spread", shape.dim) : table.spread_;
  table.turn_ = CodeTurn::open(reader, prefix, shape.dim);
  const auto centers = reader.section<std::int8_t>(prefix + "centers", std::uint64_t{lists} * shape.dim);
  table.centers_.assign(centers.begin(), centers.end());
  table.center_scales_ = read_floats(reader, prefix + "center_scales", lists);
  table.numbers_.resize(lists);
  std::iota(table.numbers_.begin(), table.numbers_.end(), Row{0});
  table.product_ = ProductCodes::open(reader, prefix, shape.dim, table.is_l2_);
  const auto owner = reader.owner();
  table.codes_ = {reader.section<std::int8_t>(prefix + "codes", std::uint64_t{shape.size} * table.code_bytes()), owner};
  table.code_scales_ = {reader.section<float>(prefix + "code_scales", shape.size), owner};
  require_finite(reader, prefix + "code_scales", table.code_scales_.elements());
  table.list_of_ = {reader.section<std::uint32_t>(prefix + "list_of", shape.size), owner};
  require_below(reader, prefix + "list_of", table.list_of_.elements(), lists);
  // After the sections that have something of every row: a size that was made up allocates nothing.
  table.lists_ =
      PartitionLists::open(reader, prefix + "lists.", lists, table.product_.quads(), shape.size, table.copies_);
  table.probes_ = ProbeTable::open(reader, prefix);
  if (!table.is_l2_) return table;
  table.center_lifts_ = read_floats(reader, prefix + "center_lifts", lists);
  table.lifts_ = {reader.section<float>(prefix + "lifts", shape.size), owner};
  require_finite(reader, prefix + "lifts", table.lifts_.elements());
  return table;
}

}  // namespace detail

template <EmbeddingScalar Scalar>
void PartitionedIndex<Scalar>::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  detail::describe_index(writer, prefix, *this, "partitioned", scalar_name<Scalar>());
  detail::add_named(writer, prefix + "exact_rows", detail::exact_rows_of(params_.rows));
  detail::add_count(writer, prefix + "ef_search", params_.ef_search);
  detail::add_count(writer, prefix + "rerank", params_.rerank);
  writer.metadata().add(prefix + "seed", static_cast<std::int64_t>(params_.seed));  // any 64 bits
  table_.save(writer, prefix);
  if (!rows_.empty()) detail::save_rows(writer, prefix, rows());
}

template <EmbeddingScalar Scalar>
PartitionedIndex<Scalar> PartitionedIndex<Scalar>::open(const io::ArchiveReader& reader, const std::string& prefix) {
  const auto shape = detail::IndexDescription::open(reader, prefix, "partitioned", scalar_name<Scalar>(),
                                                    std::int64_t{detail::PartitionLists::none} - 1);
  const auto exact_rows = detail::read_named<ExactRows>(reader, prefix + "exact_rows");
  PartitionedIndex index(Params{.metric = shape.metric,
                                .rows = exact_rows == ExactRows::keep ? Rows::copy : Rows::drop,
                                .ef_search = detail::read_count(reader, prefix + "ef_search", 1),
                                .rerank = detail::read_count(reader, prefix + "rerank", 0),
                                .seed = static_cast<std::uint64_t>(reader.metadata().integer(prefix + "seed"))});
  index.table_ = detail::PartitionTable::open(reader, prefix, shape);
  index.params_.lists = index.table_.list_count();
  index.params_.code_width = index.table_.code_width();
  index.params_.spill = index.table_.copies() > 1 ? Spill::once : Spill::never;
  if (exact_rows == ExactRows::keep) {
    index.rows_.map(detail::open_rows<Scalar>(reader, prefix, shape), reader.owner());
  }
  return index;
}

}  // namespace pefa
