#include "spec_options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <utility>

#include "enum_option.hpp"
#include "option_groups.hpp"
#include "pefa/core/enum_names.hpp"
#include "tuned_file.hpp"

namespace pefa::cli {
namespace {

std::string fits_all(const RetrieverSpec& /*spec*/) {
  return {};
}

std::string for_method(bool fits, const char* methods, const RetrieverSpec& spec) {
  return fits ? std::string() : std::string("is for --method ") + methods + ", not " + name(spec.method);
}

std::string for_adapters(const RetrieverSpec& spec) {
  return for_method(spec.method != Method::erm, "xs, xs-multi or xl", spec);
}

std::string for_xl(const RetrieverSpec& spec) {
  return for_method(spec.method == Method::xl, "xl", spec);
}

std::string for_multi(const RetrieverSpec& spec) {
  return for_method(spec.method == Method::xs_multi, "xs-multi", spec);
}

std::string for_pseudo(const RetrieverSpec& spec) {
  if (spec.method == Method::xl && !spec.is_folded()) return "is for --method xs, xs-multi or xl with --fold, not xl";
  return for_method(spec.method != Method::erm, "xs, xs-multi or xl with --fold", spec);
}

std::string for_softmax(const RetrieverSpec& spec) {
  if (spec.method != Method::xl || spec.gate.kind == GateKind::softmax) return for_xl(spec);
  return std::string("is for --gate softmax, not ") + name(spec.gate.kind);
}

std::string for_local(const RetrieverSpec& spec) {
  if (spec.method != Method::xl || spec.gate.kind == GateKind::local) return for_xl(spec);
  return std::string("is for --gate local, not ") + name(spec.gate.kind);
}

std::string for_solved(const RetrieverSpec& spec) {
  const std::string misfit = for_pseudo(spec);
  if (!misfit.empty() || spec.rule == FoldRule::least_squares) return misfit;
  return std::string("is for --rule least_squares, not ") + name(spec.rule);
}

std::string for_cold(const RetrieverSpec& spec) {
  const std::string misfit = for_pseudo(spec);
  const bool are_queries = spec.rule == FoldRule::least_squares && spec.least_squares.passages_as_queries > 0.0f;
  if (!misfit.empty() || !are_queries) return misfit;
  return "is for --rule correlation or --passages-as-queries 0: else each passage is a training query, and none is "
         "cold";
}

std::string for_whitened(const RetrieverSpec& spec) {
  const std::string misfit = for_adapters(spec);
  const bool is_xl = spec.method == Method::xl;
  const bool is_whitened = spec.whitened == Whitened::all || (is_xl && spec.whitened == Whitened::queries);
  if (!misfit.empty() || is_whitened) return misfit;
  return is_xl ? "is for --whiten queries or all, not none" : "is for --whiten all";
}

/// Whether a parameter means something to indexes of a kind.
using FitsKind = bool (*)(IndexKind kind);

bool any_kind(IndexKind /*kind*/) {
  return true;
}

bool may_be_graph(IndexKind kind) {
  return kind != IndexKind::flat && kind != IndexKind::partitioned;
}

bool may_be_approximate(IndexKind kind) {
  return kind != IndexKind::flat;
}

bool may_drop_rows(IndexKind kind) {
  return kind == IndexKind::quantized || kind == IndexKind::partitioned || kind == IndexKind::automatic;
}

std::string for_index(const RetrieverSpec& spec, const char* kinds, FitsKind fits) {
  if (fits(spec.index.kind) || (spec.method == Method::xl && fits(spec.query_index.kind))) return {};
  return std::string("is for --index ") + kinds + ", not " + name(spec.index.kind);
}

std::string for_graphs(const RetrieverSpec& spec) {
  return for_index(spec, "hnsw or quantized", may_be_graph);
}

std::string for_approximate(const RetrieverSpec& spec) {
  return for_index(spec, "hnsw, quantized or partitioned", may_be_approximate);
}

std::string for_codes(const RetrieverSpec& spec) {
  return for_index(spec, "quantized or partitioned", may_drop_rows);
}

const auto share = CLI::Range(0.0, 1.0);

}  // namespace

template <class Get>
CLI::Option* SpecOptions::add(CLI::App& command, const char* option, const char* help, Misfit misfit, Get get) {
  CLI::Option* added = add_value(command, option, help, get(given_))->group(groups::method);
  const auto set = [this, get](RetrieverSpec& spec) { get(spec) = get(given_); };
  fields_.push_back({added, set, misfit});
  return added;
}

void SpecOptions::add_method(CLI::App& command) {
  add(
      command, "--method", "the retriever", fits_all, [](auto& spec) -> auto& { return spec.method; });
  add_lambda(command);
  add(
      command, "--gate", "XL: weights of the training queries", for_xl,
      [](auto& spec) -> auto& { return spec.gate.kind; });
}

void SpecOptions::add_adapter(CLI::App& command) {
  add(
      command, "--neighbors", "XL: training queries looked up, k", for_xl,
      [](auto& spec) -> auto& { return spec.neighbors; })
      ->check(CLI::PositiveNumber);
  add(
      command, "--temperature", "XL softmax: its temperature", for_softmax,
      [](auto& spec) -> auto& { return spec.gate.temperature; })
      ->check(CLI::PositiveNumber);
  add(
      command, "--bandwidth", "XL local: similarities that differ by this differ by a factor e", for_local,
      [](auto& spec) -> auto& { return spec.gate.bandwidth; })
      ->check(CLI::PositiveNumber);
  add(
      command, "--ridge", "XL local: how little each neighbour's own answer is trusted", for_local,
      [](auto& spec) -> auto& { return spec.gate.ridge; })
      ->check(CLI::PositiveNumber);
  add(
      command, "--hubness", "XL: how far being near to many others is taken off a neighbour (0: not)", for_xl,
      [](auto& spec) -> auto& { return spec.hubness; })
      ->check(CLI::NonNegativeNumber);
  add(
      command, "--similarity", "XL: of training queries", for_xl, [](auto& spec) -> auto& { return spec.similarity; });
  add(
      command, "--knn-scale", "XL: votes are multiplied by this; for vectors not of length 1", for_xl,
      [](auto& spec) -> auto& { return spec.knn_scale; })
      ->check(CLI::PositiveNumber);
  add(
      command, "--passage-candidates", "XL: passages the plain model offers at least (0: what leaves none out)", for_xl,
      [](auto& spec) -> auto& { return spec.passage_candidates; });
  add(
      command, "--missing-erm-score", "XL: plain score of passages that only training queries found", for_xl,
      [](auto& spec) -> auto& { return spec.missing_erm_score; });
  add(
      command, "--fold", "XL: index PEFA-XS vectors of this lambda in place of the passages (1: do not)", for_xl,
      [](auto& spec) -> auto& { return spec.fold; })
      ->check(share);
  add(
      command, "--condense",
      "XL: first merge training queries of the same passages whose cosine is at least this (0: do not)", for_xl,
      [](auto& spec) -> auto& { return spec.condense; })
      ->check(share);
  add_fits(command);
  add_cold(command);  // after the rule, which decides whether there are cold passages
}

void SpecOptions::add_folding(CLI::App& command) {
  add_lambda(command);
  add_fits(command);
  add_cold(command);
}

void SpecOptions::add_fits(CLI::App& command) {
  add(
      command, "--rule", "XS and --fold: how training queries become a vector", for_pseudo,
      [](auto& spec) -> auto& { return spec.rule; });
  add(
      command, "--ls-shrinkage", "least squares: shrinkage of the second moment", for_solved,
      [](auto& spec) -> auto& { return spec.least_squares.shrinkage; })
      ->check(CLI::NonNegativeNumber);
  add(
      command, "--passages-as-queries", "least squares: how much of a training query each passage is of its own",
      for_solved, [](auto& spec) -> auto& { return spec.least_squares.passages_as_queries; })
      ->check(CLI::NonNegativeNumber);
  add(
      command, "--balance",
      "XS and --fold: rank of balanced rows (0: rows for raw queries; full rank where an automatic index has many)",
      for_pseudo, [](auto& spec) -> auto& { return spec.balance; });
  add(
      command, "--whiten", "which searches are in the whitened space: none, XL's of training queries, or all",
      for_adapters, [](auto& spec) -> auto& { return spec.whitened; });
  add(
      command, "--scatter", "whitened: what is made alike in all directions", for_whitened,
      [](auto& spec) -> auto& { return spec.whitening.scatter; });
  add(
      command, "--whiten-shrinkage", "whitened: shrinkage of the scatter", for_whitened,
      [](auto& spec) -> auto& { return spec.whitening.shrinkage; })
      ->check(CLI::NonNegativeNumber);
  add(
      command, "--whiten-rank", "whitened: dimensions that are kept (0: all)", for_whitened,
      [](auto& spec) -> auto& { return spec.whitening.rank; });
}

void SpecOptions::add_lambda(CLI::App& command) {
  add(
      command, "--lambda", "weight of the plain model, of XL's --fold; 0 to 1", for_adapters,
      [](auto& spec) -> auto& { return spec.lambda; })
      ->check(share);
}

void SpecOptions::add_cold(CLI::App& command) {
  add(
      command, "--cold", "XS and --fold: passages without training queries", for_cold,
      [](auto& spec) -> auto& { return spec.cold; });
  add(
      command, "--norm", "XS and --fold: length of the training side: 1, or that of the passage", for_pseudo,
      [](auto& spec) -> auto& { return spec.norm; });
}

void SpecOptions::add_multi(CLI::App& command) {
  add(
      command, "--max-centroids", "XS multi: vectors a passage at most", for_multi,
      [](auto& spec) -> auto& { return spec.max_centroids; })
      ->check(CLI::PositiveNumber);
  add(
      command, "--queries-per-centroid", "XS multi: training queries that are evidence for one vector", for_multi,
      [](auto& spec) -> auto& { return spec.queries_per_centroid; })
      ->check(CLI::PositiveNumber);
  add(
      command, "--shrinkage", "XS multi: share of the mean in each vector, 0 to 1", for_multi,
      [](auto& spec) -> auto& { return spec.shrinkage; })
      ->check(share);
}

void SpecOptions::add_index(CLI::App& command) {
  first_index_field_ = fields_.size();
  // Of the two sides, those whose index a parameter means something to take it.
  const auto add_both = [&](const char* option, const char* help, Misfit misfit, FitsKind fits, auto field) {
    const auto passages = [field](auto& spec) -> auto& {
      return field(spec.index);
    };
    CLI::Option* added = add(command, option, help, misfit, passages)->group(groups::index);
    fields_.back().set = [this, fits, field](RetrieverSpec& spec) {
      for (IndexSpec* index : {&spec.index, &spec.query_index}) {
        if (fits(index->kind)) field(*index) = field(given_.index);
      }
    };
    return added;
  };
  add_both(
      "--index",
      "flat (exact), hnsw, quantized (hnsw on int8 codes, rescored exactly), partitioned (lists of 4-bit codes, built "
      "faster), or automatic (flat up to 10000 rows; above, quantized, or partitioned where a graph finds too little)",
      fits_all, any_kind, [](auto& index) -> auto& { return index.kind; });
  add(
      command, "--query-index", "XL: another for the training queries than --index says", for_xl,
      [](auto& spec) -> auto& { return spec.query_index.kind; })
      ->group(groups::index);
  add_both(
      "--m", "HNSW: M", for_graphs, may_be_graph, [](auto& index) -> auto& { return index.m; })
      ->check(CLI::Range(2, 1024));
  add_both(
      "--ef-construction", "HNSW: efConstruction", for_graphs, may_be_graph,
      [](auto& index) -> auto& { return index.ef_construction; })
      ->check(CLI::Range(1, 100000));
  CLI::Option* ef_search = add_both(
      "--ef-search", "HNSW: efSearch; partitioned: as wide", for_approximate, may_be_approximate,
      [](auto& index) -> auto& { return index.ef_search; });
  ef_search->check(CLI::PositiveNumber);
  add_both(
      "--target-recall",
      "the build measures the ef-search that finds this share of the exact best 100 of training queries, and takes it; "
      "0: it does not",
      for_approximate, may_be_approximate, [](auto& index) -> auto& { return index.target_recall; })
      ->check(share)
      ->excludes(ef_search);
  add_both(
      "--exact-rows",
      "quantized, partitioned, automatic: keep them, or drop them and score by codes, of 12 bits a coordinate and 8; "
      "automatic is then partitioned",
      for_codes, may_drop_rows, [](auto& index) -> auto& { return index.exact_rows; });
  static_assert(IndexSpec::flat_rows == 10'000, "the help of --index says so");
}

RetrieverSpec SpecOptions::over(RetrieverSpec spec) const {
  return over(fields_, std::move(spec));
}

RetrieverSpec SpecOptions::over(std::span<const Field> fields, RetrieverSpec spec) {
  for (const Field& field : fields) {  // in the order that they were added: what decides comes first
    if (field.option->count() > 0 && field.misfit(spec).empty()) field.set(spec);
  }
  return spec;
}

RetrieverSpec SpecOptions::index_over(RetrieverSpec spec) const {
  return over(std::span(fields_).subspan(first_index_field_), std::move(spec));
}

void SpecOptions::require_fit(std::span<const RetrieverSpec> specs) const {
  for (const Field& field : fields_) {
    if (field.option->count() == 0) continue;
    const auto fits = [&](const RetrieverSpec& spec) { return field.misfit(spec).empty(); };
    if (std::any_of(specs.begin(), specs.end(), fits)) continue;
    throw CLI::ValidationError(field.option->get_name(), field.misfit(specs.front()));
  }
}

void MethodOptions::add_options(CLI::App& command) {
  CLI::Option* tuned =
      command.add_option("--tuned", tuned_, "take method and parameters from what pefa tune --json wrote")
          ->group(groups::method);
  add_tuned_anyway_option(command, tuned_anyway_);
  options_.add_method(command);
  options_.add_adapter(command);
  options_.add_multi(command);
  options_.add_index(command);
  neighbors_ = command.get_option("--neighbors");
  exclude_tuned(command, *tuned);
}

RetrieverSpec MethodOptions::spec() const {
  const RetrieverSpec spec = options_.over(tuned_.empty() ? RetrieverSpec{} : TunedFile(tuned_).pick());
  options_.require_fit(spec);
  return spec;
}

TrainingData MethodOptions::read_training(const DataFiles& files, const RetrieverSpec& spec, Training training) const {
  TrainingData data = files.read_training(training);
  if (!tuned_.empty() && !tuned_anyway_) TunedFile(tuned_).require_data(data);
  if (neighbors_->count() > 0) warn_of_neighbors(spec.neighbors, data.queries.size());
  return data;
}

void warn_of_neighbors(std::size_t asked, std::size_t training_queries) {
  if (training_queries == 0 || asked <= training_queries) return;
  std::fprintf(stderr, "pefa: --neighbors %zu: there are %zu training queries: all are used\n", asked,
               training_queries);
}

void exclude_tuned(CLI::App& command, CLI::Option& tuned) {
  for (const char* name :
       {"--method", "--lambda", "--gate", "--neighbors", "--temperature", "--fold", "--condense", "--cold",
        "--max-centroids", "--bandwidth", "--ridge", "--hubness", "--rule", "--ls-shrinkage", "--passages-as-queries",
        "--whiten", "--scatter", "--whiten-shrinkage", "--whiten-rank"}) {
    if (CLI::Option* option = command.get_option_no_throw(name)) option->excludes(&tuned);
  }
}

void add_tuned_anyway_option(CLI::App& command, bool& anyway) {
  command.add_flag("--tuned-anyway", anyway, "with --tuned: although it was tuned on other data")
      ->group(groups::method);
}

}  // namespace pefa::cli
