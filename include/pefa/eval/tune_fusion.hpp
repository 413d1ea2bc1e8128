// pefa: which way of fusing rankings suits the data, and with which weights, found on queries whose answers are known.
//
// The runs must not have been made by retrievers that know those answers: of training queries, search_out_of_fold()
// makes such runs. A retriever asked with its own training queries looks better than it is, and gets all the weight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/eval/evaluate.hpp"
#include "pefa/eval/fuse.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/eval/significance.hpp"
#include "pefa/eval/statistics.hpp"
#include "pefa/eval/tune_grid.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// What is tried, and what for.
struct TuneFusionOptions {
  TuneMetric metric = TuneMetric::recall;                                                  ///< what is maximised
  std::size_t at = 10;                                                                     ///< its cut-off, at least 1
  std::vector<FuseMethod> methods{FuseMethod::rrf, FuseMethod::dbsf, FuseMethod::linear};  ///< at least 1
  double rank_constant = 60.0;                                                             ///< k of rrf
  std::size_t weight_steps = 20;         ///< weights are 0, 1/steps, 2/steps, … 1
  std::size_t bootstrap_samples = 1000;  ///< of the interval of the gain; 0: none
  std::size_t randomizations = 10'000;   ///< of the test of the pick against the better leg
  std::uint64_t seed = 1;                ///< of both
  AnyExecutor executor{};                ///< for the queries
};

/// One way of fusing, and how it did.
struct FusionEntry {
  FuseParams params{};  ///< weights add up to 1
  double score = 0.0;   ///< the metric's mean, a fraction
};

/// What tune_fusion() found.
struct FusionReport {
  TuneMetric metric = TuneMetric::recall;  ///< as asked for
  std::size_t at = 0;                      ///< its cut-off
  std::vector<FusionEntry> tried;          ///< each leg alone, then the others as they were tried, some twice
  std::size_t best_leg = 0;                ///< the run that is best alone
  FusionEntry best{};                      ///< the highest score, the first tried among equals: a leg before a fusion
  FuseParams pick{};                       ///< best.params: what fuse() takes
  Estimate gain{};                         ///< pick − the best leg, with its 95 % interval; its mean is never below 0
  double p_value = 1.0;                    ///< of that gain, two-sided
  std::size_t queries = 0;                 ///< how many were scored
};

namespace detail {

/// Scores ways of fusing on the queries that count.
class FusionScorer {
 public:
  FusionScorer(std::span<const Run> runs, const RelevanceMatrix& truth, const TuneFusionOptions& options)
      : runs_(runs), truth_(truth), options_(options) {
    for (Row query = 0; query < truth.rows(); ++query) {
      bool is_asked = false;
      for (const Run& run : runs) is_asked = is_asked || !run[query].empty();
      if (is_asked && truth.passages_of(QueryId(query)).size() > 0) queries_.push_back(QueryId(query));
    }
  }

  [[nodiscard]] std::size_t query_count() const noexcept { return queries_.size(); }

  /// The metric of every query that counts under every setting. [settings][queries]
  [[nodiscard]] std::vector<std::vector<double>> values(FuseMethod method,
                                                        const std::vector<std::vector<double>>& weights) const {
    std::vector<std::vector<double>> values(weights.size(), std::vector<double>(queries_.size()));
    for_each_block(options_.executor, queries_.size(), 64, [&](std::size_t begin, std::size_t end) {
      std::vector<std::span<const Hit>> lists(runs_.size());
      for (std::size_t i = begin; i < end; ++i) {
        for (std::size_t run = 0; run < runs_.size(); ++run) lists[run] = runs_[run][queries_[i].row()];
        const std::string where = join_message("tune_fusion: query ", queries_[i], ", ");
        const FusionTable table(lists, method, options_.rank_constant, where);
        for (std::size_t setting = 0; setting < weights.size(); ++setting) {
          values[setting][i] = metric(table.rank(weights[setting], options_.at), truth_.passages_of(queries_[i]));
        }
      }
    });
    return values;
  }

  [[nodiscard]] FuseParams params(FuseMethod method, std::vector<double> weights) const {
    return {.method = method, .weights = std::move(weights), .rank_constant = options_.rank_constant};
  }

  /// The same settings with their means, appended to `tried`.
  void score(FuseMethod method, const std::vector<std::vector<double>>& weights,
             std::vector<FusionEntry>& tried) const {
    const auto scored = values(method, weights);
    for (std::size_t setting = 0; setting < weights.size(); ++setting) {
      tried.push_back({params(method, weights[setting]), bootstrap_mean(scored[setting], 0, 0).mean});
    }
  }

 private:
  [[nodiscard]] double metric(std::span<const Hit> hits, const RelevanceMatrix::Entries& truth) const {
    switch (options_.metric) {
      case TuneMetric::recall: return recall_at(hits, truth, options_.at);
      case TuneMetric::ndcg: return ndcg_at(hits, truth, options_.at);
      case TuneMetric::mrr: return reciprocal_rank_at(hits, truth, options_.at);
    }
    return 0.0;
  }

  std::span<const Run> runs_;
  const RelevanceMatrix& truth_;
  const TuneFusionOptions& options_;
  std::vector<QueryId> queries_;
};

/// `weights` with that of one leg set to w and the others scaled to fill the rest, equally where they have none.
[[nodiscard]] inline std::vector<double> with_weight(std::vector<double> weights, std::size_t leg, double w) {
  double others = 0.0;
  for (std::size_t i = 0; i < weights.size(); ++i) others += i == leg ? 0.0 : weights[i];
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (i == leg) {
      weights[i] = w;
    } else {
      const double share = others > 0.0 ? weights[i] / others : 1.0 / static_cast<double>(weights.size() - 1);
      weights[i] = (1.0 - w) * share;
    }
  }
  return weights;
}

/// The first of the highest scores from `begin` on.
[[nodiscard]] inline std::size_t best_fusion(const std::vector<FusionEntry>& tried, std::size_t begin = 0) {
  std::size_t best = begin;
  for (std::size_t i = begin + 1; i < tried.size(); ++i) {
    if (is_ahead(tried[i].score, tried[best].score)) best = i;
  }
  return best;
}

/// Moves one weight at a time to where the score is highest, until none moves: with two legs that is the whole grid.
inline void descend(const FusionScorer& scorer, FuseMethod method, std::vector<double> weights, std::size_t steps,
                    std::vector<FusionEntry>& tried) {
  const std::size_t legs = weights.size();
  const std::size_t start = tried.size();
  if (legs > 2) scorer.score(method, {weights}, tried);  // the grid of two has it
  double score = legs > 2 ? tried[start].score : -1.0;
  for (std::size_t leg = 0, unmoved = 0; unmoved < legs; leg = (leg + 1) % legs) {
    std::vector<std::vector<double>> line;
    for (std::size_t step = 0; step < steps; ++step) {  // all weight is one leg alone, which is scored already
      if (legs == 2 && step == 0) continue;             // so is none
      line.push_back(with_weight(weights, leg, static_cast<double>(step) / static_cast<double>(steps)));
    }
    const std::size_t begin = tried.size();
    scorer.score(method, line, tried);
    if (legs == 2 || line.empty()) return;
    const FusionEntry& best = tried[best_fusion(tried, begin)];
    const bool moves = is_ahead(best.score, score);
    unmoved = moves ? 0 : unmoved + 1;
    if (!moves) continue;
    score = best.score;
    weights = best.params.weights;
  }
}

inline void require_tune_fusion(std::span<const Run> runs, const RelevanceMatrix& truth,
                                const TuneFusionOptions& options) {
  if (runs.size() < 2) fail<ValueError>("tune_fusion: ", runs.size(), " runs, expected at least 2");
  for (std::size_t run = 0; run < runs.size(); ++run) {
    if (runs[run].size() == truth.rows()) continue;
    fail<ShapeError>("tune_fusion: run ", run, " has ", runs[run].size(), " queries, truth has ", truth.rows());
  }
  for (std::size_t run = 0; run < runs.size(); ++run) {
    require_run(runs[run], truth.cols(), join_message("tune_fusion: run ", run, ", "));
  }
  if (options.at == 0) fail<ValueError>("tune_fusion: the metric's cut-off is 0, expected at least 1");
  if (options.methods.empty()) fail<ValueError>("tune_fusion: no methods, expected at least 1");
  if (options.weight_steps == 0) fail<ValueError>("tune_fusion: weight_steps is 0, expected at least 1");
  require_rank_constant(options.rank_constant);
}

}  // namespace detail

/// Finds the method and the weights under which the fused runs score highest.
///
/// Two runs: every method with the weights (w, 1 − w), w in {0, 1/steps, … 1}. More runs: for every method, one weight
/// at a time over the same grid, the others scaled to fill the rest, from equal weights on until none moves. Each run
/// alone is always among what is tried, and fuse() by such weights gives that run's rankings as they are: the pick is
/// never below the best leg on these queries. What holds on new queries, new queries say: the best of many settings
/// looks a little better on those it was chosen on.
///
/// @param runs   [n_runs][n_queries], each ranking as fuse() takes it
/// @param truth  [n_queries x n_passages], grades as weights; queries count that have a relevant passage and, in some
///               run, a hit: a run that was not asked all of them looks worse than it is
/// @throws ShapeError  a run of another number of queries, a passage past the end
/// @throws ValueError  fewer than 2 runs, options out of range, no query that counts; a ranking that fuse() refuses
/// O(methods · steps · hits), for two runs. The same for any number of threads.
[[nodiscard]] inline FusionReport tune_fusion(std::span<const Run> runs, const RelevanceMatrix& truth,
                                              const TuneFusionOptions& options = {}) {
  detail::require_tune_fusion(runs, truth, options);
  const detail::FusionScorer scorer(runs, truth, options);
  if (scorer.query_count() == 0) {
    detail::fail<ValueError>("tune_fusion: of ", truth.rows(), " queries, none has a relevant passage and a hit");
  }
  FusionReport report;
  report.metric = options.metric;
  report.at = options.at;
  report.queries = scorer.query_count();
  std::vector<std::vector<double>> alone(runs.size(), std::vector<double>(runs.size(), 0.0));
  for (std::size_t leg = 0; leg < runs.size(); ++leg) alone[leg][leg] = 1.0;
  scorer.score(options.methods.front(), alone, report.tried);
  report.best_leg = detail::best_fusion(report.tried);
  const std::vector<double> equal(runs.size(), 1.0 / static_cast<double>(runs.size()));
  for (const FuseMethod method : options.methods) {
    detail::descend(scorer, method, equal, options.weight_steps, report.tried);
  }
  report.best = report.tried[detail::best_fusion(report.tried)];
  report.pick = report.best.params;

  const auto picked = scorer.values(report.pick.method, {report.pick.weights});
  const auto leg = scorer.values(report.pick.method, {alone[report.best_leg]});
  const std::vector<double> gains = paired_differences(picked[0], leg[0]);
  report.gain = bootstrap_mean(gains, options.bootstrap_samples, options.seed);
  report.p_value = paired_randomization_test(gains, options.randomizations, options.seed);
  return report;
}

}  // namespace pefa
