#include "pefa/adapter/local_regression.hpp"

#include <Eigen/LU>

#include <numeric>

#include "catch.hpp"
#include "pefa/adapter/hubness.hpp"
#include "pefa/adapter/whitening.hpp"
#include "small_problem.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

std::vector<float> weigh(const LocalRegressionGate& gate, std::span<const float> similarities,
                         const RowMajorMatrix& neighbours) {
  std::vector<const float*> vectors;
  for (Eigen::Index i = 0; i < neighbours.rows(); ++i) vectors.push_back(neighbours.row(i).data());
  std::vector<float> weights(similarities.size());
  GateScratch scratch;
  gate(similarities, vectors, static_cast<std::size_t>(neighbours.cols()), weights, scratch);
  return weights;
}

}  // namespace

TEST_CASE("LocalRegressionGate: the weights are those of the dense solve, and their sizes add up to 1") {
  const RowMajorMatrix neighbours = random_matrix(12, 6, 1);
  const RowMajorMatrix query = random_matrix(1, 6, 2);
  const Eigen::VectorXf similarities = neighbours * query.transpose();
  const auto weights =
      weigh(LocalRegressionGate({.bandwidth = 0.5f, .ridge = 0.2f}), {similarities.data(), 12}, neighbours);
  Eigen::MatrixXd k = ((neighbours * neighbours.transpose()).cast<double>().array() - 1.0) / 0.5;
  k = k.array().exp();
  k.diagonal().array() += static_cast<double>(0.2f);
  const Eigen::VectorXd kappa = ((similarities.cast<double>().array() - 1.0) / 0.5).exp();
  Eigen::VectorXd w = k.fullPivLu().solve(kappa);
  w /= w.cwiseAbs().sum();
  for (Eigen::Index i = 0; i < 12; ++i) REQUIRE(weights[static_cast<std::size_t>(i)] == Approx(w(i)).margin(1e-6));
  REQUIRE(w.minCoeff() < 0.0);
}

TEST_CASE("LocalRegressionGate: votes over whitened neighbours without hubs are the reference's") {
  const SmallProblem problem;
  const auto whitening = Whitening::fit(problem.q(), problem.relevance);
  const auto queries = whitening.apply(problem.q());
  const auto hubness = Hubness::fit(queries.view()).of_all(queries.view());
  std::vector<float> x(16);
  whitening.apply({problem.x().row(0), 16}, x);
  const Eigen::VectorXd s = matrix_of(queries) * Eigen::Map<Eigen::VectorXf>(x.data(), 16).cast<double>();
  std::vector<std::size_t> order(200);
  std::iota(order.begin(), order.end(), 0);
  const auto adjusted = [&](std::size_t i) {
    return s(static_cast<Eigen::Index>(i)) - 0.5 * static_cast<double>(hubness[i]);
  };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return adjusted(a) > adjusted(b); });
  RowMajorMatrix neighbours(32, 16);
  std::vector<float> similarities;
  for (std::size_t i = 0; i < 32; ++i) {
    neighbours.row(static_cast<Eigen::Index>(i)) = Eigen::Map<const Eigen::RowVectorXf>(queries.row(order[i]), 16);
    similarities.push_back(static_cast<float>(adjusted(order[i])));
  }
  const auto weights = weigh(LocalRegressionGate(), similarities, neighbours);
  Eigen::VectorXd votes = Eigen::VectorXd::Zero(60);
  const RowMajorMatrix y = dense(problem.relevance);
  for (std::size_t i = 0; i < 32; ++i) {
    votes += static_cast<double>(weights[i]) * y.row(static_cast<Eigen::Index>(order[i])).transpose().cast<double>();
  }
  for (std::size_t j = 0; j < 60; ++j) {
    REQUIRE(votes(static_cast<Eigen::Index>(j)) == Approx(expected()["local_votes"][j].get<double>()).margin(1e-5));
  }
}

TEST_CASE("LocalRegressionGate: copies of one neighbour share what it would say alone") {
  const RowMajorMatrix two = random_matrix(2, 8, 1);
  RowMajorMatrix copies(6, 8);
  copies << two.row(0), two.row(0), two.row(0), two.row(0), two.row(0), two.row(1);
  const LocalRegressionGate gate({.ridge = 0.01f});
  const auto alone = weigh(gate, std::vector<float>{0.5f, 0.5f}, two);
  const auto shared = weigh(gate, std::vector<float>(6, 0.5f), copies);
  REQUIRE(alone[0] == Approx(0.5f));
  REQUIRE(shared[5] > 0.48f);  // a mean would give it 1/6
  REQUIRE(shared[0] == Approx(shared[4]));
}

TEST_CASE("LocalRegressionGate: far neighbours, one neighbour, and none are answered too") {
  const RowMajorMatrix one = random_matrix(1, 8, 1);
  REQUIRE(weigh(LocalRegressionGate(), std::vector<float>{-300.0f}, one) == std::vector<float>{1.0f});
  REQUIRE(weigh(LocalRegressionGate(), {}, RowMajorMatrix(0, 8)).empty());
}

TEST_CASE("LocalRegressionGate: what cannot be is refused") {
  REQUIRE_ERROR(ValueError, "bandwidth is 0", LocalRegressionGate({.bandwidth = 0.0f}));
  REQUIRE_ERROR(ValueError, "ridge is -1", LocalRegressionGate({.ridge = -1.0f}));
  std::vector<float> weights(2);
  GateScratch scratch;
  REQUIRE_ERROR(ShapeError, "3 similarities, 0 vectors",
                LocalRegressionGate()(std::vector<float>(3), {}, 8, weights, scratch));
}
