// Which index answers fastest at equal recall? hnswlib called directly, HnswIndex, QuantizedHnswIndex,
// PartitionedIndex, FlatIndex and, where they are there, faiss and usearch (get_usearch.sh): recall against latency
// over ef, build seconds and bytes, on one data set in one process.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench_support.hpp"
#include "usearch_rows.hpp"

#if PEFA_BENCH_FAISS
#include <faiss/IndexHNSW.h>
#endif

namespace {

using namespace pefa;
using namespace pefa::bench;

/// Runs `make`, which returns the search and the bytes it claims, and records seconds and growth. `borrowed` is what
/// the index reads beside its own bytes; one that claims none counts what the process grew by.
template <class Make>
Peer build_peer(const std::string& name, const Make& make, std::size_t borrowed = 0) {
  std::fprintf(stderr, "building %s\n", name.c_str());
  Peer peer;
  peer.name = name;
  const std::size_t before = resident_bytes();
  const auto start = Clock::now();
  std::tie(peer.search, peer.bytes) = make();
  peer.build_seconds = seconds_since(start);
  const std::size_t after = resident_bytes();
  peer.resident_growth = after > before ? after - before : 0;
  peer.all_bytes = (peer.bytes > 0 ? peer.bytes : peer.resident_growth) + borrowed;
  return peer;
}

std::pair<Search, std::size_t> make_hnswlib(const DataSet& data, const ThreadExecutor& threads) {
  const DirectHnswlib direct(data.passages.view(), threads);
  Search search = [&data, direct](std::size_t q, std::size_t k, std::size_t ef) {
    direct.set_ef(ef);
    return direct.search(data.query(q), k);
  };
  return {search, direct.bytes()};
}

template <class Index>
std::pair<Search, std::size_t> make_index(const DataSet& data, const typename Index::Params& params,
                                          const ThreadExecutor& threads) {
  auto index = std::make_shared<Index>(Index::build(data.passages.view(), params, {threads}));
  Search search = [&data, index](std::size_t q, std::size_t k, std::size_t ef) {
    return rows_of(index->search(data.query(q), k, {.ef = ef}));
  };
  return {search, index->memory_bytes()};
}

#if PEFA_BENCH_FAISS
template <class Index, class... Arguments>
std::pair<Search, std::size_t> make_faiss(const DataSet& data, const Arguments&... arguments) {
  const auto dim = static_cast<int>(data.passages.dim());
  auto index = std::make_shared<Index>(dim, arguments..., static_cast<int>(m), faiss::METRIC_INNER_PRODUCT);
  index->hnsw.efConstruction = static_cast<int>(ef_construction);
  const auto n = static_cast<std::int64_t>(data.passages.size());
  index->train(n, data.passages.row(0));
  index->add(n, data.passages.row(0));
  Search search = [&data, index](std::size_t q, std::size_t k, std::size_t ef) {
    index->hnsw.efSearch = static_cast<int>(ef);
    std::vector<float> scores(k);
    std::vector<std::int64_t> labels(k);
    index->search(1, data.test_queries.row(q), static_cast<std::int64_t>(k), scores.data(), labels.data());
    return std::vector<Row>(labels.begin(), labels.end());
  };
  return {search, 0};
}
#endif

#if PEFA_BENCH_USEARCH
std::pair<Search, std::size_t> make_usearch(const DataSet& data, const ThreadExecutor& threads) {
  auto index = std::make_shared<UsearchRows>(data.passages.view(), m, ef_construction, threads);
  Search search = [&data, index](std::size_t q, std::size_t k, std::size_t ef) {
    return index->search(data.query(q), k, ef);
  };
  return {search, index->memory_bytes()};
}
#endif

void print(const std::vector<Peer>& peers, const std::vector<double>& targets, std::size_t k) {
  std::printf("\nk = %zu\n%-24s%10s%13s%12s%12s%12s   recall@%zu: ms a query (p99) by ef\n", k, "index", "build s",
              "of hnswlib's", "MiB", "all MiB", "RSS MiB", k);
  const auto mib = [](std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  for (const Peer& peer : peers) {
    std::printf("%-24s%10.1f%13.2f%12.1f%12.1f%12.1f  ", peer.name.c_str(), peer.build_seconds,
                peer.build_seconds / peers[0].build_seconds, mib(peer.bytes), mib(peer.all_bytes),
                mib(peer.resident_growth));
    for (const Point& point : peer.curve) {
      std::printf(" %.4f: %.3f (%.2f)", point.recall, point.milliseconds, point.p99);
    }
    std::printf("\n");
  }
  const auto print_table = [&](const char* title, const auto& cell) {
    std::printf("\n%s\n%-36s", title, "index");
    for (const double target : targets) std::printf("%12s", ("R=" + std::to_string(target).substr(0, 5)).c_str());
    std::printf("\n");
    for (const Peer& peer : peers) {
      std::printf("%-36s", peer.name.c_str());
      for (const double target : targets) std::printf("%12s", cell(peer, target).c_str());
      std::printf("\n");
    }
  };
  /// @param bound  what stands before a figure that the narrowest search, which finds more, only bounds
  const auto text = [](std::optional<double> figure, bool is_bound, const char* bound) {
    char digits[32];
    if (figure) std::snprintf(digits, sizeof digits, "%s%.2f", is_bound ? bound : "", *figure);
    return figure ? std::string(digits) : std::string("-");
  };
  print_table("milliseconds at equal recall; <: the narrowest search finds more", [&](const Peer& peer, double target) {
    return text(milliseconds_for(peer.curve, target), !milliseconds_at(peer.curve, target), "< ");
  });
  print_table("hnswlib's time over the index's, at equal recall; >: so too", [&](const Peer& peer, double target) {
    const auto theirs = milliseconds_at(peers[0].curve, target);
    const auto ours = milliseconds_for(peer.curve, target);
    return text(theirs && ours ? std::optional(*theirs / *ours) : std::nullopt, !milliseconds_at(peer.curve, target),
                "> ");
  });
}

nlohmann::ordered_json to_json(const std::vector<Peer>& peers, const std::vector<double>& targets, std::size_t k,
                               nlohmann::ordered_json json) {
  for (const Peer& peer : peers) {
    auto& one = json["indexes"][peer.name];
    one["build_seconds"] = peer.build_seconds;
    one["bytes"] = peer.bytes;
    one["all_bytes"] = peer.all_bytes;
    one["rss_growth_bytes"] = peer.resident_growth;
    for (const Point& point : peer.curve) {
      one["curve_k" + std::to_string(k)].push_back(
          {{"ef", point.ef}, {"recall", point.recall}, {"ms", point.milliseconds}, {"p99_ms", point.p99}});
    }
    json["build_vs_hnswlib"][peer.name] = peer.build_seconds / peers[0].build_seconds;
    for (const double target : targets) {
      const auto theirs = milliseconds_at(peers[0].curve, target);
      const auto ours = milliseconds_at(peer.curve, target);
      char key[32];
      std::snprintf(key, sizeof key, "R@%zu=%g", k, target);
      if (theirs && ours) json["ratio_vs_hnswlib"][peer.name][key] = *theirs / *ours;
    }
  }
  return json;
}

/// The rows and the queries of a folder, of a data set or as peers/rows.py makes them.
DataSet read_rows(const std::string& folder) {
  auto passages = io::read_npy<float>(folder + "/passages.npy");
  const bool is_data_set = std::filesystem::exists(folder + "/test_queries.npy");
  auto queries = io::read_npy<float>(folder + (is_data_set ? "/test_queries.npy" : "/queries.npy"));
  const auto none = RelevanceMatrix::from_pairs({}, 0, passages.size());
  return {std::move(passages), EmbeddingStore<float>(queries.dim()), std::move(queries), none, none};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Recall against latency of pefa's indexes and their rivals");
  Options options;
  options.add_to(app);
  std::string level;
  app.add_option("--level", level, "kernels of pefa to use instead of the best: scalar, avx2 or avx512");
  std::vector<std::string> names{"HnswIndex",
                                 "QuantizedHnswIndex",
                                 "QuantizedHnswIndex without rows",
                                 "PartitionedIndex",
                                 "PartitionedIndex without rows",
                                 "FlatIndex",
                                 "faiss HNSWFlat",
                                 "faiss HNSWSQ8",
                                 "usearch"};
  app.add_option("--peers", names, "what runs beside hnswlib")
      ->delimiter(',')
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    for (const simd::Level each : simd::all_levels) {
      if (level == simd::name(each)) simd::use_level(each);
    }
    if (!level.empty() && level != simd::name(simd::level()))
      throw ValueError("--level " + level + ": no such kernels");
    const DataSet data = read_rows(options.folder);
    const ThreadExecutor threads(options.threads);
    const std::size_t n_queries = std::min(options.queries, data.test_queries.size());
    std::printf(
        "%s\n%zu passages x %zu, %zu queries, M = %zu, efConstruction = %zu, one thread searches, median of %zu "
        "rounds\n",
        machine().c_str(), data.passages.size(), data.passages.dim(), n_queries, m, ef_construction, options.rounds);
    const auto wanted = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };

    const std::size_t row_bytes = data.passages.size() * data.passages.dim() * sizeof(float);
    std::vector<Peer> peers;
    peers.push_back(build_peer("hnswlib", [&] { return make_hnswlib(data, threads); }));
    const HnswParams hnsw{.m = m, .ef_construction = ef_construction};
    if (wanted("HnswIndex")) {
      peers.push_back(build_peer("HnswIndex", [&] { return make_index<HnswIndex>(data, hnsw, threads); }));
    }
    if (wanted("QuantizedHnswIndex")) {
      const auto make = [&] {
        return make_index<QuantizedHnswIndex<>>(data, {.graph = hnsw, .rows = Rows::borrow}, threads);
      };
      peers.push_back(build_peer("QuantizedHnswIndex", make, row_bytes));
    }
    if (wanted("QuantizedHnswIndex without rows")) {
      const auto make = [&] {
        return make_index<QuantizedHnswIndex<>>(data, {.graph = hnsw, .rows = Rows::drop}, threads);
      };
      peers.push_back(build_peer("QuantizedHnswIndex without rows", make));
    }
    if (wanted("PartitionedIndex")) {
      const auto make = [&] { return make_index<PartitionedIndex<>>(data, {.rows = Rows::borrow}, threads); };
      peers.push_back(build_peer("PartitionedIndex", make, row_bytes));
    }
    if (wanted("PartitionedIndex without rows")) {
      const auto make = [&] { return make_index<PartitionedIndex<>>(data, {.rows = Rows::drop}, threads); };
      peers.push_back(build_peer("PartitionedIndex without rows", make));
    }
    if (wanted("FlatIndex")) {
      const auto make = [&] { return make_index<FlatIndex<>>(data, {.rows = Rows::borrow}, threads); };
      peers.push_back(build_peer("FlatIndex", make, row_bytes));
    }
#if PEFA_BENCH_FAISS
    if (wanted("faiss HNSWFlat")) {
      peers.push_back(build_peer("faiss HNSWFlat", [&] { return make_faiss<faiss::IndexHNSWFlat>(data); }));
    }
    if (wanted("faiss HNSWSQ8")) {
      // Without exact rescoring, as faiss has it; its recall against the exact rows is bounded by its codes.
      peers.push_back(build_peer(
          "faiss HNSWSQ8", [&] { return make_faiss<faiss::IndexHNSWSQ>(data, faiss::ScalarQuantizer::QT_8bit); }));
    }
#endif
#if PEFA_BENCH_USEARCH
    if (wanted("usearch")) peers.push_back(build_peer("usearch", [&] { return make_usearch(data, threads); }));
#endif
    for (const std::string& name : names) {
      const auto is_named = [&](const Peer& peer) { return peer.name == name; };
      if (std::ranges::none_of(peers, is_named)) std::fprintf(stderr, "%s is not in this build\n", name.c_str());
    }
    std::fprintf(stderr, "exact search\n");
    const auto flat = FlatIndex<>::build(data.passages.view(), {.rows = Rows::borrow});
    nlohmann::ordered_json json{{"machine", machine()}, {"data", options.folder}, {"queries", n_queries}};
    for (const std::size_t k : {std::size_t{100}, std::size_t{10}}) {
      const auto exact = std::make_shared<const std::vector<std::vector<Row>>>(
          rows_of(search_batch(flat, data.test_queries.view().slice(0, n_queries), k)));
      for (Peer& peer : peers) peer.exact = exact;
      const std::vector<std::size_t> efs = k == 100 ? std::vector<std::size_t>{100, 130, 170, 220, 300, 400, 550, 800}
                                                    : std::vector<std::size_t>{10, 16, 24, 36, 54, 80, 120, 200};
      const std::vector<double> targets =
          k == 100 ? std::vector<double>{0.95, 0.99, 0.995} : std::vector<double>{0.9, 0.95, 0.99};
      std::fprintf(stderr, "measuring at k = %zu\n", k);
      measure(peers, k, efs, options.rounds);
      print(peers, targets, k);
      json = to_json(peers, targets, k, std::move(json));
    }
    options.write(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_peers: %s\n", error.what());
    return 1;
  }
}
