// pefa live init: a live folder of passages, training queries and pairs.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "conditions.hpp"
#include "data_files.hpp"
#include "enum_option.hpp"
#include "live_folder.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "pefa/adapter/spec_text.hpp"
#include "pefa/live/folder_copy.hpp"
#include "spec_options.hpp"

namespace pefa::cli {
namespace {

struct InitCommand : LiveCommand {
  DataFiles files;
  MethodOptions method;
  live::CountingParams counting;
  live::MergeGuards guards;
  std::filesystem::path tags;
  bool park = false;
  std::size_t threads = 0;

  /// All goes to "<folder>.part", so that the folder is there whole or not at all.
  void run() const {
    const std::filesystem::path made = live::without_slash(folder);
    if (std::filesystem::exists(made)) throw ValueError(made.string() + ": is there already, expected a new folder");
    live::LiveParams params{.spec = method.spec()};
    const TrainingData training = method.read_training(files, params.spec);
    params.dim = training.passages.dim();
    params.counting = counting;
    params.guards = guards;
    if (park) params.counting.unknown = live::UnknownIds::park;
    std::filesystem::path part = made;
    part += ".part";
    live::FileSystem& disk = live::posix_file_system();
    live::detail::make_part(disk, part);
    const live::LiveStats stats = fill(part, params, training);
    disk.rename(part, made);
    disk.sync_directory(live::directory_of(made));
    output.summary(fmt::format("{}: {}, {} passages of dim {}, {} training queries, {} pairs\n", folder.string(),
                               describe(params.spec), stats.passages, params.dim, stats.training_queries, stats.pairs),
                   {{"folder", folder.string()},
                    {"passages", stats.passages},
                    {"dim", params.dim},
                    {"training_queries", stats.training_queries},
                    {"pairs", stats.pairs}});
  }

  [[nodiscard]] live::LiveStats fill(const std::filesystem::path& part, const live::LiveParams& params,
                                     const TrainingData& training) const {
    const auto retriever = live::LiveRetriever::create(part, params);
    LiveEvents events(*retriever);
    const io::RowIds passages = rows_by(training.passage_ids, training.passages.size());
    const io::RowIds queries = rows_by(training.query_ids, training.queries.size());
    const std::vector<std::string> tagged = tag_texts_of(tags, passages);
    for (Row i = 0; i < passages.size(); ++i) {
      events.add(live::UpsertPassage{passages.text(i), to_vector(training.passages, i), tagged[i]});
    }
    for (Row i = 0; i < queries.size(); ++i) {
      events.add(live::UpsertQuery{queries.text(i), to_vector(training.queries, i)});
      const auto pairs = training.relevance.passages_of(QueryId(i));
      for (std::size_t j = 0; j < pairs.size(); ++j) {
        const auto passage = static_cast<Row>(pairs.columns[j]);
        events.add(live::AddPair{queries.text(i), passages.text(passage), pairs.weights[j]});
      }
    }
    events.finish(folder);
    merge_with_progress(*retriever, threads, output.verbosity(), params.guards);
    return retriever->stats();
  }
};

}  // namespace

void add_live_init(CLI::App& app) {
  const auto init = std::make_shared<InitCommand>();
  CLI::App& command =
      add_live_subcommand(app, "init", "Make a live folder of passages, training queries and pairs", init);
  init->add_to(command, "the folder to make; it is there whole, or not at all");
  init->files.add_passages(command, Required::yes);
  command.add_option("--tags", init->tags, std::string("tags of the passages: ") + tags_help)->group(groups::data);
  init->files.add_training(command, Required::no);
  init->files.add_reading(command);
  init->method.add_options(command);
  live::CountingParams& counting = init->counting;
  add_value(command, "--weighting", "what the total of a pair's weights becomes in Y", counting.weighting)
      ->group(groups::method);
  add_value(command, "--duplicates", "what several events of one pair come to", counting.duplicates)
      ->group(groups::method);
  command.add_option("--half-life", counting.half_life, "at a merge totals halve for every so much time; 0: they stay")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(groups::method);
  command.add_option("--max-queries", counting.max_queries, "training queries at most; more are refused")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(groups::method);
  command
      .add_option("--retire", counting.retire,
                  "the share of --max-queries that a merge frees, by the training queries of the least weight; 0: none")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str()
      ->group(groups::method);
  command
      .add_option("--max-recall-loss", init->guards.max_recall_loss,
                  "refuse a merge that loses more Recall@10 on recent training queries; 1: it is not asked")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str()
      ->group(groups::method);
  command.add_flag("--park", init->park, "pairs of unknown ids wait for them, instead of being refused")
      ->group(groups::method);
  add_threads_option(command, init->threads);
  command.footer(
      "Without id files, ids are row numbers from 0.\n"
      "Example:\n  pefa live init shop --passages P.npy --passage-ids P.txt --method xs");
}

}  // namespace pefa::cli
