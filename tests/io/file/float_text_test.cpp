#include "pefa/io/file/float_text.hpp"

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <ios>
#include <limits>
#include <random>
#include <string>

#include "catch.hpp"

using pefa::io::detail::float_text;

TEST_CASE("float_text: every float32 comes back, read as a float or as a double") {
  std::mt19937 random(1);
  const auto comes_back = [](float value) {
    const std::string text = float_text(value);
    return std::strtof(text.c_str(), nullptr) == value &&
           static_cast<float>(std::strtod(text.c_str(), nullptr)) == value;
  };
  using Limits = std::numeric_limits<float>;
  for (const float edge : {0.0f, -0.0f, Limits::min(), Limits::denorm_min(), Limits::max(), Limits::lowest()}) {
    REQUIRE(comes_back(edge));
  }
  for (int i = 0; i < 100000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    const float value = std::bit_cast<float>(bits);
    if (value - value == 0.0f && !comes_back(value)) FAIL("0x" << std::hex << bits);
  }
}

TEST_CASE("float_text: no more digits than it takes") {
  REQUIRE(float_text(0.5f) == "0.5");
  REQUIRE(float_text(-3.0f) == "-3");
  REQUIRE(float_text(0.1f) == "0.100000001");
  REQUIRE(float_text(1e20f) == "1.00000002e+20");
}
