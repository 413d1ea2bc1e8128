// pefa: PEFA-XL: the training queries nearest to q̂ vote for their passages at search time; two indexes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/archived_retriever.hpp"
#include "pefa/adapter/build_index.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/knn_similarity.hpp"
#include "pefa/adapter/pefa_xl_params.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/vote.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/index/archivable_index.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_source.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// PEFA-XL: f(q̂, p_j) = λ·⟨q̂, p_j⟩ + (1 − λ)·Σ_{i ∈ NN(q̂, Q; k)} w_i·⟨q̂, q_i⟩·Y_ij (WSDM 2024, section 4).
///
/// With fold.lambda below 1 the ERM side is ⟨q̂, p̃_j⟩: PEFA-XL on top of PEFA-XS, for the bytes of XL; on measured data
/// at least as good as either, and better deep in the list. KnnSimilarity and knn_scale are for embeddings that are not
/// of unit length.
///
/// The candidates are the passages that the ERM side offers and those the neighbours point to. λ = 1 asks the passage
/// index alone and returns what ErmRetriever would (with fold.lambda below 1: what PefaXs would).
///
/// @tparam Scalar        element type of P and Q
/// @tparam PassageIndex  any AnnIndex over rows of Scalar; one that is no ScoringIndex costs a copy of P
/// @tparam QueryIndex    the same for Q
/// @tparam GatePolicy    any Gate
template <EmbeddingScalar Scalar = float, class PassageIndex = HnswIndex, class QueryIndex = PassageIndex,
          Gate GatePolicy = MeanGate>
  requires AnnIndex<PassageIndex, Scalar> && AnnIndex<QueryIndex, Scalar>
class PefaXl : public ArchivedRetriever<PefaXl<Scalar, PassageIndex, QueryIndex, GatePolicy>,
                                        ArchivableIndex<PassageIndex> && ArchivableIndex<QueryIndex> &&
                                            ScoringIndex<PassageIndex> && ArchivableGate<GatePolicy>> {
 public:
  /// What build() takes.
  using Params = PefaXlParams<typename PassageIndex::Params, typename QueryIndex::Params, GatePolicy>;

  /// A store passed by && is taken over, not copied, whatever the indexes' `rows` say.
  /// @param passages   P [n_passages x dim]
  /// @param queries    Q [n_train_queries x dim]
  /// @param relevance  Y [n_train_queries x n_passages], kept by the retriever
  /// @throws ShapeError  dims or row counts that disagree
  /// @throws ValueError  a λ outside [0, 1], neighbors = 0, a knn_scale out of range, an empty input, a row that is not
  ///                     finite, or zero, an index that is not over inner product (the query index: over what
  ///                     `similarity` needs)
  /// @throws Cancelled   the progress callback said stop
  [[nodiscard]] static PefaXl build(EmbeddingSource<Scalar> passages, EmbeddingSource<Scalar> queries,
                                    RelevanceMatrix relevance, const Params& params = {},
                                    const BuildOptions& options = {}) {
    detail::require_lambda(params.lambda, "PefaXl::build");
    if (params.neighbors == 0) detail::fail<ValueError>("PefaXl::build: neighbors is 0, expected at least 1");
    detail::require_knn_scale(params.knn_scale, "PefaXl::build");
    detail::require_training_data(passages.view(), queries.view(), relevance, "PefaXl::build");
    detail::require_lambda(params.fold.lambda, "PefaXl::build: fold");
    const std::size_t n = passages.view().size();
    const std::size_t folded = params.fold.lambda < 1.0f ? n : 0;  // progress: as many items as passages to fold
    const std::size_t total = folded + n + queries.view().size();
    const auto part = [&](std::size_t begin, std::size_t end) {
      return BuildOptions{options.executor, detail::stage(options.progress, begin, end, total)};
    };

    std::optional<EmbeddingStore<Scalar>> rows;
    const auto index_passages = [&](EmbeddingSource<Scalar> indexed) {
      const BuildOptions indexing = part(folded, folded + n);
      if constexpr (!ScoringIndex<PassageIndex>) {
        if (params.missing_erm_score == MissingErmScore::exact) {
          rows = indexed.is_owned() ? indexed.take()
                                    : EmbeddingStore<Scalar>::from(indexed.view(), Normalize::none, RowCheck::finite);
          return PassageIndex::build(rows->view(), params.passage_index, indexing);
        }
      }
      return detail::build_index<PassageIndex>(std::move(indexed), params.passage_index, indexing);
    };
    const auto index_folded = [&] {
      auto vectors = detail::fold_passages(passages.view(), queries.view(), relevance, params.fold, part(0, folded));
      passages.release();
      return index_passages(std::move(vectors));
    };
    PassageIndex passage_index = folded > 0 ? index_folded() : index_passages(std::move(passages));
    QueryIndex query_index = detail::build_query_index<QueryIndex>(std::move(queries), params.similarity,
                                                                   params.query_index, part(folded + n, total));
    return PefaXl(std::move(passage_index), std::move(query_index), std::move(relevance), std::move(rows), params);
  }

  /// The best k. Where a SearchLimit ends either side early, what both have found is blended.
  /// @throws ShapeError, ValueError  a query of another dim, that is zero or not finite; k = 0; λ outside [0, 1]
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    std::vector<Hit> hits(std::min(k, passage_count()));
    hits.resize(search(query, std::span<Hit>(hits), options));
    return hits;
  }

  /// The best hits.size(), into the caller's buffer; returns how many. @throws  as above
  std::size_t search(QueryView query, std::span<Hit> hits, const SearchOptions& options = {}) const {
    const float lambda = lambda_of(options);
    detail::require_direction(query, "PefaXl::search");
    const std::size_t k = hits.size();
    if (lambda == 1.0f || k == 0) {
      return detail::to_hits(detail::search_passages(passage_index_, query, k, options), hits);
    }
    const auto scratch = take_scratch();
    vote(query, nearest_of(query, options), options, *scratch);
    const auto erm = detail::search_passages(passage_index_, query, candidates(k, scratch->votes), options);
    return blend(query, lambda, erm, hits, options, *scratch);
  }

  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    const float lambda = lambda_of(options);
    detail::require_directions(queries, "PefaXl::search_batch");
    const std::size_t usual = candidates(k, {});
    const std::size_t offered = lambda == 1.0f || k == 0 ? k : usual;
    auto erm = detail::search_passages(passage_index_, queries, offered, options, executor);
    if (lambda == 1.0f) return detail::to_hits(erm);
    const auto nearest = nearest_of(queries, options, executor);
    const detail::StopWatch watch(options, &SearchStats::blending_microseconds);
    std::vector<SearchStats> more(options.stats == nullptr ? 0 : queries.size());  // of those that ask a second time
    std::vector<std::vector<Hit>> results(queries.size());
    executor.run(queries.size(), [&](std::size_t i) {
      const QueryView query(queries.row(i), queries.dim());
      const auto scratch = take_scratch();
      SearchOptions mine = options;
      mine.stats = nullptr;
      vote(query, nearest[i], mine, *scratch);
      const std::size_t wanted = candidates(k, scratch->votes);
      if (wanted > usual && !options.limit.reached()) {
        if (options.stats != nullptr) mine.stats = &more[i];
        auto again = passage_index_.search(query, wanted, detail::passage_options(mine));
        if (again.size() > erm[i].size()) erm[i] = std::move(again);
        mine.stats = nullptr;
      }
      results[i].resize(std::min(k, passage_count()));
      results[i].resize(blend(query, lambda, erm[i], results[i], mine, *scratch));
    });
    for (const SearchStats& stats : more) options.stats->passages += stats.passages;
    return results;
  }

  /// The training queries nearest to q̂ with their similarities: why a passage was found; see explain() for how much
  /// each of them counts.
  [[nodiscard]] std::vector<Neighbor> nearest_queries(QueryView query, const SearchOptions& options = {}) const {
    detail::require_direction(query, "PefaXl::nearest_queries");
    std::vector<Neighbor> nearest = nearest_of(query, options);
    const KnnScale scale(params_.similarity, params_.knn_scale, query);
    for (Neighbor& neighbor : nearest) neighbor.score = scale.similarity(neighbor.score);
    return nearest;
  }

  /// How many passages it searches.
  [[nodiscard]] std::size_t passage_count() const { return passage_index_.size(); }
  /// Elements of a query.
  [[nodiscard]] std::size_t dim() const { return passage_index_.dim(); }
  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const {
    return passage_index_.memory_bytes() + query_index_.memory_bytes() + relevance_.memory_bytes() +
           (rows_ ? rows_->memory_bytes() : 0);
  }
  /// What it was built with.
  [[nodiscard]] const Params& params() const noexcept { return params_; }
  /// The index of the ERM side. [n_passages x dim]
  [[nodiscard]] const PassageIndex& passage_index() const noexcept { return passage_index_; }
  /// The index of the kNN side. [n_train_queries x dim]
  [[nodiscard]] const QueryIndex& query_index() const noexcept { return query_index_; }
  /// Y [n_train_queries x n_passages]
  [[nodiscard]] const RelevanceMatrix& relevance() const noexcept { return relevance_; }

 private:
  friend struct detail::RetrieverFields<PefaXl>;

  /// Buffers that searches hand on, so that none allocates after the first.
  struct Scratch {
    Voters voters;
    Ballot ballot;
    Votes votes;
    Blender blender;
  };

  PefaXl(PassageIndex passage_index, QueryIndex query_index, RelevanceMatrix relevance,
         std::optional<EmbeddingStore<Scalar>> rows, const Params& params)
      : passage_index_(std::move(passage_index)),
        query_index_(std::move(query_index)),
        relevance_(std::move(relevance)),
        rows_(std::move(rows)),
        params_(params) {
    detail::require_inner_product(passage_index_, "PefaXl::build");
    detail::require_knn_metric(query_index_.metric(), params.similarity, "PefaXl::build");
  }

  [[nodiscard]] float lambda_of(const SearchOptions& options) const {
    const float lambda = options.lambda.value_or(params_.lambda);
    detail::require_lambda(lambda, "PefaXl::search");
    return lambda;
  }

  [[nodiscard]] std::size_t neighbors_of(const SearchOptions& options) const noexcept {
    return options.neighbors == 0 ? params_.neighbors : options.neighbors;
  }

  [[nodiscard]] std::vector<Neighbor> nearest_of(QueryView query, const SearchOptions& options) const {
    const detail::StopWatch watch(options, &SearchStats::query_microseconds);
    return query_index_.search(query, neighbors_of(options), detail::query_options(options));
  }
  [[nodiscard]] auto nearest_of(const EmbeddingView<float>& queries, const SearchOptions& options,
                                const AnyExecutor& executor) const {
    const detail::StopWatch watch(options, &SearchStats::query_microseconds);
    return pefa::search_batch(query_index_, queries, neighbors_of(options), detail::query_options(options), executor);
  }

  [[nodiscard]] auto take_scratch() const {
    return scratches_->take([] { return std::make_unique<Scratch>(); });
  }

  [[nodiscard]] std::size_t candidates(std::size_t k, const Votes& votes) const {
    return erm_candidates(k, votes, passage_count(), params_.passage_candidates, params_.missing_erm_score);
  }

  /// Leaves f_kNN in scratch.votes.
  void vote(QueryView query, const std::vector<Neighbor>& nearest, const SearchOptions& options,
            Scratch& scratch) const {
    const detail::StopWatch watch(options, &SearchStats::blending_microseconds);
    weigh(nearest, KnnScale(params_.similarity, params_.knn_scale, query), params_.gate, scratch.voters);
    scratch.ballot.gather(scratch.voters.queries, relevance_);
    scratch.ballot.count(scratch.voters.strengths, scratch.votes);
  }

  /// Blends the ERM side with scratch.votes.
  [[nodiscard]] std::size_t blend(QueryView query, float lambda, const std::vector<Neighbor>& erm, std::span<Hit> hits,
                                  const SearchOptions& options, Scratch& scratch) const {
    const detail::StopWatch watch(options, &SearchStats::blending_microseconds);
    scratch.blender.start(
        erm, scratch.votes, params_.missing_erm_score,
        [&](std::span<const Row> passages, std::span<float> scores) { score_passages(query, passages, scores); });
    return scratch.blender.rank(lambda, hits);
  }

  /// The exact ERM scores of passages.
  void score_passages(QueryView query, std::span<const Row> passages, std::span<float> scores) const {
    if constexpr (BatchScoringIndex<PassageIndex>) {
      passage_index_.score_rows(query, passages, scores);
    } else if constexpr (ScoringIndex<PassageIndex>) {
      for (std::size_t i = 0; i < passages.size(); ++i) scores[i] = passage_index_.score(query, passages[i]);
    } else {
      const EmbeddingView<Scalar> rows = rows_->view();
      simd::dot_rows_kernel<Scalar>()(query.data(), rows.data(), rows.stride(), rows.dim(), passages.data(),
                                      passages.size(), rows.scales(), scores.data());
    }
  }

  PassageIndex passage_index_;
  QueryIndex query_index_;
  RelevanceMatrix relevance_;
  std::optional<EmbeddingStore<Scalar>> rows_;  // P, where the passage index cannot score its rows
  Params params_;
  std::unique_ptr<detail::ScratchPool<Scratch>> scratches_ = std::make_unique<detail::ScratchPool<Scratch>>();
};

static_assert(Retriever<PefaXl<>>);

}  // namespace pefa
