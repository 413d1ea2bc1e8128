// pefa: QᵀY: what the training queries of a passage say about it.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {
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

}  // namespace pefa
