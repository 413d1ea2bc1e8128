// pefa: PEFA-XS and multi-vector PEFA-XS under every setting of a tuning grid, from one pass over P. A part of
// FoldScorer.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/query_centroids.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/eval/score_tiles.hpp"
#include "pefa/eval/tune_grid.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// Ranks passages by ⟨q̂, p̃_j⟩ = λ⟨q̂, p_j⟩ + (1 − λ)·max_m ⟨q̂, c_jm⟩, which is linear in λ: two tiles of products serve
/// every λ. PEFA-XS has one c_j = C_j a passage, multi-vector PEFA-XS the folded centroids at λ = 0.
template <EmbeddingScalar Scalar>
class XsScorer {
 public:
  /// A block of queries while passages are offered.
  struct Rankings {
    std::vector<TopK> best;  // by query and setting
    RowMajorMatrix products;
    std::vector<float> highest;  // max_m ⟨q̂, c_jm⟩ of the passages of a tile
    std::vector<float> blended;
  };

  /// `options` must outlive the scorer. @param training  Y without the pairs of held-out queries
  XsScorer(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries, const RelevanceMatrix& training,
           const TuneOptions& options, std::size_t depth)
      : options_(options), depth_(depth) {
    const BuildOptions building{options.executor, {}};
    std::optional<std::size_t> own;  // where C without what cold passages borrow is
    for (const ColdPassage cold : options.cold) {
      if (cold == ColdPassage::borrowed || !own) {
        sources_.push_back({pseudo_embeddings(passages, queries, training, cold, building), {}});
        if (cold != ColdPassage::borrowed) own = sources_.size() - 1;
      }
      families_.push_back({cold == ColdPassage::borrowed ? sources_.size() - 1 : *own, cold});
    }
    for (const std::size_t centroids : options.max_centroids) {
      const CentroidParams params{.lambda = 0.0f, .max_centroids = centroids};
      sources_.push_back(by_passage(fold_query_centroids(passages, queries, training, params, building), passages));
      families_.push_back({sources_.size() - 1, params.cold});
    }
    if (families_.empty()) return;
    for (Row j = 0; j < passages.size(); ++j) {
      if (training.queries_of(PassageId(j)).size() == 0) cold_.push_back(j);
    }
  }

  [[nodiscard]] Rankings start(std::size_t n_queries) const {
    return {.best = std::vector<TopK>(n_queries * settings(), TopK(depth_)),
            .products = {},
            .highest = std::vector<float>(tile_rows),
            .blended = std::vector<float>(tile_rows)};
  }

  /// @param erm  ⟨q̂, p_j⟩ of the passages first, first + 1, … [n_queries x n <= tile_rows]
  void offer(std::size_t first, simd::QueryBlock& queries, const RowMajorMatrix& erm, Rankings& rankings) const {
    const auto n = static_cast<std::size_t>(erm.cols());
    const auto first_cold = std::lower_bound(cold_.begin(), cold_.end(), first);
    const std::span<const Row> cold(first_cold, std::lower_bound(first_cold, cold_.end(), first + n));
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      const std::size_t begin = sources_[s].first_vector(first);
      const std::size_t size = sources_[s].first_vector(first + n) - begin;
      multiply(queries, sources_[s].vectors.row(begin), size, rankings.products);
      for (std::size_t q = 0; q < queries.size(); ++q) {
        const float* erm_scores = erm.data() + q * n;
        const float* pseudo =
            sources_[s].highest(rankings.products.row(static_cast<Eigen::Index>(q)).data(), first, n, rankings.highest);
        for (std::size_t f = 0; f < families_.size(); ++f) {
          if (families_[f].source != s) continue;
          TopK* best = &rankings.best[q * settings() + f * options_.lambdas.size()];
          push_blends(best, families_[f].cold, erm_scores, pseudo, n, first, cold, rankings.blended);
        }
      }
    }
  }

  /// Calls on_ranking(lambda, best) for a query's rankings in the order of make_grid(), best first; where λ is 1 the
  /// ranking is the plain model's and `best` empty.
  template <class OnRanking>
  void take(Rankings& rankings, std::size_t q, const OnRanking& on_ranking) const {
    for (std::size_t s = 0; s < settings(); ++s) {
      on_ranking(options_.lambdas[s % options_.lambdas.size()], rankings.best[q * settings() + s].take());
    }
  }

 private:
  /// What stands in for the training queries of each passage: one vector, or several one after the other.
  struct Source {
    EmbeddingStore<float> vectors;
    std::vector<std::size_t> first;  // the first vector of each passage, and the end; empty: each has one

    [[nodiscard]] std::size_t first_vector(std::size_t passage) const {
      return first.empty() ? passage : first[passage];
    }

    /// The highest score of each of the n passages from `passage` on. @param scores  of their vectors
    [[nodiscard]] const float* highest(const float* scores, std::size_t passage, std::size_t n,
                                       std::vector<float>& scratch) const {
      if (first.empty()) return scores;
      for (std::size_t j = 0; j < n; ++j) {
        const float* end = scores + (first[passage + j + 1] - first[passage + j]);
        scratch[j] = *std::max_element(scores, end);
        scores = end;
      }
      return scratch.data();
    }
  };

  /// The settings that differ in λ alone.
  struct Family {
    std::size_t source;
    ColdPassage cold;
  };

  [[nodiscard]] std::size_t settings() const { return families_.size() * options_.lambdas.size(); }

  [[nodiscard]] static Source by_passage(PassageVectors&& folded, const EmbeddingView<Scalar>& passages) {
    std::vector<std::size_t> first(passages.size() + 1, 0);
    for (const PassageId passage : folded.passage) ++first[passage.row() + std::size_t{1}];
    for (std::size_t j = 0; j < passages.size(); ++j) first[j + 1] += first[j];
    return {std::move(folded.vectors), std::move(first)};
  }

  /// One query under every λ of a family. @param best  by λ
  void push_blends(TopK* best, ColdPassage policy, const float* erm, const float* pseudo, std::size_t n,
                   std::size_t first, std::span<const Row> cold, std::vector<float>& blended) const {
    const auto count = static_cast<Eigen::Index>(n);
    const Eigen::Map<const Eigen::ArrayXf> erm_scores(erm, count);
    const Eigen::Map<const Eigen::ArrayXf> pseudo_scores(pseudo, count);
    Eigen::Map<Eigen::ArrayXf> scores(blended.data(), count);
    for (const float lambda : options_.lambdas) {
      TopK& ranking = *best++;
      if (lambda == 1.0f) continue;  // the plain model's own
      if (lambda == 0.0f) {          // where ⟨q̂, p⟩ may be infinite
        scores = pseudo_scores;
      } else {
        scores = lambda * erm_scores + (1.0f - lambda) * pseudo_scores;
      }
      for (float& score : std::span(blended.data(), n)) score = rankable(score);
      if (policy == ColdPassage::erm) {
        for (const Row passage : cold) blended[passage - first] = erm[passage - first];
      }
      push_scores(ranking, blended.data(), n, first);
    }
  }

  const TuneOptions& options_;
  std::size_t depth_;
  std::vector<Source> sources_;
  std::vector<Family> families_;  // in the order of the grid
  std::vector<Row> cold_;         // the passages that have no training query left
};

}  // namespace pefa::detail
