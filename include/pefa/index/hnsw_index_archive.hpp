// pefa: how an HnswIndex goes into an archive and is served from one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/hnswlib_archive.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"

namespace pefa {
namespace detail {

/// Adds all but the metric, which every index describes.
inline void save_hnsw_params(io::ArchiveWriter& writer, const std::string& prefix, const HnswParams& params) {
  writer.metadata().add(prefix + "m", params.m);
  writer.metadata().add(prefix + "ef_construction", params.ef_construction);
  add_count(writer, prefix + "ef_search", params.ef_search);
  add_named(writer, prefix + "lift", params.lift);
  writer.metadata().add(prefix + "seed", static_cast<std::int64_t>(params.seed));  // any 64 bits
}

[[nodiscard]] inline HnswParams open_hnsw_params(const io::ArchiveReader& reader, const std::string& prefix,
                                                 Metric metric) {
  return {.m = read_count(reader, prefix + "m", 2, 1024),
          .ef_construction = read_count(reader, prefix + "ef_construction", 1, 100'000),
          .ef_search = read_count(reader, prefix + "ef_search", 1),
          .metric = metric,
          .lift = read_named<Lift>(reader, prefix + "lift"),
          .seed = static_cast<std::size_t>(reader.metadata().integer(prefix + "seed"))};
}

}  // namespace detail

inline void HnswIndex::save(io::ArchiveWriter& writer, const std::string& prefix) const {
  detail::describe_index(writer, prefix, *this, "hnsw", scalar_name<float>());
  detail::save_hnsw_params(writer, prefix, params_);
  writer.metadata().add(prefix + "stored_dim", space_->get_data_size() / sizeof(float));
  detail::save_graph(*graph_, writer, prefix);
}

template <class>
HnswIndex HnswIndex::open(const io::ArchiveReader& reader, const std::string& prefix) {
  const auto shape =
      detail::IndexDescription::open(reader, prefix, "hnsw", scalar_name<float>(), std::int64_t{most_rows});
  const auto dim = static_cast<std::int64_t>(shape.dim);
  const std::size_t stored_dim = detail::read_count(reader, prefix + "stored_dim", dim, dim + 1);
  HnswIndex index;
  index.params_ = detail::open_hnsw_params(reader, prefix, shape.metric);
  const detail::GraphOpener graph(reader, prefix, shape.size, stored_dim, index.params_.m);
  index.node_of_row_ = graph.checked_nodes();
  index.space_ = std::make_unique<detail::HnswSpace>(shape.dim, shape.metric, stored_dim != shape.dim);
  index.graph_ = graph.serve(*index.space_, index.params_.ef_construction);
  index.space_->serve();
  index.equal_ = detail::open_equal_rows(reader, prefix, shape.size, [&](std::size_t row) {
    auto* list = index.graph_->get_linklist0(index.node_of_row_[row]);
    const bool marked = index.graph_->getListCount(list) == 2 && list[1] == index.node_of_row_[row];
    return marked ? index.graph_->getExternalLabel(list[2]) : row;
  });
  return index;
}

}  // namespace pefa
