// pefa: how good a retriever, or a run that is there already, is on held-out queries, with intervals; and how fast.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/search_options.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/eval/statistics.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// Whether evaluate() times each search.
enum class MeasureLatency {
  no,  ///< queries go through the retriever's batch search, in parallel
  yes  ///< queries go one after the other on the calling thread, each timed
};

/// What evaluate() measures, and how.
struct EvaluateOptions {
  std::vector<std::size_t> recall_at{1, 10, 100};  ///< cut-offs, each at least 1; so for the others
  std::vector<std::size_t> ndcg_at{10};            ///< of nDCG
  std::vector<std::size_t> mrr_at{10};             ///< of MRR
  std::vector<std::size_t> hit_rate_at{};          ///< of the hit rate
  std::size_t top_k = 0;                        ///< how many hits each search asks for; raised to the deepest cut-off
  SearchOptions search{};                       ///< of every search; without a deadline
  MeasureLatency latency = MeasureLatency::no;  ///< whether each search is timed
  std::size_t bootstrap_samples = 1000;         ///< 0: no intervals
  std::uint64_t seed = 1;                       ///< of the bootstrap
  AnyExecutor executor{};                       ///< for untimed searches
  Progress progress{};                          ///< counts queries; stop throws Cancelled
};

/// Milliseconds a search, on one thread.
struct LatencyReport {
  double mean = 0.0;  ///< over all searches
  double p50 = 0.0;   ///< the median
  double p95 = 0.0;   ///< 95th percentile
  double p99 = 0.0;   ///< 99th percentile
};

/// What evaluate() found; metrics are fractions by cut-off.
struct EvaluationReport {
  std::map<std::size_t, Estimate> recall;    ///< by each of recall_at
  std::map<std::size_t, Estimate> ndcg;      ///< by each of ndcg_at
  std::map<std::size_t, Estimate> mrr;       ///< by each of mrr_at
  std::map<std::size_t, Estimate> hit_rate;  ///< by each of hit_rate_at
  std::size_t queries_evaluated = 0;         ///< those with a relevant passage: the means are over them
  std::size_t queries_without_truth = 0;     ///< left out of every mean
  double seconds = 0.0;                      ///< wall time of the searches
  std::optional<LatencyReport> latency;      ///< empty where it was not measured
};

namespace detail {

[[nodiscard]] inline std::size_t deepest_cutoff(const EvaluateOptions& options, const char* who) {
  std::size_t deepest = 0;
  for (const auto* cutoffs : {&options.recall_at, &options.ndcg_at, &options.mrr_at, &options.hit_rate_at}) {
    for (const std::size_t k : *cutoffs) {
      if (k == 0) fail<ValueError>(who, ": a cut-off is 0, expected at least 1");
      deepest = std::max(deepest, k);
    }
  }
  if (deepest == 0) fail<ValueError>(who, ": no metric was asked for");
  return deepest;
}

[[nodiscard]] inline LatencyReport summarize_latency(const std::vector<double>& milliseconds) {
  return {bootstrap_mean(milliseconds, 0, 0).mean, percentile(milliseconds, 0.50), percentile(milliseconds, 0.95),
          percentile(milliseconds, 0.99)};
}

/// One metric at its cut-offs over all evaluated queries.
template <class Metric>
[[nodiscard]] std::map<std::size_t, Estimate> estimate(const std::vector<std::span<const Hit>>& results,
                                                       const std::vector<Row>& evaluated, const RelevanceMatrix& truth,
                                                       const std::vector<std::size_t>& cutoffs,
                                                       const EvaluateOptions& options, const Metric& metric) {
  std::map<std::size_t, Estimate> estimates;
  for (const std::size_t k : cutoffs) {
    std::vector<double> values(evaluated.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = metric(results[i], truth.passages_of(QueryId(evaluated[i])), k);
    }
    estimates[k] = bootstrap_mean(values, options.bootstrap_samples, options.seed);
  }
  return estimates;
}

/// Refuses a passage past the end, or twice in one ranking. @param where  what messages begin with
inline void require_run(const std::vector<std::vector<Hit>>& run, std::size_t n_passages, std::string_view where) {
  std::vector<std::size_t> seen_by(n_passages);  // 1 + the last query that has it
  for (std::size_t query = 0; query < run.size(); ++query) {
    for (const Hit& hit : run[query]) {
      if (hit.passage.row() >= n_passages) {
        fail<ShapeError>(where, "query ", query, " has passage ", hit.passage, ", expected below ", n_passages);
      }
      if (std::exchange(seen_by[hit.passage.row()], query + 1) == query + 1) {
        fail<ValueError>(where, "query ", query, " has passage ", hit.passage, " twice");
      }
    }
  }
}

/// A deadline is a moment, which all searches would share. @throws ValueError  there is one
inline void require_no_deadline(const SearchOptions& search, const char* who) {
  if (search.limit.deadline == SearchLimit::Clock::time_point::max()) return;
  fail<ValueError>(who,
                   ": the search options have a deadline, which is over for all but the first queries; expected none");
}

/// The queries that have a relevant passage. @throws ValueError  none has
[[nodiscard]] inline std::vector<Row> queries_with_truth(const RelevanceMatrix& truth, const char* who) {
  std::vector<Row> evaluated;
  for (Row q = 0; q < truth.rows(); ++q) {
    if (truth.passages_of(QueryId(q)).size() > 0) evaluated.push_back(q);
  }
  if (evaluated.empty()) fail<ValueError>(who, ": no query has a relevant passage in the truth");
  return evaluated;
}

/// All metrics of rankings. @param results  of the evaluated queries, in their order
[[nodiscard]] inline EvaluationReport report_on(const std::vector<std::span<const Hit>>& results,
                                                const std::vector<Row>& evaluated, const RelevanceMatrix& truth,
                                                const EvaluateOptions& options) {
  EvaluationReport report;
  const auto over = [&](const std::vector<std::size_t>& cutoffs, const auto& metric) {
    return estimate(results, evaluated, truth, cutoffs, options, metric);
  };
  report.recall = over(options.recall_at, recall_at);
  report.ndcg = over(options.ndcg_at, ndcg_at);
  report.mrr = over(options.mrr_at, reciprocal_rank_at);
  report.hit_rate = over(options.hit_rate_at, hit_rate_at);
  report.queries_evaluated = evaluated.size();
  report.queries_without_truth = truth.rows() - evaluated.size();
  return report;
}

}  // namespace detail

/// The metrics of rankings that are there already: of a run file, of a fusion. Nothing is searched or timed.
///
/// @param run    [n_queries], each ranking best first; no hits count as none found
/// @param truth  [n_queries x n_passages], grades as weights
/// @throws ShapeError  sizes that disagree, a passage past the end
/// @throws ValueError  a cut-off of 0, no query with a relevant passage, a passage twice in one ranking
[[nodiscard]] inline EvaluationReport evaluate_run(const std::vector<std::vector<Hit>>& run,
                                                   const RelevanceMatrix& truth, const EvaluateOptions& options = {}) {
  if (truth.rows() != run.size()) {
    detail::fail<ShapeError>("evaluate_run: truth has ", truth.rows(), " rows, the run has ", run.size(), " queries");
  }
  (void)detail::deepest_cutoff(options, "evaluate_run");
  detail::require_run(run, truth.cols(), "evaluate_run: ");
  const std::vector<Row> evaluated = detail::queries_with_truth(truth, "evaluate_run");
  std::vector<std::span<const Hit>> results;
  for (const Row query : evaluated) results.emplace_back(run[query]);
  return detail::report_on(results, evaluated, truth, options);
}

/// Searches every query that has a relevant passage and averages the metrics.
///
/// @param queries  [n_queries x dim]
/// @param truth    [n_queries x n_passages], grades as weights
/// @throws ShapeError  sizes that disagree  @throws ValueError  a cut-off of 0, no query with a relevant passage, a
/// deadline in options.search
/// @throws Cancelled   the progress callback said stop
template <Retriever R>
[[nodiscard]] EvaluationReport evaluate(const R& retriever, const EmbeddingView<float>& queries,
                                        const RelevanceMatrix& truth, const EvaluateOptions& options = {}) {
  if (truth.rows() != queries.size()) {
    detail::fail<ShapeError>("evaluate: truth has ", truth.rows(), " rows, queries has ", queries.size());
  }
  if (truth.cols() != retriever.passage_count()) {
    detail::fail<ShapeError>("evaluate: truth has ", truth.cols(), " columns, the retriever has ",
                             retriever.passage_count(), " passages");
  }
  if (queries.dim() != retriever.dim()) {
    detail::fail<ShapeError>("evaluate: queries have dim ", queries.dim(), ", the retriever has dim ", retriever.dim());
  }
  const std::size_t depth = std::max(options.top_k, detail::deepest_cutoff(options, "evaluate"));
  detail::require_no_deadline(options.search, "evaluate");
  const std::vector<Row> evaluated = detail::queries_with_truth(truth, "evaluate");

  using Clock = std::chrono::steady_clock;
  const auto elapsed_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  std::vector<std::vector<Hit>> results(evaluated.size());
  std::vector<double> milliseconds;
  ProgressMeter meter(options.progress, evaluated.size(), "evaluate");
  double seconds = 0.0;
  if (options.latency == MeasureLatency::yes) {
    milliseconds.resize(evaluated.size());
    SearchOptions warming = options.search;
    warming.stats = nullptr;
    (void)retriever.search({queries.row(evaluated[0]), queries.dim()}, depth, warming);  // fills caches, untimed
    for (std::size_t i = 0; i < evaluated.size(); ++i) {
      const QueryView query(queries.row(evaluated[i]), queries.dim());
      const Clock::time_point start = Clock::now();
      results[i] = retriever.search(query, depth, options.search);
      const double taken = elapsed_since(start);
      seconds += taken;
      milliseconds[i] = 1e3 * taken;
      meter.add(1);
    }
  } else {
    constexpr std::size_t block = 1024;  // bounds what a batch search holds at once
    for (std::size_t begin = 0; begin < evaluated.size(); begin += block) {
      const std::size_t end = std::min(evaluated.size(), begin + block);
      RowMajorMatrix gathered(static_cast<Eigen::Index>(end - begin), static_cast<Eigen::Index>(queries.dim()));
      for (std::size_t i = begin; i < end; ++i) {
        queries.decode(evaluated[i], gathered.data() + (i - begin) * queries.dim());
      }
      const Clock::time_point start = Clock::now();
      auto found = retriever.search_batch(gathered, depth, options.search, options.executor);
      seconds += elapsed_since(start);
      std::move(found.begin(), found.end(), results.begin() + static_cast<std::ptrdiff_t>(begin));
      meter.add(end - begin);
    }
  }

  const std::vector<std::span<const Hit>> rankings(results.begin(), results.end());
  EvaluationReport report = detail::report_on(rankings, evaluated, truth, options);
  report.seconds = seconds;
  if (!milliseconds.empty()) report.latency = detail::summarize_latency(milliseconds);
  return report;
}

}  // namespace pefa
