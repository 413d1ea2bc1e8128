#include "pefa/eval/vote_blender.hpp"

#include "catch.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/eval/tune_grid.hpp"
#include "pefa/index/flat_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// Every gate, k and λ over `n_queries` training queries, held against PefaXl.
void require_same_as_pefa_xl(std::size_t n_queries, const std::vector<std::size_t>& ks, std::size_t candidates) {
  const RowMajorMatrix passages = random_matrix(80, 10, 1);
  const RowMajorMatrix queries = random_matrix(n_queries, 10, 2);
  const RelevanceMatrix relevance = random_relevance(n_queries, 80, 2, 3, 10);
  const RowMajorMatrix tests = random_matrix(20, 10, 4);
  const auto passage_index = FlatIndex<>::build(passages);
  const auto query_index = FlatIndex<>::build(queries);
  const std::vector<float> lambdas{0.0f, 0.3f, 0.9f};
  constexpr std::size_t depth = 15;

  detail::VoteBlender blender(80, lambdas, depth, candidates);
  for (const GateSpec& gate : TuneOptions{}.gates) {
    for (const std::size_t neighbors : ks) {
      using Xl = PefaXl<float, FlatIndex<>, FlatIndex<>, AnyGate>;
      const auto xl = Xl::build(passages, queries, relevance,
                                {.neighbors = neighbors, .gate = make_gate(gate), .passage_candidates = candidates});
      for (Eigen::Index t = 0; t < tests.rows(); ++t) {
        const QueryView query(tests.row(t).data(), 10);
        blender.start(passage_index.search(query, 80), query_index.search(query, n_queries), relevance,
                      [&](Row passage) { return passage_index.score(query, passage); });
        blender.count_votes(neighbors, make_gate(gate));
        for (std::size_t l = 0; l < lambdas.size(); ++l) {
          const auto expected = xl.search(query, depth, {.lambda = lambdas[l]});
          const auto ranked = blender.rank(l);
          REQUIRE(ranked.size() == expected.size());
          for (std::size_t i = 0; i < ranked.size(); ++i) {
            REQUIRE(ranked[i].passage == expected[i].passage);
            REQUIRE(ranked[i].score == Approx(expected[i].score).epsilon(1e-6));
          }
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("VoteBlender: ranks and scores as PefaXl does, for every gate, k and lambda, query after query") {
  require_same_as_pefa_xl(120, {1, 7, 40}, 0);
  require_same_as_pefa_xl(120, {1, 7}, 25);
}

TEST_CASE("VoteBlender: the same where many neighbours look the other way and vote below 0") {
  require_same_as_pefa_xl(12, {12}, 0);
}

TEST_CASE("VoteBlender: negative votes sink a passage below those without any") {
  const auto relevance = RelevanceMatrix::from_pairs(std::vector<RelevancePair>{{QueryId(0), PassageId(1)}}, 1, 3);
  const std::vector<Neighbor> erm{{1, 0.9f}, {2, 0.5f}, {0, 0.5f}};
  const std::vector<Neighbor> nearest{{0, -0.8f}};
  const std::vector<float> lambdas{0.5f};
  detail::VoteBlender blender(3, lambdas, 3, 0);
  blender.start(erm, nearest, relevance, [](Row) { return 0.0f; });
  blender.count_votes(1, SumGate{});
  const auto ranked = blender.rank(0);
  REQUIRE(ranked.size() == 3);
  REQUIRE(ranked[0].passage == PassageId(0));  // as good as 2, and before it
  REQUIRE(ranked[1].passage == PassageId(2));
  REQUIRE(ranked[2].passage == PassageId(1));
  REQUIRE(ranked[2].score == Approx(0.05f));
}

TEST_CASE("VoteBlender: without neighbours the ranking is the ERM's") {
  const std::vector<Neighbor> erm{{2, 0.5f}, {0, 0.25f}};
  const std::vector<float> lambdas{0.5f};
  detail::VoteBlender blender(3, lambdas, 5, 0);
  blender.start(erm, {}, RelevanceMatrix::from_pairs({}, 1, 3), [](Row) { return 0.0f; });
  blender.count_votes(8, MeanGate{});
  const auto ranked = blender.rank(0);
  REQUIRE(ranked.size() == 2);
  REQUIRE(ranked[0] == Hit{PassageId(2), 0.25f});
}
