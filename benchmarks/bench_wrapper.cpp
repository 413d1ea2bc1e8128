// Is HnswIndex thin? Its search against hnswlib's own searchKnn on the same graph, with hnswlib's own inner product.
//
// Both searches run in this process, query by query in turn, over several rounds; the ratio of each round's times is
// printed with its median. hnswlib's inner product is compiled as this file is: add -march=native to see it at its best
// (the CMake target does).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "pefa/pefa.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double median(std::vector<double> values) {
  return pefa::percentile(std::move(values), 0.5);
}

/// hnswlib's graph over the same rows, inserted in the same order by one thread: the same links.
struct Direct {
  explicit Direct(const pefa::EmbeddingView<float>& rows) : space(rows.dim()), graph(&space, rows.size(), 32, 500) {
    for (std::size_t i = 0; i < rows.size(); ++i) graph.addPoint(rows.row(i), i);
    graph.setEf(300);
  }
  hnswlib::InnerProductSpace space;
  hnswlib::HierarchicalNSW<float> graph;
};

}  // namespace

int main(int argc, char** argv) try {
  const std::string data = argc > 1 ? argv[1] : "examples/data";
  const std::size_t k = 100;
  const auto passages = pefa::io::read_npy<float>(data + "/passages.npy");
  const auto queries = pefa::io::read_npy<float>(data + "/test_queries.npy");
  std::printf("%zu passages, %zu queries, dim %zu, k = %zu, M = 32, efConstruction = 500, ef = 300; kernels: %s\n",
              passages.size(), queries.size(), passages.dim(), k, pefa::simd::name(pefa::simd::level()));

  const Direct direct(passages);
  const auto index = pefa::HnswIndex::build(passages.view(), {}, {pefa::AnyExecutor::serial()});

  std::size_t same = 0;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    auto theirs = direct.graph.searchKnn(queries.row(q), k);
    std::vector<pefa::Row> rows;
    for (; !theirs.empty(); theirs.pop()) rows.push_back(static_cast<pefa::Row>(theirs.top().second));
    std::sort(rows.begin(), rows.end());
    for (const auto& neighbor : index.search({queries.row(q), queries.dim()}, k)) {
      same += std::binary_search(rows.begin(), rows.end(), neighbor.row) ? 1U : 0U;
    }
  }
  const double agreement = static_cast<double>(same) / static_cast<double>(queries.size() * k);
  std::printf("agreement of the results: %.4f\n", agreement);
  if (agreement < 0.99) {  // the kernels round differently, so a few links and results may differ
    std::fprintf(stderr, "the two searches disagree; no time is worth printing\n");
    return 1;
  }

  std::vector<double> ratios;
  std::vector<double> theirs;
  std::vector<double> ours;
  for (int round = 0; round < 11; ++round) {
    Clock::duration direct_time{};
    Clock::duration index_time{};
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const auto start = Clock::now();
      const auto a = direct.graph.searchKnn(queries.row(q), k);
      const auto middle = Clock::now();
      const auto b = index.search({queries.row(q), queries.dim()}, k);
      const auto end = Clock::now();
      if (a.size() != b.size()) return 1;
      direct_time += middle - start;
      index_time += end - middle;
    }
    ratios.push_back(seconds(index_time) / seconds(direct_time));
    theirs.push_back(1e3 * seconds(direct_time) / static_cast<double>(queries.size()));
    ours.push_back(1e3 * seconds(index_time) / static_cast<double>(queries.size()));
  }
  std::printf(
      "hnswlib %.3f ms, HnswIndex %.3f ms a query; ratio HnswIndex / hnswlib: median %.3f, lowest %.3f, highest %.3f\n",
      median(theirs), median(ours), median(ratios), *std::min_element(ratios.begin(), ratios.end()),
      *std::max_element(ratios.begin(), ratios.end()));
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
