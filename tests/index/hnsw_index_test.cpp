#include "pefa/index/hnsw_index.hpp"

#include <sstream>

#include "catch.hpp"
#include "conformance.hpp"
#include "pefa/index/archivable_index.hpp"
#include "pefa/index/hnsw_index_archive.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

static_assert(AnnIndex<HnswIndex> && BatchScoringIndex<HnswIndex> && ArchivableIndex<HnswIndex>);

TEST_CASE("HnswIndex conforms over inner product") {
  check_index_conforms<HnswIndex>({.metric = Metric::inner_product}, 0.99);
}

TEST_CASE("HnswIndex conforms over L2") {
  check_index_conforms<HnswIndex>({.metric = Metric::l2}, 0.99);
}

TEST_CASE("HnswParams: the defaults are the paper's") {
  const HnswParams params;
  REQUIRE(params.m == 32);
  REQUIRE(params.ef_construction == 500);
  REQUIRE(params.ef_search == 300);
  REQUIRE(params.metric == Metric::inner_product);
}

TEST_CASE("HnswIndex::build: parameters out of range are refused with the range") {
  const RowMajorMatrix rows = random_matrix(20, 8, 1);
  const auto build = [&](const HnswParams& params) { return HnswIndex::build(EmbeddingView<float>(rows), params); };
  REQUIRE_ERROR(ValueError, "m is 0, expected 2 to 1024", build({.m = 0}));
  REQUIRE_ERROR(ValueError, "m is 1, expected 2 to 1024", build({.m = 1}));
  REQUIRE_ERROR(ValueError, "m is 1025, expected 2 to 1024", build({.m = 1025}));
  REQUIRE_ERROR(ValueError, "m is 18446744073709551615", build({.m = std::numeric_limits<std::size_t>::max()}));
  REQUIRE_ERROR(ValueError, "ef_construction is 0, expected 1 to 100000", build({.ef_construction = 0}));
  REQUIRE_ERROR(ValueError, "ef_construction is 100001", build({.ef_construction = 100001}));
  REQUIRE_ERROR(ValueError, "ef_search is 0", build({.ef_search = 0}));
  REQUIRE(build({.m = 2, .ef_construction = 1, .ef_search = 1}).search({rows.data(), 8}, 1).size() == 1);
  REQUIRE(build({.m = 1024, .ef_construction = 100000}).search({rows.data(), 8}, 20).size() == 20);
}

TEST_CASE("HnswIndex::build: more rows than hnswlib can number are refused before one is read") {
  const float element = 1.0f;
  REQUIRE_ERROR(ShapeError, "HnswIndex::build: 2147483648 rows, expected at most 2147483647",
                HnswIndex::build(EmbeddingView<float>(&element, std::size_t{1} << 31, 1)));
}

TEST_CASE("HnswIndex: what hnswlib could not do is an Error that says who asked; other errors pass") {
  const auto failing = []() -> int { throw std::runtime_error("Not enough memory"); };
  REQUIRE_ERROR(Error, "here: hnswlib: Not enough memory", detail::with_hnswlib("here", failing));
  REQUIRE_ERROR(Cancelled, "stop", detail::with_hnswlib("here", []() -> int { throw Cancelled("stop"); }));
  REQUIRE(detail::with_hnswlib("here", [] { return 5; }) == 5);
}

TEST_CASE("HnswIndex::build: one thread gives the same graph on every run") {
  const RowMajorMatrix rows = random_matrix(800, 16, 2);
  const auto bytes = [&] {
    const auto index = HnswIndex::build(EmbeddingView<float>(rows), {.m = 8}, {AnyExecutor::serial()});
    const auto& graph = index.graph();
    return std::string(graph.data_level0_memory_, graph.max_elements_ * graph.size_data_per_element_);
  };
  REQUIRE(bytes() == bytes());
}

TEST_CASE("HnswIndex::build: several threads find as well as one") {
  const RowMajorMatrix rows = random_matrix(3000, 32, 3);
  const RowMajorMatrix queries = random_matrix(100, 32, 4);
  const auto exact = FlatIndex<>::build(EmbeddingView<float>(rows));
  const auto recall = [&](const AnyExecutor& executor) {
    const auto index = HnswIndex::build(EmbeddingView<float>(rows), {}, {executor});
    double sum = 0.0;
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const QueryView query(queries.row(q).data(), 32);
      sum += ann_recall(index.search(query, 10), exact.search(query, 10));
    }
    return sum / 100.0;
  };
  REQUIRE(recall(AnyExecutor::serial()) >= 0.99);
  REQUIRE(recall(ThreadExecutor(4)) >= 0.99);
}

TEST_CASE("HnswIndex::search: ef belongs to the call") {
  const RowMajorMatrix rows = random_matrix(3000, 64, 5);
  const RowMajorMatrix queries = random_matrix(60, 64, 6);
  const auto index = HnswIndex::build(EmbeddingView<float>(rows), {.m = 4, .ef_construction = 20});
  const auto exact = FlatIndex<>::build(EmbeddingView<float>(rows));
  const auto recall = [&](std::size_t ef) {
    double sum = 0.0;
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const QueryView query(queries.row(q).data(), 64);
      sum += ann_recall(index.search(query, 10, {.ef = ef}), exact.search(query, 10));
    }
    return sum;
  };
  const double narrow = recall(10);
  REQUIRE(narrow < recall(1000));
  REQUIRE(recall(10) == narrow);  // a wide search in between left nothing behind
}

TEMPLATE_TEST_CASE("HnswIndex::build: rows of every element type are indexed by their floats", "", float, double,
                   Eigen::half, Eigen::bfloat16, std::int8_t) {
  const auto store = EmbeddingStore<TestType>::from(random_matrix(200, 19, 7));
  const auto index = HnswIndex::build(store.view());
  const auto exact = FlatIndex<TestType>::build(store);
  const RowMajorMatrix queries = random_matrix(1, 19, 8);
  const QueryView query(queries.data(), 19);
  for (const Neighbor& neighbor : index.search(query, 10)) {
    REQUIRE(neighbor.score == Approx(exact.score(query, neighbor.row)).margin(1e-5));
    REQUIRE(index.score(query, neighbor.row) == neighbor.score);
  }
}

TEST_CASE("HnswIndex::score: is the row's own, whatever order the threads inserted in") {
  const RowMajorMatrix rows = random_matrix(500, 12, 9);
  const auto index = HnswIndex::build(EmbeddingView<float>(rows), {}, {ThreadExecutor(4)});
  const QueryView query(rows.row(3).data(), 12);
  for (Row row = 0; row < 500; ++row)
    REQUIRE(index.score(query, row) == Approx(rows.row(3).dot(rows.row(row))).margin(1e-6));
}

TEST_CASE("HnswIndex: rows of zeros are indexed, as PEFA-XS makes them at lambda 0") {
  RowMajorMatrix rows = random_matrix(50, 6, 10);
  rows.row(7).setZero();
  const auto index = HnswIndex::build(EmbeddingView<float>(rows));
  REQUIRE(index.search({rows.data(), 6}, 50).size() == 50);
}

#ifdef PEFA_HAS_HEAP_BYTES
TEST_CASE("HnswIndex::memory_bytes: is within 5 % of what malloc handed out") {
  const RowMajorMatrix rows = random_matrix(20000, 32, 11);
  const std::size_t before = heap_bytes();
  const auto index =
      HnswIndex::build(EmbeddingView<float>(rows), {.m = 16, .ef_construction = 20}, {AnyExecutor::serial()});
  const double measured = static_cast<double>(heap_bytes() - before);
  REQUIRE(static_cast<double>(index.memory_bytes()) == Approx(measured).epsilon(0.05));
}
#endif
