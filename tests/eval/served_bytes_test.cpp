#include "pefa/eval/served_bytes.hpp"

#include "catch.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/index/flat_index.hpp"
#include "tuning_problem.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("TuneEntry::bytes: those of the vectors that the retriever built of all queries serves") {
  const TuningProblem problem = bundled();
  TuneOptions options = with_all_methods({.lambdas = {0.5f, 1.0f}, .neighbors = {8}, .validation = {.folds = 2}});
  options.condense = {0.5f, 0.8f};
  const std::size_t row = 12 * sizeof(float);
  for (const TuneEntry& entry : problem.tune(options).grid) {
    std::size_t vectors = 40;
    if (entry.spec.method == Method::xs_multi) {
      vectors = PefaXsMulti<float, FlatIndex<>>::build(
                    problem.passages, problem.queries, problem.relevance,
                    {.centroids = {.lambda = entry.spec.lambda, .max_centroids = entry.spec.max_centroids}})
                    .vector_count();
    } else if (entry.spec.condense > 0.0f) {
      vectors += condense_queries(EmbeddingView<float>(problem.queries), problem.relevance,
                                  {.min_cosine = entry.spec.condense})
                     .queries.size();
      REQUIRE(vectors < 40 + 240);
    } else if (entry.spec.method == Method::xl) {
      vectors += 240;
    }
    INFO(describe(entry.spec));
    REQUIRE(entry.bytes == vectors * row);
  }
}
