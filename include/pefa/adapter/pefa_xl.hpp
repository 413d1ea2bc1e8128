// pefa: PEFA-XL: the training queries nearest to q̂ vote for their passages at search time; two indexes. How it is built
// and searched; what it holds is in pefa_xl_parts.hpp.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/archived_retriever.hpp"
#include "pefa/adapter/build_index.hpp"
#include "pefa/adapter/condense.hpp"
#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/hubness.hpp"
#include "pefa/adapter/knn_similarity.hpp"
#include "pefa/adapter/pefa_xl_parts.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/search_filter.hpp"
#include "pefa/adapter/vote.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/scratch_pool.hpp"
#include "pefa/core/share.hpp"
#include "pefa/index/archivable_index.hpp"
#include "pefa/index/filtered_search.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/store/embedding_source.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/relevance_matrix.hpp"
#include "pefa/store/row_filter.hpp"
#include "pefa/store/row_set.hpp"

namespace pefa {

/// PEFA-XL: f(q̂, p_j) = λ·⟨q̂, p_j⟩ + (1 − λ)·Σ_{i ∈ NN(q̂, Q; k)} w_i·⟨q̂, q_i⟩·Y_ij (WSDM 2024, section 4).
///
/// With fold.lambda below 1 the ERM side is ⟨q̂, p̃_j⟩: PEFA-XL on top of PEFA-XS, for the bytes of XL; on measured data
/// at least as good as either, and better deep in the list. KnnSimilarity and knn_scale are for embeddings that are not
/// of unit length.
///
/// Queries come raw, whatever was fitted: `whitened` says which of the two searches are in the whitened space,
/// `hubness` takes β·(r_i − r̄) off what neighbours are ranked by and the gate sees, a NeighborGate's weights are votes
/// without the factor ⟨q̂, q_i⟩. With Whitened::all, scores are those of the whitened space and not to be compared with
/// the plain model's.
///
/// The candidates are the passages that the ERM side offers and those the neighbours point to. λ = 1 asks the passage
/// index alone and returns what ErmRetriever would (with fold.lambda below 1: what PefaXs would).
///
/// @tparam Scalar        element type of P and Q
/// @tparam PassageIndex  any AnnIndex over rows of Scalar; one that is no ScoringIndex costs a copy of P
/// @tparam QueryIndex    the same for Q
/// @tparam GatePolicy    any Gate or NeighborGate; over an index that is no ReadableIndex, the latter costs a copy of Q
template <EmbeddingScalar Scalar = float, class PassageIndex = HnswIndex, class QueryIndex = PassageIndex,
          VoteGate GatePolicy = MeanGate>
  requires AnnIndex<PassageIndex, Scalar> && AnnIndex<QueryIndex, Scalar>
class PefaXl : public PefaXlParts<Scalar, PassageIndex, QueryIndex, GatePolicy>,
               public ArchivedRetriever<PefaXl<Scalar, PassageIndex, QueryIndex, GatePolicy>,
                                        ArchivableIndex<PassageIndex> && ArchivableIndex<QueryIndex> &&
                                            ScoringIndex<PassageIndex> && ArchivableGate<GatePolicy> &&
                                            (ReadableIndex<QueryIndex> || !NeighborGate<GatePolicy>)> {
  using Parts = PefaXlParts<Scalar, PassageIndex, QueryIndex, GatePolicy>;

 public:
  /// What build() takes.
  using Params = typename Parts::Params;

  /// A store passed by && is taken over, not copied, whatever the indexes' `rows` say.
  /// @param passages   P [n_passages x dim]
  /// @param queries    Q [n_train_queries x dim]
  /// @param relevance  Y [n_train_queries x n_passages], kept by the retriever
  /// @throws ShapeError  dims or row counts that disagree
  /// @throws ValueError  a λ outside [0, 1], neighbors = 0, a knn_scale out of range, an empty input, a row that is not
  ///                     finite, or zero, an index that is not over inner product (the query index: over what
  ///                     `similarity` needs), a fit's parameter out of range, hubness with l2, a NeighborGate over
  ///                     training queries that are not of unit length
  /// @throws Cancelled   the progress callback said stop
  [[nodiscard]] static PefaXl build(EmbeddingSource<Scalar> passages, EmbeddingSource<Scalar> queries,
                                    RelevanceMatrix relevance, const Params& params = {},
                                    const BuildOptions& options = {});

  /// The best k. Where a SearchLimit ends either side early, what both have found is blended.
  /// @throws ShapeError, ValueError  a query of another dim, that is zero or not finite; k = 0; λ outside [0, 1]
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return find(query, k, options, Unfiltered{});
  }

  /// The best hits.size(), into the caller's buffer; returns how many. @throws  as above
  std::size_t search(QueryView query, std::span<Hit> hits, const SearchOptions& options = {}) const {
    return find(query, hits, options, Unfiltered{});
  }

  /// Whether its indexes let search_filtered compile.
  static constexpr bool can_filter = FilterableIndex<PassageIndex> && FilterableIndex<QueryIndex>;

  /// The best k of the passages that a filter admits: of those, the k best of the blend of their ERM scores and of the
  /// votes that they get. Who votes is SearchFilter::neighbors' to say; a filter on training queries leaves the others
  /// out before the nearest are looked up.
  /// @throws ValueError  a filter on training queries that were condensed; and as FilteringRetriever says
  /// Where a few passages are listed, the transpose of relevance() is made for the first search.
  [[nodiscard]] std::vector<Hit> search_filtered(QueryView query, std::size_t k, const SearchFilter& filter,
                                                 const SearchOptions& options = {}) const {
    require_filter(filter, "PefaXl::search_filtered");
    if (filter.admits_all()) return search(query, k, options);
    return with_voters(filter, [&](const RowFilter& voters) {
      return find(query, k, options, Filtered{filter.passages.rows(), voters});
    });
  }

  /// The same for many; predicates are asked about each passage and training query once. Queries whose turn comes after
  /// the limit have no results. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_filtered_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                    const SearchFilter& filter,
                                                                    const SearchOptions& options = {},
                                                                    const AnyExecutor& executor = {}) const {
    require_filter(filter, "PefaXl::search_filtered_batch");
    if (filter.admits_all()) return search_batch(queries, k, options, executor);
    detail::require_directions(queries, "PefaXl::search_filtered_batch");
    const RowSet passages = filter.passages.rows().to_set(passage_count());
    const RowSet voters = with_voters(SearchFilter(PassageFilter(passages), filter.training_queries, filter.neighbors),
                                      [&](const RowFilter& rows) { return rows.to_set(query_index_.size()); });
    return detail::search_each(queries, options, executor, [&](QueryView query, const SearchOptions& mine) {
      return find(query, k, mine, Filtered{passages, voters});
    });
  }

  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    const float lambda = lambda_of(options);
    detail::require_directions(queries, "PefaXl::search_batch");
    const std::size_t usual = candidates(k, {});
    const std::size_t offered = lambda == 1.0f || k == 0 ? k : usual;
    detail::MappedQueries mapped;
    detail::map_queries(passage_whitening(), balance(), queries, executor, mapped, "PefaXl::search_batch");
    auto erm = detail::search_passages(passage_index_, mapped, offered, options, executor);
    if (lambda == 1.0f) return detail::to_hits(erm);
    std::optional<EmbeddingStore<float>> asked_queries;
    const EmbeddingView<float> side = query_side(queries, mapped, asked_queries, executor);
    const auto nearest = nearest_of(side, options, executor);
    const detail::StopWatch watch(options, &SearchStats::blending_microseconds);
    std::vector<SearchStats> more(options.stats == nullptr ? 0 : queries.size());  // of those that ask a second time
    std::vector<std::vector<Hit>> results(queries.size());
    executor.run(queries.size(), [&](std::size_t i) {
      const auto scratch = take_scratch();
      detail::AskedQuery& asked = scratch->asked;
      asked.passages.view = {mapped.view.row(i), mapped.view.dim()};
      asked.passages.offset = mapped.offsets.empty() ? 0.0f : mapped.offsets[i];
      asked.similar = {side.row(i), side.dim() - (hubness_.offsets.empty() ? 0 : 1)};
      SearchOptions mine = options;
      mine.stats = nullptr;
      vote(asked, nearest[i], mine, *scratch);
      const std::size_t wanted = candidates(k, scratch->votes);
      if (wanted > usual && !options.limit.reached()) {
        if (options.stats != nullptr) mine.stats = &more[i];
        auto again = passage_index_.search(asked.passages.view, wanted, detail::passage_options(mine));
        detail::add_offset(again, asked.passages.offset);
        if (again.size() > erm[i].size()) erm[i] = std::move(again);
        mine.stats = nullptr;
      }
      results[i].resize(std::min(k, passage_count()));
      results[i].resize(blend(asked, lambda, erm[i], results[i], mine, *scratch));
    });
    for (const SearchStats& stats : more) options.stats->passages += stats.passages;
    return results;
  }

  /// The training queries nearest to q̂ with their similarities: why a passage was found; see explain() for how much
  /// each of them counts.
  [[nodiscard]] std::vector<Neighbor> nearest_queries(QueryView query, const SearchOptions& options = {}) const {
    detail::require_direction(query, "PefaXl::nearest_queries");
    detail::AskedQuery asked;
    ask(query, asked);
    std::vector<Neighbor> nearest = nearest_of(asked, options, Unfiltered{});
    const KnnScale scale = knn_scale_of(asked);
    for (Neighbor& neighbor : nearest) {
      neighbor.score =
          scale.similarity(neighbor.score) + (hubness_.offsets.empty() ? 0.0f : hubness_.offsets[neighbor.row]);
    }
    return nearest;
  }

  using Parts::ask;
  using Parts::passage_count;
  using Parts::require_filter;
  using Parts::score_passages;
  using Parts::weigh_neighbors;
  using Parts::with_voters;

 private:
  friend struct detail::RetrieverFields<PefaXl>;
  friend struct detail::TargetRecall;

  /// Buffers that searches hand on, so that none allocates after the first.
  struct Scratch {
    detail::AskedQuery asked;
    NeighborVectors vectors;
    Voters voters;
    Ballot ballot;
    Votes votes;
    Blender blender;
  };

  /// A search without a filter, and one among the rows of both indexes that are admitted.
  struct Unfiltered {};
  struct Filtered {
    RowFilter passages;
    RowFilter queries;
  };

  using Parts::ask_passages;
  using Parts::balance;
  using Parts::knn_scale_of;
  using Parts::passage_whitening;
  using Parts::query_side;

  PefaXl(PassageIndex passage_index, QueryIndex query_index, RelevanceMatrix relevance, typename Parts::Copies copies,
         FittedParts fitted, detail::HubOffsets hubness, const Params& params)
      : Parts(std::move(passage_index), std::move(query_index), std::move(relevance), std::move(copies),
              std::move(fitted), std::move(hubness), params) {}

  static void require_params(const Params& params) {
    constexpr const char* who = "PefaXl::build";
    detail::require_lambda(params.lambda, who);
    if (params.neighbors == 0) detail::fail<ValueError>(who, ": neighbors is 0, expected at least 1");
    detail::require_knn_scale(params.knn_scale, who);
    detail::require_lambda(params.fold.lambda, "PefaXl::build: fold");
    detail::require_share(params.condense, "condense", who);
    if (!(detail::is_finite(params.hubness) && params.hubness >= 0.0f)) {
      detail::fail<ValueError>(who, ": hubness is ", params.hubness, ", expected finite and at least 0");
    }
    if (params.hubness > 0.0f && params.similarity == KnnSimilarity::l2) {
      detail::fail<ValueError>(who, ": hubness is ", params.hubness,
                               ", which moves inner products; with the similarity l2 expected 0");
    }
  }

  [[nodiscard]] float lambda_of(const SearchOptions& options) const {
    const float lambda = options.lambda.value_or(params_.lambda);
    detail::require_lambda(lambda, "PefaXl::search");
    return lambda;
  }

  [[nodiscard]] std::size_t neighbors_of(const SearchOptions& options) const noexcept {
    return options.neighbors == 0 ? params_.neighbors : options.neighbors;
  }

  template <class Filter>
  [[nodiscard]] std::vector<Neighbor> nearest_of(const detail::AskedQuery& asked, const SearchOptions& options,
                                                 const Filter& filter) const {
    const detail::StopWatch watch(options, &SearchStats::query_microseconds);
    if constexpr (std::same_as<Filter, Filtered>) {
      return pefa::search_filtered(query_index_, asked.queries, neighbors_of(options), filter.queries,
                                   detail::query_options(options));
    } else {
      return query_index_.search(asked.queries, neighbors_of(options), detail::query_options(options));
    }
  }
  [[nodiscard]] auto nearest_of(const EmbeddingView<float>& queries, const SearchOptions& options,
                                const AnyExecutor& executor) const {
    const detail::StopWatch watch(options, &SearchStats::query_microseconds);
    return pefa::search_batch(query_index_, queries, neighbors_of(options), detail::query_options(options), executor);
  }

  template <class Filter>
  [[nodiscard]] std::vector<Neighbor> passages_of(const detail::MappedQuery& asked, std::size_t k,
                                                  const SearchOptions& options, const Filter& filter) const {
    if constexpr (std::same_as<Filter, Filtered>) {
      return detail::search_admitted_passages(passage_index_, asked, k, filter.passages, options);
    } else {
      return detail::search_passages(passage_index_, asked, k, options);
    }
  }

  /// search(), with a filter or without.
  template <class Filter>
  [[nodiscard]] std::size_t find(QueryView query, std::span<Hit> hits, const SearchOptions& options,
                                 const Filter& filter) const {
    const float lambda = lambda_of(options);
    detail::require_direction(query, "PefaXl::search");
    const std::size_t k = hits.size();
    const auto scratch = take_scratch();
    if (lambda == 1.0f || k == 0) {
      ask_passages(query, scratch->asked);
      return detail::to_hits(passages_of(scratch->asked.passages, k, options, filter), hits);
    }
    ask(query, scratch->asked);
    vote(scratch->asked, nearest_of(scratch->asked, options, filter), options, *scratch);
    if constexpr (std::same_as<Filter, Filtered>) {
      scratch->votes.keep([&](Row passage) { return filter.passages.admits(passage); });
    }
    const auto erm = passages_of(scratch->asked.passages, candidates(k, scratch->votes), options, filter);
    return blend(scratch->asked, lambda, erm, hits, options, *scratch);
  }

  /// The same, the best k.
  template <class Filter>
  [[nodiscard]] std::vector<Hit> find(QueryView query, std::size_t k, const SearchOptions& options,
                                      const Filter& filter) const {
    std::vector<Hit> hits(std::min(k, passage_count()));
    hits.resize(find(query, std::span<Hit>(hits), options, filter));
    return hits;
  }

  [[nodiscard]] auto take_scratch() const {
    return scratches_->take([] { return std::make_unique<Scratch>(); });
  }

  [[nodiscard]] std::size_t candidates(std::size_t k, const Votes& votes) const {
    return erm_candidates(k, votes, passage_count(), params_.passage_candidates, params_.missing_erm_score);
  }

  /// Leaves f_kNN in scratch.votes.
  void vote(const detail::AskedQuery& asked, const std::vector<Neighbor>& nearest, const SearchOptions& options,
            Scratch& scratch) const {
    const detail::StopWatch watch(options, &SearchStats::blending_microseconds);
    weigh_neighbors(asked, nearest, scratch.vectors, scratch.voters);
    scratch.ballot.gather(scratch.voters.queries, relevance_);
    scratch.ballot.count(scratch.voters.strengths, scratch.votes);
  }

  /// Blends the ERM side with scratch.votes.
  [[nodiscard]] std::size_t blend(const detail::AskedQuery& asked, float lambda, const std::vector<Neighbor>& erm,
                                  std::span<Hit> hits, const SearchOptions& options, Scratch& scratch) const {
    const detail::StopWatch watch(options, &SearchStats::blending_microseconds);
    scratch.blender.start(
        erm, scratch.votes, params_.missing_erm_score,
        [&](std::span<const Row> passages, std::span<float> scores) { score_passages(asked, passages, scores); });
    return scratch.blender.rank(lambda, hits);
  }

  using Parts::hubness_;
  using Parts::params_;
  using Parts::passage_index_;
  using Parts::query_index_;
  using Parts::relevance_;

  std::unique_ptr<detail::ScratchPool<Scratch>> scratches_ = std::make_unique<detail::ScratchPool<Scratch>>();
};

template <EmbeddingScalar Scalar, class PassageIndex, class QueryIndex, VoteGate GatePolicy>
  requires AnnIndex<PassageIndex, Scalar> && AnnIndex<QueryIndex, Scalar>
      PefaXl<Scalar, PassageIndex, QueryIndex, GatePolicy> PefaXl<Scalar, PassageIndex, QueryIndex, GatePolicy>::build(
          EmbeddingSource<Scalar> passages, EmbeddingSource<Scalar> queries, RelevanceMatrix relevance,
          const Params& params, const BuildOptions& options) {
    require_params(params);
    detail::require_training_data(passages.view(), queries.view(), relevance, "PefaXl::build");
    const bool is_folded = params.fold.lambda < 1.0f;
    const bool is_whitened = params.whitened != Whitened::none;
    const std::size_t n = passages.view().size();
    const std::size_t n_queries = queries.view().size();
    const auto items = detail::passage_side_items(Whitened::none, params.fold, params.balance, n, n_queries);
    const detail::BuildParts<7> parts(
        options,
        {is_whitened ? 2 * n_queries : 0, params.whitened == Whitened::all ? n : 0, is_folded ? items[1] : 0, items[2],
         n, params.condense > 0.0f ? n_queries : 0, n_queries + (params.hubness > 0.0f ? n_queries : 0)});

    FittedParts fitted;
    std::optional<EmbeddingStore<float>> whitened;  // training queries
    if (is_whitened) {
      const detail::BuildParts<2> fits(parts[0], {n_queries, n_queries});
      fitted.whitening = Whitening::fit(queries.view(), relevance, params.whitening, fits[0]);
      whitened = fitted.whitening->apply(queries.view(), fits[1]);
    }
    std::optional<EmbeddingStore<Scalar>> rows;  // of the passage index, where that cannot score them
    const auto index_rows = [&](EmbeddingSource<Scalar> indexed) {
      if constexpr (!ScoringIndex<PassageIndex>) {
        if (params.missing_erm_score == MissingErmScore::exact) {
          rows = indexed.is_owned() ? indexed.take()
                                    : EmbeddingStore<Scalar>::from(indexed.view(), Normalize::none, RowCheck::finite);
          return PassageIndex::build(rows->view(), params.passage_index, parts[4]);
        }
      }
      return detail::build_index<PassageIndex>(std::move(indexed), params.passage_index, parts[4]);
    };
    const auto fold = [&](const auto& p, const auto& q) {
      auto folded = detail::fit_and_fold(p, q, relevance, params.fold, fitted, parts[2]);
      return detail::to_scalar<Scalar>(
          detail::balance_rows(q, std::move(folded), params.balance, params.fold.lambda, fitted, parts[3]));
    };
    const auto index_passages = [&] {
      if (params.whitened == Whitened::all) {
        EmbeddingStore<float> p = fitted.whitening->apply(passages.view(), parts[1]);
        passages.release();
        return index_rows(is_folded ? fold(p.view(), whitened->view()) : detail::to_scalar<Scalar>(std::move(p)));
      }
      if (!is_folded) return index_rows(std::move(passages));
      auto folded = fold(passages.view(), queries.view());
      passages.release();
      return index_rows(std::move(folded));
    };
    PassageIndex passage_index = index_passages();

    if (whitened) queries = EmbeddingSource<Scalar>(detail::to_scalar<Scalar>(*std::move(whitened)));
    if (params.condense > 0.0f) {
      CondensedQueries condensed =
          condense_queries(queries.view(), relevance, {.min_cosine = params.condense}, parts[5]);
      relevance = std::move(condensed.relevance);
      queries = EmbeddingSource<Scalar>(detail::to_scalar<Scalar>(std::move(condensed.queries)));
    }
    if (needs_vectors(params.gate) && !is_whitened && params.similarity != KnnSimilarity::cosine) {
      detail::require_unit_rows(queries.view(), "PefaXl::build: a gate that weighs by the vectors of the neighbours");
    }
    detail::HubOffsets hubness;
    const detail::BuildParts<2> indexing(parts[6],
                                         {params.hubness > 0.0f ? queries.view().size() : 0, queries.view().size()});
    if (params.hubness > 0.0f) {
      EmbeddingStore<float> with_hubness =
          detail::append_hubness(queries.view(), params.similarity, params.hubness, hubness, indexing[0]);
      queries = EmbeddingSource<Scalar>(detail::to_scalar<Scalar>(std::move(with_hubness)));
    }
    // With hubness the rows are directions already where the similarity asks for those.
    const KnnSimilarity similarity = hubness.offsets.empty() ? params.similarity : KnnSimilarity::inner_product;
    std::optional<EmbeddingStore<float>> query_rows;
    if constexpr (NeighborGate<GatePolicy> && !ReadableIndex<QueryIndex>) {
      if (needs_vectors(params.gate)) {
        query_rows = EmbeddingStore<float>::from(
            queries.view(), similarity == KnnSimilarity::cosine ? Normalize::unit : Normalize::none);
      }
    }
    QueryIndex query_index =
        detail::build_query_index<QueryIndex>(std::move(queries), similarity, params.query_index, indexing[1]);
    return PefaXl(std::move(passage_index), std::move(query_index), std::move(relevance),
                  {std::move(rows), std::move(query_rows)}, std::move(fitted), std::move(hubness), params);
  }

static_assert(FilteringRetriever<PefaXl<>>);

}  // namespace pefa
