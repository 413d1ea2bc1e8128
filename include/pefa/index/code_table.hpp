// pefa: the int8 codes that QuantizedHnswIndex walks: a head a row that decides most comparisons, a tail for the rest.
//
// Rows are centred and turned to their principal axes first, where that pays: the head then holds most of what tells
// rows apart, and a walk reads the tail of promising rows only. Of long rows only the head's axes are found; the tail
// is then what those leave of the row. Centring costs nothing, as ⟨q, x⟩ = ⟨q, x − μ⟩ + ⟨q, μ⟩, whose last term is the
// same for all rows.
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
#include "pefa/core/enum_names.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/memory_block.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/code_axes.hpp"
#include "pefa/index/principal_axes.hpp"
#include "pefa/index/row_codes.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

/// Whether a quantised index turns rows to their principal axes and splits their codes into head and tail.
enum class CodeSplit {
  automatic,  ///< where there are rows enough to learn the axes from, and the first of them hold most of the variance:
              ///< a few rows tell first whether they can
  never,
  always  ///< where the dim is above 64 and the rows have axes at all
};
/// Their names.
template <>
inline constexpr std::array enum_names<CodeSplit>{"automatic", "never", "always"};

namespace detail {

struct IndexDescription;

/// A query in the form that coded rows are compared with.
struct CodedQuery {
  AlignedVector<std::int8_t> codes;  ///< head block, then tail block; 0 where the head block holds a row's terms
  float scale = 0.0f;                ///< of the codes, times 2 under L2
  float tail_deviation = 0.0f;       ///< standard deviation of what a tail of length 1 adds to a score
  AlignedVector<std::int8_t> raw;    ///< scratch: codes before they are rotated
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

  /// O(size · dim · head) where rows are split, and O(dim³) up to whole_dim, else O(size · dim).
  /// @param meter  counts rows, each once; it is asked all along whether to go on
  template <class Scalar>
  CodeTable(const EmbeddingView<Scalar>& rows, Metric metric, CodeSplit split, const AnyExecutor& executor,
            ProgressMeter* meter = nullptr)
      : size_(rows.size()), dim_(rows.dim()), is_l2_(metric == Metric::l2), kernels_(simd::code_kernels()) {
    const Poll poll = meter == nullptr ? Poll{} : [meter] { meter->poll(); };
    head_dim_ = dim_;
    if (split != CodeSplit::never && dim_ > block && (split == CodeSplit::always || size_ >= 4 * dim_)) {
      find_split(rows, split, executor, poll);
    }
    measure_blocks();
    heads_ = MemoryBlock<std::int8_t>(size_ * head_bytes_);
    tails_ = MemoryBlock<std::int8_t>(size_ * tail_bytes_);
    for_each_block(executor, size_, 256, [&](std::size_t begin, std::size_t end) {
      encode_rows(rows, begin, end);
      if (meter != nullptr) meter->add(end - begin);
    });
    axes_.forget_floats();
  }

  /// Adds heads and tails, and what queries are brought into their form by. Defined, as is open(), in
  /// quantized_hnsw_index_archive.hpp.
  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// Heads and tails in place, whose values are not looked at; the rest, which does not grow with the rows, is copied.
  [[nodiscard]] static inline CodeTable open(const io::ArchiveReader& reader, const std::string& prefix,
                                             const IndexDescription& shape);

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t dim() const noexcept { return dim_; }
  [[nodiscard]] bool is_l2() const noexcept { return is_l2_; }
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

  /// ⟨x, μ⟩, which products of codes lack; 0 where rows are not centred. @param row  dim floats
  [[nodiscard]] float along_mean(const float* row) const noexcept {
    const std::vector<float>& mean = axes_.mean();
    float sum = 0.0f;
    for (std::size_t d = 0; d < mean.size(); ++d) sum += mean[d] * row[d];
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
    const float scale = encode_row(values, head_dim_ + tail_dim(), coded.codes.data());
    move_to_blocks(coded.codes);
    const float factor = is_l2_ ? 2.0f : 1.0f;
    coded.scale = factor * scale;
    float variance = 0.0f;
    for (std::size_t d = 0; d < tail_dim(); ++d) {
      variance += values[head_dim_ + d] * values[head_dim_ + d] * tail_shares_[d];
    }
    if (leading_only_) variance *= share_past_head(values);
    coded.tail_deviation = factor * std::sqrt(variance);
  }

  /// A row as a query that asks for rows near it. Its codes are what the table holds: about the mean, where rows are
  /// centred.
  void encode(Row row, CodedQuery& coded) const {
    coded.codes.resize(code_bytes());
    copy_codes(row, coded.codes.data());
    coded.scale = terms(row).scale;
    const std::int8_t* tail = coded.codes.data() + head_bytes_;
    float variance = 0.0f;
    for (std::size_t d = 0; d < tail_shares_.size(); ++d) {
      const float code = static_cast<float>(tail[d]);
      variance += code * code * tail_shares_[d];
    }
    coded.tail_deviation = coded.scale * std::sqrt(variance);
  }

  /// Rows begin … end-1 as their codes have them. @param axes  decoded_axes()  @param out  of any size
  void decode(std::size_t begin, std::size_t end, const RowMajorMatrix& axes, RowMajorMatrix& out) const {
    const auto count = static_cast<Eigen::Index>(end - begin);
    RowMajorMatrix along(count, static_cast<Eigen::Index>(head_dim_ + tail_dim()));
    for (std::size_t i = begin; i < end; ++i) {
      const std::int8_t* head = heads_.data() + i * head_bytes_;
      const std::int8_t* tail = tails_.data() + i * tail_bytes_;
      const float scale = terms(static_cast<Row>(i)).scale;
      float* row = along.row(static_cast<Eigen::Index>(i - begin)).data();
      for (std::size_t d = 0; d < head_dim_; ++d) row[d] = scale * static_cast<float>(head[d]);
      for (std::size_t d = 0; d < tail_dim(); ++d) row[head_dim_ + d] = scale * static_cast<float>(tail[d]);
    }
    if (!is_split()) {
      out = std::move(along);
      return;
    }
    out.noalias() = along.leftCols(axes.rows()) * axes;
    out.rowwise() += Eigen::Map<const Eigen::RowVectorXf>(axes_.mean().data(), out.cols());
    if (leading_only_) out += along.rightCols(out.cols());
  }

  /// What decode() needs; nothing where rows are not rotated. O(dim · axes).
  [[nodiscard]] RowMajorMatrix decoded_axes() const { return axes_.decoded(); }

  /// A query along whatever a head and a tail count, as blocks of codes: its products with those of a row are ⟨q, x⟩ of
  /// the row as decode() has it, but for the row's scale and ⟨q, μ⟩. @param query  encoded, padded
  /// @param walked  the same query as encode() left it, or nullptr: half of the work  @param scratch  reused
  void encode_finely(QueryView values, const FineCodes& query, const CodedQuery* walked, CodedQuery& scratch,
                     FineCodes& codes) const {
    std::vector<float>& along = scratch.rotated;
    along.assign(values.begin(), values.end());
    if (is_split()) {
      const std::size_t length = head_dim_ + tail_dim();
      along.resize(length + axes_.count());
      float* low = along.data() + length;
      axes_.multiply(query.low, query.low_scale, kernels_, scratch.dots, low);
      if (walked == nullptr) {
        axes_.multiply(query.high, query.high_scale, kernels_, scratch.dots, along.data());
      } else {
        std::copy_n(walked->rotated.begin(), axes_.count(), along.begin());
      }
      for (std::size_t a = 0; a < axes_.count(); ++a) along[a] += low[a];
      if (leading_only_) std::copy(values.begin(), values.end(), along.data() + head_dim_);
    }
    codes.encode(along.data(), head_dim_ + tail_dim(), code_bytes());
    for (auto* blocks : {&codes.high, &codes.low}) move_to_blocks(*blocks);
  }

  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return heads_.memory_bytes() + tails_.memory_bytes() + axes_.memory_bytes() +
           tail_shares_.capacity() * sizeof(float);
  }

 private:
  static constexpr std::size_t block = simd::code_block;
  static constexpr std::size_t sample_rows = 32'768;
  static constexpr std::size_t few_rows = 2048;
  static constexpr std::size_t whole_dim = 768;     // above, only leading axes are looked for
  static constexpr std::size_t most_leading = 512;  // bytes of their head
  static constexpr double head_share = 0.75;        // of the variance; gives 512-dimensional sentence vectors 128 bytes

  /// The bytes of a head and a tail, by how many codes the head holds.
  void measure_blocks() noexcept {
    head_bytes_ = simd::padded_code_dim(head_dim_ + sizeof(Terms));
    tail_bytes_ = simd::padded_code_dim(tail_dim());
  }

  /// The codes of a tail: along the axes past the head, or of what the head's axes leave of every coordinate.
  [[nodiscard]] std::size_t tail_dim() const noexcept { return leading_only_ ? dim_ : dim_ - head_dim_; }
  /// The longest head that pays: it is a third of all codes, or shorter.
  [[nodiscard]] std::size_t longest_head() const noexcept {
    const std::size_t bytes = simd::padded_code_dim(dim_) / 3 / block * block;
    return bytes == 0 ? 0 : std::min(bytes, dim_ > whole_dim ? most_leading : bytes) - sizeof(Terms);
  }

  /// Looks for a head that holds most of the variance, as long as there may be one.
  template <class Scalar>
  void find_split(const EmbeddingView<Scalar>& rows, CodeSplit split, const AnyExecutor& executor, const Poll& poll) {
    const bool automatic = split == CodeSplit::automatic;
    if (automatic && (longest_head() == 0 || most_share_held(rows, longest_head()) < head_share)) return;
    ask(poll);
    if (dim_ <= whole_dim) {
      split_at_axes(PrincipalAxes::of(rows, sample_rows, executor, poll), split);
      return;
    }
    // Few rows say too much of what their own axes hold: where that is too little, so it is for all rows.
    const std::size_t count = std::max(longest_head(), block - sizeof(Terms));
    PrincipalAxes axes = PrincipalAxes::leading(rows, few_rows, count, 1, {}, executor, poll);
    if (automatic && head_of(axes).share < head_share) return;
    const std::size_t wanted = std::min(count, head_of(axes).length + block);
    split_at_axes(PrincipalAxes::leading(rows, sample_rows / 2, wanted, 1, axes.axes, executor, poll), split);
  }

  struct Head {
    std::size_t length;
    double share;  // of the variance
  };

  /// The shortest head that holds head_share of the variance, or the longest there is.
  [[nodiscard]] Head head_of(const PrincipalAxes& axes) const {
    Head head{0, 0.0};
    double held = 0.0;
    for (std::size_t end = block - sizeof(Terms); end < dim_ && end <= axes.variances.size(); end += block) {
      for (; head.length < end; ++head.length) held += axes.variances[head.length];
      head.share = axes.total > 0.0 ? held / axes.total : 1.0;
      if (head.share >= head_share) break;
    }
    return head;
  }

  /// Chooses the head and keeps the rotation, or leaves rows as they are where no short head holds enough.
  void split_at_axes(PrincipalAxes axes, CodeSplit split) {
    if (!is_finite(axes.total)) return;  // rows so long that their squares are past float's range have no axes
    const Head head = head_of(axes);
    if (split == CodeSplit::automatic && !(head.share >= head_share && head.length <= longest_head())) return;
    head_dim_ = head.length;
    leading_only_ = dim_ > whole_dim;
    share_tail(axes);
    axes_ = CodeAxes(std::move(axes), leading_only_ ? head_dim_ : dim_);
  }

  /// Each tail element's share of the variance that the head does not hold.
  void share_tail(const PrincipalAxes& axes) {
    std::vector<double> left(axes.variances.begin(), axes.variances.end());
    if (leading_only_) {
      left = axes.spread;
      for (std::size_t a = 0; a < head_dim_; ++a) {
        for (std::size_t d = 0; d < dim_; ++d) {
          const auto along = static_cast<double>(axes.axes(static_cast<Eigen::Index>(a), static_cast<Eigen::Index>(d)));
          left[d] = std::max(0.0, left[d] - axes.variances[a] * along * along);
        }
      }
    } else {
      left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(head_dim_));
    }
    const double total = std::max(std::accumulate(left.begin(), left.end(), 0.0), 1e-30);
    tail_shares_.resize(left.size());
    std::transform(left.begin(), left.end(), tail_shares_.begin(),
                   [total](double variance) { return static_cast<float>(variance / total); });
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
      values.rowwise() -= Eigen::Map<const Eigen::RowVectorXf>(axes_.mean().data(), values.cols());
      const RowMajorMatrix along = values * axes_.floats().transpose();
      if (leading_only_) {
        RowMajorMatrix both(count, along.cols() + values.cols());
        both << along, values - along * axes_.floats();
        values = std::move(both);
      } else {
        values = along;
      }
    }
    const std::size_t length = head_dim_ + tail_dim();
    std::vector<std::int8_t> codes(length);
    for (std::size_t i = begin; i < end; ++i) {
      const float* row = values.data() + (i - begin) * length;
      Terms terms{encode_row(row, length, codes.data()), offsets[i - begin], 0.0f};
      float squares = 0.0f;
      for (std::size_t d = head_dim_; d < length; ++d) squares += row[d] * row[d];
      terms.tail = std::sqrt(squares);
      std::int8_t* head = heads_.mutable_data() + i * head_bytes_;
      std::memcpy(head, codes.data(), head_dim_);
      std::memcpy(head + head_bytes_ - sizeof terms, &terms, sizeof terms);
      if (is_split()) std::memcpy(tails_.mutable_data() + i * tail_bytes_, codes.data() + head_dim_, tail_dim());
    }
  }

  /// The query along the axes. Where there are the head's axes alone the query itself follows: what they leave of a row
  /// is at right angles to them.
  void rotate(QueryView query, CodedQuery& coded) const {
    coded.rotated.resize(head_dim_ + tail_dim());
    coded.raw.assign(simd::padded_code_dim(dim_), 0);
    const float scale = encode_row(query.data(), dim_, coded.raw.data());
    axes_.multiply(coded.raw, scale, kernels_, coded.dots, coded.rotated.data());
    if (leading_only_)
      std::copy(query.begin(), query.end(), coded.rotated.begin() + static_cast<std::ptrdiff_t>(head_dim_));
  }

  /// Codes one after the other, to where head and tail have them. @param codes  code_bytes(), those unused 0
  void move_to_blocks(AlignedVector<std::int8_t>& codes) const noexcept {
    if (!is_split()) return;
    std::memmove(codes.data() + head_bytes_, codes.data() + head_dim_, tail_dim());
    std::memset(codes.data() + head_dim_, 0, head_bytes_ - head_dim_);
  }

  /// How much of a query, by its square, the head's axes leave. @param values  along the axes, then the query itself
  [[nodiscard]] float share_past_head(const float* values) const noexcept {
    float head = 0.0f;
    float whole = 0.0f;
    for (std::size_t d = 0; d < head_dim_; ++d) head += values[d] * values[d];
    for (std::size_t d = head_dim_; d < head_dim_ + dim_; ++d) whole += values[d] * values[d];
    return whole > head ? (whole - head) / whole : 0.0f;
  }

  std::size_t size_ = 0;
  std::size_t dim_ = 0;
  bool is_l2_ = false;
  simd::CodeKernels kernels_{};
  std::size_t head_dim_ = 0;    // codes in the head
  bool leading_only_ = false;   // the rotation is of the head alone
  std::size_t head_bytes_ = 0;  // with padding and terms
  std::size_t tail_bytes_ = 0;
  MemoryBlock<std::int8_t> heads_;
  MemoryBlock<std::int8_t> tails_;
  CodeAxes axes_;                   // none where rows are not rotated
  std::vector<float> tail_shares_;  // of the variance, of each element of a tail; they add up to 1
};

}  // namespace detail
}  // namespace pefa
