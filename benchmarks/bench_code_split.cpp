// What does CodeSplit::automatic cost long vectors, and what does it gain? QuantizedHnswIndex over made-up rows, with
// the split and without: building, stopping a build, searching at equal recall.
//
// The variance of made-up rows falls along hidden axes as i^-decay: 0 gives rows that no few axes describe, 1 rows as
// language models give them. Results first: every score must be the row's own.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "bench_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

constexpr std::size_t k = 10;

/// Rows and queries of one distribution, of unit length.
EmbeddingStore<float> made_up(std::size_t n, std::size_t dim, float decay, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> gaussian;
  const auto size = static_cast<Eigen::Index>(dim);
  RowMajorMatrix rows(static_cast<Eigen::Index>(n), size);
  for (Eigen::Index i = 0; i < rows.size(); ++i) {
    rows.data()[i] = gaussian(random) * std::pow(static_cast<float>(i % size + 1), -decay / 2.0f);
  }
  // Three reflections, the same for every seed, hide the axes.
  std::mt19937 same(7);
  for (int reflection = 0; reflection < 3; ++reflection) {
    Eigen::VectorXf normal(size);
    for (float& x : normal) x = gaussian(same);
    normal.normalize();
    const Eigen::VectorXf along = rows * normal;
    rows -= 2.0f * along * normal.transpose();
  }
  return EmbeddingStore<float>::from(rows, Normalize::unit);
}

/// Seconds from a stop being wished for to the build's end, the longest of some moments.
double seconds_to_stop(const EmbeddingStore<float>& rows, const QuantizedHnswParams& params, double build_seconds,
                       const ThreadExecutor& threads) {
  double longest = 0.0;
  for (const double share : {0.02, 0.3, 0.9}) {
    const auto start = Clock::now();
    const double moment = share * build_seconds;
    try {
      (void)QuantizedHnswIndex<>::build(
          rows.view(), params, {threads, [&](std::size_t, std::size_t) {
                                  return seconds_since(start) < moment ? ProgressAction::proceed : ProgressAction::stop;
                                }});
    } catch (const Cancelled&) {
      longest = std::max(longest, seconds_since(start) - moment);
    }
  }
  return longest;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("CodeSplit::automatic against CodeSplit::never, over long rows");
  std::size_t rows = 20'000;
  std::size_t dim = 4096;
  std::size_t count = 200;
  std::size_t rounds = 5;
  std::size_t threads = 0;
  std::vector<float> decays{0.0f, 1.0f};
  QuantizedHnswParams params{.graph = {.m = 16, .ef_construction = 100}, .rows = Rows::borrow};
  app.add_option("--rows", rows, "how many")->capture_default_str();
  app.add_option("--dim", dim, "of them")->capture_default_str();
  app.add_option("--queries", count, "how many")->capture_default_str();
  app.add_option("--rounds", rounds, "how often each query is timed")->capture_default_str();
  app.add_option("--decay", decays, "of the variance along the axes")->delimiter(',')->capture_default_str();
  app.add_option("--ef-construction", params.graph.ef_construction, "of the graph")->capture_default_str();
  app.add_option("--threads", threads, "threads while building (default: all)");
  CLI11_PARSE(app, argc, argv);
  try {
    std::printf("%s\n%zu rows of dim %zu, %zu queries, k = %zu, m = %zu, efConstruction = %zu\n", machine().c_str(),
                rows, dim, count, k, params.graph.m, params.graph.ef_construction);
    for (const float decay : decays) {
      const auto passages = made_up(rows, dim, decay, 1);
      const auto queries = made_up(count, dim, decay, 2);
      const auto flat = FlatIndex<>::build(passages.view(), {.rows = Rows::borrow});
      const auto exact =
          std::make_shared<const std::vector<std::vector<Row>>>(rows_of(search_batch(flat, queries.view(), k)));
      std::vector<Peer> peers;
      for (const CodeSplit split : {CodeSplit::never, CodeSplit::automatic}) {
        params.split = split;
        const ThreadExecutor executor(threads);
        const auto start = Clock::now();
        const auto index = std::make_shared<const QuantizedHnswIndex<>>(
            QuantizedHnswIndex<>::build(passages.view(), params, {executor}));
        Peer peer;
        peer.build_seconds = seconds_since(start);
        peer.name = split == CodeSplit::never ? "never" : "automatic";
        peer.bytes = index->served_bytes();
        for (std::size_t q = 0; q < queries.size(); ++q) {
          const QueryView query(queries.row(q), dim);
          for (const Neighbor& each : index->search(query, k)) {
            if (each.score == flat.score(query, each.row)) continue;
            std::fprintf(stderr, "bench_code_split: row %u has a score that is not its own\n", each.row);
            return 1;
          }
        }
        peer.search = [index, &queries](std::size_t q, std::size_t depth, std::size_t ef) {
          return rows_of(index->search({queries.row(q), queries.dim()}, depth, {.ef = ef}));
        };
        peer.exact = exact;
        std::printf("decay %.1f, %-10s build %7.1f s, %6.0f bytes a row, a stop is heard within %.2f s\n",
                    static_cast<double>(decay), peer.name.c_str(), peer.build_seconds,
                    static_cast<double>(peer.bytes) / static_cast<double>(rows),
                    seconds_to_stop(passages, params, peer.build_seconds, executor));
        std::fflush(stdout);
        peers.push_back(std::move(peer));
      }
      measure(peers, k, {20, 50, 100, 200, 400, 800}, rounds);
      for (std::size_t e = 0; e < peers[0].curve.size(); ++e) {
        std::printf("  ef %4zu   never: recall %.4f, %8.1f us   automatic: recall %.4f, %8.1f us\n",
                    peers[0].curve[e].ef, peers[0].curve[e].recall, 1e3 * peers[0].curve[e].milliseconds,
                    peers[1].curve[e].recall, 1e3 * peers[1].curve[e].milliseconds);
      }
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_code_split: %s\n", error.what());
    return 1;
  }
}
