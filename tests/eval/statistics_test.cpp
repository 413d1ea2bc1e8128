#include "pefa/eval/statistics.hpp"

#include "catch.hpp"

using namespace pefa;

TEST_CASE("bootstrap_mean: the interval holds the mean and is the same for the same seed") {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(i % 4 == 0 ? 1.0 : 0.0);
  const Estimate first = bootstrap_mean(values, 1000, 7);
  const Estimate again = bootstrap_mean(values, 1000, 7);
  REQUIRE(first.mean == 0.25);
  REQUIRE(first.low == again.low);
  REQUIRE(first.high == again.high);
  // Binomial: standard deviation of the mean sqrt(0.25 * 0.75 / 400) = 0.0217, times 1.96.
  REQUIRE(first.low == Approx(0.25 - 0.0424).margin(0.01));
  REQUIRE(first.high == Approx(0.25 + 0.0424).margin(0.01));
}

TEST_CASE("bootstrap_mean: covers the true mean about 95 times in 100") {
  std::mt19937_64 random(3);
  int covered = 0;
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<double> values;
    for (int i = 0; i < 100; ++i) values.push_back(random() % 10 < 3 ? 1.0 : 0.0);
    const Estimate estimate = bootstrap_mean(values, 300, static_cast<std::uint64_t>(trial));
    covered += estimate.low <= 0.3 && 0.3 <= estimate.high;
  }
  REQUIRE(covered >= 360);
  REQUIRE(covered <= 396);
}

TEST_CASE("bootstrap_mean: no samples give the mean alone, no values nothing") {
  const Estimate alone = bootstrap_mean({1.0, 3.0}, 0, 1);
  REQUIRE(alone.mean == 2.0);
  REQUIRE(alone.low == 2.0);
  REQUIRE(alone.high == 2.0);
  REQUIRE(bootstrap_mean({}, 100, 1).mean == 0.0);
}

TEST_CASE("percentile: the nearest rank") {
  const std::vector<double> values{5, 1, 4, 2, 3};
  REQUIRE(percentile(values, 0.5) == 3);
  REQUIRE(percentile(values, 0.99) == 5);
  REQUIRE(percentile(values, 0.2) == 1);
  REQUIRE(percentile(values, 0.21) == 2);
  REQUIRE(percentile(values, 0.0) == 1);
  REQUIRE(percentile({8}, 0.5) == 8);
}
