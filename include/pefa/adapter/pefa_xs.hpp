// pefa: PEFA-XS: the training queries folded into the passage vectors; one index, the plain model's own latency.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/archived_retriever.hpp"
#include "pefa/adapter/build_index.hpp"
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
  PseudoNorm norm = PseudoNorm::unit;   ///< how long Π(Qᵀ Y_:,j) is
  IndexParams index{};                  ///< over p̃
};

/// PEFA-XS: f(q̂, p_j) = ⟨q̂, p̃_j⟩ with p̃_j = λ·p_j + (1 − λ)·Π(Qᵀ Y_:,j) (WSDM 2024, section 4); PseudoNorm
/// is about passages that are not of unit length.
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
  ///                     inner product
  /// @throws Cancelled   the progress callback said stop
  /// O(pairs · dim) and the building of one index; beside it, p̃ (4 · n_passages · dim bytes) while building.
  [[nodiscard]] static PefaXs build(EmbeddingSource<Scalar> passages, EmbeddingSource<Scalar> queries,
                                    const RelevanceMatrix& relevance, const Params& params = {},
                                    const BuildOptions& options = {}) {
    detail::require_lambda(params.lambda, "PefaXs::build");
    detail::require_training_data(passages.view(), queries.view(), relevance, "PefaXs::build");
    const std::size_t n = passages.view().size();
    const BuildOptions folding{options.executor, detail::stage(options.progress, 0, n, 2 * n)};
    const BuildOptions indexing{options.executor, detail::stage(options.progress, n, 2 * n, 2 * n)};
    auto folded = detail::fold_checked(passages.view(), queries.view(), relevance,
                                       {params.lambda, params.cold, params.norm}, folding);
    const Folding how{params.lambda, params.cold, params.norm, queries.view().size(), relevance.pair_count()};
    passages.release();
    queries.release();
    return PefaXs(detail::build_index<Index>(std::move(folded), params.index, indexing), how);
  }

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
    detail::require_folded_lambda(options, how_.lambda, "PefaXs::search");
    detail::require_directions(queries, "PefaXs::search_batch");
    return detail::to_hits(detail::search_passages(index_, queries, k, options, executor));
  }

  /// How many passages it searches.
  [[nodiscard]] std::size_t passage_count() const { return index_.size(); }
  /// Elements of a query.
  [[nodiscard]] std::size_t dim() const { return index_.dim(); }
  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const { return index_.memory_bytes(); }
  /// λ, as folded in.
  [[nodiscard]] float lambda() const noexcept { return how_.lambda; }
  /// What became of passages without training queries.
  [[nodiscard]] ColdPassage cold() const noexcept { return how_.cold; }
  /// How long Π(Qᵀ Y_:,j) is.
  [[nodiscard]] PseudoNorm norm() const noexcept { return how_.norm; }
  /// The index over p̃. [n_passages x dim]
  [[nodiscard]] const Index& index() const noexcept { return index_; }

 private:
  friend struct detail::RetrieverFields<PefaXs>;

  /// What was folded in, and how.
  struct Folding {
    float lambda;
    ColdPassage cold;
    PseudoNorm norm;
    std::size_t training_queries;
    std::size_t pairs;
  };

  PefaXs(Index index, const Folding& how) : index_(std::move(index)), how_(how) {
    detail::require_inner_product(index_, "PefaXs::build");
  }

  [[nodiscard]] std::vector<Neighbor> nearest(QueryView query, std::size_t k, const SearchOptions& options) const {
    detail::require_folded_lambda(options, how_.lambda, "PefaXs::search");
    detail::require_direction(query, "PefaXs::search");
    return detail::search_passages(index_, query, k, options);
  }

  Index index_;
  Folding how_;
};

static_assert(Retriever<PefaXs<>>);

}  // namespace pefa
