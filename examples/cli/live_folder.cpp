#include "live_folder.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "conditions.hpp"
#include "interrupt.hpp"
#include "pefa/core/error.hpp"
#include "pefa/live/live_tags.hpp"
#include "progress_bar.hpp"

namespace pefa::cli {

void LiveEvents::add(live::Event event) {
  batch_.events.push_back(std::move(event));
  if (batch_.events.size() >= 4096) flush();
}

void LiveEvents::flush() {
  if (batch_.events.empty()) return;
  try {
    if (interrupted()) throw Cancelled("stopped between two batches of events");
    for (live::ItemResult& result : to_.apply(batch_)) {
      ++counts_[static_cast<std::size_t>(result.status)];
      const bool waits = result.status == live::ItemStatus::parked || result.status == live::ItemStatus::refused;
      if (waits && first_reason_.empty()) first_reason_ = std::move(result.reason);
    }
  } catch (const std::exception&) {
    const std::size_t before = std::accumulate(counts_.begin(), counts_.end(), std::size_t{0});
    if (before > 0) fmt::print(stderr, "pefa: the first {} events are kept ({}), the others are not\n", before, text());
    throw;
  }
  batch_.events.clear();
}

std::string LiveEvents::text() const {
  std::string text;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const char* const status = pefa::name(static_cast<live::ItemStatus>(i));
    if (counts_[i] > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts_[i], status);
  }
  return text;
}

void LiveEvents::finish(const std::filesystem::path& folder) {
  flush();
  if (counts_[static_cast<std::size_t>(live::ItemStatus::refused)] == 0) return;
  throw ValueError(fmt::format("{}: of the events {}: {}", folder.string(), text(), first_reason_));
}

void LiveEvents::report(const std::filesystem::path& folder, const Output& output) {
  finish(folder);
  nlohmann::ordered_json json{{"folder", folder.string()}};
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    json[pefa::name(static_cast<live::ItemStatus>(i))] = counts_[i];
  }
  json["first_reason"] = first_reason_;
  output.summary(fmt::format("{}: {}\n", folder.string(), text().empty() ? "no events" : text()), json);
}

std::vector<float> to_vector(const EmbeddingStore<float>& rows, std::size_t row) {
  return {rows.row(row), rows.row(row) + rows.dim()};
}

std::vector<std::string> tag_texts_of(const std::filesystem::path& path, const io::RowIds& rows) {
  if (path.empty()) return std::vector<std::string>(rows.size());
  return live::tag_texts(read_tags_file(path, rows));
}

void merge_with_progress(live::LiveRetriever& retriever, std::size_t threads, Verbosity verbosity,
                         const live::MergeGuards& guards) {
  ProgressBar bar("merging", verbosity);
  InterruptibleExecutor executor(threads);
  retriever.merge({.executor = executor, .progress = bar.callback()}, guards);
}

void LiveCommand::add_to(CLI::App& command, const char* folder_help) {
  command.add_option("folder", folder, folder_help)->required();
  output.add_options(command);
}

std::unique_ptr<live::LiveRetriever> LiveCommand::open() const {
  const EndAtOnce reading;  // what a killed process leaves, the next one opens
  return live::LiveRetriever::open(folder);
}

std::unique_ptr<live::LiveFollower> LiveCommand::follow() const {
  const EndAtOnce reading;
  return live::LiveFollower::open(folder);
}

}  // namespace pefa::cli
