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

}  // namespace pefa::test
