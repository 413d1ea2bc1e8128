#include "pefa/adapter/least_squares.hpp"

#include <Eigen/LU>

#include <cstdint>
#include <cstring>

#include "catch.hpp"
#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/fold.hpp"
#include "small_problem.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

EmbeddingStore<float> solve(const SmallProblem& problem, const LeastSquaresParams& params,
                            const BuildOptions& options = {}) {
  return LeastSquares::fit(problem.p(), problem.q(), params, options)
      .solve_all(problem.p(), problem.q(), problem.relevance, options);
}

}  // namespace

TEST_CASE("SmallProblem: is the reference's own") {
  const SmallProblem problem;
  REQUIRE(difference(problem.passages.topRows(2).cast<double>(), matrix_of(expected()["passages"])) < 1e-7);
  REQUIRE(difference(problem.queries.topRows(2).cast<double>(), matrix_of(expected()["queries"])) < 1e-7);
  REQUIRE(difference(problem.tests.topRows(2).cast<double>(), matrix_of(expected()["tests"])) < 1e-7);
  const auto correlation = aggregate_queries(problem.q(), problem.relevance);
  REQUIRE(difference(every(matrix_of(correlation), 9), matrix_of(expected()["correlation"])) < 1e-6);
}

TEST_CASE("LeastSquares: the rows are the reference's, with and without passages as queries") {
  const SmallProblem problem;
  REQUIRE(difference(every(matrix_of(solve(problem, {.shrinkage = 0.3f})), 9), matrix_of(expected()["least_squares"])) <
          1e-6);
  REQUIRE(difference(every(matrix_of(solve(problem, {.shrinkage = 0.1f, .passages_as_queries = 0.3f})), 9),
                     matrix_of(expected()["least_squares_b"])) < 1e-6);
}

TEST_CASE("LeastSquares: the scores of row A of the documentation are the reference's") {
  const SmallProblem problem;
  const auto c = solve(problem, {.shrinkage = 0.3f});
  EmbeddingStore<float> folded = c;
  for (std::size_t j = 0; j < 60; ++j) {
    std::vector<float> passage(problem.p().row(j), problem.p().row(j) + SmallProblem::dim);
    detail::fold_pseudo_embedding(passage, j < 50 ? 0.1f : 1.0f, PseudoNorm::unit, folded.mutable_row(j));
  }
  const Eigen::MatrixXd scores = problem.tests.topRows(2).cast<double>() * matrix_of(folded).transpose();
  REQUIRE(difference(scores, matrix_of(expected()["rows"]["A"])) < 1e-6);
}

TEST_CASE("LeastSquares: with much shrinkage it is the correlation rule") {
  const SmallProblem problem;
  const auto correlation = aggregate_queries(problem.q(), problem.relevance);
  REQUIRE(difference(matrix_of(solve(problem, {.shrinkage = 1e6f})), matrix_of(correlation)) < 2e-5);
}

TEST_CASE("LeastSquares: a passage without training queries has a zero row, and its own direction where b is above 0") {
  const SmallProblem problem;
  const auto without = solve(problem, {});
  const auto with = solve(problem, {.passages_as_queries = 0.5f});
  for (std::size_t j = 0; j < 60; ++j) {
    const double length = matrix_of(without).row(static_cast<Eigen::Index>(j)).norm();
    REQUIRE(length == Approx(j < 50 ? 1.0 : 0.0).margin(1e-6));
    REQUIRE(matrix_of(with).row(static_cast<Eigen::Index>(j)).norm() == Approx(1.0));
  }
}

TEST_CASE("LeastSquares::fold_one: one passage has the bits it has among all") {
  const SmallProblem problem;
  for (const float b : {0.0f, 0.5f}) {
    const auto fitted = LeastSquares::fit(problem.p(), problem.q(), {.passages_as_queries = b});
    const auto all = fitted.solve_all(problem.p(), problem.q(), problem.relevance);
    std::vector<float> one(SmallProblem::dim);
    for (Row j = 0; j < 60; ++j) {
      fitted.fold_one({problem.p().row(j), SmallProblem::dim}, problem.q(), problem.relevance.queries_of(PassageId(j)),
                      one);
      REQUIRE(std::memcmp(one.data(), all.row(j), sizeof(float) * one.size()) == 0);
    }
  }
}

TEST_CASE("LeastSquares: the same bits for any number of threads, and from its inverse") {
  const SmallProblem problem;
  const auto one = solve(problem, {}, {AnyExecutor::serial()});
  const auto four = solve(problem, {}, {ThreadExecutor(4)});
  REQUIRE(matrix_of(one) == matrix_of(four));
  const auto fitted = LeastSquares::fit(problem.p(), problem.q());
  const auto again = LeastSquares::of_inverse(fitted.inverse(), fitted.params());
  REQUIRE(matrix_of(again.solve_all(problem.p(), problem.q(), problem.relevance)) == matrix_of(one));
}

TEST_CASE("LeastSquares: without held-out queries in its second moment it is the fit without them") {
  const SmallProblem problem;
  const Eigen::MatrixXd q = problem.queries.cast<double>();
  const Eigen::MatrixXd kept = q.topRows(150);
  const auto fitted = LeastSquares::fit(problem.p(), problem.q().slice(0, 150));
  const Eigen::MatrixXd all = q.transpose() * q;
  const Eigen::MatrixXd held = q.bottomRows(50).transpose() * q.bottomRows(50);
  const auto downdated = LeastSquares::of_second_moment((all - held) / 150.0, {});
  REQUIRE(difference(fitted.inverse(), downdated.inverse()) < 1e-9);
}

TEST_CASE("LeastSquares: any element type, rows of any length") {
  const SmallProblem problem;
  const auto solve_as = [&](auto scalar, float length, double tolerance) {
    using Scalar = decltype(scalar);
    const RowMajorMatrix long_p = length * problem.passages;
    const RowMajorMatrix long_q = length * problem.queries;
    const auto p = EmbeddingStore<Scalar>::from(long_p);
    const auto q = EmbeddingStore<Scalar>::from(long_q);
    const auto fitted = LeastSquares::fit(p.view(), q.view(), {.passages_as_queries = 0.3f});
    REQUIRE(difference(matrix_of(fitted.solve_all(p.view(), q.view(), problem.relevance)),
                       matrix_of(solve(problem, {.passages_as_queries = 0.3f}))) < tolerance);
  };
  solve_as(double{}, 1e20f, 1e-5);
  solve_as(float{}, 1e18f, 1e-5);
  solve_as(float{}, 1e-18f, 1e-5);
  solve_as(Eigen::half{}, 1.0f, 5e-3);
  solve_as(std::int8_t{}, 30.0f, 5e-2);
}

TEST_CASE("LeastSquares: fewer queries than dimensions need a shrinkage above 0") {
  const RowMajorMatrix queries = random_matrix(6, 20, 1);
  const RowMajorMatrix passages = random_matrix(3, 20, 2);
  const std::vector<RelevancePair> pairs = {{QueryId(0), PassageId(0)}, {QueryId(4), PassageId(2)}};
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 6, 3);
  const EmbeddingView<float> q(queries);
  const EmbeddingView<float> p(passages);
  REQUIRE_ERROR(ValueError, "LeastSquares::fit: the second moment of the training queries is singular",
                LeastSquares::fit(p, q, {.shrinkage = 0.0f}));
  const Eigen::MatrixXd wide = queries.cast<double>();
  Eigen::MatrixXd m = wide.transpose() * wide / 6.0;
  m.diagonal().array() += static_cast<double>(0.1f) * m.trace() / 20.0;
  const Eigen::VectorXd dense = m.fullPivLu().solve(wide.row(4).transpose()).normalized();
  const auto solved = LeastSquares::fit(p, q).solve_all(p, q, relevance);
  REQUIRE(difference(matrix_of(solved).row(2).transpose(), dense) < 1e-6);
}

TEST_CASE("LeastSquares: parameters and shapes that cannot be are refused") {
  const SmallProblem problem;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  REQUIRE_ERROR(ValueError, "shrinkage is -1", LeastSquares::fit(problem.p(), problem.q(), {.shrinkage = -1.0f}));
  REQUIRE_ERROR(ValueError, "shrinkage is nan", LeastSquares::fit(problem.p(), problem.q(), {.shrinkage = nan}));
  REQUIRE_ERROR(ValueError, "passages_as_queries is -1",
                LeastSquares::fit(problem.p(), problem.q(), {.passages_as_queries = -1.0f}));
  REQUIRE_ERROR(ValueError, "no training queries", LeastSquares::fit(problem.p(), problem.q().slice(0, 0)));
  const RowMajorMatrix other = random_matrix(60, 7, 1);
  REQUIRE_ERROR(ShapeError, "queries have dim 16, passages have dim 7",
                LeastSquares::fit(EmbeddingView<float>(other), problem.q()));
  const auto fitted = LeastSquares::fit(problem.p(), problem.q());
  REQUIRE_ERROR(ShapeError, "expected dim 16",
                fitted.solve_all(problem.p().slice(0, 5), problem.q(), problem.relevance));
  std::vector<float> out(3);
  REQUIRE_ERROR(ShapeError, "out has 3", fitted.solve(std::vector<double>(16), out));
}

TEST_CASE("LeastSquares: progress counts every item, and stops") {
  const SmallProblem problem;
  std::size_t last = 0;
  const Progress heard = [&](std::size_t done, std::size_t) {
    last = done;
    return ProgressAction::proceed;
  };
  const auto fitted = LeastSquares::fit(problem.p(), problem.q(), {.passages_as_queries = 1.0f}, {{}, heard});
  REQUIRE(last == 260);
  (void)fitted.solve_all(problem.p(), problem.q(), problem.relevance, {{}, heard});
  REQUIRE(last == 60);
  const Progress stop = [](std::size_t, std::size_t) { return ProgressAction::stop; };
  REQUIRE_ERROR(Cancelled, "LeastSquares::solve_all",
                fitted.solve_all(problem.p(), problem.q(), problem.relevance, {{}, stop}));
}
