#include "pefa/index/code_axes.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::CodeAxes;
using pefa::detail::PrincipalAxes;

TEST_CASE("CodeAxes: products with a query are those with the decoded axes, and near those of the axes themselves") {
  constexpr std::size_t dim = 70;
  const RowMajorMatrix rows = random_matrix(500, dim, 1);
  const AnyExecutor executor;
  for (const std::size_t count : {std::size_t{20}, dim}) {
    CodeAxes axes(PrincipalAxes::of(EmbeddingView<float>(rows), 500, executor, {}), count);
    REQUIRE(axes.count() == count);
    REQUIRE(axes.mean().size() == dim);
    const RowMajorMatrix query = random_matrix(1, dim, 2);
    const Eigen::RowVectorXf exact = query * axes.floats().transpose();
    std::vector<float> along(count);
    std::vector<float> coarse(count);
    std::vector<std::int32_t> dots;
    pefa::detail::FineCodes fine;
    fine.encode(query.data(), dim, simd::padded_code_dim(dim));
    axes.multiply(fine.high, fine.high_scale, simd::code_kernels(), dots, coarse.data());
    axes.multiply(fine.low, fine.low_scale, simd::code_kernels(), dots, along.data());
    for (std::size_t a = 0; a < count; ++a) along[a] += coarse[a];
    const Eigen::RowVectorXf by_decoded = query * axes.decoded().transpose();
    for (std::size_t a = 0; a < count; ++a) {
      REQUIRE(along[a] == Approx(by_decoded(static_cast<Eigen::Index>(a))).margin(2e-5));
      REQUIRE(along[a] == Approx(exact(static_cast<Eigen::Index>(a))).margin(4e-3));
      REQUIRE(coarse[a] == Approx(along[a]).margin(4e-3));
    }
    axes.forget_floats();
    REQUIRE(axes.floats().size() == 0);
  }
  REQUIRE(CodeAxes().count() == 0);
}
