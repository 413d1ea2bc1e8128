#include "pefa/eval/out_of_fold.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/adapter/any_retriever_impl.hpp"
#include "pefa/adapter/spec_text.hpp"
#include "pefa/eval/fuse.hpp"
#include "pefa/eval/metrics.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

struct Problem {
  RowMajorMatrix passages = test::random_matrix(40, 10, 1);
  RowMajorMatrix queries = test::random_matrix(90, 10, 2);
  RelevanceMatrix relevance = test::random_relevance(90, 40, 2, 3);

  [[nodiscard]] Run search(const RetrieverSpec& spec, const OutOfFoldOptions& options = {}) const {
    return search_out_of_fold<float>(spec, passages, queries, relevance, 7, options);
  }
};

/// A retriever built by hand from copies of what the fold leaves.
std::vector<Hit> by_hand(const Problem& problem, const RetrieverSpec& spec, const std::vector<QueryId>& held_out,
                         QueryId query) {
  RowMajorMatrix queries(0, problem.queries.cols());
  std::vector<RelevancePair> pairs;
  for (Row q = 0; q < problem.relevance.rows(); ++q) {
    if (std::find(held_out.begin(), held_out.end(), QueryId(q)) != held_out.end()) continue;
    queries.conservativeResize(queries.rows() + 1, Eigen::NoChange);
    queries.row(queries.rows() - 1) = problem.queries.row(q);
    const auto entries = problem.relevance.passages_of(QueryId(q));
    for (std::size_t e = 0; e < entries.size(); ++e) {
      pairs.push_back({QueryId(static_cast<Row>(queries.rows() - 1)), PassageId(static_cast<Row>(entries.columns[e])),
                       entries.weights[e]});
    }
  }
  const auto relevance = RelevanceMatrix::from_pairs(pairs, static_cast<std::size_t>(queries.rows()), 40);
  return build(spec, problem.passages, queries, relevance)
      .search(QueryView(problem.queries.row(query.row()).data(), 10), 7);
}

}  // namespace

TEST_CASE("search_out_of_fold: every query has what a retriever finds that never saw its fold, for every method") {
  Problem problem;
  problem.queries.row(50) = problem.queries.row(4);  // asked twice: held out together
  for (RetrieverSpec spec : {RetrieverSpec{.method = Method::erm}, RetrieverSpec::paper_xs(), RetrieverSpec::paper_xl(),
                             RetrieverSpec{}, RetrieverSpec{.method = Method::xs_multi, .max_centroids = 2},
                             RetrieverSpec{.method = Method::xl, .fold = 0.3f}}) {
    INFO(describe(spec));
    const OutOfFoldOptions options;
    const Run run = problem.search(spec);
    const auto folds = split_validation(EmbeddingView<float>(problem.queries), problem.relevance, options.validation);
    REQUIRE(folds.size() == 5);
    REQUIRE(run.size() == 90);
    std::size_t searched = 0;
    for (const auto& held_out : folds) {
      searched += held_out.size();
      for (const QueryId query : held_out) REQUIRE(run[query.row()] == by_hand(problem, spec, held_out, query));
    }
    REQUIRE(searched == 90);
  }
}

TEST_CASE("search_out_of_fold: a query does not find its own passages by having seen them") {
  // Every query is like no passage and like no other query: only its own pairs could bring its passage up.
  Problem problem;
  problem.passages = RowMajorMatrix::Identity(40, 40);
  problem.queries = RowMajorMatrix::Zero(90, 40);
  problem.relevance = RelevanceMatrix::from_pairs({}, 90, 40);
  std::vector<RelevancePair> pairs;
  for (Row q = 0; q < 30; ++q) {
    problem.queries(q, 10 + q) = 1.0f;                        // looks like passage 10 + q
    pairs.push_back({QueryId(q), PassageId((q + 15) % 10)});  // and means another
  }
  for (Row q = 30; q < 90; ++q) {
    problem.queries(q, q % 40) = 1.0f;
    problem.queries(q, (q + 1) % 40) = 0.5f;
    if (q % 2 == 0) pairs.push_back({QueryId(q), PassageId(q % 40)});
  }
  problem.relevance = RelevanceMatrix::from_pairs(pairs, 90, 40);
  const RetrieverSpec spec{.method = Method::xs, .lambda = 0.1f};
  const Run out_of_fold = problem.search(spec);
  const AnyRetriever seen = build(spec, problem.passages, problem.queries, problem.relevance);
  double honest = 0.0;
  double flattered = 0.0;
  for (Row q = 0; q < 30; ++q) {
    const auto truth = problem.relevance.passages_of(QueryId(q));
    honest += recall_at(out_of_fold[q], truth, 3);
    flattered += recall_at(seen.search(QueryView(problem.queries.row(q).data(), 40), 3), truth, 3);
  }
  REQUIRE(flattered > 20.0);
  REQUIRE(honest < 0.5 * flattered);
  for (Row q = 31; q < 90; q += 2) REQUIRE(out_of_fold[q].empty());  // without passages: not searched
}

TEST_CASE("search_out_of_fold: int8 rows, samples of queries, progress and stopping") {
  const Problem problem;
  const auto passages = EmbeddingStore<std::int8_t>::from(problem.passages);
  const auto queries = EmbeddingStore<std::int8_t>::from(problem.queries);
  std::size_t reported = 0;
  const OutOfFoldOptions options{.validation = {.folds = 3, .max_queries = 30},
                                 .progress = [&](std::size_t done, std::size_t total) {
                                   REQUIRE(total == 30);
                                   reported = done;
                                   return ProgressAction::proceed;
                                 }};
  const Run run = search_out_of_fold<std::int8_t>({}, passages.view(), queries.view(), problem.relevance, 5, options);
  REQUIRE(std::count_if(run.begin(), run.end(), [](const auto& hits) { return hits.size() == 5; }) == 30);
  REQUIRE(std::count_if(run.begin(), run.end(), [](const auto& hits) { return hits.empty(); }) == 60);
  REQUIRE(reported == 30);
  REQUIRE_ERROR(Cancelled, "stopped by its progress callback",
                problem.search({}, {.progress = [](std::size_t, std::size_t) { return ProgressAction::stop; }}));
  REQUIRE_ERROR(ValueError, "folds is 0", problem.search({}, {.validation = {.folds = 0}}));
}
