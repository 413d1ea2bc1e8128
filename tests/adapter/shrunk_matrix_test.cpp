#include "pefa/adapter/shrunk_matrix.hpp"

#include "catch.hpp"
#include "small_problem.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("shrunk: adds the share of the mean variance to every dimension, and nothing else") {
  const Eigen::MatrixXd matrix = (Eigen::MatrixXd(2, 2) << 3.0, 1.0, 1.0, 5.0).finished();
  const Eigen::MatrixXd wanted = (Eigen::MatrixXd(2, 2) << 5.0, 1.0, 1.0, 7.0).finished();
  REQUIRE(detail::shrunk(matrix, 0.5) == wanted);
}

TEST_CASE("cholesky: refuses a matrix without variance in a dimension, and says what helps") {
  const Eigen::MatrixXd rows = random_matrix(5, 8, 1).cast<double>();
  const Eigen::MatrixXd singular = rows.transpose() * rows;
  REQUIRE_ERROR(ValueError, "someone: the second moment of the training queries is singular",
                detail::cholesky(singular, "someone"));
  REQUIRE_ERROR(ValueError, "expected a shrinkage above 0", detail::cholesky(Eigen::MatrixXd::Zero(3, 3), "someone"));
  const Eigen::MatrixXd regular = detail::shrunk(singular, 0.1);
  const Eigen::MatrixXd lower = detail::cholesky(regular, "someone");
  REQUIRE(difference(lower * lower.transpose(), regular) < 1e-14);
}

TEST_CASE("inverse_of_lower: is the inverse, the same bits for any number of threads") {
  const Eigen::MatrixXd rows = random_matrix(300, 130, 1).cast<double>();
  const Eigen::MatrixXd lower = detail::cholesky(rows.transpose() * rows, "test");
  const Eigen::MatrixXd inverse = detail::inverse_of_lower(lower, AnyExecutor::serial());
  REQUIRE(difference(lower * inverse, Eigen::MatrixXd::Identity(130, 130)) < 1e-12);
  REQUIRE(inverse.isLowerTriangular());
  REQUIRE(inverse == detail::inverse_of_lower(lower, ThreadExecutor(4)));
}
