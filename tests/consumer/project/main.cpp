#include <pefa/pefa.hpp>
#if defined(MAIN_IMPLEMENTS_SERVE)
#include <pefa/serve_impl.hpp>
#endif

#include <cstdio>
#include <string>

std::size_t passages_found_elsewhere();
unsigned best_passage(const std::string& path, pefa::QueryView query);

int main() {
  const pefa::RowMajorMatrix vectors = pefa::RowMajorMatrix::Identity(4, 4);
  const pefa::QueryView query(vectors.data() + 4, 4);
  const auto erm = pefa::ErmRetriever<>::build(vectors);
  const auto hits = erm.search(query, 2);
  const std::string path = "consumer.pefa";
  erm.save(path);
  const bool right = hits.size() == 2 && hits[0].passage == pefa::PassageId(1) && passages_found_elsewhere() == 2 &&
                     best_passage(path, query) == 1 && pefa::open(path).search(query, 2) == hits;
  std::remove(path.c_str());
  std::puts(right ? "pefa works" : "pefa is broken");
  return right ? 0 : 1;
}
