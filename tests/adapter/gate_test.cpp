#include "pefa/adapter/gate.hpp"

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

template <class G>
std::vector<float> weights_of(const G& gate, const std::vector<float>& similarities) {
  std::vector<float> weights(similarities.size(), -1.0f);
  gate(similarities, weights);
  return weights;
}

struct NotAGate {
  float operator()(float similarity) const { return similarity; }
};
static_assert(!Gate<NotAGate>);

}  // namespace

TEST_CASE("MeanGate: every neighbour weighs 1/k") {
  REQUIRE(weights_of(MeanGate{}, {0.9f, 0.5f, 0.1f, -0.3f}) == std::vector<float>(4, 0.25f));
}

TEST_CASE("SumGate: every neighbour weighs 1") {
  REQUIRE(weights_of(SumGate{}, {0.9f, 0.5f}) == std::vector<float>(2, 1.0f));
}

TEST_CASE("SoftmaxGate: weights are exp(s / tau) over their sum") {
  const std::vector<float> similarities{0.9f, 0.7f, -0.2f};
  const std::vector<float> weights = weights_of(SoftmaxGate(0.1f), similarities);
  double sum = 0.0;
  for (const float s : similarities) sum += std::exp(static_cast<double>(s) / 0.1);
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(weights[i] == Approx(std::exp(static_cast<double>(similarities[i]) / 0.1) / sum).epsilon(1e-5));
  }
}

TEST_CASE("SoftmaxGate: no temperature and no similarity overflows") {
  for (const float tau : {1e-30f, 1e-6f, 0.05f, 1e30f}) {
    const std::vector<float> weights = weights_of(SoftmaxGate(tau), {1000.0f, 999.0f, -1000.0f});
    REQUIRE(std::accumulate(weights.begin(), weights.end(), 0.0f) == Approx(1.0f));
    for (const float w : weights) REQUIRE((std::isfinite(w) && w >= 0.0f));
  }
}

TEST_CASE("SoftmaxGate: a temperature out of range is refused") {
  REQUIRE_ERROR(ValueError, "temperature is 0, expected finite and above 0", SoftmaxGate(0.0f));
  REQUIRE_ERROR(ValueError, "temperature is -1", SoftmaxGate(-1.0f));
  REQUIRE_ERROR(ValueError, "temperature is inf", SoftmaxGate(std::numeric_limits<float>::infinity()));
  REQUIRE_ERROR(ValueError, "temperature is nan", SoftmaxGate(std::numeric_limits<float>::quiet_NaN()));
}

TEST_CASE("AnyGate: weighs as the gate it holds, and as the mean by default") {
  const std::vector<float> similarities{0.5f, 0.4f};
  REQUIRE(weights_of(AnyGate{}, similarities) == weights_of(MeanGate{}, similarities));
  REQUIRE(weights_of(AnyGate(SumGate{}), similarities) == weights_of(SumGate{}, similarities));
  REQUIRE(weights_of(AnyGate(SoftmaxGate(0.2f)), similarities) == weights_of(SoftmaxGate(0.2f), similarities));
}
