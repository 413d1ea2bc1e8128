#include "pefa/adapter/condense.hpp"

#include <cstring>
#include <limits>

#include "catch.hpp"
#include "oracle.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/index/flat_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

RelevanceMatrix relevance_of(const std::vector<RelevancePair>& pairs, std::size_t queries) {
  return RelevanceMatrix::from_pairs(pairs, queries, 4);
}

/// `questions` questions, each asked `times` times with a little noise, row i being question i mod questions; question
/// q is answered by passage q mod `passages`.
struct Log {
  RowMajorMatrix queries;
  RelevanceMatrix relevance;

  Log(std::size_t questions, std::size_t times, std::size_t passages, float noise)
      : queries(noise * random_matrix(questions * times, 20, 91)), relevance(pairs(questions, times, passages)) {
    const RowMajorMatrix asked = random_matrix(questions, 20, 92);
    for (Eigen::Index i = 0; i < queries.rows(); ++i) queries.row(i) += asked.row(i % asked.rows());
    queries.rowwise().normalize();
  }

  static RelevanceMatrix pairs(std::size_t questions, std::size_t times, std::size_t passages) {
    std::vector<RelevancePair> pairs;
    for (std::size_t i = 0; i < questions * times; ++i) {
      pairs.push_back({QueryId(static_cast<Row>(i)), PassageId(static_cast<Row>(i % questions % passages))});
    }
    return RelevanceMatrix::from_pairs(pairs, questions * times, passages);
  }

  [[nodiscard]] CondensedQueries condense(const CondenseParams& params, const BuildOptions& options = {}) const {
    return condense_queries(EmbeddingView<float>(queries), relevance, params, options);
  }
};

}  // namespace

TEST_CASE("condense_queries: questions asked in several wordings become one each, in the order they first came") {
  const Log log(6, 5, 2, 0.2f);
  const auto condensed = log.condense({.min_cosine = 0.8f});
  REQUIRE(condensed.queries.size() == 6);
  REQUIRE(condensed.relevance.rows() == 6);
  REQUIRE(condensed.relevance.cols() == 2);
  for (std::size_t i = 0; i < 30; ++i) REQUIRE(condensed.condensed_of[i] == QueryId(static_cast<Row>(i % 6)));
  for (Eigen::Index c = 0; c < 6; ++c) {
    Eigen::RowVectorXf sum = Eigen::RowVectorXf::Zero(20);
    for (Eigen::Index i = c; i < 30; i += 6) sum += log.queries.row(i);
    REQUIRE((as_matrix(condensed.queries).row(c) - sum.normalized()).cwiseAbs().maxCoeff() < 1e-6f);
  }
}

TEST_CASE("condense_queries: follows the greedy rule of its description, member by member") {
  const Log log(1, 200, 1, 1.0f);
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < 200; ++i) pairs.push_back({QueryId(i), PassageId(0), i % 3 == 0 ? 9.0f : 1.0f});
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 200, 1);
  for (const float min_cosine : {0.7f, 0.65f, 0.6f}) {
    const auto condensed = condense_queries(EmbeddingView<float>(log.queries), relevance, {.min_cosine = min_cosine});
    std::vector<Eigen::RowVectorXf> sums;
    for (Row i = 0; i < 200; ++i) {
      std::size_t nearest = sums.size();
      float best = min_cosine;
      for (std::size_t c = 0; c < sums.size(); ++c) {
        const float cosine = log.queries.row(i).dot(sums[c].normalized());
        if (cosine > best) {
          best = cosine;
          nearest = c;
        }
      }
      if (nearest == sums.size()) sums.emplace_back(Eigen::RowVectorXf::Zero(20));
      sums[nearest] += pairs[i].weight * log.queries.row(i);
      REQUIRE(condensed.condensed_of[i].row() == nearest);
    }
    REQUIRE(condensed.queries.size() == sums.size());
    REQUIRE(sums.size() > 1);
    REQUIRE(sums.size() < 200);
  }
}

TEST_CASE("condense_queries: where nothing is alike, nothing changes, to the last bit") {
  const Problem problem;
  const auto condensed = condense_queries(EmbeddingView<float>(problem.queries), problem.relevance, {.min_cosine = 1});
  REQUIRE(as_matrix(condensed.queries) == problem.queries);
  REQUIRE(dense(condensed.relevance) == dense(problem.relevance));
  for (Row i = 0; i < 140; ++i) REQUIRE(condensed.condensed_of[i] == QueryId(i));
}

TEST_CASE("condense_queries: equal rows merge even at cosine 1, but only with the same passages") {
  RowMajorMatrix queries = random_matrix(1, 20, 5).colwise().replicate(6);
  queries.row(4) *= 3.0f;  // another length, the same direction
  const auto relevance = relevance_of({{QueryId(0), PassageId(0)},
                                       {QueryId(1), PassageId(1)},
                                       {QueryId(2), PassageId(0)},
                                       {QueryId(3), PassageId(0)},
                                       {QueryId(3), PassageId(1)},
                                       {QueryId(4), PassageId(0)}},
                                      6);
  const auto condensed = condense_queries(EmbeddingView<float>(queries), relevance, {.min_cosine = 1.0f});
  REQUIRE(condensed.condensed_of ==
          std::vector<QueryId>{QueryId(0), QueryId(1), QueryId(0), QueryId(2), QueryId(0), QueryId(3)});
  REQUIRE(condensed.relevance.passages_of(QueryId(3)).size() == 0);  // a query without passages stays one
}

TEST_CASE("condense_queries: a merged query has its members' mean direction and mean length, by their weights") {
  RowMajorMatrix queries(2, 2);
  queries << 2, 0, 4 * 0.6f, 4 * 0.8f;
  const auto relevance = relevance_of({{QueryId(0), PassageId(0), 1.0f},
                                       {QueryId(0), PassageId(2), 2.0f},
                                       {QueryId(1), PassageId(0), 3.0f},
                                       {QueryId(1), PassageId(2), 6.0f}},
                                      2);
  const auto merge = [&](CondensedWeight weight) {
    return condense_queries(EmbeddingView<float>(queries), relevance, {.min_cosine = 0.5f, .weight = weight});
  };
  const auto mean = merge(CondensedWeight::mean);
  REQUIRE(mean.queries.size() == 1);
  const Eigen::RowVector2f direction = 3.0f * queries.row(0) + 9.0f * queries.row(1);
  const Eigen::RowVector2f expected = direction.normalized() * (3.0f * 2.0f + 9.0f * 4.0f) / 12.0f;
  REQUIRE((as_matrix(mean.queries).row(0) - expected).cwiseAbs().maxCoeff() < 1e-6f);
  REQUIRE(dense(mean.relevance).row(0) == Eigen::RowVector4f(2, 0, 4, 0));
  const auto sum = merge(CondensedWeight::sum);
  REQUIRE(as_matrix(sum.queries) == as_matrix(mean.queries));
  REQUIRE(dense(sum.relevance).row(0) == Eigen::RowVector4f(4, 0, 8, 0));
}

TEST_CASE("condense_queries: with summed weights and the sum gate, PEFA-XL answers as with the whole log") {
  const Log log(40, 6, 10, 0.0f);  // exact repetitions
  const RowMajorMatrix passages = random_matrix(10, 20, 93);
  const RowMajorMatrix tests = random_matrix(20, 20, 94);
  auto condensed = log.condense({.weight = CondensedWeight::sum});
  REQUIRE(condensed.queries.size() == 40);
  using Xl = PefaXl<float, FlatIndex<>, FlatIndex<>, SumGate>;
  const auto whole = Xl::build(passages, log.queries, log.relevance, {.neighbors = 6 * 7});
  const auto small = Xl::build(passages, condensed.queries, std::move(condensed.relevance), {.neighbors = 7});
  REQUIRE(small.memory_bytes() < whole.memory_bytes());
  for (Eigen::Index t = 0; t < 20; ++t) {
    const QueryView test(tests.row(t).data(), 20);
    const auto expected = whole.search(test, 10);
    const auto hits = small.search(test, 10);
    REQUIRE(hits.size() == expected.size());
    for (std::size_t i = 0; i < hits.size(); ++i) {
      REQUIRE(hits[i].passage == expected[i].passage);
      REQUIRE(hits[i].score == Approx(expected[i].score).margin(1e-5));
    }
  }
}

TEMPLATE_TEST_CASE("condense_queries: with mean weights a gate whose weights add up to 1 keeps f_kNN in range", "",
                   MeanGate, SoftmaxGate) {
  const Log log(30, 8, 10, 0.1f);
  auto condensed = log.condense({});
  REQUIRE(condensed.queries.size() < 60);
  const RowMajorMatrix passages = random_matrix(10, 20, 93);
  const RowMajorMatrix tests = random_matrix(20, 20, 94);
  const auto xl = PefaXl<float, FlatIndex<>, FlatIndex<>, TestType>::build(
      passages, condensed.queries, std::move(condensed.relevance), {.lambda = 0.0f, .neighbors = 16});
  for (Eigen::Index t = 0; t < 20; ++t) {
    const QueryView test(tests.row(t).data(), 20);
    REQUIRE(xl.search(test, 1)[0].score <= xl.nearest_queries(test)[0].score + 1e-6f);
  }
}

TEMPLATE_TEST_CASE("condense_queries: takes rows of every element type", "", double, Eigen::half, Eigen::bfloat16,
                   std::int8_t) {
  const Log log(6, 5, 2, 0.2f);
  const auto store = EmbeddingStore<TestType>::from(log.queries);
  const auto condensed = condense_queries(store.view(), log.relevance, {.min_cosine = 0.8f});
  REQUIRE(condensed.condensed_of == log.condense({.min_cosine = 0.8f}).condensed_of);
  REQUIRE((as_matrix(condensed.queries) - as_matrix(log.condense({.min_cosine = 0.8f}).queries)).cwiseAbs().maxCoeff() <
          0.02f);
}

TEST_CASE("condense_queries: the same bits for any number of threads") {
  const Log log(60, 9, 7, 0.4f);
  const auto one = log.condense({.min_cosine = 0.7f}, {AnyExecutor::serial()});
  const auto four = log.condense({.min_cosine = 0.7f}, {ThreadExecutor(4)});
  REQUIRE(one.condensed_of == four.condensed_of);
  REQUIRE(as_matrix(one.queries) == as_matrix(four.queries));
  REQUIRE(dense(one.relevance) == dense(four.relevance));
}

TEST_CASE("condense_queries: progress counts the queries, and stop cancels") {
  const Log log(20, 3, 7, 0.2f);
  std::size_t last = 0;
  (void)log.condense({}, {ThreadExecutor(2), [&](std::size_t done, std::size_t total) {
                            REQUIRE(total == 60);
                            last = done;
                            return ProgressAction::proceed;
                          }});
  REQUIRE(last == 60);
  REQUIRE_ERROR(
      Cancelled, "condense_queries: stopped",
      log.condense({}, {AnyExecutor::serial(), [](std::size_t, std::size_t) { return ProgressAction::stop; }}));
}

TEST_CASE("condense_queries: inputs out of range are refused") {
  const Problem p;
  const EmbeddingView<float> queries(p.queries);
  for (const float cosine : {-0.5f, 1.5f, std::numeric_limits<float>::quiet_NaN()}) {
    REQUIRE_ERROR(ValueError, "condense_queries: min_cosine is ",
                  condense_queries(queries, p.relevance, {.min_cosine = cosine}));
  }
  REQUIRE_ERROR(ShapeError, "relevance has 140 rows, queries has 139 (one row a training query)",
                condense_queries(queries.slice(0, 139), p.relevance));
  RowMajorMatrix broken = p.queries;
  broken.row(7).setZero();
  REQUIRE_ERROR(ValueError, "condense_queries: queries: row 7 is a zero vector",
                condense_queries(EmbeddingView<float>(broken), p.relevance));
}
