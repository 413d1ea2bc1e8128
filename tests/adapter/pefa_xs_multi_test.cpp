#include "pefa/adapter/pefa_xs_multi.hpp"

#include <cstring>

#include "catch.hpp"
#include "centroid_problem.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/index/flat_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

using FlatMulti = PefaXsMulti<float, FlatIndex<>>;

/// λ⟨q̂, p_j⟩ + (1 − λ)(μ⟨q̂, C_j⟩ + (1 − μ) max_m ⟨q̂, c_jm⟩) for every test query and passage, the clusters taken from
/// spherical_kmeans, all else from the equation.
RowMajorMatrix oracle_multi(const Problem& problem, const CentroidParams& params) {
  const RowMajorMatrix erm = problem.tests * problem.passages.transpose();
  const RowMajorMatrix mean = problem.tests * oracle_pseudo_embeddings(problem.queries, problem.relevance).transpose();
  const RowMajorMatrix y = dense(problem.relevance);
  RowMajorMatrix scores(erm.rows(), erm.cols());
  for (Eigen::Index j = 0; j < erm.cols(); ++j) {
    const auto entries = problem.relevance.queries_of(PassageId(static_cast<Row>(j)));
    if (entries.size() == 0) {
      scores.col(j) = (params.cold == ColdPassage::erm ? 1.0f : params.lambda) * erm.col(j);
      continue;
    }
    const std::size_t evidence = (entries.size() + params.queries_per_centroid - 1) / params.queries_per_centroid;
    const auto clusters = spherical_kmeans(
        EmbeddingView<float>(problem.queries), entries,
        {.clusters = std::min(params.max_centroids, evidence), .seed = params.seed + static_cast<std::size_t>(j)});
    Eigen::VectorXf best = Eigen::VectorXf::Constant(erm.rows(), -2.0f);
    for (std::uint32_t c = 0; c <= *std::max_element(clusters.begin(), clusters.end()); ++c) {
      Eigen::RowVectorXf centroid = Eigen::RowVectorXf::Zero(problem.queries.cols());
      for (std::size_t e = 0; e < entries.size(); ++e) {
        if (clusters[e] == c) centroid += y(entries.columns[e], j) * problem.queries.row(entries.columns[e]);
      }
      best = best.cwiseMax(problem.tests * centroid.normalized().transpose());
    }
    scores.col(j) = params.lambda * erm.col(j) +
                    (1.0f - params.lambda) * (params.shrinkage * mean.col(j) + (1.0f - params.shrinkage) * best);
  }
  return scores;
}

}  // namespace

TEST_CASE("PefaXsMulti: scores are those of the dense oracle at every lambda, shrinkage and number of centroids") {
  const DenseProblem problem;
  for (const std::size_t c : {std::size_t{1}, std::size_t{2}, std::size_t{6}, std::size_t{50}}) {
    for (const float lambda : {0.0f, 0.1f, 0.5f}) {
      for (const float shrinkage : {0.0f, 0.3f, 1.0f}) {
        const CentroidParams params{.lambda = lambda,
                                    .max_centroids = c,
                                    .queries_per_centroid = 3,
                                    .shrinkage = shrinkage,
                                    .cold = c == 2 ? ColdPassage::erm : ColdPassage::paper};
        const auto multi =
            FlatMulti::build(problem.passages, problem.queries, problem.relevance, {.centroids = params});
        const RowMajorMatrix scores = oracle_multi(problem, params);
        for (const std::size_t k : {std::size_t{1}, std::size_t{7}, std::size_t{30}, std::size_t{1000}}) {
          const auto batch = multi.search_batch(problem.tests, k);
          for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
            const auto hits = multi.search(problem.test(t), k);
            REQUIRE(hits.size() == std::min<std::size_t>(k, 30));
            REQUIRE(batch[static_cast<std::size_t>(t)].size() == hits.size());
            require_best(hits, scores.row(t));
            require_best(batch[static_cast<std::size_t>(t)], scores.row(t));
          }
        }
      }
    }
  }
}

TEST_CASE("fold_query_centroids: one centroid a passage is PEFA-XS, vectors and hits, to the last bit") {
  const DenseProblem problem;
  const BuildOptions serial{AnyExecutor::serial()};
  for (const ColdPassage cold : {ColdPassage::paper, ColdPassage::erm}) {
    for (const PseudoNorm norm : {PseudoNorm::unit, PseudoNorm::passage}) {
      const CentroidParams params{.lambda = 0.3f, .max_centroids = 1, .cold = cold, .norm = norm};
      const auto folded = fold(problem, params);
      REQUIRE(same_bits(folded.vectors,
                        fold_queries(EmbeddingView<float>(problem.passages), EmbeddingView<float>(problem.queries),
                                     problem.relevance, 0.3f, cold, norm)));
      const auto check = [&]<class Index>(Index*) {
        const auto multi = PefaXsMulti<float, Index>::build(problem.passages, problem.queries, problem.relevance,
                                                            {.centroids = params}, serial);
        const auto xs = PefaXs<float, Index>::build(problem.passages, problem.queries, problem.relevance,
                                                    {.lambda = 0.3f, .cold = cold, .norm = norm}, serial);
        for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
          REQUIRE(multi.search(problem.test(t), 12) == xs.search(problem.test(t), 12));
        }
        REQUIRE(multi.search_batch(problem.tests, 12) == xs.search_batch(problem.tests, 12));
      };
      check(static_cast<FlatIndex<>*>(nullptr));
      check(static_cast<HnswIndex*>(nullptr));
    }
  }
}

TEST_CASE("PefaXsMulti: lambda 1 is the plain model to the last bit, with one vector a passage") {
  const DenseProblem problem;
  const auto multi = FlatMulti::build(problem.passages, problem.queries, problem.relevance,
                                      {.centroids = {.lambda = 1.0f, .max_centroids = 8}});
  const auto erm = ErmRetriever<float, FlatIndex<>>::build(problem.passages);
  REQUIRE(multi.vector_count() == 30);
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    REQUIRE(multi.search(problem.test(t), 30) == erm.search(problem.test(t), 30));
  }
}

TEST_CASE("PefaXsMulti: k passages are found though one of them has all the nearest vectors") {
  // Passage 0 is asked for in 64 ways, all nearer to the test query than anything else.
  RowMajorMatrix queries = 0.2f * random_matrix(66, 20, 81);
  const RowMajorMatrix directions = random_matrix(3, 20, 82);
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < 66; ++i) {
    const Row passage = i < 64 ? 0 : i - 63;
    queries.row(i) += directions.row(passage);
    pairs.push_back({QueryId(i), PassageId(passage)});
  }
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 66, 3);
  const RowMajorMatrix tests = directions.topRows(1);
  const auto check = [&]<class Index>(Index*) {
    const auto multi = PefaXsMulti<float, Index>::build(
        directions, queries, relevance, {.centroids = {.max_centroids = 64, .queries_per_centroid = 1}});
    REQUIRE(multi.vector_count() == 66);
    REQUIRE(multi.passage_count() == 3);
    const auto batch = multi.search_batch(tests, 2);
    for (const std::size_t k : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{4}}) {
      const auto hits = multi.search({tests.data(), 20}, k);
      REQUIRE(hits.size() == std::min<std::size_t>(k, 3));
      REQUIRE(hits[0].passage == PassageId(0));
      if (k == 2) REQUIRE(batch[0][1].passage == hits[1].passage);
    }
  };
  check(static_cast<FlatIndex<>*>(nullptr));
  check(static_cast<HnswIndex*>(nullptr));
}

TEMPLATE_TEST_CASE("PefaXsMulti: vectors of every element type serve", "", double, Eigen::half, Eigen::bfloat16,
                   std::int8_t) {
  const DenseProblem problem;
  const auto passages = EmbeddingStore<TestType>::from(problem.passages);
  const auto queries = EmbeddingStore<TestType>::from(problem.queries);
  const auto multi = PefaXsMulti<TestType, FlatIndex<>>::build(passages, queries, problem.relevance);
  const auto expected = FlatMulti::build(EmbeddingStore<float>::from(passages.view()),
                                         EmbeddingStore<float>::from(queries.view()), problem.relevance);
  const auto hits = multi.search(problem.test(0), 30);
  const auto want = expected.search(problem.test(0), 30);
  for (std::size_t i = 0; i < hits.size(); ++i) REQUIRE(hits[i].score == Approx(want[i].score).margin(2e-6));
}

TEST_CASE("PefaXsMulti: parameters and calls out of range are refused") {
  const Problem p;
  const auto build = [&](const CentroidParams& params) {
    return FlatMulti::build(p.passages, p.queries, p.relevance, {.centroids = params});
  };
  REQUIRE_ERROR(ValueError, "PefaXsMulti::build: lambda is 1.5, expected 0 to 1", build({.lambda = 1.5f}));
  REQUIRE_ERROR(ValueError, "max_centroids is 0, expected at least 1", build({.max_centroids = 0}));
  REQUIRE_ERROR(ValueError, "queries_per_centroid is 0, expected at least 1", build({.queries_per_centroid = 0}));
  REQUIRE_ERROR(ValueError, "shrinkage is -0.1, expected 0 to 1", build({.shrinkage = -0.1f}));
  REQUIRE_ERROR(ValueError, "shrinkage is nan", build({.shrinkage = std::numeric_limits<float>::quiet_NaN()}));
  REQUIRE_ERROR(ShapeError, "PefaXsMulti::build: relevance has 140 rows, queries has 100",
                FlatMulti::build(p.passages, EmbeddingView<float>(p.queries).slice(0, 100), p.relevance));
  REQUIRE_ERROR(ValueError, "the index has metric l2, expected inner_product",
                FlatMulti::build(p.passages, p.queries, p.relevance, {.index = {.metric = Metric::l2}}));
  const auto multi = build({.lambda = 0.25f});
  REQUIRE_ERROR(ValueError, "PefaXsMulti::search: lambda is 0.5, but 0.25 is folded into the index",
                multi.search(p.test(0), 3, {.lambda = 0.5f}));
  REQUIRE(multi.search(p.test(0), 3, {.lambda = 0.25f}).size() == 3);
  REQUIRE_ERROR(ValueError, "k is 0", multi.search(p.test(0), 0));
  REQUIRE_ERROR(ValueError, "k is 0", multi.search_batch(p.tests, 0));
  REQUIRE_ERROR(ShapeError, "query has dim 7, expected 20", multi.search(p.test(0).first(7), 3));
  REQUIRE(multi.search_batch(EmbeddingView<float>(p.tests).slice(0, 0), 3).empty());
}

TEST_CASE("PefaXsMulti::build: progress runs once from start to end, and stop cancels") {
  const DenseProblem p;
  std::size_t last = 0;
  const Progress progress = [&](std::size_t done, std::size_t total) {
    REQUIRE(total == 60);  // the folding and the index, a passage each
    REQUIRE(done >= last);
    last = done;
    return ProgressAction::proceed;
  };
  (void)PefaXsMulti<>::build(p.passages, p.queries, p.relevance, {}, {ThreadExecutor(2), progress});
  REQUIRE(last == 60);
  const auto stop_after = [](std::size_t limit) {
    return [limit](std::size_t done, std::size_t) {
      return done > limit ? ProgressAction::stop : ProgressAction::proceed;
    };
  };
  REQUIRE_ERROR(Cancelled, "aggregate_queries: stopped",
                PefaXsMulti<>::build(p.passages, p.queries, p.relevance, {}, {ThreadExecutor(2), stop_after(0)}));
  REQUIRE_ERROR(Cancelled, "fold_query_centroids: stopped",
                PefaXsMulti<>::build(p.passages, p.queries, p.relevance, {}, {ThreadExecutor(2), stop_after(15)}));
  REQUIRE_ERROR(Cancelled, "HnswIndex::build: stopped",
                PefaXsMulti<>::build(p.passages, p.queries, p.relevance, {}, {ThreadExecutor(2), stop_after(40)}));
}

#ifdef PEFA_HAS_HEAP_BYTES
TEST_CASE("PefaXsMulti::memory_bytes: is within 5 % of what malloc handed out") {
  const RowMajorMatrix passages = random_matrix(2000, 32, 1);
  const RowMajorMatrix queries = random_matrix(9000, 32, 2);
  const auto relevance = random_relevance(9000, 2000, 3, 3);
  (void)relevance.transposed();
  const std::size_t before = heap_bytes();
  const auto multi = PefaXsMulti<>::build(passages, queries, relevance, {.index = {.m = 8, .ef_construction = 20}},
                                          {AnyExecutor::serial()});
  REQUIRE(static_cast<double>(multi.memory_bytes()) ==
          Approx(static_cast<double>(heap_bytes() - before)).epsilon(0.05));
}
#endif
