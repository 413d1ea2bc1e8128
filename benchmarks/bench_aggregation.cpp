// Is QᵀY bound by memory? The time of aggregate_queries, which reads the rows of Q that Y points to, once a pair, and
// writes those of the result, against a plain copy that moves as many bytes, half of them read and half written.
#include <cstdio>
#include <cstring>

#include "bench_support.hpp"

int main(int argc, char** argv) {
  using namespace pefa;
  using namespace pefa::bench;
  CLI::App app("aggregate_queries against a plain copy of the same bytes");
  Options options;
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    const DataSet data = DataSet::read(options.folder);
    const ThreadExecutor threads(options.threads);
    const std::size_t dim = data.train_queries.dim();
    const std::size_t pairs = data.train_relevance.pair_count();
    const std::size_t rows = pairs + data.passages.size();
    const double gigabytes = static_cast<double>(rows * dim * sizeof(float)) / 1e9;
    std::printf("%s\n%zu pairs, %zu passages, dim %zu: %.2f GB\n", machine().c_str(), pairs, data.passages.size(), dim,
                gigabytes);
    (void)data.train_relevance.transposed();

    const std::size_t copied = rows / 2;
    auto copy = EmbeddingStore<float>::zeros(copied, dim);
    std::vector<double> aggregating;
    std::vector<double> copying;
    for (std::size_t round = 0; round < options.rounds; ++round) {
      auto start = Clock::now();
      const auto aggregated = aggregate_queries(data.train_queries.view(), data.train_relevance, {threads});
      aggregating.push_back(seconds_since(start));
      if (aggregated.size() != data.passages.size()) return 1;
      start = Clock::now();
      for_each_block(threads, copied, 4096, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
          std::memcpy(copy.mutable_row(i), data.train_queries.row(i % data.train_queries.size()), dim * sizeof(float));
        }
      });
      copying.push_back(seconds_since(start));
    }
    const double ours = gigabytes / percentile(aggregating, 0.5);
    const double plain = gigabytes / percentile(copying, 0.5);
    std::printf("aggregate_queries %.1f GB/s, copy %.1f GB/s, ratio %.2f (medians of %zu rounds)\n", ours, plain,
                ours / plain, options.rounds);
    options.write({{"machine", machine()},
                   {"aggregate_gb_per_second", ours},
                   {"copy_gb_per_second", plain},
                   {"ratio", ours / plain}});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_aggregation: %s\n", error.what());
    return 1;
  }
}
