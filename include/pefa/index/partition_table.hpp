// pefa: the codes that a partitioned index searches: centres, lists of 4-bit codes, and int8 codes of every row.
//
// A row is x = c + r, its list's centre and a residual. The lists hold r, turned (code_turn.hpp), in 4 bits for every
// few coordinates; the best of a scan are scored again on 8 bits a coordinate of r as it is. A query is multiplied with
// the spread of each coordinate once, so that codes need no scale of their own there. Centres are int8 themselves: c is
// what those stand for, so that nothing is lost by it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/bucket_selection.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/memory_block.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/code_turn.hpp"
#include "pefa/index/partition_lists.hpp"
#include "pefa/index/probe_table.hpp"
#include "pefa/index/product_codes.hpp"
#include "pefa/index/row_codes.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/simd/nibble_scan.hpp"
#include "pefa/simd/nibble_tables.hpp"
#include "pefa/simd/rows.hpp"

namespace pefa::detail {

struct IndexDescription;

/// So many lists at most: what is held of every two of them while rows are assigned grows with their square.
inline constexpr std::size_t most_lists = 16'384;

template <class Scalar>
class PartitionBuilder;

/// The power of two that brings numbers up to `largest` to about 1; 1 where they are of an ordinary size.
[[nodiscard]] inline float ordinary_unit(float largest) noexcept {
  if (largest == 0.0f || (largest > 1e-10f && largest < 1e10f)) return 1.0f;
  return std::ldexp(1.0f, std::clamp(std::ilogb(largest), -126, 126));
}

/// One search of a PartitionTable; reused.
struct PartitionSearch {
  AlignedVector<float> query;            ///< in a unit of its own
  AlignedVector<float> weighted;         ///< times the spread
  AlignedVector<float> turned;           ///< the query, turned
  AlignedVector<float> turned_weighted;  ///< times the spread there
  NibbleQuery nibbles;
  AlignedVector<std::int8_t> codes;  ///< of `weighted`
  std::vector<std::int32_t> dots;
  float unit = 1.0f;             ///< of the query
  float lift = 0.0f;             ///< weight of the lift: 0, or under L2 that of −‖x‖²/2
  std::vector<float> bases;      ///< of every list: ⟨q, c⟩, with the lift of its centre
  std::vector<Neighbor> probed;  ///< lists, best first, as far as they are probed
  std::vector<std::uint16_t> sums;
  std::vector<std::uint32_t> above;
  std::vector<Neighbor> best;  ///< candidates, then the same on int8 codes
  BucketSelection selection;
  float floor = 0.0f;          ///< what a candidate must reach
  std::size_t candidates = 0;  ///< how many are wanted
  std::vector<Row> rows;
  std::vector<float> scores;
  IndexSearchStats stats;
};

/// Centres, lists and codes; built once (partition_builder.hpp), then read-only.
class PartitionTable {
 public:
  PartitionTable() = default;

  inline void save(io::ArchiveWriter& writer, const std::string& prefix) const;
  [[nodiscard]] static inline PartitionTable open(const io::ArchiveReader& reader, const std::string& prefix,
                                                  const IndexDescription& shape);

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t dim() const noexcept { return dim_; }
  [[nodiscard]] std::size_t list_count() const noexcept { return lists_.count(); }
  [[nodiscard]] std::size_t copies() const noexcept { return copies_; }
  [[nodiscard]] std::size_t code_width() const noexcept { return product_.width(); }
  [[nodiscard]] std::size_t code_bytes() const noexcept { return simd::padded_code_dim(dim_); }
  [[nodiscard]] const ProbeTable& probes() const noexcept { return probes_; }
  [[nodiscard]] const PartitionLists& lists() const noexcept { return lists_; }

  /// How far a search of that width goes. @param ef  at least k
  [[nodiscard]] Probe probe_of(std::size_t ef, std::size_t k) const noexcept {
    if (ef >= size_) return {list_count(), copies_ * size_};
    Probe probe = probes_.at(ef);
    probe.lists = std::min(probe.lists, list_count());
    probe.candidates = std::min(std::max(probe.candidates, copies_ * (k + k / 4 + 16)), copies_ * size_);
    return probe;
  }

  /// Brings a query into the form of the codes, and chooses the lists: so many, and more until they have as many rows
  /// as candidates are wanted.
  void start(QueryView query, const Probe& probe, PartitionSearch& search) const {
    weigh(query, search);
    search.bases.resize(list_count());
    center_kernel_(search.turned.data(), centers_.data(), dim_, dim_, numbers_.data(), list_count(),
                   center_scales_.data(), search.bases.data());
    if (is_l2_) {
      for (std::size_t l = 0; l < list_count(); ++l) search.bases[l] += search.lift * center_lifts_[l];
    }
    product_.prepare(search.turned_weighted.data(), search.lift, tables_kernel_, search.nibbles);
    choose_lists(probe, search);
    search.candidates = probe.candidates;
    search.best.clear();
    search.floor = -std::numeric_limits<float>::infinity();
    search.stats = {};
  }

  /// Fetches the first of a list's codes into the cache; the rest follow in order.
  void prefetch(std::uint32_t list) const noexcept {
    const std::size_t bytes = std::min<std::size_t>(lists_.blocks(list) * lists_.block_bytes(), 4096);
    simd::detail::fetch(lists_.codes(list), bytes);
  }

  /// Offers the rows of one list. The candidates in the end do not depend on the order of the lists.
  /// @param admits  (row): whether it may be found; asked only of rows that would be candidates
  template <class Admits = AdmitsAll>
  void scan(std::uint32_t list, PartitionSearch& search, const Admits& admits = {}) const {
    const std::size_t blocks = lists_.blocks(list);
    search.stats.distances += lists_.size(list);
    ++search.stats.hops;
    if (blocks == 0) return;
    if (search.above.size() < blocks) {
      search.above.resize(blocks);
      search.sums.resize(blocks * simd::nibble_rows);
    }
    const float base = search.bases[list] + search.nibbles.least;
    const float step = search.nibbles.step;
    scan_kernel_(lists_.codes(list), search.nibbles.tables.data(), lists_.quads(), blocks,
                 least_sum(search.floor, base, step), search.sums.data(), search.above.data());
    const Row* rows = lists_.rows(list);
    for (std::size_t b = 0; b < blocks; ++b) {
      for (std::uint32_t left = search.above[b]; left != 0; left &= left - 1) {
        const std::size_t i = b * simd::nibble_rows + static_cast<std::size_t>(__builtin_ctz(left));
        const Row row = rows[i];
        const float score = rankable(base + step * static_cast<float>(search.sums[i]));
        if (score < search.floor || row == PartitionLists::none || !admits(row)) continue;
        search.best.push_back({row, score});
        if (search.best.size() >= 2 * search.candidates) cut(search);
      }
    }
  }

  /// Scores the candidates on their int8 codes, the query's as well: `best` then holds them, each once, in no order.
  void rescore(PartitionSearch& search) const {
    if (search.best.size() > search.candidates) cut(search);
    if (copies_ > 1) {
      std::sort(search.best.begin(), search.best.end(), [](const auto& a, const auto& b) { return a.row < b.row; });
      const auto same = [](const Neighbor& a, const Neighbor& b) { return a.row == b.row; };
      search.best.erase(std::unique(search.best.begin(), search.best.end(), same), search.best.end());
    }
    const std::size_t count = search.best.size();
    search.rows.resize(count);
    for (std::size_t i = 0; i < count; ++i) search.rows[i] = search.best[i].row;
    search.dots.resize(count);
    search.codes.assign(code_bytes(), 0);
    const float scale = encode_row(search.weighted.data(), dim_, search.codes.data());
    dot_rows_(search.codes.data(), codes_.data(), code_bytes(), search.rows.data(), count, search.dots.data());
    for (std::size_t i = 0; i < count; ++i) {
      const Row row = search.rows[i];
      const float product = static_cast<float>(search.dots[i]) * (scale * code_scales_[row]);
      search.best[i].score = rankable(in_units(search, row, search.bases[list_of_[row]], product));
    }
    search.stats.distances += count;
  }

  /// Scores what rescore() left once more, now of the query's floats: score_in_units() to the bit.
  void score_again(PartitionSearch& search) const {
    const std::size_t count = search.best.size();
    search.rows.resize(count);
    search.scores.resize(count);
    for (std::size_t i = 0; i < count; ++i) search.rows[i] = search.best[i].row;
    code_kernel_(search.weighted.data(), codes_.data(), code_bytes(), dim_, search.rows.data(), count,
                 code_scales_.data(), search.scores.data());
    for (std::size_t i = 0; i < count; ++i) {
      const Row row = search.rows[i];
      search.best[i].score = in_units(search, row, search.bases[list_of_[row]], search.scores[i]);
    }
  }

  /// Those scores of any rows, after weigh(). @param scores  as many as rows
  void score_in_units(std::span<const Row> rows, PartitionSearch& search, float* scores) const {
    code_kernel_(search.weighted.data(), codes_.data(), code_bytes(), dim_, rows.data(), rows.size(),
                 code_scales_.data(), scores);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint32_t list = list_of_[rows[i]];
      float base = 0.0f;
      center_kernel_(search.turned.data(), centers_.data(), dim_, dim_, &list, 1, center_scales_.data(), &base);
      if (is_l2_) base += search.lift * center_lifts_[list];
      scores[i] = in_units(search, rows[i], base, scores[i]);
    }
  }

  /// What a score on int8 codes stands for: ⟨q, x⟩, or −‖q − x‖². @param squares  ‖q‖², of L2 alone
  [[nodiscard]] float to_score(float in_units, const PartitionSearch& search, float squares) const noexcept {
    const float product = in_units * unit_ * search.unit;
    const float score = is_l2_ ? 2.0f * product - squares : product;
    return rankable(is_l2_ && score > 0.0f ? 0.0f : score);
  }

  /// The first half of start(): sets the query in all its forms, its unit and lift.
  void weigh(QueryView query, PartitionSearch& search) const {
    float largest = 0.0f;
    for (const float x : query) largest = std::max(largest, std::abs(x));
    search.unit = ordinary_unit(largest);
    // Under L2 a query that is tiny beside the rows is in a larger unit, so that its lift stays one of float's range.
    if (is_l2_) search.unit = std::max(search.unit, std::ldexp(unit_, -33));
    search.lift = is_l2_ ? unit_ / search.unit : 0.0f;
    const float to_unit = 1.0f / search.unit;
    for (auto* form : {&search.query, &search.weighted, &search.turned, &search.turned_weighted}) form->resize(dim_);
    for (std::size_t d = 0; d < dim_; ++d) {
      search.query[d] = query[d] * to_unit;
      search.weighted[d] = search.query[d] * spread_[d];
    }
    turn_.turn(search.query.data(), search.turned.data());
    for (std::size_t d = 0; d < dim_; ++d) search.turned_weighted[d] = search.turned[d] * turned_spread_[d];
  }

  /// A row as its int8 codes have it. @param out  dim floats
  void decode(Row row, float* out) const {
    const std::uint32_t list = list_of_[row];
    const std::int8_t* center = centers_.data() + list * dim_;
    const std::int8_t* codes = codes_.data() + row * code_bytes();
    std::vector<float> turned(dim_);
    for (std::size_t d = 0; d < dim_; ++d) turned[d] = static_cast<float>(center[d]) * center_scales_[list];
    turn_.turn_back(turned.data(), out);
    for (std::size_t d = 0; d < dim_; ++d) {
      out[d] = (out[d] + static_cast<float>(codes[d]) * code_scales_[row] * spread_[d]) * unit_;
    }
  }

  /// Bytes on the heap; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return lists_.memory_bytes() + product_.memory_bytes() + turn_.memory_bytes() + centers_.capacity() +
           (center_scales_.capacity() + center_lifts_.capacity() + spread_.capacity() + turned_spread_.capacity()) *
               sizeof(float) +
           numbers_.capacity() * sizeof(Row) + codes_.memory_bytes() + code_scales_.memory_bytes() +
           lifts_.memory_bytes() + list_of_.memory_bytes();
  }

 private:
  template <class Scalar>
  friend class PartitionBuilder;

  PartitionTable(std::size_t size, std::size_t dim, Metric metric)
      : size_(size), dim_(dim), is_l2_(metric == Metric::l2) {}

  /// What a sum of entries must be at least, for a score that reaches the floor; a little less, as products are
  /// rounded.
  [[nodiscard]] static std::uint16_t least_sum(float floor, float base, float step) noexcept {
    if (!(step > 0.0f)) return 0;
    const float rounding = 1.2e-7f * std::max(std::abs(base), std::abs(floor)) / step;
    const float sum = ((floor - base) / step) * (1.0f - 1e-5f) - rounding;
    if (!(sum > 2.0f)) return 0;
    return static_cast<std::uint16_t>(std::min(sum - 2.0f, 65'535.0f));
  }

  [[nodiscard]] float in_units(const PartitionSearch& search, Row row, float base, float sum) const noexcept {
    return is_l2_ ? (base + sum) + search.lift * lifts_[row] : base + sum;
  }

  /// The candidates, at most as many as are wanted.
  static void cut(PartitionSearch& search) {
    float least = std::numeric_limits<float>::infinity();
    search.selection.keep(search.best, search.candidates);
    for (const Neighbor& each : search.best) least = std::min(least, each.score);
    search.floor = least;
  }

  void choose_lists(const Probe& probe, PartitionSearch& search) const {
    search.probed.resize(list_count());
    for (std::size_t l = 0; l < list_count(); ++l) {
      search.probed[l] = {static_cast<Row>(l), rankable(search.bases[l])};
    }
    std::size_t sorted = 0;
    std::size_t rows = 0;
    std::size_t used = 0;
    for (std::size_t wanted = std::max<std::size_t>(probe.lists, 1);; wanted *= 2) {
      wanted = std::min(wanted, list_count());
      const auto first = search.probed.begin() + static_cast<std::ptrdiff_t>(sorted);
      const auto middle = search.probed.begin() + static_cast<std::ptrdiff_t>(wanted);
      if (middle != search.probed.end()) std::nth_element(first, middle, search.probed.end(), ranks_before);
      std::sort(first, middle, ranks_before);
      sorted = wanted;
      for (; used < sorted && (used < probe.lists || rows < probe.candidates); ++used) {
        rows += lists_.size(search.probed[used].row);
      }
      if (used < sorted || sorted == list_count()) break;
      if (used >= probe.lists && rows >= probe.candidates) break;
    }
    search.probed.resize(used);
  }

  std::size_t size_ = 0;
  std::size_t dim_ = 0;
  bool is_l2_ = false;
  std::size_t copies_ = 1;  // lists a row may be in
  float unit_ = 1.0f;       // of the rows
  simd::NibbleScan scan_kernel_ = simd::nibble_scan();
  simd::NibbleTables tables_kernel_ = simd::nibble_tables();
  simd::RowsKernel<std::int8_t> center_kernel_ = simd::dot_rows_kernel<std::int8_t>();
  simd::RowsKernel<std::int8_t> code_kernel_ = simd::dot_rows_kernel<std::int8_t>();
  simd::CodeDotRows dot_rows_ = simd::code_kernels().dot_rows;
  CodeTurn turn_;
  AlignedVector<std::int8_t> centers_;  // turned [lists x dim]
  std::vector<float> center_scales_;
  std::vector<float> center_lifts_;   // of L2: the mean of the lifts of a list's rows
  std::vector<float> spread_;         // of residuals, for int8 codes
  std::vector<float> turned_spread_;  // of turned ones, for 4-bit codes
  std::vector<Row> numbers_;          // 0, 1, … of the lists
  ProductCodes product_;
  PartitionLists lists_;
  MemoryBlock<std::int8_t> codes_;  // [size x code_bytes()]
  MemoryBlock<float> code_scales_;
  MemoryBlock<float> lifts_;  // of L2: −‖x‖²/2, less the mean of the list's
  MemoryBlock<std::uint32_t> list_of_;
  ProbeTable probes_;
};

}  // namespace pefa::detail
