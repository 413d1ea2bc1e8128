// pefa live: a live folder, which learns while it serves, kept from the command line: events, merges, backups.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "data_files.hpp"
#include "enum_option.hpp"
#include "interrupt.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "output.hpp"
#include "pefa/adapter/spec_text.hpp"
#include "pefa/core/enum_names.hpp"
#include "pefa/io/relevance/judged_ids.hpp"
#include "pefa/io/relevance/relevance_file.hpp"
#include "pefa/live/folder_copy.hpp"
#include "pefa/live/live_retriever.hpp"
#include "progress_bar.hpp"
#include "spec_options.hpp"

namespace pefa::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Applies events, some thousands at a time, and counts what became of them.
class Applier {
 public:
  explicit Applier(live::LiveRetriever& to) : to_(to) {}

  void add(live::Event event) {
    batch_.events.push_back(std::move(event));
    if (batch_.events.size() >= 4096) flush();
  }
  void flush() {
    if (batch_.events.empty()) return;
    for (live::ItemResult& result : to_.apply(batch_)) {
      ++counts_[static_cast<std::size_t>(result.status)];
      const bool waits = result.status == live::ItemStatus::parked || result.status == live::ItemStatus::refused;
      if (waits && first_reason_.empty()) first_reason_ = std::move(result.reason);
    }
    batch_.events.clear();
  }

  /// Says what became of all. @throws ValueError  some were refused; the others are applied
  void report(const std::filesystem::path& folder, const Output& output) {
    flush();
    Json json{{"folder", folder.string()}};
    std::string text;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      const char* const status = name(static_cast<live::ItemStatus>(i));
      json[status] = counts_[i];
      if (counts_[i] > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts_[i], status);
    }
    json["first_reason"] = first_reason_;
    const std::size_t refused = counts_[static_cast<std::size_t>(live::ItemStatus::refused)];
    if (refused > 0) throw ValueError(fmt::format("{}: of the events {}: {}", folder.string(), text, first_reason_));
    output.summary(fmt::format("{}: {}\n", folder.string(), text.empty() ? "no events" : text), json);
  }

 private:
  live::LiveRetriever& to_;
  live::Batch batch_;
  std::array<std::size_t, enum_names<live::ItemStatus>.size()> counts_{};
  std::string first_reason_;
};

std::vector<float> to_vector(const EmbeddingStore<float>& rows, std::size_t row) {
  return {rows.row(row), rows.row(row) + rows.dim()};
}

void merge(live::LiveRetriever& retriever, std::size_t threads, Verbosity verbosity) {
  ProgressBar bar("merging", verbosity);
  InterruptibleExecutor executor(threads);
  retriever.merge({.executor = executor, .progress = bar.callback()});
}

/// What every command of a folder has.
struct LiveCommand {
  std::filesystem::path folder;
  Output output;

  void add_to(CLI::App& command, const char* folder_help = "the live folder") {
    command.add_option("folder", folder, folder_help)->required();
    output.add_options(command);
  }
  [[nodiscard]] std::unique_ptr<live::LiveRetriever> open() const { return live::LiveRetriever::open(folder); }
};

struct InitCommand : LiveCommand {
  DataFiles files;
  MethodOptions method;
  live::CountingParams counting;
  bool park = false;
  std::size_t threads = 0;

  /// All goes to "<folder>.part", so that the folder is there whole or not at all.
  void run() const {
    if (std::filesystem::exists(folder))
      throw ValueError(folder.string() + ": is there already, expected a new folder");
    live::LiveParams params{.spec = method.spec()};
    const TrainingData training = method.read_training(files, params.spec);
    params.dim = training.passages.dim();
    params.counting = counting;
    if (park) params.counting.unknown = live::UnknownIds::park;
    std::filesystem::path part = folder;
    part += ".part";
    live::FileSystem& disk = live::posix_file_system();
    std::filesystem::remove_all(part);
    const live::LiveStats stats = fill(part, params, training);
    disk.rename(part, folder);
    disk.sync_directory(live::directory_of(folder));
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
    Applier events(*retriever);
    const io::RowIds passages = rows_by(training.passage_ids, training.passages.size());
    const io::RowIds queries = rows_by(training.query_ids, training.queries.size());
    for (Row i = 0; i < passages.size(); ++i) {
      events.add(live::UpsertPassage{passages.text(i), to_vector(training.passages, i)});
    }
    for (Row i = 0; i < queries.size(); ++i) {
      events.add(live::UpsertQuery{queries.text(i), to_vector(training.queries, i)});
      const auto pairs = training.relevance.passages_of(QueryId(i));
      for (std::size_t j = 0; j < pairs.size(); ++j) {
        const auto passage = static_cast<Row>(pairs.columns[j]);
        events.add(live::AddPair{queries.text(i), passages.text(passage), pairs.weights[j]});
      }
    }
    events.flush();
    merge(*retriever, threads, output.verbosity());
    return retriever->stats();
  }
};

struct AddCommand : LiveCommand {
  Reading reading;
  std::filesystem::path passages;
  std::filesystem::path passage_ids;
  std::filesystem::path queries;
  std::filesystem::path query_ids;
  std::string owner;

  void run() const {
    if (passages.empty() && queries.empty()) throw CLI::RequiredError("--passages or --train-queries");
    const auto retriever = open();
    Applier events(*retriever);
    read(passages, passage_ids, "--passage-ids", retriever->params().dim,
         [&](std::string id, std::vector<float> vector) {
           events.add(live::UpsertPassage{std::move(id), std::move(vector)});
         });
    read(queries, query_ids, "--train-query-ids", retriever->params().dim,
         [&](std::string id, std::vector<float> vector) {
           events.add(live::UpsertQuery{std::move(id), std::move(vector), owner});
         });
    events.report(folder, output);
  }

  template <class Put>
  void read(const std::filesystem::path& vectors, const std::filesystem::path& ids_file, const char* option,
            std::size_t dim, const Put& put) const {
    if (vectors.empty()) return;
    if (ids_file.empty()) throw CLI::RequiredError(option);
    const auto rows = reading.vectors(vectors);
    if (rows.dim() != dim) {
      throw ShapeError(fmt::format("{}: has dim {}, {} has {}", vectors.string(), rows.dim(), folder.string(), dim));
    }
    const auto ids = read_ids_for(ids_file, rows.size(), "vectors");
    for (std::size_t i = 0; i < rows.size(); ++i) put(std::string((*ids)[i]), to_vector(rows, i));
  }
};

struct RemoveCommand : LiveCommand {
  std::vector<std::string> ids;

  void run() const {
    const auto retriever = open();
    Applier events(*retriever);
    for (const std::string& id : ids) events.add(live::RemovePassage{id});
    events.report(folder, output);
  }
};

/// click and retract: one pair, or a file of them.
struct PairCommand : LiveCommand {
  bool adds = true;
  std::string query;
  std::string passage;
  float weight = 1.0f;
  std::filesystem::path pairs;
  std::string format;

  void run() const {
    if (pairs.empty() ? query.empty() || passage.empty() : !query.empty()) {
      throw CLI::ValidationError("expected a query and a passage, or --pairs");
    }
    const auto retriever = open();
    Applier events(*retriever);
    if (pairs.empty()) {
      put(events, query, passage, weight);
    } else {
      require_file(pairs);
      read_pairs(events);
    }
    events.report(folder, output);
  }

  void put(Applier& events, std::string_view of, std::string_view to, float with) const {
    if (adds) {
      events.add(live::AddPair{std::string(of), std::string(to), with});
    } else {
      events.add(live::RetractPair{std::string(of), std::string(to)});
    }
  }

  /// By ids where the format lists them, else by row numbers.
  void read_pairs(Applier& events) const {
    const io::RelevanceFormat of = format.empty() ? io::relevance_format_of(pairs) : io::parse_relevance_format(format);
    std::optional<io::JudgedIds> ids;
    if (of == io::RelevanceFormat::tsv || of == io::RelevanceFormat::qrels || of == io::RelevanceFormat::beir) {
      ids = io::read_judged_ids(pairs, of);
    }
    const RelevanceMatrix read =
        ids ? io::read_relevance(pairs, ids->queries, ids->passages, of).relevance : io::read_relevance(pairs, of);
    for (std::size_t i = 0; i < read.rows(); ++i) {
      const auto row = read.passages_of(QueryId(static_cast<Row>(i)));
      for (std::size_t j = 0; j < row.size(); ++j) {
        const auto column = static_cast<std::size_t>(row.columns[j]);
        put(events, ids ? std::string(ids->queries[i]) : std::to_string(i),
            ids ? std::string(ids->passages[column]) : std::to_string(column), row.weights[j]);
      }
    }
  }
};

struct ForgetCommand : LiveCommand {
  std::vector<std::string> queries;
  std::vector<std::string> owners;

  void run() const {
    if (queries.empty() && owners.empty()) throw CLI::RequiredError("--query or --owner");
    const auto retriever = open();
    Applier events(*retriever);
    for (const std::string& id : queries) events.add(live::ForgetQuery{id});
    for (const std::string& owner : owners) events.add(live::ForgetOwner{owner});
    events.report(folder, output);
  }
};

struct MergeCommand : LiveCommand {
  std::size_t threads = 0;

  void run() const {
    const auto retriever = open();
    merge(*retriever, threads, output.verbosity());
    const live::LiveStats stats = retriever->stats();
    output.summary(
        fmt::format("{}: base {} of {} passages and {} pairs\n", folder.string(), stats.epoch, stats.passages,
                    stats.pairs),
        {{"folder", folder.string()}, {"base", stats.epoch}, {"passages", stats.passages}, {"pairs", stats.pairs}});
  }
};

/// Takes no lock: a folder that is served can be checked.
struct LiveVerifyCommand : LiveCommand {
  void run() const {
    live::FileSystem& disk = live::posix_file_system();
    const live::LogRecovery found = live::verify_folder(disk, folder);
    const std::size_t bases = live::read_manifest(disk, folder).bases.size();
    output.summary(fmt::format("{}: intact: {} bases, {} batches after the oldest, the last is {}\n", folder.string(),
                               bases, found.batches, found.last.sequence),
                   {{"folder", folder.string()},
                    {"bases", bases},
                    {"batches", found.batches},
                    {"last_batch", found.last.sequence},
                    {"unfinished_bytes", found.torn.bytes}});
  }
};

struct StatsCommand : LiveCommand {
  void run() const {
    live::LogRecovery recovery;
    const auto retriever = live::LiveRetriever::open(folder, {}, live::posix_file_system(), &recovery);
    const live::LiveStats stats = retriever->stats();
    const live::LogUsage log = retriever->folder()->log().usage();
    Json bases = Json::array();
    for (const live::Base& base : retriever->folder()->manifest().bases) {
      bases.push_back({{"number", base.number}, {"batch", base.position.sequence}});
    }
    output.result(
        fmt::format(
            "{}\npassages          {}\ntraining queries  {}, {} with a pair\npairs             {}, {} wait for an "
            "id\nbase              {}, {} kept\nbatches           {}, {} since the base\ncursor            {}\n"
            "log               {:.1f} MiB\nrows not merged   {} new or changed, {} gone\n"
            "drift             {:.1f} % of the pairs' weight, trace {:+.1f} %\nmerge             {}\n",
            describe(retriever->params().spec), stats.passages, stats.training_queries, stats.voting_queries,
            stats.pairs, stats.parked, stats.epoch, bases.size(), stats.sequence, recovery.batches, stats.cursor,
            static_cast<double>(log.bytes) / (1024.0 * 1024.0), stats.delta_rows, stats.hidden_rows,
            100.0 * stats.changed_share, 100.0 * stats.trace_change, stats.is_merge_due ? "due" : "not due"),
        {{"folder", folder.string()},
         {"method", name(retriever->params().spec.method)},
         {"dim", retriever->params().dim},
         {"passages", stats.passages},
         {"training_queries", stats.training_queries},
         {"voting_queries", stats.voting_queries},
         {"pairs", stats.pairs},
         {"parked", stats.parked},
         {"base", stats.epoch},
         {"bases", bases},
         {"batches", stats.sequence},
         {"batches_since_base", recovery.batches},
         {"cursor", stats.cursor},
         {"log_bytes", log.bytes},
         {"delta_rows", stats.delta_rows},
         {"hidden_rows", stats.hidden_rows},
         {"changed_share", stats.changed_share},
         {"trace_change", stats.trace_change},
         {"merge_due", stats.is_merge_due}});
  }
};

struct BackupCommand : LiveCommand {
  std::filesystem::path to;

  void run() const {
    live::FileSystem& disk = live::posix_file_system();
    const auto opened = live::LiveFolder::open(disk, folder);
    (void)opened->recover({});
    const live::LogPosition end = live::backup_folder(disk, *opened, to);
    output.summary(fmt::format("{}: all of {} up to batch {}\n", to.string(), folder.string(), end.sequence),
                   {{"folder", folder.string()}, {"backup", to.string()}, {"last_batch", end.sequence}});
  }
};

struct RestoreCommand : LiveCommand {
  std::filesystem::path to;

  void run() const {
    const live::LogRecovery found = live::restore_folder(live::posix_file_system(), folder, to);
    output.summary(
        fmt::format("{}: {} up to batch {}, every byte checked\n", to.string(), folder.string(), found.last.sequence),
        {{"backup", folder.string()}, {"folder", to.string()}, {"last_batch", found.last.sequence}});
  }
};

struct RollbackCommand : LiveCommand {
  void run() const {
    const live::Base base = live::LiveFolder::open(live::posix_file_system(), folder)->rollback();
    output.summary(
        fmt::format("{}: serves base {} and all that came after it; again, to undo it\n", folder.string(), base.number),
        {{"folder", folder.string()}, {"base", base.number}});
  }
};

/// Adds a command that runs when it is named.
template <class Command>
CLI::App& add_command(CLI::App& app, const char* name, const char* help, const std::shared_ptr<Command>& command) {
  CLI::App& added = *app.add_subcommand(name, help);
  added.callback([command] { command->run(); });
  return added;
}

void add_init(CLI::App& app) {
  const auto init = std::make_shared<InitCommand>();
  CLI::App& command = add_command(app, "init", "Make a live folder of passages, training queries and pairs", init);
  init->add_to(command, "the folder to make; it is there whole, or not at all");
  init->files.add_passages(command, Required::yes);
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
  command.add_flag("--park", init->park, "pairs of unknown ids wait for them, instead of being refused")
      ->group(groups::method);
  add_threads_option(command, init->threads);
  command.footer(
      "Without id files, ids are row numbers from 0.\n"
      "Example:\n  pefa live init shop --passages P.npy --passage-ids P.txt --method xs");
}

void add_events(CLI::App& app) {
  const auto add = std::make_shared<AddCommand>();
  CLI::App& adds = add_command(app, "add", "Add or change passages and training queries", add);
  add->add_to(adds);
  adds.add_option("--passages", add->passages, std::string("passage vectors: ") + vector_formats_help)
      ->group(groups::data);
  adds.add_option("--passage-ids", add->passage_ids, "their ids: one a line, or JSON lines with _id or id (*.jsonl)")
      ->group(groups::data);
  adds.add_option("--train-queries", add->queries, "training query vectors, as --passages")->group(groups::data);
  adds.add_option("--train-query-ids", add->query_ids, "their ids, as --passage-ids")->group(groups::data);
  adds.add_option("--owner", add->owner, "who may ask that these training queries be forgotten")->group(groups::data);
  add->reading.add_vector_options(adds);
  adds.footer("Example:\n  pefa live add shop --passages new.npy --passage-ids new.txt");

  const auto remove = std::make_shared<RemoveCommand>();
  CLI::App& removes = add_command(app, "remove", "Remove passages, with their pairs", remove);
  remove->add_to(removes);
  removes.add_option("ids", remove->ids, "ids of passages")->required();
  removes.footer("Example:\n  pefa live remove shop sku-17 sku-18");

  for (const bool adds_pairs : {true, false}) {
    const auto pair = std::make_shared<PairCommand>();
    pair->adds = adds_pairs;
    CLI::App& command = adds_pairs ? add_command(app, "click", "Add to the weight of pairs", pair)
                                   : add_command(app, "retract", "Take pairs back", pair);
    pair->add_to(command);
    command.add_option("query", pair->query, "id of a training query");
    command.add_option("passage", pair->passage, "id of a passage");
    if (adds_pairs) {
      command.add_option("--weight", pair->weight, "what is added")
          ->check(CLI::PositiveNumber)
          ->capture_default_str()
          ->group(groups::data);
    }
    command
        .add_option("--pairs", pair->pairs,
                    std::string("a file of pairs: ") + relevance_formats_help + "; ids in the first three, else rows")
        ->group(groups::data);
    command
        .add_option("--relevance-format", pair->format,
                    std::string("its format, where the extension does not tell: ") + relevance_formats_help)
        ->group(groups::data);
    command.footer(adds_pairs ? "Example:\n  pefa live click shop query-5 sku-17"
                              : "Example:\n  pefa live retract shop query-5 sku-17");
  }

  const auto forget = std::make_shared<ForgetCommand>();
  CLI::App& forgets =
      add_command(app, "forget", "Forget training queries: answers at once, files at the next merge", forget);
  forget->add_to(forgets);
  forgets.add_option("--query", forget->queries, "ids of training queries")->group(groups::data);
  forgets.add_option("--owner", forget->owners, "all training queries of these owners")->group(groups::data);
  forgets.footer("Example:\n  pefa live forget shop --owner user-9");
}

void add_upkeep(CLI::App& app) {
  const auto merge = std::make_shared<MergeCommand>();
  CLI::App& merges = add_command(app, "merge", "Fit and build anew from all that there is", merge);
  merge->add_to(merges);
  add_threads_option(merges, merge->threads);
  merges.footer("Example:\n  pefa live merge shop");

  const auto verify = std::make_shared<LiveVerifyCommand>();
  CLI::App& verifies = add_command(app, "verify", "Check every byte of the bases and of the log", verify);
  verify->add_to(verifies);
  verifies.footer("Example:\n  pefa live verify shop");

  const auto stats = std::make_shared<StatsCommand>();
  CLI::App& says = add_command(app, "stats", "What a folder holds, and how far it is from its fits", stats);
  stats->add_to(says);
  says.footer("Example:\n  pefa live stats shop");

  const auto backup = std::make_shared<BackupCommand>();
  CLI::App& backs =
      add_command(app, "backup", "Copy a folder that nobody serves; a host calls LiveRetriever::backup", backup);
  backup->add_to(backs);
  backs.add_option("to", backup->to, "the backup to make: a live folder itself")->required();
  backs.footer("Example:\n  pefa live backup shop shop-monday");

  const auto restore = std::make_shared<RestoreCommand>();
  CLI::App& restores = add_command(app, "restore", "Make a live folder of a backup, checking every byte", restore);
  restore->add_to(restores, "the backup");
  restores.add_option("to", restore->to, "the folder to make")->required();
  restores.footer("Example:\n  pefa live restore shop-monday shop");

  const auto rollback = std::make_shared<RollbackCommand>();
  CLI::App& rolls =
      add_command(app, "rollback", "Serve the base before, with all events since; again, to undo it", rollback);
  rollback->add_to(rolls);
  rolls.footer("Example:\n  pefa live rollback shop");
}

}  // namespace

void add_live_command(CLI::App& app) {
  CLI::App& live = *app.add_subcommand("live", "Keep a live folder, which learns while it serves");
  live.require_subcommand(1);
  add_init(live);
  add_events(live);
  add_upkeep(live);
  live.footer("Example:\n  pefa live init shop --passages P.npy --passage-ids P.txt");
}

}  // namespace pefa::cli
