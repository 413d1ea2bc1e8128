#include "pefa/adapter/aggregation.hpp"

#include <cstring>

#include "catch.hpp"
#include "oracle.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

TEMPLATE_TEST_CASE("aggregate_queries: is the normalised QᵀY of the dense oracle", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  const Problem problem;
  const auto queries = EmbeddingStore<TestType>::from(problem.queries);
  RowMajorMatrix decoded(problem.queries.rows(), problem.queries.cols());
  for (std::size_t i = 0; i < queries.size(); ++i) queries.view().decode(i, decoded.data() + i * queries.dim());
  const auto c = aggregate_queries(queries.view(), problem.relevance);
  REQUIRE((as_matrix(c) - oracle_pseudo_embeddings(decoded, problem.relevance)).cwiseAbs().maxCoeff() < 2e-6f);
}

TEST_CASE("aggregate_queries: a passage with no training query has a zero row, as has one whose queries cancel out") {
  RowMajorMatrix queries(2, 3);
  queries << 1, 2, 3, -1, -2, -3;
  const std::vector<RelevancePair> pairs{{QueryId(0), PassageId(1)}, {QueryId(1), PassageId(1)}};
  const auto c = aggregate_queries(EmbeddingView<float>(queries), RelevanceMatrix::from_pairs(pairs, 2, 3));
  REQUIRE(as_matrix(c).isZero(0.0f));
}

TEST_CASE("aggregate_queries: the same bits for any number of threads") {
  const Problem problem;
  const EmbeddingView<float> queries(problem.queries);
  const auto one = aggregate_queries(queries, problem.relevance, {AnyExecutor::serial()});
  const auto four = aggregate_queries(queries, problem.relevance, {ThreadExecutor(4)});
  REQUIRE(std::memcmp(one.row(0), four.row(0), one.size() * one.dim() * sizeof(float)) == 0);
}

TEST_CASE("aggregate_queries: rows that do not fit Y are refused") {
  const Problem problem;
  REQUIRE_ERROR(ShapeError, "relevance has 140 rows, queries has 139 (one row a training query)",
                aggregate_queries(EmbeddingView<float>(problem.queries).slice(0, 139), problem.relevance));
}

TEST_CASE("fold_queries: a passage with no training query keeps lambda*p, or p where the policy says so") {
  const Problem problem;
  const auto fold = [&](ColdPassage cold) {
    return fold_queries(EmbeddingView<float>(problem.passages), EmbeddingView<float>(problem.queries),
                        problem.relevance, 0.3f, cold);
  };
  const auto paper = fold(ColdPassage::paper);
  const auto erm = fold(ColdPassage::erm);
  const auto counts = problem.relevance.column_counts();
  std::size_t cold = 0;
  for (Eigen::Index j = 0; j < problem.passages.rows(); ++j) {
    if (counts[static_cast<std::size_t>(j)] > 0) {
      REQUIRE(as_matrix(paper).row(j) == as_matrix(erm).row(j));
      continue;
    }
    ++cold;
    REQUIRE((as_matrix(paper).row(j) - 0.3f * problem.passages.row(j)).isZero(0.0f));
    REQUIRE(as_matrix(erm).row(j) == problem.passages.row(j));
  }
  REQUIRE(cold >= 15);
}

TEST_CASE("fold_queries: at lambda 1 the result is P to the last bit") {
  const Problem problem;
  const auto folded = fold_queries(EmbeddingView<float>(problem.passages), EmbeddingView<float>(problem.queries),
                                   problem.relevance, 1.0f);
  REQUIRE(as_matrix(folded) == problem.passages);
}

TEST_CASE("fold_queries: with PseudoNorm::passage the pseudo-embedding is as long as its passage") {
  Problem problem;
  for (Eigen::Index j = 0; j < 90; ++j) problem.passages.row(j) *= 0.1f + static_cast<float>(j % 11);
  for (Eigen::Index i = 0; i < 140; ++i) problem.queries.row(i) *= 1.0f + static_cast<float>(i % 3);
  const RowMajorMatrix c = oracle_pseudo_embeddings(problem.queries, problem.relevance);
  const RowMajorMatrix scaled = problem.passages.rowwise().norm().asDiagonal() * c;
  const auto fold = [&](float lambda, PseudoNorm norm) {
    return fold_queries(EmbeddingView<float>(problem.passages), EmbeddingView<float>(problem.queries),
                        problem.relevance, lambda, ColdPassage::paper, norm);
  };
  for (const float lambda : {0.0f, 0.3f, 0.8f}) {
    const RowMajorMatrix passage = lambda * problem.passages + (1.0f - lambda) * scaled;
    const RowMajorMatrix unit = lambda * problem.passages + (1.0f - lambda) * c;
    REQUIRE((as_matrix(fold(lambda, PseudoNorm::passage)) - passage).cwiseAbs().maxCoeff() < 1e-5f);
    REQUIRE((as_matrix(fold(lambda, PseudoNorm::unit)) - unit).cwiseAbs().maxCoeff() < 1e-5f);
  }
  REQUIRE(as_matrix(fold(1.0f, PseudoNorm::passage)) == problem.passages);
}

TEST_CASE("fold_queries: PseudoNorm::passage changes nothing where passages are of unit length") {
  const Problem problem;
  const auto fold = [&](PseudoNorm norm) {
    return fold_queries(EmbeddingView<float>(problem.passages), EmbeddingView<float>(problem.queries),
                        problem.relevance, 0.3f, ColdPassage::erm, norm);
  };
  REQUIRE((as_matrix(fold(PseudoNorm::passage)) - as_matrix(fold(PseudoNorm::unit))).cwiseAbs().maxCoeff() < 1e-6f);
}
