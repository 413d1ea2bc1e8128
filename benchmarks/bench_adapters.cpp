// What do the adapters cost, and what do they give? The plain model, PEFA-XS and PEFA-XL end to end over
// QuantizedHnswIndex, against hnswlib called directly for the plain model: latency where each finds 99 % of what its
// own exact search finds, bytes without the exact rows, seconds to build, and Recall@10 and @100 on the task; then what
// a wider beam gives on the task.
#include <cstdio>

#include "bench_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

using Index = QuantizedHnswIndex<>;
using Xl = PefaXl<float, Index, Index, SoftmaxGate>;
using ExactXl = PefaXl<float, FlatIndex<>, FlatIndex<>, SoftmaxGate>;

constexpr std::size_t k = 100;
constexpr std::size_t default_ef = 300;
constexpr float xs_lambda = 0.5f;
constexpr float xl_lambda = 0.1f;
constexpr double target = 0.99;
const std::vector<std::size_t> efs{100, 130, 170, 220, default_ef, 400, 550, 800, 1200};

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

/// PEFA-XS by least squares, rows balanced at a rank, or for raw queries (0).
template <class OverIndex>
typename PefaXs<float, OverIndex>::Params solved(std::size_t balance, const typename OverIndex::Params& index) {
  return {.lambda = 0.1f,
          .rule = FoldRule::least_squares,
          .least_squares = {.shrinkage = 0.1f, .passages_as_queries = 0.3f},
          .balance = balance,
          .index = index};
}

std::shared_ptr<const std::vector<std::vector<Row>>> share(std::vector<std::vector<Row>> rows) {
  return std::make_shared<const std::vector<std::vector<Row>>>(std::move(rows));
}

/// The smallest ef at which the index of training queries finds 99 % of the `neighbors` nearest.
std::size_t query_ef_for(const Index& index, const FlatIndex<>& exact, const EmbeddingView<float>& queries,
                         std::size_t neighbors) {
  const auto nearest = search_batch(exact, queries, neighbors);
  for (std::size_t ef = neighbors;; ef += ef / 4) {
    double recall = 0.0;
    for (std::size_t q = 0; q < queries.size(); ++q) {
      recall += ann_recall(index.search({queries.row(q), queries.dim()}, neighbors, {.ef = ef}), nearest[q]);
    }
    if (recall >= target * static_cast<double>(queries.size()) || ef > 2000) return ef;
  }
}

double recall_at_ef(const Peer& peer, std::size_t ef) {
  for (const Point& point : peer.curve) {
    if (point.ef == ef) return point.recall;
  }
  return 0.0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Latency, bytes and task recall of ERM, PEFA-XS and PEFA-XL against hnswlib");
  Options options;
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    const DataSet data = DataSet::read(options.folder);
    const ThreadExecutor threads(options.threads);
    const BuildOptions build{threads};
    const std::size_t n_queries = std::min(options.queries, data.test_queries.size());
    const EmbeddingView<float> queries = data.test_queries.view().slice(0, n_queries);
    const EmbeddingView<float> passages = data.passages.view();
    const EmbeddingView<float> training = data.train_queries.view();
    std::printf("%s\n%zu passages, %zu training queries, dim %zu; %zu test queries, k = %zu\n", machine().c_str(),
                passages.size(), training.size(), passages.dim(), n_queries, k);

    std::fprintf(stderr, "building hnswlib\n");
    auto start = Clock::now();
    const DirectHnswlib direct(passages, threads);
    const double direct_seconds = seconds_since(start);
    std::fprintf(stderr, "building PEFA-XS\n");
    const Index::Params borrowing{.graph = {.m = m, .ef_construction = ef_construction}, .rows = Rows::borrow};
    start = Clock::now();
    const auto xs = PefaXs<float, Index>::build(passages, training, data.train_relevance,
                                                {.lambda = xs_lambda, .index = borrowing}, build);
    const double xs_seconds = seconds_since(start);
    std::fprintf(stderr, "building PEFA-XL\n");
    start = Clock::now();
    const auto xl = Xl::build(passages, training, data.train_relevance,
                              {.lambda = xl_lambda, .passage_index = borrowing, .query_index = borrowing}, build);
    const double xl_seconds = seconds_since(start);
    const Index& erm = xl.passage_index();

    std::fprintf(stderr, "exact search\n");
    const FlatParams flat{.rows = Rows::borrow};
    const auto exact_erm = FlatIndex<>::build(passages, flat);
    const auto exact_xs = PefaXs<float, FlatIndex<>>::build(passages, training, data.train_relevance,
                                                            {.lambda = xs_lambda, .index = flat});
    const auto exact_xl = ExactXl::build(passages, training, data.train_relevance,
                                         {.lambda = xl_lambda, .passage_index = flat, .query_index = flat});
    const auto erm_rows = share(rows_of(search_batch(exact_erm, queries, k)));

    std::vector<Peer> peers;
    const auto add = [&](const std::string& name, double build_seconds, std::size_t bytes, const Search& search,
                         const auto& rows) {
      peers.push_back({.name = name, .build_seconds = build_seconds, .bytes = bytes, .search = search, .exact = rows});
    };
    add(
        "hnswlib ERM", direct_seconds, direct.bytes(),
        [&](std::size_t q, std::size_t depth, std::size_t ef) {
          direct.set_ef(ef);
          return direct.search(data.query(q), depth);
        },
        erm_rows);
    add(
        "ERM", 0.0, erm.served_bytes(),
        [&](std::size_t q, std::size_t depth, std::size_t ef) {
          return rows_of(erm.search(data.query(q), depth, {.ef = ef}));
        },
        erm_rows);
    add(
        "XS", xs_seconds, xs.index().served_bytes(),
        [&](std::size_t q, std::size_t depth, std::size_t ef) {
          return rows_of(xs.search(data.query(q), depth, {.ef = ef}));
        },
        share(rows_of(exact_xs.search_batch(queries, k))));
    std::vector<std::unique_ptr<PefaXs<float, Index>>> by_least_squares;
    for (const std::size_t balance : {std::size_t{0}, passages.dim(), passages.dim() / 2}) {
      std::fprintf(stderr, "building PEFA-XS by least squares, balanced at rank %zu\n", balance);
      start = Clock::now();
      by_least_squares.push_back(std::make_unique<PefaXs<float, Index>>(PefaXs<float, Index>::build(
          passages, training, data.train_relevance, solved<Index>(balance, {.graph = borrowing.graph}), build)));
      const double seconds = seconds_since(start);
      const PefaXs<float, Index>& built = *by_least_squares.back();
      const auto exact = PefaXs<float, FlatIndex<>>::build(passages, training, data.train_relevance,
                                                           solved<FlatIndex<>>(balance, {}), build);
      add(
          balance == 0 ? "XS solved" : "XS solved r" + std::to_string(balance), seconds,
          built.index().served_bytes() + built.fitted().memory_bytes(),
          [&data, &built](std::size_t q, std::size_t depth, std::size_t ef) {
            return rows_of(built.search(data.query(q), depth, {.ef = ef}));
          },
          share(rows_of(exact.search_batch(queries, k))));
    }
    const std::size_t xl_bytes =
        erm.served_bytes() + xl.query_index().served_bytes() + data.train_relevance.memory_bytes();
    for (const std::size_t neighbors : {16U, 32U, 64U}) {
      const std::size_t query_ef = query_ef_for(xl.query_index(), exact_xl.query_index(), queries, neighbors);
      std::printf("XL k = %zu looks its training queries up with ef = %zu\n", neighbors, query_ef);
      add(
          neighbors == 16   ? "XL k=16"
          : neighbors == 32 ? "XL k=32"
                            : "XL k=64",
          xl_seconds, xl_bytes,
          [&, neighbors, query_ef](std::size_t q, std::size_t depth, std::size_t ef) {
            return rows_of(xl.search(data.query(q), depth, {.ef = ef, .query_ef = query_ef, .neighbors = neighbors}));
          },
          share(rows_of(exact_xl.search_batch(queries, k, {.neighbors = neighbors}))));
    }

    std::fprintf(stderr, "measuring\n");
    measure(peers, k, efs, options.rounds);

    if (peers[0].curve.front().recall >= target) {
      std::printf(
          "\nhnswlib's narrowest beam finds more than R@100 = 0.99 on so few passages: times are upper bounds\n");
    }
    const auto baseline = milliseconds_for(peers[0].curve, target);
    if (!baseline) throw ValueError("hnswlib does not reach R@100 = 0.99 on these data");
    nlohmann::ordered_json json{{"machine", machine()}, {"data", options.folder}, {"queries", n_queries}};
    std::printf("\n%-14s%12s%12s%12s%12s%12s%12s%12s%12s\n", "method", "R at 300", "ms at .99", "of hnswlib", "MiB",
                "of hnswlib", "build s", "Recall@10", "Recall@100");
    for (std::size_t i = 0; i < peers.size(); ++i) {
      const Peer& peer = peers[i];
      const double time = milliseconds_for(peer.curve, target).value_or(-1.0);
      const double bytes = static_cast<double>(peer.bytes) / static_cast<double>(peers[0].bytes);
      const TaskRecall task = evaluate_task(peer, data, n_queries, default_ef);
      std::printf("%-14s%12.4f%12.3f%12.2f%12.1f%12.2f%12.1f%12.1f%12.1f\n", peer.name.c_str(),
                  recall_at_ef(peer, default_ef), time, time / *baseline, static_cast<double>(peer.bytes) / (1 << 20),
                  bytes, peer.build_seconds, 100 * task.at_10, 100 * task.at_100);
      auto& one = json["methods"][peer.name];
      one = {{"ann_recall_at_default_ef", recall_at_ef(peer, default_ef)},
             {"ms_at_0.99", time},
             {"bytes", peer.bytes},
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
      const std::string key = peer.name == "XS" ? "xs" : peer.name == "XL k=32" ? "xl" : "";
      if (key.empty()) continue;
      json["latency_vs_hnswlib_erm"][key] = time / *baseline;
      json["bytes_vs_hnswlib_erm"][key] = bytes;
    }
    std::printf("\nann_recall@100 / Recall@10 / Recall@100 on the task over ef\n%-14s", "method");
    for (const std::size_t ef : efs) std::printf("%24zu", ef);
    for (const Peer& peer : peers) {
      std::printf("\n%-14s", peer.name.c_str());
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
