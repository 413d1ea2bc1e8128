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

TEST_CASE("PrincipalAxes::leading: are the first of all axes, with their variances") {
  RowMajorMatrix rows = random_matrix(3000, 60, 6, Normalize::none);
  for (Eigen::Index d = 0; d < 60; ++d) rows.col(d) *= std::exp(-0.15f * static_cast<float>(d));
  rows *= random_matrix(60, 60, 7);
  const EmbeddingView<float> view(rows);
  const auto all = PrincipalAxes::of(view, 3000, {});
  const auto first = PrincipalAxes::leading(view, 3000, 20, 3, {}, {});
  REQUIRE(first.axes.rows() == 20);
  REQUIRE((first.axes * first.axes.transpose()).isIdentity(1e-4f));
  REQUIRE(first.mean == all.mean);
  REQUIRE(first.total == Approx(all.total).epsilon(1e-4));
  for (std::size_t d = 0; d < 60; ++d) REQUIRE(first.spread[d] == Approx(all.spread[d]).epsilon(1e-3));
  for (Eigen::Index a = 0; a < 10; ++a) {
    const auto at = static_cast<std::size_t>(a);
    REQUIRE(first.variances[at] == Approx(all.variances[at]).epsilon(1e-2));
    REQUIRE(std::abs(first.axes.row(a).dot(all.axes.row(a))) > 0.98f);
  }
  // Begun with what is sought, no round is needed.
  const auto again = PrincipalAxes::leading(view, 3000, 5, 0, all.axes, {});
  for (std::size_t a = 0; a < 5; ++a) REQUIRE(again.variances[a] == Approx(all.variances[a]).epsilon(1e-3));
}

TEST_CASE("PrincipalAxes::leading: are the same for any number of threads, and of fewer rows than axes") {
  const RowMajorMatrix rows = random_matrix(2000, 30, 8);
  const EmbeddingView<float> view(rows);
  REQUIRE(PrincipalAxes::leading(view, 2000, 7, 1, {}, AnyExecutor::serial()).axes ==
          PrincipalAxes::leading(view, 2000, 7, 1, {}, ThreadExecutor(3)).axes);
  const auto few = PrincipalAxes::leading(view.slice(0, 3), 100, 10, 2, {}, {});
  REQUIRE((few.axes * few.axes.transpose()).isIdentity(1e-4f));
  REQUIRE(few.variances[9] == Approx(0.0).margin(1e-6));
}

TEST_CASE("most_share_held: is not below what the axes hold, and near it where all hold alike") {
  const RowMajorMatrix even = random_matrix(4000, 100, 9);
  REQUIRE(pefa::detail::most_share_held(EmbeddingView<float>(even), 25) == Approx(0.5).epsilon(0.1));
  RowMajorMatrix uneven = random_matrix(4000, 100, 10, Normalize::none);
  for (Eigen::Index d = 0; d < 100; ++d) uneven.col(d) *= std::exp(-0.1f * static_cast<float>(d));
  const auto axes = PrincipalAxes::of(EmbeddingView<float>(uneven), 4000, {});
  double held = 0.0;
  for (std::size_t a = 0; a < 10; ++a) held += axes.variances[a];
  REQUIRE(pefa::detail::most_share_held(EmbeddingView<float>(uneven), 10) >= 0.95 * held / axes.total);
  const RowMajorMatrix same = even.row(0).replicate(50, 1);
  REQUIRE(pefa::detail::most_share_held(EmbeddingView<float>(same), 25) < 0.75);
}

TEST_CASE("PrincipalAxes: long computations ask whether to go on") {
  const RowMajorMatrix rows = random_matrix(3000, 20, 11);
  const auto stop = [] { throw Cancelled("stop"); };
  REQUIRE_ERROR(Cancelled, "stop", PrincipalAxes::of(EmbeddingView<float>(rows), 3000, {}, stop));
  REQUIRE_ERROR(Cancelled, "stop", PrincipalAxes::leading(EmbeddingView<float>(rows), 3000, 5, 1, {}, {}, stop));
}
