// A host of its own types: one PEFA-XL over the quantised index, built, saved, opened, searched.
#include <string>
#include <utility>
#include <vector>

#include "pefa/pefa.hpp"

using Retriever = pefa::PefaXl<float, pefa::QuantizedHnswIndex<float>>;

void build_and_save(const pefa::RowMajorMatrix& passages, const pefa::RowMajorMatrix& queries,
                    pefa::RelevanceMatrix relevance, const std::string& path) {
  Retriever::build(passages, queries, std::move(relevance), {.lambda = 0.1f}).save(path);
}

std::vector<pefa::Hit> open_and_search(const std::string& path, const std::vector<float>& query) {
  return Retriever::open(path).search(query, 10);
}
