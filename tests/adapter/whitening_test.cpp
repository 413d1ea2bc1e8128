#include "pefa/adapter/whitening.hpp"

#include <Eigen/Eigenvalues>

#include <cstdint>
#include <cstring>

#include "catch.hpp"
#include "small_problem.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// Inner products of whitened vectors: what a whitening is, up to a rotation.
Eigen::MatrixXd products(const Whitening& whitening, const EmbeddingView<float>& a, const EmbeddingView<float>& b) {
  return matrix_of(whitening.apply(a)) * matrix_of(whitening.apply(b)).transpose();
}

/// The same by the symmetric root of S + α (tr S/d) I.
Eigen::MatrixXd dense_products(Eigen::MatrixXd s, double shrinkage, const RowMajorMatrix& a, const RowMajorMatrix& b) {
  s.diagonal().array() += shrinkage * s.trace() / static_cast<double>(s.rows());
  const Eigen::MatrixXd root = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(s).operatorInverseSqrt();
  Eigen::MatrixXd x = a.cast<double>() * root;
  Eigen::MatrixXd y = b.cast<double>() * root;
  x.rowwise().normalize();
  y.rowwise().normalize();
  return x * y.transpose();
}

RelevanceMatrix pairs_of(std::vector<RelevancePair> pairs, std::size_t queries, std::size_t passages) {
  return RelevanceMatrix::from_pairs(pairs, queries, passages);
}

}  // namespace

TEST_CASE("Whitening: inner products are the reference's, for every scatter and below full rank") {
  const SmallProblem problem;
  const auto check = [&](const char* name, const WhiteningParams& params) {
    const auto whitening = Whitening::fit(problem.q(), problem.relevance, params);
    REQUIRE(whitening.scatter() == params.scatter);
    const Eigen::MatrixXd all = products(whitening, problem.x().slice(0, 4), problem.q());
    REQUIRE(difference(every(all.transpose(), 20).transpose(), matrix_of(expected()["whitened"][name])) < 2e-6);
  };
  check("within", {});
  check("total", {.scatter = Scatter::total, .shrinkage = 0.3f});
  check("both", {.scatter = Scatter::both, .shrinkage = 0.5f});
  check("rank5", {.rank = 5});
}

TEST_CASE("Whitening: results are of unit length, whatever the length of what comes") {
  const SmallProblem problem;
  const auto whitening = Whitening::fit(problem.q(), problem.relevance);
  std::vector<float> whitened(16);
  std::vector<float> other(16);
  whitening.apply({problem.x().row(0), 16}, whitened);
  for (const float length : {1e-20f, 7.0f, 1e20f}) {
    const RowMajorMatrix longer = length * problem.tests;
    whitening.apply({longer.row(0).data(), 16}, other);
    for (std::size_t d = 0; d < 16; ++d) REQUIRE(other[d] == Approx(whitened[d]).margin(1e-6));
  }
  REQUIRE(Eigen::Map<Eigen::VectorXf>(whitened.data(), 16).norm() == Approx(1.0f));
}

TEST_CASE("Whitening::apply: a store has the bits of its rows one by one, for any number of threads") {
  const SmallProblem problem;
  for (const std::size_t rank : {std::size_t{0}, std::size_t{9}}) {
    const auto whitening = Whitening::fit(problem.q(), problem.relevance, {.rank = rank}, {ThreadExecutor(3)});
    const auto serial = Whitening::fit(problem.q(), problem.relevance, {.rank = rank}, {AnyExecutor::serial()});
    REQUIRE(whitening.map().matrix<Eigen::MatrixXd>() == serial.map().matrix<Eigen::MatrixXd>());
    const auto all = whitening.apply(problem.q(), {ThreadExecutor(3)});
    REQUIRE(all.dim() == whitening.rank());
    std::vector<float> one(whitening.rank());
    for (std::size_t i = 0; i < all.size(); ++i) {
      whitening.apply({problem.q().row(i), 16}, one);
      REQUIRE(std::memcmp(one.data(), all.row(i), sizeof(float) * one.size()) == 0);
    }
  }
}

TEST_CASE("Whitening: total whitening makes the second moment of the training queries the identity") {
  const RowMajorMatrix skewed = random_matrix(500, 12, 1, Normalize::none) * random_matrix(12, 12, 2, Normalize::none);
  const auto relevance = random_relevance(500, 20, 1, 3);
  const auto whitening =
      Whitening::fit(EmbeddingView<float>(skewed), relevance, {.scatter = Scatter::total, .shrinkage = 0.0f});
  const Eigen::MatrixXd w = whitening.map().matrix<Eigen::MatrixXd>();
  const Eigen::MatrixXd q = skewed.cast<double>() * w.transpose();
  REQUIRE(difference(q.transpose() * q / 500.0, Eigen::MatrixXd::Identity(12, 12)) < 1e-4);
}

TEST_CASE("Whitening: where no passage has two queries, total takes the place of within and of both, and says so") {
  const RowMajorMatrix queries = random_matrix(30, 8, 1);
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < 30; ++i) pairs.push_back({QueryId(i), PassageId(i)});
  const auto relevance = pairs_of(pairs, 30, 30);
  const EmbeddingView<float> q(queries);
  const auto total = Whitening::fit(q, relevance, {.scatter = Scatter::total, .shrinkage = 0.5f});
  for (const Scatter asked : {Scatter::within, Scatter::both}) {
    const auto whitening = Whitening::fit(q, relevance, {.scatter = asked, .shrinkage = 0.5f});
    REQUIRE(whitening.scatter() == Scatter::total);
    REQUIRE(whitening.map().matrix<Eigen::MatrixXd>() == total.map().matrix<Eigen::MatrixXd>());
  }
}

TEST_CASE("Whitening: where the queries of each passage are copies, total takes the place of within") {
  for (const unsigned seed : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U}) {  // what rounding leaves may have either sign
    const RowMajorMatrix few = random_matrix(5, 8, seed);
    RowMajorMatrix queries(40, 8);
    std::vector<RelevancePair> pairs;
    for (Row i = 0; i < 40; ++i) {
      queries.row(i) = few.row(i % 5);
      pairs.push_back({QueryId(i), PassageId(i % 5), 1.0f + static_cast<float>(i)});
    }
    const auto whitening = Whitening::fit(EmbeddingView<float>(queries), pairs_of(pairs, 40, 5));
    REQUIRE(whitening.scatter() == Scatter::total);
    const Eigen::MatrixXd q = queries.cast<double>();
    REQUIRE(difference(products(whitening, EmbeddingView<float>(queries), EmbeddingView<float>(queries)),
                       dense_products(q.transpose() * q / 40.0, 1.0, queries, queries)) < 1e-5);
  }
}

TEST_CASE("Whitening: a single passage scatters about its own mean") {
  const RowMajorMatrix queries = random_matrix(40, 8, 1);
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < 40; ++i) pairs.push_back({QueryId(i), PassageId(0)});
  const auto whitening = Whitening::fit(EmbeddingView<float>(queries), pairs_of(pairs, 40, 1));
  REQUIRE(whitening.scatter() == Scatter::within);
  const Eigen::MatrixXd q = queries.cast<double>().rowwise() - queries.cast<double>().colwise().mean();
  REQUIRE(difference(products(whitening, EmbeddingView<float>(queries), EmbeddingView<float>(queries)),
                     dense_products(q.transpose() * q / 40.0, 1.0, queries, queries)) < 1e-5);
}

TEST_CASE("Whitening: a weight of 2 is the same as the query twice") {
  const SmallProblem problem;
  RowMajorMatrix twice(400, 16);
  twice << problem.queries, problem.queries;
  std::vector<RelevancePair> weighted;
  std::vector<RelevancePair> repeated;
  for (Row i = 0; i < 200; ++i) {
    weighted.push_back({QueryId(i), PassageId(i % 30), i % 2 == 0 ? 2.0f : 1.0f});
    repeated.push_back({QueryId(i), PassageId(i % 30)});
    if (i % 2 == 0) repeated.push_back({QueryId(200 + i), PassageId(i % 30)});
  }
  const auto a = Whitening::fit(problem.q(), pairs_of(weighted, 200, 60));
  const auto b = Whitening::fit(EmbeddingView<float>(twice), pairs_of(repeated, 400, 60));
  REQUIRE(difference(a.map().matrix<Eigen::MatrixXd>(), b.map().matrix<Eigen::MatrixXd>()) < 1e-5);
}

TEST_CASE("Whitening: fewer pairs than dimensions, or a dimension without variance, need a shrinkage above 0") {
  RowMajorMatrix queries = random_matrix(60, 20, 1);
  queries.col(7).setZero();
  const auto relevance = random_relevance(60, 10, 1, 2);
  const EmbeddingView<float> q(queries);
  const EmbeddingView<float> few = q.slice(0, 5);
  const auto few_relevance = pairs_of({{QueryId(0), PassageId(0)}, {QueryId(1), PassageId(0)}}, 5, 1);
  for (const Scatter scatter : {Scatter::within, Scatter::total, Scatter::both}) {
    const WhiteningParams none{.scatter = scatter, .shrinkage = 0.0f};
    REQUIRE_ERROR(ValueError, "Whitening::fit: the second moment of the training queries is singular",
                  Whitening::fit(q, relevance, none));
    REQUIRE_ERROR(ValueError, "expected a shrinkage above 0", Whitening::fit(few, few_relevance, none));
    const WhiteningParams some{.scatter = scatter, .shrinkage = 0.1f};
    for (const auto& whitening : {Whitening::fit(q, relevance, some), Whitening::fit(few, few_relevance, some)}) {
      REQUIRE(products(whitening, q, q).diagonal().isOnes(1e-5));
    }
  }
}

TEST_CASE("Whitening: any element type") {
  const SmallProblem problem;
  const auto wanted = products(Whitening::fit(problem.q(), problem.relevance), problem.x(), problem.x());
  const auto check = [&](auto scalar, double tolerance) {
    using Scalar = decltype(scalar);
    const auto queries = EmbeddingStore<Scalar>::from(problem.queries);
    const auto tests = EmbeddingStore<Scalar>::from(problem.tests);
    const Eigen::MatrixXd whitened = matrix_of(Whitening::fit(queries.view(), problem.relevance).apply(tests.view()));
    REQUIRE(difference(whitened * whitened.transpose(), wanted) < tolerance);
  };
  check(double{}, 1e-6);
  check(Eigen::half{}, 5e-3);
  check(Eigen::bfloat16{}, 3e-2);
  check(std::int8_t{}, 3e-2);
}

TEST_CASE("Whitening: what cannot be is refused") {
  const SmallProblem problem;
  REQUIRE_ERROR(ValueError, "shrinkage is -1", Whitening::fit(problem.q(), problem.relevance, {.shrinkage = -1.0f}));
  REQUIRE_ERROR(ValueError, "rank is 17, expected at most 16",
                Whitening::fit(problem.q(), problem.relevance, {.rank = 17}));
  REQUIRE_ERROR(ShapeError, "relevance has 200 rows, queries has 100",
                Whitening::fit(problem.q().slice(0, 100), problem.relevance));
  const auto whitening = Whitening::fit(problem.q(), problem.relevance);
  std::vector<float> out(16);
  REQUIRE_ERROR(ShapeError, "x has 3 elements", whitening.apply({problem.x().row(0), 3}, out));
  const RowMajorMatrix zero = RowMajorMatrix::Zero(2, 16);
  REQUIRE_ERROR(ValueError, "row 0 whitens to 0",
                whitening.apply(EmbeddingView<float>(zero), BuildOptions{AnyExecutor::serial()}));
}

TEST_CASE("Whitening::fit: progress ends at its total") {
  const SmallProblem problem;
  for (const WhiteningParams params :
       {WhiteningParams{}, WhiteningParams{.scatter = Scatter::both, .rank = 4}, WhiteningParams{Scatter::total}}) {
    std::size_t last = 0;
    std::size_t all = 1;
    const Progress heard = [&](std::size_t done, std::size_t total) {
      last = done;
      all = total;
      return ProgressAction::proceed;
    };
    (void)Whitening::fit(problem.q(), problem.relevance, params, {{}, heard});
    REQUIRE(last == all);
  }
}
