#include "progress_bar.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "interrupt.hpp"

namespace pefa::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::string clock_time(double seconds) {
  const auto whole = static_cast<long>(seconds);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{:02}:{:02}", whole / 60, whole % 60);
}

}  // namespace

ProgressBar::ProgressBar(std::string step, Verbosity verbosity, Unit unit)
    : step_(std::move(step)),
      verbosity_(verbosity),
      unit_(unit),
      terminal_(isatty(STDERR_FILENO) != 0),
      start_(Clock::now()),
      shown_(start_) {}

ProgressBar::~ProgressBar() {
  if (line_open_) std::fputs("\r\033[K", stderr);
}

Progress ProgressBar::callback() {
  return [this](std::size_t done, std::size_t total) {
    if (interrupted()) return ProgressAction::stop;
    if (verbosity_ == Verbosity::normal) show(done, total);
    return ProgressAction::proceed;
  };
}

void ProgressBar::show(std::size_t done, std::size_t total) {
  const auto now = Clock::now();
  const auto every = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (now - shown_ < every || done == 0) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const std::string left = clock_time(seconds / share - seconds);
  const double per_second = static_cast<double>(done) / seconds;
  const std::string rate =
      unit_ == Unit::bytes ? fmt::format("{:.0f} MB/s", per_second / 1e6) : fmt::format("{:.0f}/s", per_second);
  if (terminal_) {
    constexpr std::size_t width = 30;
    const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
    fmt::print(stderr, "\r\033[K{} [{:=<{}}{:<{}}] {:3.0f} %  {}  {} left", step_, "", filled, "", width - filled,
               100 * share, rate, left);
    std::fflush(stderr);
    line_open_ = true;
  } else {
    fmt::print(stderr, "{}: {:.0f} %, {}, {} left\n", step_, 100 * share, rate, left);
  }
}

}  // namespace pefa::cli
