// What the commands of a live folder share: opening it, applying events, and merging.
#pragma once

#include <CLI/CLI.hpp>
#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "output.hpp"
#include "pefa/core/enum_names.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/live/event.hpp"
#include "pefa/live/live_follower.hpp"
#include "pefa/live/live_retriever.hpp"
#include "pefa/store/embedding_store.hpp"

namespace pefa::cli {

/// Applies events, some thousands at a time, and counts what became of them.
class LiveEvents {
 public:
  explicit LiveEvents(live::LiveRetriever& to) : to_(to) {}

  void add(live::Event event);
  /// Applies what waits. Where that fails, or a signal came, it says what was applied before. @throws Cancelled
  void flush();
  /// Applies what waits. @throws ValueError  some of all were refused; the others are applied
  void finish(const std::filesystem::path& folder);
  /// The same, and says what became of all.
  void report(const std::filesystem::path& folder, const Output& output);

 private:
  /// "3 applied, 1 refused".
  [[nodiscard]] std::string text() const;

  live::LiveRetriever& to_;
  live::Batch batch_;
  std::array<std::size_t, enum_names<live::ItemStatus>.size()> counts_{};
  std::string first_reason_;
};

/// A row as an event has it.
[[nodiscard]] std::vector<float> to_vector(const EmbeddingStore<float>& rows, std::size_t row);

/// The tags of each row as an event has them, of a file; empty ones where no file is named.
/// @throws pefa::Error  the file cannot be read as tags of these rows; names the line
[[nodiscard]] std::vector<std::string> tag_texts_of(const std::filesystem::path& path, const io::RowIds& rows);

/// Merges, with a progress bar; a signal stops it. @throws Cancelled
void merge_with_progress(live::LiveRetriever& retriever, std::size_t threads, Verbosity verbosity,
                         const live::MergeGuards& guards);

/// What every command of a folder has.
struct LiveCommand {
  std::filesystem::path folder;
  Output output;

  void add_to(CLI::App& command, const char* folder_help = "the live folder");
  /// For writing. @throws IoError  another process does
  [[nodiscard]] std::unique_ptr<live::LiveRetriever> open() const;
  /// As it is now, whoever writes it.
  [[nodiscard]] std::unique_ptr<live::LiveFollower> follow() const;
};

/// Adds a command that runs when it is named.
template <class Command>
CLI::App& add_live_subcommand(CLI::App& app, const char* name, const char* help,
                              const std::shared_ptr<Command>& command) {
  CLI::App& added = *app.add_subcommand(name, help);
  added.callback([command] { command->run(); });
  return added;
}

void add_live_init(CLI::App& app);
void add_live_events(CLI::App& app);
void add_live_search(CLI::App& app);
void add_live_upkeep(CLI::App& app);

}  // namespace pefa::cli
