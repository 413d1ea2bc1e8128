#include "interrupt.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string_view>

#include "exit_codes.hpp"
#include "pefa/core/error.hpp"

namespace pefa::cli {
namespace {

std::atomic<bool> signal_came{false};
std::atomic<int> end_at_once{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int /*signal*/) {
  signal_came.store(true);
  if (end_at_once.load() == 0) return;
  constexpr std::string_view message = "pefa: interrupted\n";
  [[maybe_unused]] const auto ignored = write(STDERR_FILENO, message.data(), message.size());
  _exit(exit_interrupted);
}

}  // namespace

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second signal does what signals do by default
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() noexcept {
  return signal_came.load();
}

EndAtOnce::EndAtOnce() noexcept {
  end_at_once.fetch_add(1);
  if (interrupted()) _exit(exit_interrupted);  // it came just before
}

EndAtOnce::~EndAtOnce() {
  end_at_once.fetch_sub(1);
}

void InterruptibleExecutor::run(std::size_t n, const LoopBody& body) const {
  threads_.run(n, [&](std::size_t i) {
    if (interrupted()) pefa::detail::fail<Cancelled>("interrupted");
    body(i);
  });
}

}  // namespace pefa::cli
