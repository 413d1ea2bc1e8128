// pefa: which index `automatic` becomes: by the number of rows, and where there are many by what a graph over a few of
// them finds.
//
// Rows whose best are far from each other lead a graph astray: at ef = 300 one over all 117,659 least-squares rows of
// WordNet finds 0.963 of the best 100, one over the passages themselves 0.998. Over 4,096 of either, at ef = 100, it
// finds 0.951 and 0.998 (256 dimensions of the former: 0.983), so that few rows tell.
#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/index_spec.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// Below this share of the best 100 of the sample partitions serve better.
inline constexpr double least_graph_recall = 0.99;

/// Some of the rows, at even steps, as floats.
template <EmbeddingScalar Scalar>
[[nodiscard]] std::vector<float> sampled_rows(const EmbeddingView<Scalar>& rows, std::size_t count) {
  std::vector<float> sample(count * rows.dim());
  for (std::size_t i = 0; i < count; ++i) rows.decode(i * rows.size() / count, sample.data() + i * rows.dim());
  return sample;
}

/// The share of the exact best 100 that a graph over some rows finds at its narrowest, for queries between three rows
/// each. The same for any number of threads. O(4096 · ef_construction · dim).
/// @param rows  finite, at least 100
[[nodiscard]] inline double sampled_graph_recall(const EmbeddingView<float>& rows, Metric metric, const IndexSpec& spec,
                                                 const BuildOptions& options) {
  constexpr std::size_t count = 64;
  constexpr std::size_t k = 100;
  std::vector<float> queries(count * rows.dim());
  std::mt19937_64 random(1);
  for (std::size_t q = 0; q < count; ++q) {
    for (int part = 0; part < 3; ++part) {
      const float* row = rows.row(random() % rows.size());
      for (std::size_t d = 0; d < rows.dim(); ++d) queries[q * rows.dim() + d] += row[d] / 3.0f;
    }
  }
  const EmbeddingView<float> asked(queries, rows.dim());
  const HnswParams graph{.m = spec.m, .ef_construction = spec.ef_construction, .metric = metric};
  const auto index = QuantizedHnswIndex<>::build(rows, {.graph = graph, .rows = Rows::borrow}, options);
  const auto exact =
      search_batch(FlatIndex<>::build(rows, {.metric = metric, .rows = Rows::borrow}), asked, k, {}, options.executor);
  const auto found = search_batch(index, asked, k, {.ef = k}, options.executor);
  double sum = 0.0;
  for (std::size_t q = 0; q < count; ++q) {
    // An equal score is as good: which of two equal rows is found says nothing.
    sum += static_cast<double>(std::count_if(
        found[q].begin(), found[q].end(), [&](const Neighbor& each) { return each.score >= exact[q].back().score; }));
  }
  return sum / static_cast<double>(count * k);
}

/// The spec with an index of the library in the place of `automatic`: partitioned where rows are not to be kept; flat
/// up to IndexSpec::flat_rows rows; above it quantized, or partitioned where a graph would find too little.
template <EmbeddingScalar Scalar>
[[nodiscard]] IndexSpec chosen_index(const EmbeddingView<Scalar>& rows, Metric metric, IndexSpec spec,
                                     const BuildOptions& options) {
  constexpr std::size_t sample_rows = 4096;
  if (spec.kind != IndexKind::automatic) return spec;
  if (spec.exact_rows == ExactRows::drop) {
    spec.kind = IndexKind::partitioned;
  } else if (rows.size() <= IndexSpec::flat_rows) {
    spec.kind = IndexKind::flat;
  } else {
    const std::vector<float> sample = sampled_rows(rows, sample_rows);
    spec.kind = IndexKind::quantized;
    if (!all_finite(sample)) return spec;  // whose build says which row is not
    const Progress poll = [&](std::size_t, std::size_t) {
      return options.progress ? options.progress(0, rows.size()) : ProgressAction::proceed;
    };
    const double recall = sampled_graph_recall({sample, rows.dim()}, metric, spec, {options.executor, poll});
    if (recall < least_graph_recall) spec.kind = IndexKind::partitioned;
  }
  return spec;
}

}  // namespace pefa::detail
