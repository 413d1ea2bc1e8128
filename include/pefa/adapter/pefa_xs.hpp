// pefa: PEFA-XS: the training queries folded into the passage vectors; one index, the plain model's own latency.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/archived_retriever.hpp"
#include "pefa/adapter/build_index.hpp"
#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/index/archivable_index.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/store/embedding_source.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// How a PefaXs is built.
template <class IndexParams>
struct PefaXsParams {
  float lambda =
      RetrieverSpec{}
          .lambda;  ///< λ: the weight of the plain model, 0 to 1; folded in at build, so it cannot change per call
  ColdPassage cold = ColdPassage::erm;  ///< what becomes of passages without training queries
  PseudoNorm norm = PseudoNorm::unit;   ///< how long C_j is

  FoldRule rule = FoldRule::correlation;  ///< how training queries become C_j
  LeastSquaresParams least_squares{};     ///< of FoldRule::least_squares
  Whitened whitened = Whitened::none;     ///< none, or all
  WhiteningParams whitening{};            ///< of Whitened::all
  std::size_t balance = 0;                ///< rank of the balanced rows, 1 to dim; 0: rows for raw queries

  IndexParams index{};  ///< over p̃

  /// What is folded, and how.
  [[nodiscard]] PassageFold fold() const noexcept { return {lambda, cold, norm, rule, least_squares}; }
};

/// PEFA-XS: f(q̂, p_j) = ⟨q̂, p̃_j⟩ with p̃_j = λ·p_j + (1 − λ)·C_j. The paper's C_j is Π(Qᵀ Y_:,j) (WSDM 2024, section 4);
/// FoldRule has another. PseudoNorm is about passages that are not of unit length.
///
/// Queries come raw, whatever was fitted. With Whitened::all, scores are those of the whitened space: cosines where λ =
/// 1, and not to be compared with those of the plain model. A balance leaves scores as they are, within rounding at
/// full rank.
///
/// @tparam Scalar  element type of P and Q
/// @tparam Index   any AnnIndex over float rows
template <EmbeddingScalar Scalar = float, class Index = HnswIndex>
  requires AnnIndex<Index>
class PefaXs : public ArchivedRetriever<PefaXs<Scalar, Index>, ArchivableIndex<Index>> {
 public:
  /// What build() takes.
  using Params = PefaXsParams<typename Index::Params>;

  /// A store passed by && goes as soon as it is folded.
  /// @param passages   P [n_passages x dim]
  /// @param queries    Q [n_train_queries x dim]
  /// @param relevance  Y [n_train_queries x n_passages]
  /// @throws ShapeError  dims or row counts that disagree
  /// @throws ValueError  λ outside [0, 1], an empty input, a row that is not finite, or zero, an index that is not over
  ///                     inner product, a fit's parameter out of range (see LeastSquares, Whitening, Balance)
  /// @throws Cancelled   the progress callback said stop
  /// O(pairs · dim) and the building of one index; beside it, p̃ (4 · n_passages · dim bytes) while building.
  [[nodiscard]] static PefaXs build(EmbeddingSource<Scalar> passages, EmbeddingSource<Scalar> queries,
                                    const RelevanceMatrix& relevance, const Params& params = {},
                                    const BuildOptions& options = {});

  /// The best k. @throws ShapeError, ValueError  a query of another dim, that is zero or not finite; k = 0; another λ
  /// than the built one
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return detail::to_hits(nearest(query, k, options));
  }

  /// The best hits.size(), into the caller's buffer; returns how many. @throws  as above
  std::size_t search(QueryView query, std::span<Hit> hits, const SearchOptions& options = {}) const {
    return detail::to_hits(nearest(query, hits.size(), options), hits);
  }

  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    detail::require_folded_lambda(options, lambda(), "PefaXs::search");
    detail::require_directions(queries, "PefaXs::search_batch");
    detail::MappedQueries mapped;
    detail::map_queries(fitted_, queries, executor, mapped, "PefaXs::search_batch");
    return detail::to_hits(detail::search_passages(index_, mapped, k, options, executor));
  }

  /// Whether its index lets search_filtered compile.
  static constexpr bool can_filter = FilterableIndex<Index>;

  /// The best k of the passages that a filter admits; a passage scores as without one. @throws  as FilteringRetriever
  /// says
  [[nodiscard]] std::vector<Hit> search_filtered(QueryView query, std::size_t k, const SearchFilter& filter,
                                                 const SearchOptions& options = {}) const {
    require_filter(filter, "PefaXs::search_filtered");
    detail::require_folded_lambda(options, lambda(), "PefaXs::search_filtered");
    detail::require_direction(query, "PefaXs::search_filtered");
    detail::MappedQuery mapped;
    detail::map_query(fitted_, query, mapped, "PefaXs::search_filtered");
    return detail::to_hits(detail::search_admitted_passages(index_, mapped, k, filter.passages.rows(), options));
  }

  /// The same for many. @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_filtered_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                    const SearchFilter& filter,
                                                                    const SearchOptions& options = {},
                                                                    const AnyExecutor& executor = {}) const {
    require_filter(filter, "PefaXs::search_filtered_batch");
    detail::require_folded_lambda(options, lambda(), "PefaXs::search_filtered_batch");
    detail::require_directions(queries, "PefaXs::search_filtered_batch");
    detail::MappedQueries mapped;
    detail::map_queries(fitted_, queries, executor, mapped, "PefaXs::search_filtered_batch");
    return detail::to_hits(
        detail::search_admitted_passages(index_, mapped, k, filter.passages.rows(), options, executor));
  }

  /// The row of one new or changed passage, made as the others were: by the same fits and λ.
  /// @param passage  p_j, dim floats  @param queries  its training queries [any x dim]  @param weights  Y_ij, as many
  /// @return  as long as a row of index()
  /// @throws ShapeError  dims or numbers that disagree  @throws ValueError  a value that is not finite, a passage or
  /// query of zeros, ColdPassage::borrowed without queries, which asks the other passages
  [[nodiscard]] std::vector<float> fold_one(std::span<const float> passage, const EmbeddingView<float>& queries,
                                            std::span<const float> weights) const {
    return detail::fold_one(fitted_, detail::pointer_to(fitted_.whitening), how_.fold, {passage, queries, weights},
                            dim(), "PefaXs::fold_one");
  }
  /// The same of many, in less time each; the same bits. @return  [passages x the dim of index()]
  [[nodiscard]] EmbeddingStore<float> fold_many(std::span<const PassageEvidence> passages) const {
    return detail::fold_many(fitted_, detail::pointer_to(fitted_.whitening), how_.fold, passages, dim(),
                             "PefaXs::fold_many");
  }

  /// How many passages it searches.
  [[nodiscard]] std::size_t passage_count() const { return index_.size(); }
  /// Elements of a query.
  [[nodiscard]] std::size_t dim() const { return detail::query_dim(fitted_, index_.dim()); }
  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const { return index_.memory_bytes() + fitted_.memory_bytes(); }
  /// λ, as folded in.
  [[nodiscard]] float lambda() const noexcept { return how_.fold.lambda; }
  /// What became of passages without training queries.
  [[nodiscard]] ColdPassage cold() const noexcept { return how_.fold.cold; }
  /// How long C_j is.
  [[nodiscard]] PseudoNorm norm() const noexcept { return how_.fold.norm; }
  /// What was folded in, and how.
  [[nodiscard]] const PassageFold& fold() const noexcept { return how_.fold; }
  /// The rank of the balanced rows that was asked for; 0: none.
  [[nodiscard]] std::size_t balance() const noexcept { return how_.balance; }
  /// What was fitted.
  [[nodiscard]] const FittedParts& fitted() const noexcept { return fitted_; }
  /// The index over p̃. [n_passages x dim, or the rank of the whitening or of the balance]
  [[nodiscard]] const Index& index() const noexcept { return index_; }

 private:
  friend struct detail::RetrieverFields<PefaXs>;
  friend struct detail::TargetRecall;

  /// What was folded in, and how.
  struct Folding {
    PassageFold fold;
    std::size_t balance;
    std::size_t training_queries;
    std::size_t pairs;
  };

  PefaXs(Index index, FittedParts fitted, const Folding& how)
      : index_(std::move(index)), fitted_(std::move(fitted)), how_(how) {
    detail::require_inner_product(index_, "PefaXs::build");
  }

  void require_filter(const SearchFilter& filter, const char* who) const {
    detail::require_passage_filter(filter, passage_count(), who);
    detail::require_no_query_filter(filter, "has folded them into the passages", who);
  }

  [[nodiscard]] std::vector<Neighbor> nearest(QueryView query, std::size_t k, const SearchOptions& options) const {
    detail::require_folded_lambda(options, lambda(), "PefaXs::search");
    detail::require_direction(query, "PefaXs::search");
    detail::MappedQuery mapped;
    detail::map_query(fitted_, query, mapped, "PefaXs::search");
    return detail::search_passages(index_, mapped, k, options);
  }

  Index index_;
  FittedParts fitted_;
  Folding how_;
};

template <EmbeddingScalar Scalar, class Index>
  requires AnnIndex<Index> PefaXs<Scalar, Index> PefaXs<Scalar, Index>::build(EmbeddingSource<Scalar> passages,
                                                                              EmbeddingSource<Scalar> queries,
                                                                              const RelevanceMatrix& relevance,
                                                                              const Params& params,
                                                                              const BuildOptions& options) {
    detail::require_lambda(params.lambda, "PefaXs::build");
    detail::require_training_data(passages.view(), queries.view(), relevance, "PefaXs::build");
    detail::require_whitened_all(params.whitened, "PefaXs::build");
    const std::size_t n = passages.view().size();
    const Folding how{params.fold(), params.balance, queries.view().size(), relevance.pair_count()};
    const detail::BuildParts<4> parts(
        options, detail::passage_side_items(params.whitened, params.fold(), params.balance, n, how.training_queries));
    FittedParts fitted;
    auto rows = detail::in_space(params.whitened, params.whitening, passages, queries, relevance, fitted, parts[0],
                                 [&](const auto& p, const auto& q) {
                                   auto folded = detail::fit_and_fold(p, q, relevance, how.fold, fitted, parts[1]);
                                   return detail::balance_rows(q, std::move(folded), params.balance, params.lambda,
                                                               fitted, parts[2]);
                                 });
    passages.release();
    queries.release();
    return PefaXs(detail::build_index<Index>(std::move(rows), params.index, parts[3]), std::move(fitted), how);
  }

static_assert(FilteringRetriever<PefaXs<>>);

}  // namespace pefa
