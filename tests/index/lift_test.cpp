#include "pefa/index/lift.hpp"

#include <numeric>

#include "catch.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// Rows of lengths between 0.1 and 1, as PEFA-XS makes them.
RowMajorMatrix rows_of_uneven_norm(std::size_t n, std::size_t dim) {
  RowMajorMatrix rows = random_matrix(n, dim, 31);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) *= 0.1f + 0.9f * static_cast<float>(i % 97) / 96.0f;
  return rows;
}

template <class Index>
double recall_at_300(const Index& index, const RowMajorMatrix& rows) {
  const RowMajorMatrix queries = random_matrix(200, static_cast<std::size_t>(rows.cols()), 32);
  const auto exact = FlatIndex<>::build(EmbeddingView<float>(rows));
  double sum = 0.0;
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    const QueryView query(queries.row(q).data(), static_cast<std::size_t>(queries.cols()));
    sum += ann_recall(index.search(query, 20, {.ef = 300}), exact.search(query, 20));
  }
  return sum / static_cast<double>(queries.rows());
}

}  // namespace

TEST_CASE("Lifting: brings all rows to the length of the longest") {
  const RowMajorMatrix rows = rows_of_uneven_norm(100, 8);
  const detail::Lifting<float> lifting(EmbeddingView<float>(rows), Metric::inner_product, Lift::when_uneven);
  REQUIRE(lifting.active());
  const double longest = static_cast<double>(rows.rowwise().norm().maxCoeff());
  for (std::size_t i = 0; i < 100; ++i) {
    const auto norm = static_cast<double>(rows.row(static_cast<Eigen::Index>(i)).squaredNorm());
    const auto e = static_cast<double>(lifting.coordinate(i));
    REQUIRE(std::sqrt(norm + e * e) == Approx(longest).epsilon(1e-5));
  }
}

TEST_CASE("Lifting: leaves equal lengths, L2 and whoever declines alone") {
  const RowMajorMatrix equal = random_matrix(50, 8, 33);
  const RowMajorMatrix uneven = rows_of_uneven_norm(50, 8);
  const auto active = [](const RowMajorMatrix& rows, Metric metric, Lift lift) {
    return detail::Lifting<float>(EmbeddingView<float>(rows), metric, lift).active();
  };
  REQUIRE_FALSE(active(equal, Metric::inner_product, Lift::when_uneven));
  REQUIRE_FALSE(active(uneven, Metric::l2, Lift::when_uneven));
  REQUIRE_FALSE(active(uneven, Metric::inner_product, Lift::never));
  REQUIRE(active(uneven, Metric::inner_product, Lift::when_uneven));
}

TEST_CASE("Lift: graphs on lifted rows find their way, and their scores stay inner products") {
  const RowMajorMatrix rows = rows_of_uneven_norm(4000, 24);
  const EmbeddingView<float> view(rows);
  const HnswParams lifted{.lift = Lift::when_uneven};
  const BuildOptions serial{AnyExecutor::serial()};
  const auto hnsw = HnswIndex::build(view, lifted, serial);
  REQUIRE(recall_at_300(hnsw, rows) >= 0.95);
  REQUIRE(recall_at_300(QuantizedHnswIndex<>::build(view, {.graph = lifted}, serial), rows) >= 0.95);
  const RowMajorMatrix query = random_matrix(1, 24, 34);
  for (const Neighbor& neighbor : hnsw.search({query.data(), 24}, 10)) {
    REQUIRE(neighbor.score == Approx(rows.row(neighbor.row).dot(query.row(0))).margin(1e-6));
  }
}
