// pefa: PEFA-XS: the training queries folded into the passage vectors; one index, the plain model's own latency.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

template <class IndexParams>
struct PefaXsParams {
  float lambda = 0.5f;  ///< λ: the weight of the plain model, 0 to 1; folded in at build, so it cannot change per call
  ColdPassage cold = ColdPassage::paper;
  IndexParams index{};
};

/// PEFA-XS: f(q̂, p_j) = ⟨q̂, p̃_j⟩ with p̃_j = λ·p_j + (1 − λ)·Π(Qᵀ Y_:,j) (WSDM 2024, section 4).
///
/// @tparam Scalar  element type of P and Q
/// @tparam Index   any AnnIndex over float rows
template <EmbeddingScalar Scalar = float, class Index = HnswIndex>
  requires AnnIndex<Index>
class PefaXs {
 public:
  using Params = PefaXsParams<typename Index::Params>;

  /// @param passages   P [n_passages x dim]
  /// @param queries    Q [n_train_queries x dim]
  /// @param relevance  Y [n_train_queries x n_passages]
  /// @throws ShapeError  dims or row counts that disagree
  /// @throws ValueError  λ outside [0, 1], an empty input, a row that is not finite, or zero, an index that is not over
  ///                     inner product
  /// @throws Cancelled   the progress callback said stop
  /// O(pairs · dim) and the building of one index; beside it, p̃ (4 · n_passages · dim bytes) while building.
  [[nodiscard]] static PefaXs build(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                                    const RelevanceMatrix& relevance, const Params& params = {},
                                    const BuildOptions& options = {}) {
    detail::require_lambda(params.lambda, "PefaXs::build");
    detail::require_training_data(passages, queries, relevance, "PefaXs::build");
    const std::size_t n = passages.size();
    const BuildOptions folding{options.executor, detail::stage(options.progress, 0, 2 * n)};
    const BuildOptions indexing{options.executor, detail::stage(options.progress, n, 2 * n)};
    EmbeddingStore<float> folded = fold_queries(passages, queries, relevance, params.lambda, params.cold, folding);
    if constexpr (requires { Index::build(std::move(folded), params.index, indexing); }) {
      return PefaXs(Index::build(std::move(folded), params.index, indexing), params.lambda);
    } else {
      return PefaXs(Index::build(folded.view(), params.index, indexing), params.lambda);
    }
  }

  /// @throws ShapeError, ValueError  a query of another dim or that is not finite; k = 0; another λ than the built one
  [[nodiscard]] std::vector<Hit> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    require_built_lambda(options);
    return detail::to_hits(index_.search(query, k, {.ef = options.ef}));
  }

  /// @param queries  [n_queries x dim]
  [[nodiscard]] std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                           const SearchOptions& options = {},
                                                           const AnyExecutor& executor = {}) const {
    require_built_lambda(options);
    return detail::to_hits(pefa::search_batch(index_, queries, k, {.ef = options.ef}, executor));
  }

  [[nodiscard]] std::size_t passage_count() const { return index_.size(); }
  [[nodiscard]] std::size_t dim() const { return index_.dim(); }
  [[nodiscard]] std::size_t memory_bytes() const { return index_.memory_bytes(); }
  [[nodiscard]] float lambda() const noexcept { return lambda_; }
  [[nodiscard]] const Index& index() const noexcept { return index_; }

 private:
  PefaXs(Index index, float lambda) : index_(std::move(index)), lambda_(lambda) {
    detail::require_inner_product(index_, "PefaXs::build");
  }

  void require_built_lambda(const SearchOptions& options) const {
    if (options.lambda && *options.lambda != lambda_) {
      detail::fail<ValueError>("PefaXs::search: lambda is ", *options.lambda, ", but ", lambda_,
                               " is folded into the index; build another, or use PefaXl to change it per call");
    }
  }

  Index index_;
  float lambda_;
};

static_assert(Retriever<PefaXs<>>);

}  // namespace pefa
