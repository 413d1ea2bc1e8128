#include "pefa/simd/score_panels.hpp"

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("QueryBlock: every kernel multiplies any number of queries, rows and dimensions") {
  for (const simd::Level level : simd::all_levels) {
    if (!simd::runs(level)) continue;
    simd::use_level(level);
    for (const auto& [n_queries, n_rows, dim] :
         {std::tuple(1, 1, 1), std::tuple(9, 48, 130), std::tuple(64, 240, 128), std::tuple(13, 101, 300)}) {
      const RowMajorMatrix queries =
          random_matrix(static_cast<std::size_t>(n_queries), static_cast<std::size_t>(dim), 1);
      const RowMajorMatrix rows = random_matrix(static_cast<std::size_t>(n_rows), static_cast<std::size_t>(dim), 2);
      simd::QueryBlock block(queries.data(), static_cast<std::size_t>(n_queries), static_cast<std::size_t>(dim));
      RowMajorMatrix scores(n_queries, n_rows);
      for (int again = 0; again < 2; ++again) {  // the first tile leaves nothing behind
        block.multiply(rows.data(), static_cast<std::size_t>(n_rows), scores.data());
        REQUIRE(scores.isApprox(queries * rows.transpose(), 1e-5f));
      }
    }
  }
  simd::use_level(simd::best_level());
}
