// pefa: PEFA-XL: the training queries nearest to q̂ vote for their passages at search time; two indexes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// The ERM side of a passage that only the kNN side found.
enum class MissingErmScore {
  exact,  ///< its inner product with q̂, computed
  zero    ///< 0, as in the authors' code
};

template <class PassageIndexParams, class QueryIndexParams, class GatePolicy>
struct PefaXlParams {
  float lambda = 0.5f;                   ///< λ: the weight of the plain model, 0 to 1; may change per call
  std::size_t neighbors = 32;            ///< k: how many training queries are looked up; at least 1
  GatePolicy gate{};                     ///< D(q̂, Q): their weights
  std::size_t passage_candidates = 500;  ///< how many passages the ERM side offers; raised to the k of a search
  MissingErmScore missing_erm_score = MissingErmScore::exact;
  PassageIndexParams passage_index{};
  QueryIndexParams query_index{};
};

/// PEFA-XL: f(q̂, p_j) = λ·⟨q̂, p_j⟩ + (1 − λ)·Σ_{i ∈ NN(q̂, Q; k)} w_i·⟨q̂, q_i⟩·Y_ij (WSDM 2024, section 4).
///
/// The candidates are the passages that the ERM side offers and those the neighbours point to. λ = 1 asks the passage
/// index alone and returns what ErmRetriever would.
///
/// @tparam Scalar        element type of P and Q
/// @tparam PassageIndex  any AnnIndex over rows of Scalar; one that is no ScoringIndex costs a copy of P
/// @tparam QueryIndex    the same for Q
/// @tparam GatePolicy    any Gate
template <EmbeddingScalar Scalar = float, class PassageIndex = HnswIndex, class QueryIndex = PassageIndex,
          Gate GatePolicy = MeanGate>
  requires AnnIndex<PassageIndex, Scalar> && AnnIndex<QueryIndex, Scalar>
class PefaXl {
 public:
  using Params = PefaXlParams<typename PassageIndex::Params, typename QueryIndex::Params, GatePolicy>;

  /// @param passages   P [n_passages x dim]
  /// @param queries    Q [n_train_queries x dim]
  /// @param relevance  Y [n_train_queries x n_passages], kept by the retriever
  /// @throws ShapeError  dims or row counts that disagree
  /// @throws ValueError  λ outside [0, 1], neighbors = 0, an empty input, a row that is not finite, or zero, an index
  ///                     that is not over inner product
  /// @throws Cancelled   the progress callback said stop
  [[nodiscard]] static PefaXl build(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                                    RelevanceMatrix relevance, const Params& params = {},
                                    const BuildOptions& options = {}) {
    detail::require_lambda(params.lambda, "PefaXl::build");
    if (params.neighbors == 0) detail::fail<ValueError>("PefaXl::build: neighbors is 0, expected at least 1");
    detail::require_training_data(passages, queries, relevance, "PefaXl::build");
    const std::size_t total = passages.size() + queries.size();
    const BuildOptions first{options.executor, detail::stage(options.progress, 0, total)};
    const BuildOptions second{options.executor, detail::stage(options.progress, passages.size(), total)};
    PassageIndex passage_index = PassageIndex::build(passages, params.passage_index, first);
    QueryIndex query_index = QueryIndex::build(queries, params.query_index, second);
    std::optional<EmbeddingStore<Scalar>> rows;
    if constexpr (!ScoringIndex<PassageIndex>) {
      if (params.missing_erm_score == MissingErmScore::exact) rows = EmbeddingStore<Scalar>::from(passages);
    }
    return PefaXl(std::move(passage_index), std::move(query_index), std::move(relevance), std::move(rows), params);
  }

  /// @throws ShapeError, ValueError  a query of another dim or that is not finite; k = 0; λ outside [0, 1]
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    const float lambda = lambda_of(options);
    if (lambda == 1.0f) return detail::to_hits(passage_index_.search(query, k, {.ef = options.ef}));
    std::vector<Neighbor> erm = passage_index_.search(query, candidates(k), {.ef = options.ef});
    const std::vector<Neighbor> nearest = query_index_.search(query, params_.neighbors, {.ef = options.query_ef});
    return blend(query, lambda, std::move(erm), votes(nearest), k);
  }

  /// @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    const float lambda = lambda_of(options);
    if (lambda == 1.0f) {
      return detail::to_hits(pefa::search_batch(passage_index_, queries, k, {.ef = options.ef}, executor));
    }
    auto erm = pefa::search_batch(passage_index_, queries, candidates(k), {.ef = options.ef}, executor);
    const auto nearest =
        pefa::search_batch(query_index_, queries, params_.neighbors, {.ef = options.query_ef}, executor);
    std::vector<std::vector<Hit>> results(queries.size());
    executor.run(queries.size(), [&](std::size_t i) {
      results[i] = blend({queries.row(i), queries.dim()}, lambda, std::move(erm[i]), votes(nearest[i]), k);
    });
    return results;
  }

  /// The training queries nearest to q̂ with their similarities: why a passage was found.
  [[nodiscard]] std::vector<Neighbor> nearest_queries(QueryView query, const SearchOptions& options = {}) const {
    return query_index_.search(query, params_.neighbors, {.ef = options.query_ef});
  }

  [[nodiscard]] std::size_t passage_count() const { return passage_index_.size(); }
  [[nodiscard]] std::size_t dim() const { return passage_index_.dim(); }
  [[nodiscard]] std::size_t memory_bytes() const {
    return passage_index_.memory_bytes() + query_index_.memory_bytes() + relevance_.memory_bytes() +
           (rows_ ? rows_->memory_bytes() : 0);
  }
  [[nodiscard]] const Params& params() const noexcept { return params_; }
  [[nodiscard]] const PassageIndex& passage_index() const noexcept { return passage_index_; }
  [[nodiscard]] const QueryIndex& query_index() const noexcept { return query_index_; }
  [[nodiscard]] const RelevanceMatrix& relevance() const noexcept { return relevance_; }

 private:
  PefaXl(PassageIndex passage_index, QueryIndex query_index, RelevanceMatrix relevance,
         std::optional<EmbeddingStore<Scalar>> rows, const Params& params)
      : passage_index_(std::move(passage_index)),
        query_index_(std::move(query_index)),
        relevance_(std::move(relevance)),
        rows_(std::move(rows)),
        params_(params) {
    detail::require_inner_product(passage_index_, "PefaXl::build");
    detail::require_inner_product(query_index_, "PefaXl::build");
  }

  [[nodiscard]] float lambda_of(const SearchOptions& options) const {
    const float lambda = options.lambda.value_or(params_.lambda);
    detail::require_lambda(lambda, "PefaXl::search");
    return lambda;
  }

  [[nodiscard]] std::size_t candidates(std::size_t k) const {
    return k == 0 ? 0 : std::max(k, params_.passage_candidates);  // k = 0 is the index's to refuse
  }

  /// f_kNN of every passage that a neighbour points to, in ascending order of passages.
  [[nodiscard]] std::vector<Neighbor> votes(const std::vector<Neighbor>& nearest) const {
    if (nearest.empty()) return {};
    std::vector<float> similarities(nearest.size());
    std::vector<float> weights(nearest.size());
    for (std::size_t i = 0; i < nearest.size(); ++i) similarities[i] = nearest[i].score;
    params_.gate(similarities, weights);

    std::vector<Neighbor> votes;
    for (std::size_t i = 0; i < nearest.size(); ++i) {
      const RelevanceMatrix::Entries entries = relevance_.passages_of(QueryId(nearest[i].row));
      const float vote = weights[i] * similarities[i];
      for (std::size_t e = 0; e < entries.size(); ++e) {
        votes.push_back({static_cast<Row>(entries.columns[e]), vote * entries.weights[e]});
      }
    }
    // Stable, so that a passage's votes add up in the order of the neighbours: the same sum on every run.
    std::stable_sort(votes.begin(), votes.end(), [](const Neighbor& a, const Neighbor& b) { return a.row < b.row; });
    std::size_t kept = 0;
    for (const Neighbor& vote : votes) {
      if (kept > 0 && votes[kept - 1].row == vote.row) {
        votes[kept - 1].score += vote.score;
      } else {
        votes[kept++] = vote;
      }
    }
    votes.resize(kept);
    return votes;
  }

  /// Merges the two sides. @param erm  in any order  @param knn  in ascending order of passages
  [[nodiscard]] std::vector<Hit> blend(QueryView query, float lambda, std::vector<Neighbor> erm,
                                       const std::vector<Neighbor>& knn, std::size_t k) const {
    std::sort(erm.begin(), erm.end(), [](const Neighbor& a, const Neighbor& b) { return a.row < b.row; });
    TopK best(std::min(k, erm.size() + knn.size()));
    auto passage = erm.begin();
    auto vote = knn.begin();
    while (passage != erm.end() || vote != knn.end()) {
      if (vote == knn.end() || (passage != erm.end() && passage->row < vote->row)) {
        best.push({passage->row, lambda * passage->score});
        ++passage;
      } else if (passage == erm.end() || vote->row < passage->row) {
        best.push({vote->row, lambda * missing_erm_score(query, vote->row) + (1.0f - lambda) * vote->score});
        ++vote;
      } else {
        best.push({vote->row, lambda * passage->score + (1.0f - lambda) * vote->score});
        ++passage;
        ++vote;
      }
    }
    return detail::to_hits(best.take());
  }

  [[nodiscard]] float missing_erm_score(QueryView query, Row passage) const {
    if (params_.missing_erm_score == MissingErmScore::zero) return 0.0f;
    if constexpr (ScoringIndex<PassageIndex>) {
      return passage_index_.score(query, passage);
    } else {
      const EmbeddingView<Scalar> rows = rows_->view();
      return simd::dot_kernel<Scalar>()(query.data(), rows.row(passage), rows.dim(), rows.scale(passage));
    }
  }

  PassageIndex passage_index_;
  QueryIndex query_index_;
  RelevanceMatrix relevance_;
  std::optional<EmbeddingStore<Scalar>> rows_;  // P, where the passage index cannot score its rows
  Params params_;
};

static_assert(Retriever<PefaXl<>>);

}  // namespace pefa
