#include "pefa/index/filter_plan.hpp"

#include <atomic>
#include <set>
#include <vector>

#include "catch.hpp"
#include "filtered.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::FilterCosts;
using pefa::detail::FilteredWay;
using pefa::detail::FilterPlanner;

static_assert(FilteringIndex<HnswIndex> && FilteringIndex<QuantizedHnswIndex<>>);

namespace {

constexpr FilterCosts always_walk{.scanned_row = 1e9, .candidate = 1.0, .two_hops = 1e9};
constexpr FilterCosts always_two_hops{.scanned_row = 1e9, .candidate = 1e9, .two_hops = 1.0};

template <class Index>
const Index& shared_index() {
  static const Index index = Index::build(EmbeddingView<float>(Clustered().rows), {}, {AnyExecutor::serial()});
  return index;
}

}  // namespace

TEST_CASE("FilterPlanner: few rows are scanned, many are walked to, and the costs decide between") {
  const FilterCosts costs{.scanned_row = 1.0, .candidate = 10.0, .two_hops = 5.0};
  const auto plan = [&](std::size_t admitted) {
    const RowSet set = RowSet::of_ranges(std::vector<RowRange>{{0, static_cast<Row>(admitted)}}, 1'000'000);
    return FilterPlanner(set, set.universe(), 40, 300, costs);
  };
  REQUIRE(plan(1000).way() == FilteredWay::scan);
  REQUIRE(plan(10'000).way() == FilteredWay::scan);  // a hundredth: exact, whatever it costs
  REQUIRE(plan(900'000).way() == FilteredWay::walk);
  REQUIRE(plan(900'000).width() == 300);
  REQUIRE(plan(100'000).width() == 400);
  REQUIRE(plan(20'000).way() == FilteredWay::two_hops);  // 20,000 to scan, a beam of 2000 to walk, 1200 hops of 5
}

TEST_CASE("FilterPlanner: what a walk sees near the query decides whether it goes on") {
  const RowSet half = RowSet::of_ranges(std::vector<RowRange>{{0, 5000}}, 10'000);
  const FilterCosts costs{.scanned_row = 1.0, .candidate = 10.0, .two_hops = 1e9};
  FilterPlanner planner(half, 10'000, 40, 300, costs);
  REQUIRE(planner.way() == FilteredWay::walk);
  FilterPlanner lucky = planner;
  REQUIRE(lucky.goes_on({.seen = 64, .admitted = 30}));
  FilterPlanner opposed = planner;  // none of the rows near the query is admitted
  REQUIRE_FALSE(opposed.goes_on({.seen = 64, .admitted = 0}));
  REQUIRE(opposed.way() == FilteredWay::scan);
  FilterPlanner wider(half, 10'000, 40, 300, {.scanned_row = 10.0, .candidate = 10.0, .two_hops = 1e9});
  REQUIRE_FALSE(wider.goes_on({.seen = 64, .admitted = 4}));
  REQUIRE(wider.way() == FilteredWay::walk);
  REQUIRE(wider.width() == 640);
  wider.widen({.seen = 640, .admitted = 20});
  REQUIRE(wider.width() == 1600);
  // A walk that has to go far finds less, and counts double.
  FilterPlanner astray(half, 10'000, 40, 300, {.scanned_row = 4.0, .candidate = 10.0, .two_hops = 1e9});
  REQUIRE_FALSE(astray.goes_on({.seen = 64, .admitted = 2}));  // a beam of 1280 or 20,000 to scan
  REQUIRE(astray.way() == FilteredWay::scan);
}

TEST_CASE("FilterPlanner: a predicate is asked about some rows only before a plan is made") {
  std::size_t asked = 0;
  const auto tenth = [&](Row row) {
    ++asked;
    return row % 10 == 0;
  };
  const FilterPlanner planner(RowFilter(tenth), 100'000, 40, 300,
                              {.scanned_row = 1.0, .candidate = 1.0, .two_hops = 9.0});
  REQUIRE(planner.way() == FilteredWay::walk);
  REQUIRE(asked == 256);
}

TEMPLATE_TEST_CASE("search_filtered: of a graph is exact where few are admitted, and near it where many are", "",
                   HnswIndex, QuantizedHnswIndex<>) {
  const Clustered data;
  const auto flat = FlatIndex<>::build(data.rows);
  check_filtered(shared_index<TestType>(), flat, data, false);
  check_edges(shared_index<TestType>(), data);
}

TEMPLATE_TEST_CASE("search_filtered: every way finds k where k are admitted, and nearly the best", "", HnswIndex,
                   QuantizedHnswIndex<>) {
  const Clustered data;
  const auto flat = FlatIndex<>::build(data.rows);
  const TestType& index = shared_index<TestType>();
  for (const FilterCosts& costs : {always_walk, always_two_hops}) {
    for (const RowSet& set : sets_of(index.size())) {
      double recall = 0.0;
      IndexSearchStats stats;
      for (Eigen::Index q = 0; q < data.queries.rows(); ++q) {
        const auto found = index.search_filtered(data.query(q), 10, set, {.ef = 100, .stats = &stats}, costs);
        const auto expected = best_admitted(flat, data.query(q), 10, set);
        INFO(set.size() << " admitted, query " << q);
        REQUIRE(found.size() == expected.size());
        for (const Neighbor& each : found) {
          REQUIRE(set.contains(each.row));
          REQUIRE(each.score == Approx(flat.score(data.query(q), each.row)).margin(1e-5));
        }
        recall += ann_recall(found, expected);
      }
      if (set.empty()) continue;
      INFO(set.size() << " admitted");
      REQUIRE(recall / 20.0 >= 0.97);
      if (set.size() <= 30) {  // of which no walk is planned
        REQUIRE(stats.scans == 20);
      } else if (set.size() >= 200) {
        REQUIRE(stats.walks >= 20);
        REQUIRE((stats.two_hop_walks >= 20) == (costs.two_hops == 1.0));
        REQUIRE(stats.hops > 0);
      }
    }
  }
}

TEMPLATE_TEST_CASE("search_filtered: of equal rows those that are admitted are found, by every way", "", HnswIndex,
                   QuantizedHnswIndex<>) {
  RowMajorMatrix rows = random_matrix(1200, 24, 3);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) = rows.row(i % 300).eval();
  const auto index = TestType::build(EmbeddingView<float>(rows), {}, {AnyExecutor::serial()});
  const auto flat = FlatIndex<>::build(rows);
  const RowSet set = RowSet::where(1200, [](Row row) { return row >= 300 && row % 7 != 0; });  // no first of its group
  const RowMajorMatrix queries = random_matrix(5, 24, 4);
  for (const FilterCosts& costs : {TestType::filter_costs, always_walk, always_two_hops}) {
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const QueryView query(queries.row(q).data(), 24);
      const auto found = index.search_filtered(query, 20, set, {}, costs);
      const auto expected = best_admitted(flat, query, 20, set);
      REQUIRE(found.size() == 20);
      for (std::size_t i = 0; i < 20; ++i) REQUIRE(found[i].row == expected[i].row);
    }
  }
}

TEMPLATE_TEST_CASE("search_filtered: rows of any length, and those that codes cannot tell apart, give sorted scores",
                   "", HnswIndex, QuantizedHnswIndex<>) {
  const RowMajorMatrix rows = random_matrix(600, 24, 3);
  const RowMajorMatrix queries = random_matrix(3, 24, 4);
  const RowSet set = RowSet::where(600, [](Row row) { return row % 4 != 0; });
  for (const float length : {1e-38f, 1e-30f, 1e19f, 1e38f}) {
    const RowMajorMatrix scaled = length * rows;
    const auto index = TestType::build(EmbeddingView<float>(scaled), {}, {AnyExecutor::serial()});
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const QueryView query(queries.row(q).data(), 24);
      const auto found = index.search_filtered(query, 10, set);
      REQUIRE(found.size() == 10);
      for (std::size_t i = 0; i < found.size(); ++i) {
        REQUIRE(found[i].score == index.score(query, found[i].row));
        if (i > 0) REQUIRE(ranks_before(found[i - 1], found[i]));
      }
    }
  }
}

TEMPLATE_TEST_CASE("search_filtered: a search that is told to stop gives admitted rows alone", "", HnswIndex,
                   QuantizedHnswIndex<>) {
  const Clustered data;
  const TestType& index = shared_index<TestType>();
  const std::atomic<bool> stop{true};
  const RowSet set = random_set(clustered_size, 0.5, 3);
  for (const FilterCosts& costs : {TestType::filter_costs, always_walk, always_two_hops}) {
    IndexSearchStats stats;
    const auto found =
        index.search_filtered(data.query(0), 10, set, {.ef = 1000, .limit = {.stop = &stop}, .stats = &stats}, costs);
    REQUIRE(stats.stopped);
    REQUIRE(stats.distances < 1500);
    REQUIRE(found.size() <= 10);
    for (const Neighbor& each : found) REQUIRE(set.contains(each.row));
  }
}
