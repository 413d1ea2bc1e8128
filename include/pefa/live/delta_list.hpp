// pefa: some rows of a delta that lie near each other, with int8 codes that tell which of them can be among the best.
//
// A code's error is known, so a scan leaves no row out that an exact one would find: with x = x̂ + e and q = q̂ + f,
// |⟨q, x⟩ − ⟨q̂, x̂⟩| ≤ ‖q̂‖·‖e‖ + ‖f‖·‖x‖.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/row_codes.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::live::detail {

/// A vector's code, and how far it is from it.
struct DeltaCode {
  float scale = 0.0f;   ///< x̂ = scale · codes
  float length = 0.0f;  ///< ‖x‖
  float error = 0.0f;   ///< ‖x − x̂‖

  /// Encodes a vector. @param codes  padded_code_dim(dim)
  [[nodiscard]] static DeltaCode of(std::span<const float> values, std::int8_t* codes) {
    DeltaCode code;
    code.scale = pefa::detail::encode_row(values.data(), values.size(), codes);
    std::fill(codes + values.size(), codes + simd::padded_code_dim(values.size()), std::int8_t{0});
    double squares = 0.0;
    double error = 0.0;
    for (std::size_t d = 0; d < values.size(); ++d) {
      const auto x = static_cast<double>(values[d]);
      const double off = x - static_cast<double>(code.scale) * static_cast<double>(codes[d]);
      squares += x * x;
      error += off * off;
    }
    code.length = static_cast<float>(std::sqrt(squares));
    code.error = static_cast<float>(std::sqrt(error));
    return code;
  }
};

/// A row of a delta.
struct DeltaRow {
  Row row = 0;  ///< of the state
  SharedVector values{};
  DeltaCode code{};
};

/// The score of a row of a delta, as an index has it.
[[nodiscard]] inline float delta_score(QueryView query, Metric metric, const float* row) noexcept {
  return metric == Metric::inner_product
             ? pefa::detail::rankable(simd::dot_kernel<float>()(query.data(), row, query.size(), 1.0f))
             : pefa::detail::rankable(-simd::squared_l2_kernel<float>()(query.data(), row, query.size(), 1.0f));
}

/// A query as lists are asked with it. The query must outlive it.
class DeltaQuery {
 public:
  DeltaQuery(QueryView query, Metric metric) : query_(query), metric_(metric), kernels_(simd::code_kernels()) {
    codes_.resize(simd::padded_code_dim(query.size()));
    code_ = DeltaCode::of(query, codes_.data());
    rounding_ = 1e-6f + 6e-8f * static_cast<float>(query.size());
  }

  /// The score of a row.
  [[nodiscard]] float score(const float* row) const noexcept { return delta_score(query_, metric_, row); }

  /// No score of that row is above. Infinity where the row or the query is too long to say.
  [[nodiscard]] float bound(const DeltaCode& row, std::int32_t dot) const noexcept {
    const float longest = code_.length + row.length;
    float error = (code_.length + code_.error) * row.error + code_.error * row.length;
    error += rounding_ * longest * longest + std::numeric_limits<float>::min();
    float bound = code_.scale * row.scale * static_cast<float>(dot) + error;
    if (metric_ == Metric::l2) bound = 2.0f * bound - code_.length * code_.length - row.length * row.length;
    return pefa::detail::is_finite(bound) ? bound : std::numeric_limits<float>::infinity();
  }

  /// The products of codes with the first `count` rows of a table.
  void dots(const std::int8_t* table, std::span<const Row> rows, std::int32_t* out) const {
    kernels_.dot_rows(codes_.data(), table, codes_.size(), rows.data(), rows.size(), out);
  }

  [[nodiscard]] QueryView values() const noexcept { return query_; }
  [[nodiscard]] Metric metric() const noexcept { return metric_; }

 private:
  QueryView query_;
  Metric metric_;
  simd::CodeKernels kernels_;
  pefa::detail::AlignedVector<std::int8_t> codes_;
  DeltaCode code_;
  float rounding_ = 0.0f;
};

/// Up to `most` rows about a centre.
class DeltaList {
 public:
  static constexpr std::size_t most = 64;  ///< small lists tell better where to look

  /// Empty. @param center  a row that the first ones are near to
  explicit DeltaList(std::span<const float> center) : center_(center.begin(), center.end()) {}

  /// What find_center() found last.
  [[nodiscard]] std::span<const float> center() const noexcept { return center_; }
  /// The root mean square of ‖x − c‖ then.
  [[nodiscard]] float spread() const noexcept { return spread_; }
  /// The mean of ‖x‖² then.
  [[nodiscard]] float mean_square() const noexcept { return mean_square_; }
  /// Makes the mean of the rows that are here its centre.
  void find_center() {
    const auto dot = simd::dot_kernel<float>();
    const float share = 1.0f / static_cast<float>(rows_.size());
    mean_square_ = 0.0f;
    std::fill(center_.begin(), center_.end(), 0.0f);
    for (const DeltaRow& row : rows_) {
      for (std::size_t d = 0; d < center_.size(); ++d) center_[d] += share * row.values.get()[d];
      mean_square_ += share * row.code.length * row.code.length;
    }
    spread_ = std::sqrt(std::max(0.0f, mean_square_ - dot(center_.data(), center_.data(), center_.size(), 1.0f)));
  }

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] const DeltaRow& operator[](std::size_t place) const noexcept { return rows_[place]; }

  /// Puts a row at the end.
  void append(Row row, SharedVector values) {
    const std::size_t dim = center_.size();
    const std::size_t bytes = simd::padded_code_dim(dim);
    codes_.resize((rows_.size() + 1) * bytes);
    const DeltaCode code = DeltaCode::of({values.get(), dim}, codes_.data() + rows_.size() * bytes);
    rows_.push_back({row, std::move(values), code});
  }

  /// Gives a row other values.
  void replace(std::size_t place, SharedVector values) {
    const std::size_t dim = center_.size();
    const DeltaCode code = DeltaCode::of({values.get(), dim}, codes_.data() + place * simd::padded_code_dim(dim));
    rows_[place] = {rows_[place].row, std::move(values), code};
  }

  /// Takes a row out; the last one takes its place.
  void remove(std::size_t place) {
    const std::size_t bytes = codes_.size() / rows_.size();
    const std::size_t last = rows_.size() - 1;
    if (place != last) {
      std::copy_n(codes_.data() + last * bytes, bytes, codes_.data() + place * bytes);
      rows_[place] = std::move(rows_[last]);
    }
    rows_.pop_back();
    codes_.resize(last * bytes);
  }

  /// Pushes the admitted rows that may enter. @param floor  no score below it counts
  template <class Admits>
  void scan(const DeltaQuery& query, float floor, const Admits& admits, TopK& best) const {
    std::array<std::int32_t, most> dots;
    query.dots(codes_.data(), std::span(numbers()).first(rows_.size()), dots.data());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (query.bound(rows_[i].code, dots[i]) < std::max(floor, best.floor())) continue;
      if (!admits(rows_[i].row)) continue;
      best.push({rows_[i].row, query.score(rows_[i].values.get())});
    }
  }

 private:
  [[nodiscard]] static const std::array<Row, most>& numbers() {
    static const auto all = [] {
      std::array<Row, most> made{};
      std::iota(made.begin(), made.end(), Row{0});
      return made;
    }();
    return all;
  }

  std::vector<float> center_;
  float mean_square_ = 0.0f;
  float spread_ = 0.0f;
  std::vector<DeltaRow> rows_;
  pefa::detail::AlignedVector<std::int8_t> codes_;
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
