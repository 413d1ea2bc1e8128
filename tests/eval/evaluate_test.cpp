#include "pefa/eval/evaluate.hpp"

#include <chrono>

#include "catch.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/index/flat_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

struct Setting {
  RowMajorMatrix passages = random_matrix(200, 16, 1);
  RowMajorMatrix queries = random_matrix(1100, 16, 2);  // more than one block of evaluate()
  RelevanceMatrix truth = without_some(random_relevance(1100, 200, 2, 3));
  ErmRetriever<float, FlatIndex<>> erm = ErmRetriever<float, FlatIndex<>>::build(passages);

  /// Every tenth query loses its passages.
  static RelevanceMatrix without_some(const RelevanceMatrix& all) {
    std::vector<RelevancePair> pairs;
    for (Row q = 0; q < all.rows(); ++q) {
      if (q % 10 == 0) continue;
      const auto entries = all.passages_of(QueryId(q));
      for (std::size_t i = 0; i < entries.size(); ++i) {
        pairs.push_back({QueryId(q), PassageId(static_cast<Row>(entries.columns[i])), entries.weights[i]});
      }
    }
    return RelevanceMatrix::from_pairs(pairs, all.rows(), all.cols());
  }
};

}  // namespace

TEST_CASE("evaluate: means are those of the per-query metrics, queries without truth left out and counted") {
  const Setting s;
  const auto report =
      evaluate(s.erm, s.queries, s.truth, {.recall_at = {1, 20}, .ndcg_at = {5}, .mrr_at = {7}, .hit_rate_at = {3}});
  double recall = 0.0;
  double ndcg = 0.0;
  double mrr = 0.0;
  double rate = 0.0;
  std::size_t n = 0;
  for (Row q = 0; q < s.truth.rows(); ++q) {
    const auto truth = s.truth.passages_of(QueryId(q));
    if (truth.size() == 0) continue;
    const auto hits = s.erm.search({s.queries.row(q).data(), 16}, 20);
    recall += recall_at(hits, truth, 20);
    ndcg += ndcg_at(hits, truth, 5);
    mrr += reciprocal_rank_at(hits, truth, 7);
    rate += hit_rate_at(hits, truth, 3);
    ++n;
  }
  REQUIRE(n == 990);
  REQUIRE(report.queries_evaluated == n);
  REQUIRE(report.queries_without_truth == 110);
  REQUIRE(report.recall.at(20).mean == Approx(recall / 990).epsilon(1e-9));
  REQUIRE(report.ndcg.at(5).mean == Approx(ndcg / 990).epsilon(1e-9));
  REQUIRE(report.mrr.at(7).mean == Approx(mrr / 990).epsilon(1e-9));
  REQUIRE(report.hit_rate.at(3).mean == Approx(rate / 990).epsilon(1e-9));
  REQUIRE(report.recall.at(20).low < report.recall.at(20).mean);
  REQUIRE(report.recall.at(20).high > report.recall.at(20).mean);
  REQUIRE_FALSE(report.latency);
}

TEST_CASE("evaluate: timed searches give the same metrics, and ordered percentiles") {
  const Setting s;
  const auto batch = evaluate(s.erm, s.queries, s.truth, {});
  const auto timed = evaluate(s.erm, s.queries, s.truth, {.latency = MeasureLatency::yes});
  REQUIRE(timed.recall.at(10).mean == Approx(batch.recall.at(10).mean).margin(1e-3));
  REQUIRE(timed.latency);
  REQUIRE(timed.latency->mean > 0.0);
  REQUIRE(timed.latency->p50 <= timed.latency->p95);
  REQUIRE(timed.latency->p95 <= timed.latency->p99);
}

TEST_CASE("evaluate: the statistics of timed searches are those of the queries, without the one before them") {
  const Setting s;
  SearchStats stats;
  (void)evaluate(s.erm, s.queries, s.truth, {.search = {.stats = &stats}, .latency = MeasureLatency::yes});
  SearchStats expected;
  for (Row i = 0; i < s.truth.rows(); ++i) {
    if (s.truth.passages_of(QueryId(i)).size() == 0) continue;
    (void)s.erm.search({s.queries.data() + i * s.queries.cols(), static_cast<std::size_t>(s.queries.cols())}, 100,
                       {.stats = &expected});
  }
  REQUIRE(stats.passages.distances == expected.passages.distances);
}

TEST_CASE("evaluate: reports its progress to the end, and stop cancels it") {
  const Setting s;
  std::size_t last = 0;
  (void)evaluate(s.erm, s.queries, s.truth, {.progress = [&](std::size_t done, std::size_t) {
                   last = done;
                   return ProgressAction::proceed;
                 }});
  REQUIRE(last == 990);
  REQUIRE_ERROR(Cancelled, "evaluate: stopped",
                evaluate(s.erm, s.queries, s.truth, {.progress = [](auto, auto) { return ProgressAction::stop; }}));
}

TEST_CASE("evaluate: inputs that do not fit are refused with both numbers") {
  const Setting s;
  const EmbeddingView<float> queries(s.queries);
  REQUIRE_ERROR(ShapeError, "truth has 1100 rows, queries has 1000", evaluate(s.erm, queries.slice(0, 1000), s.truth));
  REQUIRE_ERROR(ShapeError, "truth has 199 columns, the retriever has 200 passages",
                evaluate(s.erm, s.queries, random_relevance(1100, 199, 1, 1)));
  const RowMajorMatrix narrow = s.queries.leftCols(15);
  REQUIRE_ERROR(ShapeError, "queries have dim 15, the retriever has dim 16", evaluate(s.erm, narrow, s.truth));
  REQUIRE_ERROR(ValueError, "a cut-off is 0", evaluate(s.erm, s.queries, s.truth, {.recall_at = {0}}));
  REQUIRE_ERROR(ValueError, "no metric was asked for",
                evaluate(s.erm, s.queries, s.truth, {.recall_at = {}, .ndcg_at = {}, .mrr_at = {}}));
  REQUIRE_ERROR(ValueError, "evaluate: the search options have a deadline",
                evaluate(s.erm, s.queries, s.truth, {.search = {.limit = SearchLimit::within(std::chrono::hours(1))}}));
  REQUIRE_ERROR(ValueError, "no query has a relevant passage",
                evaluate(s.erm, s.queries, RelevanceMatrix::from_pairs({}, 1100, 200)));
}

TEST_CASE("evaluate_run: the hits of a search score as the search does; a query without hits found nothing") {
  const Setting s;
  auto run = s.erm.search_batch(s.queries, 100);
  const auto searched = evaluate(s.erm, s.queries, s.truth);
  const auto read = evaluate_run(run, s.truth);
  REQUIRE(read.recall.at(100).mean == searched.recall.at(100).mean);
  REQUIRE(read.recall.at(10).low == searched.recall.at(10).low);
  REQUIRE(read.ndcg.at(10).mean == searched.ndcg.at(10).mean);
  REQUIRE(read.mrr.at(10).high == searched.mrr.at(10).high);
  REQUIRE(read.queries_evaluated == 990);
  REQUIRE(read.queries_without_truth == 110);
  REQUIRE_FALSE(read.latency);

  for (auto& hits : run) hits.clear();
  REQUIRE(evaluate_run(run, s.truth).recall.at(100).mean == 0.0);
  run[6] = {{PassageId(3), 2.0f}, {PassageId(4), 1.0f}, {PassageId(3), 0.5f}};
  REQUIRE_ERROR(ValueError, "evaluate_run: query 6 has passage 3 twice", evaluate_run(run, s.truth));
  run[6].pop_back();
  run[7] = {{PassageId(200), 1.0f}};
  REQUIRE_ERROR(ShapeError, "query 7 has passage 200, expected below 200", evaluate_run(run, s.truth));
  run.pop_back();
  REQUIRE_ERROR(ShapeError, "truth has 1100 rows, the run has 1099 queries", evaluate_run(run, s.truth));
}
