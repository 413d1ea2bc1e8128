#include "progress_bar.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace pefa::cli {

using Clock = std::chrono::steady_clock;

ProgressBar::ProgressBar(std::string step, Verbosity verbosity)
    : step_(std::move(step)),
      verbosity_(verbosity),
      terminal_(isatty(STDERR_FILENO) != 0),
      start_(Clock::now()),
      shown_(start_) {}

ProgressBar::~ProgressBar() {
  if (line_open_) std::fputs("\r\033[K", stderr);
}

Progress ProgressBar::callback() {
  if (verbosity_ == Verbosity::quiet) return {};
  return [this](std::size_t done, std::size_t total) {
    show(done, total);
    return ProgressAction::proceed;
  };
}

void ProgressBar::show(std::size_t done, std::size_t total) {
  const auto now = Clock::now();
  const auto every = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (now - shown_ < every || done == 0) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const auto left = std::chrono::seconds(static_cast<long>(seconds / share - seconds));
  const double rate = static_cast<double>(done) / seconds;
  if (terminal_) {
    constexpr std::size_t width = 30;
    const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
    fmt::print(stderr, "\r\033[K{} [{:=<{}}{:<{}}] {:3.0f} %  {:.0f}/s  {:%M:%S} left", step_, "", filled, "",
               width - filled, 100 * share, rate, left);
    std::fflush(stderr);
    line_open_ = true;
  } else {
    fmt::print(stderr, "{}: {} of {} ({:.0f} %), {:.0f}/s, {:%M:%S} left\n", step_, done, total, 100 * share, rate,
               left);
  }
}

}  // namespace pefa::cli
