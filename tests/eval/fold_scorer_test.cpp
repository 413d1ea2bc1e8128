#include "pefa/eval/fold_scorer.hpp"

#include "catch.hpp"
#include "pefa/adapter/condense.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/eval/evaluate.hpp"
#include "pefa/index/flat_index.hpp"
#include "tuning_problem.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

RowMajorMatrix rows_of(const RowMajorMatrix& matrix, const std::vector<QueryId>& ids) {
  RowMajorMatrix rows(static_cast<Eigen::Index>(ids.size()), matrix.cols());
  for (std::size_t i = 0; i < ids.size(); ++i) rows.row(static_cast<Eigen::Index>(i)) = matrix.row(ids[i].row());
  return rows;
}

RelevanceMatrix rows_of(const RelevanceMatrix& relevance, const std::vector<QueryId>& ids) {
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < ids.size(); ++i) {
    const auto entries = relevance.passages_of(ids[i]);
    for (std::size_t e = 0; e < entries.size(); ++e) {
      pairs.push_back({QueryId(i), PassageId(static_cast<Row>(entries.columns[e])), entries.weights[e]});
    }
  }
  return RelevanceMatrix::from_pairs(pairs, ids.size(), relevance.cols());
}

template <class R>
double measure(const R& retriever, const RowMajorMatrix& queries, const RelevanceMatrix& truth,
               const TuneOptions& options) {
  const std::vector<std::size_t> at{options.at};
  const auto report =
      evaluate(retriever, queries, truth, {.recall_at = at, .ndcg_at = at, .mrr_at = at, .bootstrap_samples = 0});
  switch (options.metric) {
    case TuneMetric::recall: return report.recall.at(options.at).mean;
    case TuneMetric::ndcg: return report.ndcg.at(options.at).mean;
    case TuneMetric::mrr: return report.mrr.at(options.at).mean;
  }
  return -1.0;
}

/// The setting on one fold, by the retriever itself, built without the fold's queries.
double measure(const TuneEntry& entry, const TuningProblem& problem, const std::vector<QueryId>& held_out,
               const TuneOptions& options) {
  const auto training = other_queries(problem.relevance.rows(), held_out);
  const RowMajorMatrix queries = rows_of(problem.queries, training);
  const RelevanceMatrix relevance = rows_of(problem.relevance, training);
  const RowMajorMatrix tests = rows_of(problem.queries, held_out);
  const RelevanceMatrix truth = rows_of(problem.relevance, held_out);
  switch (entry.method) {
    case TuneMethod::erm:
      return measure(ErmRetriever<float, FlatIndex<>>::build(problem.passages), tests, truth, options);
    case TuneMethod::xs:
      return measure(PefaXs<float, FlatIndex<>>::build(problem.passages, queries, relevance,
                                                       {.lambda = entry.lambda, .cold = entry.cold}),
                     tests, truth, options);
    case TuneMethod::xs_multi:
      return measure(PefaXsMulti<float, FlatIndex<>>::build(
                         problem.passages, queries, relevance,
                         {.centroids = {.lambda = entry.lambda, .max_centroids = entry.max_centroids}}),
                     tests, truth, options);
    case TuneMethod::xl: break;
  }
  using Xl = PefaXl<float, FlatIndex<>, FlatIndex<>, AnyGate>;
  const Xl::Params params{.lambda = entry.lambda,
                          .neighbors = entry.neighbors,
                          .gate = entry.gate.policy(),
                          .passage_candidates = options.passage_candidates,
                          .fold = {.lambda = entry.fold}};
  if (entry.condense > 0.0f) {
    const CondensedQueries condensed =
        condense_queries(EmbeddingView<float>(queries), relevance, {.min_cosine = entry.condense});
    return measure(Xl::build(problem.passages, condensed.queries, condensed.relevance, params), tests, truth, options);
  }
  return measure(Xl::build(problem.passages, queries, relevance, params), tests, truth, options);
}

void require_same_as_retrievers(const TuningProblem& problem, const TuneOptions& options) {
  const TuneReport report = problem.tune(options);
  const auto folds = split_validation(EmbeddingView<float>(problem.queries), problem.relevance, options.validation);
  const std::size_t plain = options.plain_xl == PlainXl::included ? 1 : 0;
  const std::size_t xl = plain + options.condense.size() + options.folds.size();
  REQUIRE(report.grid.size() == 1 + options.lambdas.size() * (options.cold.size() + options.max_centroids.size() +
                                                              xl * options.neighbors.size() * options.gates.size()));
  for (const TuneEntry& entry : report.grid) {
    double expected = 0.0;
    for (const auto& held_out : folds) {
      expected += measure(entry, problem, held_out, options) * static_cast<double>(held_out.size());
    }
    INFO(describe(entry) << ", " << name(options.metric) << "@" << options.at);
    REQUIRE(entry.score == Approx(expected / static_cast<double>(report.queries)).epsilon(0).margin(1e-9));
  }
}

/// A grid without XL, or without XS.
TuneOptions xs_only(std::vector<float> lambdas) {
  return {.lambdas = std::move(lambdas), .neighbors = {}, .gates = {}};
}
TuneOptions xl_only(std::vector<float> lambdas, std::vector<std::size_t> neighbors) {
  return {.lambdas = std::move(lambdas), .cold = {}, .neighbors = std::move(neighbors)};
}

}  // namespace

TEST_CASE("FoldScorer: every XS score is that of PefaXs over FlatIndex built without the held-out queries") {
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

TEST_CASE("FoldScorer: every score of XS with borrowing cold passages is that of PefaXs built likewise") {
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

TEST_CASE("FoldScorer: every score of multi-vector XS is that of PefaXsMulti built without the held-out queries") {
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

TEST_CASE(
    "FoldScorer: every score of XL over condensed queries is that of PefaXl over those that are left, condensed") {
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

TEST_CASE("FoldScorer: every score of XL over XS is that of PefaXl with its fold, votes below 0 and all") {
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

TEST_CASE("FoldScorer: all methods at once score as each alone") {
  TuneOptions options = with_all_methods({.at = 3, .lambdas = {0.2f, 1.0f}, .neighbors = {8}});
  options.gates = {{GateKind::softmax, 0.1f}, {GateKind::mean}};
  options.cold.push_back(ColdPassage::borrowed);
  options.validation = {.folds = 2, .max_queries = 60};
  require_same_as_retrievers(bundled(), options);
}

TEST_CASE(
    "FoldScorer: every XL score is that of PefaXl over FlatIndex built without the held-out queries, ties and all") {
  const TuningProblem problem = lattice();
  for (const TuneMetric metric : {TuneMetric::recall, TuneMetric::ndcg, TuneMetric::mrr}) {
    TuneOptions options = xl_only({0.0f, 0.5f, 1.0f}, {1, 4, 16});
    options.metric = metric;
    options.at = metric == TuneMetric::recall ? 1 : 8;
    options.validation = {.folds = 2, .max_queries = 80};
    require_same_as_retrievers(problem, options);
  }
}

TEST_CASE("FoldScorer: XL offers as many passages of the ERM side as PefaXl, and scores the others exactly") {
  TuneOptions options = xl_only({0.0f, 0.5f}, {2, 16});
  options.validation = {.folds = 2};
  for (const std::size_t candidates : {std::size_t{0}, std::size_t{9}, std::size_t{70}}) {
    options.passage_candidates = candidates;
    options.at = 6;
    require_same_as_retrievers(lattice(), options);
  }
}

TEST_CASE("FoldScorer: votes below 0 make XL look further down the ERM side, as in PefaXl") {
  const TuningProblem problem{random_matrix(70, 8, 1), random_matrix(200, 8, 2), random_relevance(200, 70, 2, 3)};
  TuneOptions options = xl_only({0.0f, 0.5f}, {20});  // all that are left to train: half of them look the other way
  options.at = 20;
  options.validation = {.folds = 1, .holdout = 0.9};
  require_same_as_retrievers(problem, options);
}

TEST_CASE("FoldScorer: cut-offs, k and candidates past the end of the data mean all there is") {
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

TEST_CASE("FoldScorer: more passages and training queries than a tile, and more validation queries than a block") {
  const TuningProblem problem{random_matrix(600, 8, 1), random_matrix(700, 8, 2), random_relevance(700, 600, 3, 5, 40)};
  TuneOptions options;
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
