// Small tuning problems, shared by the tests of tune() and of its engine.
#pragma once

#include <random>
#include <vector>

#include "pefa/eval/tune.hpp"
#include "support.hpp"

namespace pefa::test {

/// P, Q and Y; the last passages are cold, and every eleventh query has no passage.
struct TuningProblem {
  RowMajorMatrix passages;
  RowMajorMatrix queries;
  RelevanceMatrix relevance = without_some(random_relevance(130, 70, 2, 3, 12));

  static RelevanceMatrix without_some(const RelevanceMatrix& all) {
    std::vector<QueryId> emptied;
    for (Row q = 0; q < all.rows(); q += 11) emptied.push_back(QueryId(q));
    return without_queries(all, emptied);
  }

  [[nodiscard]] TuneReport tune(const TuneOptions& options) const {
    return pefa::tune<float>(passages, queries, relevance, options);
  }
};

inline TuningProblem gaussian() {
  return {random_matrix(70, 12, 1), random_matrix(130, 12, 2)};
}

/// Small integers: inner products are exact in any order, and full of ties.
inline TuningProblem lattice() {
  const auto integers = [](std::size_t rows, unsigned seed) {
    std::mt19937 random(seed);
    RowMajorMatrix matrix(static_cast<Eigen::Index>(rows), 8);
    for (Eigen::Index i = 0; i < matrix.size(); ++i) matrix.data()[i] = static_cast<float>(random() % 5) - 2.0f;
    matrix.col(0).setConstant(1.0f);  // no zero row
    return matrix;
  };
  return {integers(70, 1), integers(130, 2)};
}

/// Many queries a passage, in tight bundles: centroids and condensed queries are fewer than the queries.
inline TuningProblem bundled() {
  TuningProblem problem{random_matrix(40, 12, 1), random_matrix(240, 12, 2)};
  const RowMajorMatrix centres = random_matrix(48, 12, 3);
  std::vector<RelevancePair> pairs;
  for (Row q = 0; q < 240; ++q) {
    const Row bundle = q % 48;
    problem.queries.row(q) = centres.row(bundle) + 0.3f * problem.queries.row(q);
    if (q % 17 != 0) pairs.push_back({QueryId(q), PassageId(bundle / 3), 1.0f + static_cast<float>(q % 2)});
    if (bundle % 5 == 0 && q % 17 != 0) pairs.push_back({QueryId(q), PassageId(20 + bundle / 5), 0.5f});
  }
  problem.relevance = RelevanceMatrix::from_pairs(pairs, 240, 40);
  return problem;
}

}  // namespace pefa::test
