#include "pefa/adapter/second_moment.hpp"

#include <cstdint>

#include "catch.hpp"
#include "small_problem.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

template <class Scalar>
Eigen::MatrixXd sum_of(const EmbeddingView<Scalar>& rows, const AnyExecutor& executor = AnyExecutor::serial()) {
  const Progress none;
  ProgressMeter meter(none, rows.size(), "test");
  return detail::sum_of_squares(rows, executor, meter);
}

detail::WithinScatter scatter_of(const RowMajorMatrix& queries, const RelevanceMatrix& relevance,
                                 const AnyExecutor& executor = AnyExecutor::serial()) {
  const Progress none;
  ProgressMeter meter(none, 1, "test");
  return detail::within_scatter(EmbeddingView<float>(queries), relevance, executor, meter);
}

}  // namespace

TEST_CASE("sum_of_squares: is Q transposed times Q in double, symmetric to the bit, for every element type") {
  const RowMajorMatrix rows = random_matrix(1100, 53, 1, Normalize::none);
  const Eigen::MatrixXd wide = rows.cast<double>();
  const Eigen::MatrixXd sum = sum_of(EmbeddingView<float>(rows));
  REQUIRE(difference(sum, wide.transpose() * wide) < 1e-9);
  REQUIRE(sum == sum.transpose());
  const auto same = [&](auto scalar) {
    using Scalar = decltype(scalar);
    const auto store = EmbeddingStore<Scalar>::from(rows);
    const Eigen::MatrixXd decoded = matrix_of(EmbeddingStore<float>::from(store.view()));
    REQUIRE(difference(sum_of(store.view()), decoded.transpose() * decoded) < 2e-3);  // int8: the scale in float
  };
  same(double{});
  same(Eigen::half{});
  same(Eigen::bfloat16{});
  same(std::int8_t{});
}

TEST_CASE("sum_of_squares: the same bits for any number of threads") {
  const RowMajorMatrix rows = random_matrix(1300, 70, 2);
  const Eigen::MatrixXd one = sum_of(EmbeddingView<float>(rows));
  REQUIRE(one == sum_of(EmbeddingView<float>(rows), ThreadExecutor(3)));
  REQUIRE(one == sum_of(EmbeddingView<float>(rows), ThreadExecutor(8)));
}

TEST_CASE("sum_of_squares: reports every row, and stops where it is told to") {
  const RowMajorMatrix rows = random_matrix(1300, 10, 2);
  std::size_t last = 0;
  const Progress heard = [&](std::size_t done, std::size_t total) {
    REQUIRE(done > last);
    REQUIRE(total == 1300);
    last = done;
    return ProgressAction::proceed;
  };
  ProgressMeter meter(heard, 1300, "test");
  (void)detail::sum_of_squares(EmbeddingView<float>(rows), AnyExecutor::serial(), meter);
  REQUIRE(last == 1300);
  const Progress stopping = [](std::size_t, std::size_t) { return ProgressAction::stop; };
  ProgressMeter stopped(stopping, 1300, "test");
  REQUIRE_ERROR(Cancelled, "after 512 of 1300",
                detail::sum_of_squares(EmbeddingView<float>(rows), AnyExecutor::serial(), stopped));
}

TEST_CASE("within_scatter: is the weighted scatter about the passages' means, as the reference has it") {
  const SmallProblem problem;
  const auto scatter = scatter_of(problem.queries, problem.relevance);
  REQUIRE(difference(scatter.matrix / scatter.weight, matrix_of(expected()["within_scatter"])) < 1e-7);
  REQUIRE(scatter.matrix == scatter_of(problem.queries, problem.relevance, ThreadExecutor(4)).matrix);
}

TEST_CASE("within_scatter: passages with one query do not count") {
  const RowMajorMatrix queries = random_matrix(4, 5, 3);
  const std::vector<RelevancePair> pairs = {
      {QueryId(0), PassageId(0), 3.0f}, {QueryId(1), PassageId(0), 1.0f}, {QueryId(2), PassageId(1), 9.0f}};
  const auto scatter = scatter_of(queries, RelevanceMatrix::from_pairs(pairs, 4, 3));
  REQUIRE(scatter.passages == 1);
  REQUIRE(scatter.weight == 4.0);
  const Eigen::VectorXd apart = (queries.row(0).cast<double>() - queries.row(1).cast<double>()).transpose();
  REQUIRE(difference(scatter.matrix, 0.75 * apart * apart.transpose()) < 1e-12);  // 3·1/(3 + 1)
}

TEST_CASE("within_scatter: nothing where no passage has two queries") {
  const RowMajorMatrix queries = random_matrix(3, 5, 3);
  const std::vector<RelevancePair> pairs = {{QueryId(0), PassageId(0)}, {QueryId(1), PassageId(1)}};
  const auto scatter = scatter_of(queries, RelevanceMatrix::from_pairs(pairs, 3, 2));
  REQUIRE(scatter.passages == 0);
  REQUIRE(scatter.matrix.isZero(0.0));
}
