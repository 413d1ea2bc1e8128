// examples/pgvector over a server that the environment names (PGHOST, PGUSER, PGDATABASE): see tests/engines.sh.
//
// PEFA_PG_OTHER, where it is set, is the PGHOST of another server. PEFA_PG_KILL and PEFA_PG_START, where they are set,
// are commands that end the first one at once and start it again.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "../../examples/pgvector/pgvector_index.hpp"
#include "catch.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/sharded_xl.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/io/relevance/pairs.hpp"
#include "pefa/io/vectors/npy.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pg::PgvectorIndex;
using pg::PgvectorSearch;

namespace {

/// The shipped slice, read once.
struct Slice {
  EmbeddingStore<float> passages = io::read_npy<float>(shipped_data() / "passages.npy");
  EmbeddingStore<float> queries = io::read_npy<float>(shipped_data() / "train_queries.npy");
  EmbeddingStore<float> tests = io::read_npy<float>(shipped_data() / "test_queries.npy");
  RelevanceMatrix relevance = io::read_pairs(shipped_data() / "train_relevance.tsv", queries.size(), passages.size());

  static const Slice& get() {
    static const Slice slice;
    return slice;
  }
};

/// The best ten are the same, up to swaps of scores closer than 1e-5; so are the scores.
void require_same(const std::vector<Hit>& found, const std::vector<Hit>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    REQUIRE(found[i].score == Approx(expected[i].score).margin(1e-5));
    bool is_there = std::abs(found[i].score - expected.back().score) <= 1e-5f;
    for (const Hit& hit : expected) is_there = is_there || hit.passage == found[i].passage;
    REQUIRE(is_there);
  }
}

std::vector<Hit> as_hits(const std::vector<Neighbor>& found) {
  std::vector<Hit> hits;
  for (const Neighbor& neighbor : found) hits.push_back({PassageId(neighbor.row), neighbor.score});
  return hits;
}

void statement(const std::string& sql, const std::string& conninfo = "") {
  (void)pg::Connection(conninfo).run(sql, "test");
}

RowMajorMatrix rows() {
  return random_matrix(500, 16, 1);
}

void system_well(const char* variable) {
  REQUIRE(std::system(std::getenv(variable)) == 0);
}

}  // namespace

TEST_CASE("PgvectorIndex: exact searches, scores and rows are FlatIndex's, on the whole slice") {
  const Slice& slice = Slice::get();
  const auto index = PgvectorIndex::build(slice.passages.view(), {.table = "slice", .search = PgvectorSearch::exact});
  const auto flat = FlatIndex<>::build(slice.passages.view());
  REQUIRE(index.size() == flat.size());
  const auto batch = search_batch(index, slice.tests.view(), 10);
  for (std::size_t t = 0; t < slice.tests.size(); ++t) {
    const QueryView query(slice.tests.row(t), slice.tests.dim());
    require_same(as_hits(batch[t]), as_hits(flat.search(query, 10)));
    if (t % 50 != 0) continue;
    REQUIRE(index.search(query, 10) == batch[t]);
    const std::vector<Row> asked{2000, 7, 7, 31};
    std::vector<float> scores(4);
    index.score_rows(query, asked, scores);
    for (std::size_t i = 0; i < 4; ++i) REQUIRE(scores[i] == Approx(flat.score(query, asked[i])).margin(1e-5));
  }
  std::vector<float> row(slice.passages.dim());
  index.read_row(9, row);
  REQUIRE(row == std::vector<float>(slice.passages.row(9), slice.passages.row(9) + row.size()));
}

TEST_CASE("PgvectorIndex: PefaXs and PefaXl run over it unchanged") {
  const Slice& slice = Slice::get();
  const pg::PgvectorParams passages{.table = "xs", .search = PgvectorSearch::exact};
  const auto xs =
      PefaXs<float, PgvectorIndex>::build(slice.passages, slice.queries, slice.relevance,
                                          {.lambda = 0.2f, .rule = FoldRule::least_squares, .index = passages});
  const auto same_xs = PefaXs<float, FlatIndex<>>::build(slice.passages, slice.queries, slice.relevance,
                                                         {.lambda = 0.2f, .rule = FoldRule::least_squares});
  const auto found = xs.search_batch(slice.tests.view(), 10);
  const auto expected = same_xs.search_batch(slice.tests.view(), 10);
  for (std::size_t t = 0; t < found.size(); ++t) require_same(found[t], expected[t]);

  using Xl = PefaXl<float, PgvectorIndex, PgvectorIndex, SoftmaxGate>;
  Xl::Params over_tables{.lambda = 0.2f, .neighbors = 32};
  over_tables.whitened = Whitened::queries;
  over_tables.hubness = 0.5f;
  over_tables.passage_index = {.table = "passage", .search = PgvectorSearch::exact};
  over_tables.query_index = {.table = "train_query", .search = PgvectorSearch::exact};
  const auto xl = Xl::build(slice.passages, slice.queries, slice.relevance, over_tables);
  using FlatXl = PefaXl<float, FlatIndex<>, FlatIndex<>, SoftmaxGate>;
  FlatXl::Params in_memory{.lambda = 0.2f, .neighbors = 32};
  in_memory.whitened = Whitened::queries;
  in_memory.hubness = 0.5f;
  const auto same_xl = FlatXl::build(slice.passages, slice.queries, slice.relevance, in_memory);
  const auto first = slice.tests.view().slice(0, 200);
  const auto voted = xl.search_batch(first, 10);
  const auto expected_votes = same_xl.search_batch(first, 10);
  for (std::size_t t = 0; t < voted.size(); ++t) require_same(voted[t], expected_votes[t]);
}

TEST_CASE("PgvectorIndex: the graph finds nearly all, halves are rounded, l2 is a distance") {
  const Slice& slice = Slice::get();
  const auto first = slice.tests.view().slice(0, 100);
  const auto flat = FlatIndex<>::build(slice.passages.view());
  const auto exact = flat.search_batch(first, 10);
  const auto graph = PgvectorIndex::build(slice.passages.view(), {.table = "graph"});
  const auto halves =
      PgvectorIndex::build(slice.passages.view(), {.table = "halves", .type = io::PgVectorType::halfvec});
  for (const auto* index : {&graph, &halves}) {
    const auto found = search_batch(*index, first, 10, {.ef = 400});
    double recall = 0.0;
    for (std::size_t t = 0; t < found.size(); ++t) recall += ann_recall(found[t], exact[t]) / 100.0;
    REQUIRE(recall > 0.95);
  }
  REQUIRE(graph.search({first.row(0), first.dim()}, 300, {.ef = 10}).size() == 300);  // more than the beam
  const auto l2 = PgvectorIndex::build(slice.passages.view(),
                                       {.table = "l2", .search = PgvectorSearch::exact, .metric = Metric::l2});
  const auto flat_l2 = FlatIndex<>::build(slice.passages.view(), {.metric = Metric::l2});
  for (std::size_t t = 0; t < 20; ++t) {
    const QueryView query(first.row(t), first.dim());
    require_same(as_hits(l2.search(query, 10)), as_hits(flat_l2.search(query, 10)));
  }
}

TEST_CASE("PEFA-XL over shards on two servers: what one retriever finds") {
  const std::size_t n = 300;
  const std::size_t n_queries = 200;
  const RowMajorMatrix passages = random_matrix(n, 16, 1);
  const RowMajorMatrix queries = random_matrix(n_queries, 16, 2);
  const RelevanceMatrix relevance = random_relevance(n_queries, n, 2, 3);
  using Xl = PefaXl<float, PgvectorIndex, PgvectorIndex, SoftmaxGate>;
  using FlatXl = PefaXl<float, FlatIndex<>, FlatIndex<>, SoftmaxGate>;
  const FlatXl whole = FlatXl::build(passages, queries, relevance, {.lambda = 0.2f, .neighbors = 10});
  std::vector<Xl> shards;
  std::vector<ShardRows> rows;
  for (const Row begin : {0U, 120U}) {
    const Row end = begin == 0 ? 120 : static_cast<Row>(n);
    const char* other = std::getenv("PEFA_PG_OTHER");  // without it two databases of one server do
    const std::string host = begin > 0 && other != nullptr ? "host=" + std::string(other) + " " : "";
    const std::string database = "pefa_shard_" + std::to_string(begin);
    const std::string conninfo = host + "dbname=" + database;
    statement("DROP DATABASE IF EXISTS " + database, host);
    statement("CREATE DATABASE " + database, host);
    statement("CREATE EXTENSION vector", conninfo);
    // Every training query is in both: those that say nothing of a shard's passages do no harm.
    rows.push_back({begin, {}});
    std::vector<RelevancePair> pairs;
    for (Row i = 0; i < n_queries; ++i) {
      rows.back().queries.push_back(i);
      const auto named = relevance.passages_of(QueryId(i));
      for (std::size_t e = 0; e < named.size(); ++e) {
        const auto passage = static_cast<Row>(named.columns[e]);
        if (passage >= begin && passage < end) {
          pairs.push_back({QueryId(i), PassageId(passage - begin), named.weights[e]});
        }
      }
    }
    Xl::Params params{.lambda = 0.2f, .neighbors = 10};
    params.passage_index = {.table = "passage", .conninfo = conninfo, .search = PgvectorSearch::exact};
    params.query_index = {.table = "train_query", .conninfo = conninfo, .search = PgvectorSearch::exact};
    const RowMajorMatrix part = passages.middleRows(begin, end - begin);
    shards.push_back(Xl::build(part, queries, RelevanceMatrix::from_pairs(pairs, n_queries, end - begin), params));
  }
  const RowMajorMatrix tests = random_matrix(20, 16, 4);
  for (Eigen::Index t = 0; t < tests.rows(); ++t) {
    const QueryView query(tests.row(t).data(), 16);
    std::vector<std::vector<Neighbor>> nearest;
    std::vector<std::vector<Hit>> hits;
    for (std::size_t s = 0; s < 2; ++s) nearest.push_back(nearest_in_shard(shards[s], rows[s], query));
    const Voters voters = weigh_voters(shards[0], query, merge_nearest(nearest, 10));
    for (std::size_t s = 0; s < 2; ++s) hits.push_back(hits_in_shard(shards[s], rows[s], query, voters, 10));
    require_same(merge_hits(hits, 10), whole.search(query, 10));
  }
}

TEST_CASE("PgvectorIndex: a filter is a WHERE, and finds k where so many are admitted") {
  const Slice& slice = Slice::get();
  const auto flat = FlatIndex<>::build(slice.passages.view());
  for (const PgvectorSearch how : {PgvectorSearch::exact, PgvectorSearch::hnsw}) {
    const auto index = PgvectorIndex::build(slice.passages.view(), {.table = "filtered", .search = how});
    for (const Row every : {2U, 40U, 900U}) {
      const auto admits = [every](Row row) { return row % every == 0; };
      for (std::size_t t = 0; t < 10; ++t) {
        const QueryView query(slice.tests.row(t), slice.tests.dim());
        const auto found = index.search_filtered(query, 10, admits);
        const auto expected = flat.search_filtered(query, 10, admits);
        REQUIRE(found.size() == expected.size());
        for (const Neighbor& neighbor : found) REQUIRE(admits(neighbor.row));
        if (how == PgvectorSearch::exact) require_same(as_hits(found), as_hits(expected));
      }
    }
    const QueryView query(slice.tests.row(0), slice.tests.dim());
    REQUIRE(index.search_filtered(query, 10, RowSet::none(index.size())).empty());
    REQUIRE(index.search_filtered(query, 10, RowSet::all(index.size())) == index.search(query, 10));
    REQUIRE_ERROR(ShapeError, "", index.search_filtered(query, 10, RowSet::all(7)));
  }
}

TEST_CASE("PgvectorIndex: equal scores come by ascending row") {
  RowMajorMatrix same(40, 4);
  same.setOnes();
  const auto index =
      PgvectorIndex::build(EmbeddingView<float>(same), {.table = "ties", .search = PgvectorSearch::exact});
  const std::vector<float> query(4, 1.0f);
  REQUIRE(index.search(query, 40).front().row == 0);
  REQUIRE(index.search(query, 40).back().row == 39);
  REQUIRE(index.search(query, 1000).size() == 40);
}

TEST_CASE("PgvectorIndex: wrong arguments are refused before the server is asked") {
  const RowMajorMatrix matrix = rows();
  const auto index = PgvectorIndex::build(EmbeddingView<float>(matrix), {.table = "small"});
  REQUIRE_ERROR(ShapeError, "query has dim 3, expected 16", index.search(std::vector<float>(3, 1.0f), 1));
  REQUIRE_ERROR(ValueError, "k is 0", index.search(std::vector<float>(16, 1.0f), 0));
  REQUIRE_ERROR(ShapeError, "row 500, expected below 500", index.score(std::vector<float>(16, 1.0f), 500));
  REQUIRE_ERROR(ValueError, "m is 1, expected 2 to 100",
                PgvectorIndex::build(EmbeddingView<float>(matrix), {.table = "small", .m = 1}));
  REQUIRE_ERROR(ValueError, "no rows", PgvectorIndex::build(EmbeddingView<float>(), {}));
  std::atomic<bool> stop{true};
  IndexSearchStats stats;
  REQUIRE(index.search(std::vector<float>(16, 1.0f), 1, {.limit = {.stop = &stop}, .stats = &stats}).empty());
  REQUIRE(stats.stopped);
}

TEST_CASE("PgvectorIndex::open: a table that is there, and none other") {
  const RowMajorMatrix matrix = rows();
  const pg::PgvectorParams params{.table = "od\"d '1", .search = PgvectorSearch::exact};
  const auto built = PgvectorIndex::build(EmbeddingView<float>(matrix), params);
  const auto opened = PgvectorIndex::open(16, params);
  const std::vector<float> query(16, 1.0f);
  REQUIRE(opened.size() == 500);
  REQUIRE(opened.search(query, 10) == built.search(query, 10));
  REQUIRE_ERROR(ShapeError, "has vectors of dim 16, expected 17", PgvectorIndex::open(17, params));
  REQUIRE_ERROR(IoError, "does not exist", PgvectorIndex::open(16, {.table = "nobody's"}));
  REQUIRE_ERROR(IoError, "cannot connect", PgvectorIndex::open(16, {.conninfo = "host=/nowhere"}));
}

TEST_CASE("PgvectorIndex: a table that changed underneath is not searched as if it had not") {
  const RowMajorMatrix matrix = rows();
  const pg::PgvectorParams params{.table = "shifting", .search = PgvectorSearch::exact};
  const std::vector<float> query(16, 1.0f);
  const auto changed = [&](const std::string& sql) {
    const auto index = PgvectorIndex::build(EmbeddingView<float>(matrix), params);
    REQUIRE(index.search(query, 3).size() == 3);
    statement(sql);
    REQUIRE_ERROR(IoError, "changed", index.search(query, 3));
    REQUIRE_ERROR(IoError, "changed", search_batch(index, EmbeddingView<float>(matrix), 3));
    REQUIRE_ERROR(IoError, "changed", index.score(query, 1));
    std::vector<float> row(16);
    REQUIRE_ERROR(IoError, "changed", (index.read_row(1, row), 0));
  };
  changed("DELETE FROM shifting WHERE id = 7");
  changed("INSERT INTO shifting SELECT 500, embedding FROM shifting WHERE id = 1");
  changed("UPDATE shifting SET embedding = (SELECT embedding FROM shifting WHERE id = 2) WHERE id = 1");
  changed("TRUNCATE shifting");
  changed("DROP TABLE shifting");
  const auto index = PgvectorIndex::build(EmbeddingView<float>(matrix), params);
  (void)PgvectorIndex::build(EmbeddingView<float>(matrix), params);  // by another
  REQUIRE_ERROR(IoError, "changed", index.search(query, 3));
}

TEST_CASE("PgvectorIndex::build: stopped or refused, it leaves the older table as it was") {
  const RowMajorMatrix matrix = rows();
  const pg::PgvectorParams params{.table = "kept", .search = PgvectorSearch::exact};
  const auto index = PgvectorIndex::build(EmbeddingView<float>(matrix), params);
  const auto stop = [](std::size_t, std::size_t) { return ProgressAction::stop; };
  const RowMajorMatrix others = random_matrix(900, 8, 2);
  REQUIRE_ERROR(Cancelled, "", PgvectorIndex::build(EmbeddingView<float>(others), params, {{}, stop}));
  RowMajorMatrix large = others;
  large(899, 7) = 1.0e6f;
  REQUIRE_ERROR(
      ValueError, "out of the range of halfvec",
      PgvectorIndex::build(EmbeddingView<float>(large), {.table = "kept", .type = io::PgVectorType::halfvec}));
  RowMajorMatrix nan = others;
  nan(899, 7) = std::numeric_limits<float>::quiet_NaN();
  REQUIRE_ERROR(ValueError, "NaN not allowed in vector", PgvectorIndex::build(EmbeddingView<float>(nan), params));
  REQUIRE(index.search(std::vector<float>(16, 1.0f), 3).size() == 3);
}

TEST_CASE("PgvectorIndex: a database without pgvector says so") {
  statement("DROP DATABASE IF EXISTS without_pgvector");
  statement("CREATE DATABASE without_pgvector");
  const RowMajorMatrix matrix = rows();
  REQUIRE_ERROR(IoError, "lacks pgvector: CREATE EXTENSION vector",
                PgvectorIndex::build(EmbeddingView<float>(matrix), {.conninfo = "dbname=without_pgvector"}));
}

TEST_CASE("PgvectorIndex: searches are safe from several threads") {
  const RowMajorMatrix matrix = rows();
  const auto index = PgvectorIndex::build(EmbeddingView<float>(matrix), {.table = "shared"});
  const auto serial = search_batch(index, EmbeddingView<float>(matrix), 5, {}, AnyExecutor::serial());
  REQUIRE(search_batch(index, EmbeddingView<float>(matrix), 5, {}, ThreadExecutor(4)) == serial);
}

TEST_CASE("PgvectorIndex: a server that dies in a load, a batch or between searches: an error, nothing half loaded") {
  if (std::getenv("PEFA_PG_KILL") == nullptr) {
    WARN("skipped: PEFA_PG_KILL is not set");
    return;
  }
  const RowMajorMatrix matrix = rows();
  const pg::PgvectorParams params{.table = "survivor", .search = PgvectorSearch::exact};
  const std::vector<float> query(16, 1.0f);
  const auto index = PgvectorIndex::build(EmbeddingView<float>(matrix), params);
  const auto before = index.search(query, 10);

  // In the middle of a load over an older table, and of one that is new.
  const RowMajorMatrix others = random_matrix(20000, 64, 2);
  for (const std::string table : {"survivor", "newcomer"}) {
    bool is_killed = false;
    const auto kill = [&](std::size_t done, std::size_t) {
      if (!is_killed && done > 5000) {
        is_killed = true;
        system_well("PEFA_PG_KILL");
      }
      return ProgressAction::proceed;
    };
    REQUIRE_ERROR(IoError, "connection to PostgreSQL is lost",
                  PgvectorIndex::build(EmbeddingView<float>(others), {.table = table}, {{}, kill}));
    REQUIRE(is_killed);
    system_well("PEFA_PG_START");
  }
  REQUIRE_ERROR(IoError, "does not exist", PgvectorIndex::open(64, {.table = "newcomer"}));

  // In the middle of a batch, whose statements are on their way: seconds of scans, of which the server does a few.
  {
    const auto wide =
        PgvectorIndex::build(EmbeddingView<float>(others), {.table = "wide", .search = PgvectorSearch::exact});
    const RowMajorMatrix queries = random_matrix(4000, 64, 3);
    const auto first = wide.search({queries.data(), 64}, 10);
    {
      const std::jthread killer([] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        (void)!std::system(std::getenv("PEFA_PG_KILL"));
      });
      REQUIRE_ERROR(IoError, "connection to PostgreSQL is lost", search_batch(wide, EmbeddingView<float>(queries), 10));
    }
    system_well("PEFA_PG_START");
    std::size_t attempts = 0;
    for (bool is_served = false; !is_served; ++attempts) {  // each dead connection says so once
      try {
        REQUIRE(wide.search({queries.data(), 64}, 10) == first);
        is_served = true;
      } catch (const IoError&) {
        REQUIRE(attempts < 4);
      }
    }
  }

  // The connection that the first search left is dead: that is said once; then there is a new one.
  REQUIRE_ERROR(IoError, "connection to PostgreSQL is lost", index.search(query, 10));
  REQUIRE(index.search(query, 10) == before);

  // In the middle of searches.
  std::size_t failed = 0;
  for (std::size_t i = 0; i < 60; ++i) {
    if (i == 20) system_well("PEFA_PG_KILL");
    if (i == 40) system_well("PEFA_PG_START");
    auto found = before;
    try {
      found = index.search(query, 10);
    } catch (const IoError&) {
      ++failed;
    }
    REQUIRE(found == before);
  }
  REQUIRE(failed >= 20);
  REQUIRE(failed <= 21);
}
