// pefa: how a QuantizedHnswIndex, its codes and its links go into an archive and are served from one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/beam.hpp"
#include "pefa/index/code_table.hpp"
#include "pefa/index/hnsw_index_archive.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/index/packed_graph.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/simd/code_kernels.hpp"

namespace pefa {
namespace detail {

inline constexpr std::int64_t max_upper_levels = 255;

inline void CodeAxes::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  writer.add(prefix + "mean", mean_);
  writer.add(prefix + "rotation", rotation_);
  writer.add(prefix + "rotation_scales", scales_);
}

inline CodeAxes CodeAxes::open(const io::ArchiveReader& reader, const std::string& prefix, std::size_t dim,
                               std::size_t count) {
  CodeAxes axes(read_floats(reader, prefix + "mean", dim), count);
  const auto rotation = reader.section<std::int8_t>(prefix + "rotation", std::uint64_t{count} * axes.raw_bytes_);
  axes.rotation_.assign(rotation.begin(), rotation.end());
  axes.scales_ = read_floats(reader, prefix + "rotation_scales", count);
  return axes;
}

inline void CodeTable::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  writer.metadata().add(prefix + "head_dim", head_dim_);
  writer.add(prefix + "heads", heads_.elements());
  if (!is_split()) return;
  writer.add(prefix + "tails", tails_.elements());
  writer.add(prefix + "tail_shares", tail_shares_);
  axes_.save(writer, prefix);
}

inline CodeTable CodeTable::open(const io::ArchiveReader& reader, const std::string& prefix,
                                 const IndexDescription& shape) {
  CodeTable table;
  table.size_ = shape.size;
  table.dim_ = shape.dim;
  table.is_l2_ = shape.metric == Metric::l2;
  table.kernels_ = simd::code_kernels();
  if (shape.dim > simd::code_dim_limit) {
    fail<FormatError>(reader.name(), ": '", prefix, "' has codes of dim ", shape.dim, ", expected at most ",
                      simd::code_dim_limit);
  }
  table.head_dim_ = read_count(reader, prefix + "head_dim", 1, static_cast<std::int64_t>(shape.dim));
  // Axes of the head alone leave a share of the variance to every coordinate.
  const bool is_split = table.head_dim_ < table.dim_;
  table.leading_only_ = is_split && reader.section<float>(prefix + "tail_shares").size() == table.dim_;
  if (table.head_dim_ + table.tail_dim() > (std::size_t{1} << 17)) {  // sums of their products stay in 32 bits
    fail<FormatError>(reader.name(), ": '", prefix, "' has heads of ", table.head_dim_, " codes and tails of ",
                      table.tail_dim(), ", expected 131,072 in all at most");
  }
  table.measure_blocks();
  const auto codes = [&](const char* key, std::size_t rows, std::size_t bytes) {
    return reader.section<std::int8_t>(prefix + key, std::uint64_t{rows} * bytes);
  };
  table.heads_ = {codes("heads", table.size_, table.head_bytes_), reader.owner()};
  if (!table.is_split()) return table;
  table.tails_ = {codes("tails", table.size_, table.tail_bytes_), reader.owner()};
  table.tail_shares_ = read_floats(reader, prefix + "tail_shares", table.tail_dim());
  table.axes_ = CodeAxes::open(reader, prefix, table.dim_, table.leading_only_ ? table.head_dim_ : table.dim_);
  return table;
}

inline void ResidualCodes::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  writer.add(prefix + "residuals", packed_.elements());
  writer.add(prefix + "residual_scales", scales_.elements());
}

inline ResidualCodes ResidualCodes::open(const io::ArchiveReader& reader, const std::string& prefix,
                                         const IndexDescription& shape) {
  ResidualCodes residuals(shape.dim);
  const auto packed =
      reader.section<std::uint8_t>(prefix + "residuals", std::uint64_t{shape.size} * residuals.row_bytes_);
  const auto scales = reader.section<float>(prefix + "residual_scales", shape.size);
  require_finite(reader, prefix + "residual_scales", scales);
  residuals.packed_ = {packed, reader.owner()};
  residuals.scales_ = {scales, reader.owner()};
  return residuals;
}

template <class Scalar>
void RescoredRows<Scalar>::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  if (are_exact()) {
    save_rows(writer, prefix, rows_.view());
  } else {
    residuals_.save(writer, prefix);
  }
}

template <class Scalar>
void RescoredRows<Scalar>::open(const io::ArchiveReader& reader, const std::string& prefix,
                                const IndexDescription& shape, bool exact) {
  if (exact) {
    rows_.map(open_rows<Scalar>(reader, prefix, shape), reader.owner());
  } else {
    residuals_ = ResidualCodes::open(reader, prefix, shape);
  }
}

inline void PackedLists::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  writer.add(prefix + "starts", starts_.elements());
  writer.add(prefix + "items", items_.elements());
}

inline PackedLists PackedLists::open(const io::ArchiveReader& reader, const std::string& prefix, std::size_t lists,
                                     std::size_t limit) {
  const auto starts = reader.section<std::uint64_t>(prefix + "starts", std::uint64_t{lists} + 1);
  const auto items = reader.section<std::uint32_t>(prefix + "items");
  if (starts.front() != 0 || starts.back() != items.size() || !std::ranges::is_sorted(starts)) {
    fail<FormatError>(reader.name(), ": section '", prefix, "starts': expected ascending numbers from 0 to ",
                      items.size());
  }
  require_below(reader, prefix + "items", items, limit);
  PackedLists opened;
  opened.starts_ = {starts, reader.owner()};
  opened.items_ = {items, reader.owner()};
  return opened;
}

[[nodiscard]] inline std::string upper_level_prefix(const std::string& prefix, std::size_t upper_level) {
  return prefix + "level" + std::to_string(upper_level + 1) + ".";
}

inline void PackedGraph::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  writer.metadata().add(prefix + "levels", upper_.size());
  writer.metadata().add(prefix + "entry", entry_);
  bottom_.save(writer, prefix + "links.");
  for (std::size_t l = 0; l < upper_.size(); ++l) {
    const std::string level = upper_level_prefix(prefix, l);
    writer.add(level + "rows", upper_[l].rows);
    writer.add(level + "down", upper_[l].down);
    upper_[l].links.save(writer, level + "links.");
  }
}

inline PackedGraph PackedGraph::open(const io::ArchiveReader& reader, const std::string& prefix, std::size_t size) {
  PackedGraph graph;
  graph.bottom_ = PackedLists::open(reader, prefix + "links.", size, size);
  const std::size_t levels = read_count(reader, prefix + "levels", 0, max_upper_levels);
  std::size_t below = size;  // the nodes of the level below
  for (std::size_t l = 0; l < levels; ++l) {
    const std::string level = upper_level_prefix(prefix, l);
    const auto rows = reader.section<Row>(level + "rows");
    const auto down = reader.section<std::uint32_t>(level + "down", rows.size());
    require_below(reader, level + "rows", rows, size);
    require_below(reader, level + "down", down, below);
    graph.upper_.push_back({{rows.begin(), rows.end()},
                            {down.begin(), down.end()},
                            PackedLists::open(reader, level + "links.", rows.size(), rows.size())});
    below = rows.size();
  }
  graph.entry_ = static_cast<std::uint32_t>(read_count(reader, prefix + "entry", 0, std::int64_t(below) - 1));
  return graph;
}

}  // namespace detail

template <EmbeddingScalar Scalar>
void QuantizedHnswIndex<Scalar>::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  detail::describe_index(writer, prefix, *this, "quantized_hnsw", scalar_name<Scalar>());
  detail::save_hnsw_params(writer, prefix, params_.graph);
  detail::add_named(writer, prefix + "split", params_.split);
  detail::add_named(writer, prefix + "refine", params_.refine);
  detail::add_count(writer, prefix + "rerank", params_.rerank);
  if (!rows_.are_exact()) detail::add_named(writer, prefix + "exact_rows", ExactRows::drop);
  graph_.save(writer, prefix);
  codes_.save(writer, prefix);
  rows_.save(writer, prefix);
}

template <EmbeddingScalar Scalar>
QuantizedHnswIndex<Scalar> QuantizedHnswIndex<Scalar>::open(const io::ArchiveReader& reader,
                                                            const std::string& prefix) {
  const auto shape = detail::IndexDescription::open(reader, prefix, "quantized_hnsw", scalar_name<Scalar>(),
                                                    std::int64_t{detail::Beam::row_limit} - 1);
  // Archives of rows that are kept do not say so: they are older than the choice.
  const bool exact = !reader.metadata().find_text(prefix + "exact_rows") ||
                     detail::read_named<ExactRows>(reader, prefix + "exact_rows") == ExactRows::keep;
  QuantizedHnswIndex index(Params{.graph = detail::open_hnsw_params(reader, prefix, shape.metric),
                                  .rows = exact ? Rows::copy : Rows::drop,
                                  .split = detail::read_named<CodeSplit>(reader, prefix + "split"),
                                  .refine = detail::read_named<Refine>(reader, prefix + "refine"),
                                  .rerank = detail::read_count(reader, prefix + "rerank", 0)});
  index.rows_.open(reader, prefix, shape, exact);
  index.codes_ = detail::CodeTable::open(reader, prefix, shape);
  index.graph_ = detail::PackedGraph::open(reader, prefix, shape.size);
  index.equal_ = detail::open_equal_rows(reader, prefix, shape.size, [&](std::size_t row) -> std::size_t {
    const auto links = index.graph_.bottom().list(row);
    return links.size() == 2 && links[0] == row ? links[1] : row;
  });
  return index;
}

}  // namespace pefa
