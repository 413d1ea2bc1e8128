// The smallest whole use of pefa: vectors and pairs from files, both adapters, the best passages, and how good they
// are.
#include <pefa/pefa.hpp>

#include <cstdio>
#include <string>

int main(int argc, char** argv) try {
  const std::string data = argc > 1 ? argv[1] : "examples/data";

  auto passages = pefa::io::read_npy<float>(data + "/passages.npy");      // [n_passages x dim]
  auto queries = pefa::io::read_npy<float>(data + "/train_queries.npy");  // [n_train_queries x dim]
  auto relevance = pefa::io::read_pairs(data + "/train_relevance.tsv", queries.size(), passages.size());

  auto erm = pefa::ErmRetriever<>::build(passages);
  auto xs = pefa::PefaXs<>::build(passages, queries, relevance, {.lambda = 0.5f});
  auto xl = pefa::PefaXl<>::build(passages, queries, relevance, {.lambda = 0.1f, .neighbors = 16});

  auto test_queries = pefa::io::read_npy<float>(data + "/test_queries.npy");
  auto truth = pefa::io::read_pairs(data + "/test_relevance.tsv", test_queries.size(), passages.size());

  pefa::QueryView query(test_queries.row(0), test_queries.dim());
  for (auto [passage, score] : xs.search(query, 3)) std::printf("passage %u  score %.3f\n", passage.row(), score);

  auto recall = [&](const auto& retriever) {
    return 100 * pefa::evaluate(retriever, test_queries, truth, {.recall_at = {10}}).recall.at(10).mean;
  };
  std::printf("Recall@10: ERM %.1f, PEFA-XS %.1f, PEFA-XL %.1f\n", recall(erm), recall(xs), recall(xl));
} catch (const pefa::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
