#include "pefa/adapter/erm_retriever.hpp"

#include "catch.hpp"
#include "oracle.hpp"
#include "pefa/index/flat_index.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("ErmRetriever: scores are inner products, over both indexes") {
  const Problem problem;
  const RowMajorMatrix scores = problem.tests * problem.passages.transpose();
  const auto flat = ErmRetriever<float, FlatIndex<>>::build(problem.passages);
  const auto hnsw = ErmRetriever<>::build(problem.passages);
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    require_best(flat.search(problem.test(t), 90), scores.row(t));
    require_best(hnsw.search(problem.test(t), 20), scores.row(t));
  }
  REQUIRE(flat.passage_count() == 90);
  REQUIRE(flat.dim() == 20);
}

TEST_CASE("ErmRetriever: may serve any metric") {
  const Problem problem;
  const auto l2 = ErmRetriever<float, FlatIndex<>>::build(problem.passages, {.index = {.metric = Metric::l2}});
  const Hit best = l2.search(problem.test(0), 1)[0];
  REQUIRE(best.score == Approx(-(problem.tests.row(0) - problem.passages.row(best.passage.row())).squaredNorm()));
}

TEST_CASE("ErmRetriever::build: bad passages are refused by their row") {
  RowMajorMatrix passages = random_matrix(5, 4, 1);
  passages.row(3).setZero();
  REQUIRE_ERROR(ValueError, "ErmRetriever::build: passages: row 3 is a zero vector", ErmRetriever<>::build(passages));
  REQUIRE_ERROR(ValueError, "ErmRetriever::build: no passages",
                ErmRetriever<>::build(EmbeddingView<float>(passages).slice(0, 0)));
}
