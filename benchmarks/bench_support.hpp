// What the benchmarks share: the data set, the exact answers, interleaved timing, interpolation at equal recall, and
// what machine this is.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
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

  [[nodiscard]] static DataSet read(const std::string& folder) {
    auto passages = io::read_npy<float>(folder + "/passages.npy");
    auto train = io::read_npy<float>(folder + "/train_queries.npy");
    auto test = io::read_npy<float>(folder + "/test_queries.npy");
    auto y = io::read_pairs(folder + "/train_relevance.tsv", train.size(), passages.size());
    auto z = io::read_pairs(folder + "/test_relevance.tsv", test.size(), passages.size());
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
         simd::name(simd::level()) + (simd::has_vnni() ? "+vnni" : "") + ", compiler " + __VERSION__;
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
  std::size_t resident_growth = 0;  ///< as the system says
  Search search;
  std::vector<Point> curve;
};

/// The share of the exact rows that were found.
[[nodiscard]] inline double recall_of(std::vector<Row> found, const std::vector<Neighbor>& exact) {
  std::sort(found.begin(), found.end());
  std::size_t hits = 0;
  for (const Neighbor& neighbor : exact) hits += std::binary_search(found.begin(), found.end(), neighbor.row) ? 1U : 0U;
  return static_cast<double>(hits) / static_cast<double>(exact.size());
}

/// Fills the peers' curves: recall first, then times, all peers in turn in every round so that a slow moment of the
/// machine falls on all of them.
inline void measure(std::vector<Peer>& peers, const std::vector<std::vector<Neighbor>>& exact, std::size_t k,
                    const std::vector<std::size_t>& efs, std::size_t rounds) {
  const std::size_t n = exact.size();
  for (Peer& peer : peers) peer.curve.assign(efs.size(), {});
  for (std::size_t e = 0; e < efs.size(); ++e) {
    for (Peer& peer : peers) {
      double recall = 0.0;
      for (std::size_t q = 0; q < n; ++q) recall += recall_of(peer.search(q, k, efs[e]), exact[q]);
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

}  // namespace pefa::bench
