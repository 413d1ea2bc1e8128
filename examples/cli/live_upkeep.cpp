// pefa live merge, verify, stats, backup, restore and rollback: the upkeep of a live folder.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "interrupt.hpp"
#include "live_folder.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "pefa/adapter/spec_text.hpp"
#include "pefa/live/folder_copy.hpp"

namespace pefa::cli {
namespace {

using Json = nlohmann::ordered_json;

struct MergeCommand : LiveCommand {
  std::size_t threads = 0;
  bool unguarded = false;

  void run() const {
    const auto retriever = open();
    merge_with_progress(*retriever, threads, output.verbosity(),
                        unguarded ? live::MergeGuards{.min_ann_recall = 0.0} : retriever->params().guards);
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
    const EndAtOnce reading;
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

/// Takes no lock either.
struct StatsCommand : LiveCommand {
  void run() const {
    live::FileSystem& disk = live::posix_file_system();
    const auto follower = follow();
    const live::LiveStats stats = follower->stats();
    const live::Manifest manifest = live::read_manifest(disk, folder);
    Json bases = Json::array();
    for (const live::Base& base : manifest.bases) {
      bases.push_back({{"number", base.number}, {"batch", base.position.sequence}});
    }
    const std::uint64_t log_bytes = live::log_bytes(disk, folder);
    output.result(
        fmt::format(
            "{}\npassages          {}\ntraining queries  {}, {} with a pair\npairs             {}, {} wait for an "
            "id\nbase              {}, {} kept\nbatches           {}, {} since the base\ncursor            {}\n"
            "log               {:.1f} MiB\nrows not merged   {} new or changed, {} gone\n"
            "drift             {:.1f} % of the pairs' weight, trace {:+.1f} %\nmerge             {}\n",
            describe(follower->params().spec), stats.passages, stats.training_queries, stats.voting_queries,
            stats.pairs, stats.parked, stats.epoch, bases.size(), stats.sequence, stats.sequence - stats.base_sequence,
            stats.cursor, static_cast<double>(log_bytes) / (1024.0 * 1024.0), stats.delta_rows, stats.hidden_rows,
            100.0 * stats.changed_share, 100.0 * stats.trace_change, stats.is_merge_due ? "due" : "not due"),
        {{"folder", folder.string()},
         {"method", name(follower->params().spec.method)},
         {"dim", follower->params().dim},
         {"passages", stats.passages},
         {"training_queries", stats.training_queries},
         {"voting_queries", stats.voting_queries},
         {"pairs", stats.pairs},
         {"parked", stats.parked},
         {"base", stats.epoch},
         {"bases", bases},
         {"batches", stats.sequence},
         {"batches_since_base", stats.sequence - stats.base_sequence},
         {"cursor", stats.cursor},
         {"log_bytes", log_bytes},
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
    const EndAtOnce copying;  // beside the backup's place, where the next one takes over
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
    const EndAtOnce copying;
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

}  // namespace

void add_live_upkeep(CLI::App& app) {
  const auto merge = std::make_shared<MergeCommand>();
  CLI::App& merges = add_live_subcommand(app, "merge", "Fit and build anew from all that there is", merge);
  merge->add_to(merges);
  merges.add_flag("--unguarded", merge->unguarded, "serve the new base even where it answers worse than the old one")
      ->group(groups::method);
  add_threads_option(merges, merge->threads);
  merges.footer("Example:\n  pefa live merge shop");

  const auto verify = std::make_shared<LiveVerifyCommand>();
  CLI::App& verifies = add_live_subcommand(app, "verify", "Check every byte of the bases and of the log", verify);
  verify->add_to(verifies);
  verifies.footer("Example:\n  pefa live verify shop");

  const auto stats = std::make_shared<StatsCommand>();
  CLI::App& says = add_live_subcommand(app, "stats", "What a folder holds, and how far it is from its fits", stats);
  stats->add_to(says);
  says.footer("Example:\n  pefa live stats shop");

  const auto backup = std::make_shared<BackupCommand>();
  CLI::App& backs = add_live_subcommand(app, "backup",
                                        "Copy a folder that nobody serves; a host calls LiveRetriever::backup", backup);
  backup->add_to(backs);
  backs.add_option("to", backup->to, "the backup to make: a live folder itself")->required();
  backs.footer("Example:\n  pefa live backup shop shop-monday");

  const auto restore = std::make_shared<RestoreCommand>();
  CLI::App& restores =
      add_live_subcommand(app, "restore", "Make a live folder of a backup, checking every byte", restore);
  restore->add_to(restores, "the backup");
  restores.add_option("to", restore->to, "the folder to make")->required();
  restores.footer("Example:\n  pefa live restore shop-monday shop");

  const auto rollback = std::make_shared<RollbackCommand>();
  CLI::App& rolls =
      add_live_subcommand(app, "rollback", "Serve the base before, with all events since; again, to undo it", rollback);
  rollback->add_to(rolls);
  rolls.footer("Example:\n  pefa live rollback shop");
}

}  // namespace pefa::cli
