// Progress of long steps on stderr: a bar with the remaining time on a terminal, a line now and then elsewhere. Also
// what stops a step when a signal has come.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "pefa/core/progress.hpp"

namespace pefa::cli {

/// Whether a command says how far it is.
enum class Verbosity { quiet, normal };

/// What a step counts.
enum class Unit { items, bytes };

/// One step's progress; finishes its line when it goes.
class ProgressBar {
 public:
  ProgressBar(std::string step, Verbosity verbosity, Unit unit = Unit::items);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();

  /// What a build or an evaluation reports to; must not outlive the bar. Answers stop once a signal has come.
  [[nodiscard]] Progress callback();

 private:
  void show(std::size_t done, std::size_t total);

  std::string step_;
  Verbosity verbosity_;
  Unit unit_;
  bool terminal_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point shown_;
  bool line_open_ = false;
};

}  // namespace pefa::cli
