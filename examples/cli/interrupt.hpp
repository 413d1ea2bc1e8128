// Ctrl-C and SIGTERM: long steps stop within a second and leave no half-written file. A second signal kills.
#pragma once

#include <cstddef>

#include "pefa/core/executor.hpp"

namespace pefa::cli {

/// From here on SIGINT and SIGTERM ask the running step to stop.
void catch_signals();

/// Whether one of them has come. Progress callbacks answer ProgressAction::stop then.
[[nodiscard]] bool interrupted() noexcept;

/// While one lives, a signal ends the process at once: for steps that write nothing, such as reading input.
class EndAtOnce {
 public:
  EndAtOnce() noexcept;
  EndAtOnce(const EndAtOnce&) = delete;
  EndAtOnce& operator=(const EndAtOnce&) = delete;
  ~EndAtOnce();
};

/// Threads that give up between two pieces of work once a signal has come: progress is told only each percent, which of
/// a long build is many seconds.
class InterruptibleExecutor {
 public:
  /// @param threads  0: one a hardware thread
  explicit InterruptibleExecutor(std::size_t threads) : threads_(threads) {}

  /// @throws Cancelled  a signal came
  void run(std::size_t n, const LoopBody& body) const;
  [[nodiscard]] std::size_t concurrency() const noexcept { return threads_.concurrency(); }

 private:
  ThreadExecutor threads_;
};

}  // namespace pefa::cli
