#include "pefa/index/quantized_hnsw_index.hpp"

#include <cmath>

#include "catch.hpp"
#include "conformance.hpp"
#include "filtered.hpp"
#include "index/saved_index.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/index/quantized_hnsw_index_archive.hpp"
#include "pefa/simd/cpu.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

static_assert(AnnIndex<QuantizedHnswIndex<float>> && BatchScoringIndex<QuantizedHnswIndex<float>>);
static_assert(ArchivableIndex<QuantizedHnswIndex<float>>);

TEST_CASE("QuantizedHnswIndex conforms over inner product") {
  check_index_conforms<QuantizedHnswIndex<>>({.graph = {.metric = Metric::inner_product}}, 0.99);
}

TEST_CASE("QuantizedHnswIndex conforms over L2") {
  check_index_conforms<QuantizedHnswIndex<>>({.graph = {.metric = Metric::l2}}, 0.99);
}

TEST_CASE("QuantizedHnswIndex conforms with codes split at principal axes, over inner product and L2") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  check_index_conforms<QuantizedHnswIndex<>>({.graph = {.metric = metric}, .split = CodeSplit::always}, 0.97, 96);
}

TEST_CASE("QuantizedHnswIndex conforms without refinement") {
  check_index_conforms<QuantizedHnswIndex<>>({.refine = Refine::never}, 0.99);
}

TEST_CASE("QuantizedHnswIndex::search_batch: gives what single searches give, to the bit, for any number of queries") {
  const RowMajorMatrix rows = random_matrix(3000, 96, 20);
  const RowMajorMatrix queries = random_matrix(150, 96, 21);
  const CodeSplit split = GENERATE(CodeSplit::never, CodeSplit::always);
  const auto index = QuantizedHnswIndex<>::build(EmbeddingView<float>(rows),
                                                 {.graph = {.m = 8, .ef_construction = 40}, .split = split});
  for (const std::size_t count : {std::size_t{1}, std::size_t{7}, std::size_t{9}, std::size_t{150}}) {
    const auto batch = index.search_batch(EmbeddingView<float>(queries).slice(0, count), 10, {.ef = 30});
    REQUIRE(batch.size() == count);
    for (std::size_t q = 0; q < count; ++q) {
      const QueryView query(queries.row(static_cast<Eigen::Index>(q)).data(), 96);
      REQUIRE(batch[q] == index.search(query, 10, {.ef = 30}));
    }
  }
}

TEST_CASE("QuantizedHnswIndex: where rows lie in clusters, no narrow search ends in the wrong one") {
  constexpr std::size_t dim = 48;
  const RowMajorMatrix centres = std::sqrt(static_cast<float>(dim)) * random_matrix(50, dim, 11);
  const auto about_centres = [&](std::size_t count, unsigned seed) {
    RowMajorMatrix rows = 0.4f * std::sqrt(static_cast<float>(dim)) * random_matrix(count, dim, seed);
    for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) += centres.row(i % centres.rows());
    rows.rowwise().normalize();
    return rows;
  };
  const RowMajorMatrix rows = about_centres(10'000, 12);
  const RowMajorMatrix queries = about_centres(300, 13);
  const auto exact = FlatIndex<>::build(EmbeddingView<float>(rows));
  const auto index =
      QuantizedHnswIndex<>::build(EmbeddingView<float>(rows), {.graph = {.m = 8, .ef_construction = 100}});
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    const QueryView query(queries.row(q).data(), dim);
    REQUIRE(ann_recall(index.search(query, 10, {.ef = 16}), exact.search(query, 10)) > 0.0);
  }
}

TEMPLATE_TEST_CASE("QuantizedHnswIndex: rows of every element type give their own exact scores", "", float, double,
                   Eigen::half, Eigen::bfloat16, std::int8_t) {
  const auto store = EmbeddingStore<TestType>::from(random_matrix(500, 37, 1));
  const auto exact = FlatIndex<TestType>::build(store);
  const auto index = QuantizedHnswIndex<TestType>::build(store.view(), {.rows = Rows::borrow});
  const RowMajorMatrix queries = random_matrix(20, 37, 2);
  double recall = 0.0;
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    const QueryView query(queries.row(q).data(), 37);
    const auto found = index.search(query, 10);
    for (const Neighbor& neighbor : found) REQUIRE(neighbor.score == exact.score(query, neighbor.row));
    recall += ann_recall(found, exact.search(query, 10));
  }
  REQUIRE(recall / 20.0 >= 0.99);
}

TEST_CASE("QuantizedHnswIndex::build: any number of threads gives the same results") {
  const RowMajorMatrix rows = random_matrix(2000, 96, 3);
  const RowMajorMatrix queries = random_matrix(50, 96, 4);
  const CodeSplit split = GENERATE(CodeSplit::never, CodeSplit::always);
  const auto build = [&](std::size_t threads) {
    return QuantizedHnswIndex<>::build(EmbeddingView<float>(rows),
                                       {.graph = {.m = 4, .ef_construction = 20}, .split = split},
                                       {ThreadExecutor(threads)});
  };
  const auto one = build(1);
  for (const std::size_t threads : {2U, 4U}) {
    const auto other = build(threads);
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const QueryView query(queries.row(q).data(), 96);
      REQUIRE(one.search(query, 10, {.ef = 10}) == other.search(query, 10, {.ef = 10}));
    }
  }
}

TEST_CASE("QuantizedHnswIndex::search: more rescored candidates find more, never fewer than k") {
  const RowMajorMatrix rows = random_matrix(3000, 16, 5) + RowMajorMatrix::Constant(3000, 16, 0.5f);
  const RowMajorMatrix queries = random_matrix(100, 16, 6);
  const EmbeddingView<float> view(rows);
  // Rows far from the origin: without the lift, a graph over inner product loses its way among them.
  const auto index = QuantizedHnswIndex<>::build(view, {.graph = {.lift = Lift::when_uneven}}, {AnyExecutor::serial()});
  const auto exact = FlatIndex<>::build(view);
  const auto recall = [&](std::size_t rerank) {
    double sum = 0.0;
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const QueryView query(queries.row(q).data(), 16);
      const auto found = index.search(query, 10, {.rerank = rerank});
      REQUIRE(found.size() == 10);
      sum += ann_recall(found, exact.search(query, 10));
    }
    return sum / 100.0;
  };
  REQUIRE(recall(1) < recall(100));  // 1 is raised to k
  REQUIRE(recall(0) >= 0.99);        // the default
}

TEST_CASE("QuantizedHnswIndex: serves every retriever as FlatIndex does, up to what a graph misses") {
  const RowMajorMatrix passages = random_matrix(400, 24, 7);
  const RowMajorMatrix queries = random_matrix(600, 24, 8);
  const auto relevance = random_relevance(600, 400, 2, 9, 30);
  using Quantized = QuantizedHnswIndex<>;
  const auto agree = [&](const auto& exact, const auto& quantized) {
    std::size_t same = 0;
    for (Eigen::Index q = 0; q < 50; ++q) {
      const QueryView query(queries.row(q).data(), 24);
      const auto expected = exact.search(query, 10);
      const auto found = quantized.search(query, 10);
      for (std::size_t i = 0; i < 10; ++i) same += expected[i].passage == found[i].passage ? 1U : 0U;
    }
    return same >= 495;
  };
  REQUIRE(agree(ErmRetriever<float, FlatIndex<>>::build(passages), ErmRetriever<float, Quantized>::build(passages)));
  REQUIRE(agree(PefaXs<float, FlatIndex<>>::build(passages, queries, relevance),
                PefaXs<float, Quantized>::build(passages, queries, relevance)));
  REQUIRE(agree(PefaXl<float, FlatIndex<>>::build(passages, queries, relevance),
                PefaXl<float, Quantized>::build(passages, queries, relevance)));
}

TEST_CASE("QuantizedHnswIndex::build: rows are copied, borrowed or taken over, as asked") {
  RowMajorMatrix rows = random_matrix(100, 8, 10);
  const EmbeddingView<float> view(rows);
  const auto copying = QuantizedHnswIndex<>::build(view);
  const auto borrowing = QuantizedHnswIndex<>::build(view, {.rows = Rows::borrow});
  const auto owning = QuantizedHnswIndex<>::build(EmbeddingStore<float>::from(view), {.rows = Rows::borrow});
  REQUIRE(copying.memory_bytes() == copying.served_bytes() + 100 * 8 * sizeof(float));
  REQUIRE(owning.memory_bytes() == owning.served_bytes() + 100 * 8 * sizeof(float));
  REQUIRE(borrowing.memory_bytes() == borrowing.served_bytes());
  const QueryView query(rows.data(), 8);
  const auto expected = owning.search(query, 5);
  REQUIRE(copying.search(query, 5) == expected);
  REQUIRE(borrowing.search(query, 5) == expected);
}

TEST_CASE("QuantizedHnswIndex without rows: scores are near the exact ones in every search, and rows come back") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  const CodeSplit split = GENERATE(CodeSplit::never, CodeSplit::always);
  const RowMajorMatrix rows = random_matrix(2000, 96, 3);
  const RowMajorMatrix queries = random_matrix(20, 96, 4);
  const HnswParams graph{.m = 16, .ef_construction = 100, .metric = metric};
  const auto exact = FlatIndex<>::build(EmbeddingView<float>(rows), {.metric = metric});
  const auto index =
      QuantizedHnswIndex<>::build(EmbeddingView<float>(rows), {.graph = graph, .rows = Rows::drop, .split = split});
  REQUIRE(index.params().rows == Rows::drop);
  const auto all = index.search_batch(EmbeddingView<float>(queries), 10);
  const RowSet few = random_set(2000, 0.02, 5);
  double recall = 0.0;
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    const QueryView query(queries.row(q).data(), 96);
    const auto found = index.search(query, 100);
    recall += ann_recall(found, exact.search(query, 100));
    for (const Neighbor& each : found) {
      REQUIRE(each.score == index.score(query, each.row));
      REQUIRE(each.score == Approx(exact.score(query, each.row)).margin(1e-3));
    }
    REQUIRE(all[static_cast<std::size_t>(q)] == index.search(query, 10));

    std::vector<Neighbor> admitted;
    for (const Row row : few.rows()) admitted.push_back({row, index.score(query, row)});
    std::sort(admitted.begin(), admitted.end(), ranks_before);
    admitted.resize(10);
    REQUIRE(index.search_filtered(query, 10, few) == admitted);
  }
  REQUIRE(recall / 20.0 >= 0.97);
  std::vector<float> row(96);
  index.read_row(17, row);
  for (std::size_t d = 0; d < row.size(); ++d) {
    REQUIRE(row[d] == Approx(rows(17, static_cast<Eigen::Index>(d))).margin(3e-4));
  }
}

TEST_CASE("QuantizedHnswIndex without rows: lengths of any size give sorted scores and no NaN") {
  const RowMajorMatrix rows = random_matrix(200, 70, 5);
  const CodeSplit split = GENERATE(CodeSplit::never, CodeSplit::always);
  for (const float length : {1e-38f, 1e-30f, 1e18f, 1e30f, 1e38f}) {
    const RowMajorMatrix scaled = length * rows;
    for (const Metric metric : {Metric::inner_product, Metric::l2}) {
      const auto index = QuantizedHnswIndex<>::build(EmbeddingView<float>(scaled),
                                                     {.graph = {.metric = metric}, .rows = Rows::drop, .split = split});
      for (const float query_length : {1.0f, length}) {
        const RowMajorMatrix query = query_length * random_matrix(1, 70, 6);
        const QueryView asked(query.data(), 70);
        const auto found = index.search(asked, 10);
        REQUIRE(found.size() == 10);
        for (std::size_t i = 1; i < found.size(); ++i) REQUIRE(ranks_before(found[i - 1], found[i]));
        for (const Neighbor& each : found) REQUIRE(each.score == index.score(asked, each.row));
      }
    }
  }
}

TEST_CASE("QuantizedHnswIndex without rows: the same to the bit for any number of threads, near for all kernels") {
  const RowMajorMatrix rows = random_matrix(1500, 96, 7);
  const RowMajorMatrix queries = random_matrix(20, 96, 8);
  const QuantizedHnswParams params{
      .graph = {.m = 8, .ef_construction = 40}, .rows = Rows::drop, .split = CodeSplit::always};
  const auto bytes_with = [&](std::size_t threads) {
    return saved(QuantizedHnswIndex<>::build(EmbeddingView<float>(rows), params, {ThreadExecutor(threads)}));
  };
  const Bytes one = bytes_with(1);
  REQUIRE(bytes_with(2) == one);
  REQUIRE(bytes_with(4) == one);
  const simd::Level best = simd::level();
  const auto index = QuantizedHnswIndex<>::open(open_bytes(one), "rows.");
  for (const simd::Level level : simd::all_levels) {
    if (!simd::runs(level)) continue;
    simd::use_level(level);
    const auto other = QuantizedHnswIndex<>::open(open_bytes(one), "rows.");
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const QueryView query(queries.row(q).data(), 96);
      const auto found = other.search(query, 20);
      for (const Neighbor& each : found) REQUIRE(each.score == Approx(index.score(query, each.row)).margin(1e-5));
    }
    simd::use_level(best);
  }
}

TEST_CASE("QuantizedHnswIndex without rows: of other element types, from a store that it lets go") {
  auto store = EmbeddingStore<Eigen::half>::from(random_matrix(300, 37, 9));
  const auto exact = FlatIndex<Eigen::half>::build(store);
  const auto index = QuantizedHnswIndex<Eigen::half>::build(std::move(store), {.rows = Rows::drop});
  REQUIRE(index.memory_bytes() == index.served_bytes());
  const RowMajorMatrix query = random_matrix(1, 37, 10);
  for (const Neighbor& each : index.search({query.data(), 37}, 10)) {
    REQUIRE(each.score == Approx(exact.score({query.data(), 37}, each.row)).margin(1e-3));
  }
}

TEST_CASE("QuantizedHnswIndex::build: parameters out of range are refused with the range") {
  const RowMajorMatrix rows = random_matrix(20, 8, 11);
  REQUIRE_ERROR(ValueError, "QuantizedHnswIndex::build: m is 1, expected 2 to 1024",
                QuantizedHnswIndex<>::build(EmbeddingView<float>(rows), {.graph = {.m = 1}}));
  REQUIRE_ERROR(ValueError, "QuantizedHnswIndex::build: ef_search is 0",
                QuantizedHnswIndex<>::build(EmbeddingView<float>(rows), {.graph = {.ef_search = 0}}));
}

TEST_CASE("QuantizedHnswIndex::build: rows that its beam or its codes cannot hold are refused before one is read") {
  const float element = 1.0f;
  REQUIRE_ERROR(ShapeError, "QuantizedHnswIndex::build: 2147483648 rows, expected below 2147483648",
                QuantizedHnswIndex<>::build(EmbeddingView<float>(&element, std::size_t{1} << 31, 1)));
  REQUIRE_ERROR(ShapeError, "QuantizedHnswIndex::build: rows have dim 100001, expected at most 100000",
                QuantizedHnswIndex<>::build(EmbeddingView<float>(&element, 1, 100'001)));
}

TEST_CASE("QuantizedHnswIndex::search: a k of any size gives what there is") {
  const RowMajorMatrix rows = random_matrix(50, 8, 13);
  const auto index = QuantizedHnswIndex<>::build(EmbeddingView<float>(rows));
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  for (const std::size_t k : {std::size_t{50}, std::size_t{51}, most, most / 3 * 2 + 1, most - 31}) {
    REQUIRE(index.search({rows.data(), 8}, k).size() == 50);  // k + k/2 would wrap
  }
}

#ifdef PEFA_HAS_HEAP_BYTES
TEST_CASE("QuantizedHnswIndex::memory_bytes: is within 5 % of what malloc handed out") {
  const RowMajorMatrix rows = random_matrix(60000, 64, 12);
  const std::size_t before = heap_bytes();
  const auto index = QuantizedHnswIndex<>::build(EmbeddingView<float>(rows),
                                                 {.graph = {.m = 16, .ef_construction = 10}}, {AnyExecutor::serial()});
  const double measured = static_cast<double>(heap_bytes() - before);
  REQUIRE(static_cast<double>(index.memory_bytes()) == Approx(measured).epsilon(0.05));
}
#endif
