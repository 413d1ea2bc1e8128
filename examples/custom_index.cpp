// A host plugs in an ANN index of its own: any class that satisfies pefa::AnnIndex serves ERM, PEFA-XS and PEFA-XL.
//
// The index here is a small inverted file: every row goes to the list of its nearest pivot, a search looks into the
// `ef` nearest lists. custom_index_faiss.cpp does the same with an index of faiss.
#include <pefa/pefa.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

struct InvertedFileParams {
  std::size_t lists = 0;   ///< 0: the square root of the number of rows
  std::size_t probes = 8;  ///< lists that a search looks into where the call says nothing
};

class InvertedFileIndex {
 public:
  using Params = InvertedFileParams;

  static InvertedFileIndex build(const pefa::EmbeddingView<float>& rows, const Params& params = {},
                                 const pefa::BuildOptions& options = {}) {
    if (rows.empty()) throw pefa::ValueError("InvertedFileIndex::build: no rows, expected at least 1");
    InvertedFileIndex index(rows, params);
    const auto root = static_cast<std::size_t>(std::sqrt(static_cast<double>(rows.size())));
    const std::size_t lists = std::clamp<std::size_t>(params.lists == 0 ? root : params.lists, 1, rows.size());
    for (std::size_t l = 0; l < lists; ++l) {  // evenly spread rows serve as pivots
      const float* pivot = rows.row(l * rows.size() / lists);
      index.pivots_.append(std::span(pivot, rows.dim()));
    }
    std::vector<pefa::Row> nearest(rows.size());
    options.executor.run(rows.size(), [&](std::size_t i) {
      nearest[i] = index.nearest_pivots({rows.row(i), rows.dim()}, 1).front().row;
    });
    index.lists_.resize(lists);
    for (pefa::Row i = 0; i < rows.size(); ++i) index.lists_[nearest[i]].push_back(i);
    return index;
  }

  std::vector<pefa::Neighbor> search(pefa::QueryView query, std::size_t k,
                                     const pefa::IndexSearchOptions& options = {}) const {
    pefa::detail::require_query(query, k, dim(), "InvertedFileIndex::search");  // dim, k, no NaN and no infinity
    pefa::TopK best(k);
    for (const auto& list : nearest_pivots(query, options.ef == 0 ? params_.probes : options.ef)) {
      for (const pefa::Row row : lists_[list.row]) best.push({row, dot(query, rows_.row(row))});
    }
    return best.take();
  }

  /// With this, filtered searches work as well: pefa searches wider, and scores what is admitted where that finds too
  /// few.
  float score(pefa::QueryView query, pefa::Row row) const { return dot(query, rows_.row(row)); }

  std::size_t size() const { return rows_.size(); }
  std::size_t dim() const { return rows_.dim(); }
  pefa::Metric metric() const { return pefa::Metric::inner_product; }
  std::size_t memory_bytes() const {
    return rows_.memory_bytes() + pivots_.memory_bytes() + rows_.size() * sizeof(pefa::Row) +
           lists_.size() * sizeof(lists_[0]);
  }

 private:
  InvertedFileIndex(const pefa::EmbeddingView<float>& rows, const Params& params)
      : params_(params),
        rows_(pefa::EmbeddingStore<float>::from(rows, pefa::Normalize::none, pefa::RowCheck::finite)),
        pivots_(rows.dim()) {}

  /// −∞ where a product of large numbers is none, so that scores can be ordered.
  float dot(pefa::QueryView query, const float* row) const {
    return pefa::detail::rankable(pefa::simd::dot_kernel<float>()(query.data(), row, query.size(), 1.0f));
  }

  std::vector<pefa::Neighbor> nearest_pivots(pefa::QueryView query, std::size_t count) const {
    pefa::TopK best(std::min(count, pivots_.size()));
    for (pefa::Row p = 0; p < pivots_.size(); ++p) best.push({p, dot(query, pivots_.row(p))});
    return best.take();
  }

  Params params_;
  pefa::EmbeddingStore<float> rows_;
  pefa::EmbeddingStore<float> pivots_;
  std::vector<std::vector<pefa::Row>> lists_;
};

static_assert(pefa::AnnIndex<InvertedFileIndex> && pefa::FilterableIndex<InvertedFileIndex>);

}  // namespace

int main(int argc, char** argv) try {
  const std::string data = argc > 1 ? argv[1] : "examples/data";
  const auto passages = pefa::io::read_npy<float>(data + "/passages.npy");
  const auto queries = pefa::io::read_npy<float>(data + "/train_queries.npy");
  const auto relevance = pefa::io::read_pairs(data + "/train_relevance.tsv", queries.size(), passages.size());
  const auto test_queries = pefa::io::read_npy<float>(data + "/test_queries.npy");
  const auto truth = pefa::io::read_pairs(data + "/test_relevance.tsv", test_queries.size(), passages.size());

  const auto xl =
      pefa::PefaXl<float, InvertedFileIndex>::build(passages, queries, relevance, {.lambda = 0.1f, .neighbors = 16});
  for (const std::size_t probes : {2U, 8U, 32U}) {
    const auto report = pefa::evaluate(xl, test_queries, truth, {.search = {.ef = probes, .query_ef = probes}});
    std::printf("PEFA-XL over an inverted file, %2zu lists probed: Recall@10 %.1f\n", probes,
                100 * report.recall.at(10).mean);
  }
} catch (const pefa::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
