// pefa: which of the rows near a node become its links.
//
// A candidate that is nearer to a kept link than to the node needs no link of its own: a walk gets there through the
// other (HNSW: Malkov & Yashunin, TPAMI 2018, algorithm 4), which leaves room for links in other directions. A factor
// alpha keeps some of them all the same, so that walks take fewer hops (Vamana: Subramanya et al., NeurIPS 2019).
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/index/coded_rows.hpp"

namespace pefa::detail {

/// A row that may become a link, by its distance to the node.
struct LinkCandidate {
  float distance;
  Row row;

  /// Ties go by row, so that a choice does not depend on the order of its candidates.
  friend bool operator<(const LinkCandidate& a, const LinkCandidate& b) noexcept {
    return a.distance < b.distance || (a.distance == b.distance && a.row < b.row);
  }
};

/// Chooses links; one a thread.
class LinkChoice {
 public:
  /// @param alpha  a candidate goes where its squared distance to a kept link, times alpha, is less than to the node
  LinkChoice(const CodedRows& rows, float alpha) : rows_(rows), alpha_(alpha) {}

  /// Leaves the links in `candidates`, distinct rows other than the node, nearest first, at most `most`.
  void choose(std::vector<LinkCandidate>& candidates, std::size_t most) {
    std::sort(candidates.begin(), candidates.end());
    std::size_t end = candidates.size();
    rows_left_.resize(end);
    distances_left_.resize(end);
    for (std::size_t i = 0; i < end; ++i) {
      rows_left_[i] = candidates[i].row;
      distances_left_[i] = candidates[i].distance;
    }
    candidates.clear();
    // The first that is left is kept; all behind it are weighed against it at once.
    for (std::size_t begin = 0; begin < end && candidates.size() < most;) {
      const Row kept = rows_left_[begin];
      candidates.push_back({distances_left_[begin], kept});
      ++begin;
      if (candidates.size() == most) break;
      const auto left = std::span(rows_left_).subspan(begin, end - begin);
      const float* from_kept = distances_to(kept, left);
      std::size_t stay = begin;
      for (std::size_t i = begin; i < end; ++i) {
        const bool stood_for = alpha_ * from_kept[i - begin] < distances_left_[i];
        rows_left_[stay] = rows_left_[i];
        distances_left_[stay] = distances_left_[i];
        stay += stood_for ? 0U : 1U;
      }
      end = stay;
    }
  }

  /// Appends rows as candidates for a node.
  void weigh(Row node, std::span<const Row> rows, std::vector<LinkCandidate>& candidates) {
    const float* distances = distances_to(node, rows);
    for (std::size_t i = 0; i < rows.size(); ++i) candidates.push_back({distances[i], rows[i]});
  }

 private:
  [[nodiscard]] const float* distances_to(Row from, std::span<const Row> to) {
    if (distances_.size() < to.size()) distances_.resize(to.size());
    rows_.distances(from, to, scratch_, distances_.data());
    return distances_.data();
  }

  const CodedRows& rows_;
  float alpha_;
  CodedRows::Scratch scratch_;
  std::vector<Row> rows_left_;
  std::vector<float> distances_left_;  // to the node
  std::vector<float> distances_;
};

}  // namespace pefa::detail
