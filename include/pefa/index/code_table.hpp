// pefa: the int8 codes that QuantizedHnswIndex walks: a head a row that decides most comparisons, a tail for the rest.
//
// Rows are centred and turned to their principal axes first, where that pays: the head then holds most of what tells
// rows apart, and a walk reads the tail of promising rows only. Centring costs nothing, as ⟨q, x⟩ = ⟨q, x − μ⟩ + ⟨q,
// μ⟩, whose last term is the same for all rows.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/memory_block.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/principal_axes.hpp"
#include "pefa/index/row_codes.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

/// Whether a quantised index turns rows to their principal axes and splits their codes into head and tail.
enum class CodeSplit {
  automatic,  ///< where there are rows enough to learn the axes from, and the first of them hold most of the variance
  never,
  always  ///< where the dim is above 64 and the rows have axes at all
};

namespace detail {

struct IndexDescription;

/// A query in the form that coded rows are compared with.
struct CodedQuery {
  AlignedVector<std::int8_t> codes;  ///< head block, then tail block; 0 where the head block holds a row's terms
  float scale = 0.0f;                ///< of the codes, times 2 under L2
  float tail_deviation = 0.0f;       ///< standard deviation of what a tail of length 1 adds to a score
  AlignedVector<std::int8_t> raw;    ///< scratch: codes before they are rotated or split
  std::vector<std::int32_t> dots;    ///< scratch
  std::vector<float> rotated;        ///< scratch
};

/// Codes of all rows; built once, then read-only.
///
/// Every row has a head block, a multiple of 64 bytes: codes, then three floats (scale, offset, length of the tail), so
/// that a comparison touches no other memory. score(q, x) = q.scale · scale · ⟨codes⟩ + offset orders rows as ⟨q, x⟩ or
/// −‖q − x‖² does.
class CodeTable {
 public:
  /// What ends a head block. The query's codes are 0 there, so that a product of whole blocks leaves it out.
  struct Terms {
    float scale;
    float offset;  ///< 0, or −‖x‖² under L2
    float tail;    ///< the length of the part of x that the tail codes hold
  };

  CodeTable() = default;

  /// O(size · dim²) where rows are rotated, else O(size · dim).
  template <class Scalar>
  CodeTable(const EmbeddingView<Scalar>& rows, Metric metric, CodeSplit split, const AnyExecutor& executor)
      : size_(rows.size()), dim_(rows.dim()), is_l2_(metric == Metric::l2), kernels_(simd::code_kernels()) {
    head_dim_ = dim_;
    if (split != CodeSplit::never && dim_ > block && (split == CodeSplit::always || size_ >= 4 * dim_)) {
      split_at_axes(PrincipalAxes::of(rows, sample_rows, executor), split);
    }
    measure_blocks();
    heads_ = MemoryBlock<std::int8_t>(size_ * head_bytes_);
    tails_ = MemoryBlock<std::int8_t>(size_ * tail_bytes_);
    for_each_block(executor, size_, 256, [&](std::size_t begin, std::size_t end) { encode_rows(rows, begin, end); });
    rotation_floats_.resize(0, 0);
  }

  /// Adds heads and tails, and what queries are brought into their form by. Defined, as is open(), in
  /// quantized_hnsw_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// Heads and tails in place, whose values are not looked at; the rest, which does not grow with the rows, is copied.
  [[nodiscard]] static inline CodeTable open(const io::ArchiveReader& reader, const std::string& prefix,
                                             const IndexDescription& shape);

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t head_bytes() const noexcept { return head_bytes_; }
  [[nodiscard]] std::size_t tail_bytes() const noexcept { return tail_bytes_; }
  [[nodiscard]] bool is_split() const noexcept { return tail_bytes_ != 0; }
  [[nodiscard]] const std::int8_t* heads() const noexcept { return heads_.data(); }
  [[nodiscard]] const std::int8_t* tails() const noexcept { return tails_.data(); }

  [[nodiscard]] Terms terms(Row row) const noexcept {
    Terms terms;
    std::memcpy(&terms, heads_.data() + (std::size_t{row} + 1) * head_bytes_ - sizeof terms, sizeof terms);
    return terms;
  }

  /// Head codes, with 0 for the terms, then tail codes: what one row has in common with another. @param out
  /// code_bytes()
  void copy_codes(Row row, std::int8_t* out) const noexcept {
    std::memcpy(out, heads_.data() + row * head_bytes_, head_bytes_);
    std::memset(out + head_bytes_ - sizeof(Terms), 0, sizeof(Terms));
    if (tail_bytes_ != 0) std::memcpy(out + head_bytes_, tails_.data() + row * tail_bytes_, tail_bytes_);
  }
  [[nodiscard]] std::size_t code_bytes() const noexcept { return head_bytes_ + tail_bytes_; }

  /// What a row adds to its similarity with another row, beside the product of their codes: −‖x − μ‖² under L2, else
  /// ⟨x, μ⟩ − ‖μ‖²/2; with μ = 0 where rows are not centred. @param row  dim floats
  [[nodiscard]] float row_term(const float* row) const noexcept {
    float sum = 0.0f;
    for (std::size_t d = 0; d < dim_; ++d) {
      const float centre = mean_.empty() ? 0.0f : mean_[d];
      const float apart = row[d] - centre;
      sum += is_l2_ ? -apart * apart : centre * (row[d] - 0.5f * centre);
    }
    return sum;
  }

  /// Brings a query into the form of the codes.
  void encode(QueryView query, CodedQuery& coded) const {
    coded.codes.assign(code_bytes(), 0);
    const float* values = query.data();
    if (is_split()) {
      rotate(query, coded);
      values = coded.rotated.data();
    }
    // One scale for head and tail: their products add up as integers.
    coded.raw.resize(dim_);
    const float scale = encode_row(values, dim_, coded.raw.data());
    std::memcpy(coded.codes.data(), coded.raw.data(), head_dim_);
    if (is_split()) std::memcpy(coded.codes.data() + head_bytes_, coded.raw.data() + head_dim_, dim_ - head_dim_);
    const float factor = is_l2_ ? 2.0f : 1.0f;
    coded.scale = factor * scale;
    float variance = 0.0f;
    for (std::size_t d = head_dim_; d < dim_; ++d) variance += values[d] * values[d] * tail_shares_[d - head_dim_];
    coded.tail_deviation = factor * std::sqrt(variance);
  }

  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return heads_.memory_bytes() + tails_.memory_bytes() + rotation_.capacity() +
           rotation_scales_.capacity() * sizeof(float) + (mean_.capacity() + tail_shares_.capacity()) * sizeof(float);
  }

 private:
  static constexpr std::size_t block = simd::code_block;
  static constexpr std::size_t sample_rows = 32'768;
  static constexpr double head_share = 0.75;  // of the variance; gives 512-dimensional sentence vectors 128 bytes

  /// The bytes of a head and a tail, by how many codes the head holds.
  void measure_blocks() noexcept {
    head_bytes_ = simd::padded_code_dim(head_dim_ + sizeof(Terms));
    tail_bytes_ = simd::padded_code_dim(dim_ - head_dim_);
  }

  /// Chooses the head and keeps the rotation, or leaves rows as they are where no short head holds enough.
  void split_at_axes(PrincipalAxes axes, CodeSplit split) {
    const double total = std::accumulate(axes.variances.begin(), axes.variances.end(), 0.0);
    if (!std::isfinite(total)) return;  // rows so long that their squares are past float's range have no axes
    std::size_t head = 0;
    double held = 0.0;
    for (std::size_t end = block - sizeof(Terms); end < dim_; end += block) {
      for (; head < end; ++head) held += axes.variances[head];
      if (held >= head_share * total) break;
    }
    const bool pays = held >= head_share * total && 3 * (head + sizeof(Terms)) <= simd::padded_code_dim(dim_);
    if (split == CodeSplit::automatic && !pays) return;
    head_dim_ = head;
    mean_ = std::move(axes.mean);
    const double tail_total = std::max(total - held, 1e-30);
    tail_shares_.resize(dim_ - head_dim_);
    for (std::size_t d = head_dim_; d < dim_; ++d) {
      tail_shares_[d - head_dim_] = static_cast<float>(axes.variances[d] / tail_total);
    }
    raw_bytes_ = simd::padded_code_dim(dim_);
    rotation_.assign(dim_ * raw_bytes_, 0);
    rotation_scales_.resize(dim_);
    for (std::size_t d = 0; d < dim_; ++d) {
      rotation_scales_[d] = encode_row(axes.axes.data() + d * dim_, dim_, rotation_.data() + d * raw_bytes_);
    }
    rotation_floats_ = std::move(axes.axes);
  }

  template <class Scalar>
  void encode_rows(const EmbeddingView<Scalar>& rows, std::size_t begin, std::size_t end) {
    const auto count = static_cast<Eigen::Index>(end - begin);
    RowMajorMatrix values(count, static_cast<Eigen::Index>(dim_));
    for (std::size_t i = begin; i < end; ++i) rows.decode(i, values.data() + (i - begin) * dim_);
    std::vector<float> offsets(end - begin, 0.0f);
    if (is_l2_) {
      for (std::size_t i = 0; i < offsets.size(); ++i) {
        offsets[i] = -values.row(static_cast<Eigen::Index>(i)).squaredNorm();
      }
    }
    if (is_split()) {
      values.rowwise() -= Eigen::Map<const Eigen::RowVectorXf>(mean_.data(), values.cols());
      values = (values * rotation_floats_.transpose()).eval();
    }
    std::vector<std::int8_t> codes(dim_);
    for (std::size_t i = begin; i < end; ++i) {
      const float* row = values.data() + (i - begin) * dim_;
      Terms terms{encode_row(row, dim_, codes.data()), offsets[i - begin], 0.0f};
      float squares = 0.0f;
      for (std::size_t d = head_dim_; d < dim_; ++d) squares += row[d] * row[d];
      terms.tail = std::sqrt(squares);
      std::int8_t* head = heads_.mutable_data() + i * head_bytes_;
      std::memcpy(head, codes.data(), head_dim_);
      std::memcpy(head + head_bytes_ - sizeof terms, &terms, sizeof terms);
      if (is_split()) std::memcpy(tails_.mutable_data() + i * tail_bytes_, codes.data() + head_dim_, dim_ - head_dim_);
    }
  }

  /// The query along the axes, by products of codes: the error is that of one more quantisation, the time a sixth.
  void rotate(QueryView query, CodedQuery& coded) const {
    coded.raw.assign(raw_bytes_, 0);
    coded.dots.resize(dim_);
    coded.rotated.resize(dim_);
    const float scale = encode_row(query.data(), dim_, coded.raw.data());
    for (std::size_t d = 0; d < dim_; ++d) {
      coded.dots[d] = kernels_.dot(coded.raw.data(), rotation_.data() + d * raw_bytes_, raw_bytes_);
    }
    for (std::size_t d = 0; d < dim_; ++d) {
      coded.rotated[d] = static_cast<float>(coded.dots[d]) * (scale * rotation_scales_[d]);
    }
  }

  std::size_t size_ = 0;
  std::size_t dim_ = 0;
  bool is_l2_ = false;
  simd::CodeKernels kernels_{};
  std::size_t head_dim_ = 0;    // codes in the head
  std::size_t head_bytes_ = 0;  // with padding and terms
  std::size_t tail_bytes_ = 0;
  MemoryBlock<std::int8_t> heads_;
  MemoryBlock<std::int8_t> tails_;
  std::vector<float> mean_;              // empty where rows are not rotated, as are the next four
  std::vector<float> tail_shares_;       // of the variance, along each tail axis; they add up to 1
  std::size_t raw_bytes_ = 0;            // of a row of rotation_
  AlignedVector<std::int8_t> rotation_;  // the axes as codes [dim x raw_bytes_]
  std::vector<float> rotation_scales_;
  RowMajorMatrix rotation_floats_;  // while encoding rows
};

}  // namespace detail
}  // namespace pefa
