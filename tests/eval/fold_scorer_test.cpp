#include "pefa/eval/fold_scorer.hpp"

#include "retriever_oracle.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("FoldScorer: all methods at once score as each alone") {
  TuneOptions options = with_all_methods(with_paper_methods({.at = 3, .lambdas = {0.2f, 1.0f}, .neighbors = {8}}));
  options.gates = {{GateKind::softmax, 0.1f}, {GateKind::mean}};
  options.cold.push_back(ColdPassage::borrowed);
  options.validation = {.folds = 2, .max_queries = 60};
  require_same_as_retrievers(bundled(), options);
}

TEST_CASE("FoldScorer: more passages and training queries than a tile, and more validation queries than a block") {
  const TuningProblem problem{random_matrix(600, 8, 1), random_matrix(700, 8, 2), random_relevance(700, 600, 3, 5, 40)};
  TuneOptions options = with_paper_methods();
  options.lambdas = {0.25f};
  options.neighbors = {8};
  options.gates = {{GateKind::sum}};
  options.validation = {.folds = 2, .max_queries = 300};
  require_same_as_retrievers(problem, options);
}

TEST_CASE("FoldScorer: int8 codes score as the retrievers over them do") {
  const TuningProblem problem = gaussian();
  const auto passages = EmbeddingStore<std::int8_t>::from(problem.passages);
  const auto queries = EmbeddingStore<std::int8_t>::from(problem.queries);
  const TuneOptions options{.lambdas = {0.3f},
                            .max_centroids = {4},
                            .neighbors = {4},
                            .gates = {{GateKind::softmax, 0.1f}},
                            .condense = {0.6f},
                            .fitted = FittedGrid::none(),
                            .validation = {.folds = 1, .holdout = 0.3}};
  const TuneReport report = tune(passages.view(), queries.view(), problem.relevance, options);

  TuningProblem decoded = problem;
  for (std::size_t i = 0; i < passages.size(); ++i)
    passages.view().decode(i, decoded.passages.row(static_cast<Eigen::Index>(i)).data());
  for (std::size_t i = 0; i < queries.size(); ++i)
    queries.view().decode(i, decoded.queries.row(static_cast<Eigen::Index>(i)).data());
  const TuneReport expected = decoded.tune(options);
  for (std::size_t e = 0; e < expected.grid.size(); ++e) REQUIRE(report.grid[e].score == expected.grid[e].score);
}
