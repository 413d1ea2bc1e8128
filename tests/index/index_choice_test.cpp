#include "pefa/index/index_choice.hpp"

#include <cstddef>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "pefa/core/error.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::choose_index;
using pefa::detail::sampled_graph_recall;

namespace {

const IndexSpec narrow{.m = 4, .ef_construction = 8};  // a graph that finds little, built fast

/// Rows of few directions, which any graph finds.
RowMajorMatrix easy_rows(std::size_t size) {
  return random_matrix(size, 4, 1) * random_matrix(4, 24, 2, Normalize::none);
}

}  // namespace

TEST_CASE("choose_index: what is named stays, few rows are searched one by one, dropped rows want partitions") {
  const RowMajorMatrix rows = random_matrix(50, 8, 1);
  const EmbeddingView<float> view(rows);
  for (const IndexKind kind : {IndexKind::flat, IndexKind::hnsw, IndexKind::quantized, IndexKind::partitioned}) {
    REQUIRE(choose_index(view, Metric::inner_product, {.kind = kind}, {}).spec.kind == kind);
  }
  REQUIRE(choose_index(view, Metric::inner_product, {}, {}).spec.kind == IndexKind::flat);
  const IndexSpec dropped = choose_index(view, Metric::l2, {.exact_rows = ExactRows::drop}, {}).spec;
  REQUIRE(dropped.kind == IndexKind::partitioned);
  REQUIRE(dropped.exact_rows == ExactRows::drop);
}

TEST_CASE("choose_index: of many rows a graph where it finds the best, else partitions") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  const RowMajorMatrix easy = easy_rows(10'001);
  const RowMajorMatrix hard = random_matrix(10'001, 48, 3);
  const IndexSpec spec{.m = 16, .ef_construction = 40};
  REQUIRE(choose_index(EmbeddingView<float>(easy), metric, spec, {}).spec.kind == IndexKind::quantized);
  const auto chosen = choose_index(EmbeddingView<float>(hard), metric, spec, {ThreadExecutor(2)});
  REQUIRE(chosen.spec.kind == IndexKind::partitioned);
  REQUIRE(chosen.spec.m == spec.m);  // all else stays
  REQUIRE(chosen.choice.graph_recall > 0.0);
  REQUIRE(chosen.choice.graph_recall < detail::least_graph_recall);
  REQUIRE(choose_index(EmbeddingView<float>(hard.topRows(10'000)), metric, spec, {}).spec.kind == IndexKind::flat);
}

TEST_CASE("choose_index: a row that is not finite is for the build to name, and the host may stop it") {
  RowMajorMatrix rows = random_matrix(10'001, 8, 1);
  const auto stop = [](std::size_t, std::size_t) { return ProgressAction::stop; };
  REQUIRE_THROWS_AS(choose_index(EmbeddingView<float>(rows), Metric::inner_product, narrow, {{}, stop}), Cancelled);
  rows(0, 3) = std::numeric_limits<float>::quiet_NaN();
  REQUIRE(choose_index(EmbeddingView<float>(rows), Metric::inner_product, narrow, {}).spec.kind ==
          IndexKind::quantized);
}

TEST_CASE("sampled_graph_recall: is the same for any number of threads, and equal rows count for one another") {
  const RowMajorMatrix rows = random_matrix(1000, 24, 4);
  const EmbeddingView<float> view(rows);
  const double one = sampled_graph_recall(view, Metric::inner_product, narrow, {});
  REQUIRE(one < 0.95);
  REQUIRE(sampled_graph_recall(view, Metric::inner_product, narrow, {ThreadExecutor(2)}) == one);
  const RowMajorMatrix equal = RowMajorMatrix::Constant(300, 24, 0.5f);
  REQUIRE(sampled_graph_recall(EmbeddingView<float>(equal), Metric::inner_product, narrow, {}) == 1.0);
}
