// pefa bench: latency on one thread by the protocol of ANN-benchmarks, one query at a time, the best of several runs;
// and what an approximate index loses against exact search, for a range of beam widths.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "interrupt.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "output.hpp"
#include "pefa/adapter/retriever_spec_json.hpp"
#include "pefa/adapter/spec_text.hpp"
#include "pefa/eval/statistics.hpp"
#include "source.hpp"

namespace pefa::cli {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

/// One beam width.
struct Point {
  std::optional<std::size_t> ef;  ///< none: the index has no beam
  double recall = 0.0;
  double ms = 0.0;  ///< the mean of the best run
  double p50 = 0.0;
  double p99 = 0.0;
  double qps = 0.0;         ///< of the best run
  double median_qps = 0.0;  ///< of all runs
};

struct Subject {
  AnyRetriever retriever;
  std::optional<double> build_seconds;
  std::size_t index_bytes = 0;
  std::string name;       ///< for people
  SearchOptions options;  ///< of every search
  std::size_t judgements_skipped = 0;
};

double share_found(const std::vector<Hit>& found, const std::vector<Hit>& exact) {
  std::vector<Row> expected;
  for (const Hit& hit : exact) expected.push_back(hit.passage.row());
  std::sort(expected.begin(), expected.end());
  const auto hits = std::count_if(found.begin(), found.end(), [&](const Hit& hit) {
    return std::binary_search(expected.begin(), expected.end(), hit.passage.row());
  });
  return expected.empty() ? 1.0 : static_cast<double>(hits) / static_cast<double>(expected.size());
}

struct BenchCommand {
  Source source;
  std::vector<std::size_t> efs{10, 20, 40, 80, 160, 320, 640};
  const CLI::Option* ef_option = nullptr;
  std::size_t query_ef = 0;
  std::size_t top_k = 10;
  std::size_t runs = 5;
  std::size_t max_queries = 1000;
  std::size_t threads = 0;
  Output output;

  void run() const {
    const DataFiles& files = source.files();
    if (source.is_archive()) {
      const OpenArchive archive = source.open();
      return measure(
          {archive.retriever, std::nullopt, archive.index_bytes(), archive.name, source.with_overrides({}, archive), 0},
          files.read_test_queries(archive.passage_side()));
    }
    const RetrieverSpec spec = source.spec();
    const TrainingData training = source.read_training(spec);
    const EmbeddingStore<float> queries = files.read_test_queries(files.passage_side(training));
    Built built = build_with_progress(spec, training, threads, output.verbosity());
    measure(
        {std::move(built.retriever), built.seconds, built.index_bytes, describe(spec), {}, training.judgements_skipped},
        queries);
  }

  [[nodiscard]] static bool is_flat(const RetrieverSpec& spec) {
    return spec.index.kind == IndexKind::flat &&
           (spec.method != Method::xl || spec.query_index.kind == IndexKind::flat);
  }

  void measure(const Subject& subject, const EmbeddingStore<float>& all) const {
    const EmbeddingView<float> queries = all.view().slice(0, std::min(all.size(), max_queries));
    const RetrieverSpec& spec = subject.retriever.spec();
    if (query_ef != 0 && spec.method != Method::xl) {
      throw ValueError(fmt::format("--query-ef is for --method xl, not {}", name(spec.method)));
    }
    if (is_flat(spec) && (ef_option->count() > 0 || query_ef != 0)) {
      throw ValueError("--ef is for graphs and partitions, not flat, which is exact");
    }
    const auto exact = exact_results(subject, queries);
    std::vector<Point> curve;
    if (is_flat(spec)) {
      curve.push_back(point(subject, queries, exact, std::nullopt));
    } else {
      for (const std::size_t ef : efs) curve.push_back(point(subject, queries, exact, ef));
    }
    output.result(table(subject, curve, queries.size()), json(subject, curve, queries.size()));
  }

  [[nodiscard]] std::vector<std::vector<Hit>> exact_results(const Subject& subject,
                                                            const EmbeddingView<float>& queries) const {
    ProgressBar bar("exact search", output.verbosity());
    const Progress progress = bar.callback();
    ProgressMeter meter(progress, queries.size(), "exact search");
    const InterruptibleExecutor executor(threads);
    std::vector<std::vector<Hit>> exact(queries.size());
    executor.run(queries.size(), [&](std::size_t i) {
      exact[i] = subject.retriever.exact_search({queries.row(i), queries.dim()}, top_k, subject.options);
      meter.add(1);
    });
    return exact;
  }

  [[nodiscard]] Point point(const Subject& subject, const EmbeddingView<float>& queries,
                            const std::vector<std::vector<Hit>>& exact, std::optional<std::size_t> ef) const {
    SearchOptions options = subject.options;
    options.ef = ef.value_or(0);
    options.query_ef = query_ef != 0 ? query_ef : options.ef;
    ProgressBar bar(ef ? fmt::format("searching, ef {}", *ef) : "searching", output.verbosity());
    const Progress progress = bar.callback();
    ProgressMeter meter(progress, runs * queries.size(), "bench");

    Point result{.ef = ef};
    std::vector<double> rates;
    for (std::size_t i = 0; i < std::min<std::size_t>(queries.size(), 32); ++i) {  // warms caches, untimed
      (void)subject.retriever.search({queries.row(i), queries.dim()}, top_k, options);
    }
    for (std::size_t run = 0; run < runs; ++run) {
      std::vector<double> milliseconds(queries.size());
      double recall = 0.0;
      for (std::size_t i = 0; i < queries.size(); ++i) {
        const QueryView query(queries.row(i), queries.dim());
        const auto start = Clock::now();
        const std::vector<Hit> hits = subject.retriever.search(query, top_k, options);
        milliseconds[i] = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
        recall += share_found(hits, exact[i]);
        meter.add(1);
      }
      const auto n = static_cast<double>(queries.size());
      const double mean = std::accumulate(milliseconds.begin(), milliseconds.end(), 0.0) / n;
      rates.push_back(1e3 / mean);
      if (run == 0 || mean < result.ms) {
        result.recall = recall / n;
        result.ms = mean;
        result.p50 = percentile(milliseconds, 0.50);
        result.p99 = percentile(milliseconds, 0.99);
        result.qps = rates.back();
      }
    }
    result.median_qps = percentile(rates, 0.50);
    return result;
  }

  [[nodiscard]] std::string table(const Subject& subject, const std::vector<Point>& curve, std::size_t n) const {
    std::string text = fmt::format("{:>6}{:>12}{:>10}{:>10}{:>10}{:>10}\n", "ef", fmt::format("recall@{}", top_k), "ms",
                                   "p50 ms", "p99 ms", "qps");
    for (const Point& each : curve) {
      text += fmt::format("{:>6}{:>12.4f}{:>10.3f}{:>10.3f}{:>10.3f}{:>10.0f}\n",
                          each.ef ? std::to_string(*each.ef) : "-", each.recall, each.ms, each.p50, each.p99, each.qps);
    }
    return text + fmt::format(
                      "{}, {} index: {} queries one at a time on one thread, best of {} runs; recall against "
                      "exact search\n",
                      subject.name, name(subject.retriever.spec().index.kind), n, runs);
  }

  [[nodiscard]] Json json(const Subject& subject, const std::vector<Point>& curve, std::size_t n) const {
    Json json = to_json(with_arguments(subject.retriever.spec(), subject.options));
    json["passages"] = subject.retriever.passage_count();
    json["dim"] = subject.retriever.dim();
    json["top_k"] = top_k;
    json["queries"] = n;
    json["runs"] = runs;
    json["judgements_skipped"] = subject.judgements_skipped;
    json["build_seconds"] = subject.build_seconds ? Json(*subject.build_seconds) : Json(nullptr);
    json["index_bytes"] = subject.index_bytes;
    json["curve"] = Json::array();
    for (const Point& each : curve) {
      json["curve"].push_back({{"ef", each.ef ? Json(*each.ef) : Json(nullptr)},
                               {"recall", each.recall},
                               {"ms", each.ms},
                               {"p50_ms", each.p50},
                               {"p99_ms", each.p99},
                               {"qps", each.qps},
                               {"median_qps", each.median_qps}});
    }
    json["pefa_version"] = version();
    return json;
  }
};

}  // namespace

void add_bench_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("bench", "Time single queries over a range of ef, and recall against exact");
  const auto bench = std::make_shared<BenchCommand>();
  bench->source.add_options(command);
  bench->source.files().add_test_queries(command);
  bench->source.files().add_reading(command);
  bench->ef_option = command.add_option("--ef", bench->efs, "beam widths of the curve")
                         ->delimiter(',')
                         ->check(CLI::PositiveNumber)
                         ->capture_default_str()
                         ->group(groups::search);
  command.add_option("--query-ef", bench->query_ef, "XL: beam width on the training queries (default: as --ef)")
      ->check(CLI::PositiveNumber)
      ->group(groups::search);
  command.add_option("--top-k", bench->top_k, "passages a query asks for")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(groups::search);
  command.add_option("--runs", bench->runs, "runs over all queries, of which the best counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(groups::measurement);
  command.add_option("--max-queries", bench->max_queries, "how many test queries are used at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(groups::measurement);
  command.add_option("--threads", bench->threads, "threads of the build and the exact search (default: all)")
      ->check(CLI::PositiveNumber);
  bench->output.add_options(command);
  command.footer(
      "Examples:\n"
      "  pefa bench x.pefa --test-queries T.npy --ef 20,40,80,160 --json bench.json\n"
      "  pefa bench --passages P.npy --test-queries T.npy --method erm --index quantized --top-k 100");
  command.callback([bench] { bench->run(); });
}

}  // namespace pefa::cli
