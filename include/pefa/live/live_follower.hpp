// pefa: a live folder that another process writes, searched from here.
//
// It takes no lock, reads the base that the manifest names and the log after it, and holds on to no growing file. Where
// the writer merged or rolled back, it goes on from the base that is current now.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>

#include "pefa/core/error.hpp"
#include "pefa/live/event_encoding.hpp"
#include "pefa/live/file_system.hpp"
#include "pefa/live/folder.hpp"
#include "pefa/live/live_base.hpp"
#include "pefa/live/live_model.hpp"
#include "pefa/live/live_params.hpp"
#include "pefa/live/live_stats.hpp"
#include "pefa/live/log_reader.hpp"
#include "pefa/live/log_recovery.hpp"
#include "pefa/live/manifest.hpp"
#include "pefa/live/posix_file_system.hpp"
#include "pefa/live/searched_live.hpp"

namespace pefa::live {

/// A live retriever that only reads: what another process has written shows after catch_up(). Searches are safe from
/// any number of threads and wait for nobody; catch_up() is for one thread at a time, others wait.
class LiveFollower : public SearchedLive {
 public:
  /// Opens a folder and reads all that is there.
  /// @param follow  written: all batches, the last of which a power cut could still take back from the writer;
  /// sealed: those that are surely on its disk
  /// @throws IoError  it is no live folder, or cannot be read  @throws FormatError  damage, and where
  [[nodiscard]] static std::unique_ptr<LiveFollower> open(const std::filesystem::path& path,
                                                          Follow follow = Follow::written,
                                                          FileSystem& files = posix_file_system()) {
    std::unique_ptr<LiveFollower> follower(new LiveFollower(files, path, follow));
    follower->start();
    return follower;
  }

  LiveFollower(const LiveFollower&) = delete;
  LiveFollower& operator=(const LiveFollower&) = delete;

  /// Lets searches see what was written since the last call. It costs what came; after a merge it costs the opening of
  /// the new base, too.
  /// @return whether anything came
  /// @throws IoError, FormatError  as open(); searches see what they saw, and the next call begins at a base
  bool catch_up() {
    const std::lock_guard one(following_);
    const Manifest manifest = read_manifest(*files_, path_);
    const Base* base = manifest.current();
    if (model_ == nullptr || base == nullptr || base->number != model_->epoch()->number()) {
      start();
      return true;
    }
    try {
      if (!read_log(manifest.identity, *reader_, *model_)) return false;
    } catch (const LogGone&) {  // the writer merged meanwhile
      start();
      return true;
    } catch (...) {  // a batch may be half applied
      model_.reset();
      throw;
    }
    show(model_->snapshot());
    return true;
  }

  /// What it holds. @throws Error  the last catch_up() failed
  [[nodiscard]] LiveStats stats() const {
    const std::lock_guard one(following_);
    if (model_ == nullptr) pefa::detail::fail<Error>("LiveFollower::stats: the last catch_up() failed; call it again");
    return detail::stats_of(*model_, params_);
  }

  /// What the folder was made with.
  [[nodiscard]] const LiveParams& params() const noexcept { return params_; }

 private:
  LiveFollower(FileSystem& files, std::filesystem::path path, Follow follow)
      : files_(&files), path_(std::move(path)), follow_(follow) {}

  /// Goes on from the current base. The writer may remove it, and the log after it, while they are read.
  void start() {
    for (;;) {
      const Manifest manifest = read_manifest(*files_, path_);
      try {
        return start_at(manifest);
      } catch (const Error&) {
        if (read_manifest(*files_, path_).generation == manifest.generation) throw;
      }
    }
  }

  void start_at(const Manifest& manifest) {
    const Base* base = manifest.current();
    if (base == nullptr) pefa::detail::fail<FormatError>(path_.string(), ": has no base yet");
    const detail::OpenedBase opened = detail::open_base(path_, *base, Verify::directory);
    auto model =
        std::make_unique<detail::LiveModel>(opened.epoch, opened.image, opened.params.dim, opened.params.counting);
    auto reader =
        std::make_unique<LogReader>(*files_, detail::log_path(path_), manifest.identity, base->position, follow_);
    detail::without_gap(path_, [&] { (void)read_log(manifest.identity, *reader, *model); });
    if (!has_params_) params_ = opened.params;  // every base of a folder has the same
    has_params_ = true;
    model_ = std::move(model);
    reader_ = std::move(reader);
    show(model_->snapshot());
  }

  /// Applies what a log has. @return whether there was anything
  /// @throws FormatError  it is damaged
  bool read_log(std::uint64_t identity, LogReader& reader, detail::LiveModel& model) {
    bool has_come = false;
    for (bool is_second_look = false;; is_second_look = true) {
      bool has_more = false;
      while (const auto batch = reader.next()) {
        (void)model.absorb(decode_batch(batch->bytes));
        has_more = true;
      }
      if (has_more) model.refresh();
      has_come = has_come || has_more;
      try {
        detail::require_no_damage(*files_, identity, reader.tail(), reader.end().sequence + 1);
        return has_come;
      } catch (const FormatError&) {  // or the writer has just ended a record that was read by half
        if (is_second_look && !has_more) throw;
      }
    }
  }

  FileSystem* files_;
  std::filesystem::path path_;
  Follow follow_;
  LiveParams params_;
  bool has_params_ = false;
  mutable std::mutex following_;              // guards what follows
  std::unique_ptr<detail::LiveModel> model_;  // null: it begins anew
  std::unique_ptr<LogReader> reader_;
};

}  // namespace pefa::live

namespace pefa {
using live::LiveFollower;
}  // namespace pefa
