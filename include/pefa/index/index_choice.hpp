// pefa: which index `automatic` becomes: by the number of rows, and where there are many by what a graph over a few of
// them finds.
//
// Rows whose best are far from each other lead a graph astray: at ef = 300 one over all 117,659 least-squares rows of
// WordNet finds 0.963 of the best 100, one over the passages themselves 0.998. Over 4,096 of either, at ef = 100, it
// finds 0.951 and 0.998 (256 dimensions of the former: 0.983), so that few rows tell.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/index_spec.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "pefa/index/sample_queries.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

/// What was measured when an index was built, and decided what it is.
struct IndexChoice {
  double graph_recall = 0.0;     ///< of one that chose itself: what a graph over some rows found; 0: not asked
  double target_recall = 0.0;    ///< what ef_search was to find of the exact best; 0: it was given
  double measured_recall = 0.0;  ///< what it found of them
};

namespace detail {

/// Calls field(key, share) for what an archive keeps of a choice.
template <class Choice, class Field>
void for_each_share(Choice& choice, const std::string& prefix, const Field& field) {
  field(prefix + "graph_recall", choice.graph_recall);
  field(prefix + "target_recall", choice.target_recall);
  field(prefix + "measured_recall", choice.measured_recall);
}

/// Below this share of the best 100 of the sample partitions serve better.
inline constexpr double least_graph_recall = 0.99;

/// The share of the exact best 100 that a graph over some rows finds at its narrowest, for queries between three rows
/// each. The same for any number of threads. O(4096 · ef_construction · dim).
/// A template, so that who includes this and builds no graph compiles none.
/// @param rows  finite, at least 100
template <EmbeddingScalar Scalar = float>
[[nodiscard]] double sampled_graph_recall(const EmbeddingView<Scalar>& rows, Metric metric, const IndexSpec& spec,
                                          const BuildOptions& options) {
  constexpr std::size_t count = 64;
  constexpr std::size_t k = 100;
  const AlignedVector<float> queries = points_between_rows(count, rows.size(), rows.dim(), 1.0f / 3.0f, 2, 1,
                                                           [&](std::size_t i, float* out) { rows.decode(i, out); });
  const EmbeddingView<float> asked({queries.data(), queries.size()}, rows.dim());
  const HnswParams graph{.m = spec.m, .ef_construction = spec.ef_construction, .metric = metric};
  const auto index = QuantizedHnswIndex<Scalar>::build(rows, {.graph = graph, .rows = Rows::borrow}, options);
  const auto flat = FlatIndex<Scalar>::build(rows, {.metric = metric, .rows = Rows::borrow}, {options.executor, {}});
  const auto exact = search_batch(flat, asked, k, {}, options.executor);
  const auto found = search_batch(index, asked, k, {.ef = k}, options.executor);
  double sum = 0.0;
  for (std::size_t q = 0; q < count; ++q) {
    // An equal score is as good: which of two equal rows is found says nothing.
    sum += static_cast<double>(std::count_if(
        found[q].begin(), found[q].end(), [&](const Neighbor& each) { return each.score >= exact[q].back().score; }));
  }
  return sum / static_cast<double>(count * k);
}

/// What `automatic` became, and why.
struct ChosenIndex {
  IndexSpec spec;  ///< of no `automatic` kind
  IndexChoice choice{};
};

/// The spec with an index of the library in the place of `automatic`: partitioned where rows are not to be kept; flat
/// up to IndexSpec::flat_rows rows; above it quantized, or partitioned where a graph would find too little.
template <EmbeddingScalar Scalar>
[[nodiscard]] ChosenIndex choose_index(const EmbeddingView<Scalar>& rows, Metric metric, const IndexSpec& asked,
                                       const BuildOptions& options) {
  constexpr std::size_t sample_rows = 4096;
  ChosenIndex chosen{asked};
  if (asked.kind != IndexKind::automatic) return chosen;
  if (asked.exact_rows == ExactRows::drop) {
    chosen.spec.kind = IndexKind::partitioned;
  } else if (rows.size() <= IndexSpec::flat_rows) {
    chosen.spec.kind = IndexKind::flat;
  } else {
    const std::vector<float> sample = sampled_rows(rows, sample_rows);
    chosen.spec.kind = IndexKind::quantized;
    if (!all_finite(sample)) return chosen;  // whose build says which row is not
    const Progress poll = [&](std::size_t, std::size_t) {
      return options.progress ? options.progress(0, rows.size()) : ProgressAction::proceed;
    };
    const double found = sampled_graph_recall({sample, rows.dim()}, metric, asked, {options.executor, poll});
    chosen.choice.graph_recall = found;
    if (found < least_graph_recall) chosen.spec.kind = IndexKind::partitioned;
  }
  return chosen;
}

}  // namespace detail
}  // namespace pefa
