#include "pefa/adapter/query_centroids.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "catch.hpp"
#include "centroid_problem.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {}  // namespace

TEST_CASE("fold_query_centroids: a passage has at most c vectors, and one for each queries_per_centroid of evidence") {
  const DenseProblem problem;
  const auto counts = problem.relevance.column_counts();
  const auto folded = fold(problem, {.max_centroids = 6, .queries_per_centroid = 5});
  REQUIRE(folded.passage.size() == folded.vectors.size());
  REQUIRE(std::is_sorted(folded.passage.begin(), folded.passage.end()));
  for (Row j = 0; j < 30; ++j) {
    const auto vectors =
        static_cast<std::size_t>(std::count(folded.passage.begin(), folded.passage.end(), PassageId(j)));
    REQUIRE(vectors == std::max<std::size_t>(1, std::min<std::size_t>(6, (counts[j] + 4) / 5)));
  }
}

TEST_CASE("fold_query_centroids: the centroids of two planted questions are their own sums, of unit length") {
  RowMajorMatrix queries = 0.05f * random_matrix(10, 20, 71);
  const RowMajorMatrix questions = random_matrix(2, 20, 72);
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < 10; ++i) {
    queries.row(i) += questions.row(i < 4 ? 0 : 1);
    pairs.push_back({QueryId(i), PassageId(1), 1.0f + static_cast<float>(i % 2)});
  }
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 10, 2);
  const RowMajorMatrix passages = random_matrix(2, 20, 73);
  const auto folded =
      fold_query_centroids(EmbeddingView<float>(passages), EmbeddingView<float>(queries), relevance,
                           {.lambda = 0.0f, .max_centroids = 2, .queries_per_centroid = 1, .shrinkage = 0.0f});
  REQUIRE(folded.passage == std::vector<PassageId>{PassageId(0), PassageId(1), PassageId(1)});
  Eigen::RowVectorXf first = Eigen::RowVectorXf::Zero(20);
  Eigen::RowVectorXf second = first;
  for (Row i = 0; i < 10; ++i) (i < 4 ? first : second) += pairs[i].weight * queries.row(i);
  const auto vector = [&](std::size_t v) { return Eigen::Map<const Eigen::RowVectorXf>(folded.vectors.row(v), 20); };
  REQUIRE(vector(0) == passages.row(0));  // a cold passage keeps its own vector, whatever lambda is
  REQUIRE((vector(1) - first.normalized()).cwiseAbs().maxCoeff() < 1e-6f);
  REQUIRE((vector(2) - second.normalized()).cwiseAbs().maxCoeff() < 1e-6f);
}

TEST_CASE("fold_query_centroids: the same bits for any number of threads; another seed, other centroids") {
  const DenseProblem problem;
  const CentroidParams params{.max_centroids = 4, .queries_per_centroid = 2};
  const auto one = fold(problem, params, {AnyExecutor::serial()});
  const auto four = fold(problem, params, {ThreadExecutor(4)});
  REQUIRE(same_bits(one.vectors, four.vectors));
  REQUIRE(one.passage == four.passage);
  CentroidParams other = params;
  other.seed = 99;
  REQUIRE_FALSE(same_bits(one.vectors, fold(problem, other).vectors));
}
