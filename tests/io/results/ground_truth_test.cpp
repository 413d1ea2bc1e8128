#include "pefa/io/results/ground_truth.hpp"

#include <cstdint>
#include <vector>

#include "catch.hpp"

using namespace pefa;

TEST_CASE("GroundTruth: the neighbours of a query, with distances or without") {
  io::GroundTruth truth{.query_count = 2, .k = 3, .ids = {1, 2, 3, 4, 5, 6}, .distances = {}};
  REQUIRE(truth.ids_of(1).front() == 4);
  REQUIRE(truth.ids_of(1).size() == 3);
  REQUIRE(truth.distances_of(1).empty());
  truth.distances = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f};
  REQUIRE(truth.distances_of(1).back() == 0.6f);
  REQUIRE(truth == io::GroundTruth(truth));
}

TEST_CASE("require_whole: query_count x k ids, and as many distances or none") {
  const std::vector<std::int32_t> six(6);
  const std::vector<float> distances(6);
  using io::detail::require_whole;
  REQUIRE_NOTHROW(require_whole({2, 3, six, {}}, "x"));
  REQUIRE_NOTHROW(require_whole({3, 2, six, distances}, "x"));
  REQUIRE_ERROR(ShapeError, "x: the ground truth has 6 ids and 0 distances, expected 2 x 4 ids and as many distances",
                require_whole({2, 4, six, {}}, "x"));
  REQUIRE_ERROR(ShapeError, "expected 1 x 3", require_whole({1, 3, six, {}}, "x"));
  REQUIRE_ERROR(ShapeError, "expected 4 x 0", require_whole({4, 0, six, {}}, "x"));
  REQUIRE_ERROR(ShapeError, "6 ids and 1 distances", require_whole({2, 3, six, {1.0f}}, "x"));
}
