// pefa: every setting of a tuning grid scored on one fold of validation queries, exactly, from one pass over P, C and
// Q. tune()'s engine.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/eval/tune_grid.hpp"
#include "pefa/eval/validation_split.hpp"
#include "pefa/eval/vote_blender.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// Offers rows first, first + 1, … with their scores. A run of rows that cannot enter costs one vectorised maximum.
inline void push_scores(TopK& best, const float* scores, std::size_t n, std::size_t first) {
  constexpr std::size_t run = 64;
  for (std::size_t begin = 0; begin < n; begin += run) {
    const std::size_t end = std::min(n, begin + run);
    const auto count = static_cast<Eigen::Index>(end - begin);
    if (Eigen::Map<const Eigen::ArrayXf>(scores + begin, count).maxCoeff() < best.floor()) continue;
    for (std::size_t i = begin; i < end; ++i) best.push({static_cast<Row>(first + i), scores[i]});
  }
}

/// Scores the queries of a fold under every setting, with adapters made of the other queries.
///
/// A block of queries meets P, C = Π(QᵀY) and Q as tiles of matrix products. The ranking of XS under each λ and cold
/// policy comes from the same two tiles, as ⟨q̂, p̃_j⟩ = λ⟨q̂, p_j⟩ + (1 − λ)⟨q̂, C_j⟩; that of XL from the nearest
/// training queries at the largest k and the ERM's top passages. Held-out queries are in neither C nor Q.
///
/// Rankings are those of exact search: PefaXs and PefaXl over FlatIndex, up to the rounding of equal sums taken in
/// another order. Memory: C, and a tile and the top lists of one block a thread.
template <EmbeddingScalar Scalar>
class FoldScorer {
 public:
  /// Everything passed by reference must outlive the scorer.
  FoldScorer(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
             const RelevanceMatrix& relevance, const TuneOptions& options, const std::vector<QueryId>& held_out)
      : passages_(passages),
        queries_(queries),
        relevance_(relevance),
        options_(options),
        held_out_(held_out),
        depth_(std::min(options.at, passages.size())),
        most_neighbors_(
            options.neighbors.empty() ? 0 : *std::max_element(options.neighbors.begin(), options.neighbors.end())) {
    if (has_xs()) fold_in();
    if (has_xl()) training_ = other_queries(queries.size(), held_out);
  }

  /// Writes the metric of held-out query i under setting e of make_grid() to values[e][first + i].
  void score(std::size_t first, std::vector<std::vector<double>>& values, ProgressMeter& meter) const {
    for_each_block(options_.executor, held_out_.size(), query_block, [&](std::size_t begin, std::size_t end) {
      Block block = start(begin, end);
      if (has_xl()) find_nearest(block);
      sweep_passages(block);
      VoteBlender blender(has_xl() ? passages_.size() : 0, options_.lambdas, depth_, options_.passage_candidates);
      for (std::size_t q = 0; q < end - begin; ++q) record(block, q, blender, first + begin + q, values);
      meter.add(end - begin);
    });
  }

 private:
  // A tile of scores, query_block x row_block floats, and the rows it is made of stay in the L2 cache.
  static constexpr std::size_t query_block = 64;
  static constexpr std::size_t row_block = 256;

  /// A block of queries and the best rows each has met so far.
  struct Block {
    std::span<const QueryId> ids;
    RowMajorMatrix queries;                      // as floats
    std::vector<std::vector<Neighbor>> nearest;  // by query; rows of Q
    std::vector<TopK> erm;                       // by query
    std::vector<TopK> xs;                        // by query, cold policy and λ
  };

  [[nodiscard]] bool has_xs() const { return !options_.cold.empty(); }
  [[nodiscard]] bool has_xl() const { return most_neighbors_ > 0; }
  [[nodiscard]] std::size_t xs_settings() const { return options_.cold.size() * options_.lambdas.size(); }

  /// C and the passages that have no training query left.
  void fold_in() {
    const RelevanceMatrix training = without_queries(relevance_, held_out_);
    aggregated_ = aggregate_queries(queries_, training, {options_.executor, {}});
    for (Row j = 0; j < passages_.size(); ++j) {
      if (training.queries_of(PassageId(j)).size() == 0) cold_.push_back(j);
    }
  }

  [[nodiscard]] Block start(std::size_t begin, std::size_t end) const {
    Block block;
    block.ids = std::span(held_out_).subspan(begin, end - begin);
    decode(
        queries_, block.ids.size(), [&](std::size_t i) { return block.ids[i].row(); }, block.queries);
    block.nearest.resize(block.ids.size());
    return block;
  }

  /// How many passages of the ERM side PefaXl would ask for at most: one more for each vote below 0.
  [[nodiscard]] std::size_t offers(const std::vector<Neighbor>& nearest) const {
    std::size_t votes_below_zero = 0;
    for (const Neighbor& neighbor : nearest) {
      if (neighbor.score < 0.0f) votes_below_zero += relevance_.passages_of(QueryId(neighbor.row)).size();
    }
    return std::max(depth_ + votes_below_zero, has_xl() ? options_.passage_candidates : 0);
  }

  void sweep_passages(Block& block) const {
    RowMajorMatrix rows;
    RowMajorMatrix erm;
    RowMajorMatrix knn;
    std::vector<float> blended(row_block);
    for (const auto& nearest : block.nearest) block.erm.emplace_back(std::min(offers(nearest), passages_.size()));
    if (has_xs()) block.xs.assign(block.ids.size() * xs_settings(), TopK(depth_));
    for (std::size_t begin = 0; begin < passages_.size(); begin += row_block) {
      const std::size_t n = std::min(row_block, passages_.size() - begin);
      decode(
          passages_, n, [&](std::size_t i) { return begin + i; }, rows);
      erm.noalias() = block.queries * rows.transpose();
      if (has_xs()) {
        const Eigen::Map<const RowMajorMatrix> aggregated(aggregated_.row(begin), rows.rows(), rows.cols());
        knn.noalias() = block.queries * aggregated.transpose();
      }
      const auto first_cold = std::lower_bound(cold_.begin(), cold_.end(), begin);
      const std::span<const Row> cold(first_cold, std::lower_bound(first_cold, cold_.end(), begin + n));
      for (std::size_t q = 0; q < block.ids.size(); ++q) {
        push_scores(block.erm[q], erm.data() + q * n, n, begin);
        if (!has_xs()) continue;
        push_blends(&block.xs[q * xs_settings()], erm.data() + q * n, knn.data() + q * n, n, begin, cold, blended);
      }
    }
  }

  /// One tile row under every λ and cold policy. @param best  by setting
  void push_blends(TopK* best, const float* erm, const float* knn, std::size_t n, std::size_t begin,
                   std::span<const Row> cold, std::vector<float>& blended) const {
    const auto count = static_cast<Eigen::Index>(n);
    const Eigen::Map<const Eigen::ArrayXf> erm_scores(erm, count);
    const Eigen::Map<const Eigen::ArrayXf> knn_scores(knn, count);
    Eigen::Map<Eigen::ArrayXf> scores(blended.data(), count);
    for (const ColdPassage policy : options_.cold) {
      for (const float lambda : options_.lambdas) {
        TopK& ranking = *best++;
        if (lambda == 1.0f) continue;  // the ERM's own
        scores = lambda * erm_scores + (1.0f - lambda) * knn_scores;
        if (policy == ColdPassage::erm) {
          for (const Row passage : cold) blended[passage - begin] = erm[passage - begin];
        }
        push_scores(ranking, blended.data(), n, begin);
      }
    }
  }

  void find_nearest(Block& block) const {
    std::vector<TopK> best(block.ids.size(), TopK(std::min(most_neighbors_, training_.size())));
    RowMajorMatrix rows;
    RowMajorMatrix similarities;
    for (std::size_t begin = 0; begin < training_.size(); begin += row_block) {
      const std::size_t n = std::min(row_block, training_.size() - begin);
      decode(
          queries_, n, [&](std::size_t i) { return training_[begin + i].row(); }, rows);
      similarities.noalias() = block.queries * rows.transpose();
      for (std::size_t q = 0; q < best.size(); ++q) push_scores(best[q], similarities.data() + q * n, n, begin);
    }
    for (std::size_t q = 0; q < best.size(); ++q) {
      block.nearest[q] = best[q].take();  // positions in training_, which ascends: the order of ties stays
      for (Neighbor& neighbor : block.nearest[q]) neighbor.row = training_[neighbor.row].row();
    }
  }

  /// Ranks one query under every setting, in the order of make_grid().
  void record(Block& block, std::size_t q, VoteBlender& blender, std::size_t position,
              std::vector<std::vector<double>>& values) const {
    const RelevanceMatrix::Entries truth = relevance_.passages_of(block.ids[q]);
    std::size_t setting = 0;
    const std::vector<Neighbor> erm = block.erm[q].take();
    const double erm_value = metric(as_hits(erm), truth);
    values[setting++][position] = erm_value;
    for (std::size_t s = 0; s < (has_xs() ? xs_settings() : 0); ++s) {
      const bool is_erm = options_.lambdas[s % options_.lambdas.size()] == 1.0f;
      values[setting++][position] = is_erm ? erm_value : metric(as_hits(block.xs[q * xs_settings() + s].take()), truth);
    }
    if (!has_xl()) return;

    const float* query = block.queries.data() + q * queries_.dim();
    blender.start(erm, block.nearest[q], relevance_, [&](Row passage) {
      return simd::dot_kernel<Scalar>()(query, passages_.row(passage), passages_.dim(), passages_.scale(passage));
    });
    for (const std::size_t neighbors : options_.neighbors) {
      for (const TuneGate& gate : options_.gates) {
        blender.count_votes(neighbors, gate.policy());
        for (std::size_t l = 0; l < options_.lambdas.size(); ++l) {
          const bool is_erm = options_.lambdas[l] == 1.0f;
          values[setting++][position] = is_erm ? erm_value : metric(blender.rank(l), truth);
        }
      }
    }
  }

  [[nodiscard]] std::vector<Hit> as_hits(const std::vector<Neighbor>& best) const {
    std::vector<Hit> hits;
    for (std::size_t i = 0; i < std::min(depth_, best.size()); ++i)
      hits.push_back({PassageId(best[i].row), best[i].score});
    return hits;
  }

  [[nodiscard]] double metric(std::span<const Hit> hits, const RelevanceMatrix::Entries& truth) const {
    switch (options_.metric) {
      case TuneMetric::recall: return recall_at(hits, truth, options_.at);
      case TuneMetric::ndcg: return ndcg_at(hits, truth, options_.at);
      case TuneMetric::mrr: return reciprocal_rank_at(hits, truth, options_.at);
    }
    return 0.0;
  }

  /// The rows row_of(0), …, row_of(n - 1) as floats.
  template <class RowOf>
  static void decode(const EmbeddingView<Scalar>& rows, std::size_t n, const RowOf& row_of, RowMajorMatrix& decoded) {
    decoded.resize(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(rows.dim()));
    for (std::size_t i = 0; i < n; ++i) rows.decode(row_of(i), decoded.data() + i * rows.dim());
  }

  const EmbeddingView<Scalar>& passages_;
  const EmbeddingView<Scalar>& queries_;
  const RelevanceMatrix& relevance_;
  const TuneOptions& options_;
  const std::vector<QueryId>& held_out_;
  std::size_t depth_;
  std::size_t most_neighbors_;
  std::vector<QueryId> training_;                      // for XL
  EmbeddingStore<float> aggregated_{passages_.dim()};  // C, for XS
  std::vector<Row> cold_;
};

}  // namespace pefa::detail
