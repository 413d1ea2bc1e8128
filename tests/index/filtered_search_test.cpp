// Filtered searches of every index against the obvious: every admitted row scored.
#include "pefa/index/filtered_search.hpp"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "adapter/host_index.hpp"
#include "catch.hpp"
#include "filtered.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/partitioned_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// A host's index that can do no more than search.
class BareIndex : public HostIndexOver<BareIndex> {
 public:
  using HostIndexOver::HostIndexOver;
};

/// One that scores rows, too, and counts the rows it was asked for.
class ScoringHostIndex : public HostIndexOver<ScoringHostIndex> {
 public:
  using HostIndexOver::HostIndexOver;
  float score(QueryView query, Row row) const { return flat().score(query, row); }
};

/// One whose search never finds more than twenty rows, as a graph may that falls into parts.
class ShortIndex : public HostIndexOver<ShortIndex> {
 public:
  using HostIndexOver::HostIndexOver;
  std::vector<Neighbor> search(QueryView query, std::size_t k, const IndexSearchOptions& options) const {
    return flat().search(query, std::min<std::size_t>(k, 20), options);
  }
  float score(QueryView query, Row row) const { return flat().score(query, row); }
};

static_assert(FilteringBatchIndex<FlatIndex<>>);
static_assert(AnnIndex<BareIndex> && !FilterableIndex<BareIndex>);
static_assert(FilterableIndex<ScoringHostIndex> && !FilteringIndex<ScoringHostIndex>);

}  // namespace

TEST_CASE("FlatIndex::search_filtered: exact, alone and in a batch") {
  const Clustered data;
  const auto flat = FlatIndex<>::build(data.rows);
  check_filtered(flat, flat, data, true);
  check_edges(flat, data);
  IndexSearchStats stats;
  const RowSet set = random_set(clustered_size, 0.1, 3);
  (void)flat.search_filtered(data.query(0), 10, set, {.stats = &stats});
  REQUIRE(stats.scans == 1);
  REQUIRE(stats.scanned == set.size());
  REQUIRE(stats.distances == set.size());
}

TEST_CASE("FlatIndex::search_filtered: over int8 rows and under l2 as its own scores say") {
  const Clustered data;
  const auto codes = EmbeddingStore<std::int8_t>::from(EmbeddingView<float>(data.rows), Normalize::none);
  const auto flat = FlatIndex<std::int8_t>::build(codes.view(), {.metric = Metric::l2});
  const RowSet set = random_set(clustered_size, 0.3, 3);
  for (Eigen::Index q = 0; q < 5; ++q) {
    auto all = flat.search(data.query(q), clustered_size);
    std::erase_if(all, [&](const Neighbor& each) { return !set.contains(each.row); });
    all.resize(25);
    REQUIRE(flat.search_filtered(data.query(q), 25, set) == all);
  }
}

TEST_CASE("search_filtered: of a host's index is widened, then scores every admitted row") {
  const Clustered data;
  const auto flat = FlatIndex<>::build(data.rows);
  check_filtered(ScoringHostIndex::build(data.rows, {}, {}), flat, data, true);
  check_edges(ScoringHostIndex::build(data.rows, {}, {}), data);
  check_filtered(ShortIndex::build(data.rows, {}, {}), flat, data, true);
}

TEST_CASE("PartitionedIndex::search_filtered: is exact where few are admitted, and near it where many are") {
  const Clustered data;
  const auto flat = FlatIndex<>::build(data.rows);
  const auto index = PartitionedIndex<>::build(data.rows);
  check_filtered(index, flat, data, false, 0.9);
  check_edges(index, data);
}

TEST_CASE("PartitionedIndex::search_filtered: a predicate is asked of one row too") {
  const auto index = PartitionedIndex<>::build(EmbeddingView<float>(random_matrix(1, 8, 1)), {.rows = Rows::drop});
  const RowMajorMatrix query = random_matrix(1, 8, 2);
  const QueryView asked(query.data(), 8);
  REQUIRE(index.search_filtered(asked, 1, RowFilter([](Row) { return true; })).size() == 1);
  REQUIRE(index.search_filtered(asked, 1, RowFilter([](Row) { return false; })).empty());
}

TEMPLATE_TEST_CASE("search_filtered: tells what it did itself, not what was searched before", "", HnswIndex,
                   QuantizedHnswIndex<>) {
  const RowMajorMatrix rows = random_matrix(2000, 16, 3);
  const auto index = TestType::build(EmbeddingView<float>(rows), {});
  const QueryView query(rows.data(), 16);
  const RowSet half = RowSet::where(2000, [](Row row) { return row < 1000; });
  const auto stats_of = [&] {
    IndexSearchStats stats;
    (void)index.search_filtered(query, 5, RowFilter(half), {.stats = &stats});
    return stats;
  };
  (void)index.search_filtered(query, 5, RowFilter(half));
  const IndexSearchStats expected = stats_of();
  const std::atomic<bool> stop{true};
  (void)index.search(query, 5, {.limit = {.stop = &stop}});
  (void)index.search(query, 500);
  const IndexSearchStats stats = stats_of();
  REQUIRE_FALSE(stats.stopped);
  REQUIRE(stats.distances == expected.distances);
  REQUIRE(stats.hops == expected.hops);
}

TEST_CASE("QuantizedHnswIndex::search_filtered: ties fall by the rows that are admitted, whichever way is taken") {
  RowMajorMatrix rows = random_matrix(400, 16, 4);
  rows.row(5) << Eigen::RowVectorXf::Constant(16, 0.25f);
  rows.row(100) = rows.row(5);
  rows.row(50) = rows.row(5);
  std::swap(rows(50, 0), rows(50, 1));
  rows.row(50)(0) = 0.5f;  // the same product with a query that is 1 at two places
  rows.row(50)(1) = 0.0f;
  Eigen::RowVectorXf query = Eigen::RowVectorXf::Zero(16);
  query[0] = query[1] = 4.0f;
  const auto index = QuantizedHnswIndex<>::build(EmbeddingView<float>(rows), {});
  const QueryView asked(query.data(), 16);
  REQUIRE(index.score(asked, 50) == index.score(asked, 100));
  std::vector<Row> admitted;
  for (Row row = 0; row < 400; ++row) {
    if (row == 50 || row == 100 || (row != 5 && index.score(asked, row) < 1.0f)) admitted.push_back(row);
  }
  const RowSet set = RowSet::of(admitted, 400);
  for (const detail::FilterCosts& costs :
       {detail::FilterCosts{.scanned_row = 1e6, .candidate = 1e6, .two_hops = 1e6},
        detail::FilterCosts{.scanned_row = 1e-6, .candidate = 1e6, .two_hops = 1e6}}) {
    REQUIRE(index.search_filtered(asked, 1, RowFilter(set), {}, costs)[0].row == 50);
  }
}
