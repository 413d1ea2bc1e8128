// pefa: the best method, λ, k and gate for the data at hand, found on held-out training queries; no test set is
// touched.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "pefa/adapter/retriever.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/eval/fitted_tuner.hpp"
#include "pefa/eval/fold_scorer.hpp"
#include "pefa/eval/served_bytes.hpp"
#include "pefa/eval/significance.hpp"
#include "pefa/eval/statistics.hpp"
#include "pefa/eval/tune_grid.hpp"
#include "pefa/eval/validation_split.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {
namespace detail {

[[nodiscard]] inline double mean_of(const std::vector<double>& values) {
  return bootstrap_mean(values, 0, 0).mean;
}

/// The first of the highest scores among the settings that `accept` takes.
template <class Accept>
[[nodiscard]] std::size_t best_setting(const std::vector<TuneEntry>& grid, const Accept& accept) {
  std::size_t best = grid.size();
  for (std::size_t e = 0; e < grid.size(); ++e) {
    if (accept(grid[e]) && (best == grid.size() || is_ahead(grid[e].score, grid[best].score))) best = e;
  }
  return best;
}

/// Rows as floats: the view itself where they are.
template <class Scalar>
class FloatRows {
 public:
  explicit FloatRows(const EmbeddingView<Scalar>& rows)
      : decoded_(EmbeddingStore<float>::for_overwrite(rows.size(), rows.dim())), view_(decoded_.view()) {
    for (std::size_t i = 0; i < rows.size(); ++i) rows.decode(i, decoded_.mutable_row(i));
  }
  FloatRows(const FloatRows&) = delete;
  FloatRows& operator=(const FloatRows&) = delete;
  ~FloatRows() = default;

  [[nodiscard]] const EmbeddingView<float>& view() const noexcept { return view_; }

 private:
  EmbeddingStore<float> decoded_;
  EmbeddingView<float> view_;
};

template <>
class FloatRows<float> {
 public:
  explicit FloatRows(const EmbeddingView<float>& rows) : view_(rows) {}

  [[nodiscard]] const EmbeddingView<float>& view() const noexcept { return view_; }

 private:
  EmbeddingView<float> view_;
};

/// The one-standard-error rule of tune(). @param values  by setting and query
[[nodiscard]] inline std::size_t pick_setting(const std::vector<TuneEntry>& grid,
                                              const std::vector<std::vector<double>>& values, std::size_t best) {
  const TuneEntry* last = nullptr;  // of the costs looked at, from the least on
  for (;;) {
    const TuneEntry* next = nullptr;
    for (const TuneEntry& entry : grid) {
      const bool is_more = last == nullptr || cost_of(*last) < cost_of(entry);
      if (is_more && (next == nullptr || cost_of(entry) < cost_of(*next))) next = &entry;
    }
    if (next == nullptr) return best;
    last = next;
    const std::size_t candidate =
        best_setting(grid, [&](const TuneEntry& entry) { return cost_of(entry) == cost_of(*next); });
    const std::vector<double> behind = paired_differences(values[best], values[candidate]);
    if (mean_of(behind) <= standard_error(behind)) return candidate;
  }
}

}  // namespace detail

/// Scores every setting of the grid on held-out training queries and picks the one to use.
///
/// While a query is scored, the pairs of all queries of its fold are out of Q, Y and C; its own passages are the truth,
/// their weights the grades. Exact search throughout: what an approximate index loses is for evaluate() to say. What
/// the grid does not vary (PseudoNorm, queries_per_centroid, shrinkage, CondensedWeight, KnnSimilarity, the cold policy
/// of multi-vector XS and of folds that are not fitted) is as the library has it by default. Over int8 rows what is
/// fitted or condensed is scored as floats, as it is before an adapter codes it again.
///
/// What is fitted (FittedGrid) is fitted for each fold on the queries that it leaves, and tried coarse to fine: least
/// squares and whitened spaces by XS, XL over the best of either, its gates, k, folds and λ, then what lies around the
/// best. Up to 100,000 passages least squares is tried with ColdPassage::borrowed, too. All that was scored is in the
/// report.
///
/// The pick is the best score, or with Preference::cost the cheapest method whose score is within noise of it. Methods
/// that search one index come before those that search two; among either, fewer bytes of vectors (TuneEntry::bytes)
/// come first, and at equal bytes the plainer method: ERM < XS < multi-vector XS by bytes < XL over condensed queries
/// by bytes < XL < XL over XS. Of the settings that cost the same the best stands for all; the first that is within one
/// standard error of the best of all is picked. That is the rule of Breiman et al., Classification and Regression
/// Trees, 1984, section 3.4.3, with the standard error of the paired difference in the place of the best score's own,
/// since all settings meet the same queries.
///
/// The best of many settings looks a little better on the queries it was chosen on than on new ones; `best.score`,
/// `gain` and `p_value` share that optimism. Test queries that tune() has not seen give an unbiased figure.
///
/// @param passages   P [n_passages x dim]
/// @param queries    Q [n_train_queries x dim]
/// @param relevance  Y [n_train_queries x n_passages]
/// @throws ShapeError  dims or row counts that disagree
/// @throws ValueError  an empty input, a row that is not finite, or zero, options out of range, too few queries with
///                     passages (see split_validation)
/// @throws Cancelled   the progress callback said stop
/// Without what is fitted: O((2 · n_passages + n_train_queries) · dim) a validation query, little more than scoring it
/// once, and 8 · settings bytes; further c · n_passages · dim for each max_centroids c, n_passages · dim for each fold,
/// n_train_queries · dim for each cosine. An adapter is made a fold, and centroids and condensed queries once more to
/// count them. What is fitted: some twelve bases a fold, each O(n_passages · dim²) and n_passages · dim a validation
/// query, in some 50 KiB a validation query, more where queries have many passages. The same scores for any number of
/// threads.
template <EmbeddingScalar Scalar>
[[nodiscard]] TuneReport tune(const EmbeddingView<Scalar>& passages, const EmbeddingView<Scalar>& queries,
                              const RelevanceMatrix& relevance, const TuneOptions& options = {}) {
  const auto start = std::chrono::steady_clock::now();
  detail::require_tune_options(options);
  detail::require_training_data(passages, queries, relevance, "tune");
  const auto folds = split_validation(queries, relevance, options.validation);

  TuneReport report{
      .metric = options.metric, .at = options.at, .prefer = options.prefer, .grid = detail::make_grid(options)};
  for (const auto& held_out : folds) report.queries += held_out.size();
  report.cold = count_cold(relevance, folds);
  report.folds = folds.size();

  std::vector<std::vector<double>> values(report.grid.size(), std::vector<double>(report.queries));
  const std::size_t stages = options.fitted.empty() ? 0 : detail::FittedTuner<>::stages;
  ProgressMeter meter(options.progress, report.queries * (1 + stages), "tune");
  std::size_t scored = 0;
  for (const auto& held_out : folds) {
    const detail::FoldScorer<Scalar> scorer(passages, queries, relevance, options, held_out);
    scorer.score(scored, values, meter);
    scored += held_out.size();
  }

  for (std::size_t e = 0; e < values.size(); ++e) report.grid[e].score = detail::mean_of(values[e]);
  if (!options.fitted.empty()) {
    const detail::FloatRows<Scalar> p(passages);
    const detail::FloatRows<Scalar> q(queries);
    detail::FittedTuner<>(p.view(), q.view(), relevance, folds, options, report.grid, values, meter, start).run();
  }
  for (std::size_t e = 0; e < values.size(); ++e) report.grid[e].standard_error = standard_error(values[e]);
  detail::fill_bytes(passages, queries, relevance, options, report.grid);
  const std::size_t best = detail::best_setting(report.grid, [](const TuneEntry&) { return true; });
  const std::size_t pick =
      options.prefer == Preference::answers ? best : detail::pick_setting(report.grid, values, best);
  report.best = report.grid[best];
  report.chosen = report.grid[pick];
  report.pick = report.chosen.spec;
  const std::vector<double> gains = paired_differences(values[pick], values[0]);
  report.gain = bootstrap_mean(gains, options.bootstrap_samples, options.validation.seed);
  report.p_value = paired_randomization_test(gains, options.randomizations, options.validation.seed);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

#if defined(PEFA_COMPILED) && PEFA_COMPILED
// pefa::compiled is linked: it is there already.
/// @cond
extern template TuneReport tune<float>(const EmbeddingView<float>& passages, const EmbeddingView<float>& queries,
                                       const RelevanceMatrix& relevance, const TuneOptions& options);
/// @endcond
#endif

}  // namespace pefa
