// The paper's equations on dense matrices: what every scorer is held against.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "support.hpp"

namespace pefa::test {

/// P, Q, Y of one small problem, with cold passages and queries without passages.
struct Problem {
  RowMajorMatrix passages = random_matrix(90, 20, 21);
  RowMajorMatrix queries = random_matrix(140, 20, 22);
  RelevanceMatrix relevance = random_relevance(140, 90, 2, 23, 15);
  RowMajorMatrix tests = random_matrix(25, 20, 24);

  [[nodiscard]] QueryView test(Eigen::Index i) const { return {tests.row(i).data(), 20}; }
};

/// C = Π(Qᵀ Y), row by row.
inline RowMajorMatrix oracle_pseudo_embeddings(const RowMajorMatrix& queries, const RelevanceMatrix& relevance) {
  RowMajorMatrix c = dense(relevance).transpose() * queries;
  for (Eigen::Index j = 0; j < c.rows(); ++j) {
    if (c.row(j).norm() > 0.0f) c.row(j).normalize();
  }
  return c;
}

/// f of PEFA-XL for every passage: λ⟨q̂, p_j⟩ + (1 − λ) Σ_i w_i ⟨q̂, q_i⟩ Y_ij over the k nearest training queries.
template <class G>
RowMajorMatrix oracle_xl(const Problem& problem, float lambda, std::size_t k, const G& gate) {
  const RowMajorMatrix erm = problem.tests * problem.passages.transpose();
  const RowMajorMatrix similarity = problem.tests * problem.queries.transpose();
  const RowMajorMatrix y = dense(problem.relevance);
  RowMajorMatrix scores(erm.rows(), erm.cols());
  for (Eigen::Index t = 0; t < erm.rows(); ++t) {
    std::vector<Eigen::Index> order(static_cast<std::size_t>(similarity.cols()));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](Eigen::Index a, Eigen::Index b) { return similarity(t, a) > similarity(t, b); });
    order.resize(std::min(k, order.size()));
    std::vector<float> nearest;
    for (const Eigen::Index i : order) nearest.push_back(similarity(t, i));
    std::vector<float> weights(nearest.size());
    gate(nearest, weights);
    Eigen::RowVectorXf knn = Eigen::RowVectorXf::Zero(erm.cols());
    for (std::size_t i = 0; i < order.size(); ++i) knn += weights[i] * nearest[i] * y.row(order[i]);
    scores.row(t) = lambda * erm.row(t) + (1.0f - lambda) * knn;
  }
  return scores;
}

/// The passages in the order of a blend, with its rule for ties: those without votes in the order of the ERM side.
/// @param erm, knn  exact in floats
inline std::vector<Neighbor> oracle_ranking(const Eigen::RowVectorXf& erm, const Eigen::RowVectorXf& knn,
                                            float lambda) {
  std::vector<Neighbor> voted;
  std::vector<Neighbor> unvoted;
  for (Eigen::Index j = 0; j < erm.size(); ++j) {
    const auto row = static_cast<Row>(j);
    if (knn[j] == 0.0f) unvoted.push_back({row, erm[j]});
    if (knn[j] != 0.0f) voted.push_back({row, lambda * erm[j] + (1.0f - lambda) * knn[j]});
  }
  std::sort(voted.begin(), voted.end(), ranks_before);
  std::sort(unvoted.begin(), unvoted.end(), ranks_before);
  for (Neighbor& passage : unvoted) passage.score = lambda * passage.score;
  std::vector<Neighbor> all(voted.size() + unvoted.size());
  std::merge(voted.begin(), voted.end(), unvoted.begin(), unvoted.end(), all.begin(), ranks_before);
  return all;
}

/// Requires that `hits` are the best of `scores`, in order, with those scores.
inline void require_best(const std::vector<Hit>& hits, const Eigen::RowVectorXf& scores) {
  std::vector<float> sorted(scores.data(), scores.data() + scores.size());
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  for (std::size_t i = 0; i < hits.size(); ++i) {
    REQUIRE(hits[i].score == Approx(scores[static_cast<Eigen::Index>(hits[i].passage.row())]).margin(2e-6));
    REQUIRE(hits[i].score == Approx(sorted[i]).margin(2e-6));
  }
}

}  // namespace pefa::test
