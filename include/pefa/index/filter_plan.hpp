// pefa: how a graph index answers a filtered search: which of three ways is the cheapest, told before it starts by how
// many rows are admitted and after its first steps by how many of the rows near the query are.
//
// Scan: every admitted row is looked at. Exact, and the cheapest where few are admitted.
// Walk: the graph is walked as without a filter, by a beam so wide that it ends with enough admitted rows. Rows that
// are not admitted lead on, and are dropped in the end. Two hops: where admitted rows are few and yet too many to scan,
// a walk over the admitted nodes alone; a link to another node stands for that node's links (ACORN: Patel et al.,
// SIGMOD 2024).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/index/beam.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa::detail {

/// What the steps of an index cost, all in one unit, as bench_filters measured them.
struct FilterCosts {
  double scanned_row;  ///< a row of a scan
  double candidate;    ///< a candidate more in the beam of a walk: a hop and the rows it compares
  double two_hops;     ///< a hop of a walk over admitted nodes: the lists it reads and the rows it compares
};

/// One of the three ways.
enum class FilteredWay { scan, walk, two_hops };

/// What a walk has seen of the rows near the query.
struct NearShare {
  std::size_t seen = 0;      ///< the best candidates that were asked about
  std::size_t admitted = 0;  ///< how many of them are admitted
};

/// How many of a beam's first candidates are admitted; counted until there are `enough`.
/// @param admits  (Row): whether a candidate is
template <class Admits>
[[nodiscard]] NearShare near_share(const Beam& beam, std::size_t first, std::size_t enough, const Admits& admits) {
  NearShare near;
  for (; near.seen < std::min(first, beam.size()) && near.admitted < enough; ++near.seen) {
    near.admitted += admits(beam[near.seen].row()) ? 1U : 0U;
  }
  return near;
}

/// Decides for one search. The decisions depend on what the search finds alone, never on a clock, so that its answer is
/// the same on every run.
class FilterPlanner {
 public:
  /// How much wider a walk over admitted nodes is than one over all, which finds more. Measured on a million rows about
  /// 1,000 centres, half of them admitted, the far ones: recall@10 0.975 by ef = 300, 0.985 by 1,000, 0.996 by 3,000.
  static constexpr std::size_t two_hop_beams = 4;
  /// Hops after which a walk is judged: enough to be near the query, few enough to be given up.
  static constexpr std::size_t probed_hops = 64;

  /// @param wanted  admitted candidates that a walk should end with, at least k
  /// @param ef      the beam of the search without a filter
  FilterPlanner(const RowFilter& filter, std::size_t size, std::size_t wanted, std::size_t ef, const FilterCosts& costs)
      : costs_(costs), size_(size), wanted_(wanted), ef_(ef), admitted_(filter.count(size).value_or(0)) {
    if (!filter.count(size)) estimate_admitted(filter);
    const double share = static_cast<double>(std::max<std::size_t>(admitted_, 1)) / static_cast<double>(size);
    usual_width_ = width_at(share);
    way_ = is_few() ? FilteredWay::scan : cheapest(usual_width_);
  }

  /// What to do now.
  [[nodiscard]] FilteredWay way() const noexcept { return way_; }
  /// The beam of the walk to do.
  [[nodiscard]] std::size_t width() const noexcept { return width_; }
  /// Admitted candidates that a walk should end with.
  [[nodiscard]] std::size_t wanted() const noexcept { return wanted_; }

  /// The beam of a walk over admitted nodes.
  [[nodiscard]] std::size_t two_hop_width() const noexcept { return std::min(two_hop_beams * ef_, size_); }

  /// Judges a walk by its first hops. @return  whether it goes on; else way() and width() are what to do instead
  [[nodiscard]] bool goes_on(const NearShare& near) {
    const std::size_t before = width_;
    const double width = width_near(near);
    way_ = cheapest(width);
    if (way_ == FilteredWay::walk && width <= 1.5 * static_cast<double>(before)) width_ = before;
    return way_ == FilteredWay::walk && width_ == before;
  }

  /// What to do after a walk that ended with too few admitted candidates.
  void widen(const NearShare& near) {
    const double width = std::max(1.25 * width_near(near), 2.0 * static_cast<double>(width_));
    way_ = width_ >= size_ ? FilteredWay::scan : cheapest(width);
  }

 private:
  static constexpr std::size_t sample = 256;          // rows a predicate is asked about before a plan is made
  static constexpr std::size_t always_scanned = 100;  // of which one row is admitted at most: then the answer is exact
  // Where the rows near the query are admitted so many times less often than others, a walk has to find its way to
  // other clusters, and finds less: recall@10 0.974 of a million rows half of which are admitted, where a scan takes
  // twice its time. It counts as dear as that.
  static constexpr double opposed = 4.0;

  [[nodiscard]] bool is_few() const noexcept { return admitted_ <= size_ / always_scanned || admitted_ <= 2 * wanted_; }

  void estimate_admitted(const RowFilter& filter) {
    const std::size_t asked = std::min(sample, size_);
    std::size_t admitted = 0;
    for (std::size_t i = 0; i < asked; ++i) admitted += filter.admits(static_cast<Row>(i * size_ / asked)) ? 1U : 0U;
    admitted_ = admitted * size_ / asked;
  }

  /// The beam that holds enough admitted rows where so large a share of the rows near the query is admitted.
  [[nodiscard]] double width_at(double share) const noexcept {
    return std::max(static_cast<double>(ef_), static_cast<double>(wanted_) / share);
  }
  [[nodiscard]] double width_near(const NearShare& near) const noexcept {
    const double admitted = std::max(0.5, static_cast<double>(near.admitted));
    return width_at(admitted / static_cast<double>(std::max<std::size_t>(near.seen, 1)));
  }

  /// The cheapest way, where a walk takes a beam so wide.
  [[nodiscard]] FilteredWay cheapest(double width) noexcept {
    width_ = static_cast<std::size_t>(std::min(width, static_cast<double>(size_)));
    const double scan = costs_.scanned_row * static_cast<double>(admitted_);
    const double astray = width > opposed * usual_width_ ? 2.0 : 1.0;
    const double walk = astray * costs_.candidate * static_cast<double>(width_);
    const double two_hops = costs_.two_hops * static_cast<double>(two_hop_width());
    if (scan <= walk && scan <= two_hops) return FilteredWay::scan;
    return walk <= two_hops ? FilteredWay::walk : FilteredWay::two_hops;
  }

  FilterCosts costs_;
  std::size_t size_;
  std::size_t wanted_;
  std::size_t ef_;
  std::size_t admitted_;
  std::size_t width_ = 0;
  double usual_width_ = 0.0;  // where the filter has nothing to do with the query
  FilteredWay way_ = FilteredWay::scan;
};

/// Searches as the planner says, and scans in the end where a walk has found fewer than k.
/// @param walk      (FilterPlanner&): NearShare of the whole walk, or of its first hops where the planner stopped it
/// @param two_hops  ()
/// @param take      (): the best admitted of what the last walk has found; at most k
/// @param stopped   (): whether the limit is reached
/// @param scan      (): the best admitted; at most k
template <class Walk, class TwoHops, class Take, class Stopped, class Scan>
[[nodiscard]] std::vector<Neighbor> search_by_plan(FilterPlanner& planner, std::size_t k, const Walk& walk,
                                                   const TwoHops& two_hops, const Take& take, const Stopped& stopped,
                                                   const Scan& scan) {
  while (planner.way() == FilteredWay::walk) {
    const std::size_t width = planner.width();
    const NearShare near = walk(planner);
    if (stopped()) return take();
    if (planner.way() != FilteredWay::walk || planner.width() != width) continue;  // it was given up
    if (near.admitted >= planner.wanted()) {
      std::vector<Neighbor> found = take();
      if (found.size() >= k) return found;
    }
    planner.widen(near);
  }
  if (planner.way() == FilteredWay::two_hops) {
    two_hops();
    std::vector<Neighbor> found = take();
    if (found.size() >= k || stopped()) return found;
  }
  return scan();
}

}  // namespace pefa::detail
