#include "pefa/core/bucket_selection.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

#include "catch.hpp"

using namespace pefa;
using pefa::detail::BucketSelection;

namespace {

std::vector<Neighbor> in_order(std::vector<Neighbor> rows) {
  std::sort(rows.begin(), rows.end(), ranks_before);
  return rows;
}

void require_best(const std::vector<Neighbor>& all, std::size_t k) {
  BucketSelection selection;
  std::vector<Neighbor> kept = all;
  selection.keep(kept, k);
  std::vector<Neighbor> expected = in_order(all);
  expected.resize(std::min(k, all.size()));
  REQUIRE(in_order(kept) == expected);
}

}  // namespace

TEST_CASE("BucketSelection: keeps what a sort would, whatever the sizes, the ties and the spread of scores") {
  std::mt19937 random(1);
  for (const std::size_t n : {0U, 1U, 10U, 511U, 512U, 2000U}) {
    for (const unsigned distinct : {1U, 2U, 50U, 1'000'000U}) {
      std::vector<Neighbor> rows;
      for (Row row = 0; row < n; ++row) rows.push_back({row, static_cast<float>(random() % distinct) - 3.0f});
      std::shuffle(rows.begin(), rows.end(), random);
      for (const std::size_t k : {0U, 1U, 7U, 300U, 511U, 1999U, 5000U}) require_best(rows, k);
    }
  }
}

TEST_CASE("BucketSelection: scores at the ends of float's range, and one far from all others") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float largest = std::numeric_limits<float>::max();
  for (const float odd : {infinity, -infinity, largest, -largest, 1e-42f}) {
    std::vector<Neighbor> rows;
    for (Row row = 0; row < 1000; ++row) rows.push_back({row, static_cast<float>(row % 100) * 1e-3f});
    rows[500].score = odd;
    for (const std::size_t k : {1U, 10U, 999U}) require_best(rows, k);
    rows[700].score = -odd;
    for (const std::size_t k : {1U, 10U, 999U}) require_best(rows, k);
  }
}
