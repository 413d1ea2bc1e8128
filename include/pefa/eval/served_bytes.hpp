// pefa: how many bytes of vectors the settings of a tuning grid serve: what a search goes through, in float32. Graphs,
// codes and Y are not counted.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "pefa/adapter/condense.hpp"
#include "pefa/adapter/query_centroids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/eval/tune_grid.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// Fills in TuneEntry::bytes, of retrievers built of all the training queries, none held out.
///
/// Centroids are counted by making them, at λ = 0: every λ but 1, where the passages alone are served, has as many.
template <class Scalar>
void fill_bytes(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                const RelevanceMatrix& relevance, const TuneOptions& options, std::vector<TuneEntry>& grid) {
  const BuildOptions building{options.executor, {}};
  std::map<std::size_t, std::size_t> centroids;  // by max_centroids
  for (const std::size_t most : options.max_centroids) {
    const CentroidParams params{.lambda = 0.0f, .max_centroids = most};
    centroids[most] = fold_query_centroids(passages, queries, relevance, params, building).vectors.size();
  }
  std::map<float, std::size_t> condensed{{0.0f, queries.size()}};  // by cosine
  for (const float cosine : options.condense) {
    condensed[cosine] = condense_queries(queries, relevance, {.min_cosine = cosine}, building).queries.size();
  }
  for (TuneEntry& entry : grid) {
    std::size_t vectors = passages.size();
    if (entry.spec.method == Method::xs_multi && entry.spec.lambda < 1.0f)
      vectors = centroids.at(entry.spec.max_centroids);
    if (entry.spec.method == Method::xl) vectors += condensed.at(entry.spec.condense);
    entry.bytes = vectors * passages.dim() * sizeof(float);
  }
}

}  // namespace pefa::detail
