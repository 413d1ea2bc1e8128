#include "pefa/index/partitioned_index.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "conformance.hpp"
#include "index/saved_index.hpp"
#include "pefa/index/partitioned_index_archive.hpp"
#include "pefa/simd/cpu.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

static_assert(AnnIndex<PartitionedIndex<float>> && BatchScoringIndex<PartitionedIndex<float>>);
static_assert(ReadableIndex<PartitionedIndex<float>> && BatchIndex<PartitionedIndex<float>>);

namespace {

using Index = PartitionedIndex<>;

QueryView query_of(const RowMajorMatrix& queries, Eigen::Index i) {
  return {queries.row(i).data(), static_cast<std::size_t>(queries.cols())};
}

/// Rows around a few directions, as embeddings lie.
RowMajorMatrix clustered_rows(std::size_t size, std::size_t dim, unsigned seed) {
  const RowMajorMatrix centers = random_matrix(40, dim, 99);
  RowMajorMatrix rows = random_matrix(size, dim, seed);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) = 0.7f * rows.row(i) + centers.row(i % 40);
  rows.rowwise().normalize();
  return rows;
}

/// The same where coordinates correlate: vectors are then turned to axes.
RowMajorMatrix skewed_rows(std::size_t size, std::size_t dim, unsigned seed) {
  RowMajorMatrix mix = random_matrix(dim, dim, 98);
  for (Eigen::Index a = 0; a < mix.rows(); ++a) mix.row(a) /= 1.0f + 0.2f * static_cast<float>(a);
  RowMajorMatrix rows = clustered_rows(size, dim, seed) * mix;
  rows.rowwise().normalize();
  return rows;
}

double recall_at_100(const Index& index, const FlatIndex<>& exact, const RowMajorMatrix& queries) {
  double recall = 0.0;
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    recall += ann_recall(index.search(query_of(queries, q), 100), exact.search(query_of(queries, q), 100));
  }
  return recall / static_cast<double>(queries.rows());
}

}  // namespace

TEST_CASE("PartitionedIndex conforms over inner product and L2") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  check_index_conforms<Index>({.metric = metric}, 0.99);
}

TEST_CASE("PartitionedIndex conforms where rows stand in two lists") {
  check_index_conforms<Index>({.lists = 30, .code_width = 2, .spill = Spill::once}, 0.98);
}

TEST_CASE("PartitionedIndex: the default ef finds 99 % of the best 100, of a part of the rows") {
  const RowMajorMatrix rows = clustered_rows(5000, 64, 1);
  const RowMajorMatrix queries = clustered_rows(60, 64, 2);
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    const auto exact = FlatIndex<>::build(EmbeddingView<float>(rows), {.metric = metric});
    const Index index = Index::build(EmbeddingView<float>(rows), {.metric = metric});
    REQUIRE(recall_at_100(index, exact, queries) >= 0.985);
    IndexSearchStats wide;
    IndexSearchStats narrow;
    (void)index.search(query_of(queries, 0), 10, {.stats = &wide});
    (void)index.search(query_of(queries, 0), 10, {.ef = 30, .stats = &narrow});
    REQUIRE(narrow.distances < wide.distances);
    REQUIRE(narrow.hops < wide.hops);
    REQUIRE(wide.hops <= index.params().lists);
  }
}

TEST_CASE("PartitionedIndex without rows: scores are near the exact ones, alone and in searches, and rows come back") {
  const bool correlate = GENERATE(false, true);
  const RowMajorMatrix rows = correlate ? skewed_rows(2000, 96, 3) : clustered_rows(2000, 96, 3);
  const RowMajorMatrix queries = correlate ? skewed_rows(20, 96, 4) : clustered_rows(20, 96, 4);
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    const auto exact = FlatIndex<>::build(EmbeddingView<float>(rows), {.metric = metric});
    const Index index = Index::build(EmbeddingView<float>(rows), {.metric = metric, .rows = Rows::drop});
    REQUIRE(index.rows().empty());
    REQUIRE(recall_at_100(index, exact, queries) >= 0.97);
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      for (const Neighbor& each : index.search(query_of(queries, q), 100)) {
        REQUIRE(each.score == index.score(query_of(queries, q), each.row));
        REQUIRE(each.score == Approx(exact.score(query_of(queries, q), each.row)).margin(4e-3));
      }
    }
    std::vector<float> row(96);
    index.read_row(17, row);
    for (std::size_t d = 0; d < row.size(); ++d)
      REQUIRE(row[d] == Approx(rows(17, static_cast<Eigen::Index>(d))).margin(2e-3));
    const auto all = index.search_batch(EmbeddingView<float>(queries), 10);
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      REQUIRE(all[static_cast<std::size_t>(q)] == index.search(query_of(queries, q), 10));
    }
  }
}

TEST_CASE("PartitionedIndex without rows: lengths of any size give sorted scores and no NaN") {
  const RowMajorMatrix rows = random_matrix(200, 24, 5);
  for (const float length : {1e-38f, 1e-30f, 1e18f, 1e30f, 1e38f}) {
    const RowMajorMatrix scaled = length * rows;
    for (const Metric metric : {Metric::inner_product, Metric::l2}) {
      const Index index = Index::build(EmbeddingView<float>(scaled), {.metric = metric, .rows = Rows::drop});
      for (const float query_length : {1.0f, length}) {
        const RowMajorMatrix query = query_length * random_matrix(1, 24, 6);
        const auto found = index.search(query_of(query, 0), 10);
        REQUIRE(found.size() == 10);
        for (std::size_t i = 1; i < found.size(); ++i) REQUIRE(ranks_before(found[i - 1], found[i]));
        for (const Neighbor& each : found) REQUIRE(each.score == index.score(query_of(query, 0), each.row));
      }
    }
  }
}

TEST_CASE("PartitionedIndex: is the same to the bit for any number of threads and from every family of kernels") {
  const bool correlate = GENERATE(false, true);
  const RowMajorMatrix rows = correlate ? skewed_rows(3000, 48, 7) : clustered_rows(3000, 48, 7);
  const PartitionedParams params{.rows = Rows::drop, .spill = Spill::once};
  const auto bytes_with = [&](std::size_t threads) {
    return saved(Index::build(EmbeddingView<float>(rows), params, {ThreadExecutor(threads)}));
  };
  const Bytes one = bytes_with(1);
  REQUIRE(bytes_with(2) == one);
  REQUIRE(bytes_with(4) == one);
  const RowMajorMatrix queries = correlate ? skewed_rows(20, 48, 8) : clustered_rows(20, 48, 8);
  const simd::Level best = simd::level();
  const Index index = Index::open(open_bytes(one), "rows.");
  for (const simd::Level level : simd::all_levels) {
    if (!simd::runs(level)) continue;
    simd::use_level(level);
    const Index other = Index::open(open_bytes(one), "rows.");
    simd::use_level(best);
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const auto expected = index.search(query_of(queries, q), 20);
      const auto found = other.search(query_of(queries, q), 20);
      REQUIRE(ann_recall(found, expected) == 1.0);
      for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i].score == Approx(expected[i].score).margin(1e-5));
    }
  }
}

TEST_CASE("PartitionedIndex: takes a store over, and rows of other types score as they are") {
  auto store = EmbeddingStore<Eigen::half>::from(random_matrix(300, 37, 9));
  const auto exact = FlatIndex<Eigen::half>::build(store);
  const auto index = PartitionedIndex<Eigen::half>::build(std::move(store));
  const RowMajorMatrix queries = random_matrix(5, 37, 10);
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    for (const Neighbor& each : index.search(query_of(queries, q), 10)) {
      REQUIRE(each.score == exact.score(query_of(queries, q), each.row));
    }
  }
}

TEST_CASE("PartitionedIndex::build: refuses what is out of range, and others refuse to drop rows") {
  const RowMajorMatrix rows = random_matrix(20, 5, 11);
  const EmbeddingView<float> view(rows);
  REQUIRE_ERROR(ValueError, "lists is 16385, expected at most 16384", Index::build(view, {.lists = 16'385}));
  REQUIRE_ERROR(ValueError, "code_width is 0, expected 1 to 64", Index::build(view, {.code_width = 0}));
  REQUIRE_ERROR(ValueError, "ef_search is 0", Index::build(view, {.ef_search = 0}));
  REQUIRE_ERROR(ValueError, "FlatIndex::build: rows is drop", FlatIndex<>::build(view, {.rows = Rows::drop}));
  REQUIRE(Index::build(view, {.lists = 100}).params().lists == 20);  // no more than rows
}

TEST_CASE("PartitionedIndex: a row of over a thousand codes has wider ones") {
  const RowMajorMatrix rows = random_matrix(40, 5000, 12);
  const Index index = Index::build(EmbeddingView<float>(rows), {.metric = Metric::l2, .code_width = 1});
  REQUIRE(index.params().code_width == 5);
  REQUIRE(index.search(query_of(rows, 7), 1)[0].row == 7);
}

TEST_CASE("PartitionedIndex: finds as many as are asked for, up to all rows but one") {
  const RowMajorMatrix rows = random_matrix(400, 16, 21);
  const auto index = Index::build(EmbeddingView<float>(rows), {});
  for (const std::size_t k : {300U, 350U, 399U, 400U}) {
    REQUIRE(index.search(query_of(rows, 0), k).size() == k);
  }
  REQUIRE(index.lists_probed(5) > 0);
}

TEST_CASE("PartitionedIndex without rows: under L2 the size of the query beside the rows does not matter") {
  for (const float rows_size : {1.0f, 1e9f, 1e14f}) {
    for (const float query_size : {1.0f, 1e-11f, 1e-20f}) {
      const RowMajorMatrix rows = rows_size * random_matrix(300, 8, 22, Normalize::none);
      const RowMajorMatrix queries = query_size * random_matrix(4, 8, 23);
      const auto index = Index::build(EmbeddingView<float>(rows), {.metric = Metric::l2, .rows = Rows::drop});
      for (Eigen::Index q = 0; q < 4; ++q) {
        for (Row row = 0; row < 300; row += 50) {
          const float exact = -(rows.row(row) - queries.row(q)).squaredNorm();
          REQUIRE(index.score(query_of(queries, q), row) == Approx(exact).epsilon(0.05));
        }
      }
    }
  }
}

TEST_CASE("PartitionedIndex without rows: a score that is no number ranks last") {
  RowMajorMatrix rows = random_matrix(300, 2, 24);
  rows.row(7) << 2.5e19f, 1e19f;
  const auto index = Index::build(EmbeddingView<float>(rows), {.metric = Metric::l2, .rows = Rows::drop});
  const std::vector<float> query{2e19f, 0.0f};
  const float score = index.score(query, 7);
  REQUIRE((score < -1e30f || score == -std::numeric_limits<float>::infinity()));
}
