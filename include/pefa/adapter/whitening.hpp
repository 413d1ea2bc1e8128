// pefa: a space in which the training queries spread alike in all directions, so that a difference counts for what it
// says and not for how common it is. Vectors come raw and leave whitened; everything else stays as it was.
#pragma once

#include <Eigen/Core>

#include <algorithm>
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
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// x' = Π(W·x), WᵀW = (S + α·(tr S/d)·I)⁻¹, for queries, passages and training queries alike.
///
/// Inner products in the whitened space are those of the symmetric root W = (S + α·(tr S/d)·I)^(−1/2). At full rank W
/// is the triangular one, L⁻¹ of the Cholesky factor: another rotation, half the memory and time of a product, and no
/// eigenvalues to solve for. Below full rank, W keeps the r leading directions of the second moment of Π(W·q).
/// Immutable: safe to use from several threads. 2·dim² bytes at full rank, else 4·rank·dim.
class Whitening {
 public:
  /// Of training data alone. Where no passage has two queries, or those of each are all the same, there is no scatter
  /// within: `total` takes the place of `within` and `both`, and scatter() says so.
  ///
  /// @param queries    Q [n_train_queries x dim], finite
  /// @param relevance  Y [n_train_queries x n_passages]
  /// @throws ShapeError  queries.size() != relevance.rows()
  /// @throws ValueError  no queries, α out of range, a rank above dim, S + α·(tr S/d)·I is singular
  /// @throws Cancelled
  /// O((n_train_queries + n_passages) · dim² + dim³). The same bits for any number of threads.
  template <class Scalar>
  [[nodiscard]] static Whitening fit(const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                     const WhiteningParams& params = {}, const BuildOptions& options = {}) {
    ProgressMeter meter(options.progress, fit_items(queries, relevance, params), "Whitening::fit");
    return fit(queries, relevance, params, options.executor, meter);
  }

  /// From a second moment S, as where held-out queries were taken off; the rank is full.
  template <class Matrix = Eigen::MatrixXd>
  [[nodiscard]] static Whitening of_scatter(const std::type_identity_t<Matrix>& scatter, const WhiteningParams& params,
                                            const AnyExecutor& executor = {});

  /// How many dimensions a vector has.
  [[nodiscard]] std::size_t dim() const noexcept { return map_.dim(); }
  /// How many dimensions a mapped vector has.
  [[nodiscard]] std::size_t rank() const noexcept { return map_.rows(); }
  /// What it was fitted or made with.
  [[nodiscard]] const WhiteningParams& params() const noexcept { return params_; }
  /// What was whitened, which may be another than asked for.
  [[nodiscard]] Scatter scatter() const noexcept { return params_.scatter; }
  /// The linear map itself.
  [[nodiscard]] const detail::LinearMap& map() const noexcept { return map_; }
  /// Bytes on the heap.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return map_.memory_bytes(); }

  /// out = Π(W·x); zeros where W·x is 0, as of x = 0. @param x  dim floats  @param out  rank floats
  void apply(std::span<const float> x, std::span<float> out) const {
    if (x.size() != dim() || out.size() != rank()) {
      detail::fail<ShapeError>("Whitening::apply: x has ", x.size(), " elements, out has ", out.size(), ", expected ",
                               dim(), " and ", rank());
    }
    map_.apply(x.data(), out.data());
    (void)detail::make_unit(out.data(), out.size());
  }

  /// The same of every row, to the bit. [size x rank] @throws ValueError  a row that whitens to 0  @throws Cancelled
  template <class Scalar>
  [[nodiscard]] EmbeddingStore<float> apply(const EmbeddingView<Scalar>& rows, const BuildOptions& options = {}) const {
    ProgressMeter meter(options.progress, rows.size(), "Whitening::apply");
    return apply(rows, options.executor, meter);
  }

  /// How many items fit() counts; for the progress of whoever calls the overloads with a meter.
  template <class Scalar>
  [[nodiscard]] static std::size_t fit_items(const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                             const WhiteningParams& params) noexcept {
    std::size_t items = 0;
    if (params.scatter != Scatter::total) items += queries.size() + relevance.cols();
    if (params.scatter != Scatter::within) items += queries.size();
    if (params.rank != 0 && params.rank < queries.dim()) items += queries.size();
    return items;
  }

  /// fit() as one part of a longer build.
  template <class Scalar>
  [[nodiscard]] static Whitening fit(const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                     WhiteningParams params, const AnyExecutor& executor, ProgressMeter& meter) {
    require_fit(queries.size(), queries.dim(), relevance, params);
    const Scatter asked = params.scatter;
    detail::WithinScatter within;
    if (asked != Scatter::total) {
      within = detail::within_scatter(queries, relevance, executor, meter);
      // What is left of equal rows is the rounding of their sums.
      if (!(within.matrix.trace() > 1e-9 * within.mean_square)) params.scatter = Scatter::total;
    }
    Eigen::MatrixXd scatter;
    if (params.scatter != Scatter::within) {
      const Progress unheard;
      ProgressMeter uncounted(unheard, queries.size(), "Whitening::fit");
      scatter = detail::sum_of_squares(queries, executor, asked == Scatter::within ? uncounted : meter) /
                static_cast<double>(queries.size());
    }
    if (params.scatter == Scatter::within) scatter = within.matrix / within.weight;
    if (params.scatter == Scatter::both) {
      scatter = within.matrix / within.matrix.trace() + scatter / scatter.trace();
    }
    Whitening full = of_scatter(scatter, params, executor);
    if (params.rank == 0 || params.rank == queries.dim()) return full;
    return full.leading(queries, executor, meter);
  }

  /// apply() as one part of a longer build.
  template <class Scalar>
  [[nodiscard]] EmbeddingStore<float> apply(const EmbeddingView<Scalar>& rows, const AnyExecutor& executor,
                                            ProgressMeter& meter) const {
    if (rows.dim() != dim()) {
      detail::fail<ShapeError>("Whitening::apply: rows have dim ", rows.dim(), ", expected ", dim());
    }
    const auto unit = [this](std::size_t i, float* out) {
      if (!detail::make_unit(out, rank())) detail::fail<ValueError>("Whitening::apply: row ", i, " whitens to 0");
    };
    return map_.apply_all(
        rows, [](float*) {}, unit, executor, meter);
  }

  /// From what map() and params() gave.
  Whitening(detail::LinearMap map, const WhiteningParams& params) : params_(params), map_(std::move(map)) {}

 private:
  static void require_fit(std::size_t n_queries, std::size_t dim, const RelevanceMatrix& relevance,
                          const WhiteningParams& params) {
    detail::require_shrinkage(params.shrinkage, "Whitening::fit");
    if (n_queries == 0) detail::fail<ValueError>("Whitening::fit: no training queries, expected at least 1");
    if (relevance.rows() != n_queries) {
      detail::fail<ShapeError>("Whitening::fit: relevance has ", relevance.rows(), " rows, queries has ", n_queries,
                               " (one row a training query)");
    }
    if (params.rank > dim) {
      detail::fail<ValueError>("Whitening::fit: rank is ", params.rank, ", expected at most ", dim,
                               ", the dim of the queries");
    }
  }

  /// The r leading directions of the second moment of Π(W·q), of this, which is of full rank and triangular.
  template <class Scalar>
  [[nodiscard]] Whitening leading(const EmbeddingView<Scalar>& queries, const AnyExecutor& executor,
                                  ProgressMeter& meter) const {
    detail::SecondMoment moment(dim());
    moment.add(
        queries.size(),
        [&](std::size_t i, double* out) {
          std::vector<float> x(2 * dim());
          queries.decode(i, x.data());
          map_.apply(x.data(), x.data() + dim());
          (void)detail::make_unit(x.data() + dim(), dim());
          std::copy(x.begin() + static_cast<std::ptrdiff_t>(dim()), x.end(), out);
        },
        executor, meter);
    return leading_of(moment.matrix());
  }

  /// @param moment  of Π(W·q) [dim x dim]
  template <class Matrix = Eigen::MatrixXd>
  [[nodiscard]] Whitening leading_of(const std::type_identity_t<Matrix>& moment) const;

  WhiteningParams params_;
  detail::LinearMap map_;
};

template <class Matrix>
Whitening Whitening::of_scatter(const std::type_identity_t<Matrix>& scatter, const WhiteningParams& params,
                                const AnyExecutor& executor) {
  const Matrix m = detail::shrunk(scatter, static_cast<double>(params.shrinkage));
  return {detail::LinearMap(detail::inverse_of_lower(detail::cholesky(m, "Whitening::fit"), executor),
                            detail::MapShape::lower_triangle),
          params};
}

template <class Matrix>
Whitening Whitening::leading_of(const std::type_identity_t<Matrix>& moment) const {
  const Matrix axes = detail::leading_axes(detail::eigenpairs(moment), static_cast<Eigen::Index>(params_.rank));
  return {detail::LinearMap(detail::product(axes, map_.matrix<Matrix>())), params_};
}

#if defined(PEFA_COMPILED) && PEFA_COMPILED
/// @cond
extern template Whitening Whitening::of_scatter<Eigen::MatrixXd>(const Eigen::MatrixXd& scatter,
                                                                 const WhiteningParams& params,
                                                                 const AnyExecutor& executor);
extern template Whitening Whitening::leading_of<Eigen::MatrixXd>(const Eigen::MatrixXd& moment) const;
/// @endcond
#endif

}  // namespace pefa
