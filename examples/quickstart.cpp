// The smallest whole use of pefa: vectors and pairs from files, the setting that suits them, one archive, its answers,
// and how good they are.
#include <pefa/pefa.hpp>

#include <cstdio>
#include <string>

int main(int argc, char** argv) try {
  const std::string data = argc > 1 ? argv[1] : "examples/data";
  const auto passages = pefa::io::read_npy<float>(data + "/passages.npy");      // [n_passages x dim]
  const auto queries = pefa::io::read_npy<float>(data + "/train_queries.npy");  // [n_train_queries x dim]
  const auto relevance = pefa::io::read_pairs(data + "/train_relevance.tsv", queries.size(), passages.size());

  const pefa::RetrieverSpec spec = pefa::tune<float>(passages, queries, relevance, {.at = 10}).pick;
  pefa::build(spec, passages, queries, relevance).save("quickstart.pefa");

  const pefa::AnyRetriever retriever = pefa::open("quickstart.pefa");  // mapped; whatever it holds
  const auto asked = pefa::io::read_npy<float>(data + "/test_queries.npy");
  for (auto [id, score] : retriever.search_ids(pefa::QueryView(asked.row(0), asked.dim()), 3)) {
    std::printf("passage %s  score %.3f\n", id.c_str(), score);
  }

  const auto truth = pefa::io::read_pairs(data + "/test_relevance.tsv", asked.size(), passages.size());
  const auto recall = [&](const auto& of) { return 100 * pefa::evaluate(of, asked, truth).recall.at(10).mean; };
  std::printf("Recall@10: ERM %.1f, %s %.1f\n", recall(pefa::build({.method = pefa::Method::erm}, passages)),
              pefa::describe(retriever.spec()).c_str(), recall(retriever));
} catch (const pefa::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
