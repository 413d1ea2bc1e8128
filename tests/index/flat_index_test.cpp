#include "pefa/index/flat_index.hpp"

#include "catch.hpp"
#include "conformance.hpp"
#include "pefa/index/archivable_index.hpp"
#include "pefa/index/flat_index_archive.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

static_assert(AnnIndex<FlatIndex<float>> && ArchivableIndex<FlatIndex<float>>);
static_assert(BatchScoringIndex<FlatIndex<float>> && BatchIndex<FlatIndex<float>>);

namespace {

/// The best k by the score of every row.
std::vector<Neighbor> by_scores(const FlatIndex<>& index, QueryView query, std::size_t k) {
  TopK best(k);
  for (Row row = 0; row < index.size(); ++row) best.push({row, index.score(query, row)});
  return best.take();
}

}  // namespace

TEST_CASE("FlatIndex conforms over inner product") {
  check_index_conforms<FlatIndex<>>({.metric = Metric::inner_product}, 1.0);
}

TEST_CASE("FlatIndex conforms over L2") {
  check_index_conforms<FlatIndex<>>({.metric = Metric::l2}, 1.0);
}

TEST_CASE("FlatIndex::search: agrees with a dense product and a full sort") {
  const std::size_t dim = GENERATE(std::size_t{65}, std::size_t{96});  // codes of the second are kept
  const RowMajorMatrix rows = random_matrix(313, dim, 1, Normalize::none);
  const RowMajorMatrix queries = random_matrix(130, dim, 2, Normalize::none);
  const auto index = FlatIndex<>::build(EmbeddingView<float>(rows));
  const RowMajorMatrix scores = queries * rows.transpose();
  const auto batch = index.search_batch(queries, 313);
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    const auto& found = batch[static_cast<std::size_t>(q)];
    REQUIRE(found.size() == 313);
    for (const Neighbor& neighbor : found) {
      REQUIRE(neighbor.score == Approx(scores(q, static_cast<Eigen::Index>(neighbor.row))).margin(1e-4));
    }
    Eigen::Index best = 0;
    scores.row(q).maxCoeff(&best);
    REQUIRE(index.search({queries.row(q).data(), dim}, 1)[0].row == static_cast<Row>(best));
  }
}

TEMPLATE_TEST_CASE("FlatIndex: rows of every element type score as their floats do", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  const RowMajorMatrix source = random_matrix(100, 37, 3);
  const auto store = EmbeddingStore<TestType>::from(source);
  RowMajorMatrix decoded(source.rows(), source.cols());
  for (std::size_t i = 0; i < store.size(); ++i) store.view().decode(i, decoded.data() + i * store.dim());
  const RowMajorMatrix queries = random_matrix(9, 37, 4);
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    const auto index = FlatIndex<TestType>::build(store, {.metric = metric});
    const auto expected = FlatIndex<float>::build(decoded, {.metric = metric});
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const QueryView query(queries.row(q).data(), 37);
      const auto found = index.search(query, 100);
      for (const Neighbor& neighbor : found) {
        REQUIRE(neighbor.score == Approx(expected.score(query, neighbor.row)).margin(1e-5));
      }
    }
    const auto batch = index.search_batch(queries, 5);
    REQUIRE(ann_recall(batch[0], index.search({queries.row(0).data(), 37}, 5)) == 1.0);
  }
}

TEST_CASE("FlatIndex::build: borrowed rows are read in place, copied rows are the index's own") {
  RowMajorMatrix rows = random_matrix(10, 4, 5);
  const auto borrowing = FlatIndex<>::build(EmbeddingView<float>(rows), {.rows = Rows::borrow});
  const auto copying = FlatIndex<>::build(EmbeddingView<float>(rows), {.rows = Rows::copy});
  REQUIRE(borrowing.rows().data() == rows.data());
  REQUIRE(borrowing.memory_bytes() == 0);
  REQUIRE(copying.rows().data() != rows.data());
  REQUIRE(copying.memory_bytes() == 10 * 4 * sizeof(float));
}

TEST_CASE("FlatIndex::build: a store that is handed over is not copied") {
  auto store = EmbeddingStore<float>::from(random_matrix(10, 4, 6));
  const float* before = store.row(0);
  const auto index = FlatIndex<>::build(std::move(store));
  REQUIRE(index.rows().data() == before);
}

TEST_CASE("FlatIndex: rows further apart than their dim are searched as the dense ones are") {
  const RowMajorMatrix wide = random_matrix(50, 40, 9);
  const RowMajorMatrix narrow = wide.leftCols(20);
  const auto strided =
      FlatIndex<>::build(EmbeddingView<float>(wide.data(), 50, 20, 40, nullptr), {.rows = Rows::borrow});
  const auto dense = FlatIndex<>::build(EmbeddingView<float>(narrow));
  const RowMajorMatrix queries = random_matrix(3, 20, 10);
  REQUIRE(strided.search({queries.data(), 20}, 10) == dense.search({queries.data(), 20}, 10));
  REQUIRE(strided.search_batch(queries, 10)[2] == dense.search_batch(queries, 10)[2]);
}

TEST_CASE("FlatIndex::search_batch: gives what single searches give, to the bit, for rows and queries of any length") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  for (const float length : {1e-38f, 1e-30f, 1e-20f, 1e18f, 1e19f, 1e30f, 1e38f}) {
    for (const float query_length : {1.0f, length}) {
      for (const std::size_t dim : {std::size_t{1}, std::size_t{24}, std::size_t{96}}) {
        const RowMajorMatrix rows = length * random_matrix(500, dim, 6);
        const RowMajorMatrix queries = query_length * random_matrix(70, dim, 7);
        const auto index = FlatIndex<>::build(EmbeddingView<float>(rows), {.metric = metric, .rows = Rows::borrow});
        for (const Eigen::Index count : {1, 5, 20, 70}) {  // by the rows themselves, and by codes
          const auto batch = index.search_batch(queries.topRows(count).eval(), 10);
          for (std::size_t q = 0; q < batch.size(); ++q) {
            const QueryView query(queries.row(static_cast<Eigen::Index>(q)).data(), dim);
            REQUIRE(batch[q] == by_scores(index, query, 10));
            REQUIRE(batch[q] == index.search(query, 10));
          }
        }
      }
    }
  }
}

TEST_CASE("FlatIndex::search_batch: a batch that is stopped halfway gives the best of the rows it saw") {
  const std::size_t dim = GENERATE(std::size_t{32}, std::size_t{96});  // codes of the second are kept
  const RowMajorMatrix rows = random_matrix(60'000, dim, 12);
  const RowMajorMatrix queries = random_matrix(200, dim, 13);
  const auto index = FlatIndex<>::build(EmbeddingView<float>(rows), {.rows = Rows::borrow});
  for (const int microseconds : {0, 500, 2000, 10'000}) {
    IndexSearchStats stats;
    const auto limit = SearchLimit::within(std::chrono::microseconds(microseconds));
    const auto batch = index.search_batch(queries, 5, {.limit = limit, .stats = &stats}, ThreadExecutor(2));
    REQUIRE((stats.stopped || stats.distances == 60'000 * 200));
    for (std::size_t q = 0; q < batch.size(); ++q) {
      REQUIRE(std::is_sorted(batch[q].begin(), batch[q].end(), ranks_before));
      for (const Neighbor& each : batch[q]) {
        REQUIRE(each.score == index.score({queries.row(static_cast<Eigen::Index>(q)).data(), dim}, each.row));
      }
    }
  }
}

TEST_CASE("FlatIndex::search_batch: rows of more elements than products of codes add up are searched as well") {
  constexpr std::size_t dim = 140'000;  // 127 · 127 · dim is past int32
  RowMajorMatrix rows = RowMajorMatrix::Constant(6, dim, 1.0f);
  for (Eigen::Index i = 0; i < 6; ++i) rows(i, i) = static_cast<float>(-i);
  const auto index = FlatIndex<>::build(EmbeddingView<float>(rows), {.rows = Rows::borrow});
  const auto batch = index.search_batch(rows.topRows(2).eval(), 3);
  for (std::size_t q = 0; q < 2; ++q) {
    REQUIRE(batch[q] == index.search({rows.row(static_cast<Eigen::Index>(q)).data(), dim}, 3));
  }
}

TEST_CASE("FlatIndex::search_batch: no queries give no results") {
  const auto index = FlatIndex<>::build(EmbeddingView<float>(random_matrix(5, 4, 1)));
  REQUIRE(index.search_batch(EmbeddingView<float>(nullptr, 0, 4), 3).empty());
}
