#include "pefa/index/equal_rows.hpp"

#include <array>

#include "catch.hpp"
#include "index/saved_index.hpp"
#include "io/archive/archive_tools.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/hnsw_index_archive.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "pefa/index/quantized_hnsw_index_archive.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::EqualRows;
using pefa::detail::first_equal_rows;

namespace {

constexpr std::size_t dim = 32;

/// 4,000 rows around 40 centres, as passages are around topics; every eighth is the same one, near the first centre.
RowMajorMatrix rows_with_500_equal() {
  const RowMajorMatrix centres = random_matrix(40, dim, 1);
  RowMajorMatrix rows = 0.5f * random_matrix(4000, dim, 2);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) += centres.row(i % 40);
  rows.rowwise().normalize();
  for (Eigen::Index i = 0; i < rows.rows(); i += 8) rows.row(i) = rows.row(0);
  return rows;
}

/// Queries near the equal rows, which fill their beams, and elsewhere.
RowMajorMatrix queries_around(const RowMajorMatrix& rows) {
  RowMajorMatrix queries = 0.3f * random_matrix(100, dim, 3);
  for (Eigen::Index q = 0; q < queries.rows(); ++q) queries.row(q) += rows.row(q % 2 == 0 ? 0 : 37 * q);
  return queries;
}

template <class Index>
double recall(const Index& index, const RowMajorMatrix& rows, const RowMajorMatrix& queries, std::size_t k,
              std::size_t ef) {
  const auto exact = FlatIndex<>::build(EmbeddingView<float>(rows), {.metric = index.metric()});
  double sum = 0.0;
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    const QueryView query(queries.row(q).data(), dim);
    sum += ann_recall(index.search(query, k, {.ef = ef}), exact.search(query, k));
  }
  return sum / static_cast<double>(queries.rows());
}

template <class Index>
void check_equal_rows(const typename Index::Params& params) {
  const RowMajorMatrix rows = rows_with_500_equal();
  const RowMajorMatrix queries = queries_around(rows);
  for (const bool serial : {true, false}) {
    const auto index = Index::build(EmbeddingView<float>(rows), params,
                                    {serial ? AnyExecutor::serial() : AnyExecutor(ThreadExecutor(3))});
    REQUIRE(recall(index, rows, queries, 10, 100) >= 0.99);
    REQUIRE(recall(index, rows, queries, 600, 600) >= 0.99);  // past all the equal ones
    const std::vector<Neighbor> found = index.search({rows.row(0).data(), dim}, 1000);
    REQUIRE(found.size() == 1000);
    for (std::size_t i = 0; i < 500; ++i) REQUIRE(found[i].row == 8 * i);
    REQUIRE(index.search({rows.row(0).data(), dim}, 7) == std::vector<Neighbor>(found.begin(), found.begin() + 7));
    const auto batch = search_batch(index, EmbeddingView<float>(queries), 600);
    for (std::size_t q = 0; q < batch.size(); ++q) {
      REQUIRE(batch[q] == index.search({queries.row(static_cast<Eigen::Index>(q)).data(), dim}, 600));
    }
  }
}

}  // namespace

TEST_CASE("HnswIndex: 500 equal rows hide no other row, and all of them are found") {
  check_equal_rows<HnswIndex>({.m = 16, .ef_construction = 100, .metric = GENERATE(Metric::inner_product, Metric::l2)});
}

TEST_CASE("QuantizedHnswIndex: 500 equal rows hide no other row, and all of them are found") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  const Refine refine = GENERATE(Refine::never, Refine::once);
  check_equal_rows<QuantizedHnswIndex<>>(
      {.graph = {.m = 16, .ef_construction = 100, .metric = metric}, .refine = refine});
}

TEMPLATE_TEST_CASE("equal rows: nothing but equal rows, and pairs of them, are an index too", "", HnswIndex,
                   QuantizedHnswIndex<>) {
  const RowMajorMatrix same = random_matrix(1, 8, 4).replicate(100, 1);
  const auto all = TestType::build(EmbeddingView<float>(same)).search({same.data(), 8}, 200);
  REQUIRE(all.size() == 100);
  for (Row i = 0; i < 100; ++i) REQUIRE(all[i].row == i);
  const RowMajorMatrix twice = random_matrix(100, 8, 5).replicate(2, 1);
  const auto pairs = TestType::build(EmbeddingView<float>(twice)).search({twice.data(), 8}, 200);
  REQUIRE(pairs.size() == 200);
  REQUIRE(pairs[0].row == 0);
  REQUIRE(pairs[1].row == 100);
}

TEST_CASE("equal rows: an opened index answers as the one that was saved") {
  const RowMajorMatrix rows = rows_with_500_equal();
  const RowMajorMatrix queries = queries_around(rows);
  const auto check = [&](const auto& index) {
    const Bytes bytes = saved(index);
    const auto opened = std::decay_t<decltype(index)>::open(open_bytes(bytes), "rows.");
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const QueryView query(queries.row(q).data(), dim);
      REQUIRE(opened.search(query, 550) == index.search(query, 550));
    }
  };
  check(HnswIndex::build(EmbeddingView<float>(rows), {.m = 16, .ef_construction = 100}));
  check(QuantizedHnswIndex<>::build(EmbeddingView<float>(rows), {.graph = {.m = 16, .ef_construction = 100}}));
}

TEST_CASE("equal rows: one that stands for another without links of its own is refused") {
  RowMajorMatrix rows = random_matrix(50, 8, 7);
  rows.row(40) = rows.row(20);
  constexpr std::size_t m = 4;
  const auto index = HnswIndex::build(EmbeddingView<float>(rows), {.m = m});
  Bytes bytes = saved(index);
  const io::ArchiveReader reader = open_bytes(bytes);
  for (const io::ArchiveSection& each : reader.sections()) {
    if (each.key != "rows.graph") continue;
    const std::size_t node_bytes = (1 + 2 * m + 8 + 2) * sizeof(std::uint32_t);
    const std::array<std::uint32_t, 3> list{2, 20, 40};  // row 20 now claims to equal row 40
    for (std::size_t i = 0; i < list.size(); ++i) {
      patch(bytes, static_cast<std::size_t>(each.offset) + 20 * node_bytes + i * sizeof list[i], list[i]);
    }
  }
  REQUIRE_ERROR(FormatError, "row 20 equals row 40, which has no links of its own either",
                HnswIndex::open(open_bytes(bytes), "rows."));
}

TEST_CASE("first_equal_rows: gives the first of each group, and nothing where all rows differ") {
  RowMajorMatrix rows = random_matrix(1000, 7, 6);
  REQUIRE(first_equal_rows(EmbeddingView<float>(rows), {}).empty());
  rows.row(900) = rows.row(3);
  rows.row(17) = rows.row(3);
  rows.row(20) = rows.row(19);
  const std::vector<Row> first = first_equal_rows(EmbeddingView<float>(rows), {});
  REQUIRE(first.size() == 1000);
  for (Row row = 0; row < 1000; ++row) {
    REQUIRE(first[row] == (row == 900 || row == 17 ? 3 : row == 20 ? 19 : row));
  }
}

TEST_CASE("first_equal_rows: equal codes with other scales, and rows further apart than their dim, are told apart") {
  const std::vector<std::int8_t> codes{1, 2, 3, 1, 2, 3, 1, 2, 3};
  const std::vector<float> scales{0.5f, 0.25f, 0.5f};
  REQUIRE(first_equal_rows(EmbeddingView<std::int8_t>(codes.data(), 3, 3, scales.data()), {}) ==
          std::vector<Row>{0, 1, 0});
  const std::vector<float> wide{1.0f, 2.0f, 9.0f, 1.0f, 2.0f, 8.0f};
  REQUIRE(first_equal_rows(EmbeddingView<float>(wide.data(), 2, 2, 3, nullptr), {}) == std::vector<Row>{0, 0});
}

TEST_CASE("EqualRows: appends a group in ascending order, at most as many as asked for") {
  const EqualRows groups({0, 1, 0, 1, 0});
  std::vector<Neighbor> found;
  groups.append_admitted({0, 0.5f}, 10, pefa::detail::AdmitsAll{}, found);
  REQUIRE(found == std::vector<Neighbor>{{0, 0.5f}, {2, 0.5f}, {4, 0.5f}});
  groups.append_admitted({1, 0.25f}, 1, pefa::detail::AdmitsAll{}, found);
  REQUIRE(found.size() == 4);
  REQUIRE(groups.memory_bytes() == 5 * sizeof(Row));
  REQUIRE(EqualRows().memory_bytes() == 0);
  found.clear();
  EqualRows().append_admitted({7, 1.0f}, 3, pefa::detail::AdmitsAll{}, found);
  REQUIRE(found == std::vector<Neighbor>{{7, 1.0f}});
}
