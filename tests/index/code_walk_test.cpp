#include "pefa/index/code_walk.hpp"

#include "catch.hpp"
#include "pefa/index/graph_builder.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::CodedRows;
using pefa::detail::CodeTable;
using pefa::detail::CodeWalk;
using pefa::detail::GraphBuilder;
using pefa::detail::PackedGraph;
using pefa::detail::WalkState;

namespace {

std::vector<Row> beam_rows(const WalkState& state) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < state.beam.size(); ++i) rows.push_back(state.beam[i].row());
  return rows;
}

}  // namespace

TEST_CASE("CodeWalk::run: finds the same with a state that another walk left halfway, as an exception would") {
  const RowMajorMatrix rows = random_matrix(1000, 24, 1);
  const RowMajorMatrix queries = random_matrix(10, 24, 2);
  const EmbeddingView<float> view(rows);
  const AnyExecutor serial = AnyExecutor::serial();
  const CodeTable table(view, Metric::inner_product, CodeSplit::never, serial);
  const CodedRows coded(table, {}, serial);
  const Progress progress;
  ProgressMeter meter(progress, 2 * table.size(), "test");
  const PackedGraph graph = GraphBuilder(coded, {}, {.m = 8}, serial, meter).run();
  const CodeWalk walk(table, graph);
  WalkState left(1000);
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    const QueryView query(queries.row(q).data(), 24);
    walk.start(query, 30, left);
    for (int step = 0; step < 20; ++step) {
      walk.absorb(left);
      if (!walk.expand(left)) break;
    }
    WalkState fresh(1000);
    walk.run(query, 30, fresh);
    walk.run(query, 30, left);
    REQUIRE(fresh.beam.size() == 30);
    REQUIRE(beam_rows(left) == beam_rows(fresh));
  }
}
