// Filtered searches of every index against the obvious: every admitted row scored.
#include "pefa/index/filtered_search.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "adapter/host_index.hpp"
#include "catch.hpp"
#include "filtered.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/partitioned_index.hpp"

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
