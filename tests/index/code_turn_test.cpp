#include "pefa/index/code_turn.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "pefa/index/code_turn_fit.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using Fit = pefa::detail::CodeTurnFit<float>;

namespace {

std::vector<float> elements_of(const RowMajorMatrix& rows) {
  return {rows.data(), rows.data() + rows.size()};
}

/// Rows whose coordinates all have to do with each other.
RowMajorMatrix correlated_rows(std::size_t size, std::size_t dim) {
  RowMajorMatrix mix = random_matrix(dim, dim, 5);
  for (Eigen::Index a = 0; a < mix.rows(); ++a) mix.row(a) /= 1.0f + 0.3f * static_cast<float>(a);
  return random_matrix(size, dim, 1) * mix;
}

/// Queries and rows have the products that they had, and rows come back.
void require_products_stay(const Fit& fit, const RowMajorMatrix& rows) {
  const auto dim = static_cast<std::size_t>(rows.cols());
  const RowMajorMatrix queries = random_matrix(7, dim, 3);
  const std::size_t n = 9;
  pefa::detail::AlignedVector<float> scratch;
  std::vector<float> turned(n * dim);
  fit.turn_rows(rows.data(), n, turned.data(), scratch);
  std::vector<float> query(dim);
  std::vector<float> back(dim);
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    fit.turn().turn(queries.row(q).data(), query.data());
    for (std::size_t i = 0; i < n; ++i) {
      const auto row = rows.row(static_cast<Eigen::Index>(i));
      double product = 0.0;
      for (std::size_t d = 0; d < dim; ++d) product += double{query[d]} * double{turned[i * dim + d]};
      REQUIRE(product == Approx(double{queries.row(q).dot(row)}).margin(1e-5));
      fit.turn().turn_back(turned.data() + i * dim, back.data());
      for (std::size_t d = 0; d < dim; ++d) REQUIRE(back[d] == Approx(row[static_cast<Eigen::Index>(d)]).margin(1e-5));
    }
  }
}

}  // namespace

TEST_CASE("CodeTurn: coordinates that do not correlate are put in order, so that codes have even shares") {
  RowMajorMatrix rows = random_matrix(500, 12, 1, Normalize::none);
  for (const Eigen::Index d : {0, 1, 2}) rows.col(d) *= 100.0f;
  for (const Eigen::Index d : {3, 4, 5}) rows.col(d) *= 10.0f;
  const Fit fit(elements_of(rows), 12, 4, {}, {});
  REQUIRE_FALSE(fit.turn().has_axes());
  const std::vector<std::uint32_t>& order = fit.turn().order();
  for (std::size_t group = 0; group < 3; ++group) {  // each has one of the widest, and one of the next
    std::size_t widest = 0;
    std::size_t next = 0;
    for (std::size_t i = 4 * group; i < 4 * group + 4; ++i) {
      widest += order[i] < 3 ? 1U : 0U;
      next += order[i] >= 3 && order[i] < 6 ? 1U : 0U;
    }
    REQUIRE(widest == 1);
    REQUIRE(next == 1);
  }
  require_products_stay(fit, random_matrix(20, 12, 2));
}

TEST_CASE("CodeTurn: coordinates that correlate are turned to their axes, and products stay as they were") {
  const std::size_t width = GENERATE(3U, 4U, 7U);
  const RowMajorMatrix rows = correlated_rows(400, 50);
  const Fit fit(elements_of(rows), 50, width, {}, {});
  REQUIRE(fit.turn().has_axes());
  require_products_stay(fit, rows);
}

TEST_CASE("CodeTurn: few rows, equal rows and a single coordinate have an order, and no axes") {
  for (const std::size_t size : {1U, 30U}) {
    const Fit fit(elements_of(correlated_rows(size, 50)), 50, 3, {}, {});
    REQUIRE_FALSE(fit.turn().has_axes());
    require_products_stay(fit, random_matrix(20, 50, 2));
  }
  REQUIRE_FALSE(Fit(std::vector<float>(300 * 8, 0.5f), 8, 3, {}, {}).turn().has_axes());
  REQUIRE(Fit(std::vector<float>(100, 0.5f), 1, 3, {}, {}).turn().order() == std::vector<std::uint32_t>{0});
}
