// Does throughput grow with threads? Searches a second of hnswlib and of QuantizedHnswIndex with 1, 2, … threads, each
// at the ef where it finds 99 % of the exact top 100; and of the batch search, which interleaves queries on every
// thread.
#include <atomic>
#include <cstdio>
#include <thread>

#include "bench_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

constexpr std::size_t k = 100;
constexpr double target = 0.99;

/// The smallest ef of a fine ladder at which `search` reaches the target. @throws ValueError  none does
std::size_t ef_at_target(const Search& search, const std::vector<std::vector<Row>>& exact, const char* name) {
  for (std::size_t ef = k; ef <= 4000; ef += std::max<std::size_t>(5, ef / 20)) {
    double recall = 0.0;
    for (std::size_t q = 0; q < exact.size(); ++q) recall += recall_of(search(q, k, ef), exact[q]);
    if (recall >= target * static_cast<double>(exact.size())) return ef;
  }
  throw ValueError(std::string(name) + " does not reach R@100 = 0.99 on these data");
}

/// Queries a second over `rounds` passes through all queries, drawn by `threads` threads from one counter.
double throughput(const std::function<void(std::size_t)>& search, std::size_t queries, std::size_t threads,
                  std::size_t rounds) {
  std::atomic<std::size_t> next{0};
  const std::size_t total = queries * rounds;
  const auto start = Clock::now();
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      for (std::size_t i = next.fetch_add(1); i < total; i = next.fetch_add(1)) search(i % queries);
    });
  }
  for (std::thread& worker : workers) worker.join();
  return static_cast<double>(total) / seconds_since(start);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Throughput over threads of hnswlib and QuantizedHnswIndex at equal recall");
  Options options;
  options.add_to(app);
  std::size_t most_threads = std::thread::hardware_concurrency();
  app.add_option("--search-threads", most_threads, "search with 1 to this many threads")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const DataSet data = DataSet::read(options.folder);
    const ThreadExecutor threads(options.threads);
    const std::size_t n_queries = std::min(options.queries, data.test_queries.size());
    const EmbeddingView<float> queries = data.test_queries.view().slice(0, n_queries);
    std::printf("%s\n%zu passages, %zu queries, k = %zu\n", machine().c_str(), data.passages.size(), n_queries, k);
    const auto flat = FlatIndex<>::build(data.passages.view(), {.rows = Rows::borrow});
    const auto exact = rows_of(search_batch(flat, queries, k));
    std::fprintf(stderr, "building\n");
    const DirectHnswlib direct(data.passages.view(), threads);
    const auto index = QuantizedHnswIndex<>::build(data.passages.view(), {.rows = Rows::borrow}, {threads});

    const std::size_t direct_ef = ef_at_target(
        [&](std::size_t q, std::size_t depth, std::size_t ef) {
          direct.set_ef(ef);
          return direct.search(data.query(q), depth);
        },
        exact, "hnswlib");
    const std::size_t ef =
        ef_at_target([&](std::size_t q, std::size_t depth,
                         std::size_t beam) { return rows_of(index.search(data.query(q), depth, {.ef = beam})); },
                     exact, "QuantizedHnswIndex");
    direct.set_ef(direct_ef);
    std::printf("R@100 = 0.99: hnswlib at ef = %zu, QuantizedHnswIndex at ef = %zu\n", direct_ef, ef);

    nlohmann::ordered_json json{{"machine", machine()}, {"data", options.folder}, {"queries", n_queries}};
    std::printf("%-8s%12s%12s%12s%12s%12s\n", "threads", "hnswlib/s", "search/s", "batch/s", "ratio", "batch ratio");
    for (std::size_t t = 1; t <= most_threads; ++t) {
      // All three in turn in every round, and the medians of the rounds: a slow moment falls on all of them.
      std::vector<double> direct_rates;
      std::vector<double> rates;
      std::vector<double> batch_rates;
      for (std::size_t round = 0; round < options.rounds; ++round) {
        direct_rates.push_back(
            throughput([&](std::size_t q) { (void)direct.search(data.query(q), k); }, n_queries, t, 1));
        rates.push_back(
            throughput([&](std::size_t q) { (void)index.search(data.query(q), k, {.ef = ef}); }, n_queries, t, 1));
        const auto start = Clock::now();
        (void)index.search_batch(queries, k, {.ef = ef}, ThreadExecutor(t));
        batch_rates.push_back(static_cast<double>(n_queries) / seconds_since(start));
      }
      const double theirs = percentile(direct_rates, 0.5);
      const double single = percentile(rates, 0.5);
      const double batch = percentile(batch_rates, 0.5);
      std::printf("%-8zu%12.0f%12.0f%12.0f%12.2f%12.2f\n", t, theirs, single, batch, single / theirs, batch / theirs);
      json["threads"][std::to_string(t)] = {{"hnswlib_per_second", theirs},
                                            {"search_per_second", single},
                                            {"batch_per_second", batch},
                                            {"ratio", single / theirs},
                                            {"batch_ratio", batch / theirs}};
    }
    options.write(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_threads: %s\n", error.what());
    return 1;
  }
}
