// pefa: progress of a build, and the way to stop one. A callback, so that nothing here prints.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"

namespace pefa {

/// What a progress callback answers.
enum class ProgressAction { proceed, stop };

/// Called with (done, total) as a build goes on, and once with done == total at its end; never from two threads at
/// once. Answering ProgressAction::stop makes the build throw Cancelled and leave nothing behind.
using Progress = std::function<ProgressAction(std::size_t done, std::size_t total)>;

/// How a build runs, as distinct from what it builds.
struct BuildOptions {
  AnyExecutor executor{};  ///< the threads; AnyExecutor::serial() makes a build reproducible to the bit
  Progress progress{};     ///< empty: no reports
};

/// Counts finished items from several threads and reports to the callback: each whole percent, and where that takes
/// long, several times a second.
class ProgressMeter {
 public:
  /// @param who  the build's name, for the message of Cancelled
  ProgressMeter(const Progress& progress, std::size_t total, std::string who)
      : progress_(progress), total_(total), step_(std::max<std::size_t>(1, total / 100)), who_(std::move(who)) {}

  /// Adds finished items. @throws Cancelled  the callback said stop, now or on an earlier call
  void add(std::size_t items) {
    if (!progress_ || items == 0) return;
    const std::lock_guard lock(mutex_);
    done_ += items;
    if (done_ >= next_report_ || done_ == total_ || is_late()) report();
    fail_if_stopped();
  }

  /// Lets the callback stop a long step that has nothing to count. @throws Cancelled
  void poll() {
    if (!progress_) return;
    const std::lock_guard lock(mutex_);
    if (done_ < total_ && is_late()) report();
    fail_if_stopped();
  }

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] bool is_late() const { return Clock::now() - last_report_ > std::chrono::milliseconds(200); }

  void report() {
    if (stopped_) return;
    next_report_ = done_ + step_;
    stopped_ = progress_(done_, total_) == ProgressAction::stop;
    last_report_ = Clock::now();
  }
  void fail_if_stopped() const {
    if (stopped_) detail::fail<Cancelled>(who_, ": stopped by its progress callback after ", done_, " of ", total_);
  }

  const Progress& progress_;
  std::size_t total_;
  std::size_t step_;
  std::string who_;
  std::mutex mutex_;
  std::size_t done_ = 0;
  std::size_t next_report_ = 0;
  Clock::time_point last_report_ = Clock::now();
  bool stopped_ = false;
};

namespace detail {

/// The progress of one of several stages, which counts for the items [begin, end) of `total` whatever it counts itself.
/// `progress` must outlive what is returned. Below 2^32 items on either side.
[[nodiscard]] inline Progress stage(const Progress& progress, std::size_t begin, std::size_t end, std::size_t total) {
  if (!progress) return {};
  return [&progress, begin, end, total](std::size_t done, std::size_t of) {
    return progress(begin + done * (end - begin) / of, total);
  };
}

/// The parts of a build, one after the other, each with its share of the progress.
template <std::size_t n>
class BuildParts {
 public:
  /// @param items  of each part; 0 for one that is left out
  BuildParts(BuildOptions options, const std::array<std::size_t, n>& items) : options_(std::move(options)) {
    for (std::size_t i = 0; i < n; ++i) ends_[i + 1] = ends_[i] + items[i];
  }

  /// What part i is built with; this must outlive it.
  [[nodiscard]] BuildOptions operator[](std::size_t i) const {
    return {options_.executor, stage(options_.progress, ends_[i], ends_[i + 1], ends_[n])};
  }

 private:
  BuildOptions options_;
  std::array<std::size_t, n + 1> ends_{};
};

}  // namespace detail
}  // namespace pefa
