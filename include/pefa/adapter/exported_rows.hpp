// pefa: the rows of a fitted PEFA-XS for engines that know nothing of the fits: as they are, beside the matrix that
// queries are multiplied with, or taken back so that raw queries find the same passages.
#pragma once

#include <Eigen/Core>

#include <cstddef>
#include <utility>

#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/linear_map.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {
namespace detail {

/// What a raw query is multiplied with before the passage index is asked, A·W [rows x dim]; empty where it is not.
template <class Matrix>
[[nodiscard]] Matrix query_matrix(const FittedParts& fitted) {
  Matrix map(0, 0);
  if (fitted.whitening) map = fitted.whitening->map().template matrix<Matrix>();
  if (!fitted.balance) return map;
  const Matrix balance = fitted.balance->query_map().template matrix<Matrix>();
  if (map.size() == 0) return balance;
  const Matrix both = balance * map;
  return both;
}

/// Rows of a passage index as the query meets them that no balance has mapped: Aᵀ·row + μ, or as they are.
[[nodiscard]] inline EmbeddingStore<float> unbalanced_rows(const FittedParts& fitted, EmbeddingStore<float>&& rows,
                                                           const BuildOptions& options = {}) {
  if (!fitted.balance) return std::move(rows);
  EmbeddingStore<float> raw = fitted.balance->unmap_rows(rows.view(), options);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    for (std::size_t d = 0; d < raw.dim(); ++d) raw.mutable_row(i)[d] += fitted.balance->mean()[d];
  }
  return raw;
}

}  // namespace detail

/// The matrix that engines multiply a raw query with before they search the rows of a fitted PEFA-XS: A·W.
///
/// A whitened query is scaled to length 1 as well; its length changes scores and no ranking, so an engine may leave it.
/// @return  [rows of the index x dim], in floats; no rows where queries are asked as they are
template <class = void>
[[nodiscard]] RowMajorMatrix query_map_of(const FittedParts& fitted) {
  return detail::query_matrix<RowMajorMatrix>(fitted);
}

/// The rows of a fitted PEFA-XS for raw queries: Wᵀ·(Aᵀ·row + μ), which rank passages as the rows do, within rounding
/// at full rank. Without a whitening, scores are the same; with one, they are the retriever's times ‖W·q̂‖.
/// @param rows  of the passage index  @return  [size x dim of a raw query]
/// O(size · dim · rows).
template <class = void>
[[nodiscard]] EmbeddingStore<float> rows_for_raw_queries(const FittedParts& fitted, EmbeddingStore<float>&& rows,
                                                         const BuildOptions& options = {}) {
  const std::size_t n = rows.size();
  const detail::BuildParts<2> parts(options, {fitted.balance ? n : 0, fitted.whitening ? n : 0});
  EmbeddingStore<float> raw = detail::unbalanced_rows(fitted, std::move(rows), parts[0]);
  if (!fitted.whitening) return raw;
  const RowMajorMatrix transposed = fitted.whitening->map().matrix<RowMajorMatrix>().transpose();
  const detail::LinearMap back(transposed);
  const BuildOptions unwhitening = parts[1];  // as long as the meter
  ProgressMeter meter(unwhitening.progress, n, "rows_for_raw_queries");
  return back.apply_all(
      raw.view(), [](float*) {}, [](std::size_t, float*) {}, options.executor, meter);
}

}  // namespace pefa
