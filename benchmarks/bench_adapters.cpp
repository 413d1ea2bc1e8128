// What do the adapters cost, and what do they give? The plain model, PEFA-XS and PEFA-XL end to end over
// QuantizedHnswIndex, against hnswlib called directly for the plain model: latency where each finds 99 % of what its
// own exact search finds, bytes without the exact rows, and Recall@10 and @100 on the task.
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

/// A method under test: its peer, and how good its exact results are on the task.
struct Subject {
  Peer peer;
  double recall_at_10 = 0.0;
  double recall_at_100 = 0.0;
};

/// Task recall of the method's own search at the default ef.
void evaluate_task(Subject& method, const DataSet& data, std::size_t n_queries) {
  double at_10 = 0.0;
  double at_100 = 0.0;
  std::size_t counted = 0;
  for (std::size_t q = 0; q < n_queries; ++q) {
    const auto truth = data.test_relevance.passages_of(QueryId(static_cast<Row>(q)));
    if (truth.size() == 0) continue;
    ++counted;
    std::vector<Hit> hits;
    for (const Row row : method.peer.search(q, k, default_ef)) hits.push_back({PassageId(row), 0.0f});
    at_10 += recall_at(hits, truth, 10);
    at_100 += recall_at(hits, truth, 100);
  }
  method.recall_at_10 = at_10 / static_cast<double>(counted);
  method.recall_at_100 = at_100 / static_cast<double>(counted);
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
    const DirectHnswlib direct(passages, threads);
    std::fprintf(stderr, "building PEFA-XS\n");
    const Index::Params borrowing{.graph = {.m = m, .ef_construction = ef_construction}, .rows = Rows::borrow};
    const auto xs = PefaXs<float, Index>::build(passages, training, data.train_relevance,
                                                {.lambda = xs_lambda, .index = borrowing}, build);
    std::fprintf(stderr, "building PEFA-XL\n");
    const auto xl = Xl::build(passages, training, data.train_relevance,
                              {.lambda = xl_lambda, .passage_index = borrowing, .query_index = borrowing}, build);
    const Index& erm = xl.passage_index();

    std::fprintf(stderr, "exact search\n");
    const FlatParams flat{.rows = Rows::borrow};
    const auto exact_erm = FlatIndex<>::build(passages, flat);
    const auto exact_xs = PefaXs<float, FlatIndex<>>::build(passages, training, data.train_relevance,
                                                            {.lambda = xs_lambda, .index = flat});
    const auto exact_xl = ExactXl::build(passages, training, data.train_relevance,
                                         {.lambda = xl_lambda, .passage_index = flat, .query_index = flat});
    const auto erm_rows = share(rows_of(search_batch(exact_erm, queries, k)));

    std::vector<Subject> methods;
    const auto add = [&](const char* name, std::size_t bytes, const Search& search, const auto& rows) {
      methods.push_back({.peer = {.name = name, .bytes = bytes, .search = search, .exact = rows}});
    };
    add(
        "hnswlib ERM", direct.bytes(),
        [&](std::size_t q, std::size_t depth, std::size_t ef) {
          direct.set_ef(ef);
          return direct.search(data.query(q), depth);
        },
        erm_rows);
    add(
        "ERM", erm.served_bytes(),
        [&](std::size_t q, std::size_t depth, std::size_t ef) {
          return rows_of(erm.search(data.query(q), depth, {.ef = ef}));
        },
        erm_rows);
    add(
        "XS", xs.index().served_bytes(),
        [&](std::size_t q, std::size_t depth, std::size_t ef) {
          return rows_of(xs.search(data.query(q), depth, {.ef = ef}));
        },
        share(rows_of(exact_xs.search_batch(queries, k))));
    const std::size_t xl_bytes =
        erm.served_bytes() + xl.query_index().served_bytes() + data.train_relevance.memory_bytes();
    for (const std::size_t neighbors : {16U, 32U, 64U}) {
      const std::size_t query_ef = query_ef_for(xl.query_index(), exact_xl.query_index(), queries, neighbors);
      std::printf("XL k = %zu looks its training queries up with ef = %zu\n", neighbors, query_ef);
      add(
          neighbors == 16   ? "XL k=16"
          : neighbors == 32 ? "XL k=32"
                            : "XL k=64",
          xl_bytes,
          [&, neighbors, query_ef](std::size_t q, std::size_t depth, std::size_t ef) {
            return rows_of(xl.search(data.query(q), depth, {.ef = ef, .query_ef = query_ef, .neighbors = neighbors}));
          },
          share(rows_of(exact_xl.search_batch(queries, k, {.neighbors = neighbors}))));
    }

    std::vector<Peer> peers;
    for (Subject& method : methods) {
      evaluate_task(method, data, n_queries);
      peers.push_back(method.peer);
    }
    std::fprintf(stderr, "measuring\n");
    measure(peers, k, {100, 130, 170, 220, default_ef, 400, 550, 800}, options.rounds);

    if (peers[0].curve.front().recall >= target) {
      std::printf(
          "\nhnswlib's narrowest beam finds more than R@100 = 0.99 on so few passages: times are upper bounds\n");
    }
    const auto baseline = milliseconds_for(peers[0].curve, target);
    if (!baseline) throw ValueError("hnswlib does not reach R@100 = 0.99 on these data");
    nlohmann::ordered_json json{{"machine", machine()}, {"data", options.folder}, {"queries", n_queries}};
    std::printf("\n%-14s%12s%12s%12s%12s%12s%12s%12s\n", "method", "R at 300", "ms at .99", "of hnswlib", "MiB",
                "of hnswlib", "Recall@10", "Recall@100");
    for (std::size_t i = 0; i < peers.size(); ++i) {
      const Peer& peer = peers[i];
      const double time = milliseconds_for(peer.curve, target).value_or(-1.0);
      const double bytes = static_cast<double>(peer.bytes) / static_cast<double>(peers[0].bytes);
      std::printf("%-14s%12.4f%12.3f%12.2f%12.1f%12.2f%12.1f%12.1f\n", peer.name.c_str(),
                  recall_at_ef(peer, default_ef), time, time / *baseline, static_cast<double>(peer.bytes) / (1 << 20),
                  bytes, 100 * methods[i].recall_at_10, 100 * methods[i].recall_at_100);
      auto& one = json["methods"][peer.name];
      one = {{"ann_recall_at_default_ef", recall_at_ef(peer, default_ef)},
             {"ms_at_0.99", time},
             {"bytes", peer.bytes},
             {"recall@10", methods[i].recall_at_10},
             {"recall@100", methods[i].recall_at_100}};
      for (const Point& point : peer.curve) {
        one["curve"].push_back(
            {{"ef", point.ef}, {"recall", point.recall}, {"ms", point.milliseconds}, {"p99_ms", point.p99}});
      }
      const std::string key = peer.name == "XS" ? "xs" : peer.name == "XL k=32" ? "xl" : "";
      if (key.empty()) continue;
      json["latency_vs_hnswlib_erm"][key] = time / *baseline;
      json["bytes_vs_hnswlib_erm"][key] = bytes;
    }
    options.write(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_adapters: %s\n", error.what());
    return 1;
  }
}
