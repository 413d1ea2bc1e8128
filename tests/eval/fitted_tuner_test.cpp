#include "pefa/eval/fitted_tuner.hpp"

#include "retriever_oracle.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// The fitted parts alone, few of each.
TuneOptions fitted_only() {
  TuneOptions options = xs_only({1.0f});
  options.fitted = FittedGrid{};
  options.fitted.solve_shrinkages = {0.1f, 1.0f};
  options.fitted.whitening_shrinkages = {0.3f, 1.0f};
  options.fitted.hubness = {0.5f, 0.0f};
  options.fitted.gates = {{GateKind::softmax, 0.05f}, {.kind = GateKind::local, .ridge = 0.3f}};
  options.fitted.neighbors = {8, 3, 100};
  options.fitted.lambdas = {0.35f, 0.0f};
  options.fitted.folds = {0.15f, 0.0f};
  options.metric = TuneMetric::ndcg;
  options.at = 6;
  options.validation = {.folds = 2, .max_queries = 60};
  return options;
}

}  // namespace

TEST_CASE("FittedTuner: every score is that of the retriever fitted and built without the held-out queries") {
  require_same_as_retrievers(bundled(), fitted_only());
}

TEST_CASE("FittedTuner: cold passages keep their vectors, or borrow, as in the retrievers") {
  TuningProblem problem{random_matrix(70, 12, 1), random_matrix(130, 12, 2)};
  TuneOptions options = fitted_only();
  options.fitted.passages_as_queries = {0.0f, 0.3f};
  require_same_as_retrievers(problem, options);
  const auto report = problem.tune(options);
  const auto borrows = [](const TuneEntry& entry) { return entry.spec.cold == ColdPassage::borrowed; };
  REQUIRE(std::any_of(report.grid.begin(), report.grid.end(), borrows));
}

TEST_CASE(
    "FittedTuner: without two queries of one passage there is one scatter, and spaces or least squares alone do") {
  std::vector<RelevancePair> pairs;
  for (Row q = 0; q < 40; ++q) pairs.push_back({QueryId(q), PassageId(q), 1.0f});
  TuningProblem problem{random_matrix(40, 12, 1), random_matrix(40, 12, 2)};
  problem.relevance = RelevanceMatrix::from_pairs(pairs, 40, 40);
  TuneOptions options = fitted_only();
  require_same_as_retrievers(problem, options);
  for (const TuneEntry& entry : problem.tune(options).grid) {
    if (entry.spec.whitened != Whitened::none) REQUIRE(entry.spec.whitening.scatter == Scatter::total);
  }
  options.fitted.solve_shrinkages.clear();
  require_same_as_retrievers(bundled(), options);
  options = fitted_only();
  options.fitted.scatters.clear();
  require_same_as_retrievers(bundled(), options);
}
