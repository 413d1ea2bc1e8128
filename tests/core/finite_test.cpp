#include "pefa/core/finite.hpp"

#include <limits>
#include <vector>

#include "catch.hpp"

using namespace pefa::detail;

TEST_CASE("is_finite, is_nan: tell zeros, subnormal and largest numbers from infinities and NaN") {
  using Float = std::numeric_limits<float>;
  using Double = std::numeric_limits<double>;
  for (const float x : {0.0f, -0.0f, Float::denorm_min(), Float::min(), Float::max(), Float::lowest()}) {
    REQUIRE(is_finite(x));
    REQUIRE_FALSE(is_nan(x));
  }
  for (const float x : {Float::infinity(), -Float::infinity()}) {
    REQUIRE_FALSE(is_finite(x));
    REQUIRE_FALSE(is_nan(x));
  }
  for (const float x : {Float::quiet_NaN(), -Float::quiet_NaN(), Float::signaling_NaN()}) {
    REQUIRE_FALSE(is_finite(x));
    REQUIRE(is_nan(x));
  }
  for (const double x : {0.0, Double::denorm_min(), Double::max()}) REQUIRE(is_finite(x));
  for (const double x : {Double::infinity(), -Double::infinity(), Double::quiet_NaN()}) REQUIRE_FALSE(is_finite(x));
}

TEST_CASE("all_finite: finds the one that is not, wherever it stands") {
  std::vector<float> values(37, 1.0f);
  REQUIRE(all_finite(values));
  REQUIRE(all_finite({}));
  for (float& each : values) {
    each = std::numeric_limits<float>::quiet_NaN();
    REQUIRE_FALSE(all_finite(values));
    each = 1.0f;
  }
}
