#include "pefa/adapter/exported_rows.hpp"

#include <array>

#include "catch.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/index/flat_index.hpp"
#include "small_problem.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

using Xs = PefaXs<float, FlatIndex<>>;

Xs built_xs(Whitened whitened, std::size_t balance) {
  const SmallProblem problem;
  return Xs::build(problem.p(), problem.q(), problem.relevance,
                   {.lambda = 0.1f, .rule = FoldRule::least_squares, .whitened = whitened, .balance = balance});
}

}  // namespace

TEST_CASE("rows_for_raw_queries: raw queries find the passages that the retriever finds, in its order") {
  const SmallProblem problem;
  for (const Whitened whitened : {Whitened::none, Whitened::all}) {
    for (const std::size_t balance : {0U, 16U, 9U}) {
      const Xs xs = built_xs(whitened, balance);
      const auto raw = rows_for_raw_queries(xs.fitted(), EmbeddingStore<float>::from(xs.index().rows()));
      REQUIRE(raw.dim() == SmallProblem::dim);
      const auto engine = FlatIndex<>::build(raw.view());
      for (std::size_t t = 0; t < problem.x().size(); ++t) {
        const QueryView query(problem.x().row(t), SmallProblem::dim);
        const auto hits = xs.search(query, 60);
        const auto found = engine.search(query, 60);
        const float factor = found[0].score / hits[0].score;  // ‖W·q̂‖
        if (whitened == Whitened::none) REQUIRE(factor == Approx(1.0f).margin(1e-4));
        for (std::size_t i = 0; i < hits.size(); ++i) {
          REQUIRE(found[i].score == Approx(factor * hits[i].score).margin(2e-4));
        }
      }
    }
  }
}

TEST_CASE("query_map_of: rows as they are rank the same when queries are multiplied with it") {
  const SmallProblem problem;
  REQUIRE(query_map_of(built_xs(Whitened::none, 0).fitted()).size() == 0);
  for (const auto& [whitened, balance] : {std::pair{Whitened::none, 9U}, {Whitened::all, 0U}, {Whitened::all, 9U}}) {
    const Xs xs = built_xs(whitened, balance);
    const RowMajorMatrix map = query_map_of(xs.fitted());
    REQUIRE(static_cast<std::size_t>(map.rows()) == xs.index().dim());
    REQUIRE(static_cast<std::size_t>(map.cols()) == SmallProblem::dim);
    for (std::size_t t = 0; t < problem.x().size(); ++t) {
      const Eigen::VectorXf asked = map * problem.tests.row(static_cast<Eigen::Index>(t)).transpose();
      const auto hits = xs.search({problem.x().row(t), SmallProblem::dim}, 60);
      const auto found = xs.index().search({asked.data(), static_cast<std::size_t>(asked.size())}, 60);
      for (std::size_t i = 1; i < hits.size(); ++i) {
        // Differences of scores: a balance lacks ⟨q̂, μ⟩, a whitening ‖W·q̂‖.
        const float factor = (found[0].score - found[59].score) / (hits[0].score - hits[59].score);
        REQUIRE(found[0].score - found[i].score == Approx(factor * (hits[0].score - hits[i].score)).margin(2e-4));
      }
    }
  }
}

TEST_CASE("rows_for_raw_queries: tells how far it is") {
  for (const Whitened whitened : {Whitened::none, Whitened::all}) {
    const Xs xs = built_xs(whitened, 9);
    std::size_t last = 0;
    const std::array<std::size_t, 8> captured{};  // so that the callback lies on the heap
    const BuildOptions options{AnyExecutor::serial(), [&last, captured](std::size_t done, std::size_t total) {
                                 REQUIRE(done >= last);
                                 REQUIRE(done <= total + captured[0]);
                                 last = done;
                                 return ProgressAction::proceed;
                               }};
    (void)rows_for_raw_queries(xs.fitted(), EmbeddingStore<float>::from(xs.index().rows()), options);
    REQUIRE(last > 0);
  }
}
