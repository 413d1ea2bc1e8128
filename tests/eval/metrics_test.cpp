#include "pefa/eval/metrics.hpp"

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

std::vector<Hit> hits(const std::vector<Row>& passages) {
  std::vector<Hit> result;
  float score = 1.0f;
  for (const Row passage : passages) result.push_back({PassageId(passage), score -= 0.01f});
  return result;
}

/// Passages 2, 5 and 7 with grades 3, 1 and 2.
const RelevanceMatrix& judged() {
  static const auto matrix = RelevanceMatrix::from_pairs(
      std::vector<RelevancePair>{
          {QueryId(0), PassageId(2), 3.0f}, {QueryId(0), PassageId(5), 1.0f}, {QueryId(0), PassageId(7), 2.0f}},
      1, 10);
  return matrix;
}

}  // namespace

TEST_CASE("grade_of: the weight of a relevant passage, 0 for all others") {
  const auto truth = judged().passages_of(QueryId(0));
  REQUIRE(grade_of(PassageId(2), truth) == 3.0f);
  REQUIRE(grade_of(PassageId(7), truth) == 2.0f);
  REQUIRE(grade_of(PassageId(3), truth) == 0.0f);
  REQUIRE(grade_of(PassageId(9), truth) == 0.0f);
}

TEST_CASE("recall_at: relevant passages among the first k over all relevant ones") {
  const auto truth = judged().passages_of(QueryId(0));
  const auto ranked = hits({5, 0, 2, 1, 7});
  REQUIRE(recall_at(ranked, truth, 1) == Approx(1.0 / 3));
  REQUIRE(recall_at(ranked, truth, 3) == Approx(2.0 / 3));
  REQUIRE(recall_at(ranked, truth, 5) == 1.0);
  REQUIRE(recall_at(ranked, truth, 100) == 1.0);
  REQUIRE(recall_at(hits({}), truth, 10) == 0.0);
}

TEST_CASE("hit_rate_at: whether any of the first k is relevant") {
  const auto truth = judged().passages_of(QueryId(0));
  REQUIRE(hit_rate_at(hits({0, 1, 5}), truth, 2) == 0.0);
  REQUIRE(hit_rate_at(hits({0, 1, 5}), truth, 3) == 1.0);
}

TEST_CASE("reciprocal_rank_at: one over the first relevant rank, 0 past k") {
  const auto truth = judged().passages_of(QueryId(0));
  REQUIRE(reciprocal_rank_at(hits({0, 1, 5}), truth, 3) == Approx(1.0 / 3));
  REQUIRE(reciprocal_rank_at(hits({0, 1, 5}), truth, 2) == 0.0);
  REQUIRE(reciprocal_rank_at(hits({7, 1, 5}), truth, 3) == 1.0);
}

TEST_CASE("ndcg_at: graded gains, log2 discounts, over the ideal order") {
  const auto truth = judged().passages_of(QueryId(0));
  // Ranks 1 and 3 hold grades 1 and 3: 1/log2(2) + 3/log2(4) = 2.5; ideal: 3/log2(2) + 2/log2(3) + 1/log2(4).
  const double ideal = 3.0 + 2.0 / std::log2(3.0) + 0.5;
  REQUIRE(ndcg_at(hits({5, 0, 2}), truth, 10) == Approx(2.5 / ideal));
  REQUIRE(ndcg_at(hits({2, 7, 5}), truth, 10) == Approx(1.0));
  REQUIRE(ndcg_at(hits({7, 2}), truth, 1) == Approx(2.0 / 3.0));  // at depth 1 the ideal is the best grade alone
  REQUIRE(ndcg_at(hits({0, 1}), truth, 10) == 0.0);
}

TEST_CASE("ann_recall: the share of the exact results that were found, in any order") {
  const std::vector<Neighbor> exact{{1, 0.9f}, {2, 0.8f}, {3, 0.7f}, {4, 0.6f}};
  REQUIRE(ann_recall(std::vector<Neighbor>{{4, 0.6f}, {1, 0.9f}, {8, 0.1f}}, exact) == 0.5);
  REQUIRE(ann_recall(exact, exact) == 1.0);
  REQUIRE(ann_recall({}, exact) == 0.0);
  REQUIRE(ann_recall(exact, {}) == 1.0);
}
