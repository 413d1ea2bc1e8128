// PEFA over PostgreSQL: both retrievers with their rows in tables, and what they find on the shipped data.
//   pgvector [DATA]     libpq's environment says which server: PGHOST, PGDATABASE, PGUSER
#include <pefa/adapter/pefa_xl.hpp>
#include <pefa/adapter/pefa_xs.hpp>
#include <pefa/eval/evaluate.hpp>
#include <pefa/io/relevance/pairs.hpp>
#include <pefa/io/vectors/npy.hpp>

#include <cstdio>
#include <string>

#include "pgvector_index.hpp"

int main(int argc, char** argv) try {
  const std::string data = argc > 1 ? argv[1] : "examples/data";
  const auto passages = pefa::io::read_npy<float>(data + "/passages.npy");
  const auto queries = pefa::io::read_npy<float>(data + "/train_queries.npy");
  const auto relevance = pefa::io::read_pairs(data + "/train_relevance.tsv", queries.size(), passages.size());
  const auto test_queries = pefa::io::read_npy<float>(data + "/test_queries.npy");
  const auto truth = pefa::io::read_pairs(data + "/test_relevance.tsv", test_queries.size(), passages.size());

  using Index = pefa::pg::PgvectorIndex;
  const auto xs =
      pefa::PefaXs<float, Index>::build(passages, queries, relevance, {.lambda = 0.5f, .index = {.table = "pefa_xs"}});
  const auto xl = pefa::PefaXl<float, Index>::build(passages, queries, relevance,
                                                    {.lambda = 0.1f,
                                                     .neighbors = 16,
                                                     .passage_index = {.table = "pefa_passage"},
                                                     .query_index = {.table = "pefa_train_query"}});
  std::printf("over PostgreSQL: Recall@10 PEFA-XS %.1f, PEFA-XL %.1f\n",
              100 * pefa::evaluate(xs, test_queries, truth, {.recall_at = {10}}).recall.at(10).mean,
              100 * pefa::evaluate(xl, test_queries, truth, {.recall_at = {10}}).recall.at(10).mean);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
