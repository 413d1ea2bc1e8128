#include "pefa/eval/gram_gate.hpp"

#include "catch.hpp"
#include "pefa/adapter/local_regression.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("GramGate: weighs the first k as LocalRegressionGate weighs k, for every k from one factor") {
  const RowMajorMatrix rows = random_matrix(20, 8, 1);
  std::vector<float> ranked;
  std::vector<float> products;
  std::vector<const float*> vectors;
  for (Eigen::Index i = 0; i < 20; ++i) {
    ranked.push_back(0.9f - 0.03f * static_cast<float>(i));
    vectors.push_back(rows.row(i).data());
    for (Eigen::Index j = 0; j <= i; ++j) products.push_back(rows.row(i).dot(rows.row(j)));
  }
  for (const GateSpec& gate : {GateSpec{.kind = GateKind::local}, GateSpec{GateKind::local, 0.05f, 0.3f, 0.01f}}) {
    detail::GramGate gram;
    gram.factor(gate, ranked, products);
    const LocalRegressionGate expected({.bandwidth = gate.bandwidth, .ridge = gate.ridge});
    for (const std::size_t k : {20U, 1U, 7U}) {
      std::vector<float> weights(k);
      std::vector<float> all(k);
      GateScratch scratch;
      gram.weigh(weights);
      expected(std::span(ranked).first(k), std::span(vectors).first(k), 8, all, scratch);
      for (std::size_t i = 0; i < k; ++i) REQUIRE(weights[i] == Approx(all[i]).margin(1e-5));
    }
  }
}
