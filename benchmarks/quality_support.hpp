// What the benchmarks of quality share: exact retrievers, what each finds for the test queries, Recall with intervals,
// and paired differences. Nothing here is timed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench_support.hpp"

namespace pefa::bench {

using ExactErm = ErmRetriever<float, FlatIndex<>>;
using ExactXs = PefaXs<float, FlatIndex<>>;
using ExactXsMulti = PefaXsMulti<float, FlatIndex<>>;
template <Gate GatePolicy = AnyGate>
using ExactXl = PefaXl<float, FlatIndex<>, FlatIndex<>, GatePolicy>;

constexpr FlatParams borrowing{.rows = Rows::borrow};
constexpr std::size_t list_depth = 100;  // the deepest Recall that is reported
constexpr std::array<std::size_t, 3> recall_cutoffs{1, 10, 100};

/// --data, --json and --queries.
inline void add_quality_options(CLI::App& app, Options& options) {
  options.queries = 0;
  app.add_option("--data", options.folder, "the folder that examples/encode made")->required();
  app.add_option("--json", options.json_path, "write the result here");
  app.add_option("--queries", options.queries, "how many test queries, from the first (default: all)");
}

/// Leaves the first test queries alone; 0: all.
inline void keep_first_queries(DataSet& data, std::size_t queries) {
  if (queries == 0 || queries >= data.test_queries.size()) return;
  const RelevanceMatrix::Sparse first = data.test_relevance.sparse().topRows(static_cast<Eigen::Index>(queries));
  data.test_queries = EmbeddingStore<float>::from(data.test_queries.view().slice(0, queries));
  data.test_relevance = RelevanceMatrix::from_eigen(first);
}

/// The data, with the first test queries alone where --queries says so.
[[nodiscard]] inline DataSet read_data(const Options& options) {
  DataSet data = DataSet::read(options.folder);
  keep_first_queries(data, options.queries);
  return data;
}

/// A ranked list for each test query.
using RankedLists = std::vector<std::vector<Hit>>;

/// What a method found, and the vectors that it holds to find it.
struct Ranking {
  std::string method;
  std::size_t bytes = 0;  ///< of the vectors as floats
  RankedLists lists;
};

template <Retriever R>
[[nodiscard]] Ranking rank(std::string method, std::size_t vectors, const R& retriever,
                           const EmbeddingView<float>& queries) {
  std::fprintf(stderr, "%s\n", method.c_str());
  return {std::move(method), vectors * queries.dim() * sizeof(float), retriever.search_batch(queries, list_depth)};
}

/// A metric of every query that has relevant passages, in their order. @param metric  (hits, truth of the query)
template <class Metric>
[[nodiscard]] std::vector<double> metric_values(const RankedLists& lists, const RelevanceMatrix& truth,
                                                const Metric& metric) {
  std::vector<double> values;
  for (Row q = 0; q < truth.rows(); ++q) {
    const RelevanceMatrix::Entries relevant = truth.passages_of(QueryId(q));
    if (relevant.size() > 0) values.push_back(metric(std::span<const Hit>(lists[q]), relevant));
  }
  return values;
}

[[nodiscard]] inline std::vector<double> recall_values(const RankedLists& lists, const RelevanceMatrix& truth,
                                                       std::size_t k) {
  return metric_values(lists, truth, [k](auto hits, const auto& relevant) { return recall_at(hits, relevant, k); });
}

/// The mean with its 95 % interval, as evaluate() has it.
[[nodiscard]] inline Estimate estimate(const std::vector<double>& values) {
  const EvaluateOptions defaults;
  return bootstrap_mean(values, defaults.bootstrap_samples, defaults.seed);
}

[[nodiscard]] inline Estimate recall(const Ranking& ranking, const RelevanceMatrix& truth, std::size_t k) {
  return estimate(recall_values(ranking.lists, truth, k));
}

/// first − second at Recall@k, over the same queries.
[[nodiscard]] inline Estimate recall_gain(const Ranking& first, const Ranking& second, const RelevanceMatrix& truth,
                                          std::size_t k) {
  return estimate(paired_differences(recall_values(first.lists, truth, k), recall_values(second.lists, truth, k)));
}

/// "12.8 [10.6, 14.8]"
[[nodiscard]] inline std::string percent(const Estimate& estimate) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.1f [%.1f, %.1f]", 100 * estimate.mean, 100 * estimate.low,
                100 * estimate.high);
  return text.data();
}

/// "+1.5 [+0.7, +2.4]"
[[nodiscard]] inline std::string percent_gain(const Estimate& estimate) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%+.1f [%+.1f, %+.1f]", 100 * estimate.mean, 100 * estimate.low,
                100 * estimate.high);
  return text.data();
}

[[nodiscard]] inline nlohmann::ordered_json to_json(const Estimate& estimate) {
  return {{"mean", estimate.mean}, {"low", estimate.low}, {"high", estimate.high}};
}

/// The first lines of every table.
inline void print_data(const DataSet& data, const Options& options) {
  std::printf("%s: %zu passages, %zu training queries, %zu test queries, dim %zu; exact search\n",
              options.folder.c_str(), data.passages.size(), data.train_queries.size(), data.test_queries.size(),
              data.passages.dim());
}

[[nodiscard]] inline double mebibytes(std::size_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

inline void print_recall_header() {
  std::printf("%-42s%10s%22s%22s%22s\n", "Recall in percent, 95 % intervals", "MiB", "@1", "@10", "@100");
}

/// A line of the table, and the same for the JSON.
inline nlohmann::ordered_json print_recall(const Ranking& ranking, const RelevanceMatrix& truth) {
  nlohmann::ordered_json json{{"method", ranking.method}, {"bytes", ranking.bytes}};
  std::printf("%-42s%10.2f", ranking.method.c_str(), mebibytes(ranking.bytes));
  for (const std::size_t k : recall_cutoffs) {
    const Estimate found = recall(ranking, truth, k);
    json["recall@" + std::to_string(k)] = to_json(found);
    std::printf("%22s", percent(found).c_str());
  }
  std::printf("\n");
  std::fflush(stdout);
  return json;
}

}  // namespace pefa::bench
