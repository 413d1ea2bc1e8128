#include "pefa/adapter/cold_passages.hpp"

#include <cstring>
#include <numeric>

#include "catch.hpp"
#include "oracle.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/index/flat_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// C with the rows of cold passages by the equation: Π(Π(p_j) + mean over the 10 nearest warm of (C_w − Π(p_w))).
RowMajorMatrix oracle_borrowed(const Problem& problem) {
  RowMajorMatrix c = oracle_pseudo_embeddings(problem.queries, problem.relevance);
  const RowMajorMatrix directions = problem.passages.rowwise().normalized();
  const RowMajorMatrix similarity = directions * directions.transpose();
  const auto counts = problem.relevance.column_counts();
  for (Eigen::Index j = 0; j < c.rows(); ++j) {
    if (counts[static_cast<std::size_t>(j)] > 0) continue;
    std::vector<Eigen::Index> warm;
    for (Eigen::Index w = 0; w < c.rows(); ++w) {
      if (counts[static_cast<std::size_t>(w)] > 0) warm.push_back(w);
    }
    std::sort(warm.begin(), warm.end(),
              [&](Eigen::Index a, Eigen::Index b) { return similarity(j, a) > similarity(j, b); });
    warm.resize(std::min<std::size_t>(10, warm.size()));
    Eigen::RowVectorXf offset = Eigen::RowVectorXf::Zero(c.cols());
    for (const Eigen::Index w : warm) offset += (c.row(w) - directions.row(w)) / static_cast<float>(warm.size());
    c.row(j) = (directions.row(j) + offset).normalized();
  }
  return c;
}

EmbeddingStore<float> fold(const Problem& problem, ColdPassage cold, PseudoNorm norm = PseudoNorm::unit,
                           const BuildOptions& options = {}) {
  return fold_queries(EmbeddingView<float>(problem.passages), EmbeddingView<float>(problem.queries), problem.relevance,
                      0.3f, cold, norm, options);
}

}  // namespace

TEST_CASE("fold_queries: a cold passage that borrows is folded with what its nearest warm passages lend") {
  Problem problem;
  for (Eigen::Index j = 0; j < 90; ++j) problem.passages.row(j) *= 0.5f + static_cast<float>(j % 5);
  const RowMajorMatrix c = oracle_borrowed(problem);
  const RowMajorMatrix unit = 0.3f * problem.passages + 0.7f * c;
  const RowMajorMatrix scaled =
      0.3f * problem.passages + 0.7f * RowMajorMatrix(problem.passages.rowwise().norm().asDiagonal() * c);
  REQUIRE((as_matrix(fold(problem, ColdPassage::borrowed)) - unit).cwiseAbs().maxCoeff() < 1e-5f);
  REQUIRE((as_matrix(fold(problem, ColdPassage::borrowed, PseudoNorm::passage)) - scaled).cwiseAbs().maxCoeff() <
          1e-5f);
}

TEST_CASE("fold_queries: borrowing changes cold passages only, and needs but one warm one") {
  Problem problem;
  const auto counts = problem.relevance.column_counts();
  const auto borrowed = fold(problem, ColdPassage::borrowed);
  const auto paper = fold(problem, ColdPassage::paper);
  for (std::size_t j = 0; j < 90; ++j) {
    const bool same = std::memcmp(borrowed.row(j), paper.row(j), 20 * sizeof(float)) == 0;
    REQUIRE(same == (counts[j] > 0));
  }
  const std::vector<RelevancePair> pair{{QueryId(3), PassageId(7)}};
  problem.relevance = RelevanceMatrix::from_pairs(pair, 140, 90);
  REQUIRE(
      (as_matrix(fold(problem, ColdPassage::borrowed)) - (0.3f * problem.passages + 0.7f * oracle_borrowed(problem)))
          .cwiseAbs()
          .maxCoeff() < 1e-5f);
}

TEMPLATE_TEST_CASE("fold_queries: passages of every element type borrow", "", double, Eigen::half, Eigen::bfloat16,
                   std::int8_t) {
  const Problem problem;
  const auto passages = EmbeddingStore<TestType>::from(problem.passages);
  const auto queries = EmbeddingStore<TestType>::from(problem.queries);
  Problem decoded = problem;
  for (Eigen::Index i = 0; i < 90; ++i)
    passages.view().decode(static_cast<std::size_t>(i), decoded.passages.row(i).data());
  for (Eigen::Index i = 0; i < 140; ++i)
    queries.view().decode(static_cast<std::size_t>(i), decoded.queries.row(i).data());
  const auto folded = fold_queries(passages.view(), queries.view(), problem.relevance, 0.3f, ColdPassage::borrowed);
  REQUIRE((as_matrix(folded) - as_matrix(fold(decoded, ColdPassage::borrowed))).cwiseAbs().maxCoeff() < 1e-5f);
}

TEST_CASE("fold_queries: borrowing gives the same bits for any number of threads, over several blocks") {
  Problem problem;
  problem.passages = random_matrix(3000, 20, 25);
  problem.relevance = random_relevance(140, 3000, 4, 26, 1500);
  const auto one = fold(problem, ColdPassage::borrowed, PseudoNorm::unit, {AnyExecutor::serial()});
  const auto four = fold(problem, ColdPassage::borrowed, PseudoNorm::unit, {ThreadExecutor(4)});
  REQUIRE(std::memcmp(one.row(0), four.row(0), 3000 * 20 * sizeof(float)) == 0);
  REQUIRE((as_matrix(one) - (0.3f * problem.passages + 0.7f * oracle_borrowed(problem))).cwiseAbs().maxCoeff() < 1e-5f);
}

TEST_CASE("PefaXs and PefaXsMulti: search the vectors of the policy they were built with") {
  const Problem problem;
  const RowMajorMatrix scores = problem.tests * as_matrix(fold(problem, ColdPassage::borrowed)).transpose();
  const auto xs = PefaXs<float, FlatIndex<>>::build(problem.passages, problem.queries, problem.relevance,
                                                    {.lambda = 0.3f, .cold = ColdPassage::borrowed});
  const auto multi = PefaXsMulti<float, FlatIndex<>>::build(
      problem.passages, problem.queries, problem.relevance,
      {.centroids = {.lambda = 0.3f, .max_centroids = 1, .cold = ColdPassage::borrowed}});
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    require_best(xs.search(problem.test(t), 90), scores.row(t));
    REQUIRE(multi.search(problem.test(t), 90) == xs.search(problem.test(t), 90));
  }
}

TEST_CASE("PefaXs::build: progress with borrowing runs once from start to end, and stops in the middle of it") {
  const Problem problem;
  std::size_t last = 0;
  const Progress progress = [&](std::size_t done, std::size_t total) {
    REQUIRE(total == 180);
    REQUIRE(done >= last);
    last = done;
    return ProgressAction::proceed;
  };
  (void)PefaXs<>::build(problem.passages, problem.queries, problem.relevance, {.cold = ColdPassage::borrowed},
                        {ThreadExecutor(2), progress});
  REQUIRE(last == 180);
  const Progress stop = [&](std::size_t done, std::size_t total) {
    return done == total / 2 ? ProgressAction::stop : ProgressAction::proceed;
  };
  REQUIRE_ERROR(Cancelled, "borrow_pseudo_embeddings: stopped",
                PefaXs<>::build(problem.passages, problem.queries, problem.relevance, {.cold = ColdPassage::borrowed},
                                {ThreadExecutor(2), stop}));
}
