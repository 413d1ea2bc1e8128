// pefa: the several things a passage is asked for: centroids of its training queries, folded into vectors of the
// passage.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/least_squares.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/spherical_kmeans.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/share.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// How the training queries of a passage become vectors.
struct CentroidParams {
  float lambda = RetrieverSpec{}.lambda;  ///< λ: the weight of the plain model, 0 to 1
  std::size_t max_centroids = 8;          ///< c: vectors a passage at most; at least 1, which is PEFA-XS
  std::size_t queries_per_centroid = 1;   ///< evidence: n_j training queries make at most ⌈n_j / this⌉ centroids
  float shrinkage = 0.25f;                ///< μ: how much of each centroid is the mean C_j of them all, 0 to 1
  ColdPassage cold = ColdPassage::erm;    ///< what becomes of passages without training queries
  PseudoNorm norm = PseudoNorm::unit;     ///< how long each centroid is
  std::uint64_t seed = 0;                 ///< of the k-means

  FoldRule rule = FoldRule::correlation;  ///< how training queries become C_j and c_jm
  LeastSquaresParams least_squares{};     ///< of FoldRule::least_squares
};

/// One or more vectors a passage, those of a passage one after the other, in ascending order of passages.
struct PassageVectors {
  EmbeddingStore<float> vectors;   ///< [n_vectors x dim]
  std::vector<PassageId> passage;  ///< [n_vectors], whose vector it is
};

namespace detail {

/// How many centroids `n_queries` training queries are evidence for.
[[nodiscard]] inline std::size_t centroid_count(std::size_t n_queries, const CentroidParams& params) noexcept {
  if (params.lambda == 1.0f) return 1;  // all would be the passage itself
  const std::size_t evidence = n_queries / params.queries_per_centroid + (n_queries % params.queries_per_centroid != 0);
  return std::min(params.max_centroids, evidence);
}

/// The entries of one cluster. @param columns, weights  where they are gathered
[[nodiscard]] inline RelevanceMatrix::Entries entries_of_cluster(const RelevanceMatrix::Entries& entries,
                                                                 const std::uint32_t* cluster_of, std::uint32_t cluster,
                                                                 std::vector<std::int32_t>& columns,
                                                                 std::vector<float>& weights) {
  columns.clear();
  weights.clear();
  for (std::size_t e = 0; e < entries.size(); ++e) {
    if (cluster_of[e] != cluster) continue;
    columns.push_back(entries.columns[e]);
    weights.push_back(entries.weights[e]);
  }
  return {columns, weights};
}

/// @throws ShapeError, ValueError  as fold_query_centroids
template <class Scalar>
void require_centroids(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                       const RelevanceMatrix& relevance, const CentroidParams& params, const char* who) {
  require_lambda(params.lambda, who);
  if (params.max_centroids == 0) fail<ValueError>(who, ": max_centroids is 0, expected at least 1");
  if (params.queries_per_centroid == 0) {
    fail<ValueError>(who, ": queries_per_centroid is 0, expected at least 1");
  }
  require_share(params.shrinkage, "shrinkage", who);
  require_training_data(passages, queries, relevance, who);
}

/// What fold_query_centroids returns, of checked inputs. @param solved  as fit_fold() has it
template <class Scalar>
[[nodiscard]] PassageVectors fold_centroids(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                                            const RelevanceMatrix& relevance, const CentroidParams& params,
                                            const LeastSquares* solved, const BuildOptions& options) {
  const std::size_t n = passages.size();
  const bool are_own = is_own_query(params.rule, params.least_squares);
  const EmbeddingStore<float> means = pseudo_embeddings(
      passages, queries, relevance, params.cold, {options.executor, stage(options.progress, 0, n, 2 * n)}, solved);
  const std::int32_t* pairs_before = relevance.transposed().outerIndexPtr();
  const auto entries_of = [&](std::size_t j) { return relevance.queries_of(PassageId(static_cast<Row>(j))); };
  std::vector<std::uint32_t> cluster_of(relevance.pair_count());  // of each pair, passage by passage
  std::vector<std::size_t> first(n + 1, 0);                       // the first vector of each passage
  const Progress clustering = stage(options.progress, n, 2 * n, 2 * n);
  ProgressMeter meter(clustering, n, "fold_query_centroids");
  for_each_block(options.executor, n, aggregation_block, [&](std::size_t begin, std::size_t end) {
    for (std::size_t j = begin; j < end; ++j) {
      const RelevanceMatrix::Entries entries = entries_of(j);
      first[j + 1] = 1;
      if (entries.size() == 0) continue;
      const auto clusters = spherical_kmeans(
          queries, entries, {.clusters = centroid_count(entries.size(), params), .seed = params.seed + j});
      first[j + 1] = *std::max_element(clusters.begin(), clusters.end()) + std::size_t{1};
      std::copy(clusters.begin(), clusters.end(), cluster_of.begin() + pairs_before[j]);
    }
    meter.add(end - begin);
  });
  std::partial_sum(first.begin(), first.end(), first.begin());

  PassageVectors folded{EmbeddingStore<float>::for_overwrite(first.back(), passages.dim()),
                        std::vector<PassageId>(first.back())};
  for_each_block(options.executor, n, aggregation_block, [&](std::size_t begin, std::size_t end) {
    std::vector<float> passage(passages.dim());
    std::vector<double> sum(passages.dim());
    std::vector<std::int32_t> columns;
    std::vector<float> weights;
    for (std::size_t j = begin; j < end; ++j) {
      passages.decode(j, passage.data());
      const RelevanceMatrix::Entries entries = entries_of(j);
      const float lambda = passage_lambda(are_own || entries.size() > 0, params.lambda, params.cold);
      const float* mean = means.row(j);
      for (std::size_t v = first[j]; v < first[j + 1]; ++v) {
        float* out = folded.vectors.mutable_row(v);
        if (first[j + 1] - first[j] == 1) {
          std::copy_n(mean, passages.dim(), out);
        } else {
          const auto cluster = static_cast<std::uint32_t>(v - first[j]);
          const auto members =
              entries_of_cluster(entries, cluster_of.data() + pairs_before[j], cluster, columns, weights);
          if (solved == nullptr) {
            pseudo_embedding(queries, members, sum.data(), out);
          } else {
            solved->fold_one(passage, queries, members, {out, passages.dim()});
          }
          for (std::size_t d = 0; d < passages.dim(); ++d) {
            out[d] = params.shrinkage * mean[d] + (1.0f - params.shrinkage) * out[d];
          }
        }
        fold_pseudo_embedding(passage, lambda, params.norm, out);
        folded.passage[v] = PassageId(static_cast<Row>(j));
      }
    }
  });
  return folded;
}

}  // namespace detail

/// The vectors of multi-vector PEFA-XS: p̃_jm = λ·p_j + (1 − λ)·(μ·C_j + (1 − μ)·c_jm), with c_jm the unit centroids of
/// the training queries of passage j, grouped by spherical k-means, and C_j = Π(Qᵀ Y_:,j) that of them all. A passage
/// without training queries has one vector, by `cold`.
///
/// @param passages   P [n_passages x dim]
/// @param queries    Q [n_train_queries x dim]
/// @param relevance  Y [n_train_queries x n_passages]
/// @return           n_vectors is at most n_passages · max_centroids, and n_passages where max_centroids or λ is 1:
///                   then the vectors are those of fold_queries, to the last bit
/// @throws ShapeError, ValueError  shapes that disagree, values out of range; see detail::require_training_data
/// @throws Cancelled
/// O(pairs · max_centroids · dim) time an iteration of the k-means; C and 4 bytes a pair beside the result, and
/// a thread's copy of the training queries of one passage. The same bits for any number of threads.
template <class Scalar>
[[nodiscard]] PassageVectors fold_query_centroids(const EmbeddingView<Scalar>& passages,
                                                  const EmbeddingView<Scalar>& queries,
                                                  const RelevanceMatrix& relevance, const CentroidParams& params = {},
                                                  const BuildOptions& options = {}) {
  detail::require_centroids(passages, queries, relevance, params, "fold_query_centroids");
  const detail::BuildParts<2> parts(
      options, {detail::needs_fit(params.rule, params.lambda) ? queries.size() : 0, passages.size()});
  const auto solved = detail::fit_fold(passages, queries, params.rule, params.least_squares, params.lambda, parts[0]);
  return detail::fold_centroids(passages, queries, relevance, params, solved ? &*solved : nullptr, parts[1]);
}

}  // namespace pefa
