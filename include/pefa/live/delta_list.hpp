// pefa: some rows of a delta that lie near each other, with int8 codes whose bounds rule most of them out
// (code_scan.hpp): a scan leaves no row out that an exact one would find.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/code_scan.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::live::detail {

/// A row of a delta.
struct DeltaRow {
  Row row = 0;  ///< of the state
  SharedVector values{};
};

/// The score of a row of a delta, as an index has it.
[[nodiscard]] inline float delta_score(QueryView query, Metric metric, const float* row) noexcept {
  return metric == Metric::inner_product
             ? pefa::detail::rankable(simd::dot_kernel<float>()(query.data(), row, query.size(), 1.0f))
             : pefa::detail::rankable(-simd::squared_l2_kernel<float>()(query.data(), row, query.size(), 1.0f));
}

/// A query as lists are asked with it. The query must outlive it.
struct DeltaQuery {
  DeltaQuery(QueryView query, Metric of) : values(query), metric(of), codes(1, query.size()), bounds(of) {
    codes.encode(0, query.data());
  }

  QueryView values;
  Metric metric;
  pefa::detail::BoundedCodes codes;
  pefa::detail::ScoreBounds bounds;
};

/// Up to `most` rows about a centre.
class DeltaList {
 public:
  static constexpr std::size_t most = 64;  ///< small lists tell better where to look

  /// Empty. @param center  a row that the first ones are near to
  explicit DeltaList(std::span<const float> center)
      : center_(center.begin(), center.end()), codes_(most, center.size()) {}

  /// What find_center() found last.
  [[nodiscard]] std::span<const float> center() const noexcept { return center_; }
  /// The root mean square of ‖x − c‖ then.
  [[nodiscard]] float spread() const noexcept { return spread_; }
  /// The mean of ‖x‖² then.
  [[nodiscard]] float mean_square() const noexcept { return mean_square_; }
  /// Makes the mean of the rows that are here its centre.
  void find_center() {
    const float share = 1.0f / static_cast<float>(rows_.size());
    mean_square_ = 0.0f;
    std::fill(center_.begin(), center_.end(), 0.0f);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      for (std::size_t d = 0; d < center_.size(); ++d) center_[d] += share * rows_[i].values.get()[d];
      mean_square_ += share * codes_.lengths[i] * codes_.lengths[i];
    }
    const float square = simd::dot_kernel<float>()(center_.data(), center_.data(), center_.size(), 1.0f);
    spread_ = std::sqrt(std::max(0.0f, mean_square_ - square));
  }

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] const DeltaRow& operator[](std::size_t place) const noexcept { return rows_[place]; }

  /// Puts a row at the end; there must be fewer than `most`.
  void append(Row row, SharedVector values) {
    codes_.encode(rows_.size(), values.get());
    rows_.push_back({row, std::move(values)});
  }

  /// Gives a row other values.
  void replace(std::size_t place, SharedVector values) {
    codes_.encode(place, values.get());
    rows_[place].values = std::move(values);
  }

  /// Takes a row out; the last one takes its place.
  void remove(std::size_t place) {
    const std::size_t last = rows_.size() - 1;
    if (place != last) {
      codes_.copy(last, place);
      rows_[place] = std::move(rows_[last]);
    }
    rows_.pop_back();
  }

  /// Pushes the admitted rows that may enter. @param floor  no score below it counts
  template <class Admits>
  void scan(DeltaQuery& query, float floor, const Admits& admits, TopK& best) const {
    std::array<float, most> lower;
    std::array<float, most> upper;
    query.bounds.compute(query.codes, 0, codes_, 0, rows_.size(), lower.data(), upper.data());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (upper[i] < std::max(floor, best.floor())) continue;
      if (admits(rows_[i].row)) {
        best.push({rows_[i].row, delta_score(query.values, query.metric, rows_[i].values.get())});
      }
    }
  }

 private:
  std::vector<float> center_;
  float mean_square_ = 0.0f;
  float spread_ = 0.0f;
  std::vector<DeltaRow> rows_;
  pefa::detail::BoundedCodes codes_;  // of the rows, at their places
};

/// Which rows of a list belong together, by a few rounds of 2-means: true for one half, and neither has less than an
/// eighth. The same for the same rows. O(size · dim).
[[nodiscard]] inline std::vector<bool> halves(const DeltaList& list) {
  const std::size_t dim = list.center().size();
  const auto distance = simd::squared_l2_kernel<float>();
  const std::size_t n = list.size();
  const auto farthest = [&](const float* from) {
    std::size_t best = 0;
    float most = -1.0f;
    for (std::size_t i = 0; i < n; ++i) {
      const float far = distance(from, list[i].values.get(), dim, 1.0f);
      if (far > most) most = far, best = i;
    }
    return list[best].values.get();
  };
  const float* one = farthest(list[0].values.get());
  const float* other = farthest(one);
  std::array<std::vector<float>, 2> means{std::vector<float>(one, one + dim), std::vector<float>(other, other + dim)};
  std::vector<float> lead(n);  // by how much a row is nearer to the first mean
  std::vector<bool> is_first(n);
  constexpr int rounds = 5;
  for (int round = 0; round < rounds; ++round) {
    std::array<std::size_t, 2> counts{};
    for (std::size_t i = 0; i < n; ++i) {
      const float* row = list[i].values.get();
      lead[i] = distance(means[1].data(), row, dim, 1.0f) - distance(means[0].data(), row, dim, 1.0f);
      is_first[i] = lead[i] > 0.0f;
      ++counts[is_first[i] ? 0 : 1];
    }
    if (std::min(counts[0], counts[1]) < n / 8) {  // a few far rows, equal rows, or NaN
      std::vector<std::size_t> order(n);
      std::iota(order.begin(), order.end(), std::size_t{0});
      const auto comes_first = [&](std::size_t a, std::size_t b) {
        const float of_a = pefa::detail::rankable(lead[a]);
        const float of_b = pefa::detail::rankable(lead[b]);
        return of_a != of_b ? of_a > of_b : a < b;
      };
      std::sort(order.begin(), order.end(), comes_first);
      for (std::size_t i = 0; i < n; ++i) is_first[order[i]] = i < n / 2;
      return is_first;
    }
    if (round + 1 == rounds) break;
    for (auto& mean : means) std::fill(mean.begin(), mean.end(), 0.0f);
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<float>& mean = means[is_first[i] ? 0 : 1];
      const float share = 1.0f / static_cast<float>(counts[is_first[i] ? 0 : 1]);
      for (std::size_t d = 0; d < dim; ++d) mean[d] += share * list[i].values.get()[d];
    }
  }
  return is_first;
}

}  // namespace pefa::live::detail
