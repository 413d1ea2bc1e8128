// pefa: residuals as 4-bit codes: one of 16 centres for every few coordinates (Jégou, Douze & Schmid, PAMI 2011),
// chosen so that what is left is short along the row, where the queries that find it point (Guo et al., ICML 2020).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/index/row_codes.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/nibble_scan.hpp"
#include "pefa/simd/nibble_tables.hpp"

namespace pefa::detail {

/// A query in the form that codes are scored by.
struct NibbleQuery {
  AlignedVector<float> padded;
  AlignedVector<std::int8_t> codes;
  AlignedVector<std::int32_t> products;
  AlignedVector<std::uint8_t> tables;
  float step = 0.0f;   ///< what one unit of a sum of table entries is worth
  float least = 0.0f;  ///< what a sum of 0 is worth
};

/// The centres of all subspaces, as int8, and how residuals become codes. One more code may hold a number of its own,
/// the lift.
class ProductCodes {
 public:
  ProductCodes() = default;

  /// @param width     coordinates of a subspace
  /// @param sample    [count x dim] residuals
  /// @param spread    of every coordinate: centres are int8 times it, and queries are multiplied with it first
  /// @param lifts     [count] numbers that a code of its own holds; empty: none does
  ProductCodes(std::size_t dim, std::size_t width, const std::vector<float>& sample, std::span<const float> spread,
               const std::vector<float>& lifts, const AnyExecutor& executor)
      : dim_(dim), width_(width), has_lift_(!lifts.empty()) {
    const std::size_t count = sample.size() / dim;
    floats_.assign(subspaces() * width_ * values, 0.0f);
    executor.run(subspaces(), [&](std::size_t s) { train(s, sample.data(), count); });
    if (has_lift_) train_levels(lifts);
    to_int8(spread);
  }

  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;
  [[nodiscard]] static inline ProductCodes open(const io::ArchiveReader& reader, const std::string& prefix,
                                                std::size_t dim, bool has_lift);

  [[nodiscard]] std::size_t width() const noexcept { return width_; }
  [[nodiscard]] std::size_t subspaces() const noexcept { return (dim_ + width_ - 1) / width_; }
  [[nodiscard]] std::size_t codes() const noexcept { return subspaces() + (has_lift_ ? 1 : 0); }
  [[nodiscard]] std::size_t quads() const noexcept { return (codes() + simd::quad_codes - 1) / simd::quad_codes; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return centers_.capacity() + floats_.capacity() * sizeof(float);
  }
  /// What only encode() needs is let go.
  void finish() { std::vector<float>().swap(floats_); }

  /// The codes of one residual.
  /// @param residual   dim floats
  /// @param direction  of the row, of length 1 or 0
  /// @param along      what an error along the row weighs, less 1
  /// @param out        codes() codes
  void encode(const float* residual, const float* direction, float along, float lift, std::uint8_t* out) const {
    float error = 0.0f;  // of the whole row, along the direction
    for (std::size_t s = 0; s < subspaces(); ++s) {
      std::array<float, values> lengths;
      std::array<float, values> parts;
      measure(s, residual, direction, lengths.data(), parts.data());
      out[s] = least_of(lengths.data());
      error += parts[out[s]];
    }
    for (std::size_t round = 0; along > 0.0f && round < rounds; ++round) {
      bool changed = false;
      for (std::size_t s = 0; s < subspaces(); ++s) {
        std::array<float, values> lengths;
        std::array<float, values> parts;
        measure(s, residual, direction, lengths.data(), parts.data());
        const float others = error - parts[out[s]];
        std::array<float, values> costs;
        for (std::size_t c = 0; c < values; ++c) {
          const float all = others + parts[c];
          costs[c] = lengths[c] + along * all * all;
        }
        const std::uint8_t best = least_of(costs.data());
        changed = changed || best != out[s];
        out[s] = best;
        error = others + parts[best];
      }
      if (!changed) break;
    }
    if (!has_lift_) return;
    std::array<float, values> costs;
    for (std::size_t c = 0; c < values; ++c) costs[c] = std::abs(lift - levels_[c]);
    out[subspaces()] = least_of(costs.data());
  }

  /// Makes the tables of a query. @param query  dim floats, multiplied with the spread  @param lift  its weight
  void prepare(const float* query, float lift, const simd::NibbleTables& kernels, NibbleQuery& prepared) const {
    const std::size_t bytes = padded_width();
    prepared.padded.resize(subspaces() * bytes);
    prepared.codes.resize(subspaces() * bytes);
    prepared.products.resize(codes() * values);
    if (prepared.tables.size() != quads() * simd::quad_table_bytes) {
      prepared.tables.assign(quads() * simd::quad_table_bytes, 0);
    }
    const float* padded = query;
    if (bytes != width_ || dim_ % width_ != 0) {
      for (std::size_t s = 0; s < subspaces(); ++s) {
        const std::size_t count = width_of(s);
        float* out = prepared.padded.data() + s * bytes;
        std::copy_n(query + s * width_, count, out);
        std::fill_n(out + count, bytes - count, 0.0f);
      }
      padded = prepared.padded.data();
    }
    float unit = scale_ * encode_row(padded, subspaces() * bytes, prepared.codes.data());
    kernels.products(prepared.codes.data(), centers_.data(), subspaces(), bytes, prepared.products.data());
    if (has_lift_) unit = add_lift(lift, unit, prepared.products.data());
    const std::int64_t range = kernels.range(prepared.products.data(), codes());
    const float factor = range == 0 ? 0.0f : static_cast<float>(simd::largest_entry) / static_cast<float>(range);
    const std::int64_t least = kernels.cut(prepared.products.data(), codes(), factor, prepared.tables.data());
    prepared.step = range == 0 ? 0.0f : unit / factor;
    prepared.least = unit * static_cast<float>(least);
  }

 private:
  static constexpr std::size_t values = simd::nibble_values;
  static constexpr std::size_t rounds = 2;      // over all subspaces, of looking for better codes
  static constexpr std::size_t iterations = 8;  // of k-means

  [[nodiscard]] std::size_t padded_width() const noexcept { return (width_ + 3) / 4 * 4; }
  [[nodiscard]] std::size_t width_of(std::size_t s) const noexcept { return std::min(width_, dim_ - s * width_); }

  [[nodiscard]] static std::uint8_t least_of(const float* costs) noexcept {
    std::uint8_t best = 0;
    for (std::uint8_t c = 1; c < values; ++c) best = costs[c] < costs[best] ? c : best;
    return best;
  }

  /// For each centre of a subspace the squared length of what it leaves of the residual, and its part along the row.
  void measure(std::size_t s, const float* residual, const float* direction, float* lengths,
               float* parts) const noexcept {
    std::fill_n(lengths, values, 0.0f);
    std::fill_n(parts, values, 0.0f);
    const float* centers = floats_.data() + s * width_ * values;
    for (std::size_t d = 0; d < width_of(s); ++d) {
      const float x = residual[s * width_ + d];
      const float u = direction[s * width_ + d];
      for (std::size_t c = 0; c < values; ++c) {
        const float rest = x - centers[d * values + c];
        lengths[c] += rest * rest;
        parts[c] += rest * u;
      }
    }
  }

  /// k-means of one subspace, from rows all over the sample.
  void train(std::size_t s, const float* sample, std::size_t count) {
    const std::size_t width = width_of(s);
    float* centers = floats_.data() + s * width_ * values;
    for (std::size_t c = 0; c < values; ++c) {
      const float* row = sample + c * count / values * dim_ + s * width_;
      for (std::size_t d = 0; d < width; ++d) centers[d * values + c] = row[d];
    }
    std::vector<double> sums(width * values);
    std::array<std::size_t, values> sizes;
    for (std::size_t iteration = 0; iteration < iterations; ++iteration) {
      std::fill(sums.begin(), sums.end(), 0.0);
      sizes.fill(0);
      for (std::size_t i = 0; i < count; ++i) {
        const float* row = sample + i * dim_ + s * width_;
        std::array<float, values> lengths{};
        for (std::size_t d = 0; d < width; ++d) {
          for (std::size_t c = 0; c < values; ++c) {
            const float rest = row[d] - centers[d * values + c];
            lengths[c] += rest * rest;
          }
        }
        const std::size_t best = least_of(lengths.data());
        ++sizes[best];
        for (std::size_t d = 0; d < width; ++d) sums[d * values + best] += double{row[d]};
      }
      for (std::size_t c = 0; c < values; ++c) {
        if (sizes[c] == 0) continue;
        for (std::size_t d = 0; d < width; ++d) {
          centers[d * values + c] = static_cast<float>(sums[d * values + c] / static_cast<double>(sizes[c]));
        }
      }
    }
  }

  /// The means of 16 parts of the sorted lifts.
  void train_levels(std::vector<float> lifts) {
    std::sort(lifts.begin(), lifts.end());
    for (std::size_t c = 0; c < values; ++c) {
      const std::size_t begin = c * lifts.size() / values;
      const std::size_t end = std::max(begin + 1, (c + 1) * lifts.size() / values);
      double sum = 0.0;
      for (std::size_t i = begin; i < end; ++i) sum += double{lifts[i]};
      levels_[c] = static_cast<float>(sum / static_cast<double>(end - begin));
    }
  }

  /// Keeps the centres as int8, and the floats that those stand for.
  void to_int8(std::span<const float> spread) {
    float largest = 0.0f;
    for_each_element(
        [&](std::size_t d, float& value, std::size_t) { largest = std::max(largest, std::abs(value) / spread[d]); });
    scale_ = largest / 127.0f;
    centers_.assign(subspaces() * padded_width() * values, 0);
    for_each_element([&](std::size_t d, float& value, std::size_t at) {
      const float code = scale_ > 0.0f ? std::nearbyint(value / (spread[d] * scale_)) : 0.0f;
      centers_[at] = static_cast<std::int8_t>(std::clamp(code, -127.0f, 127.0f));
      value = static_cast<float>(centers_[at]) * scale_ * spread[d];
    });
  }

  /// Calls on(coordinate, centre's element, its place among the int8 codes).
  template <class On>
  void for_each_element(const On& on) {
    for (std::size_t d = 0; d < dim_; ++d) {
      const std::size_t s = d / width_;
      const std::size_t t = d % width_;
      for (std::size_t c = 0; c < values; ++c) {
        on(d, floats_[(s * width_ + t) * values + c], (s * padded_width() + t / 4 * 4) * values + 4 * c + t % 4);
      }
    }
  }

  /// The products of the lift's code, in the unit of the others, or in one of its own where it outweighs them by far.
  /// @return  the unit
  [[nodiscard]] float add_lift(float weight, float unit, std::int32_t* products) const {
    constexpr float most = 1 << 28;
    float largest = 0.0f;
    for (const float level : levels_) largest = std::max(largest, std::abs(weight * level));
    std::int32_t* lifts = products + subspaces() * values;
    if (!is_finite(largest)) {  // a damaged file's: no lift is better than none that is a number
      std::fill_n(lifts, values, 0);
      return unit;
    }
    if (largest > most * unit) {
      const float coarser = largest / most;
      for (std::size_t i = 0; i < subspaces() * values; ++i) {
        products[i] = static_cast<std::int32_t>(static_cast<float>(products[i]) * (unit / coarser));
      }
      unit = coarser;
    }
    for (std::size_t c = 0; c < values; ++c) {
      lifts[c] = unit > 0.0f ? static_cast<std::int32_t>(weight * levels_[c] / unit) : 0;
    }
    return unit;
  }

  std::size_t dim_ = 0;
  std::size_t width_ = 1;
  bool has_lift_ = false;
  float scale_ = 0.0f;
  std::array<float, values> levels_{};
  AlignedVector<std::int8_t> centers_;  // as CentreProducts reads them
  std::vector<float> floats_;           // [subspaces x width x 16]
};

}  // namespace pefa::detail
