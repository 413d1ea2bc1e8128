#include "pefa/adapter/vote.hpp"

#include <array>

#include "catch.hpp"
#include "oracle.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/index/flat_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

constexpr auto no_scores = [](std::span<const Row>, std::span<float> scores) {
  std::fill(scores.begin(), scores.end(), 0.0f);
};

std::vector<Hit> blend(const std::vector<Neighbor>& erm, const Votes& votes, float lambda, std::size_t k) {
  Blender blender;
  blender.start(erm, votes, MissingErmScore::exact, no_scores);
  std::vector<Hit> hits(k);
  hits.resize(blender.rank(lambda, hits));
  return hits;
}

Votes votes_for(const std::vector<Neighbor>& passages) {
  Votes votes;
  for (const Neighbor& passage : passages) votes.add(PassageId(passage.row), passage.score);
  return votes;
}

std::vector<Row> ids(const std::vector<Hit>& hits) {
  std::vector<Row> rows;
  for (const Hit& hit : hits) rows.push_back(hit.passage.row());
  return rows;
}

}  // namespace

TEST_CASE("weigh: the gate sees similarities, and a vote is its weight times its similarity times the scale") {
  const std::vector<Neighbor> nearest{{7, 0.8f}, {3, 0.4f}};
  const std::vector<float> query{3.0f, 4.0f};
  Voters voters;
  weigh(nearest, KnnScale(KnnSimilarity::inner_product, 2.0f, query), MeanGate{}, voters);
  REQUIRE(voters.queries == std::vector{QueryId(7), QueryId(3)});
  REQUIRE(voters.similarities == std::vector{0.8f, 0.4f});
  REQUIRE(voters.weights == std::vector{0.5f, 0.5f});
  REQUIRE(voters.strengths[0] == Approx(0.8));
  weigh(nearest, KnnScale(KnnSimilarity::cosine, 2.0f, query), SumGate{}, voters);
  REQUIRE(voters.similarities[0] == Approx(0.16));
  REQUIRE(voters.strengths[0] == Approx(1.6));
  weigh({}, KnnScale(KnnSimilarity::cosine, 2.0f, query), SumGate{}, voters);
  REQUIRE(voters.size() == 0);
}

TEST_CASE(
    "Ballot: counts the first voters alone, whatever they are weighed, and drops passages whose votes come to 0") {
  const auto relevance = RelevanceMatrix::from_pairs(std::vector<RelevancePair>{{QueryId(0), PassageId(4), 1.0f},
                                                                                {QueryId(1), PassageId(2), 3.0f},
                                                                                {QueryId(1), PassageId(4), 1.0f},
                                                                                {QueryId(2), PassageId(0), 1.0f}},
                                                     3, 5);
  Ballot ballot;
  ballot.gather(std::vector{QueryId(1), QueryId(0), QueryId(2)}, relevance);
  std::vector<Row> named;
  ballot.for_each_passage([&](PassageId passage) { named.push_back(passage.row()); });
  REQUIRE(named == std::vector<Row>{0, 2, 4});
  Votes votes;
  const auto count = [&](const std::vector<float>& strengths) {
    ballot.count(strengths, votes);
    return std::vector<Neighbor>(votes.passages().begin(), votes.passages().end());
  };
  REQUIRE(count({0.5f}) == std::vector<Neighbor>{{2, 1.5f}, {4, 0.5f}});
  REQUIRE(count({0.5f, 0.25f, -2.0f}) == std::vector<Neighbor>{{0, -2.0f}, {2, 1.5f}, {4, 0.75f}});
  REQUIRE(votes.below_zero() == 1);
  REQUIRE(count({0.5f, -0.5f}) == std::vector<Neighbor>{{2, 1.5f}});
  REQUIRE(count({}).empty());
}

TEST_CASE("Votes::merge: adds up the votes from two parts of Y") {
  Votes votes = votes_for({{1, 0.5f}, {3, 1.0f}, {4, -1.0f}});
  votes.merge(votes_for({{0, -0.25f}, {3, 2.0f}, {4, 1.0f}, {9, 1.0f}}));
  REQUIRE(std::vector<Neighbor>(votes.passages().begin(), votes.passages().end()) ==
          std::vector<Neighbor>{{0, -0.25f}, {1, 0.5f}, {3, 3.0f}, {9, 1.0f}});
  REQUIRE(votes.below_zero() == 1);
}

TEST_CASE("Blender: at lambda 0 passages without votes keep the order of the ERM side, equal ones that of their ids") {
  const std::vector<Neighbor> erm{{7, 0.9f}, {2, 0.5f}, {5, 0.5f}, {1, 0.1f}, {0, -0.3f}};
  REQUIRE(ids(blend(erm, votes_for({{1, 0.5f}}), 0.0f, 5)) == std::vector<Row>{1, 7, 2, 5, 0});
  REQUIRE(ids(blend(erm, votes_for({{0, -0.5f}, {1, 0.5f}}), 0.0f, 5)) == std::vector<Row>{1, 7, 2, 5, 0});
  REQUIRE(ids(blend(erm, {}, 0.0f, 3)) == std::vector<Row>{7, 2, 5});
}

TEST_CASE("Blender: equal scores of passages with votes order by id, and so does one of each kind") {
  const std::vector<Neighbor> erm{{7, 0.5f}, {2, 0.5f}, {5, 0.25f}};
  REQUIRE(ids(blend(erm, votes_for({{2, 1.0f}, {7, 1.0f}}), 0.0f, 3)) == std::vector<Row>{2, 7, 5});
  // 0.5 · 0.5 = 0.5 · 0.25 + 0.5 · 0.25
  REQUIRE(ids(blend({{7, 0.5f}, {5, 0.25f}}, votes_for({{5, 0.25f}}), 0.5f, 3)) == std::vector<Row>{5, 7});
  REQUIRE(ids(blend({{3, 0.5f}, {5, 0.25f}}, votes_for({{5, 0.25f}}), 0.5f, 3)) == std::vector<Row>{3, 5});
}

TEST_CASE("Blender: products too small for floats leave the order of the ERM side") {
  const std::vector<Neighbor> erm{{9, 2e-45f}, {4, 1.5e-45f}};
  REQUIRE(ids(blend(erm, {}, 0.1f, 2)) == std::vector<Row>{9, 4});
}

TEST_CASE("Blender: infinite ERM scores count for nothing at lambda 0, and are no NaN") {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<Neighbor> erm{{3, infinity}, {6, 1.0f}, {0, -infinity}};
  const auto hits = blend(erm, votes_for({{0, 0.5f}}), 0.0f, 3);
  REQUIRE(hits == std::vector<Hit>{{PassageId(0), 0.5f}, {PassageId(3), 0.0f}, {PassageId(6), 0.0f}});
  const auto opposed = blend({{3, 1.0f}, {0, -infinity}}, votes_for({{0, infinity}}), 0.5f, 2);
  REQUIRE(opposed[1] == Hit{PassageId(0), -infinity});
}

TEST_CASE("Blender: votes below 0 sink a passage below those without any") {
  const auto hits = blend({{1, 0.9f}, {0, 0.5f}, {2, 0.5f}}, votes_for({{1, -0.8f}}), 0.5f, 3);
  REQUIRE(ids(hits) == std::vector<Row>{0, 2, 1});
  REQUIRE(hits[2].score == Approx(0.05f));
}

TEST_CASE("Blender: asks for exact scores of what only the votes found, ascending, and for none under zero") {
  const Votes votes = votes_for({{1, 1.0f}, {4, 1.0f}, {6, 1.0f}});
  std::vector<Row> asked;
  const auto scores = [&](std::span<const Row> passages, std::span<float> out) {
    asked.assign(passages.begin(), passages.end());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(passages[i]);
  };
  Blender blender;
  std::array<Hit, 3> hits;
  blender.start(std::vector<Neighbor>{{4, 9.0f}}, votes, MissingErmScore::exact, scores);
  REQUIRE(asked == std::vector<Row>{1, 6});
  REQUIRE(blender.rank(0.5f, hits) == 3);
  REQUIRE(hits == std::array{Hit{PassageId(4), 5.0f}, Hit{PassageId(6), 3.5f}, Hit{PassageId(1), 1.0f}});
  asked.clear();
  blender.start(std::vector<Neighbor>{{4, 9.0f}}, votes, MissingErmScore::zero, scores);
  REQUIRE(asked.empty());
  REQUIRE(blender.rank(0.5f, hits) == 3);
  REQUIRE(hits == std::array{Hit{PassageId(4), 5.0f}, Hit{PassageId(1), 0.5f}, Hit{PassageId(6), 0.5f}});
}

TEST_CASE("erm_candidates: k, one more for each passage voted down, and what the parameter asks for") {
  const Votes votes = votes_for({{0, -1.0f}, {3, 1.0f}, {5, -2.0f}});
  REQUIRE(erm_candidates(10, votes, 1000, 0, MissingErmScore::exact) == 12);
  REQUIRE(erm_candidates(10, votes, 1000, 40, MissingErmScore::exact) == 40);
  REQUIRE(erm_candidates(10, votes, 1000, 0, MissingErmScore::zero) == 500);
  REQUIRE(erm_candidates(std::numeric_limits<std::size_t>::max(), votes, 9, 0, MissingErmScore::exact) == 11);
}

TEST_CASE("vote.hpp: over shards of Q and of P the steps come to what PefaXl finds over the whole") {
  const Problem problem;
  constexpr std::size_t neighbors = 9;
  constexpr std::size_t k = 12;
  const SoftmaxGate gate(0.1f);
  const auto whole = PefaXl<float, FlatIndex<>, FlatIndex<>, SoftmaxGate>::build(
      problem.passages, problem.queries, problem.relevance, {.lambda = 0.3f, .neighbors = neighbors, .gate = gate});
  const EmbeddingView<float> q(problem.queries);
  const EmbeddingView<float> p(problem.passages);
  const std::array<std::size_t, 4> query_cuts{0, 50, 90, 140};
  const std::array<std::size_t, 3> passage_cuts{0, 37, 90};
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    const QueryView query = problem.test(t);
    std::vector<Neighbor> nearest;
    for (std::size_t s = 0; s + 1 < query_cuts.size(); ++s) {
      const auto index = FlatIndex<>::build(q.slice(query_cuts[s], query_cuts[s + 1]));
      for (Neighbor found : index.search(query, neighbors)) {
        nearest.push_back({static_cast<Row>(found.row + query_cuts[s]), found.score});
      }
    }
    cut(nearest, neighbors);
    Voters voters;
    weigh(nearest, KnnScale(KnnSimilarity::inner_product, 1.0f, query), gate, voters);

    std::vector<Neighbor> blended;
    for (std::size_t s = 0; s + 1 < passage_cuts.size(); ++s) {
      const auto first = static_cast<Row>(passage_cuts[s]);
      Votes votes;  // those of this shard's passages
      const Votes all = votes_of(voters, problem.relevance);
      for (const Neighbor& vote : all.passages()) {
        if (vote.row >= first && vote.row < passage_cuts[s + 1]) votes.add(PassageId(vote.row - first), vote.score);
      }
      const auto index = FlatIndex<>::build(p.slice(passage_cuts[s], passage_cuts[s + 1]));
      const auto erm = index.search(query, erm_candidates(k, votes, index.size(), 0, MissingErmScore::exact));
      Blender blender;
      blender.start(erm, votes, MissingErmScore::exact,
                    [&](std::span<const Row> rows, std::span<float> scores) { index.score_rows(query, rows, scores); });
      std::vector<Hit> hits(k);
      hits.resize(blender.rank(0.3f, hits));
      for (const Hit& hit : hits) blended.push_back({hit.passage.row() + first, hit.score});
    }
    keep_best(blended, k);
    REQUIRE(pefa::detail::to_hits(blended) == whole.search(query, k));
  }
}
