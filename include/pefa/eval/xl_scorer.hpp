// pefa: PEFA-XL and its variants (over condensed queries, over PEFA-XS) under every setting of a tuning grid. A part of
// FoldScorer.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/condense.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/vote.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/eval/score_tiles.hpp"
#include "pefa/eval/training_part.hpp"
#include "pefa/eval/tune_grid.hpp"
#include "pefa/eval/validation_split.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// Blends what a plain side offers with what the nearest training queries vote for. A plain side is P, or p̃ of PEFA-XS;
/// the training queries are all that are not held out, or those condensed.
template <EmbeddingScalar Scalar>
class XlScorer {
 public:
  using Ranked = std::vector<std::vector<Neighbor>>;  // by query, best first

  /// A block of queries and what they found.
  struct Evidence {
    Ranked nearest;                 // rows of Q
    std::vector<Ranked> condensed;  // by cosine; rows of condensed queries
    std::vector<Ranked> folded;     // by fold; passages
  };

  /// Everything passed by reference must outlive the scorer, but `training`: Y without the pairs of held-out queries.
  XlScorer(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
           const RelevanceMatrix& relevance, const RelevanceMatrix& training, const TuneOptions& options,
           const std::vector<QueryId>& held_out, std::size_t depth)
      : passages_(passages), queries_(queries), relevance_(relevance), options_(options), depth_(depth) {
    if (options.neighbors.empty()) return;
    most_neighbors_ = *std::max_element(options.neighbors.begin(), options.neighbors.end());
    training_ = other_queries(queries.size(), held_out);
    const BuildOptions building{options.executor, {}};
    for (const float cosine : options.condense) {
      const TrainingPart part = training_part(queries, relevance, training_);
      condensed_.push_back(condense_queries(part.queries.view(), part.relevance, {.min_cosine = cosine}, building));
    }
    for (const float lambda : options.folds) {
      folded_.push_back(fold_passages(passages, queries, training, {.lambda = lambda}, building));
    }
  }

  [[nodiscard]] Evidence start(simd::QueryBlock& queries) const {
    Evidence evidence;
    const std::size_t count = queries.size();
    evidence.nearest.resize(count);
    if (has_plain() || !folded_.empty()) {
      evidence.nearest =
          nearest_of(queries, queries_, training_.size(), [&](std::size_t i) { return training_[i].row(); });
      for (auto& nearest : evidence.nearest) {  // training_ ascends: the order of ties stays
        for (Neighbor& neighbor : nearest) neighbor.row = training_[neighbor.row].row();
      }
    }
    for (const CondensedQueries& condensed : condensed_) {
      evidence.condensed.push_back(nearest_of(queries, condensed.queries.view(), condensed.queries.size(), identity));
    }
    for (const auto& folded : folded_) {
      std::vector<TopK> best;
      for (const auto& nearest : evidence.nearest) best.emplace_back(offers(nearest, relevance_));
      evidence.folded.push_back(best_rows(queries, folded.view(), folded.size(), identity, std::move(best)));
    }
    return evidence;
  }

  /// How many passages of P query q of the block may need.
  [[nodiscard]] std::size_t offers(const Evidence& evidence, std::size_t q) const {
    std::size_t most = offers(evidence.nearest[q], relevance_);
    for (std::size_t c = 0; c < condensed_.size(); ++c) {
      most = std::max(most, offers(evidence.condensed[c][q], condensed_[c].relevance));
    }
    return most;
  }

  /// A thread's buffers.
  class Scratch {
    friend class XlScorer;
    std::vector<QueryId> nearest;
    Voters voters;
    Ballot ballot;
    Votes votes;
    Blender blender;
    std::vector<Row> named;           // the passages that the nearest of the largest k vote for, ascending
    std::vector<float> erm_of_named;  // ⟨q̂, p⟩ of those
    std::vector<Hit> hits;
  };

  /// Calls on_ranking(hits) for a query's rankings in the order of make_grid().
  /// @param erm  what P offers query q, offers() or more of them
  template <class OnRanking>
  void rank(const Evidence& evidence, std::size_t q, const float* query, const std::vector<Neighbor>& erm,
            Scratch& scratch, const OnRanking& on_ranking) const {
    if (has_plain()) blend(passages_, query, erm, evidence.nearest[q], relevance_, scratch, on_ranking);
    for (std::size_t c = 0; c < condensed_.size(); ++c) {
      blend(passages_, query, erm, evidence.condensed[c][q], condensed_[c].relevance, scratch, on_ranking);
    }
    for (std::size_t f = 0; f < folded_.size(); ++f) {
      blend(folded_[f].view(), query, evidence.folded[f][q], evidence.nearest[q], relevance_, scratch, on_ranking);
    }
  }

 private:
  static constexpr auto identity = [](std::size_t i) { return i; };

  [[nodiscard]] bool has_plain() const { return !options_.neighbors.empty() && options_.plain_xl == PlainXl::included; }

  template <class RowScalar, class RowOf>
  [[nodiscard]] Ranked nearest_of(simd::QueryBlock& queries, const EmbeddingView<RowScalar>& rows, std::size_t n,
                                  const RowOf& row_of) const {
    std::vector<TopK> best(queries.size(), TopK(std::min(most_neighbors_, n)));
    return best_rows(queries, rows, n, row_of, std::move(best));
  }

  /// How many passages of the plain side PefaXl would ask for at most: one more for each vote below 0.
  [[nodiscard]] std::size_t offers(const std::vector<Neighbor>& nearest, const RelevanceMatrix& relevance) const {
    std::size_t votes_below_zero = 0;
    for (const Neighbor& neighbor : nearest) {
      if (neighbor.score < 0.0f) votes_below_zero += relevance.passages_of(QueryId(neighbor.row)).size();
    }
    const std::size_t candidates = options_.neighbors.empty() ? 0 : options_.passage_candidates;
    return std::min(std::max(depth_ + votes_below_zero, candidates), passages_.size());
  }

  /// One query under every k, gate and λ: what depends on the query alone is done once, and each setting costs little
  /// more than its votes. @param plain  the rows of the plain side, which offers `offered`
  template <class OnRanking>
  void blend(const EmbeddingView<Scalar>& plain, const float* query, const std::vector<Neighbor>& offered,
             const std::vector<Neighbor>& nearest, const RelevanceMatrix& relevance, Scratch& scratch,
             const OnRanking& on_ranking) const {
    Ballot& ballot = scratch.ballot;
    const KnnScale scale(KnnSimilarity::inner_product, 1.0f, {});
    scratch.hits.resize(depth_);
    std::vector<Hit> unblended(std::min(depth_, offered.size()));
    (void)to_hits(offered, unblended);
    scratch.nearest.clear();
    for (const Neighbor& neighbor : nearest) scratch.nearest.push_back(QueryId(neighbor.row));
    ballot.gather(scratch.nearest, relevance);
    score_named(plain, query, scratch);
    for (const std::size_t neighbors : options_.neighbors) {
      const std::span<const Neighbor> heard(nearest.data(), std::min(neighbors, nearest.size()));
      for (const GateSpec& gate : options_.gates) {
        weigh(heard, scale, make_gate(gate), scratch.voters);
        ballot.count(scratch.voters.strengths, scratch.votes);
        scratch.blender.start(
            offered, scratch.votes, MissingErmScore::exact,
            [&](std::span<const Row> passages, std::span<float> scores) { find_named(passages, scores, scratch); });
        for (const float lambda : options_.lambdas) {
          on_ranking(lambda == 1.0f
                         ? std::span<const Hit>(unblended)
                         : std::span<const Hit>(scratch.hits.data(), scratch.blender.rank(lambda, scratch.hits)));
        }
      }
    }
  }

  /// ⟨q̂, p⟩ of every passage on the ballot.
  void score_named(const EmbeddingView<Scalar>& plain, const float* query, Scratch& scratch) const {
    scratch.named.clear();
    scratch.ballot.for_each_passage([&](PassageId passage) { scratch.named.push_back(passage.row()); });
    scratch.erm_of_named.resize(scratch.named.size());
    simd::dot_rows_kernel<Scalar>()(query, plain.data(), plain.stride(), plain.dim(), scratch.named.data(),
                                    scratch.named.size(), plain.scales(), scratch.erm_of_named.data());
    for (float& score : scratch.erm_of_named) score = rankable(score);
  }

  /// Those of some of them, ascending.
  static void find_named(std::span<const Row> passages, std::span<float> scores, const Scratch& scratch) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < passages.size(); ++i) {
      while (scratch.named[n] != passages[i]) ++n;
      scores[i] = scratch.erm_of_named[n];
    }
  }

  const EmbeddingView<Scalar>& passages_;
  const EmbeddingView<Scalar>& queries_;
  const RelevanceMatrix& relevance_;
  const TuneOptions& options_;
  std::size_t depth_;
  std::size_t most_neighbors_ = 0;
  std::vector<QueryId> training_;
  std::vector<CondensedQueries> condensed_;     // by cosine
  std::vector<EmbeddingStore<Scalar>> folded_;  // by fold
};

}  // namespace pefa::detail
