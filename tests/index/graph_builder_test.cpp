#include "pefa/index/graph_builder.hpp"

#include <algorithm>

#include "catch.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/index/code_walk.hpp"
#include "pefa/index/flat_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::CodedRows;
using pefa::detail::CodeTable;
using pefa::detail::CodeWalk;
using pefa::detail::GraphBuilder;
using pefa::detail::GraphParams;
using pefa::detail::PackedGraph;
using pefa::detail::PackedLevel;
using pefa::detail::PackedLists;
using pefa::detail::WalkState;

namespace {

constexpr GraphParams small{.m = 6, .insert_ef = 24, .refine_ef = 40, .slack = 4};

CodeTable table_of(const RowMajorMatrix& rows, Metric metric = Metric::inner_product) {
  return CodeTable(EmbeddingView<float>(rows), metric, CodeSplit::never, AnyExecutor::serial());
}

PackedGraph build_graph(const CodeTable& table, const GraphParams& params, const AnyExecutor& executor = {},
                        std::span<const Row> first = {}, const Progress& progress = {}) {
  const CodedRows coded(table, {}, executor);
  ProgressMeter meter(progress, (params.refine_ef == 0 ? 1 : 2) * table.size(), "test");
  return GraphBuilder(coded, first, params, executor, meter).run();
}

bool same(const PackedLists& a, const PackedLists& b, std::size_t lists) {
  for (std::size_t i = 0; i < lists; ++i) {
    if (!std::ranges::equal(a.list(i), b.list(i))) return false;
  }
  return true;
}

bool same(const PackedGraph& a, const PackedGraph& b, std::size_t rows) {
  if (a.entry() != b.entry() || a.upper().size() != b.upper().size() || !same(a.bottom(), b.bottom(), rows)) {
    return false;
  }
  return std::equal(a.upper().begin(), a.upper().end(), b.upper().begin(), [](const auto& x, const auto& y) {
    return x.rows == y.rows && x.down == y.down && same(x.links, y.links, x.rows.size());
  });
}

/// The row of level 0 below the entry.
Row entry_row(const PackedGraph& graph) {
  std::uint32_t node = graph.entry();
  for (std::size_t l = graph.upper().size(); l-- > 0;) node = graph.upper()[l].down[node];
  return node;
}

std::size_t reached(const PackedGraph& graph, std::size_t rows) {
  std::vector<char> seen(rows, 0);
  std::vector<Row> pending{entry_row(graph)};
  seen[pending.front()] = 1;
  for (std::size_t i = 0; i < pending.size(); ++i) {
    for (const Row link : graph.bottom().list(pending[i])) {
      if (seen[link] != 0) continue;
      seen[link] = 1;
      pending.push_back(link);
    }
  }
  return pending.size();
}

std::size_t dim_of(const RowMajorMatrix& rows) {
  return static_cast<std::size_t>(rows.cols());
}

double graph_recall(const RowMajorMatrix& rows, const CodeTable& table, const PackedGraph& graph, Metric metric,
                    std::size_t ef) {
  const auto exact = FlatIndex<>::build(EmbeddingView<float>(rows), {.metric = metric});
  WalkState state(table.size());
  const RowMajorMatrix queries = random_matrix(100, dim_of(rows), 77);
  double sum = 0.0;
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    const QueryView query(queries.row(q).data(), dim_of(queries));
    CodeWalk(table, graph).run(query, ef, state);
    std::vector<Neighbor> found;
    for (std::size_t i = 0; i < state.beam.size(); ++i) found.push_back({state.beam[i].row(), state.beam[i].score});
    sum += ann_recall(found, exact.search(query, 10)) / 100.0;
  }
  return sum;
}

}  // namespace

TEST_CASE("GraphBuilder: the same graph to the bit for 1, 2 and 4 threads, with a second search and without") {
  const RowMajorMatrix rows = random_matrix(2000, 24, 1);
  const CodeTable table = table_of(rows);
  GraphParams params = small;
  params.refine_ef = GENERATE(std::size_t{0}, std::size_t{40});
  const PackedGraph one = build_graph(table, params, AnyExecutor::serial());
  REQUIRE(one.upper().size() >= 2);
  REQUIRE(same(one, build_graph(table, params, ThreadExecutor(2)), 2000));
  REQUIRE(same(one, build_graph(table, params, ThreadExecutor(4)), 2000));
  params.seed += 1;
  REQUIRE_FALSE(same(one, build_graph(table, params, ThreadExecutor(2)), 2000));
}

TEST_CASE("GraphBuilder: links are distinct, in range and not the node itself, and lead to every row") {
  const RowMajorMatrix rows = random_matrix(3000, 16, 2);
  const PackedGraph graph = build_graph(table_of(rows), small);
  std::size_t long_lists = 0;
  for (Row row = 0; row < 3000; ++row) {
    const auto links = graph.bottom().list(row);
    REQUIRE(!links.empty());
    long_lists += links.size() > 2 * small.m ? 1U : 0U;
    REQUIRE(links.size() <= 2 * small.m + small.slack);
    std::vector<Row> sorted(links.begin(), links.end());
    std::sort(sorted.begin(), sorted.end());
    REQUIRE(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
    REQUIRE(sorted.back() < 3000);
    REQUIRE_FALSE(std::binary_search(sorted.begin(), sorted.end(), row));
  }
  REQUIRE(long_lists < 30);  // only what leads to a row that nothing else would
  REQUIRE(reached(graph, 3000) == 3000);
  std::size_t below = 3000;
  for (std::size_t l = 0; l < graph.upper().size(); ++l) {
    const PackedLevel& level = graph.upper()[l];
    REQUIRE(level.rows.size() <= below);
    below = level.rows.size();
    REQUIRE(std::is_sorted(level.rows.begin(), level.rows.end()));
    for (std::size_t i = 0; i < level.rows.size(); ++i) {
      REQUIRE((l == 0 ? level.down[i] : graph.upper()[l - 1].rows[level.down[i]]) == level.rows[i]);
      REQUIRE(level.links.list(i).size() <= small.m);
      for (const std::uint32_t link : level.links.list(i)) REQUIRE(link < level.rows.size());
    }
  }
}

TEST_CASE("GraphBuilder: walks find nearly all, and more after the second search") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  const RowMajorMatrix rows = random_matrix(3000, 16, 3);
  const CodeTable table = table_of(rows, metric);
  GraphParams once = small;
  once.refine_ef = 0;
  const double before = graph_recall(rows, table, build_graph(table, once), metric, 30);
  const double after = graph_recall(rows, table, build_graph(table, small), metric, 30);
  CAPTURE(before, after);
  REQUIRE(after > before);
  REQUIRE(graph_recall(rows, table, build_graph(table, {.m = 16}), metric, 100) > 0.97);
}

TEST_CASE("GraphBuilder: 1, 2 and 3 rows, and every other small number") {
  for (const std::size_t count : {1U, 2U, 3U, 4U, 7U, 12U, 40U}) {
    const RowMajorMatrix rows = random_matrix(count, 8, 4);
    for (const std::size_t m : {std::size_t{2}, std::size_t{32}}) {
      const PackedGraph graph = build_graph(table_of(rows), {.m = m, .insert_ef = 2, .refine_ef = 2});
      REQUIRE(reached(graph, count) == count);
    }
  }
}

TEST_CASE("GraphBuilder: rows with the same codes are all reached, and so is what lies behind them") {
  RowMajorMatrix rows = random_matrix(1200, 16, 5);
  for (Eigen::Index i = 0; i < 500; ++i) rows.row(i * 2) = rows.row(0);
  const CodeTable table = table_of(rows);
  const PackedGraph graph = build_graph(table, small);
  REQUIRE(reached(graph, 1200) == 1200);
  REQUIRE(same(graph, build_graph(table, small, AnyExecutor::serial()), 1200));
}

TEST_CASE("GraphBuilder: of equal rows the first is linked, and the others lead to it from outside the graph") {
  const RowMajorMatrix rows = random_matrix(900, 16, 6);
  std::vector<Row> first(900);
  for (Row row = 0; row < 900; ++row) first[row] = row % 3 == 2 ? row - 2 : row;
  const PackedGraph graph = build_graph(table_of(rows), small, {}, first);
  for (Row row = 0; row < 900; ++row) {
    const auto links = graph.bottom().list(row);
    if (row % 3 == 2) {
      REQUIRE(std::vector<Row>(links.begin(), links.end()) == std::vector<Row>{row, row - 2});
    } else {
      REQUIRE(std::none_of(links.begin(), links.end(), [](Row link) { return link % 3 == 2; }));
    }
  }
  REQUIRE(reached(graph, 900) == 600);
}

TEST_CASE("GraphBuilder: of more offers than are weighed the nearest stay, and the graph is about as good") {
  const RowMajorMatrix rows = random_matrix(2000, 16, 7);
  const CodeTable table = table_of(rows);
  GraphParams few = small;
  few.max_offers = 13;
  const PackedGraph graph = build_graph(table, few);
  REQUIRE_FALSE(same(graph, build_graph(table, small), 2000));
  REQUIRE(same(graph, build_graph(table, few, AnyExecutor::serial()), 2000));
  REQUIRE(reached(graph, 2000) == 2000);
  REQUIRE(graph_recall(rows, table, graph, Metric::inner_product, 60) > 0.9);
}

TEST_CASE("GraphBuilder: rows whose distances pass the range of float are linked all the same") {
  const RowMajorMatrix rows = 1e30f * random_matrix(600, 16, 8);
  const CodeTable table = table_of(rows);
  const PackedGraph graph = build_graph(table, small);
  REQUIRE(reached(graph, 600) == 600);
  REQUIRE(same(graph, build_graph(table, small, AnyExecutor::serial()), 600));
}

TEST_CASE("GraphBuilder: reports every row once a search, and stops when told to") {
  const RowMajorMatrix rows = random_matrix(700, 16, 9);
  const CodeTable table = table_of(rows);
  std::size_t last = 0;
  (void)build_graph(table, small, {}, {}, [&](std::size_t done, std::size_t total) {
    REQUIRE(done >= last);
    REQUIRE(total == 1400);
    last = done;
    return ProgressAction::proceed;
  });
  REQUIRE(last == 1400);
  for (const std::size_t stop : {std::size_t{1}, std::size_t{500}, std::size_t{1000}}) {
    REQUIRE_ERROR(Cancelled, "test: stopped", build_graph(table, small, {}, {}, [&](std::size_t done, std::size_t) {
                    return done >= stop ? ProgressAction::stop : ProgressAction::proceed;
                  }));
  }
}
