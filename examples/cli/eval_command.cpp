// pefa eval: how good one method is on held-out queries, and how fast; built from files or opened from an archive. With
// --out-of-fold the held-out queries are training queries, each searched by a retriever that does not know it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "commands.hpp"
#include "conditions.hpp"
#include "interrupt.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "pefa/adapter/spec_text.hpp"
#include "pefa/eval/out_of_fold.hpp"
#include "pefa/io/results/trec_run.hpp"
#include "source.hpp"

namespace pefa::cli {
namespace {

struct EvalCommand {
  Source source;
  SearchArguments arguments;
  Conditions conditions;
  std::filesystem::path tags;
  Measurement measurement;
  bool out_of_fold = false;
  OutOfFoldOptions folding;
  std::filesystem::path out;

  void run() const {
    if (out_of_fold) return run_out_of_fold();
    source.files().require_test();
    const Measured measured = source.is_archive() ? from_archive() : from_files();
    measurement.output().result(to_table({measured}), to_json(measured));
  }

  [[nodiscard]] Measured from_files() const {
    const RetrieverSpec spec = source.spec();
    const SearchOptions search = arguments.options(spec, "the index");
    const DataFiles& files = source.files();
    const TrainingData training = source.read_training(spec);
    const TestData test = files.read_test(files.passage_side(training));
    const io::RowIds ids = rows_by(training.passage_ids, training.passages.size());
    const auto admitted = admitted_by(ids, {}, "what is built here");
    return measurement.run(spec, training, test, search, admitted ? &*admitted : nullptr).measured;
  }

  [[nodiscard]] Measured from_archive() const {
    const OpenArchive archive = source.open();
    const SearchOptions search =
        source.with_overrides(arguments.options(archive.retriever.spec(), archive.name), archive);
    const io::RowIds ids = rows_by(archive.retriever.ids(), archive.retriever.passage_count());
    const auto admitted = admitted_by(ids, {archive.retriever.tags(), archive.retriever.query_tags()}, archive.name);
    return measurement.run(archive, search, source.files().read_test(archive.passage_side()),
                           admitted ? &*admitted : nullptr);
  }

  /// By the tags of a file where one is given, else by those of the archive.
  [[nodiscard]] std::optional<Admitted> admitted_by(const io::RowIds& ids, const TagsOf& archived,
                                                    const std::string& name) const {
    if (tags.empty()) return conditions.admitted(ids, archived, name);
    const TagTable read = read_tags_file(tags, ids);
    return conditions.admitted(ids, {&read, archived.training_queries}, name);
  }

  void run_out_of_fold() const {
    if (source.is_archive()) {
      throw CLI::ValidationError("--out-of-fold",
                                 "builds without the queries it asks, and an archive is built already");
    }
    const RetrieverSpec spec = source.spec();
    measurement.require_cutoffs();
    const TrainingData data = source.read_training(spec, Training::used);
    OutOfFoldOptions options = folding;
    options.search = arguments.options(spec, "the index");
    const auto results = [&] {
      ProgressBar bar("searching out of fold", measurement.output().verbosity());
      const InterruptibleExecutor executor(measurement.threads());
      options.executor = executor;
      options.progress = bar.callback();
      return search_out_of_fold<float>(spec, data.passages, data.queries, data.relevance, measurement.top_k(), options);
    }();
    std::vector<QueryId> not_searched;
    for (std::size_t query = 0; query < results.size(); ++query) {
      if (results[query].empty()) not_searched.push_back(QueryId(static_cast<Row>(query)));
    }
    const Measured measured = measurement.run(describe(with_arguments(spec, options.search)) + ", out of fold", results,
                                              without_queries(data.relevance, not_searched), data.judgements_skipped);
    if (!out.empty()) {
      io::write_trec_run(out, results, rows_by(data.query_ids, data.queries.size()),
                         rows_by(data.passage_ids, data.passages.size()), "pefa", interrupted);
    }
    measurement.output().result(to_table({measured}, "training queries"), to_json(measured));
  }
};

}  // namespace

void add_eval_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("eval", "Measure one method, or an archive, on test queries");
  const auto eval = std::make_shared<EvalCommand>();
  eval->source.add_options(command);
  eval->source.files().add_test(command, Required::no);
  eval->source.files().add_reading(command);
  eval->arguments.add_options(command);
  eval->conditions.add_options(command);
  command
      .add_option("--tags", eval->tags, std::string("tags for --where (default: those of the archive): ") + tags_help)
      ->needs(command.get_option("--where"))
      ->group(groups::data);
  eval->measurement.add_options(command);
  CLI::Option* out_of_fold =
      command
          .add_flag("--out-of-fold", eval->out_of_fold,
                    "no test files: search each training query with a retriever built without the queries of its fold")
          ->group(groups::measurement);
  for (const char* option :
       {"--test-queries", "--test-relevance", "--test-query-ids", "--filter", "--where", "--train-where"}) {
    out_of_fold->excludes(command.get_option(option));
  }
  command.add_option("--folds", eval->folding.validation.folds, "out of fold: parts that are held out in turn")
      ->check(CLI::Range(2, 1000))
      ->capture_default_str()
      ->needs(out_of_fold)
      ->group(groups::measurement);
  command
      .add_option("--max-queries", eval->folding.validation.max_queries,
                  "out of fold: how many queries are searched at most (default: all that have passages)")
      ->check(CLI::PositiveNumber)
      ->needs(out_of_fold)
      ->group(groups::measurement);
  command
      .add_option("--out", eval->out, "out of fold: the TREC run to write, for pefa fuse --tune; by ids where given")
      ->needs(out_of_fold)
      ->group(groups::output);
  command.footer(
      "Under --filter or --where a query counts where a passage that is admitted is relevant to it.\n"
      "Examples:\n"
      "  pefa eval --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --test-queries T.npy \\\n"
      "            --test-relevance Z.tsv --method xl --lambda 0.2 --json result.json\n"
      "  pefa eval x.pefa --test-queries T.npy --test-relevance Z.tsv\n"
      "  pefa eval x.pefa --test-queries T.npy --test-relevance Z.tsv --where 'lang=en'\n"
      "  pefa eval --out-of-fold --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --out xl_train.run");
  command.callback([eval] { eval->run(); });
}

}  // namespace pefa::cli
