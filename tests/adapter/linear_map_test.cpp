#include "pefa/adapter/linear_map.hpp"

#include <cstring>

#include "catch.hpp"
#include "small_problem.hpp"

using namespace pefa;
using namespace pefa::test;
using detail::LinearMap;
using detail::MapShape;

namespace {

EmbeddingStore<float> mapped(const LinearMap& map, const RowMajorMatrix& rows, const AnyExecutor& executor) {
  const Progress none;
  ProgressMeter meter(none, 1, "test");
  return map.apply_all(
      EmbeddingView<float>(rows), [](float*) {}, [](std::size_t, float*) {}, executor, meter);
}

}  // namespace

TEST_CASE("LinearMap: is the product with the matrix, dense or of its lower triangle, at any size") {
  for (const std::size_t rows : {1U, 15U, 16U, 17U, 50U}) {
    for (const std::size_t dim : {1U, 16U, 33U, 50U}) {
      const Eigen::MatrixXd matrix = random_matrix(rows, dim, 1, Normalize::none).cast<double>();
      const RowMajorMatrix x = random_matrix(70, dim, 2);
      const Eigen::MatrixXd wide = x.cast<double>();
      REQUIRE(difference(matrix_of(mapped(LinearMap(matrix), x, {})), wide * matrix.transpose()) < 1e-5);
      if (rows != dim) continue;
      const Eigen::MatrixXd lower = matrix.triangularView<Eigen::Lower>();
      const LinearMap map(matrix, MapShape::lower_triangle);
      REQUIRE(difference(map.matrix<Eigen::MatrixXd>(), lower) < 1e-6);
      REQUIRE(difference(matrix_of(mapped(map, x, {})), wide * lower.transpose()) < 1e-5);
    }
  }
}

TEST_CASE("LinearMap: all rows at once have the bits of one by one, for any number of threads") {
  const LinearMap map(random_matrix(50, 50, 1).cast<double>(), MapShape::lower_triangle);
  const RowMajorMatrix x = random_matrix(100, 50, 2);
  const auto all = mapped(map, x, ThreadExecutor(3));
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    std::vector<float> one(50);
    map.apply(x.row(i).data(), one.data());
    REQUIRE(std::memcmp(one.data(), all.row(static_cast<std::size_t>(i)), 50 * sizeof(float)) == 0);
  }
}

TEST_CASE("LinearMap: comes back from its values, and refuses another number of them") {
  const Eigen::MatrixXd matrix = random_matrix(40, 40, 1).cast<double>();
  const LinearMap map(matrix, MapShape::lower_triangle);
  const LinearMap again(map.values(), 40, 40, MapShape::lower_triangle);
  REQUIRE(again.matrix<Eigen::MatrixXd>() == map.matrix<Eigen::MatrixXd>());
  REQUIRE(map.values().size() < 40 * 40);
  REQUIRE_ERROR(ShapeError, "expected 1600", LinearMap(map.values(), 40, 40, MapShape::dense));
}

TEST_CASE("make_unit: a vector of any length becomes one of length 1; zeros stay") {
  for (const float length : {1e-30f, 1.0f, 1e30f}) {
    std::vector<float> x = {3.0f * length, 0.0f, -4.0f * length};
    REQUIRE(detail::make_unit(x.data(), 3));
    REQUIRE(x[0] == Approx(0.6f));
    REQUIRE(x[2] == Approx(-0.8f));
  }
  std::vector<float> zero(3, 0.0f);
  REQUIRE_FALSE(detail::make_unit(zero.data(), 3));
  REQUIRE(zero == std::vector<float>(3, 0.0f));
}
