// pefa: every setting of a tuning grid scored on one fold of validation queries, exactly, from one pass over P, C and
// Q. tune()'s engine; the methods are XsScorer's and XlScorer's.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/eval/score_tiles.hpp"
#include "pefa/eval/tune_grid.hpp"
#include "pefa/eval/validation_split.hpp"
#include "pefa/eval/xl_scorer.hpp"
#include "pefa/eval/xs_scorer.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// What is maximised, of one ranking.
[[nodiscard]] inline double tuned_metric(const TuneOptions& options, std::span<const Hit> hits,
                                         const RelevanceMatrix::Entries& truth) {
  switch (options.metric) {
    case TuneMetric::recall: return recall_at(hits, truth, options.at);
    case TuneMetric::ndcg: return ndcg_at(hits, truth, options.at);
    case TuneMetric::mrr: return reciprocal_rank_at(hits, truth, options.at);
  }
  return 0.0;
}

/// Scores the queries of a fold under every setting, with adapters made of the other queries.
///
/// A block of queries meets P and what the adapters are made of as tiles of matrix products. Held-out queries are in
/// none of those: not in C, not among the centroids or the condensed queries, and never neighbours.
///
/// Rankings are those of exact search: PefaXs, PefaXsMulti and PefaXl over FlatIndex, up to the rounding of equal sums
/// taken in another order. Memory: C, the centroids of each max_centroids, the queries of each cosine and p̃ of each
/// fold; a tile and the top lists of one block a thread.
template <EmbeddingScalar Scalar>
class FoldScorer {
 public:
  /// Everything passed by reference must outlive the scorer.
  FoldScorer(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
             const RelevanceMatrix& relevance, const TuneOptions& options, const std::vector<QueryId>& held_out)
      : FoldScorer(passages, queries, relevance, without_queries(relevance, held_out), options, held_out) {}

  /// Writes the metric of held-out query i under setting e of make_grid() to values[e][first + i].
  void score(std::size_t first, std::vector<std::vector<double>>& values, ProgressMeter& meter) const {
    for_each_block(options_.executor, held_out_.size(), tile_queries, [&](std::size_t begin, std::size_t end) {
      RowMajorMatrix queries;
      decode_rows(
          queries_, end - begin, [&](std::size_t i) { return held_out_[begin + i].row(); }, queries);
      simd::QueryBlock block = block_of(queries);
      const auto evidence = xl_.start(block);
      auto folded = xs_.start(end - begin);
      const auto erm = sweep_passages(block, evidence, folded);
      typename XlScorer<Scalar>::Scratch scratch;
      for (std::size_t q = 0; q < end - begin; ++q) {
        const RelevanceMatrix::Entries truth = relevance_.passages_of(held_out_[begin + q]);
        std::size_t setting = 0;
        const auto record = [&](double value) { values[setting++][first + begin + q] = value; };
        const double erm_value = metric(as_hits(erm[q]), truth);
        record(erm_value);
        xs_.take(folded, q, [&](float lambda, const std::vector<Neighbor>& best) {
          record(lambda == 1.0f ? erm_value : metric(as_hits(best), truth));
        });
        xl_.rank(evidence, q, queries.data() + q * queries_.dim(), erm[q], scratch,
                 [&](std::span<const Hit> ranking) { record(metric(ranking, truth)); });
      }
      meter.add(end - begin);
    });
  }

 private:
  FoldScorer(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
             const RelevanceMatrix& relevance, const RelevanceMatrix& training, const TuneOptions& options,
             const std::vector<QueryId>& held_out)
      : passages_(passages),
        queries_(queries),
        relevance_(relevance),
        options_(options),
        held_out_(held_out),
        depth_(std::min(options.at, passages.size())),
        xs_(passages, queries, training, options, depth_),
        xl_(passages, queries, relevance, training, options, held_out, depth_) {}

  /// What P offers each query of the block; the same products go to the settings of XS.
  [[nodiscard]] std::vector<std::vector<Neighbor>> sweep_passages(simd::QueryBlock& queries,
                                                                  const typename XlScorer<Scalar>::Evidence& evidence,
                                                                  typename XsScorer<Scalar>::Rankings& folded) const {
    std::vector<TopK> best;
    for (std::size_t q = 0; q < queries.size(); ++q) {
      best.emplace_back(xl_.offers(evidence, q));
    }
    return best_rows(
        queries, passages_, passages_.size(), [](std::size_t i) { return i; }, std::move(best),
        [&](std::size_t begin, const RowMajorMatrix& scores) { xs_.offer(begin, queries, scores, folded); });
  }

  [[nodiscard]] std::vector<Hit> as_hits(const std::vector<Neighbor>& best) const {
    std::vector<Hit> hits;
    for (std::size_t i = 0; i < std::min(depth_, best.size()); ++i) {
      hits.push_back({PassageId(best[i].row), best[i].score});
    }
    return hits;
  }

  [[nodiscard]] double metric(std::span<const Hit> hits, const RelevanceMatrix::Entries& truth) const {
    return tuned_metric(options_, hits, truth);
  }

  const EmbeddingView<Scalar>& passages_;
  const EmbeddingView<Scalar>& queries_;
  const RelevanceMatrix& relevance_;
  const TuneOptions& options_;
  const std::vector<QueryId>& held_out_;
  std::size_t depth_;
  XsScorer<Scalar> xs_;
  XlScorer<Scalar> xl_;
};

}  // namespace pefa::detail
