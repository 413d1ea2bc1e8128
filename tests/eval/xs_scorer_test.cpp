#include "pefa/eval/xs_scorer.hpp"

#include "retriever_oracle.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("XsScorer: every XS score is that of PefaXs over FlatIndex built without the held-out queries") {
  const TuningProblem problem = gaussian();
  for (const TuneMetric metric : {TuneMetric::recall, TuneMetric::ndcg, TuneMetric::mrr}) {
    TuneOptions options = xs_only({0.0f, 0.3f, 0.7f, 1.0f});
    options.metric = metric;
    options.at = 5;
    options.validation = {.folds = 3, .max_queries = 90};
    require_same_as_retrievers(problem, options);
  }
  TuneOptions holdout = xs_only({0.4f});
  holdout.cold = {ColdPassage::erm, ColdPassage::paper};
  holdout.at = 1;
  holdout.validation = {.folds = 1, .holdout = 0.3};
  require_same_as_retrievers(problem, holdout);
}

TEST_CASE("XsScorer: every score of XS with borrowing cold passages is that of PefaXs built likewise") {
  TuneOptions options = xs_only({0.0f, 0.4f, 1.0f});
  options.cold = {ColdPassage::borrowed};
  options.metric = TuneMetric::ndcg;
  options.at = 5;
  options.validation = {.folds = 3};
  require_same_as_retrievers(gaussian(), options);
  options.cold = {ColdPassage::paper, ColdPassage::borrowed, ColdPassage::erm};  // side by side, in any order
  require_same_as_retrievers(gaussian(), options);
  const TuneReport report = gaussian().tune(options);
  REQUIRE(report.grid[2].score != report.grid[5].score);  // the policies differ on these data
  REQUIRE(report.grid[5].score != report.grid[8].score);
}

TEST_CASE("XsScorer: every score of multi-vector XS is that of PefaXsMulti built without the held-out queries") {
  for (const TuneMetric metric : {TuneMetric::recall, TuneMetric::ndcg, TuneMetric::mrr}) {
    TuneOptions options = xs_only({0.0f, 0.3f, 0.7f, 1.0f});
    options.max_centroids = {1, 3, 8};
    options.metric = metric;
    options.at = 4;
    options.validation = {.folds = 3, .max_queries = 90};
    require_same_as_retrievers(bundled(), options);
    options.cold = {};
    require_same_as_retrievers(gaussian(), options);
  }
  const TuningProblem tiles{random_matrix(600, 8, 1), random_matrix(900, 8, 2), random_relevance(900, 600, 3, 5, 40)};
  TuneOptions options = xs_only({0.25f});
  options.max_centroids = {4};
  options.validation = {.folds = 2, .max_queries = 200};
  require_same_as_retrievers(tiles, options);  // centroids of a passage do not straddle tiles
}
