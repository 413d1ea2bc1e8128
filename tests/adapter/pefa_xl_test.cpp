#include "pefa/adapter/pefa_xl.hpp"

#include <random>

#include "catch.hpp"
#include "host_index.hpp"
#include "oracle.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/index/flat_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

template <class G>
using FlatXl = PefaXl<float, FlatIndex<>, FlatIndex<>, G>;

/// FlatIndex without score(): what a host's index may be.
class UnscoringIndex : public HostIndexOver<UnscoringIndex> {
 public:
  using HostIndexOver::HostIndexOver;
};
static_assert(AnnIndex<UnscoringIndex> && !ScoringIndex<UnscoringIndex>);

/// FlatIndex that scores one row at a time.
class RowScoringIndex : public HostIndexOver<RowScoringIndex> {
 public:
  using HostIndexOver::HostIndexOver;
  float score(QueryView query, Row row) const { return flat().score(query, row); }
};
static_assert(ScoringIndex<RowScoringIndex> && !BatchScoringIndex<RowScoringIndex>);

}  // namespace

TEMPLATE_TEST_CASE("PefaXl: scores are those of the dense oracle at every lambda and k", "", MeanGate, SumGate,
                   SoftmaxGate) {
  const Problem problem;
  const TestType gate{};
  for (const std::size_t k : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{1000}}) {
    const auto xl =
        FlatXl<TestType>::build(problem.passages, problem.queries, problem.relevance, {.neighbors = k, .gate = gate});
    for (const float lambda : {0.0f, 0.1f, 0.5f, 0.9f}) {
      const RowMajorMatrix scores = oracle_xl(problem, lambda, k, gate);
      const auto batch = xl.search_batch(problem.tests, 90, {.lambda = lambda});
      for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
        require_best(xl.search(problem.test(t), 90, {.lambda = lambda}), scores.row(t));
        require_best(batch[static_cast<std::size_t>(t)], scores.row(t));
      }
    }
  }
}

TEST_CASE("PefaXl: at every lambda the ids are those of the dense oracle, ties and all") {
  const auto integers = [](std::size_t rows, unsigned seed) {  // sums of which are exact in any order
    std::mt19937 random(seed);
    RowMajorMatrix matrix(static_cast<Eigen::Index>(rows), 20);
    for (Eigen::Index i = 0; i < matrix.size(); ++i) matrix.data()[i] = static_cast<float>(random() % 5) - 2.0f;
    matrix.col(0).setConstant(1.0f);  // no zero row
    return matrix;
  };
  const Problem problem{integers(90, 1), integers(140, 2), random_relevance(140, 90, 2, 23, 15), integers(25, 3)};
  constexpr std::size_t neighbors = 8;
  const auto xl =
      FlatXl<MeanGate>::build(problem.passages, problem.queries, problem.relevance, {.neighbors = neighbors});
  const RowMajorMatrix knn = oracle_xl(problem, 0.0f, neighbors, MeanGate{});
  for (const float lambda : {0.0f, 0.25f, 0.5f}) {
    const auto batch = xl.search_batch(problem.tests, 60, {.lambda = lambda});
    for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
      const Eigen::RowVectorXf erm = problem.tests.row(t) * problem.passages.transpose();
      auto expected = oracle_ranking(erm, knn.row(t), lambda);
      expected.resize(60);
      INFO("lambda " << lambda << ", query " << t);
      REQUIRE(xl.search(problem.test(t), 60, {.lambda = lambda}) == pefa::detail::to_hits(expected));
      REQUIRE(batch[static_cast<std::size_t>(t)] == pefa::detail::to_hits(expected));
    }
  }
}

TEST_CASE("PefaXl: a gate of the host's own is taken") {
  struct NearestOnly {
    void operator()(std::span<const float>, std::span<float> weights) const {
      std::fill(weights.begin(), weights.end(), 0.0f);
      weights[0] = 1.0f;
    }
  };
  const Problem problem;
  const auto xl = FlatXl<NearestOnly>::build(problem.passages, problem.queries, problem.relevance,
                                             {.lambda = 0.0f, .neighbors = 5});
  require_best(xl.search(problem.test(0), 2), oracle_xl(problem, 0.0f, 1, SumGate{}).row(0));
}

TEST_CASE("PefaXl: a passage that only the kNN side found gets its exact ERM score, or 0 as the original has it") {
  const Problem problem;
  const RowMajorMatrix expected = oracle_xl(problem, 0.5f, 10, MeanGate{});
  const auto build = [&](MissingErmScore missing) {
    return FlatXl<MeanGate>::build(
        problem.passages, problem.queries, problem.relevance,
        {.lambda = 0.5f, .neighbors = 10, .passage_candidates = 1, .missing_erm_score = missing});
  };
  const auto exact = build(MissingErmScore::exact);
  const auto zero = build(MissingErmScore::zero);
  bool differs = false;
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    const auto hits = exact.search(problem.test(t), 1);
    const auto all = zero.search(problem.test(t), 1);
    REQUIRE(hits[0].score == Approx(expected(t, static_cast<Eigen::Index>(hits[0].passage.row()))).margin(2e-6));
    differs = differs || all[0].score != hits[0].score;
  }
  REQUIRE(differs);
}

TEST_CASE("PefaXl: an index that cannot score its rows gives the same results, and pays with a copy of them") {
  const Problem problem;
  using Xl = PefaXl<float, UnscoringIndex>;
  const auto xl = Xl::build(problem.passages, problem.queries, problem.relevance, {.passage_candidates = 3});
  const auto scoring =
      FlatXl<MeanGate>::build(problem.passages, problem.queries, problem.relevance, {.passage_candidates = 3});
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    const auto hits = xl.search(problem.test(t), 10);
    const auto expected = scoring.search(problem.test(t), 10);
    REQUIRE(hits == expected);
  }
  REQUIRE(xl.memory_bytes() == scoring.memory_bytes() + 90 * 20 * sizeof(float));
  const auto zero =
      Xl::build(problem.passages, problem.queries, problem.relevance, {.missing_erm_score = MissingErmScore::zero});
  REQUIRE(zero.memory_bytes() == scoring.memory_bytes());
}

TEST_CASE("PefaXl::search: the largest k there is gives every passage, votes below 0 or not") {
  const Problem problem;
  const auto xl = FlatXl<MeanGate>::build(problem.passages, problem.queries, problem.relevance, {.neighbors = 140});
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    REQUIRE(xl.search(problem.test(t), std::numeric_limits<std::size_t>::max()).size() == 90);
  }
}

TEST_CASE("PefaXl: an index that scores one row at a time gives the same results") {
  const Problem problem;
  const auto single = PefaXl<float, RowScoringIndex>::build(problem.passages, problem.queries, problem.relevance,
                                                            {.passage_candidates = 3});
  const auto batched =
      FlatXl<MeanGate>::build(problem.passages, problem.queries, problem.relevance, {.passage_candidates = 3});
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    REQUIRE(single.search(problem.test(t), 10) == batched.search(problem.test(t), 10));
  }
}

TEST_CASE("PefaXl: lambda 1 is the plain model to the last bit, built so or asked for per call, over both indexes") {
  const Problem problem;
  const BuildOptions serial{AnyExecutor::serial()};
  const auto check = [&]<class Index>(Index*) {
    using Xl = PefaXl<float, Index>;
    const auto erm = ErmRetriever<float, Index>::build(problem.passages, {}, serial);
    const auto built = Xl::build(problem.passages, problem.queries, problem.relevance, {.lambda = 1.0f}, serial);
    const auto asked = Xl::build(problem.passages, problem.queries, problem.relevance, {.lambda = 0.2f}, serial);
    for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
      const auto expected = erm.search(problem.test(t), 40);
      REQUIRE(built.search(problem.test(t), 40) == expected);
      REQUIRE(asked.search(problem.test(t), 40, {.lambda = 1.0f}) == expected);
    }
    REQUIRE(asked.search_batch(problem.tests, 40, {.lambda = 1.0f}) == erm.search_batch(problem.tests, 40));
  };
  check(static_cast<FlatIndex<>*>(nullptr));
  check(static_cast<HnswIndex*>(nullptr));
}

TEST_CASE("PefaXl: with fold.lambda below 1 the ERM side is the vectors of PEFA-XS, as in the dense oracle") {
  const Problem problem;
  const SoftmaxGate gate;
  for (const float fold : {0.0f, 0.3f}) {
    for (const ColdPassage cold : {ColdPassage::paper, ColdPassage::erm}) {
      const auto vectors = fold_queries(EmbeddingView<float>(problem.passages), EmbeddingView<float>(problem.queries),
                                        problem.relevance, fold, cold);
      Problem folded = problem;
      folded.passages = Eigen::Map<const RowMajorMatrix>(vectors.row(0), 90, 20);
      const auto build = [&]<class Index>(Index*) {
        return PefaXl<float, Index, FlatIndex<>, SoftmaxGate>::build(
            problem.passages, problem.queries, problem.relevance,
            {.neighbors = 12, .gate = gate, .fold = {.lambda = fold, .cold = cold}});
      };
      const auto xl = build(static_cast<FlatIndex<>*>(nullptr));
      const auto unscoring = build(static_cast<UnscoringIndex*>(nullptr));
      for (const float lambda : {0.0f, 0.2f, 0.8f}) {
        const RowMajorMatrix scores = oracle_xl(folded, lambda, 12, gate);
        for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
          require_best(xl.search(problem.test(t), 90, {.lambda = lambda}), scores.row(t));
          require_best(unscoring.search(problem.test(t), 5, {.lambda = lambda}), scores.row(t));
        }
      }
    }
  }
}

TEST_CASE("PefaXl: over folded passages lambda 1 is PEFA-XS, to the last bit, even where rows are borrowed") {
  const Problem problem;
  const auto xl = FlatXl<MeanGate>::build(problem.passages, problem.queries, problem.relevance,
                                          {.fold = {.lambda = 0.4f}, .passage_index = {.rows = Rows::borrow}});
  const auto xs =
      PefaXs<float, FlatIndex<>>::build(problem.passages, problem.queries, problem.relevance, {.lambda = 0.4f});
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    REQUIRE(xl.search(problem.test(t), 40, {.lambda = 1.0f}) == xs.search(problem.test(t), 40));
  }
}

TEMPLATE_TEST_CASE("PefaXl: passages of every element type fold", "", double, Eigen::half, Eigen::bfloat16,
                   std::int8_t) {
  const Problem problem;
  const auto passages = EmbeddingStore<TestType>::from(problem.passages);
  const auto queries = EmbeddingStore<TestType>::from(problem.queries);
  const auto xl =
      PefaXl<TestType, FlatIndex<TestType>>::build(passages, queries, problem.relevance, {.fold = {.lambda = 0.3f}});
  const auto expected =
      FlatXl<MeanGate>::build(problem.passages, problem.queries, problem.relevance, {.fold = {.lambda = 0.3f}});
  const auto hits = xl.search(problem.test(0), 10);
  const auto want = expected.search(problem.test(0), 10);
  for (std::size_t i = 0; i < hits.size(); ++i) REQUIRE(hits[i].score == Approx(want[i].score).margin(0.01));
}

TEST_CASE("PefaXl::build: progress runs once from start to end, folding included") {
  const Problem p;
  for (const float fold : {1.0f, 0.3f}) {
    std::size_t last = 0;
    const std::size_t expected = fold < 1.0f ? 90 + 90 + 140 : 90 + 140;
    const Progress progress = [&](std::size_t done, std::size_t total) {
      REQUIRE(total == expected);
      REQUIRE(done >= last);
      last = done;
      return ProgressAction::proceed;
    };
    (void)PefaXl<>::build(p.passages, p.queries, p.relevance, {.fold = {.lambda = fold}},
                          {ThreadExecutor(2), progress});
    REQUIRE(last == expected);
  }
}

TEST_CASE("PefaXl: indexes of two kinds and a half-precision store work together") {
  const Problem problem;
  const auto passages = EmbeddingStore<Eigen::half>::from(problem.passages);
  const auto queries = EmbeddingStore<Eigen::half>::from(problem.queries);
  using Mixed = PefaXl<Eigen::half, FlatIndex<Eigen::half>, HnswIndex, SoftmaxGate>;
  const auto xl = Mixed::build(passages, queries, problem.relevance, {.lambda = 0.3f, .gate = SoftmaxGate(0.1f)});
  const RowMajorMatrix scores = oracle_xl(problem, 0.3f, 32, SoftmaxGate(0.1f));
  for (const Hit& hit : xl.search(problem.test(0), 90)) {
    REQUIRE(hit.score ==
            Approx(scores(0, static_cast<Eigen::Index>(hit.passage.row()))).margin(2e-3));  // half's digits
  }
}

TEST_CASE("PefaXl::nearest_queries: says which training queries spoke") {
  const Problem problem;
  const auto xl = FlatXl<MeanGate>::build(problem.passages, problem.queries, problem.relevance, {.neighbors = 3});
  const QueryView known(problem.queries.row(17).data(), 20);
  const auto nearest = xl.nearest_queries(known);
  REQUIRE(nearest.size() == 3);
  REQUIRE(nearest[0].row == 17);
}

TEST_CASE("PefaXl: parameters and calls out of range are refused") {
  const Problem p;
  REQUIRE_ERROR(ValueError, "PefaXl::build: lambda is 1.1, expected 0 to 1",
                PefaXl<>::build(p.passages, p.queries, p.relevance, {.lambda = 1.1f}));
  REQUIRE_ERROR(ValueError, "PefaXl::build: fold: lambda is -0.5, expected 0 to 1",
                PefaXl<>::build(p.passages, p.queries, p.relevance, {.fold = {.lambda = -0.5f}}));
  REQUIRE_ERROR(ValueError, "PefaXl::build: neighbors is 0",
                PefaXl<>::build(p.passages, p.queries, p.relevance, {.neighbors = 0}));
  REQUIRE_ERROR(ShapeError, "PefaXl::build: relevance has 140 rows, queries has 100",
                PefaXl<>::build(p.passages, EmbeddingView<float>(p.queries).slice(0, 100), p.relevance));
  REQUIRE_ERROR(ValueError, "the index has metric l2",
                PefaXl<>::build(p.passages, p.queries, p.relevance, {.query_index = {.metric = Metric::l2}}));
  const auto xl = PefaXl<>::build(p.passages, p.queries, p.relevance);
  REQUIRE_ERROR(ValueError, "PefaXl::search: lambda is -1", xl.search(p.test(0), 3, {.lambda = -1.0f}));
  REQUIRE_ERROR(ValueError, "k is 0", xl.search(p.test(0), 0));
  REQUIRE_ERROR(ShapeError, "query has dim 7, expected 20", xl.search(p.test(0).first(7), 3));
}

#ifdef PEFA_HAS_HEAP_BYTES
TEST_CASE("PefaXl::memory_bytes: is within 5 % of what malloc handed out") {
  const RowMajorMatrix passages = random_matrix(8000, 32, 1);
  const RowMajorMatrix queries = random_matrix(12000, 32, 2);
  auto relevance = random_relevance(12000, 8000, 3, 3);
  const std::size_t before = heap_bytes();
  const auto xl = PefaXl<>::build(
      passages, queries, relevance,
      {.passage_index = {.m = 8, .ef_construction = 20}, .query_index = {.m = 8, .ef_construction = 20}},
      {AnyExecutor::serial()});
  const double measured = static_cast<double>(heap_bytes() - before);
  REQUIRE(static_cast<double>(xl.memory_bytes()) == Approx(measured).epsilon(0.05));
}
#endif
