// pefa: the pseudo-embeddings of PEFA-XS by least squares instead of correlation: what the training queries of a
// passage have in common beyond what all queries have.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/passage_evidence.hpp"
#include "pefa/adapter/second_moment.hpp"
#include "pefa/adapter/shrunk_matrix.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/simd/panel_products.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// C_j = Π(M⁻¹·a_j), the ridge regression of relevance on queries, column by column (Hoerl & Kennard 1970):
/// a_j = Σ_i Y_ij·q_i + b·p_j, M = A + α·(tr A/d)·I, A = (QᵀQ + b·PᵀP)/n over all n training queries.
///
/// With α -> ∞ and b = 0 it is the correlation rule Π(Qᵀ Y_:,j) of the paper. Rows are used as they are: a longer query
/// or passage weighs more. M⁻¹ is kept, so that a passage can be solved for when it comes. Immutable: safe to use from
/// several threads. 8·dim² bytes.
class LeastSquares {
 public:
  /// @param passages  P [n_passages x dim]; read only where b > 0
  /// @param queries   Q [n_train_queries x dim], finite
  /// @throws ShapeError  dims that disagree
  /// @throws ValueError  no queries, α or b out of range, M is singular
  /// @throws Cancelled
  /// O((n_train_queries + n_passages) · dim² + dim³). The same bits for any number of threads.
  template <class Scalar>
  [[nodiscard]] static LeastSquares fit(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                                        const LeastSquaresParams& params = {}, const BuildOptions& options = {}) {
    ProgressMeter meter(options.progress, fit_items(passages, queries, params), "LeastSquares::fit");
    return fit(passages, queries, params, options.executor, meter);
  }

  /// How many dimensions a vector has.
  [[nodiscard]] std::size_t dim() const noexcept { return inverse_.rows(); }
  /// What it was fitted or made with.
  [[nodiscard]] const LeastSquaresParams& params() const noexcept { return params_; }
  /// Bytes on the heap.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return inverse_.memory_bytes(); }

  /// Π(M⁻¹·a); zeros where a is. @param a, out  dim elements. O(dim²).
  void solve(std::span<const double> a, std::span<float> out) const {
    if (a.size() != dim() || out.size() != dim()) {
      detail::fail<ShapeError>("LeastSquares::solve: a has ", a.size(), " elements, out has ", out.size(),
                               ", expected ", dim(), " of each");
    }
    std::vector<double> solved;
    solve_block(a.data(), 1, solved, [&](std::size_t) { return out.data(); });
  }

  /// C_j of one new or changed passage, with M as it was fitted.
  /// @param passage  p_j, dim floats; read where b > 0  @param entries  its training queries: rows of `queries`
  template <class Scalar>
  void fold_one(std::span<const float> passage, const EmbeddingView<Scalar>& queries,
                const RelevanceMatrix::Entries& entries, std::span<float> out) const {
    if (queries.dim() != dim() || passage.size() != dim()) {
      detail::fail<ShapeError>("LeastSquares::fold_one: queries have dim ", queries.dim(), ", the passage has ",
                               passage.size(), ", expected ", dim());
    }
    std::vector<double> a(dim(), 0.0);
    add_evidence(EmbeddingView<float>(passage, dim()), 0, queries, entries, a.data());
    solve(a, out);
  }

  /// The same of many passages, which read M once for 64 of them; the same bits.
  /// @param out  out(i): where C of passage i goes  @throws ShapeError
  template <class Out>
  void fold_many(std::span<const PassageEvidence> passages, const Out& out) const {
    for (const PassageEvidence& one : passages) {
      if (one.passage.size() == dim() && one.weights.size() == one.queries.size() &&
          (one.queries.empty() || one.queries.dim() == dim())) {
        continue;
      }
      detail::fail<ShapeError>("LeastSquares::fold_many: a passage has ", one.passage.size(), " elements, ",
                               one.queries.size(), " queries of dim ", one.queries.dim(), " and ", one.weights.size(),
                               " weights, expected dim ", dim(), " and a weight a query");
    }
    const auto add = [&](std::size_t j, double* a) {
      const PassageEvidence& one = passages[j];
      for (std::size_t e = 0; e < one.weights.size(); ++e) {
        detail::add_row(one.queries, e, static_cast<double>(one.weights[e]), a);
      }
      add_own(EmbeddingView<float>(one.passage, dim()), 0, a);
    };
    for (std::size_t begin = 0; begin < passages.size(); begin += block) {
      solve_range(begin, std::min(begin + block, passages.size()), add, out);
    }
  }

  /// C [n_passages x dim], unit rows; with b = 0 a passage without training queries has a zero row.
  /// @throws ShapeError  shapes that disagree  @throws Cancelled
  /// O(pairs · dim + n_passages · dim²). The same bits for any number of threads, and as fold_one.
  template <class Scalar>
  [[nodiscard]] EmbeddingStore<float> solve_all(const EmbeddingView<Scalar>& passages,
                                                const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                                const BuildOptions& options = {}) const {
    ProgressMeter meter(options.progress, relevance.cols(), "LeastSquares::solve_all");
    return solve_all(passages, queries, relevance, options.executor, meter);
  }

  /// How many items fit() counts; for the progress of whoever calls the overloads with a meter.
  template <class Scalar>
  [[nodiscard]] static std::size_t fit_items(const EmbeddingView<Scalar>& passages,
                                             const EmbeddingView<Scalar>& queries,
                                             const LeastSquaresParams& params) noexcept {
    return queries.size() + (params.passages_as_queries > 0.0f ? passages.size() : 0);
  }

  /// fit() as one part of a longer build.
  template <class Scalar>
  [[nodiscard]] static LeastSquares fit(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                                        const LeastSquaresParams& params, const AnyExecutor& executor,
                                        ProgressMeter& meter) {
    const float b = params.passages_as_queries;
    detail::require_shrinkage(params.shrinkage, "LeastSquares::fit");
    if (!(detail::is_finite(b) && b >= 0.0f)) {
      detail::fail<ValueError>("LeastSquares::fit: passages_as_queries is ", b, ", expected finite and at least 0");
    }
    if (queries.empty()) detail::fail<ValueError>("LeastSquares::fit: no training queries, expected at least 1");
    if (queries.dim() != passages.dim()) {
      detail::fail<ShapeError>("LeastSquares::fit: queries have dim ", queries.dim(), ", passages have dim ",
                               passages.dim());
    }
    detail::SecondMoment moment(queries.dim());
    moment.add(
        queries.size(), [&](std::size_t i, double* out) { detail::add_row(queries, i, 1.0, out); }, executor, meter);
    if (b > 0.0f) {
      const double root = std::sqrt(static_cast<double>(b));
      moment.add(
          passages.size(), [&](std::size_t j, double* out) { detail::add_row(passages, j, root, out); }, executor,
          meter);
    }
    return of_second_moment(moment.matrix(1.0 / static_cast<double>(queries.size())), params, executor);
  }

  /// From A itself, as where held-out queries were taken off. @param a  symmetric [dim x dim]
  template <class Matrix = Eigen::MatrixXd>
  [[nodiscard]] static LeastSquares of_second_moment(const std::type_identity_t<Matrix>& a,
                                                     const LeastSquaresParams& params,
                                                     const AnyExecutor& executor = {});

  /// From M⁻¹ as inverse() gave it.
  template <class Matrix = Eigen::MatrixXd>
  [[nodiscard]] static LeastSquares of_inverse(const std::type_identity_t<Matrix>& inverse,
                                               const LeastSquaresParams& params) {
    return LeastSquares(inverse, params);
  }

  /// M⁻¹, [dim x dim].
  template <class Matrix = Eigen::MatrixXd>
  [[nodiscard]] Matrix inverse() const {
    Matrix matrix(static_cast<std::ptrdiff_t>(dim()), static_cast<std::ptrdiff_t>(dim()));
    for (std::size_t i = 0; i < dim(); ++i) {
      for (std::size_t j = 0; j < dim(); ++j) {
        matrix(static_cast<std::ptrdiff_t>(i), static_cast<std::ptrdiff_t>(j)) = inverse_(i, j);
      }
    }
    return matrix;
  }

  /// solve_all() as one part of a longer build; the meter counts passages.
  template <class Scalar>
  [[nodiscard]] EmbeddingStore<float> solve_all(const EmbeddingView<Scalar>& passages,
                                                const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                                const AnyExecutor& executor, ProgressMeter& meter) const {
    if (queries.dim() != dim() || passages.dim() != dim() || relevance.rows() != queries.size() ||
        relevance.cols() != passages.size()) {
      detail::fail<ShapeError>("LeastSquares::solve_all: passages are ", passages.size(), " x ", passages.dim(),
                               ", queries ", queries.size(), " x ", queries.dim(), ", relevance ", relevance.rows(),
                               " x ", relevance.cols(), ", expected dim ", dim(), " and relevance queries x passages");
    }
    auto solved = EmbeddingStore<float>::for_overwrite(passages.size(), dim());
    (void)relevance.transposed();  // once, before the threads ask for it
    for_each_block(executor, passages.size(), block, [&](std::size_t begin, std::size_t end) {
      const auto add = [&](std::size_t j, double* a) {
        add_evidence(passages, j, queries, relevance.queries_of(PassageId(static_cast<Row>(j))), a);
      };
      solve_range(begin, end, add, [&](std::size_t j) { return solved.mutable_row(j); });
      meter.add(end - begin);
    });
    return solved;
  }

 private:
  static constexpr std::size_t block = 64;

  template <class Matrix = Eigen::MatrixXd>
  LeastSquares(const std::type_identity_t<Matrix>& inverse, const LeastSquaresParams& params)
      : params_(params), inverse_(static_cast<std::size_t>(inverse.rows()), static_cast<std::size_t>(inverse.rows())) {
    for (std::size_t i = 0; i < dim(); ++i) {
      for (std::size_t j = 0; j < dim(); ++j) {
        inverse_(i, j) = inverse(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
      }
    }
  }

  /// a += Σ_i Y_ij·q_i + b·p_j.
  template <class PassageScalar, class Scalar>
  void add_evidence(const EmbeddingView<PassageScalar>& passages, std::size_t j, const EmbeddingView<Scalar>& queries,
                    const RelevanceMatrix::Entries& entries, double* a) const {
    for (std::size_t e = 0; e < entries.size(); ++e) {
      detail::add_row(queries, static_cast<std::size_t>(entries.columns[e]), static_cast<double>(entries.weights[e]),
                      a);
    }
    add_own(passages, j, a);
  }

  /// a += b·p_j.
  template <class PassageScalar>
  void add_own(const EmbeddingView<PassageScalar>& passages, std::size_t j, double* a) const {
    if (params_.passages_as_queries > 0.0f) {
      detail::add_row(passages, j, static_cast<double>(params_.passages_as_queries), a);
    }
  }

  /// Π(M⁻¹·a_j) for begin ≤ j < end. @param add  add(j, a) adds up a_j  @param out  out(j): where it goes
  template <class Add, class Out>
  void solve_range(std::size_t begin, std::size_t end, const Add& add, const Out& out) const {
    const std::size_t count = end - begin;
    std::vector<double> a(dim());
    std::vector<double> columns(dim() * count);
    for (std::size_t j = begin; j < end; ++j) {
      std::fill(a.begin(), a.end(), 0.0);
      add(j, a.data());
      for (std::size_t d = 0; d < dim(); ++d) columns[d * count + (j - begin)] = a[d];
    }
    solve_block(columns.data(), count, a, [&](std::size_t i) { return out(begin + i); });
  }

  /// Π(M⁻¹·a_i) for `count` a's, element d of a_i at a[d·count + i]. @param scratch  any; may not be a
  template <class Out>
  void solve_block(const double* a, std::size_t count, std::vector<double>& scratch, const Out& out) const {
    const std::size_t panel = count * simd::panel_width;
    scratch.assign(inverse_.count() * panel, 0.0);
    for (std::size_t p = 0; p < inverse_.count(); ++p) {
      simd::add_panel_product(a, count, inverse_.panel(p), dim(), scratch.data() + p * panel, count);
    }
    const auto value = [&](std::size_t i, std::size_t d) {
      return scratch[d / simd::panel_width * panel + i * simd::panel_width + d % simd::panel_width];
    };
    for (std::size_t i = 0; i < count; ++i) {
      double squares = 0.0;
      for (std::size_t d = 0; d < dim(); ++d) squares += value(i, d) * value(i, d);
      const double factor = squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0;
      for (std::size_t d = 0; d < dim(); ++d) out(i)[d] = static_cast<float>(value(i, d) * factor);
    }
  }

  LeastSquaresParams params_;
  simd::Panels inverse_;  // M⁻¹
};

template <class Matrix>
LeastSquares LeastSquares::of_second_moment(const std::type_identity_t<Matrix>& a, const LeastSquaresParams& params,
                                            const AnyExecutor& executor) {
  const Matrix m = detail::shrunk(a, static_cast<double>(params.shrinkage));
  const Matrix factor = detail::inverse_of_lower(detail::cholesky(m, "LeastSquares::fit"), executor).transpose();
  detail::SecondMoment inverse(static_cast<std::size_t>(m.rows()));  // M⁻¹ = L⁻ᵀ·L⁻¹, over the rows of L⁻¹
  const Progress unheard;
  ProgressMeter meter(unheard, 1, "LeastSquares::fit");
  inverse.add(
      static_cast<std::size_t>(m.rows()),
      [&](std::size_t i, double* out) { std::copy_n(factor.col(static_cast<Eigen::Index>(i)).data(), m.rows(), out); },
      executor, meter);
  return LeastSquares(inverse.matrix(), params);
}

#if defined(PEFA_COMPILED) && PEFA_COMPILED
/// @cond
extern template LeastSquares LeastSquares::of_second_moment<Eigen::MatrixXd>(const Eigen::MatrixXd& a,
                                                                             const LeastSquaresParams& params,
                                                                             const AnyExecutor& executor);
/// @endcond
#endif

}  // namespace pefa
