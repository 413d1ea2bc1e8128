#include "pefa/adapter/balance.hpp"

#include <cstring>

#include "catch.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/least_squares.hpp"
#include "small_problem.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

EmbeddingStore<float> folded_rows(const SmallProblem& problem) {
  auto rows = LeastSquares::fit(problem.p(), problem.q(), {.passages_as_queries = 0.3f})
                  .solve_all(problem.p(), problem.q(), problem.relevance);
  for (std::size_t j = 0; j < rows.size(); ++j) {
    const std::vector<float> passage(problem.p().row(j), problem.p().row(j) + SmallProblem::dim);
    detail::fold_pseudo_embedding(passage, 0.1f, PseudoNorm::unit, rows.mutable_row(j));
  }
  return rows;
}

Eigen::MatrixXd mapped_queries(const Balance& balance, const RowMajorMatrix& queries) {
  RowMajorMatrix mapped(queries.rows(), static_cast<Eigen::Index>(balance.rank()));
  for (Eigen::Index i = 0; i < queries.rows(); ++i) {
    balance.map_query({queries.row(i).data(), balance.dim()}, {mapped.row(i).data(), balance.rank()});
  }
  return mapped.cast<double>();
}

}  // namespace

TEST_CASE(
    "Balance: at full rank the two maps undo each other, and scores are as they were but for one number a query") {
  const SmallProblem problem;
  const auto rows = folded_rows(problem);
  const auto balance = Balance::fit(problem.q(), rows.view());
  const Eigen::MatrixXd a = balance.query_map().matrix<Eigen::MatrixXd>();
  const Eigen::MatrixXd b = balance.row_map().matrix<Eigen::MatrixXd>();
  REQUIRE(difference(a.transpose() * b, Eigen::MatrixXd::Identity(16, 16)) < 1e-5);

  const Eigen::MatrixXd scores = problem.tests.cast<double>() * matrix_of(rows).transpose();
  Eigen::MatrixXd balanced =
      mapped_queries(balance, problem.tests) * matrix_of(balance.map_rows(rows.view())).transpose();
  for (Eigen::Index t = 0; t < balanced.rows(); ++t) {
    balanced.row(t).array() += static_cast<double>(balance.offset({problem.tests.row(t).data(), 16}));
  }
  REQUIRE(difference(balanced, scores) < 2e-6);
}

TEST_CASE("Balance: below full rank the scores are the reference's, and unmapped rows give them to raw queries") {
  const SmallProblem problem;
  const auto rows = folded_rows(problem);
  const auto balance = Balance::fit(problem.q(), rows.view(), {.rank = 8});
  const auto mapped = balance.map_rows(rows.view());
  const Eigen::MatrixXd scores = mapped_queries(balance, problem.tests) * matrix_of(mapped).transpose();
  REQUIRE(difference(every(scores.topRows(4).transpose(), 9).transpose(), matrix_of(expected()["balanced_scores"])) <
          2e-6);
  const Eigen::MatrixXd raw = matrix_of(balance.unmap_rows(mapped.view()));
  REQUIRE(difference(problem.tests.cast<double>() * raw.transpose(), scores) < 2e-6);
}

TEST_CASE("Balance: both sides have the same second moment, a diagonal that falls") {
  const RowMajorMatrix queries = random_matrix(900, 10, 1) * random_matrix(10, 10, 2);
  const RowMajorMatrix rows = random_matrix(700, 10, 3) * random_matrix(10, 10, 4);
  const auto balance = Balance::fit(EmbeddingView<float>(queries), EmbeddingView<float>(rows), {.shrinkage = 0.0f});
  const Eigen::MatrixXd q = mapped_queries(balance, queries);
  const Eigen::MatrixXd p = matrix_of(balance.map_rows(EmbeddingView<float>(rows)));
  const Eigen::MatrixXd of_queries = q.transpose() * q / 900.0;
  REQUIRE(difference(of_queries, p.transpose() * p / 700.0) < 1e-5);
  REQUIRE(of_queries.isDiagonal(1e-5));
  for (Eigen::Index d = 1; d < 10; ++d) REQUIRE(of_queries(d, d) <= of_queries(d - 1, d - 1) + 1e-9);
}

TEST_CASE("Balance: one row, and all rows, have the same bits") {
  const SmallProblem problem;
  const auto balance = Balance::fit(problem.q(), problem.p(), {.rank = 11}, {ThreadExecutor(3)});
  const auto serial = Balance::fit(problem.q(), problem.p(), {.rank = 11}, {AnyExecutor::serial()});
  REQUIRE(balance.row_map().matrix<Eigen::MatrixXd>() == serial.row_map().matrix<Eigen::MatrixXd>());
  const auto all = balance.map_rows(problem.p());
  std::vector<float> one(11);
  for (std::size_t j = 0; j < 60; ++j) {
    balance.map_row({problem.p().row(j), 16}, one);
    REQUIRE(std::memcmp(one.data(), all.row(j), sizeof(float) * one.size()) == 0);
  }
}

TEST_CASE("Balance: rows that are all the same keep their mean, and score as they did") {
  const SmallProblem problem;
  const auto balance = Balance::fit(problem.q(), problem.p().slice(3, 4));
  REQUIRE(balance.mean() == std::vector<float>(16, 0.0f));
  const Eigen::MatrixXd scores =
      mapped_queries(balance, problem.tests) * matrix_of(balance.map_rows(problem.p())).transpose();
  REQUIRE(difference(scores, problem.tests.cast<double>() * problem.passages.cast<double>().transpose()) < 1e-4);
}

TEST_CASE("Balance: what cannot be is refused") {
  const SmallProblem problem;
  REQUIRE_ERROR(ValueError, "rank is 17", Balance::fit(problem.q(), problem.p(), {.rank = 17}));
  REQUIRE_ERROR(ValueError, "0 rows", Balance::fit(problem.q(), problem.p().slice(0, 0)));
  REQUIRE_ERROR(ValueError, "shrinkage is -1", Balance::fit(problem.q(), problem.p(), {.shrinkage = -1.0f}));
  REQUIRE_ERROR(ValueError, "singular", Balance::fit(problem.q().slice(0, 5), problem.p(), {.shrinkage = 0.0f}));
  REQUIRE_ERROR(ValueError, "fewer than 16 directions",
                Balance::fit(problem.q(), problem.p().slice(0, 5), {.shrinkage = 0.0f}));
  const RowMajorMatrix other = random_matrix(9, 7, 1);
  REQUIRE_ERROR(ShapeError, "rows have dim 7", Balance::fit(problem.q(), EmbeddingView<float>(other)));
}
