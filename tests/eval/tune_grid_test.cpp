#include "pefa/eval/tune_grid.hpp"

#include "catch.hpp"

using namespace pefa;

TEST_CASE("make_grid: the plain model, then XS by cold policy and lambda, then XL by k, gate and lambda") {
  const TuneOptions options{.lambdas = {0.0f, 0.5f},
                            .cold = {ColdPassage::erm, ColdPassage::paper},
                            .neighbors = {4, 8},
                            .gates = {{GateKind::sum}, {GateKind::softmax, 0.1f}}};
  std::vector<std::string> described;
  for (const TuneEntry& entry : detail::make_grid(options)) described.push_back(describe(entry.spec));
  REQUIRE(described == std::vector<std::string>{
                           "ERM", "PEFA-XS, lambda = 0", "PEFA-XS, lambda = 0.5",
                           "PEFA-XS, lambda = 0, cold passages as in the paper",
                           "PEFA-XS, lambda = 0.5, cold passages as in the paper", "PEFA-XL, sum, k = 4, lambda = 0",
                           "PEFA-XL, sum, k = 4, lambda = 0.5", "PEFA-XL, softmax(0.1), k = 4, lambda = 0",
                           "PEFA-XL, softmax(0.1), k = 4, lambda = 0.5", "PEFA-XL, sum, k = 8, lambda = 0",
                           "PEFA-XL, sum, k = 8, lambda = 0.5", "PEFA-XL, softmax(0.1), k = 8, lambda = 0",
                           "PEFA-XL, softmax(0.1), k = 8, lambda = 0.5"});
}

TEST_CASE("make_grid: the default is the plain model, 22 settings of XS and 264 of XL") {
  REQUIRE(detail::make_grid({}).size() == 1 + 22 + 264);
}

TEST_CASE("make_grid: the library's own methods come after those they are variants of, and XL may be left out") {
  TuneOptions options{.lambdas = {0.5f}, .cold = {ColdPassage::borrowed}, .max_centroids = {4, 8}, .neighbors = {16}};
  options.gates = {{GateKind::mean}};
  options.condense = {0.8f, 1.0f};
  options.folds = {0.25f};
  const auto described = [&] {
    std::vector<std::string> all;
    for (const TuneEntry& entry : detail::make_grid(options)) all.push_back(describe(entry.spec));
    return all;
  };
  std::vector<std::string> expected{"ERM",
                                    "PEFA-XS, lambda = 0.5, cold passages borrow",
                                    "PEFA-XS multi, at most 4 vectors, lambda = 0.5",
                                    "PEFA-XS multi, at most 8 vectors, lambda = 0.5",
                                    "PEFA-XL, mean, k = 16, lambda = 0.5",
                                    "PEFA-XL, queries merged at 0.8, mean, k = 16, lambda = 0.5",
                                    "PEFA-XL, queries merged at 1, mean, k = 16, lambda = 0.5",
                                    "PEFA-XL over PEFA-XS(0.25), mean, k = 16, lambda = 0.5"};
  REQUIRE(described() == expected);
  options.plain_xl = PlainXl::left_out;
  expected.erase(expected.begin() + 4);
  REQUIRE(described() == expected);
}

TEST_CASE("with_all_methods: adds the library's own methods and keeps the rest") {
  const TuneOptions options = with_all_methods({.at = 3, .lambdas = {0.5f}});
  REQUIRE(options.at == 3);
  REQUIRE(options.max_centroids == std::vector<std::size_t>{4, 8});
  REQUIRE(options.condense == std::vector<float>{0.8f});
  REQUIRE(options.folds == std::vector<float>{0.3f, 0.5f});
  REQUIRE(detail::make_grid(options).size() == 1 + 2 + 2 + 24 * (1 + 1 + 2));
}

TEST_CASE("GateSpec: is the gate it names, at its temperature") {
  const std::vector<float> similarities{0.9f, 0.5f};
  const auto weights = [&](const GateSpec& gate) {
    std::vector<float> filled(2);
    make_gate(gate)(similarities, filled);
    return filled;
  };
  REQUIRE(weights({GateKind::mean}) == std::vector<float>{0.5f, 0.5f});
  REQUIRE(weights({GateKind::sum}) == std::vector<float>{1.0f, 1.0f});
  REQUIRE(weights({GateKind::softmax, 0.2f})[0] == Approx(1.0 / (1.0 + std::exp(-2.0))).epsilon(1e-5));
  REQUIRE_ERROR(ValueError, "temperature is 0", make_gate({GateKind::softmax, 0.0f}));
}

TEST_CASE("describe: names a setting as one would in a table") {
  REQUIRE(describe(RetrieverSpec{.method = Method::erm}) == "ERM");
  RetrieverSpec xs = detail::unfitted(Method::xs, 0.5f);
  REQUIRE(describe(xs) == "PEFA-XS, lambda = 0.5");
  xs.cold = ColdPassage::paper;
  REQUIRE(describe(xs) == "PEFA-XS, lambda = 0.5, cold passages as in the paper");
  RetrieverSpec multi = detail::unfitted(Method::xs_multi, 0.5f);
  multi.max_centroids = 2;
  REQUIRE(describe(multi) == "PEFA-XS multi, at most 2 vectors, lambda = 0.5");
  RetrieverSpec xl = detail::unfitted(Method::xl, 0.0f);
  xl.neighbors = 16;
  xl.gate = {GateKind::softmax, 0.05f};
  REQUIRE(describe(xl) == "PEFA-XL, softmax(0.05), k = 16, lambda = 0");
  xs = detail::unfitted(Method::xs, 0.5f);
  xs.rule = FoldRule::least_squares;
  xs.least_squares = {.shrinkage = 0.1f, .passages_as_queries = 0.0f};
  xs.whitened = Whitened::queries;  // of which XS has none
  REQUIRE(describe(xs) == "PEFA-XS, least squares(0.1), lambda = 0.5");
  xs.whitened = Whitened::all;
  xs.whitening = {.scatter = Scatter::both, .shrinkage = 0.25f, .rank = 256};
  xs.balance = 128;
  REQUIRE(describe(xs) ==
          "PEFA-XS, least squares(0.1), whitened(both, 0.25, rank 256), balanced at rank 128, lambda = 0.5");
  xl.fold = 0.25f;
  xl.rule = FoldRule::least_squares;
  xl.least_squares = {.shrinkage = 0.5f, .passages_as_queries = 0.25f};
  xl.whitened = Whitened::queries;
  xl.whitening = {.scatter = Scatter::within, .shrinkage = 1.0f, .rank = 0};
  xl.hubness = 0.5f;
  xl.gate = {.kind = GateKind::local, .ridge = 0.25f};
  REQUIRE(describe(xl) ==
          "PEFA-XL over PEFA-XS(0.25, least squares(0.5, b = 0.25)), whitened votes(within, 1), hubness 0.5, "
          "local(0.25), k = 16, lambda = 0");
  xl.gate.bandwidth = 0.5f;
  REQUIRE(describe(xl).find("local(0.25, bandwidth 0.5)") != std::string::npos);
  REQUIRE(std::string(name(Method::xl)) + name(GateKind::sum) + name(TuneMetric::ndcg) == "xlsumndcg");
  REQUIRE(std::string(name(Method::xs_multi)) == "xs-multi");
  REQUIRE(std::string(name(ColdPassage::borrowed)) == "borrowed");
}
