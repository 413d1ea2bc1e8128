#include "pefa/index/ef_for_recall.hpp"

#include <cstddef>
#include <limits>
#include <set>
#include <vector>

#include "catch.hpp"
#include "pefa/core/error.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "pefa/index/partitioned_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// The share of the exact best k that an index finds, by a slow way of its own.
template <class Index>
double slow_recall(const Index& index, const FlatIndex<>& exact, const EmbeddingView<float>& queries, std::size_t k,
                   std::size_t ef) {
  std::size_t found = 0;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    const QueryView query(queries.row(q), queries.dim());
    std::set<Row> best;
    for (const Neighbor& each : exact.search(query, k)) best.insert(each.row);
    for (const Neighbor& each : index.search(query, k, {.ef = ef})) found += best.count(each.row);
  }
  return static_cast<double>(found) / static_cast<double>(k * queries.size());
}

template <class Index>
void require_least_ef(const Index& index, const FlatIndex<>& exact, const EmbeddingView<float>& queries,
                      double target) {
  constexpr std::size_t k = 10;
  const MeasuredEf measured = ef_for_recall(index, queries, k, target);
  REQUIRE(measured.recall >= target);
  REQUIRE(measured.recall == Approx(slow_recall(index, exact, queries, k, measured.ef)));
  if (measured.ef > k) {  // what is a tenth narrower finds less, up to the standard error
    REQUIRE(slow_recall(index, exact, queries, k, measured.ef * 9 / 10) < target + 0.03);
  }
  const MeasuredEf threaded = ef_for_recall(index, queries, k, target, {ThreadExecutor(2)});
  REQUIRE(threaded.ef == measured.ef);
  REQUIRE(threaded.recall == measured.recall);
}

}  // namespace

TEST_CASE("ef_for_recall: the least beam that finds as much, over graphs and partitions") {
  const RowMajorMatrix rows = random_matrix(4000, 32, 1);
  const RowMajorMatrix queries = random_matrix(100, 32, 2);
  const EmbeddingView<float> view(rows);
  const EmbeddingView<float> asked(queries);
  const auto exact = FlatIndex<>::build(view);
  const HnswParams graph{.m = 8, .ef_construction = 40};
  for (const double target : {0.5, 0.9, 0.98}) {
    require_least_ef(HnswIndex::build(view, graph), exact, asked, target);
    require_least_ef(QuantizedHnswIndex<>::build(view, {.graph = graph}), exact, asked, target);
    require_least_ef(PartitionedIndex<>::build(view), exact, asked, target);
  }
  REQUIRE(ef_for_recall(exact, asked, 10, 1.0).ef == 10);  // what is exact needs no width
  REQUIRE(ef_for_recall(exact, asked, 10, 1.0).recall == 1.0);
}

TEST_CASE("ef_for_recall: where no width suffices the widest, and fewer rows than k are all of them") {
  const RowMajorMatrix rows = random_matrix(300, 24, 1);
  const auto narrow = HnswIndex::build(EmbeddingView<float>(rows), {.m = 2, .ef_construction = 1});
  const RowMajorMatrix queries = random_matrix(20, 24, 2);
  const MeasuredEf most = ef_for_recall(narrow, EmbeddingView<float>(queries), 10, 1.0);
  if (most.recall < 1.0) REQUIRE(most.ef == 300);
  const auto few = FlatIndex<>::build(EmbeddingView<float>(rows).slice(0, 3));
  REQUIRE(ef_for_recall(few, EmbeddingView<float>(queries), 10, 1.0).ef == 3);
}

TEST_CASE("ef_for_recall: refuses what cannot be measured, tells its progress, and stops when asked to") {
  const RowMajorMatrix rows = random_matrix(200, 8, 1);
  const auto index = HnswIndex::build(EmbeddingView<float>(rows), {.m = 4, .ef_construction = 10});
  const EmbeddingView<float> queries(rows);
  REQUIRE_ERROR(ValueError, "target_recall is 1.1, expected 0 to 1", ef_for_recall(index, queries, 10, 1.1));
  REQUIRE_ERROR(ValueError, "target_recall is nan",
                ef_for_recall(index, queries, 10, std::numeric_limits<double>::quiet_NaN()));
  REQUIRE_ERROR(ValueError, "k is 0", ef_for_recall(index, queries, 0, 0.9));
  REQUIRE_ERROR(ValueError, "no queries", ef_for_recall(index, EmbeddingView<float>(), 10, 0.9));
  REQUIRE_ERROR(ShapeError, "dim 4", ef_for_recall(index, EmbeddingView<float>(rows.data(), 10, 4), 10, 0.9));

  std::vector<std::size_t> told;
  const Progress progress = [&](std::size_t done, std::size_t total) {
    REQUIRE(done <= total);
    if (!told.empty()) REQUIRE(done >= told.back());
    told.push_back(done == total ? std::numeric_limits<std::size_t>::max() : done);
    return ProgressAction::proceed;
  };
  (void)ef_for_recall(index, queries, 10, 0.999, {{}, progress});
  REQUIRE(told.back() == std::numeric_limits<std::size_t>::max());
  const auto stop = [](std::size_t, std::size_t) { return ProgressAction::stop; };
  REQUIRE_THROWS_AS(ef_for_recall(index, queries, 10, 0.9, {{}, stop}), Cancelled);
}
