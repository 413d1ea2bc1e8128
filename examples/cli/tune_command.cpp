// pefa tune: the best method and parameters for the training data at hand, found on held-out training queries.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "data_files.hpp"
#include "interrupt.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "output.hpp"
#include "pefa/adapter/retriever_spec_json.hpp"
#include "pefa/eval/tune.hpp"
#include "tuned_file.hpp"

namespace pefa::cli {
namespace {

using Json = nlohmann::ordered_json;

/// A spec, and how it did.
Json to_json(const TuneEntry& entry) {
  Json json = to_json(entry.spec);
  json["bytes"] = entry.bytes;
  json["score"] = entry.score;
  json["standard_error"] = entry.standard_error;
  return json;
}

Json to_json(const TuneReport& report) {
  Json json;
  json["metric"] = fmt::format("{}@{}", name(report.metric), report.at);
  json["queries"] = report.queries;
  json["cold_queries"] = report.cold;
  json["folds"] = report.folds;
  json["prefer"] = name(report.prefer);
  json["seconds"] = report.seconds;
  json["erm"] = to_json(report.erm());
  json["best"] = to_json(report.best);
  json["pick"] = to_json(report.chosen);
  json["gain"] = {{"mean", report.gain.mean}, {"low", report.gain.low}, {"high", report.gain.high}};
  json["p_value"] = report.p_value;
  json["grid"] = Json::array();
  for (const TuneEntry& entry : report.grid) json["grid"].push_back(to_json(entry));
  json["pefa_version"] = version();
  return json;
}

/// What is the same but for λ, k and what is fitted: a line of the short table shows the best of them.
std::string family(const RetrieverSpec& spec) {
  const bool is_solved = spec.rule == FoldRule::least_squares;
  const std::string rule = is_solved ? " by least squares" : "";
  const std::string space = spec.whitened == Whitened::all ? ", whitened" : "";
  const std::string cold = spec.cold == ColdPassage::erm     ? ""
                           : spec.cold == ColdPassage::paper ? ", cold as in the paper"
                                                             : ", cold borrow";
  switch (spec.method) {
    case Method::erm: return "ERM";
    case Method::xs: return "PEFA-XS" + rule + space + cold;
    case Method::xs_multi: return fmt::format("PEFA-XS multi({})", spec.max_centroids) + rule + space;
    case Method::xl: break;
  }
  std::string over = spec.is_folded() ? fmt::format(" over XS({})", spec.fold) : "";
  if (spec.is_folded() && (is_solved || spec.whitened != Whitened::none)) over = " over XS" + rule + cold;
  const std::string merged = spec.is_condensed() ? fmt::format(", merged at {}", spec.condense) : "";
  std::string gate = name(spec.gate.kind);
  if (spec.gate.kind == GateKind::softmax) gate += fmt::format("({})", spec.gate.temperature);
  if (spec.gate.kind == GateKind::local) gate += fmt::format("({})", spec.gate.ridge);
  const std::string votes = spec.whitened == Whitened::queries ? ", whitened votes" : space;
  return "PEFA-XL" + over + " " + gate + merged + votes;
}

std::string row(const std::string& method, const std::string& lambda, const std::string& k, const std::string& score,
                const std::string& error, const std::string& megabytes) {
  return fmt::format("{:<57}{:>8}{:>5}{:>12}{:>8}{:>10}", method, lambda, k, score, error, megabytes);
}

std::string line(const TuneEntry& entry, const TuneReport& report) {
  const RetrieverSpec& spec = entry.spec;
  const std::string mark = spec == report.pick ? "  <- pick" : spec == report.best.spec ? "  <- best" : "";
  return row(family(spec), spec.method == Method::erm ? "-" : fmt::format("{:.2g}", spec.lambda),
             spec.method == Method::xl ? std::to_string(spec.neighbors) : "-", fmt::format("{:.2f}", 100 * entry.score),
             fmt::format("{:.2f}", 100 * entry.standard_error),
             fmt::format("{:.3g}", static_cast<double>(entry.bytes) / 1e6)) +
         mark + "\n";
}

std::string sureness(const TuneReport& report) {
  if (report.pick.method == Method::erm) return "No adapter is better than noise on these data.\n";
  const std::string gain =
      fmt::format("{:+.2f} points over the ERM, 95 % interval {:+.2f} to {:+.2f}, p = {:.4f}", 100 * report.gain.mean,
                  100 * report.gain.low, 100 * report.gain.high, report.p_value);
  const char* sure = report.p_value < 0.001  ? "very sure"
                     : report.p_value < 0.01 ? "sure"
                     : report.p_value < 0.05 ? "fairly sure"
                                             : "not sure: it may be chance";
  return fmt::format("{} ({}).\n", gain, sure);
}

std::string to_table(const TuneReport& report, bool whole_grid) {
  std::vector<const TuneEntry*> shown;
  std::map<std::string, std::size_t> place;
  for (const TuneEntry& entry : report.grid) {
    const auto [found, is_new] = place.emplace(family(entry.spec), shown.size());
    if (whole_grid || is_new) {
      shown.push_back(&entry);
    } else if (entry.score > shown[found->second]->score) {
      shown[found->second] = &entry;
    }
  }
  if (!whole_grid) {  // the pick is the best of its method, but perhaps not the first of its family
    for (const TuneEntry*& entry : shown) {
      if (family(entry->spec) == family(report.pick)) entry = &report.chosen;
    }
  }
  const std::string metric = fmt::format("{}@{}", name(report.metric), report.at);
  std::string text = row("method", "lambda", "k", metric, "s.e.", "MB") + "\n";
  for (const TuneEntry* entry : shown) text += line(*entry, report);
  text += fmt::format("{} settings on {} held-out training queries in {} folds, {:.1f} s\n", report.grid.size(),
                      report.queries, report.folds, report.seconds);
  if (report.cold > 0) {
    text +=
        fmt::format("{} of them ask for a passage that no query outside their fold has; --lone kept leaves those out\n",
                    report.cold);
  }
  text += "\n";
  const char* why = report.prefer == Preference::answers ? "the best by validation"
                                                         : "the cheapest within one standard error of the best";
  return text + "pick: " + describe(report.pick) + ", " + why + "\n" + sureness(report);
}

/// An argument as a shell reads it.
std::string quoted(const std::string& argument) {
  const auto is_plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_-./:=,+@%").find(c) != std::string::npos;
  };
  if (!argument.empty() && std::all_of(argument.begin(), argument.end(), is_plain)) return argument;
  std::string text = "'";
  for (const char c : argument) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
}

/// The options of a group as they were given.
std::string given_options(const CLI::App& command, const char* group) {
  std::string text;
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0 || option->get_group() != group) continue;
    text += " " + option->get_name();
    if (option->get_items_expected_max() == 0) continue;  // a flag
    for (const std::string& value : option->results()) text += " " + quoted(value);
  }
  return text;
}

/// The option of pefa build that sets what a key of a spec says: of the same name, but for these.
std::string option_of(const std::string& key) {
  static const std::map<std::string, std::string> others{{"least_squares_shrinkage", "ls-shrinkage"},
                                                         {"whitened", "whiten"},
                                                         {"whitening_shrinkage", "whiten-shrinkage"},
                                                         {"whitening_rank", "whiten-rank"}};
  const auto other = others.find(key);
  std::string option = other == others.end() ? key : other->second;
  std::replace(option.begin(), option.end(), '_', '-');
  return "--" + option;
}

/// The options of pefa build that make a spec. What is as it is by default is left out, but
/// for what was tuned.
std::string options_of(const RetrieverSpec& spec) {
  const Json json = to_json(spec);
  const Json defaults = to_json(RetrieverSpec{.method = spec.method});
  std::string text = std::string(" --method ") + name(spec.method);
  const auto is_of_fold = [](const std::string& key) {
    return key == "cold" || key == "norm" || key == "rule" || key == "least_squares_shrinkage" ||
           key == "passages_as_queries" || key == "balance";
  };
  const bool is_unfolded = spec.method == Method::xl && !spec.is_folded();
  for (const auto& [key, value] : json.items()) {
    if (key == "method" || value.is_null() || (is_unfolded && is_of_fold(key))) continue;
    const bool is_tuned = key == "lambda" || key == "neighbors" || key == "gate" || key == "temperature";
    if (!is_tuned && value == defaults.at(key)) continue;
    text += " " + option_of(key) + " " + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

/// "recall@10". @throws CLI::ValidationError  it is no metric
void parse_metric(const std::string& text, TuneOptions& options) {
  const std::size_t at = text.find('@');
  const std::string_view kind = std::string_view(text).substr(0, at);
  std::size_t cutoff = 0;
  const char* end = text.data() + text.size();
  const bool is_cut = at != std::string::npos && std::from_chars(text.data() + at + 1, end, cutoff).ptr == end;
  for (const TuneMetric metric : {TuneMetric::recall, TuneMetric::ndcg, TuneMetric::mrr}) {
    if (kind != name(metric) || !is_cut || cutoff == 0) continue;
    options.metric = metric;
    options.at = cutoff;
    return;
  }
  throw CLI::ValidationError("--metric", "'" + text + "' is no metric, expected recall@K, ndcg@K or mrr@K");
}

constexpr const char* xs = "xs";
constexpr const char* xs_multi = "xs-multi";
constexpr const char* xl = "xl";
constexpr const char* xl_condensed = "xl-condensed";
constexpr const char* xl_fold = "xl-fold";
constexpr const char* fitted = "fitted";
constexpr const char* paper_methods = "paper";
constexpr const char* all_methods = "all";

/// Leaves in the grid what --methods names, beside the plain model.
void choose_methods(const std::vector<std::string>& methods, TuneOptions& options) {
  const auto has = [&](const char* method) {
    return std::any_of(methods.begin(), methods.end(),
                       [&](const std::string& each) { return each == method || each == all_methods; });
  };
  const auto is_papers = [&](const char* method) { return has(method) || has(paper_methods); };
  options = with_all_methods(std::move(options));
  if (!is_papers(xs)) options.cold.clear();
  if (!has(xs_multi)) options.max_centroids.clear();
  if (!is_papers(xl)) options.plain_xl = PlainXl::left_out;
  if (!has(xl_condensed)) options.condense.clear();
  if (!has(xl_fold)) options.folds.clear();
  if (!is_papers(xl) && !has(xl_condensed) && !has(xl_fold)) {
    options.neighbors.clear();
    options.gates.clear();
  }
  if (!has(fitted)) options.fitted = FittedGrid::none();
}

struct TuneCommand {
  const CLI::App* command = nullptr;
  DataFiles files;
  TuneOptions options;
  std::string metric = "recall@10";
  std::vector<std::string> methods{paper_methods, fitted};
  std::string prefer = name(TuneOptions{}.prefer);
  std::string duplicates = "together";
  std::string lone = "held-out";
  const CLI::Option* lambdas = nullptr;
  const CLI::Option* neighbors = nullptr;
  const CLI::Option* holdout = nullptr;
  std::size_t threads = 0;
  bool whole_grid = false;
  Output output;

  void run() const {
    TuneOptions asked = options;
    parse_metric(metric, asked);
    choose_methods(methods, asked);
    asked.prefer = *parse_enum<Preference>(prefer);
    if (holdout->count() > 0 && asked.validation.folds != 1) {
      throw CLI::ValidationError("--holdout", fmt::format("is for --folds 1, not {}", asked.validation.folds));
    }
    if (lambdas->count() > 0) asked.fitted.lambdas = asked.lambdas;
    if (neighbors->count() > 0) asked.fitted.neighbors = options.neighbors;
    asked.validation.duplicates = duplicates == "apart" ? DuplicateQueries::apart : DuplicateQueries::together;
    asked.validation.lone = lone == "kept" ? LoneQueries::kept : LoneQueries::held_out;
    const TrainingData data = files.read_training(Training::used);
    const TuneReport report = [&] {
      ProgressBar bar("tuning", output.verbosity());
      const InterruptibleExecutor executor(threads);
      asked.executor = executor;
      asked.progress = bar.callback();
      return tune<float>(data.passages, data.queries, data.relevance, asked);
    }();
    Json json = to_json(report);
    json["data"] = identity_of(data);
    json["judgements_skipped"] = data.judgements_skipped;
    const std::string build = fmt::format("\npefa build{} \\\n          {} --out x.pefa\n",
                                          given_options(*command, groups::data), options_of(report.pick));
    output.result(to_table(report, whole_grid) + build, json);
  }
};

}  // namespace

void add_tune_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("tune", "Find the best method, lambda, k and gate on the training data");
  const auto tuned = std::make_shared<TuneCommand>();
  tuned->command = &command;
  TuneOptions& options = tuned->options;
  tuned->files.add_passages(command, Required::yes);
  tuned->files.add_training(command, Required::yes);
  tuned->files.add_reading(command);
  command.add_option("--metric", tuned->metric, "what to maximise: recall@K, ndcg@K or mrr@K")
      ->capture_default_str()
      ->group(groups::measurement);
  command
      .add_option(
          "--methods", tuned->methods,
          "what to try beside the plain model: xs, xl, or paper (both, as in the paper), fitted (least squares, "
          "whitened spaces, hubness, local regression), xs-multi, xl-condensed (near training queries merged), "
          "xl-fold (XL over XS), or all")
      ->delimiter(',')
      ->check(CLI::IsMember({xs, xl, paper_methods, fitted, xs_multi, xl_condensed, xl_fold, all_methods}))
      ->capture_default_str()
      ->group(groups::method);
  command
      .add_option("--prefer", tuned->prefer,
                  "what is picked: the best answers by validation, or the least cost within one standard error of them")
      ->check(CLI::IsMember({name(Preference::answers), name(Preference::cost)}))
      ->capture_default_str()
      ->group(groups::method);
  command
      .add_option("--budget", options.budget_seconds,
                  "seconds after which only what is coarse is still tried (0: no bound)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(groups::measurement);
  tuned->lambdas =
      command.add_option("--lambdas", options.lambdas, "the lambdas to try (default: 0, 0.1, ... 1; fitted: fewer)")
          ->delimiter(',')
          ->check(CLI::Range(0.0, 1.0))
          ->group(groups::method);
  tuned->neighbors =
      command.add_option("--neighbors", options.neighbors, "XL: the k to try (default: 8 to 64; fitted: to 128)")
          ->delimiter(',')
          ->check(CLI::PositiveNumber)
          ->group(groups::method);
  command.add_option("--folds", options.validation.folds, "parts that are held out in turn; 1: one held-out part")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(groups::measurement);
  tuned->holdout =
      command.add_option("--holdout", options.validation.holdout, "with --folds 1: the share that is held out")
          ->check(CLI::Range(0.0, 1.0))
          ->capture_default_str()
          ->group(groups::measurement);
  command
      .add_option("--max-queries", options.validation.max_queries,
                  "how many queries are scored at most (default: 2000, and up to 6000 where passages are few)")
      ->check(CLI::PositiveNumber)
      ->group(groups::measurement);
  command
      .add_option("--duplicates", tuned->duplicates,
                  "training queries with the same vector: held out together (future queries are new) or apart "
                  "(future queries repeat past ones)")
      ->check(CLI::IsMember({"together", "apart"}))
      ->capture_default_str()
      ->group(groups::measurement);
  command
      .add_option("--lone", tuned->lone,
                  "training queries that a passage has alone: held-out like others (future queries ask for passages "
                  "without any, too) or kept (every passage has queries)")
      ->check(CLI::IsMember({"held-out", "kept"}))
      ->capture_default_str()
      ->group(groups::measurement);
  command.add_option("--seed", options.validation.seed, "of the split")
      ->capture_default_str()
      ->group(groups::measurement);
  command.add_flag("--all", tuned->whole_grid, "print the whole grid, not the best of each method and gate")
      ->group(groups::output);
  add_threads_option(command, tuned->threads);
  tuned->output.add_options(command);
  command.footer(
      "With --prefer cost the pick is the cheapest method whose score is within noise of the best: one search before\n"
      "two, then fewer bytes of vectors (MB). Scores are of held-out training queries. Test data are not asked for:\n"
      "measure the pick on them with pefa eval --tuned tune.json.\n"
      "Example:\n"
      "  pefa tune --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --metric recall@10 \\\n"
      "            --methods all --json tune.json\n"
      "  pefa build --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --tuned tune.json --out x.pefa");
  command.callback([tuned] { tuned->run(); });
}

}  // namespace pefa::cli
