#include "pefa/index/principal_axes.hpp"

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::PrincipalAxes;

TEST_CASE("PrincipalAxes: are orthonormal, and the variances along them descend") {
  const RowMajorMatrix rows = random_matrix(500, 20, 1, Normalize::none);
  const auto axes = PrincipalAxes::of(EmbeddingView<float>(rows), 1000, {});
  REQUIRE((axes.axes * axes.axes.transpose()).isIdentity(1e-4f));
  REQUIRE(std::is_sorted(axes.variances.rbegin(), axes.variances.rend()));
  const RowMajorMatrix centred = rows.rowwise() - rows.colwise().mean();
  const RowMajorMatrix turned = centred * axes.axes.transpose();
  for (Eigen::Index d = 0; d < 20; ++d) {
    REQUIRE(axes.mean[static_cast<std::size_t>(d)] == Approx(rows.col(d).mean()).margin(1e-5));
    REQUIRE(turned.col(d).squaredNorm() / 500.0f == Approx(axes.variances[static_cast<std::size_t>(d)]).epsilon(1e-3));
  }
}

TEST_CASE("PrincipalAxes: find the direction in which rows vary") {
  RowMajorMatrix rows = 0.01f * random_matrix(300, 8, 2, Normalize::none);
  const RowMajorMatrix along = random_matrix(300, 1, 3, Normalize::none);
  rows.col(5) += along.col(0);
  const auto axes = PrincipalAxes::of(EmbeddingView<float>(rows), 1000, {});
  REQUIRE(std::abs(axes.axes(0, 5)) > 0.999f);
  REQUIRE(axes.variances[0] > 100.0 * axes.variances[1]);
}

TEST_CASE("PrincipalAxes: are the same for any number of threads, and of a sample no larger than asked") {
  const RowMajorMatrix rows = random_matrix(9000, 6, 4);
  const EmbeddingView<float> view(rows);
  const auto one = PrincipalAxes::of(view, 9000, AnyExecutor::serial());
  const auto two = PrincipalAxes::of(view, 9000, ThreadExecutor(2));
  REQUIRE(one.axes == two.axes);
  REQUIRE(one.mean == two.mean);
  RowMajorMatrix every_ninth(1000, 6);
  for (Eigen::Index i = 0; i < 1000; ++i) every_ninth.row(i) = rows.row(9 * i);
  REQUIRE(PrincipalAxes::of(view, 1000, {}).axes ==
          PrincipalAxes::of(EmbeddingView<float>(every_ninth), 1000, {}).axes);
}

TEST_CASE("PrincipalAxes: fewer rows than dimensions have variances of 0 at the end") {
  const RowMajorMatrix rows = random_matrix(3, 10, 5);
  const auto axes = PrincipalAxes::of(EmbeddingView<float>(rows), 100, {});
  REQUIRE((axes.axes * axes.axes.transpose()).isIdentity(1e-4f));
  REQUIRE(axes.variances[9] == Approx(0.0).margin(1e-9));
}
