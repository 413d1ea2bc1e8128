#include "pefa/adapter/knn_similarity.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "catch.hpp"
#include "oracle.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/index/flat_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// A problem with rows of many lengths.
struct UnequalProblem : Problem {
  UnequalProblem() {
    stretch(passages, 7);
    stretch(queries, 5);
    stretch(tests, 3);
  }
  static void stretch(RowMajorMatrix& rows, Eigen::Index period) {
    for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) *= 0.2f + 2.0f * static_cast<float>(i % period);
  }
};

float similarity_of(KnnSimilarity similarity, const Eigen::RowVectorXf& a, const Eigen::RowVectorXf& b) {
  switch (similarity) {
    case KnnSimilarity::inner_product: return a.dot(b);
    case KnnSimilarity::cosine: return a.normalized().dot(b.normalized());
    case KnnSimilarity::l2: return 1.0f / (1.0f + (a - b).norm());
  }
  return 0.0f;
}

/// λ⟨q̂, p_j⟩ + (1 − λ)·scale·(‖q̂‖ for cosine)·Σ w_i·s(q̂, q_i)·Y_ij over the k nearest by s.
template <class G>
RowMajorMatrix oracle(const Problem& problem, KnnSimilarity similarity, float scale, float lambda, std::size_t k,
                      const G& gate) {
  const RowMajorMatrix y = dense(problem.relevance);
  RowMajorMatrix scores = lambda * problem.tests * problem.passages.transpose();
  for (Eigen::Index t = 0; t < scores.rows(); ++t) {
    std::vector<std::pair<float, Eigen::Index>> order;
    for (Eigen::Index i = 0; i < problem.queries.rows(); ++i) {
      order.emplace_back(similarity_of(similarity, problem.tests.row(t), problem.queries.row(i)), i);
    }
    std::sort(order.begin(), order.end(), std::greater<>());
    order.resize(k);
    std::vector<float> nearest;
    for (const auto& [s, i] : order) nearest.push_back(s);
    std::vector<float> weights(k);
    gate(nearest, weights);
    const float length = similarity == KnnSimilarity::cosine ? problem.tests.row(t).norm() : 1.0f;
    for (std::size_t i = 0; i < k; ++i) {
      scores.row(t) += (1.0f - lambda) * scale * length * weights[i] * nearest[i] * y.row(order[i].second);
    }
  }
  return scores;
}

template <class G>
using ExactXl = PefaXl<float, FlatIndex<>, FlatIndex<>, G>;

Metric metric_of(KnnSimilarity similarity) {
  return similarity == KnnSimilarity::l2 ? Metric::l2 : Metric::inner_product;
}

}  // namespace

TEMPLATE_TEST_CASE(
    "PefaXl: scores are those of the dense oracle for every similarity, scale and gate, whatever the lengths", "",
    MeanGate, SumGate, SoftmaxGate) {
  const UnequalProblem problem;
  const TestType gate{};
  for (const KnnSimilarity similarity : {KnnSimilarity::inner_product, KnnSimilarity::cosine, KnnSimilarity::l2}) {
    for (const float scale : {1.0f, 3.5f}) {
      const auto xl = ExactXl<TestType>::build(problem.passages, problem.queries, problem.relevance,
                                               {.neighbors = 12,
                                                .gate = gate,
                                                .similarity = similarity,
                                                .knn_scale = scale,
                                                .query_index = {.metric = metric_of(similarity)}});
      for (const float lambda : {0.0f, 0.3f}) {
        const RowMajorMatrix scores = oracle(problem, similarity, scale, lambda, 12, gate);
        const auto batch = xl.search_batch(problem.tests, 90, {.lambda = lambda});
        for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
          for (const auto& hits :
               {xl.search(problem.test(t), 90, {.lambda = lambda}), batch[static_cast<std::size_t>(t)]}) {
            for (const Hit& hit : hits) {
              REQUIRE(hit.score ==
                      Approx(scores(t, static_cast<Eigen::Index>(hit.passage.row()))).epsilon(1e-4).margin(1e-4));
            }
            REQUIRE(hits[0].score == Approx(scores.row(t).maxCoeff()).epsilon(1e-4).margin(1e-4));
          }
        }
      }
    }
  }
}

TEST_CASE("PefaXl: with cosine the length of the test query scales every score and moves none") {
  const UnequalProblem problem;
  const auto xl = ExactXl<SoftmaxGate>::build(problem.passages, problem.queries, problem.relevance,
                                              {.lambda = 0.3f, .similarity = KnnSimilarity::cosine});
  const RowMajorMatrix longer = 4.0f * problem.tests;
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    const auto hits = xl.search(problem.test(t), 90);
    const auto scaled = xl.search({longer.row(t).data(), 20}, 90);
    for (std::size_t i = 0; i < 90; ++i) REQUIRE(scaled[i].score == Approx(4.0f * hits[i].score).margin(1e-4));
  }
}

TEST_CASE("PefaXl: for unit vectors cosine is the inner product") {
  const Problem problem;
  const auto build = [&](KnnSimilarity similarity) {
    return ExactXl<SoftmaxGate>::build(problem.passages, problem.queries, problem.relevance,
                                       {.lambda = 0.3f, .similarity = similarity});
  };
  const auto product = build(KnnSimilarity::inner_product);
  const auto cosine = build(KnnSimilarity::cosine);
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    const auto expected = product.search(problem.test(t), 20);
    const auto hits = cosine.search(problem.test(t), 20);
    for (std::size_t i = 0; i < 20; ++i) REQUIRE(hits[i].score == Approx(expected[i].score).margin(1e-5));
  }
}

TEST_CASE("PefaXl: cosine over borrowed rows keeps the directions it made, and works over a graph and int8 rows") {
  const UnequalProblem problem;
  const auto expected = ExactXl<SoftmaxGate>::build(problem.passages, problem.queries, problem.relevance,
                                                    {.similarity = KnnSimilarity::cosine});
  const auto borrowing =
      ExactXl<SoftmaxGate>::build(problem.passages, problem.queries, problem.relevance,
                                  {.similarity = KnnSimilarity::cosine, .query_index = {.rows = Rows::borrow}});
  const auto passages = EmbeddingStore<std::int8_t>::from(problem.passages);
  const auto queries = EmbeddingStore<std::int8_t>::from(problem.queries);
  const auto graph = PefaXl<std::int8_t, HnswIndex, HnswIndex, SoftmaxGate>::build(
      passages, queries, problem.relevance, {.similarity = KnnSimilarity::cosine});
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    const auto hits = expected.search(problem.test(t), 20);
    REQUIRE(borrowing.search(problem.test(t), 20) == hits);
    REQUIRE(graph.search(problem.test(t), 1)[0].score == Approx(hits[0].score).epsilon(0.03));
  }
}

TEST_CASE("PefaXl::nearest_queries: tells the similarity that was asked for") {
  const UnequalProblem problem;
  for (const KnnSimilarity similarity : {KnnSimilarity::inner_product, KnnSimilarity::cosine, KnnSimilarity::l2}) {
    const auto xl = ExactXl<MeanGate>::build(
        problem.passages, problem.queries, problem.relevance,
        {.neighbors = 5, .similarity = similarity, .query_index = {.metric = metric_of(similarity)}});
    for (const Neighbor& neighbor : xl.nearest_queries(problem.test(2))) {
      REQUIRE(neighbor.score ==
              Approx(similarity_of(similarity, problem.tests.row(2), problem.queries.row(neighbor.row))).epsilon(1e-4));
    }
  }
}

TEST_CASE("mean_norm: is the mean length of the rows, codes included") {
  RowMajorMatrix rows(2, 2);
  rows << 3, 4, 0, 15;
  REQUIRE(mean_norm(EmbeddingView<float>(rows)) == Approx(10.0));
  const auto codes = EmbeddingStore<std::int8_t>::from(rows);
  REQUIRE(mean_norm(codes.view()) == Approx(10.0).epsilon(0.01));
  REQUIRE_ERROR(ValueError, "mean_norm: no rows", mean_norm(EmbeddingView<float>(rows).slice(0, 0)));
}

TEST_CASE("PefaXl::build: a similarity and an index that do not go together are refused, as is a scale out of range") {
  const Problem p;
  const auto build = [&](KnnSimilarity similarity, Metric metric, float scale = 1.0f) {
    return ExactXl<MeanGate>::build(p.passages, p.queries, p.relevance,
                                    {.similarity = similarity, .knn_scale = scale, .query_index = {.metric = metric}});
  };
  REQUIRE_ERROR(ValueError, "the index has metric inner_product, expected l2 on the side of the queries",
                build(KnnSimilarity::l2, Metric::inner_product));
  REQUIRE_ERROR(ValueError, "the index has metric l2, expected inner_product on the side of the queries",
                build(KnnSimilarity::cosine, Metric::l2));
  for (const float scale :
       {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    REQUIRE_ERROR(ValueError, "PefaXl::build: knn_scale is ",
                  build(KnnSimilarity::cosine, Metric::inner_product, scale));
  }
}
