// pefa: the training queries of a passage folded into its vector: p̃ of PEFA-XS.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/cold_passages.hpp"
#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/least_squares.hpp"
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
  PseudoNorm norm = PseudoNorm::unit;   ///< how long C_j is

  FoldRule rule = FoldRule::correlation;  ///< how training queries become C_j
  LeastSquaresParams least_squares{};     ///< of FoldRule::least_squares
};

namespace detail {

/// Whether a passage without training queries has a C_j like the others: it is one of its own.
[[nodiscard]] inline bool is_own_query(FoldRule rule, const LeastSquaresParams& least_squares) noexcept {
  return rule == FoldRule::least_squares && least_squares.passages_as_queries > 0.0f;
}

/// out = λ·p + (1 − λ)·out, with `out` a pseudo-embedding, scaled as `norm` says.
inline void fold_pseudo_embedding(std::span<const float> passage, float lambda, PseudoNorm norm, float* out) {
  float length = 1.0f;
  if (norm == PseudoNorm::passage) {
    double squares = 0.0;
    for (const float x : passage) squares += static_cast<double>(x) * static_cast<double>(x);
    length = static_cast<float>(std::sqrt(squares));
  }
  const float pseudo_weight = (1.0f - lambda) * length;
  for (std::size_t d = 0; d < passage.size(); ++d) out[d] = lambda * passage[d] + pseudo_weight * out[d];
}

/// λ of one passage. @param has_pseudo  whether it has a C_j: training queries, or is one of its own
[[nodiscard]] inline float passage_lambda(bool has_pseudo, float lambda, ColdPassage cold) noexcept {
  return !has_pseudo && cold == ColdPassage::erm ? 1.0f : lambda;
}

/// Whether a fold's rule needs a fit: none where λ = 1 leaves C_j out.
[[nodiscard]] inline bool needs_fit(FoldRule rule, float lambda) noexcept {
  return rule == FoldRule::least_squares && lambda < 1.0f;
}

/// That fit, if there is one.
template <class Scalar>
[[nodiscard]] std::optional<LeastSquares> fit_fold(const EmbeddingView<Scalar>& passages,
                                                   const EmbeddingView<Scalar>& queries, FoldRule rule,
                                                   const LeastSquaresParams& params, float lambda,
                                                   const BuildOptions& options) {
  if (!needs_fit(rule, lambda)) return std::nullopt;
  return LeastSquares::fit(passages, queries, params, options);
}

/// C by correlation, or by least squares where there is a fit, with what cold passages borrow where the policy says so.
template <class Scalar>
[[nodiscard]] EmbeddingStore<float> pseudo_embeddings(const EmbeddingView<Scalar>& passages,
                                                      const EmbeddingView<Scalar>& queries,
                                                      const RelevanceMatrix& relevance, ColdPassage cold,
                                                      const BuildOptions& options,
                                                      const LeastSquares* solved = nullptr) {
  const auto fold_warm = [&](const BuildOptions& folding) {
    return solved == nullptr ? aggregate_queries(queries, relevance, folding)
                             : solved->solve_all(passages, queries, relevance, folding);
  };
  const bool are_own = solved != nullptr && solved->params().passages_as_queries > 0.0f;
  if (cold != ColdPassage::borrowed || are_own) return fold_warm(options);
  const std::vector<std::size_t> counts = relevance.column_counts();
  const auto n_cold = static_cast<std::size_t>(std::count(counts.begin(), counts.end(), std::size_t{0}));
  const std::size_t total = counts.size() + n_cold;
  EmbeddingStore<float> aggregated = fold_warm({options.executor, stage(options.progress, 0, counts.size(), total)});
  borrow_pseudo_embeddings(passages, counts, aggregated,
                           {options.executor, stage(options.progress, counts.size(), total, total)});
  return aggregated;
}

/// What fold_queries returns, of inputs that require_lambda() and require_training_data() let pass.
/// @param solved  as fit_fold() has it
template <class Scalar>
[[nodiscard]] EmbeddingStore<float> fold_checked(const EmbeddingView<Scalar>& passages,
                                                 const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                                 const PassageFold& fold, const LeastSquares* solved,
                                                 const BuildOptions& options) {
  EmbeddingStore<float> folded = pseudo_embeddings(passages, queries, relevance, fold.cold, options, solved);
  const bool are_own = is_own_query(fold.rule, fold.least_squares);
  for_each_block(options.executor, passages.size(), aggregation_block, [&](std::size_t begin, std::size_t end) {
    std::vector<float> passage(passages.dim());
    for (std::size_t j = begin; j < end; ++j) {
      passages.decode(j, passage.data());
      const bool has_pseudo = are_own || relevance.queries_of(PassageId(static_cast<Row>(j))).size() > 0;
      fold_pseudo_embedding(passage, passage_lambda(has_pseudo, fold.lambda, fold.cold), fold.norm,
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
  return detail::fold_checked(passages, queries, relevance, {lambda, cold, norm}, nullptr, options);
}

/// The same by what a PassageFold says: FoldRule::least_squares too. @throws  as above
template <class Scalar>
[[nodiscard]] EmbeddingStore<float> fold_queries(const EmbeddingView<Scalar>& passages,
                                                 const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                                 const PassageFold& fold, const BuildOptions& options = {}) {
  detail::require_lambda(fold.lambda, "fold_queries");
  detail::require_training_data(passages, queries, relevance, "fold_queries");
  const std::size_t n = passages.size();
  const auto solved = detail::fit_fold(passages, queries, fold.rule, fold.least_squares, fold.lambda,
                                       {options.executor, detail::stage(options.progress, 0, n, 2 * n)});
  return detail::fold_checked(passages, queries, relevance, fold, solved ? &*solved : nullptr,
                              {options.executor, detail::stage(options.progress, solved ? n : 0, 2 * n, 2 * n)});
}

namespace detail {

/// Rows that were made as floats, in the element type that an index asks for.
template <EmbeddingScalar Scalar>
[[nodiscard]] EmbeddingStore<Scalar> to_scalar(EmbeddingStore<float>&& rows) {
  if constexpr (std::same_as<Scalar, float>) {
    return std::move(rows);
  } else {
    return EmbeddingStore<Scalar>::from(rows.view(), Normalize::none, RowCheck::finite);
  }
}

/// What fold_queries returns in the element type of the passages: for the tuner, which checks its data itself.
template <class Scalar>
[[nodiscard]] EmbeddingStore<Scalar> fold_passages(const EmbeddingView<Scalar>& passages,
                                                   const EmbeddingView<Scalar>& queries,
                                                   const RelevanceMatrix& relevance, const PassageFold& fold,
                                                   const BuildOptions& options) {
  const auto solved = fit_fold(passages, queries, fold.rule, fold.least_squares, fold.lambda, {options.executor, {}});
  return to_scalar<Scalar>(fold_checked(passages, queries, relevance, fold, solved ? &*solved : nullptr, options));
}

}  // namespace detail
}  // namespace pefa
