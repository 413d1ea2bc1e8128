#include "pefa/eval/tune_fusion.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "catch.hpp"
#include "pefa/eval/fuse.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

constexpr Row n_passages = 50;

/// A run that puts the relevant passage among its first ones with some probability, and noise elsewhere.
Run noisy_run(const RelevanceMatrix& truth, double skill, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform;
  Run run(truth.rows());
  for (Row query = 0; query < truth.rows(); ++query) {
    std::vector<Neighbor> scored;
    for (Row row = 0; row < n_passages; ++row) {
      const bool is_relevant = grade_of(PassageId(row), truth.passages_of(QueryId(query))) > 0.0f;
      const bool is_lucky = static_cast<double>(uniform(random)) < skill;
      scored.push_back({row, uniform(random) + (is_relevant && is_lucky ? 0.5f : 0.0f)});
    }
    keep_best(scored, 20);
    for (const Neighbor& each : scored) run[query].push_back({PassageId(each.row), each.score});
  }
  return run;
}

double score(const Run& run, const RelevanceMatrix& truth, const TuneFusionOptions& options) {
  double sum = 0.0;
  double count = 0.0;
  for (Row query = 0; query < truth.rows(); ++query) {
    const auto relevant = truth.passages_of(QueryId(query));
    if (relevant.size() == 0) continue;
    count += 1.0;
    sum += options.metric == TuneMetric::recall ? recall_at(run[query], relevant, options.at)
           : options.metric == TuneMetric::ndcg ? ndcg_at(run[query], relevant, options.at)
                                                : reciprocal_rank_at(run[query], relevant, options.at);
  }
  return sum / count;
}

}  // namespace

TEST_CASE("tune_fusion: two runs: every method and weight, scored as the fused runs are, and the best is picked") {
  const RelevanceMatrix truth = test::random_relevance(120, n_passages, 2, 1);
  const std::vector<Run> runs{noisy_run(truth, 0.6, 2), noisy_run(truth, 0.5, 3)};
  for (const TuneMetric metric : {TuneMetric::recall, TuneMetric::ndcg, TuneMetric::mrr}) {
    const TuneFusionOptions options{.metric = metric, .at = 5, .bootstrap_samples = 0, .randomizations = 100};
    const FusionReport report = tune_fusion(runs, truth, options);
    REQUIRE(report.tried.size() == 2 + 3 * 19);
    double highest = 0.0;
    for (const FusionEntry& entry : report.tried) {
      REQUIRE(entry.score == Approx(score(fuse_runs(runs, entry.params), truth, options)).epsilon(1e-12));
      highest = std::max(highest, entry.score);
    }
    REQUIRE(report.best.score == highest);
    REQUIRE(report.pick == report.best.params);
    REQUIRE(report.queries == 120);
    REQUIRE(report.tried[0].score == Approx(score(runs[0], truth, options)).epsilon(1e-12));
    REQUIRE(report.tried[1].score == Approx(score(runs[1], truth, options)).epsilon(1e-12));
    REQUIRE(report.best.score > std::max(report.tried[0].score, report.tried[1].score));  // two views are more than one
    REQUIRE(report.gain.mean == Approx(report.best.score - report.tried[report.best_leg].score));
  }
}

TEST_CASE("tune_fusion: never below the best leg, which is picked as it is where the others only harm") {
  const RelevanceMatrix truth = test::random_relevance(80, n_passages, 1, 4);
  for (unsigned seed = 0; seed < 10; ++seed) {
    for (const double skill : {0.0, 0.3, 0.9}) {
      const std::vector<Run> runs{noisy_run(truth, 0.8, 10 + seed), noisy_run(truth, skill, 50 + seed),
                                  noisy_run(truth, 0.1, 90 + seed)};
      for (const std::size_t legs : {2U, 3U}) {
        const FusionReport report = tune_fusion(std::span(runs).first(legs), truth, {.at = 3, .randomizations = 10});
        REQUIRE(report.tried.size() >= legs);
        for (std::size_t leg = 0; leg < legs; ++leg) REQUIRE(report.best.score >= report.tried[leg].score);
        REQUIRE(report.gain.mean >= 0.0);
      }
    }
  }
  const Run nothing(truth.rows());
  const Run perfect = [&] {
    Run run(truth.rows());
    for (Row query = 0; query < truth.rows(); ++query) {
      const auto relevant = truth.passages_of(QueryId(query));
      run[query].push_back({PassageId(static_cast<Row>(relevant.columns[0])), 1.0f});
    }
    return run;
  }();
  const std::vector<Run> runs{nothing, perfect};
  const FusionReport report = tune_fusion(runs, truth, {.at = 1});
  REQUIRE(report.pick.weights == std::vector<double>{0.0, 1.0});
  REQUIRE(report.best_leg == 1);
  REQUIRE(report.gain.mean == 0.0);
  REQUIRE(report.p_value == 1.0);
  const Run fused = fuse_runs(runs, report.pick);
  for (Row query = 0; query < truth.rows(); ++query) REQUIRE(fused[query][0].passage == perfect[query][0].passage);
}

TEST_CASE(
    "tune_fusion: three runs: weights of the grid's lines that add up to 1, at least as good as any two legs' equal "
    "share") {
  const RelevanceMatrix truth = test::random_relevance(150, n_passages, 2, 5);
  const std::vector<Run> runs{noisy_run(truth, 0.5, 6), noisy_run(truth, 0.5, 7), noisy_run(truth, 0.5, 8)};
  const TuneFusionOptions options{.at = 5, .randomizations = 10};
  const FusionReport report = tune_fusion(runs, truth, options);
  for (const FusionEntry& entry : report.tried) {
    REQUIRE(entry.params.weights.size() == 3);
    REQUIRE(entry.params.weights[0] + entry.params.weights[1] + entry.params.weights[2] == Approx(1.0));
    for (const double weight : entry.params.weights) REQUIRE(weight >= 0.0);
  }
  for (const FuseMethod method : options.methods) {
    REQUIRE(report.best.score >= score(fuse_runs(runs, {.method = method}), truth, options) - 1e-12);
  }
}

TEST_CASE("tune_fusion: three runs: the equal weights that it starts from are among what is tried") {
  std::vector<RelevancePair> pairs;
  for (Row query = 0; query < 3; ++query) pairs.push_back({QueryId(query), PassageId(0)});
  const RelevanceMatrix truth = RelevanceMatrix::from_pairs(pairs, 3, 10);
  std::vector<Run> runs(3,
                        Run(3));  // each finds the passage for one query, and has it tied with others by equal weights
  for (Row run = 0; run < 3; ++run) {
    for (Row query = 0; query < 3; ++query) {
      runs[run][query] = {{PassageId(run == query ? 0 : 1 + query + run), 1.0f}};
    }
  }
  const FusionReport report = tune_fusion(runs, truth, {.at = 1, .methods = {FuseMethod::rrf}});
  REQUIRE(report.best.score == 1.0);
  REQUIRE(report.pick.weights[0] == Approx(1.0 / 3.0));
}

TEST_CASE("tune_fusion: queries count that have a relevant passage and a hit in some run; threads change nothing") {
  const std::vector<RelevancePair> pairs{
      {QueryId(0), PassageId(1)}, {QueryId(1), PassageId(2)}, {QueryId(3), PassageId(4)}};
  const RelevanceMatrix truth = RelevanceMatrix::from_pairs(pairs, 4, 10);
  const Run a = {{{PassageId(1), 1.0f}}, {}, {{PassageId(3), 1.0f}}, {}};
  const Run b = {{}, {{PassageId(5), 1.0f}}, {{PassageId(3), 1.0f}}, {}};
  const std::vector<Run> runs{a, b};
  const FusionReport report = tune_fusion(runs, truth, {.at = 2});
  REQUIRE(report.queries == 2);  // query 2 has no truth, query 3 was not searched
  REQUIRE(report.tried[0].score == 0.5);
  REQUIRE(report.tried[1].score == 0.0);

  const RelevanceMatrix many = test::random_relevance(300, n_passages, 2, 1);
  const std::vector<Run> larger{noisy_run(many, 0.6, 2), noisy_run(many, 0.5, 3)};
  const FusionReport parallel = tune_fusion(larger, many);
  const FusionReport serial = tune_fusion(larger, many, {.executor = AnyExecutor::serial()});
  REQUIRE(parallel.pick == serial.pick);
  REQUIRE(parallel.best.score == serial.best.score);
  REQUIRE(parallel.p_value == serial.p_value);
}

TEST_CASE("tune_fusion: what it cannot do is refused") {
  const RelevanceMatrix truth = test::random_relevance(5, n_passages, 1, 1);
  const std::vector<Run> runs{noisy_run(truth, 0.5, 1), noisy_run(truth, 0.5, 2)};
  REQUIRE_ERROR(ValueError, "tune_fusion: 1 runs, expected at least 2", tune_fusion(std::span(runs).first(1), truth));
  REQUIRE_ERROR(ValueError, "the metric's cut-off is 0", tune_fusion(runs, truth, {.at = 0}));
  REQUIRE_ERROR(ValueError, "no methods", tune_fusion(runs, truth, {.methods = {}}));
  REQUIRE_ERROR(ValueError, "weight_steps is 0", tune_fusion(runs, truth, {.weight_steps = 0}));
  REQUIRE_ERROR(ShapeError, "run 0 has 5 queries, truth has 6",
                tune_fusion(runs, test::random_relevance(6, n_passages, 1, 1)));
  REQUIRE_ERROR(ShapeError, "tune_fusion: run 0, query ", tune_fusion(runs, test::random_relevance(5, 2, 1, 1)));
  REQUIRE_ERROR(ValueError, "of 5 queries, none has a relevant passage and a hit",
                tune_fusion(runs, RelevanceMatrix::from_pairs({}, 5, n_passages)));
}
