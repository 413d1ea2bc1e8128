// What the benchmarks share: their options, the data set, hnswlib called directly, interleaved timing, interpolation at
// equal recall, and what machine this is.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pefa/pefa.hpp"

namespace pefa::bench {

using Clock = std::chrono::steady_clock;

[[nodiscard]] inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The folder that examples/encode makes: P, Q, T, Y and Z.
struct DataSet {
  EmbeddingStore<float> passages;
  EmbeddingStore<float> train_queries;
  EmbeddingStore<float> test_queries;
  RelevanceMatrix train_relevance;
  RelevanceMatrix test_relevance;

  [[nodiscard]] static DataSet read(const std::string& folder) { return read(folder, folder); }

  /// The same where the pairs lie in another folder than the vectors.
  [[nodiscard]] static DataSet read(const std::string& vectors, const std::string& pairs) {
    auto passages = io::read_npy<float>(vectors + "/passages.npy");
    auto train = io::read_npy<float>(vectors + "/train_queries.npy");
    auto test = io::read_npy<float>(vectors + "/test_queries.npy");
    auto y = io::read_pairs(pairs + "/train_relevance.tsv", train.size(), passages.size());
    auto z = io::read_pairs(pairs + "/test_relevance.tsv", test.size(), passages.size());
    return {std::move(passages), std::move(train), std::move(test), std::move(y), std::move(z)};
  }

  [[nodiscard]] QueryView query(std::size_t i) const { return {test_queries.row(i), test_queries.dim()}; }
};

/// Resident memory of this process, in bytes; 0 where /proc is not there.
[[nodiscard]] inline std::size_t resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6)) * 1024;
  }
  return 0;
}

[[nodiscard]] inline std::string machine() {
  std::string cpu = "unknown CPU";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    cpu = line.substr(line.find(':') + 2);
    break;
  }
  return cpu + ", " + std::to_string(std::thread::hardware_concurrency()) + " hardware threads, kernels " +
         simd::name(simd::level()) + (simd::level() == simd::Level::avx512 && simd::has_vnni() ? "+vnni" : "") +
         ", compiler " + __VERSION__;
}

/// What every benchmark takes from its command line.
struct Options {
  std::string folder;
  std::string json_path;
  std::size_t queries = 1000;
  std::size_t rounds = 5;
  std::size_t threads = 0;

  void add_to(CLI::App& app) {
    app.add_option("--data", folder, "the folder that examples/encode made")->required();
    app.add_option("--json", json_path, "write the result here");
    app.add_option("--queries", queries, "how many test queries")->capture_default_str();
    app.add_option("--rounds", rounds, "how often each query is timed")->capture_default_str();
    app.add_option("--threads", threads, "threads while building (default: all)");
  }
  void write(const nlohmann::ordered_json& json) const {
    if (json_path.empty()) return;
    io::OutputFile file(json_path);
    file.stream() << json.dump(2) << '\n';
    file.commit();
  }
};

constexpr std::size_t m = 32;
constexpr std::size_t ef_construction = 500;

/// hnswlib without us: what a user would do by hand.
class DirectHnswlib {
 public:
  DirectHnswlib(const EmbeddingView<float>& rows, const ThreadExecutor& threads)
      : space_(std::make_shared<hnswlib::InnerProductSpace>(rows.dim())),
        graph_(std::make_shared<hnswlib::HierarchicalNSW<float>>(space_.get(), rows.size(), m, ef_construction)) {
    graph_->addPoint(rows.row(0), 0);
    threads.run(rows.size() - 1, [&](std::size_t i) { graph_->addPoint(rows.row(i + 1), i + 1); });
  }
  void set_ef(std::size_t ef) const { graph_->setEf(ef); }
  [[nodiscard]] std::vector<Row> search(QueryView query, std::size_t k) const {
    auto found = graph_->searchKnn(query.data(), k);
    std::vector<Row> rows;
    rows.reserve(k);
    for (; !found.empty(); found.pop()) rows.push_back(static_cast<Row>(found.top().second));
    std::reverse(rows.begin(), rows.end());  // the queue gives the worst first
    return rows;
  }
  [[nodiscard]] std::size_t bytes() const {
    return pefa::detail::graph_bytes(*graph_) + graph_->max_elements_ * sizeof(hnswlib::vl_type);  // its marks
  }

 private:
  std::shared_ptr<hnswlib::InnerProductSpace> space_;
  std::shared_ptr<hnswlib::HierarchicalNSW<float>> graph_;
};

[[nodiscard]] inline std::vector<Row> rows_of(const std::vector<Neighbor>& neighbors) {
  std::vector<Row> rows;
  rows.reserve(neighbors.size());
  for (const Neighbor& neighbor : neighbors) rows.push_back(neighbor.row);
  return rows;
}
[[nodiscard]] inline std::vector<Row> rows_of(const std::vector<Hit>& hits) {
  std::vector<Row> rows;
  rows.reserve(hits.size());
  for (const Hit& hit : hits) rows.push_back(hit.passage.row());
  return rows;
}
template <class Result>
[[nodiscard]] std::vector<std::vector<Row>> rows_of(const std::vector<std::vector<Result>>& batch) {
  std::vector<std::vector<Row>> rows;
  rows.reserve(batch.size());
  for (const auto& one : batch) rows.push_back(rows_of(one));
  return rows;
}

/// A search under test: query number, k and ef in, rows out.
using Search = std::function<std::vector<Row>(std::size_t query, std::size_t k, std::size_t ef)>;

struct Point {
  std::size_t ef = 0;
  double recall = 0.0;
  double milliseconds = 0.0;  ///< the median over rounds of the mean over queries
  double p99 = 0.0;
};

/// One index: how it was built, and its curve.
struct Peer {
  std::string name;
  double build_seconds = 0.0;
  std::size_t bytes = 0;            ///< as the index says
  std::size_t all_bytes = 0;        ///< the same and the exact rows that it reads where the caller keeps them
  std::size_t resident_growth = 0;  ///< as the system says
  Search search;
  std::shared_ptr<const std::vector<std::vector<Row>>> exact;  ///< what the search should find
  std::vector<Point> curve{};
};

/// The share of the exact rows that were found.
[[nodiscard]] inline double recall_of(std::vector<Row> found, const std::vector<Row>& exact) {
  std::sort(found.begin(), found.end());
  std::size_t hits = 0;
  for (const Row row : exact) hits += std::binary_search(found.begin(), found.end(), row) ? 1U : 0U;
  return static_cast<double>(hits) / static_cast<double>(exact.size());
}

/// Fills the peers' curves: recall first, then times, all peers in turn in every round so that a slow moment of the
/// machine falls on all of them.
inline void measure(std::vector<Peer>& peers, std::size_t k, const std::vector<std::size_t>& efs, std::size_t rounds) {
  const std::size_t n = peers.front().exact->size();
  for (Peer& peer : peers) peer.curve.assign(efs.size(), {});
  for (std::size_t e = 0; e < efs.size(); ++e) {
    for (Peer& peer : peers) {
      double recall = 0.0;
      for (std::size_t q = 0; q < n; ++q) recall += recall_of(peer.search(q, k, efs[e]), (*peer.exact)[q]);
      peer.curve[e].ef = efs[e];
      peer.curve[e].recall = recall / static_cast<double>(n);
    }
    std::vector<std::vector<double>> means(peers.size());
    std::vector<std::vector<double>> all(peers.size());
    for (std::size_t round = 0; round < rounds; ++round) {
      for (std::size_t p = 0; p < peers.size(); ++p) {
        double sum = 0.0;
        for (std::size_t q = 0; q < n; ++q) {
          const auto start = Clock::now();
          const auto found = peers[p].search(q, k, efs[e]);
          const double ms = 1e3 * seconds_since(start);
          if (found.size() != k) std::fprintf(stderr, "%s: %zu results\n", peers[p].name.c_str(), found.size());
          sum += ms;
          all[p].push_back(ms);
        }
        means[p].push_back(sum / static_cast<double>(n));
      }
    }
    for (std::size_t p = 0; p < peers.size(); ++p) {
      peers[p].curve[e].milliseconds = percentile(means[p], 0.5);
      peers[p].curve[e].p99 = percentile(all[p], 0.99);
    }
  }
}

/// Milliseconds at a recall, interpolated on the curve; empty where the curve does not reach or start below it.
[[nodiscard]] inline std::optional<double> milliseconds_at(const std::vector<Point>& curve, double recall) {
  for (std::size_t i = 0; i < curve.size(); ++i) {
    if (curve[i].recall < recall) continue;
    if (i == 0) return std::nullopt;
    const Point& below = curve[i - 1];
    const double share = (recall - below.recall) / (curve[i].recall - below.recall);
    return below.milliseconds + share * (curve[i].milliseconds - below.milliseconds);
  }
  return std::nullopt;
}

/// The same; where the narrowest beam already finds more, as on a small set, its time, an upper bound.
[[nodiscard]] inline std::optional<double> milliseconds_for(const std::vector<Point>& curve, double recall) {
  if (!curve.empty() && curve.front().recall >= recall) return curve.front().milliseconds;
  return milliseconds_at(curve, recall);
}

}  // namespace pefa::bench
