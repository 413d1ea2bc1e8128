#include "pefa/adapter/pefa_xs.hpp"

#include "catch.hpp"
#include "oracle.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/index/flat_index.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("PefaXs: scores are those of the dense oracle at every lambda") {
  const Problem problem;
  const RowMajorMatrix c = oracle_pseudo_embeddings(problem.queries, problem.relevance);
  for (const float lambda : {0.0f, 0.1f, 0.5f, 0.9f, 1.0f}) {
    const RowMajorMatrix scores = problem.tests * (lambda * problem.passages + (1.0f - lambda) * c).transpose();
    const auto xs = PefaXs<float, FlatIndex<>>::build(problem.passages, problem.queries, problem.relevance,
                                                      {.lambda = lambda, .cold = ColdPassage::paper});
    REQUIRE(xs.lambda() == lambda);
    const auto batch = xs.search_batch(problem.tests, 90);
    for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
      require_best(xs.search(problem.test(t), 90), scores.row(t));
      require_best(batch[static_cast<std::size_t>(t)], scores.row(t));
    }
  }
}

TEST_CASE(
    "PefaXs: over passages of other lengths, PseudoNorm::passage makes the ranking independent of a common scale") {
  Problem problem;
  for (Eigen::Index j = 0; j < 90; ++j) problem.passages.row(j) *= 5.0f + static_cast<float>(j % 4);
  const RowMajorMatrix c = oracle_pseudo_embeddings(problem.queries, problem.relevance);
  const RowMajorMatrix folded =
      0.2f * problem.passages + 0.8f * RowMajorMatrix(problem.passages.rowwise().norm().asDiagonal() * c);
  const auto build = [&](const RowMajorMatrix& passages) {
    return PefaXs<float, FlatIndex<>>::build(passages, problem.queries, problem.relevance,
                                             {.lambda = 0.2f, .cold = ColdPassage::paper, .norm = PseudoNorm::passage});
  };
  const auto xs = build(problem.passages);
  const auto halved = build(0.5f * problem.passages);
  const RowMajorMatrix scores = problem.tests * folded.transpose();
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    const auto hits = xs.search(problem.test(t), 90);
    const auto half = halved.search(problem.test(t), 90);
    for (std::size_t i = 0; i < 90; ++i) {
      REQUIRE(hits[i].score == Approx(scores(t, static_cast<Eigen::Index>(hits[i].passage.row()))).margin(1e-5));
      REQUIRE(hits[i].score == Approx(2.0f * half[i].score).margin(1e-5));
    }
  }
}

TEMPLATE_TEST_CASE("PefaXs: vectors of every element type serve", "", double, Eigen::half, Eigen::bfloat16,
                   std::int8_t) {
  const Problem problem;
  const auto passages = EmbeddingStore<TestType>::from(problem.passages);
  const auto queries = EmbeddingStore<TestType>::from(problem.queries);
  const auto xs = PefaXs<TestType, FlatIndex<>>::build(passages, queries, problem.relevance);
  const auto expected = PefaXs<float, FlatIndex<>>::build(
      EmbeddingStore<float>::from(passages.view()), EmbeddingStore<float>::from(queries.view()), problem.relevance);
  const auto hits = xs.search(problem.test(0), 90);
  const auto want = expected.search(problem.test(0), 90);
  for (std::size_t i = 0; i < hits.size(); ++i) REQUIRE(hits[i].score == Approx(want[i].score).margin(2e-6));
}

TEST_CASE("PefaXs: lambda 1 is the plain model to the last bit, over both indexes") {
  const Problem problem;
  const BuildOptions serial{AnyExecutor::serial()};
  const auto check = [&]<class Index>(Index*) {
    const auto erm = ErmRetriever<float, Index>::build(problem.passages, {}, serial);
    const auto xs =
        PefaXs<float, Index>::build(problem.passages, problem.queries, problem.relevance, {.lambda = 1.0f}, serial);
    for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
      REQUIRE(xs.search(problem.test(t), 40) == erm.search(problem.test(t), 40));
    }
  };
  check(static_cast<FlatIndex<>*>(nullptr));
  check(static_cast<HnswIndex*>(nullptr));
}

TEST_CASE("PefaXs::search: another lambda than the folded one is refused, the same one is not") {
  const Problem problem;
  const auto xs = PefaXs<>::build(problem.passages, problem.queries, problem.relevance, {.lambda = 0.25f});
  REQUIRE_ERROR(ValueError, "0.25 is folded into the index", xs.search(problem.test(0), 3, {.lambda = 0.5f}));
  REQUIRE(xs.search(problem.test(0), 3, {.lambda = 0.25f}).size() == 3);
}

TEST_CASE("PefaXs::build: inputs that do not fit together are refused, each with both numbers") {
  const Problem p;
  const EmbeddingView<float> passages(p.passages);
  const EmbeddingView<float> queries(p.queries);
  const auto build = [&](const EmbeddingView<float>& a, const EmbeddingView<float>& b, float lambda = 0.5f) {
    return PefaXs<>::build(a, b, p.relevance, {.lambda = lambda});
  };
  REQUIRE_ERROR(ShapeError, "PefaXs::build: relevance has 140 rows, queries has 139 (one row a training query)",
                build(passages, queries.slice(0, 139)));
  REQUIRE_ERROR(ShapeError, "PefaXs::build: relevance has 90 columns, passages has 89 (one column a passage)",
                build(passages.slice(0, 89), queries));
  REQUIRE_ERROR(ValueError, "PefaXs::build: no passages", build(passages.slice(0, 0), queries));
  REQUIRE_ERROR(ValueError, "PefaXs::build: no training queries", build(passages, queries.slice(0, 0)));
  for (const float lambda : {1.1f, -0.1f, std::numeric_limits<float>::quiet_NaN()}) {
    REQUIRE_ERROR(ValueError, "expected 0 to 1", build(passages, queries, lambda));
  }
  const RowMajorMatrix narrow = p.queries.leftCols(19);
  REQUIRE_ERROR(ShapeError, "PefaXs::build: queries have dim 19, passages have dim 20", build(passages, narrow));
  RowMajorMatrix broken = p.queries;
  broken(100, 3) = std::numeric_limits<float>::infinity();
  REQUIRE_ERROR(ValueError, "PefaXs::build: queries: row 100 has a NaN or infinite element", build(passages, broken));
  const auto empty = RelevanceMatrix::from_pairs({}, 140, 90);
  REQUIRE_ERROR(ValueError, "relevance has no pairs", PefaXs<>::build(passages, queries, empty));
  REQUIRE_ERROR(ValueError, "the index has metric l2, expected inner_product",
                PefaXs<>::build(passages, queries, p.relevance, {.index = {.metric = Metric::l2}}));
}

TEST_CASE("PefaXs::build: progress runs once from start to end, and stop cancels") {
  const Problem p;
  std::size_t last = 0;
  const Progress progress = [&](std::size_t done, std::size_t total) {
    REQUIRE(total == 180);  // the folding and the index, a passage each
    REQUIRE(done >= last);
    last = done;
    return ProgressAction::proceed;
  };
  (void)PefaXs<>::build(p.passages, p.queries, p.relevance, {}, {ThreadExecutor(2), progress});
  REQUIRE(last == 180);
  const Progress stop = [](std::size_t done, std::size_t) {
    return done > 100 ? ProgressAction::stop : ProgressAction::proceed;
  };
  REQUIRE_ERROR(Cancelled, "HnswIndex::build: stopped",
                PefaXs<>::build(p.passages, p.queries, p.relevance, {}, {ThreadExecutor(2), stop}));
}
