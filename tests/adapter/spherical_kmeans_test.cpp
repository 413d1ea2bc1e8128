#include "pefa/adapter/spherical_kmeans.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// Some rows of a matrix and their weights, as a passage's column of Y would name them.
struct Members {
  std::vector<std::int32_t> columns;
  std::vector<float> weights;

  [[nodiscard]] RelevanceMatrix::Entries entries() const { return {columns, weights}; }
};

Members all_of(const RowMajorMatrix& rows) {
  Members members{std::vector<std::int32_t>(static_cast<std::size_t>(rows.rows())),
                  std::vector<float>(static_cast<std::size_t>(rows.rows()), 1.0f)};
  std::iota(members.columns.begin(), members.columns.end(), 0);
  return members;
}

/// `per_direction` rows near each of `directions` random directions, in turn: row i belongs to i mod directions.
RowMajorMatrix planted(std::size_t directions, std::size_t per_direction, float spread, unsigned seed) {
  const RowMajorMatrix centers = random_matrix(directions, 32, seed);
  RowMajorMatrix rows = spread * random_matrix(directions * per_direction, 32, seed + 1);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) += centers.row(i % centers.rows());
  return rows;
}

}  // namespace

TEST_CASE("spherical_kmeans: finds directions that are far apart, numbered by their first members") {
  for (const std::uint64_t seed : {0U, 1U, 2U, 3U}) {
    const RowMajorMatrix rows = planted(5, 20, 0.2f, 40);
    const auto clusters =
        spherical_kmeans(EmbeddingView<float>(rows), all_of(rows).entries(), {.clusters = 5, .seed = seed});
    for (std::size_t i = 0; i < clusters.size(); ++i) REQUIRE(clusters[i] == i % 5);
  }
}

TEST_CASE("spherical_kmeans: every member ends nearest to the centre of its own cluster, and no cluster is empty") {
  RowMajorMatrix rows = random_matrix(120, 16, 3);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) *= 0.5f + static_cast<float>(i % 7);  // lengths weigh
  Members members = all_of(rows);
  for (std::size_t i = 0; i < members.weights.size(); ++i) members.weights[i] = 1.0f + static_cast<float>(i % 3);
  const auto clusters =
      spherical_kmeans(EmbeddingView<float>(rows), members.entries(), {.clusters = 9, .max_iterations = 1000});
  RowMajorMatrix centers = RowMajorMatrix::Zero(9, 16);
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    centers.row(clusters[i]) += members.weights[i] * rows.row(static_cast<Eigen::Index>(i));
  }
  for (Eigen::Index c = 0; c < 9; ++c) REQUIRE(centers.row(c).norm() > 0.0f);
  centers.rowwise().normalize();
  const RowMajorMatrix similarity = rows * centers.transpose();
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    const auto row = similarity.row(static_cast<Eigen::Index>(i));
    REQUIRE(row[clusters[i]] >= row.maxCoeff() - 1e-4f);
  }
}

TEST_CASE("spherical_kmeans: a weight of 2, or twice the length, is the row twice") {
  const RowMajorMatrix rows = random_matrix(40, 16, 5);
  RowMajorMatrix twice(80, 16);
  RowMajorMatrix longer = 2.0f * rows;
  for (Eigen::Index i = 0; i < 80; ++i) twice.row(i) = rows.row(i / 2);
  Members weighted = all_of(rows);
  for (float& weight : weighted.weights) weight = 2.0f;
  const auto of_weighted = spherical_kmeans(EmbeddingView<float>(rows), weighted.entries(), {.clusters = 6});
  const auto of_longer = spherical_kmeans(EmbeddingView<float>(longer), all_of(longer).entries(), {.clusters = 6});
  const auto of_twice = spherical_kmeans(EmbeddingView<float>(twice), all_of(twice).entries(), {.clusters = 6});
  REQUIRE(of_longer == of_weighted);
  for (std::size_t i = 0; i < of_twice.size(); ++i) REQUIRE(of_twice[i] == of_weighted[i / 2]);
}

TEST_CASE("spherical_kmeans: only the members count, whatever else is in the matrix") {
  const RowMajorMatrix rows = planted(2, 10, 0.1f, 50);
  Members some{{1, 4, 5, 10}, {1.0f, 1.0f, 1.0f, 1.0f}};
  REQUIRE(spherical_kmeans(EmbeddingView<float>(rows), some.entries(), {.clusters = 2}) ==
          std::vector<std::uint32_t>{0, 1, 0, 1});
}

TEST_CASE("spherical_kmeans: equal directions share a cluster, so that there may be fewer than asked for") {
  RowMajorMatrix rows = random_matrix(20, 100, 9).colwise().replicate(10);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) *= 0.3f + 1.7f * static_cast<float>(i);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto clusters =
        spherical_kmeans(EmbeddingView<float>(rows), all_of(rows).entries(), {.clusters = 60, .seed = seed});
    for (std::size_t i = 0; i < clusters.size(); ++i) REQUIRE(clusters[i] == i % 20);
  }
}

TEST_CASE("spherical_kmeans: one cluster, one member, or no more members than clusters") {
  const RowMajorMatrix rows = random_matrix(6, 16, 11);
  const EmbeddingView<float> view(rows);
  const Members members = all_of(rows);
  REQUIRE(spherical_kmeans(view, members.entries(), {.clusters = 1}) == std::vector<std::uint32_t>(6, 0));
  const Members one{{3}, {1.0f}};
  REQUIRE(spherical_kmeans(view, one.entries(), {.clusters = 4}) == std::vector<std::uint32_t>{0});
  REQUIRE(spherical_kmeans(view, members.entries(), {.clusters = 100}) == std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("spherical_kmeans: the same seed gives the same clusters, another may not") {
  const RowMajorMatrix rows = random_matrix(200, 16, 13);
  const EmbeddingView<float> view(rows);
  const Members members = all_of(rows);
  const auto first = spherical_kmeans(view, members.entries(), {.clusters = 10, .seed = 1});
  REQUIRE(spherical_kmeans(view, members.entries(), {.clusters = 10, .seed = 1}) == first);
  REQUIRE(spherical_kmeans(view, members.entries(), {.clusters = 10, .seed = 2}) != first);
}

TEMPLATE_TEST_CASE("spherical_kmeans: takes rows of every element type", "", double, Eigen::half, Eigen::bfloat16,
                   std::int8_t) {
  const RowMajorMatrix rows = planted(3, 8, 0.2f, 60);
  const auto store = EmbeddingStore<TestType>::from(rows);
  const auto clusters = spherical_kmeans(store.view(), all_of(rows).entries(), {.clusters = 3});
  for (std::size_t i = 0; i < clusters.size(); ++i) REQUIRE(clusters[i] == i % 3);
}

TEST_CASE("spherical_kmeans: no cluster at all is refused") {
  const RowMajorMatrix rows = random_matrix(6, 16, 11);
  REQUIRE_ERROR(ValueError, "spherical_kmeans: clusters is 0, expected at least 1",
                spherical_kmeans(EmbeddingView<float>(rows), all_of(rows).entries(), {.clusters = 0}));
}
