// pefa: two maps, of queries and of rows, that leave every inner product as it is and give both sides the same spread:
// for graphs, which meet rows that do not look like queries badly.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/linear_map.hpp"
#include "pefa/adapter/second_moment.hpp"
#include "pefa/adapter/shrunk_matrix.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/linear_algebra.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

/// A query map A and a row map B with AᵀB = I: ⟨A·q̂, B·(p̃_j − μ)⟩ = ⟨q̂, p̃_j⟩ − ⟨q̂, μ⟩, μ the mean row.
///
/// With Σ_q, Σ_p̃ the shrunk second moments of the training queries and of the rows off their mean, Σ_q = L·Lᵀ and
/// Lᵀ·Σ_p̃·L = U·D²·Uᵀ: A = D^(1/2)·Uᵀ·L⁻¹, B = D^(−1/2)·Uᵀ·Lᵀ. Both sides then have the second moment D, and the first
/// r axes are the best rank r of the scores by least squares. Taking μ off moves all scores of a query by one number,
/// offset(). Nothing is normalised. Immutable: safe to use from several threads.
class Balance {
 public:
  /// @param queries  training queries [n_train_queries x dim]  @param rows  p̃ [n_passages x dim]
  /// @throws ShapeError  dims that disagree  @throws ValueError  no rows on a side, a rank above dim, a shrinkage out
  /// of range, a second moment that is singular  @throws Cancelled O((n_train_queries + n_passages) · dim² + dim³). The
  /// same bits for any number of threads.
  template <class QueryScalar, class RowScalar>
  [[nodiscard]] static Balance fit(const EmbeddingView<QueryScalar>& queries, const EmbeddingView<RowScalar>& rows,
                                   const BalanceParams& params = {}, const BuildOptions& options = {}) {
    ProgressMeter meter(options.progress, queries.size() + rows.size(), "Balance::fit");
    return fit(queries, rows, params, options.executor, meter);
  }

  /// fit() as one part of a longer build; the meter counts queries and rows.
  template <class QueryScalar, class RowScalar>
  [[nodiscard]] static Balance fit(const EmbeddingView<QueryScalar>& queries, const EmbeddingView<RowScalar>& rows,
                                   const BalanceParams& params, const AnyExecutor& executor, ProgressMeter& meter) {
    detail::require_shrinkage(params.shrinkage, "Balance::fit");
    if (queries.empty() || rows.empty()) {
      detail::fail<ValueError>("Balance::fit: ", queries.size(), " queries and ", rows.size(),
                               " rows, expected at least 1 of each");
    }
    if (queries.dim() != rows.dim()) {
      detail::fail<ShapeError>("Balance::fit: queries have dim ", queries.dim(), ", rows have dim ", rows.dim());
    }
    if (params.rank > rows.dim()) {
      detail::fail<ValueError>("Balance::fit: rank is ", params.rank, ", expected at most ", rows.dim());
    }
    Eigen::VectorXd mean = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(rows.dim()));
    for (std::size_t j = 0; j < rows.size(); ++j) detail::add_row(rows, j, 1.0, mean.data());
    mean /= static_cast<double>(rows.size());
    return of_moments(detail::sum_of_squares(queries, executor, meter) / static_cast<double>(queries.size()),
                      detail::sum_of_squares(rows, executor, meter) / static_cast<double>(rows.size()), mean, params,
                      executor);
  }

  /// From the second moments Qᵀ·Q/n of the training queries and of the rows, [dim x dim] each, and the mean row.
  /// @throws ValueError  as fit()
  template <class Matrix = Eigen::MatrixXd>
  [[nodiscard]] static Balance of_moments(const std::type_identity_t<Matrix>& queries,
                                          const std::type_identity_t<Matrix>& rows, const Eigen::VectorXd& mean,
                                          const BalanceParams& params, const AnyExecutor& executor);

  /// From what query_map(), row_map() and mean() gave.
  Balance(detail::LinearMap query_map, detail::LinearMap row_map, std::vector<float> mean)
      : query_map_(std::move(query_map)), row_map_(std::move(row_map)), mean_(std::move(mean)) {}

  /// How many dimensions a vector has.
  [[nodiscard]] std::size_t dim() const noexcept { return row_map_.dim(); }
  /// How many dimensions a mapped vector has.
  [[nodiscard]] std::size_t rank() const noexcept { return row_map_.rows(); }
  /// Bytes on the heap.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return query_map_.memory_bytes() + row_map_.memory_bytes() + mean_.capacity() * sizeof(float);
  }
  [[nodiscard]] const detail::LinearMap& query_map() const noexcept { return query_map_; }  ///< A
  [[nodiscard]] const detail::LinearMap& row_map() const noexcept { return row_map_; }      ///< B
  [[nodiscard]] const std::vector<float>& mean() const noexcept { return mean_; }           ///< μ

  /// out = A·q̂. @param query  dim floats  @param out  rank floats
  void map_query(std::span<const float> query, std::span<float> out) const {
    require_shape(query.size(), out.size(), "Balance::map_query");
    query_map_.apply(query.data(), out.data());
  }

  /// ⟨q̂, μ⟩: what all balanced scores of the query lack.
  [[nodiscard]] float offset(std::span<const float> query) const {
    require_shape(query.size(), rank(), "Balance::offset");
    return simd::dot_kernel<float>()(query.data(), mean_.data(), dim(), 1.0f);
  }

  /// out = B·(row − μ), of one row.
  void map_row(std::span<const float> row, std::span<float> out) const {
    require_shape(row.size(), out.size(), "Balance::map_row");
    std::vector<float> x(row.begin(), row.end());
    take_mean_off(x.data());
    row_map_.apply(x.data(), out.data());
  }

  /// The same of every row, to the bit. [size x rank] @throws ShapeError  another dim  @throws Cancelled
  template <class Scalar>
  [[nodiscard]] EmbeddingStore<float> map_rows(const EmbeddingView<Scalar>& rows,
                                               const BuildOptions& options = {}) const {
    require_shape(rows.dim(), rank(), "Balance::map_rows");
    ProgressMeter meter(options.progress, rows.size(), "Balance::map_rows");
    return row_map_.apply_all(
        rows, [this](float* x) { take_mean_off(x); }, [](std::size_t, float*) {}, options.executor, meter);
  }

  /// Rows for raw queries, Aᵀ·y of balanced rows y: below full rank the p̃_j − μ that the balanced scores are made of.
  /// @param balanced  [size x rank], as map_rows gave them  @return  [size x dim]
  template <class Matrix = Eigen::MatrixXd>
  [[nodiscard]] EmbeddingStore<float> unmap_rows(const EmbeddingView<float>& balanced,
                                                 const BuildOptions& options = {}) const {
    require_shape(dim(), balanced.dim(), "Balance::unmap_rows");
    ProgressMeter meter(options.progress, balanced.size(), "Balance::unmap_rows");
    const Matrix transposed = query_map_.matrix<Matrix>().transpose();
    const detail::LinearMap back(transposed);
    return back.apply_all(
        balanced, [](float*) {}, [](std::size_t, float*) {}, options.executor, meter);
  }

 private:
  void require_shape(std::size_t vector, std::size_t mapped, const char* who) const {
    if (vector == dim() && mapped == rank()) return;
    detail::fail<ShapeError>(who, ": ", vector, " elements to ", mapped, ", expected ", dim(), " to ", rank());
  }
  void take_mean_off(float* x) const noexcept {
    for (std::size_t d = 0; d < dim(); ++d) x[d] -= mean_[d];
  }

  detail::LinearMap query_map_;
  detail::LinearMap row_map_;
  std::vector<float> mean_;
};

template <class Matrix>
Balance Balance::of_moments(const std::type_identity_t<Matrix>& queries, const std::type_identity_t<Matrix>& rows,
                            const Eigen::VectorXd& mean, const BalanceParams& params, const AnyExecutor& executor) {
  const auto shrinkage = static_cast<double>(params.shrinkage);
  Matrix row_moment = rows;
  for (Eigen::Index d = 0; d < rows.cols(); ++d) row_moment.col(d) -= mean[d] * mean;
  // Rows that are all the same have nothing left off their mean.
  const bool centred = row_moment.trace() > 1e-9 * rows.trace();
  if (!centred) row_moment = rows;

  const Matrix root = detail::cholesky(detail::shrunk(queries, shrinkage), "Balance::fit");
  const Matrix transposed_root = root.transpose();
  const detail::Eigenpairs pairs = detail::eigenpairs(
      detail::product(detail::product(transposed_root, detail::shrunk(row_moment, shrinkage)), root));
  const Eigen::Index dim = rows.rows();
  const auto rank = params.rank == 0 ? dim : static_cast<Eigen::Index>(params.rank);
  if (!(pairs.values[dim - rank] > 0.0)) {  // D² of the last axis
    detail::fail<ValueError>("Balance::fit: the rows spread in fewer than ", rank,
                             " directions, expected a lower rank or a shrinkage above 0, such as 0.01");
  }
  const Matrix axes = detail::leading_axes(pairs, rank);  // Uᵀ
  Matrix a = detail::product(axes, detail::inverse_of_lower(root, executor));
  Matrix b = detail::product(axes, transposed_root);
  for (Eigen::Index r = 0; r < rank; ++r) {
    const double quarter = std::sqrt(std::sqrt(pairs.values[dim - 1 - r]));  // D^(1/2)
    a.row(r) *= quarter;
    b.row(r) /= quarter;
  }
  std::vector<float> taken_off(static_cast<std::size_t>(dim), 0.0f);
  if (centred) std::copy_n(mean.data(), taken_off.size(), taken_off.begin());
  return Balance(detail::LinearMap(a), detail::LinearMap(b), std::move(taken_off));
}

#if defined(PEFA_COMPILED) && PEFA_COMPILED
/// @cond
extern template Balance Balance::of_moments<Eigen::MatrixXd>(const Eigen::MatrixXd& queries,
                                                             const Eigen::MatrixXd& rows, const Eigen::VectorXd& mean,
                                                             const BalanceParams& params, const AnyExecutor& executor);
/// @endcond
#endif

}  // namespace pefa
