// What the tests of folders share: a host whose state is the list of its batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "live/log_tools.hpp"
#include "pefa/live/file_system.hpp"
#include "pefa/live/folder.hpp"

namespace pefa::test {

/// The smallest thing that can be lived in a folder: it keeps all batches, and a base is a file of them.
struct Host {
  live::FileSystem* files;
  std::unique_ptr<live::LiveFolder> folder;
  Batches state;
  live::LogRecovery recovery{};

  [[nodiscard]] static Host create(live::FileSystem& files, const std::filesystem::path& path,
                                   const live::FolderOptions& options = {}) {
    return {&files, live::LiveFolder::create(files, path, options), {}};
  }
  [[nodiscard]] static Host open(live::FileSystem& files, const std::filesystem::path& path,
                                 const live::FolderOptions& options = {}) {
    Host host{&files, live::LiveFolder::open(files, path, options), {}};
    if (const auto base = host.folder->current()) {
      live::verify_base(files, path, *base);
      const auto bytes = live::read_file(files, host.folder->base_path(*base) / "batches", 1U << 30);
      const std::string text = text_of(*bytes);
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find(' ', at);
        const std::size_t size = std::stoul(text.substr(at, end - at));
        host.state.push_back(text.substr(end + 1, size));
        at = end + 1 + size;
      }
    }
    host.recovery =
        host.folder->recover([&](const live::LogBatch& batch) { host.state.push_back(text_of(batch.bytes)); });
    return host;
  }

  void append(const std::string& batch) {
    (void)folder->log().append(as_batch(batch));
    state.push_back(batch);
  }

  /// Makes a base of what there is now.
  live::Base merge(const live::PublishOptions& options = {}) {
    auto stage = folder->stage(folder->log().rotate());
    std::string text;
    for (const std::string& batch : state) text += std::to_string(batch.size()) + " " + batch;
    files->create(stage.path() / "batches")->append(as_batch(text));
    files->create(stage.path() / "more")->append(as_batch("more"));
    return folder->publish(std::move(stage), options);
  }
};

}  // namespace pefa::test
