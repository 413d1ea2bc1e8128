// pefa: what a host asks of a single search beside its answer: an end to waiting, and an account of the work.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <vector>

namespace pefa {

/// When a search gives up and answers with what it has found so far.
///
/// Looked at every few hundred distances, so a search ends some microseconds after its limit.
struct SearchLimit {
  /// What deadlines are told by; it never goes back.
  using Clock = std::chrono::steady_clock;

  Clock::time_point deadline = Clock::time_point::max();  ///< max(): none
  const std::atomic<bool>* stop = nullptr;                ///< true: give up; nullptr: never asked

  /// Ends so long from now; never where that is past what the clock counts.
  [[nodiscard]] static SearchLimit within(Clock::duration time) {
    const Clock::time_point now = Clock::now();
    return {.deadline = time < Clock::time_point::max() - now ? now + time : Clock::time_point::max()};
  }

  /// Whether there is a limit at all.
  [[nodiscard]] bool exists() const noexcept { return stop != nullptr || deadline != Clock::time_point::max(); }

  /// Whether to give up now.
  [[nodiscard]] bool reached() const noexcept {
    return (stop != nullptr && stop->load(std::memory_order_relaxed)) ||
           (deadline != Clock::time_point::max() && Clock::now() >= deadline);
  }
};

/// What searching one index took. A batch adds up what its queries took.
struct IndexSearchStats {
  std::size_t distances = 0;      ///< rows compared with the query, by codes or exactly
  std::size_t hops = 0;           ///< nodes of a graph whose links were followed
  std::size_t reranked = 0;       ///< candidates rescored exactly after what codes told
  std::size_t scans = 0;          ///< filtered searches that went through the admitted rows one by one
  std::size_t scanned = 0;        ///< the rows that those looked at, which are among `distances`
  std::size_t walks = 0;          ///< walks over a graph for filtered searches, those that were given up included
  std::size_t two_hop_walks = 0;  ///< those of them that went over the admitted nodes, two links at a time
  bool stopped = false;           ///< a SearchLimit ended it: the answer is what had been found

  /// Adds up counts; stopped where either is.
  IndexSearchStats& operator+=(const IndexSearchStats& other) noexcept {
    distances += other.distances;
    hops += other.hops;
    reranked += other.reranked;
    scans += other.scans;
    scanned += other.scanned;
    walks += other.walks;
    two_hop_walks += other.two_hop_walks;
    stopped = stopped || other.stopped;
    return *this;
  }

  /// Says that a SearchLimit left no time.
  void stop() noexcept { stopped = true; }
};

namespace detail {

inline constexpr SearchLimit no_limit{};

/// Asks a search's limit every few hundred distances; where there is none, one comparison a call.
class LimitWatch {
 public:
  static constexpr std::size_t distances_between = 256;

  /// @param limit  must outlive the watch
  explicit LimitWatch(const SearchLimit& limit) noexcept : limit_(limit.exists() ? &limit : nullptr) {}

  /// Whether to give up, after so many more distances. What was once reached stays reached.
  [[nodiscard]] bool reached_after(std::size_t distances) noexcept {
    if (limit_ == nullptr) return false;
    since_ += distances;
    if (reached_ || since_ < distances_between) return reached_;
    since_ = 0;
    return reached_ = limit_->reached();
  }

 private:
  const SearchLimit* limit_;
  std::size_t since_ = 0;
  bool reached_ = false;
};

/// The accounts of a batch's parts, each written by one thread at a time, added to the caller's in the end.
template <class Stats>
class BatchStats {
 public:
  /// @param total  the caller's; nullptr: nobody asks
  BatchStats(Stats* total, std::size_t parts) : total_(total), parts_(total == nullptr ? 0 : parts) {}

  /// nullptr where nobody asks.
  [[nodiscard]] Stats* part(std::size_t i) noexcept { return total_ == nullptr ? nullptr : &parts_[i]; }

  void add_up() const noexcept {
    for (const Stats& part : parts_) *total_ += part;
  }

 private:
  Stats* total_;
  std::vector<Stats> parts_;
};

}  // namespace detail
}  // namespace pefa
