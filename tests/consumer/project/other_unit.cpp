#include <pefa/pefa.hpp>

std::size_t passages_found_elsewhere() {
  const pefa::RowMajorMatrix vectors = pefa::RowMajorMatrix::Identity(4, 4);
  const auto relevance = pefa::RelevanceMatrix::from_pairs(
      std::vector<pefa::RelevancePair>{{pefa::QueryId(0), pefa::PassageId(1), 1.0f}}, 4, 4);
  const auto xl = pefa::PefaXl<>::build(vectors, vectors, relevance);
  return xl.search({vectors.data(), 4}, 2).size();
}
