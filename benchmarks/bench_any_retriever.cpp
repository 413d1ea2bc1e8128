// What does AnyRetriever cost? Its searches against the typed retriever's, both opened from one archive in memory.
//
// Queries go to one and to the other in turn, over several rounds, the first of the two changing from query to query;
// the ratio of each round's times is printed with its median.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "bench_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

struct Times {
  std::vector<double> typed;  // microseconds a query, by round
  std::vector<double> any;
  std::vector<double> ratios;
};

template <class R>
bool measure(const char* what, const R& typed, const AnyRetriever& any, const EmbeddingStore<float>& queries,
             std::size_t k, const SearchOptions& options, std::size_t rounds) {
  const auto query = [&](std::size_t i) { return QueryView(queries.row(i), queries.dim()); };
  for (std::size_t i = 0; i < queries.size(); ++i) {  // warms both, and checks that they are the same
    if (typed.search(query(i), k, options) != any.search(query(i), k, options)) {
      std::fprintf(stderr, "%s: the two disagree; no time is worth printing\n", what);
      return false;
    }
  }
  Times times;
  for (std::size_t round = 0; round < rounds; ++round) {
    Clock::duration of_typed{};
    Clock::duration of_any{};
    const auto time = [&](const auto& retriever, std::size_t i, Clock::duration& sum) {
      const auto start = Clock::now();
      const std::vector<Hit> hits = retriever.search(query(i), k, options);
      sum += Clock::now() - start;
      return hits.size();
    };
    std::size_t found = 0;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      if ((i + round) % 2 == 0) {
        found += time(typed, i, of_typed);
        found += time(any, i, of_any);
      } else {
        found += time(any, i, of_any);
        found += time(typed, i, of_typed);
      }
    }
    if (found == 0) return false;
    const auto microseconds = [&](Clock::duration sum) {
      return std::chrono::duration<double, std::micro>(sum).count() / static_cast<double>(queries.size());
    };
    times.typed.push_back(microseconds(of_typed));
    times.any.push_back(microseconds(of_any));
    times.ratios.push_back(times.any.back() / times.typed.back());
  }
  std::printf("%-28s%10.2f%10.2f%10.3f%10.3f%10.3f\n", what, percentile(times.typed, 0.5), percentile(times.any, 0.5),
              percentile(times.ratios, 0.5), *std::min_element(times.ratios.begin(), times.ratios.end()),
              *std::max_element(times.ratios.begin(), times.ratios.end()));
  return true;
}

template <class R>
bool compare(const char* what, const R& built, const EmbeddingStore<float>& queries, std::size_t k,
             const SearchOptions& options, std::size_t rounds) {
  const std::string path = "bench_any_retriever.pefa";
  built.save(path);
  const bool done = measure(what, R::open(path), pefa::open(path), queries, k, options, rounds);
  std::remove(path.c_str());
  return done;
}

}  // namespace

int main(int argc, char** argv) try {
  const DataSet data = DataSet::read(argc > 1 ? argv[1] : "examples/data");
  const std::size_t rounds = 31;
  const std::size_t k = 10;
  std::printf("%s\n%zu passages, %zu training queries, %zu queries, dim %zu, k = %zu, ef = k, %zu rounds\n\n",
              machine().c_str(), data.passages.size(), data.train_queries.size(), data.test_queries.size(),
              data.passages.dim(), k, rounds);
  std::printf("%-28s%10s%10s%10s%10s%10s\n", "microseconds a query", "typed", "any", "ratio", "lowest", "highest");
  using Quantized = QuantizedHnswIndex<>;
  const SearchOptions narrow{.ef = k, .query_ef = k};
  const bool done =
      compare("ERM, quantized", ErmRetriever<float, Quantized>::build(data.passages), data.test_queries, k, narrow,
              rounds) &&
      compare("ERM, flat", ErmRetriever<float, FlatIndex<>>::build(data.passages), data.test_queries, k, {}, rounds) &&
      compare("XL softmax, quantized",
              PefaXl<float, Quantized, Quantized, SoftmaxGate>::build(data.passages, data.train_queries,
                                                                      data.train_relevance, {.neighbors = 16}),
              data.test_queries, k, narrow, rounds);
  return done ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
