// What every retriever makes of a caller's buffer, a limit, an account of the work, and a query without a direction.
#include <array>
#include <atomic>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "host_index.hpp"
#include "oracle.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// FlatIndex that accounts for its rows, and under a limit that is reached finds the half of what it should.
class AccountingIndex : public HostIndexOver<AccountingIndex> {
 public:
  using HostIndexOver::HostIndexOver;
  std::vector<Neighbor> search(QueryView query, std::size_t k, const IndexSearchOptions& options) const {
    auto found = flat().search(query, k);
    const bool stopped = options.limit.reached();
    if (stopped) found.resize(found.size() / 2);
    if (options.stats != nullptr) *options.stats += {.distances = size(), .stopped = stopped};
    return found;
  }
  std::vector<std::vector<Neighbor>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                  const IndexSearchOptions& options, const AnyExecutor&) const {
    std::vector<std::vector<Neighbor>> found;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      found.push_back(search({queries.row(i), queries.dim()}, k, options));
    }
    return found;
  }
  float score(QueryView query, Row row) const { return flat().score(query, row); }
};
static_assert(BatchIndex<AccountingIndex> && ScoringIndex<AccountingIndex>);

/// Calls check(retriever, name) with each retriever over an index.
template <class Index, class Check>
void for_each_retriever(const Problem& p, const Check& check) {
  const BuildOptions serial{AnyExecutor::serial()};
  check(ErmRetriever<float, Index>::build(p.passages, {}, serial), "ErmRetriever");
  check(PefaXs<float, Index>::build(p.passages, p.queries, p.relevance, {}, serial), "PefaXs");
  check(PefaXsMulti<float, Index>::build(p.passages, p.queries, p.relevance, {}, serial), "PefaXsMulti");
  check(PefaXl<float, Index>::build(p.passages, p.queries, p.relevance, {}, serial), "PefaXl");
  check(PefaXl<float, Index>::build(p.passages, p.queries, p.relevance, {.lambda = 1.0f}, serial), "PefaXl");
}

}  // namespace

TEMPLATE_TEST_CASE("search: fills a caller's buffer with what it returns as a vector, for every retriever", "",
                   FlatIndex<>, HnswIndex, QuantizedHnswIndex<>) {
  const Problem p;
  for_each_retriever<TestType>(p, [&](const auto& retriever, const std::string& name) {
    INFO(name);
    for (Eigen::Index t = 0; t < p.tests.rows(); ++t) {
      std::array<Hit, 12> buffer;
      REQUIRE(retriever.search(p.test(t), std::span<Hit>(buffer)) == 12);
      const auto expected = retriever.search(p.test(t), 12);
      REQUIRE(std::equal(buffer.begin(), buffer.end(), expected.begin(), expected.end()));
    }
    std::vector<Hit> large(200, Hit{PassageId(7), 42.0f});
    const std::size_t count = retriever.search(p.test(0), std::span<Hit>(large));
    REQUIRE(count <= 90);
    REQUIRE(count == retriever.search(p.test(0), 200).size());
    REQUIRE(large[count] == Hit{PassageId(7), 42.0f});  // the rest is as it was
    REQUIRE_ERROR(ValueError, "k is 0", retriever.search(p.test(0), std::span<Hit>()));
  });
}

TEST_CASE("search: a zero query is refused by every retriever, alone and in a batch, by its number") {
  const Problem p;
  const std::vector<float> zero(20, 0.0f);
  RowMajorMatrix batch = p.tests;
  batch.row(3).setZero();
  for_each_retriever<FlatIndex<>>(p, [&](const auto& retriever, const std::string& name) {
    REQUIRE_ERROR(ValueError, name + "::search: query is a zero vector, which has no direction to search by",
                  retriever.search(zero, 3));
    std::array<Hit, 3> buffer;
    REQUIRE_ERROR(ValueError, name + "::search: query is a zero vector",
                  retriever.search(zero, std::span<Hit>(buffer)));
    REQUIRE_ERROR(ValueError, name + "::search_batch: query 3 is a zero vector, which has no direction to search by",
                  retriever.search_batch(batch, 3));
    REQUIRE_ERROR(ShapeError, "query has dim 0", retriever.search(QueryView(), 3));
  });
  const auto xl = PefaXl<float, FlatIndex<>>::build(p.passages, p.queries, p.relevance);
  REQUIRE_ERROR(ValueError, "PefaXl::nearest_queries: query is a zero vector", xl.nearest_queries(zero));
}

TEST_CASE("search: k above the passages and neighbors above the training queries give all there are") {
  const Problem p;
  for_each_retriever<FlatIndex<>>(p, [&](const auto& retriever, const std::string& name) {
    INFO(name);
    REQUIRE(retriever.search(p.test(0), 1000, {.neighbors = 1000}).size() == 90);
    for (const auto& hits : retriever.search_batch(p.tests, 1000, {.neighbors = 1000})) REQUIRE(hits.size() == 90);
  });
}

TEST_CASE("search: what it took is added up by side, and times only where somebody asks") {
  const Problem p;
  for_each_retriever<AccountingIndex>(p, [&](const auto& retriever, const std::string& name) {
    INFO(name);
    SearchStats one;
    (void)retriever.search(p.test(0), 5, {.stats = &one});
    const std::size_t rows = one.passages.distances;
    REQUIRE(rows >= 90);
    REQUIRE(one.passage_microseconds > 0.0);
    REQUIRE_FALSE(one.stopped());
    SearchStats two;
    (void)retriever.search(p.test(0), 5, {.stats = &two});
    (void)retriever.search(p.test(0), 5, {.stats = &two});
    REQUIRE(two.passages.distances == 2 * rows);
    SearchStats batch;
    (void)retriever.search_batch(p.tests, 5, {.stats = &batch}, ThreadExecutor(3));
    REQUIRE(batch.passages.distances >= 25 * 90);
    REQUIRE(batch.passage_microseconds > 0.0);
  });
  const auto xl = PefaXl<float, AccountingIndex>::build(p.passages, p.queries, p.relevance, {.neighbors = 140});
  SearchStats stats;
  (void)xl.search(p.test(0), 5, {.stats = &stats});
  REQUIRE(stats.queries.distances == 140);
  REQUIRE(stats.query_microseconds > 0.0);
  REQUIRE(stats.blending_microseconds > 0.0);
  SearchStats plain;
  (void)xl.search(p.test(0), 5, {.lambda = 1.0f, .stats = &plain});
  REQUIRE(plain.queries.distances == 0);
  REQUIRE(plain.blending_microseconds == 0.0);
  // Votes below 0 make a batch ask the passage index again: that is on the account as well.
  SearchStats batch;
  (void)xl.search_batch(p.tests, 5, {.stats = &batch}, ThreadExecutor(3));
  REQUIRE(batch.queries.distances == 25 * 140);
  REQUIRE(batch.passages.distances == 2 * 25 * 90);
}

TEST_CASE("search: a limit reaches both sides, and what they have found is blended") {
  const Problem p;
  std::atomic<bool> stop{false};
  for_each_retriever<AccountingIndex>(p, [&](const auto& retriever, const std::string& name) {
    INFO(name);
    const auto free = retriever.search(p.test(0), 20);
    for (const bool stopped : {false, true}) {
      stop = stopped;
      SearchStats stats;
      const SearchOptions options{.limit = {.stop = &stop}, .stats = &stats};
      const auto hits = retriever.search(p.test(0), 20, options);
      REQUIRE(stats.stopped() == stopped);
      if (!stopped) REQUIRE(hits == free);
      REQUIRE_FALSE(hits.empty());
      SearchStats batch;
      const auto many = retriever.search_batch(p.tests, 20, {.limit = {.stop = &stop}, .stats = &batch});
      REQUIRE(batch.stopped() == stopped);
      REQUIRE(many[0] == hits);
    }
  });
  const auto xl = PefaXl<float, AccountingIndex>::build(p.passages, p.queries, p.relevance, {.neighbors = 8});
  SearchStats stats;
  stop = true;
  const auto hits = xl.search(p.test(0), 20, {.lambda = 0.0f, .limit = {.stop = &stop}, .stats = &stats});
  REQUIRE(stats.queries.stopped);
  REQUIRE(stats.passages.stopped);
  const auto half = xl.search(p.test(0), 20, {.neighbors = 4, .lambda = 0.0f});  // the four neighbours found
  REQUIRE(hits[0].passage == half[0].passage);
}

TEST_CASE("search: a query that whitens to 0 is refused, alone and in a batch") {
  RowMajorMatrix passages(2, 2);
  passages << 1, 0, 0.8f, 0.6f;
  RowMajorMatrix queries(2, 2);
  queries << 1, 0, 1, 0;
  const auto relevance = RelevanceMatrix::from_pairs(
      std::vector<RelevancePair>{{QueryId(0), PassageId(0), 1.0f}, {QueryId(1), PassageId(1), 1.0f}}, 2, 2);
  RowMajorMatrix asked(1, 2);
  asked << 0, 1;
  const QueryView query(asked.data(), 2);
  for (const Whitened whitened : {Whitened::queries, Whitened::all}) {
    const auto xl = PefaXl<float, FlatIndex<>>::build(
        passages, queries, relevance, {.whitened = whitened, .whitening = {.scatter = Scatter::total, .rank = 1}});
    REQUIRE_ERROR(ValueError, "whitens to 0", xl.search(query, 1));
    REQUIRE_ERROR(ValueError, "whitens to 0", xl.search_batch(EmbeddingView<float>(asked), 1));
  }
}
