#include "pefa/core/rankable.hpp"

#include <limits>

#include "catch.hpp"

using pefa::detail::rankable;

TEST_CASE("rankable: NaN ranks last, other scores are as they were") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  REQUIRE(rankable(std::numeric_limits<float>::quiet_NaN()) == -infinity);
  for (const float score : {-infinity, -1.5f, 0.0f, 3.25f, infinity}) REQUIRE(rankable(score) == score);
}
