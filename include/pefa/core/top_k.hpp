// pefa: bounded selection of the best k of a stream of scored rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "pefa/core/ids.hpp"

namespace pefa {

/// Cuts `found` to its best k, best first, ties by ascending row. O(n + k log k).
inline void keep_best(std::vector<Neighbor>& found, std::size_t k) {
  const auto kept = found.begin() + static_cast<std::ptrdiff_t>(std::min(k, found.size()));
  if (kept != found.end()) std::nth_element(found.begin(), kept, found.end(), ranks_before);
  std::sort(found.begin(), kept, ranks_before);
  found.erase(kept, found.end());
}

/// Keeps the k best of the neighbours pushed into it; ties go to the smaller row, so the result does not depend on the
/// order of the pushes.
///
/// A candidate that cannot enter costs one comparison. The others go to a buffer of 2k that is cut to k by selection
/// when it is full: O(1) amortised a push, O(k) memory. Not for concurrent use.
class TopK {
 public:
  /// @param k  how many to keep; 0 keeps none
  explicit TopK(std::size_t k) : k_(k) { buffer_.reserve(2 * std::min<std::size_t>(k, 1U << 15)); }

  /// Offers one candidate. The score must not be NaN.
  void push(Neighbor candidate) {
    if (candidate.score < floor_ || k_ == 0) return;
    buffer_.push_back(candidate);
    if (buffer_.size() / 2 >= k_) cut();  // so written, 2k cannot wrap
  }

  /// Candidates scoring below this cannot enter any more; a caller may skip them unseen.
  [[nodiscard]] float floor() const noexcept { return floor_; }

  /// The best k, best first; leaves the selection empty and ready for reuse.
  [[nodiscard]] std::vector<Neighbor> take() {
    keep_best(buffer_, k_);
    std::vector<Neighbor> best(buffer_);
    buffer_.clear();
    floor_ = -std::numeric_limits<float>::infinity();
    return best;
  }

 private:
  void cut() {
    const auto last_kept = buffer_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(buffer_.begin(), last_kept, buffer_.end(), ranks_before);
    buffer_.resize(k_);
    floor_ = buffer_.back().score;
  }

  std::size_t k_;
  float floor_ = -std::numeric_limits<float>::infinity();
  std::vector<Neighbor> buffer_;
};

}  // namespace pefa
