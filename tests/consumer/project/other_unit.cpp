#include <pefa/pefa.hpp>

std::size_t passages_found_elsewhere() {
  const pefa::RowMajorMatrix vectors = pefa::RowMajorMatrix::Identity(4, 4);
  const auto erm = pefa::ErmRetriever<float, pefa::FlatIndex<>>::build(vectors);
  return erm.search({vectors.data(), 4}, 2).size();
}
