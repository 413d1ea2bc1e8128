#include "pefa/index/graph_refinement.hpp"

#include "catch.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/index/code_space.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/graph_insertion.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::CodeSpace;
using pefa::detail::CodeTable;
using pefa::detail::CodeWalk;
using pefa::detail::GraphRefinement;
using pefa::detail::HnswGraph;
using pefa::detail::PackedGraph;
using pefa::detail::PackedLists;
using pefa::detail::WalkState;

namespace {

/// A poor graph over random rows, for a pass to better.
struct Fixture {
  Fixture() : rows(random_matrix(2000, 24, 1)), table(view(), Metric::inner_product, CodeSplit::never, AnyExecutor{}) {
    CodeSpace space(table.code_bytes(), 1.0f);
    HnswGraph built(&space, table.size(), 6, 8, 100);
    pefa::detail::insert_rows(
        built, {}, "test", {AnyExecutor::serial()},
        [&](std::size_t row, std::vector<std::byte>& scratch) -> const void* {
          scratch.resize(space.get_data_size());
          table.copy_codes(static_cast<Row>(row), reinterpret_cast<std::int8_t*>(scratch.data()));
          space.finish_row(scratch.data(), {table.terms(static_cast<Row>(row)).scale, 0.0f, 0.0f});
          return scratch.data();
        });
    graph = PackedGraph(built);
  }
  EmbeddingView<float> view() const { return rows; }

  PackedLists refined(const AnyExecutor& executor, std::size_t max_offers = 1024) const {
    const Progress progress;
    ProgressMeter meter(progress, table.size(), "test");
    const EmbeddingView<float> of = view();
    return GraphRefinement<float>(of, table, graph, {.max_degree = 12, .ef = 60, .max_offers = max_offers})
        .run(executor, meter);
  }

  double recall(const PackedGraph& of) const {
    const auto exact = FlatIndex<>::build(view());
    WalkState state(table.size());
    const RowMajorMatrix queries = random_matrix(200, 24, 2);
    double sum = 0.0;
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const QueryView query(queries.row(q).data(), 24);
      CodeWalk(table, of).run(query, 20, state);
      std::vector<Neighbor> found;
      for (std::size_t i = 0; i < state.beam.size(); ++i) found.push_back({state.beam[i].row(), state.beam[i].score});
      sum += ann_recall(found, exact.search(query, 10)) / 200.0;
    }
    return sum;
  }

  RowMajorMatrix rows;
  CodeTable table;
  PackedGraph graph;
};

}  // namespace

TEST_CASE("GraphRefinement: a walk of the same width finds clearly more") {
  Fixture fixture;
  const double before = fixture.recall(fixture.graph);
  fixture.graph.replace_bottom(fixture.refined({}));
  REQUIRE(fixture.recall(fixture.graph) > before + 0.05);
}

TEST_CASE("GraphRefinement: links are distinct, in range, not the node itself, and at most max_degree") {
  const Fixture fixture;
  const PackedLists lists = fixture.refined({});
  for (Row row = 0; row < 2000; ++row) {
    const auto links = lists.list(row);
    REQUIRE(!links.empty());
    REQUIRE(links.size() <= 12);
    std::vector<Row> sorted(links.begin(), links.end());
    std::sort(sorted.begin(), sorted.end());
    REQUIRE(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
    REQUIRE(sorted.back() < 2000);
    REQUIRE_FALSE(std::binary_search(sorted.begin(), sorted.end(), row));
  }
}

TEST_CASE("GraphRefinement: gives the same links for any number of threads") {
  const Fixture fixture;
  const PackedLists one = fixture.refined(AnyExecutor::serial());
  const PackedLists two = fixture.refined(ThreadExecutor(2));
  for (Row row = 0; row < 2000; ++row) {
    const auto a = one.list(row);
    const auto b = two.list(row);
    REQUIRE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  }
}

TEST_CASE("GraphRefinement: of many offers only the nearest are weighed, and the graph stays about as good") {
  Fixture fixture;
  const double before = fixture.recall(fixture.graph);
  const PackedLists one = fixture.refined(AnyExecutor::serial(), 16);
  const PackedLists two = fixture.refined(ThreadExecutor(2), 16);
  const PackedLists all = fixture.refined(AnyExecutor::serial());
  std::size_t changed = 0;
  for (Row row = 0; row < 2000; ++row) {
    const auto links = one.list(row);
    REQUIRE(!links.empty());
    REQUIRE(links.size() <= 12);
    REQUIRE(std::ranges::equal(links, two.list(row)));
    changed += std::ranges::equal(links, all.list(row)) ? 0U : 1U;
  }
  REQUIRE(changed > 0);
  fixture.graph.replace_bottom(fixture.refined({}, 16));
  REQUIRE(fixture.recall(fixture.graph) > before + 0.05);
}

TEST_CASE("GraphRefinement: rows whose distances pass the range of float are linked all the same") {
  Fixture fixture;
  fixture.rows *= 1e30f;
  fixture.table = CodeTable(fixture.view(), Metric::inner_product, CodeSplit::never, AnyExecutor{});
  const PackedLists lists = fixture.refined({}, 16);
  for (Row row = 0; row < 2000; ++row) {
    for (const Row link : lists.list(row)) REQUIRE(link < 2000);
  }
}
