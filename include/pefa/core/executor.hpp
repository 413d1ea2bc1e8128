// pefa: how loops run in parallel, and how a host brings its own pool.
//
// An executor runs body(i) for every i in [0, n) and returns when all have finished. pefa starts no thread that
// outlives the call that needed it; a host with a pool of its own passes that instead.
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace pefa {

/// The body of a parallel loop: called once for each index, from any thread, in any order.
using LoopBody = std::function<void(std::size_t)>;

/// Runs body(i) for i in [0, n), returns when all are done, and throws what a body threw.
///
/// `concurrency()` is how many bodies may run at once; 1 means in order on the calling thread, which is what makes a
/// build reproducible to the bit.
template <class E>
concept Executor = requires(E& executor, std::size_t n, const LoopBody& body) {
  executor.run(n, body);
  { executor.concurrency() } -> std::convertible_to<std::size_t>;
};

/// The default executor: std::thread workers that live for one call and take indices from a shared counter.
///
/// The first exception a body throws stops the handing out of further indices and is rethrown to the caller.
class ThreadExecutor {
 public:
  /// @param threads  how many threads work, the caller's included; 0 means one a hardware thread
  explicit ThreadExecutor(std::size_t threads = 0)
      : threads_(threads != 0 ? threads : std::max<std::size_t>(1, std::thread::hardware_concurrency())) {}

  /// How many threads work, the caller's included.
  [[nodiscard]] std::size_t concurrency() const noexcept { return threads_; }

  /// Runs body(i) for i in [0, n); returns when all are done. @throws  what a body threw first
  void run(std::size_t n, const LoopBody& body) const {
    const std::size_t workers = std::min(threads_, n);
    if (workers <= 1) {
      for (std::size_t i = 0; i < n; ++i) body(i);
      return;
    }
    Shared shared{n, body};
    std::vector<std::thread> helpers;
    helpers.reserve(workers - 1);
    try {
      for (std::size_t t = 1; t < workers; ++t) helpers.emplace_back([&shared] { shared.work(); });
    } catch (const std::exception&) {
      // The system has no thread left: those that started, and the caller, do the work.
    }
    shared.work();
    for (std::thread& helper : helpers) helper.join();
    if (shared.failure) std::rethrow_exception(shared.failure);
  }

 private:
  struct Shared {
    std::size_t n;
    const LoopBody& body;
    std::atomic<std::size_t> next{0};
    std::mutex failure_mutex{};
    std::exception_ptr failure{};

    void work() noexcept {
      for (std::size_t i = next.fetch_add(1); i < n; i = next.fetch_add(1)) {
        try {
          body(i);
        } catch (...) {
          next.store(n);
          const std::lock_guard lock(failure_mutex);
          if (!failure) failure = std::current_exception();
        }
      }
    }
  };

  std::size_t threads_;
};

static_assert(Executor<const ThreadExecutor>);

/// Any executor behind one type: a ThreadExecutor by value, a host's own by reference.
///
/// A host's executor must outlive the calls it is passed to. Copies are cheap and refer to the same executor.
class AnyExecutor {
 public:
  /// One std::thread a hardware thread.
  AnyExecutor() : AnyExecutor(ThreadExecutor{}) {}

  /// Holds a copy.
  AnyExecutor(ThreadExecutor threads)  // NOLINT(google-explicit-constructor): an executor is one
      : concurrency_([threads] { return threads.concurrency(); }),
        run_([threads](std::size_t n, const LoopBody& body) { threads.run(n, body); }) {}

  /// Refers to the host's, which must outlive it.
  template <Executor E>
    requires(!std::same_as<std::remove_cv_t<E>, AnyExecutor> && !std::same_as<std::remove_cv_t<E>, ThreadExecutor>)
  AnyExecutor(E& host)  // NOLINT(google-explicit-constructor): an executor is one
      : concurrency_([&host] { return static_cast<std::size_t>(host.concurrency()); }),
        run_([&host](std::size_t n, const LoopBody& body) { host.run(n, body); }) {}

  /// How many bodies may run at once; at least 1.
  [[nodiscard]] std::size_t concurrency() const { return std::max<std::size_t>(1, concurrency_()); }
  /// Runs body(i) for i in [0, n) on the executor it stands for.
  void run(std::size_t n, const LoopBody& body) const { run_(n, body); }

  /// One thread: in order, on the caller, reproducible to the bit.
  [[nodiscard]] static AnyExecutor serial() { return ThreadExecutor{1}; }

 private:
  std::function<std::size_t()> concurrency_;
  std::function<void(std::size_t, const LoopBody&)> run_;
};

/// Runs body(begin, end) over [0, n) cut into consecutive blocks of at most `block` indices.
template <class Body>
void for_each_block(const AnyExecutor& executor, std::size_t n, std::size_t block, const Body& body) {
  const std::size_t blocks = (n + block - 1) / block;
  executor.run(blocks, [&](std::size_t b) { body(b * block, std::min(n, (b + 1) * block)); });
}

}  // namespace pefa
