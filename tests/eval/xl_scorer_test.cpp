#include "pefa/eval/xl_scorer.hpp"

#include "retriever_oracle.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("XlScorer: every score of XL over condensed queries is that of PefaXl over those that are left, condensed") {
  for (const float cosine : {0.5f, 0.8f, 1.0f}) {
    TuneOptions options = xl_only({0.0f, 0.5f, 1.0f}, {1, 4, 300});
    options.condense = {cosine};
    options.metric = TuneMetric::ndcg;
    options.at = 6;
    options.validation = {.folds = 2, .max_queries = 80};
    require_same_as_retrievers(bundled(), options);
  }
  TuneOptions alone = xl_only({0.3f}, {16});
  alone.plain_xl = PlainXl::left_out;
  alone.condense = {0.7f, 0.9f};
  alone.passage_candidates = 25;
  require_same_as_retrievers(lattice(), alone);
}

TEST_CASE("XlScorer: every score of XL over XS is that of PefaXl with its fold, votes below 0 and all") {
  for (const TuneMetric metric : {TuneMetric::recall, TuneMetric::ndcg}) {
    TuneOptions options = xl_only({0.0f, 0.5f, 1.0f}, {1, 4, 300});
    options.folds = {0.0f, 0.3f, 0.6f};
    options.metric = metric;
    options.at = 6;
    options.validation = {.folds = 2, .max_queries = 80};
    require_same_as_retrievers(gaussian(), options);
  }
  TuneOptions alone = xl_only({0.3f}, {20});
  alone.plain_xl = PlainXl::left_out;
  alone.folds = {0.5f};
  alone.at = 20;
  alone.validation = {.folds = 1, .holdout = 0.7};
  require_same_as_retrievers(gaussian(), alone);
}

TEST_CASE(
    "XlScorer: every XL score is that of PefaXl over FlatIndex built without the held-out queries, ties and all") {
  const TuningProblem problem = lattice();
  for (const TuneMetric metric : {TuneMetric::recall, TuneMetric::ndcg, TuneMetric::mrr}) {
    TuneOptions options = xl_only({0.0f, 0.5f, 1.0f}, {1, 4, 16});
    options.metric = metric;
    options.at = metric == TuneMetric::recall ? 1 : 8;
    options.validation = {.folds = 2, .max_queries = 80};
    require_same_as_retrievers(problem, options);
  }
}

TEST_CASE("XlScorer: XL offers as many passages of the ERM side as PefaXl, and scores the others exactly") {
  TuneOptions options = xl_only({0.0f, 0.5f}, {2, 16});
  options.validation = {.folds = 2};
  for (const std::size_t candidates : {std::size_t{0}, std::size_t{9}, std::size_t{70}}) {
    options.passage_candidates = candidates;
    options.at = 6;
    require_same_as_retrievers(lattice(), options);
  }
}

TEST_CASE("XlScorer: votes below 0 make XL look further down the ERM side, as in PefaXl") {
  const TuningProblem problem{random_matrix(70, 8, 1), random_matrix(200, 8, 2), random_relevance(200, 70, 2, 3)};
  TuneOptions options = xl_only({0.0f, 0.5f}, {20});  // all that are left to train: half of them look the other way
  options.at = 20;
  options.validation = {.folds = 1, .holdout = 0.9};
  require_same_as_retrievers(problem, options);
}

TEST_CASE("XlScorer: cut-offs, k and candidates past the end of the data mean all there is") {
  TuneOptions options = xl_only({0.0f, 0.5f}, {200, 1000});
  options.at = 100;
  options.metric = TuneMetric::ndcg;
  options.validation = {.folds = 1, .holdout = 0.5};
  require_same_as_retrievers(lattice(), options);
  TuneOptions xs = xs_only({0.2f});
  xs.at = 100;
  xs.metric = TuneMetric::mrr;
  require_same_as_retrievers(gaussian(), xs);
}
