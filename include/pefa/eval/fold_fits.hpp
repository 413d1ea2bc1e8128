// pefa: what is fitted on the training queries that a fold leaves: least squares, the whitened space, hubness. Nothing
// here sees a held-out query or its pairs.
#pragma once

#include <Eigen/Core>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/hubness.hpp"
#include "pefa/adapter/least_squares.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/second_moment.hpp"
#include "pefa/adapter/whitening.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/eval/training_part.hpp"
#include "pefa/eval/validation_split.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// The moments of a fold that several fits are made from, each summed when first asked for.
struct FoldMoments {
  std::optional<Eigen::MatrixXd> total;  ///< QᵀQ of what trains
  std::optional<WithinScatter> within;   ///< of what trains
};

/// The training queries in one space, and how much of a hub each is.
struct FoldSpace {
  std::optional<Whitening> whitening;  ///< none: the vectors as they come
  EmbeddingStore<float> queries;       ///< those that train
  std::vector<float> hubness;          ///< r_i less its mean; empty where nobody asked
};

/// The closed-form fits of one fold. Keep the moments between two of the same fold, and nothing is summed twice.
/// A template on nothing, as what uses it: only who tunes compiles it.
template <class = void>
class FoldFits {
 public:
  /// Everything passed by reference must outlive the fits.
  /// @param passage_moment  PᵀP, summed when first asked for
  FoldFits(const EmbeddingView<float>& passages, const EmbeddingView<float>& queries, const RelevanceMatrix& relevance,
           const std::vector<QueryId>& held_out, FoldMoments& moments, std::optional<Eigen::MatrixXd>& passage_moment,
           const AnyExecutor& executor)
      : passages_(passages),
        training_(other_queries(queries.size(), held_out)),
        part_(training_part(queries, relevance, training_)),
        moments_(moments),
        passage_moment_(passage_moment),
        executor_(executor) {}

  /// Which rows of Q train.
  [[nodiscard]] const std::vector<QueryId>& training() const noexcept { return training_; }
  /// Their part of Y.
  [[nodiscard]] const RelevanceMatrix& relevance() const noexcept { return part_.relevance; }

  /// C in the raw space, as the spec's rule and cold policy have it.
  [[nodiscard]] EmbeddingStore<float> pseudo_embeddings(const RetrieverSpec& spec) {
    const BuildOptions building{executor_, {}};
    const EmbeddingView<float> queries = part_.queries.view();
    if (spec.rule == FoldRule::correlation) {
      return detail::pseudo_embeddings(passages_, queries, part_.relevance, spec.cold, building);
    }
    Eigen::MatrixXd a = total();
    const float b = spec.least_squares.passages_as_queries;
    if (b > 0.0f) a += static_cast<double>(b) * passage_moment();
    a /= static_cast<double>(queries.size());
    const LeastSquares fit = LeastSquares::of_second_moment(a, spec.least_squares, executor_);
    return detail::pseudo_embeddings(passages_, queries, part_.relevance, spec.cold, building, &fit);
  }

  /// The same in another space, with what trains there.
  [[nodiscard]] static EmbeddingStore<float> pseudo_embeddings(const EmbeddingView<float>& passages,
                                                               const EmbeddingView<float>& queries,
                                                               const RelevanceMatrix& relevance,
                                                               const RetrieverSpec& spec,
                                                               const BuildOptions& building) {
    if (spec.rule == FoldRule::correlation) {
      return detail::pseudo_embeddings(passages, queries, relevance, spec.cold, building);
    }
    const LeastSquares fit = LeastSquares::fit(passages, queries, spec.least_squares, building);
    return detail::pseudo_embeddings(passages, queries, relevance, spec.cold, building, &fit);
  }

  /// The whitening of what trains, at full rank; as Whitening::fit has it.
  [[nodiscard]] Whitening whitening(WhiteningParams params) {
    if (params.scatter != Scatter::total) {
      const WithinScatter& own = within();
      if (!(own.matrix.trace() > 1e-9 * own.mean_square)) params.scatter = Scatter::total;
    }
    switch (params.scatter) {
      case Scatter::within: return Whitening::of_scatter(within().matrix / within().weight, params, executor_);
      case Scatter::both:
        return Whitening::of_scatter(within().matrix / within().matrix.trace() + total() / total().trace(), params,
                                     executor_);
      case Scatter::total: break;
    }
    return Whitening::of_scatter(total() / static_cast<double>(part_.queries.size()), params, executor_);
  }

  /// What trains in the space of a spec. @param needs_hubness  whether some β is above 0
  [[nodiscard]] FoldSpace space(const RetrieverSpec& spec, bool needs_hubness) {
    const BuildOptions building{executor_, {}};
    const bool is_raw = spec.whitened == Whitened::none;
    std::optional<Whitening> fitted;
    if (!is_raw) fitted = whitening(spec.whitening);
    EmbeddingStore<float> rows =
        is_raw ? EmbeddingStore<float>::from(part_.queries.view()) : fitted->apply(part_.queries.view(), building);
    FoldSpace space{std::move(fitted), std::move(rows), {}};
    if (!needs_hubness) return space;
    space.hubness = centred_hubness(space.queries.view(), building).offsets;
    return space;
  }

 private:
  [[nodiscard]] const Eigen::MatrixXd& total() {
    if (!moments_.total) moments_.total = sum(part_.queries.view());
    return *moments_.total;
  }
  [[nodiscard]] const Eigen::MatrixXd& passage_moment() {
    if (!passage_moment_) passage_moment_ = sum(passages_);
    return *passage_moment_;
  }
  [[nodiscard]] const WithinScatter& within() {
    if (!moments_.within) {
      const Progress unheard;
      ProgressMeter meter(unheard, 1, "tune");
      moments_.within = within_scatter(part_.queries.view(), part_.relevance, executor_, meter);
    }
    return *moments_.within;
  }
  [[nodiscard]] Eigen::MatrixXd sum(const EmbeddingView<float>& rows) const {
    const Progress unheard;
    ProgressMeter meter(unheard, 1, "tune");
    return sum_of_squares(rows, executor_, meter);
  }

  const EmbeddingView<float>& passages_;
  std::vector<QueryId> training_;
  TrainingPart part_;
  FoldMoments& moments_;
  std::optional<Eigen::MatrixXd>& passage_moment_;
  AnyExecutor executor_;
};

}  // namespace pefa::detail
