#include "pefa/index/row_levels.hpp"

#include <algorithm>

#include "catch.hpp"

using namespace pefa;
using pefa::detail::RowLevels;

TEST_CASE("RowLevels: every row is in the order once, and levels shrink by about M") {
  const RowLevels levels = RowLevels::draw(50'000, {}, 16, 7);
  std::vector<Row> sorted(levels.order);
  std::sort(sorted.begin(), sorted.end());
  REQUIRE(sorted.size() == 50'000);
  for (Row row = 0; row < 50'000; ++row) REQUIRE(sorted[row] == row);
  REQUIRE(levels.sizes[0] == 50'000);
  REQUIRE(levels.sizes[1] > 50'000 / 16 * 9 / 10);
  REQUIRE(levels.sizes[1] < 50'000 / 16 * 11 / 10);
  REQUIRE(levels.sizes.back() >= 1);
  REQUIRE(std::is_sorted(levels.sizes.rbegin(), levels.sizes.rend()));
  for (std::size_t level = 0; level + 1 < levels.sizes.size(); ++level) {  // within a level rows go by number
    REQUIRE(std::is_sorted(levels.order.begin() + static_cast<std::ptrdiff_t>(levels.sizes[level + 1]),
                           levels.order.begin() + static_cast<std::ptrdiff_t>(levels.sizes[level])));
  }
}

TEST_CASE("RowLevels: a seed gives the same levels again, another one others") {
  REQUIRE(RowLevels::draw(5000, {}, 4, 1).order == RowLevels::draw(5000, {}, 4, 1).order);
  REQUIRE(RowLevels::draw(5000, {}, 4, 1).order != RowLevels::draw(5000, {}, 4, 2).order);
}

TEST_CASE("RowLevels: rows that equal an earlier one are left out") {
  const std::vector<Row> first{0, 1, 0, 3, 1};
  const RowLevels levels = RowLevels::draw(5, first, 2, 100);
  std::vector<Row> sorted(levels.order);
  std::sort(sorted.begin(), sorted.end());
  REQUIRE(sorted == std::vector<Row>{0, 1, 3});
  REQUIRE(levels.sizes[0] == 3);
}
