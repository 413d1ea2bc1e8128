// pefa: what a host asks of a single search beside its answer: an end to waiting, and an account of the work.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>

namespace pefa {

/// When a search gives up and answers with what it has found so far.
///
/// Looked at every few hundred distances, so a search ends some microseconds after its limit.
struct SearchLimit {
  using Clock = std::chrono::steady_clock;

  Clock::time_point deadline = Clock::time_point::max();  ///< max(): none
  const std::atomic<bool>* stop = nullptr;                ///< true: give up; nullptr: never asked

  /// Ends so long from now.
  [[nodiscard]] static SearchLimit within(Clock::duration time) { return {.deadline = Clock::now() + time}; }

  [[nodiscard]] bool exists() const noexcept { return stop != nullptr || deadline != Clock::time_point::max(); }

  [[nodiscard]] bool reached() const noexcept {
    return (stop != nullptr && stop->load(std::memory_order_relaxed)) ||
           (deadline != Clock::time_point::max() && Clock::now() >= deadline);
  }
};

/// What searching one index took. A batch adds up what its queries took.
struct IndexSearchStats {
  std::size_t distances = 0;  ///< rows compared with the query, by codes or exactly
  std::size_t hops = 0;       ///< nodes of a graph whose links were followed
  std::size_t reranked = 0;   ///< candidates rescored exactly after a walk on codes
  bool stopped = false;       ///< a SearchLimit ended it: the answer is what had been found

  IndexSearchStats& operator+=(const IndexSearchStats& other) noexcept {
    distances += other.distances;
    hops += other.hops;
    reranked += other.reranked;
    stopped = stopped || other.stopped;
    return *this;
  }
};

}  // namespace pefa
