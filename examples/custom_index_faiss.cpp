// PEFA over faiss: an index of another library behind pefa::AnnIndex, parameters of a search passed per call.
#include <faiss/IndexHNSW.h>
#include <pefa/pefa.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace {

struct FaissHnswParams {
  int m = 32;
  int ef_construction = 500;
  int ef_search = 300;
};

class FaissHnswIndex {
 public:
  using Params = FaissHnswParams;

  static FaissHnswIndex build(const pefa::EmbeddingView<float>& rows, const Params& params = {},
                              const pefa::BuildOptions& = {}) {
    if (rows.empty()) throw pefa::ValueError("FaissHnswIndex::build: no rows, expected at least 1");
    FaissHnswIndex index(rows.dim(), params);
    if (rows.stride() == rows.dim()) {
      index.faiss_->add(static_cast<std::int64_t>(rows.size()), rows.data());
    } else {
      for (std::size_t i = 0; i < rows.size(); ++i) index.faiss_->add(1, rows.row(i));
    }
    return index;
  }

  std::vector<pefa::Neighbor> search(pefa::QueryView query, std::size_t k,
                                     const pefa::IndexSearchOptions& options = {}) const {
    pefa::detail::require_query(query, k, dim(), "FaissHnswIndex::search");  // dim, k, no NaN and no infinity
    k = std::min(k, size());
    faiss::SearchParametersHNSW parameters;
    parameters.efSearch =
        static_cast<int>(std::max(options.ef == 0 ? static_cast<std::size_t>(params_.ef_search) : options.ef, k));
    std::vector<float> scores(k);
    std::vector<std::int64_t> labels(k);
    faiss_->search(1, query.data(), static_cast<std::int64_t>(k), scores.data(), labels.data(), &parameters);
    std::vector<pefa::Neighbor> found;
    for (std::size_t i = 0; i < k; ++i) {
      if (labels[i] < 0) continue;  // faiss pads with -1
      found.push_back({static_cast<pefa::Row>(labels[i]), pefa::detail::rankable(scores[i])});
    }
    std::sort(found.begin(), found.end(), pefa::ranks_before);
    return found;
  }

  /// faiss keeps the rows, so PefaXl needs no copy of its own.
  float score(pefa::QueryView query, pefa::Row row) const {
    std::vector<float> stored(dim());
    faiss_->reconstruct(row, stored.data());
    return pefa::detail::rankable(pefa::simd::dot_kernel<float>()(query.data(), stored.data(), dim(), 1.0f));
  }

  std::size_t size() const { return static_cast<std::size_t>(faiss_->ntotal); }
  std::size_t dim() const { return static_cast<std::size_t>(faiss_->d); }
  pefa::Metric metric() const { return pefa::Metric::inner_product; }
  std::size_t memory_bytes() const {
    const faiss::HNSW& graph = faiss_->hnsw;
    return size() * dim() * sizeof(float) + graph.neighbors.size() * sizeof(graph.neighbors[0]) +
           graph.offsets.size() * sizeof(graph.offsets[0]) + graph.levels.size() * sizeof(graph.levels[0]);
  }

 private:
  FaissHnswIndex(std::size_t dim, const Params& params)
      : params_(params),
        faiss_(std::make_unique<faiss::IndexHNSWFlat>(static_cast<int>(dim), params.m, faiss::METRIC_INNER_PRODUCT)) {
    faiss_->hnsw.efConstruction = params.ef_construction;
    faiss_->hnsw.efSearch = params.ef_search;  // faiss 1.7.3 looks here, later versions at the search's own parameters
  }

  Params params_;
  std::unique_ptr<faiss::IndexHNSWFlat> faiss_;
};

static_assert(pefa::AnnIndex<FaissHnswIndex> && pefa::ScoringIndex<FaissHnswIndex>);

}  // namespace

int main(int argc, char** argv) try {
  const std::string data = argc > 1 ? argv[1] : "examples/data";
  const auto passages = pefa::io::read_npy<float>(data + "/passages.npy");
  const auto queries = pefa::io::read_npy<float>(data + "/train_queries.npy");
  const auto relevance = pefa::io::read_pairs(data + "/train_relevance.tsv", queries.size(), passages.size());
  const auto test_queries = pefa::io::read_npy<float>(data + "/test_queries.npy");
  const auto truth = pefa::io::read_pairs(data + "/test_relevance.tsv", test_queries.size(), passages.size());

  const auto xs = pefa::PefaXs<float, FaissHnswIndex>::build(passages, queries, relevance, {.lambda = 0.5f});
  const auto xl =
      pefa::PefaXl<float, FaissHnswIndex>::build(passages, queries, relevance, {.lambda = 0.1f, .neighbors = 16});
  // faiss runs threads of its own, so the queries go to it one after the other.
  const pefa::EvaluateOptions options{.recall_at = {10}, .executor = pefa::AnyExecutor::serial()};
  std::printf("over faiss IndexHNSWFlat: Recall@10 PEFA-XS %.1f, PEFA-XL %.1f\n",
              100 * pefa::evaluate(xs, test_queries, truth, options).recall.at(10).mean,
              100 * pefa::evaluate(xl, test_queries, truth, options).recall.at(10).mean);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
