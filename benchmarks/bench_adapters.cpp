// What do the adapters cost, and what do they give? The plain model, PEFA-XS and PEFA-XL end to end over graphs and
// over partitions, against hnswlib called directly for the plain model: latency where each finds 99 % of what its own
// exact search finds, all the bytes that answering reads, seconds to build with fit and fold, and Recall@10 and @100 on
// the task; then what a wider beam gives on the task.
#include <cstdio>

#include "bench_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

constexpr std::size_t k = 100;
constexpr std::size_t default_ef = 300;
constexpr double target = 0.99;
const std::vector<std::size_t> efs{100, 130, 170, 220, default_ef, 400, 550, 800, 1200};
const std::vector<std::size_t> query_efs{32, 48, 64, 100, 150, 220, default_ef};

using Lists = std::vector<std::vector<Row>>;

/// What a retriever is built over: the same on both sides, or one for each.
struct Indexes {
  Indexes(const IndexSpec& both) : passages(both), queries(both) {}
  Indexes(const IndexSpec& of_passages, const IndexSpec& of_queries) : passages(of_passages), queries(of_queries) {}
  IndexSpec passages;
  IndexSpec queries;
};

/// One setting of the adapters over several indexes, which all should find the same.
struct Setting {
  std::string name;
  RetrieverSpec spec;
  std::vector<Indexes> indexes;
};

/// An index as a name: "automatic", "graph", "partitions"; without rows "graph codes", "codes".
std::string name_of(const IndexSpec& index) {
  if (index.kind == IndexKind::automatic) return "automatic";
  const bool drops = index.exact_rows == ExactRows::drop;
  if (index.kind == IndexKind::quantized) return drops ? "graph codes" : "graph";
  return drops ? "codes" : "partitions";
}
std::string name_of(const Indexes& indexes) {
  const std::string passages = name_of(indexes.passages);
  const std::string queries = name_of(indexes.queries);
  return passages == queries ? passages : passages + " and " + queries;
}

std::vector<Setting> settings_for(std::size_t dim) {
  const IndexSpec graph{.kind = IndexKind::quantized, .m = m, .ef_construction = ef_construction};
  IndexSpec graph_codes = graph;
  graph_codes.exact_rows = ExactRows::drop;
  const IndexSpec automatic{.m = m, .ef_construction = ef_construction};
  const IndexSpec partitions{.kind = IndexKind::partitioned};
  const IndexSpec codes{.kind = IndexKind::partitioned, .exact_rows = ExactRows::drop};

  RetrieverSpec erm;
  erm.method = Method::erm;
  RetrieverSpec solved;
  solved.method = Method::xs;
  solved.lambda = 0.1f;
  solved.whitened = Whitened::none;
  solved.least_squares = {.shrinkage = 0.1f, .passages_as_queries = 0.3f};
  const auto balanced = [](RetrieverSpec spec, std::size_t rank) {
    spec.balance = rank;
    return spec;
  };
  return {{"ERM", erm, {graph, graph_codes, partitions, codes}},
          {"XS, the paper's", RetrieverSpec::paper_xs(), {graph}},
          {"XS solved", solved, {graph, partitions}},
          {"XS rank " + std::to_string(dim), balanced(solved, dim), {graph, partitions, codes}},
          {"XS rank " + std::to_string(dim / 2), balanced(solved, dim / 2), {graph, partitions, codes}},
          {"XL", RetrieverSpec{}, {automatic, graph}},
          {"XL rank " + std::to_string(dim / 2),
           balanced(RetrieverSpec{}, dim / 2),
           {automatic, graph, partitions, codes, {codes, graph_codes}}}};
}

AnyRetriever build(RetrieverSpec spec, const Indexes& indexes, const DataSet& data, const BuildOptions& options) {
  spec.index = indexes.passages;
  spec.query_index = indexes.queries;
  return spec.method == Method::erm
             ? pefa::build(spec, data.passages.view(), options)
             : pefa::build(spec, data.passages.view(), data.train_queries.view(), data.train_relevance, options);
}

Search search_of(const AnyRetriever& retriever, const DataSet& data, std::size_t query_ef) {
  return [retriever, &data, query_ef](std::size_t q, std::size_t depth, std::size_t ef) {
    return rows_of(retriever.search(data.query(q), depth, {.ef = ef, .query_ef = query_ef}));
  };
}

double mean_recall(const Search& search, const Lists& exact, std::size_t ef) {
  double recall = 0.0;
  for (std::size_t q = 0; q < exact.size(); ++q) recall += recall_of(search(q, k, ef), exact[q]);
  return recall / static_cast<double>(exact.size());
}

/// The narrowest beam for training queries that costs the widest search for passages at most a thousandth of its
/// recall.
std::size_t query_ef_for(const AnyRetriever& retriever, const DataSet& data, const Lists& exact) {
  const double best = mean_recall(search_of(retriever, data, query_efs.back()), exact, efs.back());
  for (const std::size_t query_ef : query_efs) {
    if (mean_recall(search_of(retriever, data, query_ef), exact, efs.back()) >= best - 0.001) return query_ef;
  }
  return query_efs.back();
}

/// Task recall of the method's own search, as a fraction.
struct TaskRecall {
  double at_10 = 0.0;
  double at_100 = 0.0;
};

TaskRecall evaluate_task(const Peer& peer, const DataSet& data, std::size_t n_queries, std::size_t ef) {
  TaskRecall recall;
  std::size_t counted = 0;
  for (std::size_t q = 0; q < n_queries; ++q) {
    const auto truth = data.test_relevance.passages_of(QueryId(static_cast<Row>(q)));
    if (truth.size() == 0) continue;
    ++counted;
    std::vector<Hit> hits;
    for (const Row row : peer.search(q, k, ef)) hits.push_back({PassageId(row), 0.0f});
    recall.at_10 += recall_at(hits, truth, 10);
    recall.at_100 += recall_at(hits, truth, 100);
  }
  recall.at_10 /= static_cast<double>(counted);
  recall.at_100 /= static_cast<double>(counted);
  return recall;
}

double recall_at_ef(const Peer& peer, std::size_t ef) {
  for (const Point& point : peer.curve) {
    if (point.ef == ef) return point.recall;
  }
  return 0.0;
}

/// Builds every setting over its indexes; first hnswlib for the plain model, what all are held against.
/// @param only  the beginnings of names; empty: all
std::vector<Peer> build_peers(const DataSet& data, const EmbeddingView<float>& queries, const BuildOptions& options,
                              const ThreadExecutor& threads, const std::vector<std::string>& only) {
  const auto wanted = [&](const std::string& name) {
    return only.empty() || std::ranges::any_of(only, [&](const auto& begin) { return name.starts_with(begin); });
  };
  const auto exact_lists = [&](const RetrieverSpec& spec) {
    const AnyRetriever flat = build(spec, IndexSpec{.kind = IndexKind::flat}, data, options);
    return std::make_shared<const Lists>(rows_of(flat.search_batch(queries, k, {}, threads)));
  };
  std::vector<Peer> peers;
  for (const Setting& setting : settings_for(data.passages.dim())) {
    const bool any = std::ranges::any_of(
        setting.indexes, [&](const Indexes& indexes) { return wanted(setting.name + ", " + name_of(indexes)); });
    if (!any && !peers.empty()) continue;
    const auto exact = exact_lists(setting.spec);
    if (peers.empty()) {
      std::fprintf(stderr, "building hnswlib\n");
      const auto start = Clock::now();
      const DirectHnswlib direct(data.passages.view(), threads);
      Peer& peer = peers.emplace_back();
      peer.name = "hnswlib ERM";
      peer.build_seconds = seconds_since(start);
      peer.bytes = direct.bytes();
      peer.exact = exact;
      peer.search = [&data, direct](std::size_t q, std::size_t depth, std::size_t ef) {
        direct.set_ef(ef);
        return direct.search(data.query(q), depth);
      };
    }
    for (const Indexes& indexes : setting.indexes) {
      const std::string name = setting.name + ", " + name_of(indexes);
      if (!wanted(name)) continue;
      Peer& peer = peers.emplace_back();
      peer.name = name;
      std::fprintf(stderr, "building %s\n", peer.name.c_str());
      const auto start = Clock::now();
      const AnyRetriever retriever = build(setting.spec, indexes, data, options);
      peer.build_seconds = seconds_since(start);
      peer.bytes = retriever.memory_bytes();
      peer.exact = exact;
      const bool looks_up = setting.spec.method == Method::xl;
      const std::size_t query_ef = looks_up ? query_ef_for(retriever, data, *exact) : 0;
      if (looks_up) std::printf("%s looks its training queries up with ef = %zu\n", peer.name.c_str(), query_ef);
      peer.search = search_of(retriever, data, query_ef);
    }
  }
  return peers;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Latency, bytes and task recall of ERM, PEFA-XS and PEFA-XL against hnswlib");
  Options options;
  options.add_to(app);
  std::vector<std::string> only;
  app.add_option("--only", only, "settings whose names begin so, as \"XS rank\" (default: all)");
  CLI11_PARSE(app, argc, argv);
  try {
    const DataSet data = DataSet::read(options.folder);
    const ThreadExecutor threads(options.threads);
    const std::size_t n_queries = std::min(options.queries, data.test_queries.size());
    std::printf("%s\n%zu passages, %zu training queries, dim %zu; %zu test queries, k = %zu\n", machine().c_str(),
                data.passages.size(), data.train_queries.size(), data.passages.dim(), n_queries, k);
    std::vector<Peer> peers = build_peers(data, data.test_queries.view().slice(0, n_queries), {threads}, threads, only);

    std::fprintf(stderr, "measuring\n");
    measure(peers, k, efs, options.rounds);

    if (peers[0].curve.front().recall >= target) {
      std::printf(
          "\nhnswlib's narrowest beam finds more than R@100 = 0.99 on so few passages: times are upper bounds\n");
    }
    const auto baseline = milliseconds_for(peers[0].curve, target);
    if (!baseline) throw ValueError("hnswlib does not reach R@100 = 0.99 on these data");
    nlohmann::ordered_json json{{"machine", machine()}, {"data", options.folder}, {"queries", n_queries}};
    std::printf("\n%-26s%10s%11s%12s%9s%12s%9s%12s%11s%12s\n", "method", "R at 300", "ms at .99", "of hnswlib",
                "all MiB", "of hnswlib", "build s", "of hnswlib", "Recall@10", "Recall@100");
    for (const Peer& peer : peers) {
      const auto time = milliseconds_for(peer.curve, target);
      const double bytes = static_cast<double>(peer.bytes) / static_cast<double>(peers[0].bytes);
      const double built = peer.build_seconds / peers[0].build_seconds;
      const TaskRecall task = evaluate_task(peer, data, n_queries, default_ef);
      std::printf("%-26s%10.4f", peer.name.c_str(), recall_at_ef(peer, default_ef));
      if (time) {
        std::printf("%11.3f%12.2f", *time, *time / *baseline);
      } else {
        std::printf("%11s%12s", "-", "-");
      }
      std::printf("%9.1f%12.2f%9.1f%12.2f%11.1f%12.1f\n", static_cast<double>(peer.bytes) / (1 << 20), bytes,
                  peer.build_seconds, built, 100 * task.at_10, 100 * task.at_100);
      auto& one = json["methods"][peer.name];
      one = {{"ann_recall_at_default_ef", recall_at_ef(peer, default_ef)},
             {"all_bytes", peer.bytes},
             {"build_seconds", peer.build_seconds},
             {"recall@10", task.at_10},
             {"recall@100", task.at_100}};
      for (const Point& point : peer.curve) {
        const TaskRecall at_ef = evaluate_task(peer, data, n_queries, point.ef);
        one["curve"].push_back({{"ef", point.ef},
                                {"recall", point.recall},
                                {"recall@10", at_ef.at_10},
                                {"recall@100", at_ef.at_100},
                                {"ms", point.milliseconds},
                                {"p99_ms", point.p99}});
      }
      if (time) {
        one["ms_at_0.99"] = *time;
        json["latency_vs_hnswlib_erm"][peer.name] = *time / *baseline;
      }
      json["bytes_vs_hnswlib_erm"][peer.name] = bytes;
      json["build_vs_hnswlib_erm"][peer.name] = built;
    }
    std::printf("\nann_recall@100 / Recall@10 / Recall@100 on the task over ef\n%-26s", "method");
    for (const std::size_t ef : efs) std::printf("%24zu", ef);
    for (const Peer& peer : peers) {
      std::printf("\n%-26s", peer.name.c_str());
      for (const auto& point : json["methods"][peer.name]["curve"]) {
        std::printf("%10.4f /%5.1f /%5.1f", point["recall"].get<double>(), 100 * point["recall@10"].get<double>(),
                    100 * point["recall@100"].get<double>());
      }
    }
    std::printf("\n");
    options.write(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_adapters: %s\n", error.what());
    return 1;
  }
}
