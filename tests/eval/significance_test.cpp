#include "pefa/eval/significance.hpp"

#include <limits>
#include <vector>

#include "catch.hpp"

using namespace pefa;

TEST_CASE("standard_error: of a known sample, and 0 where there is no spread to estimate") {
  const std::vector<double> values{1.0, 2.0, 3.0, 4.0};  // s² = 5/3
  REQUIRE(standard_error(values) == Approx(std::sqrt(5.0 / 3.0 / 4.0)).epsilon(1e-12));
  REQUIRE(standard_error(std::vector<double>{0.3, 0.3, 0.3}) == Approx(0.0).margin(1e-15));
  REQUIRE(standard_error(std::vector<double>{7.0}) == 0.0);
  REQUIRE(standard_error({}) == 0.0);
}

TEST_CASE("paired_differences: query by query, and only of as many") {
  REQUIRE(paired_differences(std::vector<double>{1.0, 0.5}, std::vector<double>{0.25, 1.0}) ==
          std::vector<double>{0.75, -0.5});
  REQUIRE_ERROR(ShapeError, "2 values against 1",
                paired_differences(std::vector<double>{1.0, 0.5}, std::vector<double>{0.25}));
}

TEST_CASE("paired_randomization_test: equal retrievers give p = 1") {
  REQUIRE(paired_randomization_test(std::vector<double>(50, 0.0)) == 1.0);
  REQUIRE(paired_randomization_test({}) == 1.0);
  REQUIRE(paired_randomization_test(std::vector<double>{1.0, -1.0}, 100, 3) == 1.0);  // T = 0: all are as far
}

TEST_CASE("paired_randomization_test: p is that of all sign assignments, counted one by one") {
  const std::vector<double> differences{0.9, 0.1, -0.4, 0.7, 0.0, 0.3, 0.2, -0.1};
  double observed = 0.0;
  for (const double d : differences) observed += d;
  int as_far = 0;
  for (unsigned signs = 0; signs < 256; ++signs) {
    double sum = 0.0;
    for (unsigned i = 0; i < 8; ++i) sum += (signs >> i & 1U) != 0 ? differences[i] : -differences[i];
    as_far += std::abs(sum) >= std::abs(observed) - 1e-9;
  }
  REQUIRE(paired_randomization_test(differences, 40'000, 1) == Approx(as_far / 256.0).margin(0.01));
}

TEST_CASE("paired_randomization_test: a difference that is no number is refused") {
  REQUIRE_ERROR(ValueError, "a difference is nan",
                paired_randomization_test(std::vector<double>{std::numeric_limits<double>::quiet_NaN(), 0.1}));
}

TEST_CASE("paired_randomization_test: two-sided, small for a clear difference, never 0") {
  const std::vector<double> better(200, 0.1);
  const std::vector<double> worse(200, -0.1);
  REQUIRE(paired_randomization_test(better, 999, 1) == Approx(1.0 / 1000.0));
  REQUIRE(paired_randomization_test(worse, 999, 1) == Approx(1.0 / 1000.0));
  REQUIRE(paired_randomization_test(better, 0, 1) == 1.0);  // no sample, no evidence
}

TEST_CASE("paired_randomization_test: rounding does not make a sum of the same terms smaller than itself") {
  // One difference: every assignment is as far from 0. Three of 0.1: two of eight are, +++ and ---.
  REQUIRE(paired_randomization_test(std::vector<double>{0.3}, 500, 1) == 1.0);
  REQUIRE(paired_randomization_test(std::vector<double>{0.1, 0.1, 0.1}, 20'000, 1) == Approx(0.25).margin(0.02));
}

TEST_CASE("paired_randomization_test: the same seed gives the same p, and chance alone rarely a small one") {
  std::mt19937_64 random(5);
  int below = 0;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> differences;
    for (int i = 0; i < 100; ++i) differences.push_back(static_cast<double>(random() % 3) - 1.0);
    const double p = paired_randomization_test(differences, 300, static_cast<std::uint64_t>(trial));
    REQUIRE(p == paired_randomization_test(differences, 300, static_cast<std::uint64_t>(trial)));
    below += p <= 0.05;
  }
  REQUIRE(below <= 20);  // 10 expected
}
