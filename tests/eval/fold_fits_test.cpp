#include "pefa/eval/fold_fits.hpp"

#include "retriever_oracle.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("FoldFits: everything is that of the queries that train, fitted anew, and not that of all") {
  const TuningProblem problem = bundled();
  const EmbeddingView<float> passages(problem.passages);
  const EmbeddingView<float> queries(problem.queries);
  const auto held_out = split_validation(queries, problem.relevance, {.folds = 4}).front();
  const auto training = other_queries(240, held_out);
  const RowMajorMatrix left = rows_of(problem.queries, training);
  const RelevanceMatrix pairs = rows_of(problem.relevance, training);
  const EmbeddingView<float> left_rows(left);

  detail::FoldMoments moments;
  std::optional<Eigen::MatrixXd> passage_moment;
  detail::FoldFits<> fits(passages, queries, problem.relevance, held_out, moments, passage_moment, {});
  REQUIRE(fits.training() == training);
  const auto same = [](const EmbeddingStore<float>& a, const EmbeddingStore<float>& b) {
    double most = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t d = 0; d < a.dim(); ++d) {
        most = std::max(most, std::abs(static_cast<double>(a.row(i)[d]) - static_cast<double>(b.row(i)[d])));
      }
    }
    return a.size() == b.size() && most < 1e-5;
  };
  for (const Scatter scatter : {Scatter::within, Scatter::total, Scatter::both}) {
    RetrieverSpec spec;
    spec.whitened = Whitened::queries;
    spec.whitening = {.scatter = scatter, .shrinkage = 0.3f, .rank = 0};
    const detail::FoldSpace space = fits.space(spec, true);
    const auto expected = Whitening::fit(left_rows, pairs, spec.whitening);
    REQUIRE(same(space.queries, expected.apply(left_rows)));
    REQUIRE_FALSE(same(space.queries, Whitening::fit(queries, problem.relevance, spec.whitening).apply(left_rows)));
    const auto hubs = Hubness::fit(space.queries.view()).of_all(space.queries.view());
    REQUIRE(space.hubness[5] - space.hubness[0] == Approx(hubs[5] - hubs[0]).margin(1e-6));
  }
  for (const float b : {0.0f, 0.3f}) {
    RetrieverSpec spec;
    spec.rule = FoldRule::least_squares;
    spec.least_squares = {.shrinkage = 0.1f, .passages_as_queries = b};
    const auto solved = fits.pseudo_embeddings(spec);
    REQUIRE(
        same(solved, LeastSquares::fit(passages, left_rows, spec.least_squares).solve_all(passages, left_rows, pairs)));
    REQUIRE_FALSE(
        same(solved, LeastSquares::fit(passages, queries, spec.least_squares).solve_all(passages, left_rows, pairs)));
  }
}
