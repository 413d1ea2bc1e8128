#include "pefa/eval/score_tiles.hpp"

#include "catch.hpp"
#include "pefa/index/flat_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("best_rows: finds what FlatIndex finds among the rows asked for, and shows every product once") {
  const RowMajorMatrix rows = random_matrix(1000, 8, 1);
  const RowMajorMatrix queries = random_matrix(9, 8, 2);
  const auto third = [](std::size_t i) { return 3 * i; };
  RowMajorMatrix chosen;
  detail::decode_rows(EmbeddingView<float>(rows), 333, third, chosen);
  REQUIRE(chosen.row(332) == rows.row(996));

  RowMajorMatrix seen = RowMajorMatrix::Zero(9, 333);
  simd::QueryBlock block = detail::block_of(queries);
  const auto found = detail::best_rows(block, EmbeddingView<float>(rows), 333, third, std::vector<TopK>(9, TopK(20)),
                                       [&](std::size_t first, const RowMajorMatrix& scores) {
                                         REQUIRE(scores.cols() <= static_cast<Eigen::Index>(detail::tile_rows));
                                         seen.middleCols(static_cast<Eigen::Index>(first), scores.cols()) += scores;
                                       });
  REQUIRE(seen.isApprox(queries * chosen.transpose(), 1e-5f));
  const auto index = FlatIndex<>::build(chosen);
  for (Eigen::Index q = 0; q < 9; ++q) {
    const auto expected = index.search({queries.row(q).data(), 8}, 20);
    const auto& best = found[static_cast<std::size_t>(q)];
    REQUIRE(best.size() == 20);
    for (std::size_t i = 0; i < 20; ++i) {
      REQUIRE(best[i].row == expected[i].row);
      REQUIRE(best[i].score == Approx(expected[i].score).margin(1e-6));
    }
  }
}
