#include "pefa/eval/tune_grid.hpp"

#include "catch.hpp"

using namespace pefa;

TEST_CASE("make_grid: the plain model, then XS by cold policy and lambda, then XL by k, gate and lambda") {
  const TuneOptions options{.lambdas = {0.0f, 0.5f},
                            .cold = {ColdPassage::erm, ColdPassage::paper},
                            .neighbors = {4, 8},
                            .gates = {{GateKind::sum}, {GateKind::softmax, 0.1f}}};
  std::vector<std::string> described;
  for (const TuneEntry& entry : detail::make_grid(options)) described.push_back(describe(entry));
  REQUIRE(described ==
          std::vector<std::string>{"ERM", "PEFA-XS, lambda = 0, cold passages as in the ERM",
                                   "PEFA-XS, lambda = 0.5, cold passages as in the ERM", "PEFA-XS, lambda = 0",
                                   "PEFA-XS, lambda = 0.5", "PEFA-XL, sum, k = 4, lambda = 0",
                                   "PEFA-XL, sum, k = 4, lambda = 0.5", "PEFA-XL, softmax(0.1), k = 4, lambda = 0",
                                   "PEFA-XL, softmax(0.1), k = 4, lambda = 0.5", "PEFA-XL, sum, k = 8, lambda = 0",
                                   "PEFA-XL, sum, k = 8, lambda = 0.5", "PEFA-XL, softmax(0.1), k = 8, lambda = 0",
                                   "PEFA-XL, softmax(0.1), k = 8, lambda = 0.5"});
}

TEST_CASE("make_grid: the default is the plain model, 22 settings of XS and 264 of XL") {
  REQUIRE(detail::make_grid({}).size() == 1 + 22 + 264);
}

TEST_CASE("TuneGate: is the gate it names, at its temperature") {
  const std::vector<float> similarities{0.9f, 0.5f};
  const auto weights = [&](const TuneGate& gate) {
    std::vector<float> filled(2);
    gate.policy()(similarities, filled);
    return filled;
  };
  REQUIRE(weights({GateKind::mean}) == std::vector<float>{0.5f, 0.5f});
  REQUIRE(weights({GateKind::sum}) == std::vector<float>{1.0f, 1.0f});
  REQUIRE(weights({GateKind::softmax, 0.2f})[0] == Approx(1.0 / (1.0 + std::exp(-2.0))).epsilon(1e-5));
  REQUIRE_ERROR(ValueError, "temperature is 0", TuneGate{GateKind::softmax}.policy());
}

TEST_CASE("describe: names a setting as one would in a table") {
  REQUIRE(describe(TuneEntry{}) == "ERM");
  REQUIRE(describe({.method = TuneMethod::xs, .lambda = 0.1f}) == "PEFA-XS, lambda = 0.1");
  REQUIRE(describe({.method = TuneMethod::xs, .lambda = 0.5f, .cold = ColdPassage::erm}) ==
          "PEFA-XS, lambda = 0.5, cold passages as in the ERM");
  REQUIRE(describe({.method = TuneMethod::xl, .lambda = 0.0f, .neighbors = 16, .gate = {GateKind::softmax, 0.05f}}) ==
          "PEFA-XL, softmax(0.05), k = 16, lambda = 0");
  REQUIRE(std::string(name(TuneMethod::xl)) + name(GateKind::sum) + name(TuneMetric::ndcg) == "xlsumndcg");
}
