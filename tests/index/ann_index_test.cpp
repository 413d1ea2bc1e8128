#include "pefa/index/ann_index.hpp"

#include "catch.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"

using namespace pefa;

namespace {

/// The archetype: the smallest class that is an AnnIndex. It finds row 0, always.
struct SmallestIndex {
  struct Params {};
  static SmallestIndex build(const EmbeddingView<float>& rows, const Params&, const BuildOptions&) {
    return {rows.size(), rows.dim()};
  }
  std::vector<Neighbor> search(QueryView, std::size_t, const IndexSearchOptions&) const { return {{0, 1.0f}}; }
  std::size_t size() const { return n; }
  std::size_t dim() const { return d; }
  Metric metric() const { return Metric::inner_product; }
  std::size_t memory_bytes() const { return 0; }
  std::size_t n;
  std::size_t d;
};
static_assert(AnnIndex<SmallestIndex>);
static_assert(!ScoringIndex<SmallestIndex> && !BatchIndex<SmallestIndex>);

struct MutableSearch : SmallestIndex {
  static MutableSearch build(const EmbeddingView<float>&, const Params&, const BuildOptions&) { return {}; }
  std::vector<Neighbor> search(QueryView, std::size_t, const IndexSearchOptions&) { return {}; }  // not const
};
static_assert(!AnnIndex<MutableSearch>);

struct ReturnsHits : SmallestIndex {
  static ReturnsHits build(const EmbeddingView<float>&, const Params&, const BuildOptions&) { return {}; }
  std::vector<Hit> search(QueryView, std::size_t, const IndexSearchOptions&) const { return {}; }
};
static_assert(!AnnIndex<ReturnsHits>);
static_assert(!AnnIndex<SmallestIndex, Eigen::half>);

}  // namespace

TEST_CASE("AnnIndex: the archetype serves every retriever") {
  const RowMajorMatrix rows = RowMajorMatrix::Identity(3, 3);
  const auto relevance = RelevanceMatrix::from_pairs(std::vector{RelevancePair{QueryId(1), PassageId(2)}}, 3, 3);
  const QueryView query(rows.data(), 3);
  const auto erm = ErmRetriever<float, SmallestIndex>::build(rows);
  REQUIRE(erm.search(query, 2) == std::vector<Hit>{{PassageId(0), 1.0f}});
  const auto xs = PefaXs<float, SmallestIndex>::build(rows, rows, relevance);
  REQUIRE(xs.search(query, 2) == std::vector<Hit>{{PassageId(0), 1.0f}});
  // Row 0 is the nearest query, too; it has no passages, so the ERM side alone is left.
  const auto xl = PefaXl<float, SmallestIndex>::build(rows, rows, relevance, {.lambda = 0.5f});
  REQUIRE(xl.search(query, 2) == std::vector<Hit>{{PassageId(0), 0.5f}});
}

TEST_CASE("search_batch: an index without a batch search is searched query by query") {
  const RowMajorMatrix rows = RowMajorMatrix::Identity(3, 3);
  const auto results = search_batch(SmallestIndex{3, 3}, rows, 1, {}, ThreadExecutor(2));
  REQUIRE(results == std::vector<std::vector<Neighbor>>(3, {{0, 1.0f}}));
}

TEST_CASE("search_batch: an index without a batch search counts every query once, and begins none past the limit") {
  struct Counting : SmallestIndex {
    static Counting build(const EmbeddingView<float>&, const Params&, const BuildOptions&) { return {}; }
    std::vector<Neighbor> search(QueryView, std::size_t, const IndexSearchOptions& options) const {
      if (options.stats != nullptr) *options.stats += {.distances = 3};
      return {{0, 1.0f}};
    }
  };
  const RowMajorMatrix queries = RowMajorMatrix::Ones(1000, 3);
  IndexSearchStats stats;
  (void)search_batch(Counting{}, EmbeddingView<float>(queries), 1, {.stats = &stats}, ThreadExecutor(4));
  REQUIRE(stats.distances == 3000);
  REQUIRE_FALSE(stats.stopped);
  const auto late = search_batch(Counting{}, EmbeddingView<float>(queries), 1,
                                 {.limit = SearchLimit::within(-std::chrono::seconds(1)), .stats = &stats});
  REQUIRE(late == std::vector<std::vector<Neighbor>>(1000));
  REQUIRE(stats.distances == 3000);
  REQUIRE(stats.stopped);
}

TEST_CASE("require_nonzero_query: refuses a query of zeros, whatever their sign, and no other") {
  const std::vector<float> zeros{0.0f, -0.0f, 0.0f};
  REQUIRE_ERROR(ValueError, "PefaXs::search: query is a zero vector",
                (detail::require_nonzero_query(zeros, "PefaXs::search"), 0));
  REQUIRE_NOTHROW(detail::require_nonzero_query(std::vector<float>{0.0f, 1e-45f}, "PefaXs::search"));
}
