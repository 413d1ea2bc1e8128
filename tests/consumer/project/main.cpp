#include <pefa/pefa.hpp>

#include <cstdio>

std::size_t passages_found_elsewhere();

int main() {
  const pefa::RowMajorMatrix vectors = pefa::RowMajorMatrix::Identity(4, 4);
  const auto erm = pefa::ErmRetriever<>::build(vectors);
  const auto hits = erm.search({vectors.data(), 4}, 2);
  const bool right = hits.size() == 2 && hits[0].passage == pefa::PassageId(0) && passages_found_elsewhere() == 2;
  std::puts(right ? "pefa works" : "pefa is broken");
  return right ? 0 : 1;
}
