// pefa: second moments of rows, Σ w_i x_i x_iᵀ: what every closed-form fit of this library is made from.
//
// Summed in double in [dim x dim] memory, in parallel. The order of every sum is that of the rows, so the bits are the
// same for any number of threads.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/simd/panel_products.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// out[d] += weight · x_d of row i.
template <class Scalar>
void add_row(const EmbeddingView<Scalar>& rows, std::size_t i, double weight, double* out) {
  const Scalar* values = rows.row(i);
  const double factor = weight * static_cast<double>(rows.scale(i));
  for (std::size_t d = 0; d < rows.dim(); ++d) {
    if constexpr (std::same_as<Scalar, double>) {
      out[d] += factor * values[d];
    } else {
      out[d] += factor * static_cast<double>(static_cast<float>(values[d]));
    }
  }
}

/// A sum of x·xᵀ over rows that come in any number of calls.
class SecondMoment {
 public:
  explicit SecondMoment(std::size_t dim) : dim_(dim), sums_(padded(dim), dim), chunk_(chunk_rows, dim) {}

  [[nodiscard]] std::size_t dim() const noexcept { return dim_; }

  /// Adds Σ x_i·x_iᵀ for i < count. @param row  row(i, out) adds x_i to dim zeros; called from several threads
  /// O(count · dim²).
  template <class RowOf>
  void add(std::size_t count, const RowOf& row, const AnyExecutor& executor, ProgressMeter& meter) {
    for (std::size_t first = 0; first < count; first += chunk_rows) {
      const std::size_t size = std::min(chunk_rows, count - first);
      for_each_block(executor, size, 64, [&](std::size_t begin, std::size_t end) {
        std::vector<double> x(dim_);
        for (std::size_t i = begin; i < end; ++i) {
          std::fill(x.begin(), x.end(), 0.0);
          row(first + i, x.data());
          for (std::size_t d = 0; d < dim_; ++d) chunk_(i, d) = x[d];
        }
      });
      add_chunk(size, executor);
      meter.add(size);
    }
  }

  /// The sum so far, times `factor`; symmetric to the bit.
  [[nodiscard]] Eigen::MatrixXd matrix(double factor = 1.0) const {
    const auto dim = static_cast<Eigen::Index>(dim_);
    Eigen::MatrixXd result(dim, dim);
    for (std::size_t j = 0; j < dim_; ++j) {
      for (std::size_t i = j; i < dim_; ++i) {
        const double value = factor * sums_(i, j);
        result(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = value;
        result(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(i)) = value;
      }
    }
    return result;
  }

 private:
  static constexpr std::size_t chunk_rows = 512;

  [[nodiscard]] static std::size_t padded(std::size_t dim) noexcept {
    return (dim + simd::panel_width - 1) / simd::panel_width * simd::panel_width;
  }

  /// The panels on and below the diagonal; the widest first, so that the threads end together.
  void add_chunk(std::size_t size, const AnyExecutor& executor) {
    executor.run(chunk_.count(), [&](std::size_t p) {
      for (std::size_t q = p; q < chunk_.count(); ++q) {
        simd::add_panel_product(chunk_.panel(q), simd::panel_width, chunk_.panel(p), size,
                                sums_.panel(p) + q * simd::panel_width * simd::panel_width, simd::panel_width);
      }
    });
  }

  std::size_t dim_;
  simd::Panels sums_;
  simd::Panels chunk_;
};

/// Σ_i q_i·q_iᵀ. @throws Cancelled
template <class Scalar>
[[nodiscard]] Eigen::MatrixXd sum_of_squares(const EmbeddingView<Scalar>& rows, const AnyExecutor& executor,
                                             ProgressMeter& meter) {
  SecondMoment moment(rows.dim());
  moment.add(
      rows.size(), [&](std::size_t i, double* out) { add_row(rows, i, 1.0, out); }, executor, meter);
  return moment.matrix();
}

/// How the training queries of one passage differ from each other, over all passages.
struct WithinScatter {
  Eigen::MatrixXd matrix;  ///< Σ Y_ij (q_i − c_j)(q_i − c_j)ᵀ, c_j the weighted mean of j's queries [dim x dim]
  double weight = 0.0;     ///< Σ Y_ij of the same pairs
  std::size_t passages = 0;  ///< how many have two or more queries: the sums are over these alone
  double mean_square = 0.0;  ///< Σ Y_ij ‖q_i‖² of the same pairs, to compare the trace with
};

/// The scatter as QᵀDQ − Σ_j n_j·c_j·c_jᵀ, D_ii = Σ_j Y_ij and n_j = Σ_i Y_ij over passages with two or more queries.
/// The meter counts queries and passages. O((n_train_queries + n_passages) · dim² + pairs · dim).
template <class Scalar>
[[nodiscard]] WithinScatter within_scatter(const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                           const AnyExecutor& executor, ProgressMeter& meter) {
  (void)relevance.transposed();  // once, before the threads ask for it
  const auto entries_of = [&](std::size_t j) { return relevance.queries_of(PassageId(static_cast<Row>(j))); };
  WithinScatter scatter;
  std::vector<double> share(queries.size(), 0.0);  // D
  std::vector<double> mass(relevance.cols(), 0.0);
  for (std::size_t j = 0; j < relevance.cols(); ++j) {
    const RelevanceMatrix::Entries entries = entries_of(j);
    if (entries.size() < 2) continue;
    ++scatter.passages;
    for (std::size_t e = 0; e < entries.size(); ++e) {
      const auto y = static_cast<double>(entries.weights[e]);
      share[static_cast<std::size_t>(entries.columns[e])] += y;
      mass[j] += y;
    }
    scatter.weight += mass[j];
  }
  SecondMoment all(queries.dim());
  all.add(
      queries.size(),
      [&](std::size_t i, double* out) {
        if (share[i] > 0.0) add_row(queries, i, std::sqrt(share[i]), out);
      },
      executor, meter);
  SecondMoment centres(queries.dim());
  centres.add(
      relevance.cols(),
      [&](std::size_t j, double* out) {
        if (mass[j] == 0.0) return;
        const RelevanceMatrix::Entries entries = entries_of(j);
        const double factor = 1.0 / std::sqrt(mass[j]);
        for (std::size_t e = 0; e < entries.size(); ++e) {
          add_row(queries, static_cast<std::size_t>(entries.columns[e]),
                  factor * static_cast<double>(entries.weights[e]), out);
        }
      },
      executor, meter);
  scatter.matrix = all.matrix();
  scatter.mean_square = scatter.matrix.trace();
  scatter.matrix -= centres.matrix();
  return scatter;
}

}  // namespace pefa::detail
