#include "pefa/adapter/explain.hpp"

#include <numeric>

#include "catch.hpp"
#include "oracle.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// Every passage that search finds is explained by its score; returns the explanations of the first query.
template <class R>
std::vector<Explanation> require_scores_of_search(const R& retriever, const Problem& problem,
                                                  const SearchOptions& options = {}) {
  std::vector<Explanation> first;
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    const auto hits = retriever.search(problem.test(t), 60, options);
    REQUIRE(hits.size() == 60);
    for (const Hit& hit : hits) {
      const Explanation explanation = explain(retriever, problem.test(t), hit.passage, options);
      REQUIRE(explanation.score == Approx(hit.score).epsilon(0).margin(1e-6));
      REQUIRE(explanation.erm.has_value() == explanation.knn.has_value());
      if (explanation.erm) REQUIRE(*explanation.erm + *explanation.knn == Approx(explanation.score).margin(1e-6));
      if (t == 0) first.push_back(explanation);
    }
  }
  return first;
}

}  // namespace

TEMPLATE_TEST_CASE("explain: the score is that of search, for every retriever", "", FlatIndex<>, QuantizedHnswIndex<>) {
  const Problem p;
  for (const auto& each : require_scores_of_search(ErmRetriever<float, TestType>::build(p.passages), p)) {
    REQUIRE(*each.erm == each.score);
    REQUIRE(*each.knn == 0.0f);
  }
  for (const auto& each :
       require_scores_of_search(PefaXs<float, TestType>::build(p.passages, p.queries, p.relevance), p)) {
    REQUIRE_FALSE(each.erm.has_value());
  }
  for (const auto& each : require_scores_of_search(
           PefaXs<float, TestType>::build(p.passages, p.queries, p.relevance, {.lambda = 1.0f}), p)) {
    REQUIRE(*each.erm == each.score);
  }
  (void)require_scores_of_search(PefaXsMulti<float, TestType>::build(p.passages, p.queries, p.relevance), p);
  using Xl = PefaXl<float, TestType, TestType, SoftmaxGate>;
  for (const MissingErmScore missing : {MissingErmScore::exact, MissingErmScore::zero}) {
    const auto xl = Xl::build(p.passages, p.queries, p.relevance,
                              {.passage_candidates = 60, .missing_erm_score = missing, .fold = {.lambda = 0.6f}});
    for (const float lambda : {0.0f, 0.4f, 1.0f}) (void)require_scores_of_search(xl, p, {.lambda = lambda});
  }
}

TEST_CASE("explain: of PefaXl the parts are those of the equation, and the voters of the second, the highest first") {
  const Problem p;
  const SoftmaxGate gate(0.2f);
  using Xl = PefaXl<float, FlatIndex<>, FlatIndex<>, SoftmaxGate>;
  const auto xl = Xl::build(p.passages, p.queries, p.relevance,
                            {.lambda = 0.25f, .neighbors = 20, .gate = gate, .knn_scale = 2.0f});
  const RowMajorMatrix knn = oracle_xl(p, 0.0f, 20, gate);
  const RowMajorMatrix similarities = p.tests * p.queries.transpose();
  const RowMajorMatrix y = dense(p.relevance);
  std::size_t voted = 0;
  for (Row j = 0; j < 90; ++j) {
    const Explanation explanation = explain(xl, p.test(0), PassageId(j));
    const auto column = static_cast<Eigen::Index>(j);
    REQUIRE(*explanation.erm == Approx(0.25f * p.tests.row(0).dot(p.passages.row(column))).margin(1e-6));
    REQUIRE(*explanation.knn == Approx(0.75f * 2.0f * knn(0, column)).margin(1e-6));
    float sum = 0.0f;
    for (std::size_t v = 0; v < explanation.voters.size(); ++v) {
      const Voter& vote = explanation.voters[v];
      const auto query = static_cast<Eigen::Index>(vote.query.row());
      REQUIRE(vote.similarity == Approx(similarities(0, query)).margin(1e-6));
      REQUIRE(vote.relevance == y(query, column));
      REQUIRE(vote.contribution == Approx(0.75f * 2.0f * vote.weight * vote.similarity * vote.relevance).margin(1e-6));
      if (v > 0) REQUIRE(explanation.voters[v - 1].contribution >= vote.contribution);
      sum += vote.contribution;
    }
    REQUIRE(sum == Approx(*explanation.knn).margin(1e-6));
    REQUIRE(explanation.voters.empty() == (knn(0, column) == 0.0f));
    voted += explanation.voters.size();
  }
  REQUIRE(voted > 20);
  REQUIRE(explain(xl, p.test(0), PassageId(89)).voters.empty());  // a passage without training queries
}

TEST_CASE("explain: a passage past the end, and a query that search refuses, are refused") {
  const Problem p;
  const auto xl = PefaXl<float, FlatIndex<>>::build(p.passages, p.queries, p.relevance);
  REQUIRE_ERROR(ShapeError, "explain: passage 90, expected below 90", explain(xl, p.test(0), PassageId(90)));
  REQUIRE_ERROR(ShapeError, "explain: query has dim 3", explain(xl, p.test(0).first(3), PassageId(0)));
  REQUIRE_ERROR(ValueError, "explain: query is a zero vector", explain(xl, std::vector<float>(20), PassageId(0)));
  REQUIRE_ERROR(ValueError, "explain: lambda is -1", explain(xl, p.test(0), PassageId(0), {.lambda = -1.0f}));
}
