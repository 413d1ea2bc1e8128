// pefa: QᵀY, what the training queries of a passage say about it, and its folding into the passage vectors (PEFA-XS).
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <utility>
#include <vector>

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
  float lambda = 1.0f;  ///< λ of PEFA-XS; at 1, the paper's, p_j itself
  ColdPassage cold = ColdPassage::erm;
  PseudoNorm norm = PseudoNorm::unit;
};

namespace detail {

/// Writes C_j = Π(Σ_i Y_ij · q_i) to `out` (dim floats), summed in double. @param sum  scratch, dim doubles
template <class Scalar>
void pseudo_embedding(const EmbeddingView<Scalar>& queries, const RelevanceMatrix::Entries& entries, double* sum,
                      float* out) {
  const std::size_t dim = queries.dim();
  for (std::size_t d = 0; d < dim; ++d) sum[d] = 0.0;
  for (std::size_t e = 0; e < entries.size(); ++e) {
    const auto query = static_cast<std::size_t>(entries.columns[e]);
    const Scalar* values = queries.row(query);
    const double weight = static_cast<double>(entries.weights[e]) * static_cast<double>(queries.scale(query));
    for (std::size_t d = 0; d < dim; ++d) {
      if constexpr (std::same_as<Scalar, double>) {
        sum[d] += weight * values[d];
      } else {
        sum[d] += weight * static_cast<double>(static_cast<float>(values[d]));
      }
    }
  }
  double squares = 0.0;
  for (std::size_t d = 0; d < dim; ++d) squares += sum[d] * sum[d];
  const double factor = squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0;
  for (std::size_t d = 0; d < dim; ++d) out[d] = static_cast<float>(sum[d] * factor);
}

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

/// An index over rows that nobody else keeps: taken over where the index can, else copied by its build.
template <class Index, class Scalar>
[[nodiscard]] Index build_index(EmbeddingStore<Scalar>&& rows, const typename Index::Params& params,
                                const BuildOptions& options) {
  if constexpr (requires { Index::build(std::move(rows), params, options); }) {
    return Index::build(std::move(rows), params, options);
  } else {
    return Index::build(rows.view(), params, options);
  }
}

/// The progress of a stage that counts for the items [begin, end) of `total`, whatever it counts itself.
[[nodiscard]] inline Progress scaled_stage(const Progress& progress, std::size_t begin, std::size_t end,
                                           std::size_t total) {
  if (!progress) return {};
  return [&progress, begin, end, total](std::size_t done, std::size_t of) {
    return progress(begin + done * (end - begin) / of, total);
  };
}

/// Passages are taken in blocks of this many; a thread's extra memory is one accumulator row.
inline constexpr std::size_t aggregation_block = 64;

}  // namespace detail

/// The pseudo-embedding of every passage: C_j = Π(Σ_i Y_ij · q_i), the kNN half of PEFA-XS (WSDM 2024, section 4).
///
/// @param queries    Q [n_train_queries x dim], finite
/// @param relevance  Y [n_train_queries x n_passages]
/// @return           C [n_passages x dim], unit rows; a passage with no training query has a zero row
/// @throws ShapeError  queries.size() != relevance.rows()  @throws Cancelled
/// O(pairs · dim) time, one row of doubles a thread beside the result. The same bits for any number of threads.
template <class Scalar>
[[nodiscard]] EmbeddingStore<float> aggregate_queries(const EmbeddingView<Scalar>& queries,
                                                      const RelevanceMatrix& relevance,
                                                      const BuildOptions& options = {}) {
  if (queries.size() != relevance.rows()) {
    detail::fail<ShapeError>("aggregate_queries: relevance has ", relevance.rows(), " rows, queries has ",
                             queries.size(), " (one row a training query)");
  }
  auto aggregated = EmbeddingStore<float>::for_overwrite(relevance.cols(), queries.dim());
  (void)relevance.transposed();  // once, before the threads ask for it
  ProgressMeter meter(options.progress, relevance.cols(), "aggregate_queries");
  for_each_block(options.executor, relevance.cols(), detail::aggregation_block,
                 [&](std::size_t begin, std::size_t end) {
                   std::vector<double> sum(queries.dim());
                   for (std::size_t j = begin; j < end; ++j) {
                     detail::pseudo_embedding(queries, relevance.queries_of(PassageId(static_cast<Row>(j))), sum.data(),
                                              aggregated.mutable_row(j));
                   }
                   meter.add(end - begin);
                 });
  return aggregated;
}

namespace detail {

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
      aggregate_queries(queries, relevance, {options.executor, stage(options.progress, 0, total)});
  borrow_pseudo_embeddings(passages, counts, aggregated,
                           {options.executor, stage(options.progress, counts.size(), total)});
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
