// pefa: exact search by int8 products: they rule out most rows for sure, the rest are scored exactly.
//
// A row x and a query q differ from their codes by known lengths, so that a product of codes gives bounds of the score
// (Cauchy–Schwarz): a row whose upper bound is below k lower bounds cannot be among the best k. Nothing is approximate.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/row_codes.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// Vectors as codes, with what the codes leave out.
struct BoundedCodes {
  /// @param row_dim  of the vectors
  BoundedCodes(std::size_t size, std::size_t row_dim)
      : dim(row_dim),
        bytes(simd::padded_code_dim(row_dim)),
        rounding(6e-8f * (static_cast<float>(row_dim) / 8.0f + 10.0f)),
        codes(size * bytes),
        scales(size),
        lengths(size),
        errors(size) {}

  /// Encodes vector i. @param values  dim floats
  void encode(std::size_t i, const float* values) {
    std::int8_t* code = codes.data() + i * bytes;
    scales[i] = encode_row(values, dim, code);
    const auto [squares, error] = scales[i] > 0.0f ? sums_of_codes(values, code, 1.0f / scales[i]) : Sums{};
    // In units of the scale, so that no square leaves the range of float; a row too short for codes in its own.
    const double length = scales[i] > 0.0f ? static_cast<double>(scales[i]) * std::sqrt(static_cast<double>(squares))
                                           : length_in_double(values);
    const double rest =
        scales[i] > 0.0f ? static_cast<double>(scales[i]) * std::sqrt(static_cast<double>(error)) : length;
    // A little more than they are, so that the bounds hold for scores summed in floats as well.
    const double slack = 1e-6 + static_cast<double>(rounding);
    lengths[i] = rounded_up((1.0 + slack) * length);
    errors[i] = rounded_up((1.0 + slack) * rest + slack * length);
  }

  /// Makes vector `to` the same as vector `from`.
  void copy(std::size_t from, std::size_t to) noexcept {
    std::copy_n(codes.data() + from * bytes, bytes, codes.data() + to * bytes);
    scales[to] = scales[from];
    lengths[to] = lengths[from];
    errors[to] = errors[from];
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return codes.capacity() + (scales.capacity() + lengths.capacity() + errors.capacity()) * sizeof(float);
  }

  std::size_t dim;
  std::size_t bytes;
  /// What a sum in floats may be off by, relative to the lengths: the scalar kernel, the worst, adds up dim / 8 terms.
  float rounding;
  AlignedVector<std::int8_t> codes;
  std::vector<float> scales;
  std::vector<float> lengths;  ///< ‖x‖, not below it
  std::vector<float> errors;   ///< ‖x − its code‖, not below it

 private:
  struct Sums {
    float squares = 0.0f;  // Σ (x / scale)²
    float error = 0.0f;    // Σ (x / scale − code)²
  };

  [[nodiscard]] Sums sums_of_codes(const float* values, const std::int8_t* code, float to_code) const noexcept {
    constexpr std::size_t lanes = 8;  // several sums, as one would wait for itself
    std::array<float, lanes> squares{};
    std::array<float, lanes> errors_of{};
    const auto add = [&](std::size_t d, std::size_t lane) {
      const float value = values[d] * to_code;
      const float rest = value - static_cast<float>(code[d]);
      squares[lane] += value * value;
      errors_of[lane] += rest * rest;
    };
    std::size_t d = 0;
    for (; d + lanes <= dim; d += lanes) {
      for (std::size_t lane = 0; lane < lanes; ++lane) add(d + lane, lane);
    }
    for (; d < dim; ++d) add(d, 0);
    return {std::accumulate(squares.begin(), squares.end(), 0.0f),
            std::accumulate(errors_of.begin(), errors_of.end(), 0.0f)};
  }

  [[nodiscard]] double length_in_double(const float* values) const noexcept {
    double sum = 0.0;
    for (std::size_t d = 0; d < dim; ++d) sum += static_cast<double>(values[d]) * static_cast<double>(values[d]);
    return std::sqrt(sum);
  }

  /// A float that is not below the value, which as a subnormal one it might be by much.
  [[nodiscard]] static float rounded_up(double value) noexcept {
    return std::nextafter(static_cast<float>(value), std::numeric_limits<float>::infinity());
  }
};

/// The rows of one query that may still be among its best k.
class CandidateRows {
 public:
  explicit CandidateRows(std::size_t k) : k_(k) {}

  /// Offers rows first … first + count by bounds of their scores.
  void offer(std::size_t first, const float* lower, const float* upper, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (upper[i] < floor_) continue;
      candidates_.push_back({static_cast<Row>(first + i), upper[i]});
      if (!(lower[i] > floor_)) continue;  // nor where it is not a number
      lower_bounds_.push_back(lower[i]);
      if (lower_bounds_.size() / 2 >= k_) cut();
    }
  }

  /// The rows left, in ascending order. @return  rows with their upper bounds as scores
  [[nodiscard]] const std::vector<Neighbor>& take() {
    if (lower_bounds_.size() >= k_) cut();
    std::erase_if(candidates_, [this](const Neighbor& candidate) { return candidate.score < floor_; });
    return candidates_;
  }

 private:
  /// Keeps the k best lower bounds; the worst of them is what an upper bound must reach.
  void cut() {
    const auto last = lower_bounds_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(lower_bounds_.begin(), last, lower_bounds_.end(), std::greater<>());
    lower_bounds_.resize(k_);
    floor_ = lower_bounds_.back();
    if (candidates_.size() > 8 * k_) {
      std::erase_if(candidates_, [this](const Neighbor& candidate) { return candidate.score < floor_; });
    }
  }

  std::size_t k_;
  float floor_ = -std::numeric_limits<float>::infinity();
  std::vector<float> lower_bounds_;
  std::vector<Neighbor> candidates_;
};

/// Bounds of the scores of one query against coded rows, as a kernel sums them in floats: ⟨q, x⟩, or −‖q − x‖² under
/// L2.
class ScoreBounds {
 public:
  explicit ScoreBounds(Metric metric) : is_l2_(metric == Metric::l2), dot_rows_(simd::code_kernels().dot_rows) {}

  /// Of query `query` against rows first … first + count. @param lower, upper  `count` floats each
  void compute(const BoundedCodes& queries, std::size_t query, const BoundedCodes& rows, std::size_t first,
               std::size_t count, float* lower, float* upper) {
    if (all_.size() < count) {
      all_.resize(count);
      std::iota(all_.begin(), all_.end(), Row{0});
      dots_.resize(count);
    }
    dot_rows_(queries.codes.data() + query * queries.bytes, rows.codes.data() + first * rows.bytes, rows.bytes,
              all_.data(), count, dots_.data());
    const float scale = queries.scales[query];
    const float length = queries.lengths[query];
    const float error = queries.errors[query];
    const float* row_scales = rows.scales.data() + first;
    const float* row_lengths = rows.lengths.data() + first;
    const float* row_errors = rows.errors.data() + first;
    for (std::size_t i = 0; i < count; ++i) {
      float score = static_cast<float>(dots_[i]) * (scale * row_scales[i]);
      // ⟨q, x⟩ − ⟨q̂, x̂⟩ = ⟨q, x − x̂⟩ + ⟨q − q̂, x̂⟩, with ‖x̂‖ ≤ ‖x‖ + ‖x − x̂‖
      float slack = length * row_errors[i] + error * (row_lengths[i] + row_errors[i]);
      float largest = length * row_lengths[i];  // no sum on the way to the exact score is larger
      if (is_l2_) {
        const float squares = row_lengths[i] * row_lengths[i] + length * length;
        score = 2.0f * score - squares;
        slack = 2.0f * slack + (2e-5f + 6.0f * rows.rounding) * squares;
        largest = 2.0f * squares;
      }
      slack += least_slack;
      const bool holds = largest < overflow;  // beyond, the exact score may be infinite, or no number
      lower[i] = holds ? score - slack : -infinity;
      upper[i] = holds ? score + slack : infinity;
    }
  }

 private:
  static constexpr float infinity = std::numeric_limits<float>::infinity();
  static constexpr float overflow = 1e38f;
  static constexpr float least_slack = 1e-35f;  // more than what is lost below float's normal range

  bool is_l2_;
  simd::CodeDotRows dot_rows_;
  std::vector<Row> all_;
  std::vector<std::int32_t> dots_;
};

}  // namespace pefa::detail
