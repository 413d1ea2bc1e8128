// pefa: what the codes of a CodeTable leave of its rows, in 4 bits a coordinate, so that an index may let the rows
// themselves go: unit rows of 512 dimensions score within 1e-3.
//
// A row is x = x̂ + r: what its codes stand for (CodeTable::decode()), and a residual, whose elements are about as small
// as half a step of the codes. A score is taken apart alike: ⟨q, x̂⟩ by the query along the codes' axes in two rows of
// codes, ⟨q, r⟩ by one, as r is small. All products are of integers: every family of kernels gives the same score.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/memory_block.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/index/code_products.hpp"
#include "pefa/index/code_table.hpp"
#include "pefa/index/row_codes.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/simd/rows.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// A query in the form that ResidualCodes scores rows in; reused.
struct DecodedQuery {
  FineCodes plain;          ///< as it is
  FineCodes along;          ///< along what the codes of head and tail count, in their blocks
  std::int32_t sum = 0;     ///< of plain.high
  float along_mean = 0.0f;  ///< ⟨q, μ⟩
  float squares = 0.0f;     ///< ‖q‖²
  CodedQuery turned;        ///< scratch, as are the next
  CodeProductScratch products;
  std::vector<std::int32_t> high_dots;
  AlignedVector<std::int8_t> residuals;  ///< those of a few rows, a byte a coordinate
};

/// The residuals of all rows; built once, then read-only. Const and safe from any number of threads, each with a query
/// of its own. What is asked of it takes the table that it was made for.
class ResidualCodes {
 public:
  ResidualCodes() = default;

  /// O(size · dim · axes), where the codes' axes are those of a rotation. @param meter  counts rows, each once
  template <class Scalar>
  ResidualCodes(const EmbeddingView<Scalar>& rows, const CodeTable& codes, const AnyExecutor& executor,
                ProgressMeter& meter)
      : ResidualCodes(codes.dim()) {
    packed_ = MemoryBlock<std::uint8_t>(rows.size() * row_bytes_);
    scales_ = MemoryBlock<float>(rows.size());
    const RowMajorMatrix axes = codes.decoded_axes();
    for_each_block(executor, rows.size(), 256, [&](std::size_t begin, std::size_t end) {
      RowMajorMatrix residuals;
      codes.decode(begin, end, axes, residuals);
      std::vector<float> row(dim_);
      for (std::size_t i = begin; i < end; ++i) {
        rows.decode(i, row.data());
        const float* decoded = residuals.data() + (i - begin) * dim_;
        for (std::size_t d = 0; d < dim_; ++d) row[d] -= decoded[d];
        scales_.mutable_data()[i] = pack(row, packed_.mutable_data() + i * row_bytes_);
      }
      meter.add(end - begin);
    });
  }

  /// Defined, as is open(), in quantized_hnsw_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;
  [[nodiscard]] static inline ResidualCodes open(const io::ArchiveReader& reader, const std::string& prefix,
                                                 const IndexDescription& shape);

  [[nodiscard]] bool empty() const noexcept { return scales_.size() == 0; }

  /// Brings a query into the form for scores(). O(dim · axes).
  /// @param walked  the same query as codes.encode() left it, or nullptr: half of the work
  void prepare(QueryView query, const CodeTable& codes, const CodedQuery* walked, DecodedQuery& form) const {
    form.plain.encode(query.data(), dim_, 2 * row_bytes_);
    form.sum = std::accumulate(form.plain.high.begin(), form.plain.high.end(), std::int32_t{0});
    codes.encode_finely(query, form.plain, walked, form.turned, form.along);
    form.along_mean = codes.along_mean(query.data());
    form.squares = std::inner_product(query.begin(), query.end(), query.begin(), 0.0f);
  }

  /// The scores of rows, each the same whichever come with it. @param scores  as many as rows
  void scores(const CodeTable& codes, std::span<const Row> rows, DecodedQuery& form, float* scores) const {
    const CodeProducts products(codes);
    for (std::size_t begin = 0; begin < rows.size(); begin += rows_at_once) {
      const std::span<const Row> few = rows.subspan(begin, std::min(rows_at_once, rows.size() - begin));
      score_few(codes, products, few, form, scores + begin);
    }
  }

  /// A row as its codes and its residual have it. @param out  dim floats. O(dim · axes).
  void decode(Row row, const CodeTable& codes, float* out) const {
    RowMajorMatrix decoded;
    codes.decode(row, std::size_t{row} + 1, codes.decoded_axes(), decoded);
    AlignedVector<std::int8_t> residual(2 * row_bytes_);
    unpack(row, residual.data());
    for (std::size_t d = 0; d < dim_; ++d) {
      out[d] = decoded.data()[d] + scales_[row] * static_cast<float>(residual[d] - zero_code);
    }
  }

  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return packed_.memory_bytes() + scales_.memory_bytes(); }

 private:
  static constexpr float largest_code = 7.0f;
  static constexpr int zero_code = 8;  // what stands for 0: codes are stored as 1 to 15
  static constexpr std::size_t rows_at_once = 16;

  explicit ResidualCodes(std::size_t dim)
      : dim_(dim), row_bytes_(simd::padded_code_dim(dim) / 2), kernels_(simd::code_kernels()) {}

  /// A byte holds the coordinates d and d + row_bytes_. @return  the scale: r ≈ scale · code, each code -7 to 7
  [[nodiscard]] float pack(std::span<const float> residual, std::uint8_t* packed) const noexcept {
    const float scale = scale_for(residual);
    const float to_code = scale == 0.0f ? 0.0f : 1.0f / scale;
    const auto code = [&](std::size_t d) {
      return static_cast<unsigned>((d < residual.size() ? code_of(residual[d] * to_code) : 0) + zero_code);
    };
    for (std::size_t b = 0; b < row_bytes_; ++b) {
      packed[b] = static_cast<std::uint8_t>(code(b) | code(b + row_bytes_) << 4U);
    }
    return scale;
  }

  /// The nearest of -7 to 7.
  [[nodiscard]] static int code_of(float x) noexcept {
    const float clamped = x > -largest_code ? std::min(x, largest_code) : -largest_code;  // NaN as well
    return static_cast<int>(clamped + largest_code + 0.5f) - static_cast<int>(largest_code);
  }

  /// The scale of the least squared error among a few: the largest elements are few, and better cut than all coarser.
  [[nodiscard]] static float scale_for(std::span<const float> residual) noexcept {
    float largest = 0.0f;
    for (const float x : residual) largest = std::max(largest, std::abs(x));
    const float whole = largest / largest_code;
    if (whole < 1e-30f || !is_finite(whole)) return 0.0f;  // its inverse would overflow, or be none
    float best = whole;
    float least = std::numeric_limits<float>::infinity();
    for (const float share : {1.0f, 0.9f, 0.8f, 0.75f, 0.7f, 0.65f}) {
      const float to_code = 1.0f / (share * whole);
      float error = 0.0f;
      for (const float x : residual) {
        const float code = x * to_code;
        const float left = code - static_cast<float>(code_of(code));
        error += left * left;
      }
      error *= share * share;
      if (error < least) {
        least = error;
        best = share * whole;
      }
    }
    return best;
  }

  /// Codes as they are stored, eight bytes at a time. @param out  2 · row_bytes_
  void unpack(Row row, std::int8_t* out) const noexcept {
    constexpr std::uint64_t low_halves = 0x0F0F'0F0F'0F0F'0F0FU;
    const std::uint8_t* packed = packed_.data() + row * row_bytes_;
    for (std::size_t b = 0; b < row_bytes_; b += 8) {
      std::uint64_t both;
      std::memcpy(&both, packed + b, 8);
      const std::uint64_t low = both & low_halves;
      const std::uint64_t high = (both >> 4U) & low_halves;
      std::memcpy(out + b, &low, 8);
      std::memcpy(out + row_bytes_ + b, &high, 8);
    }
  }

  /// At most rows_at_once rows, whose codes stay in the cache from one product to the next.
  void score_few(const CodeTable& codes, const CodeProducts& products, std::span<const Row> rows, DecodedQuery& form,
                 float* scores) const {
    constexpr std::array<Row, rows_at_once> places{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    simd::detail::fetch_rows(packed_.data(), row_bytes_, row_bytes_, rows.data(), rows.size());
    const std::int32_t* dots = products.dots(form.along.high.data(), rows, form.products);
    form.high_dots.assign(dots, dots + rows.size());
    dots = products.dots(form.along.low.data(), rows, form.products);

    const std::size_t stride = 2 * row_bytes_;
    form.residuals.resize(rows_at_once * stride);
    for (std::size_t i = 0; i < rows.size(); ++i) unpack(rows[i], form.residuals.data() + i * stride);
    std::array<std::int32_t, rows_at_once> residual_dots;
    kernels_.dot_rows(form.plain.high.data(), form.residuals.data(), stride, places.data(), rows.size(),
                      residual_dots.data());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const CodeTable::Terms terms = codes.terms(rows[i]);
      const auto residual = static_cast<float>(residual_dots[i] - zero_code * form.sum);
      float score = terms.scale * form.along.product(form.high_dots[i], dots[i]) + form.along_mean +
                    form.plain.high_scale * scales_[rows[i]] * residual;
      if (codes.is_l2()) {
        score = 2.0f * score + terms.offset - form.squares;
        if (score > 0.0f) score = 0.0f;
      }
      scores[i] = rankable(score);
    }
  }

  std::size_t dim_ = 0;
  std::size_t row_bytes_ = 0;
  simd::CodeKernels kernels_{};
  MemoryBlock<std::uint8_t> packed_;  // [size x row_bytes_]
  MemoryBlock<float> scales_;         // [size]
};

}  // namespace pefa::detail
