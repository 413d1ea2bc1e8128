// What the tests of centroids and of multi-vector XS share.
#pragma once

#include <cstring>

#include "oracle.hpp"
#include "pefa/adapter/query_centroids.hpp"

namespace pefa::test {

/// Problem with enough training queries a passage for several centroids.
struct DenseProblem : Problem {
  DenseProblem() {
    passages = random_matrix(30, 20, 31);
    queries = random_matrix(400, 20, 32);
    relevance = random_relevance(400, 30, 2, 33, 5);
  }
};

inline PassageVectors fold(const Problem& problem, const CentroidParams& params, const BuildOptions& options = {}) {
  return fold_query_centroids(EmbeddingView<float>(problem.passages), EmbeddingView<float>(problem.queries),
                              problem.relevance, params, options);
}

inline bool same_bits(const EmbeddingStore<float>& a, const EmbeddingStore<float>& b) {
  return a.size() == b.size() && std::memcmp(a.row(0), b.row(0), a.size() * a.dim() * sizeof(float)) == 0;
}

}  // namespace pefa::test
