// pefa fuse: runs of the same queries fused into one: a lexical search beside a retriever of vectors. The weights are
// given, tuned on judgements, or those that another call has tuned.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "data_files.hpp"
#include "interrupt.hpp"
#include "metric_option.hpp"
#include "option_groups.hpp"
#include "output.hpp"
#include "pefa/eval/fuse.hpp"
#include "pefa/eval/tune_fusion.hpp"
#include "pefa/io/relevance/judged_ids.hpp"
#include "pefa/io/relevance/relevance_file.hpp"
#include "pefa/io/results/trec_run.hpp"
#include "pefa/io/results/trec_runs.hpp"

namespace pefa::cli {
namespace {

using FuseJson = nlohmann::ordered_json;

FuseJson entry_json(const FusionEntry& entry) {
  return {{"method", name(entry.params.method)},
          {"weights", entry.params.weights},
          {"rank_constant", entry.params.rank_constant},
          {"score", entry.score}};
}

std::string weights_text(const std::vector<double>& weights) {
  std::string text;
  for (const double weight : weights) text += fmt::format("{}{:.3g}", text.empty() ? "" : ",", weight);
  return text;
}

struct FuseCommand {
  std::vector<std::filesystem::path> paths;
  std::string method;
  std::vector<double> weights;
  double rank_constant = FuseParams{}.rank_constant;
  std::filesystem::path judgements;
  std::string relevance_format;
  std::string metric = "recall@10";
  std::filesystem::path tuned;
  std::filesystem::path out;
  const CLI::Option* rank_constant_option = nullptr;
  std::size_t top_k = 0;
  std::string tag = "fused";
  Output output;

  void run() const {
    if (paths.size() < 2) throw CLI::ValidationError("runs", "one run given, expected two or more");
    if (out.empty() && judgements.empty()) throw CLI::RequiredError("--out");
    if (!weights.empty() && weights.size() != paths.size()) {
      throw CLI::ValidationError(
          "--weights", fmt::format("{} weights for {} runs, expected one each", weights.size(), paths.size()));
    }
    if (rank_constant_option->count() > 0 && (method == "dbsf" || method == "linear")) {
      throw CLI::ValidationError("--rank-constant", "is for --method rrf, not " + method);
    }
    for (const std::filesystem::path& path : paths) require_file(path);
    std::string text;
    FuseJson json;
    if (judgements.empty()) {
      const io::TrecRuns runs = read_runs({});
      json["fused"] = fuse_and_write(runs, tuned.empty() ? given() : read_tuned(), text);
    } else {
      const io::JudgedIds judged = read_judged();
      const io::TrecRuns runs = read_runs(judged);
      const FusionReport report = tune(runs);
      text = to_text(report);
      json = to_json(report);
      if (!out.empty()) json["fused"] = fuse_and_write(runs, report.pick, text);
    }
    json["pefa_version"] = version();
    judgements.empty() ? output.summary(text, json) : output.result(text, json);
  }

  [[nodiscard]] FuseParams given() const {
    return {.method = parse_enum<FuseMethod>(method).value_or(FuseMethod::rrf),
            .weights = weights,
            .rank_constant = rank_constant};
  }

  /// The pick that --tune --json wrote.
  [[nodiscard]] FuseParams read_tuned() const {
    require_file(tuned);
    std::ifstream in(tuned);
    const FuseJson json = FuseJson::parse(in, nullptr, false);
    FuseParams pick;
    try {
      const FuseJson& entry = json.at("pick");
      const auto parsed = parse_enum<FuseMethod>(entry.at("method").get<std::string>());
      if (!parsed) throw ValueError("no such method");
      pick = {.method = *parsed,
              .weights = entry.at("weights").get<std::vector<double>>(),
              .rank_constant = entry.at("rank_constant").get<double>()};
    } catch (const std::exception&) {
      throw FormatError(tuned.string() +
                        ": is not what pefa fuse --tune --json writes: expected a pick with method, weights and "
                        "rank_constant");
    }
    if (pick.weights.size() != paths.size()) {
      throw ValueError(fmt::format("{}: was tuned on {} runs, given {}; expected the same runs in the same order",
                                   tuned.string(), pick.weights.size(), paths.size()));
    }
    return pick;
  }

  [[nodiscard]] std::optional<io::RelevanceFormat> format() const {
    if (relevance_format.empty()) return std::nullopt;
    return io::parse_relevance_format(relevance_format);
  }

  [[nodiscard]] io::JudgedIds read_judged() const {
    require_file(judgements);
    const EndAtOnce reading;
    return io::read_judged_ids(judgements, format());
  }

  [[nodiscard]] io::TrecRuns read_runs(const io::JudgedIds& judged) const {
    const EndAtOnce reading;
    return io::read_trec_runs(paths, judged.queries, judged.passages);
  }

  [[nodiscard]] FusionReport tune(const io::TrecRuns& runs) const {
    TuneFusionOptions options;
    std::tie(options.metric, options.at) = metric_of(metric);
    if (const auto only = parse_enum<FuseMethod>(method)) options.methods = {*only};
    options.rank_constant = rank_constant;
    const InterruptibleExecutor executor(0);
    options.executor = executor;
    const io::Judgements read = io::read_relevance(judgements, runs.queries, runs.passages, format());
    warn_of_missing(runs, read.relevance);
    return tune_fusion(runs.results, read.relevance, options);
  }

  /// A run without hits for many of the queries is of other queries, or of a sample, and looks worse than it is.
  void warn_of_missing(const io::TrecRuns& runs, const RelevanceMatrix& truth) const {
    std::size_t asked = 0;
    std::vector<std::size_t> missing(paths.size());
    for (Row query = 0; query < truth.rows(); ++query) {
      if (truth.passages_of(QueryId(query)).size() == 0) continue;
      std::vector<bool> lacks;
      for (const Run& run : runs.results) lacks.push_back(run[query].empty());
      if (std::all_of(lacks.begin(), lacks.end(), [](bool each) { return each; })) continue;
      ++asked;
      for (std::size_t i = 0; i < lacks.size(); ++i) missing[i] += lacks[i] ? 1U : 0U;
    }
    for (std::size_t i = 0; i < paths.size(); ++i) {
      if (20 * missing[i] <= asked) continue;
      std::fprintf(stderr, "pefa: %s: no hits for %zu of the %zu judged queries: are the runs of the same queries?\n",
                   paths[i].c_str(), missing[i], asked);
    }
  }

  FuseJson fuse_and_write(const io::TrecRuns& runs, FuseParams params, std::string& text) const {
    params.top_k = top_k;
    const Run fused = fuse_runs(runs.results, params);
    io::write_trec_run(out, fused, runs.queries, runs.passages, tag, interrupted);
    const auto queries = std::count_if(fused.begin(), fused.end(), [](const auto& hits) { return !hits.empty(); });
    const std::string by = params.weights.empty() ? "" : ", weights " + weights_text(params.weights);
    text +=
        fmt::format("{}: {} queries of {} runs, {}{}\n", out.string(), queries, paths.size(), name(params.method), by);
    return {{"out", out.string()},
            {"queries", queries},
            {"method", name(params.method)},
            {"weights", params.weights},
            {"rank_constant", params.rank_constant}};
  }

  /// The runs alone, the best of each method, and the pick.
  [[nodiscard]] std::string to_text(const FusionReport& report) const {
    std::vector<std::pair<std::string, const FusionEntry*>> lines;
    for (std::size_t leg = 0; leg < paths.size(); ++leg) {
      lines.emplace_back(paths[leg].filename().string() + " alone", &report.tried[leg]);
    }
    std::vector<const FusionEntry*> best(enum_names<FuseMethod>.size(), nullptr);
    for (std::size_t i = paths.size(); i < report.tried.size(); ++i) {
      const FusionEntry& entry = report.tried[i];
      const FusionEntry*& of_method = best[static_cast<std::size_t>(entry.params.method)];
      if (of_method == nullptr || entry.score > of_method->score) of_method = &entry;
    }
    for (const FusionEntry* entry : best) {
      if (entry == nullptr) continue;
      lines.emplace_back(fmt::format("{}, weights {}", name(entry->params.method), weights_text(entry->params.weights)),
                         entry);
    }
    std::size_t width = 0;
    for (const auto& line : lines) width = std::max(width, line.first.size());
    std::string text = fmt::format("{:<{}}{:>12}\n", "", width, fmt::format("{}@{}", name(report.metric), report.at));
    for (const auto& [title, entry] : lines) {
      text += fmt::format("{:<{}}{:>12.2f}{}\n", title, width, 100 * entry->score,
                          entry->params == report.pick ? "  <- pick" : "");
    }
    text += fmt::format("{} settings on {} queries\n", report.tried.size(), report.queries);
    return text + fmt::format("pick: {:+.2f} points over {}, 95 % interval {:+.2f} to {:+.2f}, p = {:.4f}\n",
                              100 * report.gain.mean, paths[report.best_leg].filename().string(), 100 * report.gain.low,
                              100 * report.gain.high, report.p_value);
  }

  [[nodiscard]] FuseJson to_json(const FusionReport& report) const {
    FuseJson json;
    json["metric"] = fmt::format("{}@{}", name(report.metric), report.at);
    json["queries"] = report.queries;
    json["legs"] = FuseJson::array();
    for (std::size_t leg = 0; leg < paths.size(); ++leg) {
      json["legs"].push_back({{"run", paths[leg].string()}, {"score", report.tried[leg].score}});
    }
    json["best_leg"] = report.best_leg;
    json["pick"] = entry_json(report.best);
    json["gain"] = {{"mean", report.gain.mean}, {"low", report.gain.low}, {"high", report.gain.high}};
    json["p_value"] = report.p_value;
    json["tried"] = FuseJson::array();
    for (const FusionEntry& entry : report.tried) json["tried"].push_back(entry_json(entry));
    return json;
  }
};

}  // namespace

void add_fuse_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("fuse", "Fuse TREC runs of the same queries into one, or tune how");
  const auto fuse = std::make_shared<FuseCommand>();
  command.add_option("runs", fuse->paths, "two or more TREC runs, as pefa search writes them")->required();
  CLI::Option* method = command
                            .add_option("--method", fuse->method,
                                        "rrf (by rank; the default), dbsf (by score between the mean and 3 standard "
                                        "deviations), linear (by score between lowest and highest); with --tune: that "
                                        "one alone")
                            ->check(CLI::IsMember({"rrf", "dbsf", "linear"}))
                            ->group(groups::method);
  CLI::Option* weights = command.add_option("--weights", fuse->weights, "of the runs: 0.3,0.7 (default: 1 each)")
                             ->delimiter(',')
                             ->check(CLI::NonNegativeNumber)
                             ->group(groups::method);
  CLI::Option* rank_constant = command.add_option("--rank-constant", fuse->rank_constant, "rrf: its k")
                                   ->check(CLI::NonNegativeNumber)
                                   ->capture_default_str()
                                   ->group(groups::method);
  fuse->rank_constant_option = rank_constant;
  CLI::Option* tune =
      command
          .add_option("--tune", fuse->judgements,
                      "judgements (tsv, qrels, beir, by the ids of the runs): find method and weights; the runs must "
                      "not know these judgements, see pefa eval --out-of-fold")
          ->excludes(weights)
          ->group(groups::method);
  command.add_option("--tuned", fuse->tuned, "take method and weights from what pefa fuse --tune --json wrote")
      ->excludes(method)
      ->excludes(weights)
      ->excludes(rank_constant)
      ->excludes(tune)
      ->group(groups::method);
  command.add_option("--metric", fuse->metric, "--tune: what to maximise: recall@K, ndcg@K or mrr@K")
      ->capture_default_str()
      ->needs(tune)
      ->group(groups::measurement);
  command
      .add_option("--relevance-format", fuse->relevance_format,
                  "format of the judgements, where the extension does not tell: tsv, qrels, beir")
      ->needs(tune)
      ->group(groups::data);
  command.add_option("--top-k", fuse->top_k, "passages of a query that are written (default: all)")
      ->check(CLI::PositiveNumber)
      ->group(groups::output);
  command.add_option("--out", fuse->out, "the TREC run to write; may be left out with --tune")->group(groups::output);
  command.add_option("--tag", fuse->tag, "the name of the run")->capture_default_str()->group(groups::output);
  fuse->output.add_options(command);
  command.footer(
      "A passage that a run lacks gets 0 from it, which is the least that any run gives; equal scores order by id.\n"
      "The pick of --tune is never below the best run alone on the queries it is tuned on.\n"
      "Examples:\n"
      "  pefa fuse bm25.run xl.run --method rrf --out fused.run\n"
      "  pefa fuse bm25_train.run xl_train.run --tune Y.tsv --metric recall@10 --json fusion.json\n"
      "  pefa fuse bm25.run xl.run --tuned fusion.json --out fused.run");
  command.callback([fuse] { fuse->run(); });
}

}  // namespace pefa::cli
