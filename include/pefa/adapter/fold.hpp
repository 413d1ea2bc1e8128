// pefa: the training queries of a passage folded into its vector: p̃ of PEFA-XS.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <vector>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/cold_passages.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// What the ERM side of PEFA-XL indexes: p̃_j of PEFA-XS in place of p_j, so that it, too, knows the training queries.
struct PassageFold {
  float lambda = 1.0f;                  ///< λ of PEFA-XS; at 1, the paper's, p_j itself
  ColdPassage cold = ColdPassage::erm;  ///< what becomes of passages without training queries
  PseudoNorm norm = PseudoNorm::unit;   ///< how long Π(Qᵀ Y_:,j) is
};

namespace detail {

/// out = λ·p + (1 − λ)·out, with `out` a pseudo-embedding, scaled as `norm` says.
inline void fold_pseudo_embedding(const std::vector<float>& passage, float lambda, PseudoNorm norm, float* out) {
  float length = 1.0f;
  if (norm == PseudoNorm::passage) {
    double squares = 0.0;
    for (const float x : passage) squares += static_cast<double>(x) * static_cast<double>(x);
    length = static_cast<float>(std::sqrt(squares));
  }
  const float pseudo_weight = (1.0f - lambda) * length;
  for (std::size_t d = 0; d < passage.size(); ++d) out[d] = lambda * passage[d] + pseudo_weight * out[d];
}

/// λ of one passage. @param n_queries  how many training queries it has
[[nodiscard]] inline float passage_lambda(std::size_t n_queries, float lambda, ColdPassage cold) noexcept {
  return n_queries == 0 && cold == ColdPassage::erm ? 1.0f : lambda;
}

/// C as aggregate_queries has it, with what cold passages borrow where the policy says so.
template <class Scalar>
[[nodiscard]] EmbeddingStore<float> pseudo_embeddings(const EmbeddingView<Scalar>& passages,
                                                      const EmbeddingView<Scalar>& queries,
                                                      const RelevanceMatrix& relevance, ColdPassage cold,
                                                      const BuildOptions& options) {
  if (cold != ColdPassage::borrowed) return aggregate_queries(queries, relevance, options);
  const std::vector<std::size_t> counts = relevance.column_counts();
  const auto n_cold = static_cast<std::size_t>(std::count(counts.begin(), counts.end(), std::size_t{0}));
  const std::size_t total = counts.size() + n_cold;
  EmbeddingStore<float> aggregated =
      aggregate_queries(queries, relevance, {options.executor, stage(options.progress, 0, counts.size(), total)});
  borrow_pseudo_embeddings(passages, counts, aggregated,
                           {options.executor, stage(options.progress, counts.size(), total, total)});
  return aggregated;
}

/// What fold_queries returns, of inputs that require_lambda() and require_training_data() let pass.
template <class Scalar>
[[nodiscard]] EmbeddingStore<float> fold_checked(const EmbeddingView<Scalar>& passages,
                                                 const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                                 const PassageFold& fold, const BuildOptions& options) {
  EmbeddingStore<float> folded = pseudo_embeddings(passages, queries, relevance, fold.cold, options);
  for_each_block(options.executor, passages.size(), aggregation_block, [&](std::size_t begin, std::size_t end) {
    std::vector<float> passage(passages.dim());
    for (std::size_t j = begin; j < end; ++j) {
      passages.decode(j, passage.data());
      const std::size_t n_queries = relevance.queries_of(PassageId(static_cast<Row>(j))).size();
      fold_pseudo_embedding(passage, passage_lambda(n_queries, fold.lambda, fold.cold), fold.norm,
                            folded.mutable_row(j));
    }
  });
  return folded;
}

}  // namespace detail

/// The passage vectors of PEFA-XS: p̃_j = λ·p_j + (1 − λ)·C_j, not normalised again (WSDM 2024, section 4); with
/// PseudoNorm::passage, p̃_j = λ·p_j + (1 − λ)·‖p_j‖·C_j.
///
/// @param passages  P [n_passages x dim]; the other parameters as in aggregate_queries
/// @param lambda    0 to 1; at 1 the result is P, exactly
/// @return          p̃ [n_passages x dim]; ready for any inner-product index or vector database
/// @throws ShapeError, ValueError  shapes that disagree, values out of range; see detail::require_training_data
template <class Scalar>
[[nodiscard]] EmbeddingStore<float> fold_queries(const EmbeddingView<Scalar>& passages,
                                                 const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                                 float lambda, ColdPassage cold = ColdPassage::erm,
                                                 PseudoNorm norm = PseudoNorm::unit, const BuildOptions& options = {}) {
  detail::require_lambda(lambda, "fold_queries");
  detail::require_training_data(passages, queries, relevance, "fold_queries");
  return detail::fold_checked(passages, queries, relevance, {lambda, cold, norm}, options);
}

namespace detail {

/// fold_checked as PEFA-XL asks for it, in the element type of the passages.
template <class Scalar>
[[nodiscard]] EmbeddingStore<Scalar> fold_passages(const EmbeddingView<Scalar>& passages,
                                                   const EmbeddingView<Scalar>& queries,
                                                   const RelevanceMatrix& relevance, const PassageFold& fold,
                                                   const BuildOptions& options) {
  auto folded = fold_checked(passages, queries, relevance, fold, options);
  if constexpr (std::same_as<Scalar, float>) {
    return folded;
  } else {
    return EmbeddingStore<Scalar>::from(folded.view(), Normalize::none, RowCheck::finite);
  }
}

}  // namespace detail
}  // namespace pefa
