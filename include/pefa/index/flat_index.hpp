// pefa: exact search by looking at every row; the yardstick of every other index, and the right one below some 10,000
// rows.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/code_scan.hpp"
#include "pefa/index/filtered_scan.hpp"
#include "pefa/index/index_spec.hpp"
#include "pefa/index/indexed_rows.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa {

/// How a FlatIndex is built.
struct FlatParams {
  Metric metric = Metric::inner_product;  ///< what a score means
  Rows rows = Rows::copy;                 ///< who owns them
};

/// Exact search over rows of any element type.
///
/// Searches go through int8 products, which rule out most rows for certain (code_scan.hpp) and read a quarter of the
/// bytes. From 256 rows up to 32 MiB of codes these are kept, where they take a third of the rows' bytes or less;
/// where not, a large batch makes them anew, and others read the rows: each tile of them from memory once for 16
/// queries. The results are the same, to the bit. O(size · dim) a query.
template <EmbeddingScalar Scalar = float>
class FlatIndex {
 public:
  /// What build() takes.
  using Params = FlatParams;

  /// @throws ValueError  no rows, or a row that is not finite
  [[nodiscard]] static FlatIndex build(const EmbeddingView<Scalar>& rows, const FlatParams& params = {},
                                       const BuildOptions& options = {}) {
    require_rows(rows);
    FlatIndex index(params.metric);
    detail::require_kept(params.rows, "FlatIndex::build");
    index.rows_.keep(rows, params.rows);
    index.keep_codes(options.executor);
    ProgressMeter(options.progress, rows.size(), "FlatIndex::build").add(rows.size());
    return index;
  }

  /// The same, taking a store over instead of copying it; `params.rows` does not matter.
  [[nodiscard]] static FlatIndex build(EmbeddingStore<Scalar>&& store, const FlatParams& params = {},
                                       const BuildOptions& options = {}) {
    require_rows(store.view());
    FlatIndex index(params.metric);
    index.rows_.own(std::move(store));
    index.keep_codes(options.executor);
    ProgressMeter(options.progress, index.size(), "FlatIndex::build").add(index.size());
    return index;
  }

  /// Adds the index to an archive; it must live, unchanged, until that is written. Defined in flat_index_archive.hpp.
  void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// The index over the archive's rows in place, which are read where codes of them are kept. Defined in
  /// flat_index_archive.hpp. @throws FormatError  the archive holds no such index under this prefix, or a damaged one
  [[nodiscard]] static FlatIndex open(const io::ArchiveReader& reader, const std::string& prefix);

  /// Takes over the rows; the other may only be destroyed or assigned to.
  FlatIndex(FlatIndex&&) noexcept = default;
  /// As above.
  FlatIndex& operator=(FlatIndex&&) noexcept = default;

  /// The k best rows, best first, ties by ascending row. @throws  as AnnIndex says
  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k,
                                             const IndexSearchOptions& options = {}) const {
    detail::require_query(query, k, dim(), "FlatIndex::search");
    std::vector<std::vector<Neighbor>> found(1);
    if (codes_) {
      scan_codes(EmbeddingView<float>(query, dim()), k, options, AnyExecutor::serial(), found);
    } else {
      scan_exactly(EmbeddingView<float>(query, dim()), k, options, found.data());
    }
    return std::move(found[0]);
  }

  /// The exact score of one row. @throws ShapeError  a query of another dim, a row past the end
  [[nodiscard]] float score(QueryView query, Row row) const {
    detail::require_rows_to_score(query, dim(), {&row, 1}, size(), 1, "FlatIndex::score");
    return score_of(query.data(), row);
  }

  /// The same of several rows. @param scores  as many as rows
  void score_rows(QueryView query, std::span<const Row> rows, std::span<float> scores) const {
    detail::require_rows_to_score(query, dim(), rows, size(), scores.size(), "FlatIndex::score_rows");
    rows_.score(query.data(), rows, scores.data());
  }

  /// Queries that the limit leaves no time for have no results, or of some of the rows.
  [[nodiscard]] std::vector<std::vector<Neighbor>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                const IndexSearchOptions& options = {},
                                                                const AnyExecutor& executor = {}) const {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      detail::require_query({queries.row(i), queries.dim()}, k, dim(), "FlatIndex::search_batch");
    }
    std::vector<std::vector<Neighbor>> results(queries.size());
    if (codes_ || (queries.size() >= coded_batch && dim() <= simd::code_dim_limit)) {
      scan_codes(queries, k, options, executor, results);
      return results;
    }
    const std::size_t share = (queries.size() + executor.concurrency() - 1) / executor.concurrency();
    const std::size_t block = std::clamp<std::size_t>(share, 1, query_block);
    detail::for_each_query_block(executor, queries.size(), block, options,
                                 [&](std::size_t begin, std::size_t end, const IndexSearchOptions& mine) {
                                   scan_exactly(queries.slice(begin, end), k, mine, results.data() + begin);
                                 });
    return results;
  }

  /// The k best of the rows that a filter admits; exact. O(admitted · dim). @throws  as FilteringIndex says
  [[nodiscard]] std::vector<Neighbor> search_filtered(QueryView query, std::size_t k, const RowFilter& filter,
                                                      const IndexSearchOptions& options = {}) const {
    detail::require_query(query, k, dim(), "FlatIndex::search_filtered");
    filter.require_universe(size(), "FlatIndex::search_filtered");
    if (filter.admits_all()) return search(query, k, options);
    return detail::scan_admitted(filter, size(), k, options, [&](std::span<const Row> rows, std::span<float> scores) {
      rows_.score(query.data(), rows, scores.data());
    });
  }

  /// The same for many: a tile of admitted rows is read from memory once for 16 queries. Queries that the limit leaves
  /// no time for have no results.
  [[nodiscard]] std::vector<std::vector<Neighbor>> search_filtered_batch(const EmbeddingView<float>& queries,
                                                                         std::size_t k, const RowFilter& filter,
                                                                         const IndexSearchOptions& options = {},
                                                                         const AnyExecutor& executor = {}) const {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      detail::require_query({queries.row(i), queries.dim()}, k, dim(), "FlatIndex::search_filtered_batch");
    }
    filter.require_universe(size(), "FlatIndex::search_filtered_batch");
    if (filter.admits_all()) return search_batch(queries, k, options, executor);
    const RowSet admitted = filter.to_set(size());
    std::vector<std::vector<Neighbor>> results(queries.size());
    detail::for_each_query_block(executor, queries.size(), query_block, options,
                                 [&](std::size_t begin, std::size_t end, const IndexSearchOptions& mine) {
                                   scan_admitted(queries.slice(begin, end), k, admitted, mine, results.data() + begin);
                                 });
    return results;
  }

  /// One row as floats. @param out  dim floats  @throws ShapeError  a row past the end, another size
  void read_row(Row row, std::span<float> out) const {
    detail::require_row_to_read(row, size(), out.size(), dim(), "FlatIndex::read_row");
    rows().decode(row, out.data());
  }

  /// How many rows.
  [[nodiscard]] std::size_t size() const noexcept { return rows().size(); }
  /// Elements of a row.
  [[nodiscard]] std::size_t dim() const noexcept { return rows().dim(); }
  /// What a score means.
  [[nodiscard]] Metric metric() const noexcept { return metric_; }
  /// What it was built with; over an archive's rows, with `copy`.
  [[nodiscard]] FlatParams params() const noexcept {
    return {metric_, rows_.are_borrowed() ? Rows::borrow : Rows::copy};
  }
  /// Bytes on the heap; rows that are borrowed, or an archive's, are not.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return rows_.memory_bytes() + (codes_ ? codes_->memory_bytes() : 0);
  }
  /// The indexed rows.
  [[nodiscard]] const EmbeddingView<Scalar>& rows() const noexcept { return rows_.view(); }

 private:
  static constexpr std::size_t coded_batch = 64;  // queries from which encoding every row pays; about equal from 32
  static constexpr std::size_t coded_rows = 256;  // from which keeping codes pays
  static constexpr std::size_t most_code_bytes = std::size_t{1} << 25;
  static constexpr std::size_t query_block = 16;       // queries a thread takes at a time
  static constexpr std::size_t row_block = 256;        // rows whose codes stay in the L2 cache while queries pass
  static constexpr std::size_t row_chunk = 16'384;     // rows whose codes are held at a time
  static constexpr std::size_t tile_bytes = 1U << 16;  // rows that stay in the L2 cache while queries pass
  static constexpr std::size_t least_tile = 8;
  static constexpr auto tile_numbers = [] {
    std::array<Row, 256> numbers{};
    std::iota(numbers.begin(), numbers.end(), Row{0});
    return numbers;
  }();

  explicit FlatIndex(Metric metric)
      : metric_(metric),
        kernel_(metric == Metric::inner_product ? simd::dot_kernel<Scalar>() : simd::squared_l2_kernel<Scalar>()),
        rows_(metric) {}

  static void require_rows(const EmbeddingView<Scalar>& rows) {
    if (rows.empty()) detail::fail<ValueError>("FlatIndex::build: no rows, expected at least 1");
    require_valid_rows(rows, RowCheck::finite, "FlatIndex::build");
  }

  /// Encodes the rows, where their codes are to be kept.
  void keep_codes(const AnyExecutor& executor) {
    const std::size_t code_bytes = simd::padded_code_dim(dim());
    const bool are_small = 3 * code_bytes <= dim() * sizeof(Scalar);
    if (!are_small || size() < coded_rows || dim() > simd::code_dim_limit || size() * code_bytes > most_code_bytes)
      return;
    codes_.emplace(size(), dim());
    for_each_block(executor, size(), row_block,
                   [&](std::size_t begin, std::size_t end) { encode(begin, end, 0, *codes_); });
  }

  /// Encodes the rows [begin, end). @param first  the row whose code is the first
  void encode(std::size_t begin, std::size_t end, std::size_t first, detail::BoundedCodes& codes) const {
    std::vector<float> values(dim());
    for (std::size_t r = begin; r < end; ++r) {
      rows().decode(r, values.data());
      codes.encode(r - first, values.data());
    }
  }

  [[nodiscard]] float score_of(const float* query, std::size_t row) const noexcept {
    return rows_.ranked(kernel_(query, rows().row(row), dim(), rows().scale(row)));
  }

  /// Looks at every row for some queries at once: a tile of rows is read from memory for the first of them, and from
  /// the cache for the others. @param results  one a query
  void scan_exactly(const EmbeddingView<float>& queries, std::size_t k, const IndexSearchOptions& options,
                    std::vector<Neighbor>* results) const {
    const std::size_t tile = std::clamp(tile_bytes / (dim() * sizeof(Scalar)), least_tile, tile_numbers.size());
    std::vector<TopK> best(queries.size(), TopK(std::min(k, size())));
    std::array<float, tile_numbers.size()> scores;
    detail::LimitWatch watch(options.limit);
    IndexSearchStats stats;
    for (std::size_t first = 0; first < size() && !stats.stopped; first += tile) {
      const std::size_t count = std::min(tile, size() - first);
      for (std::size_t q = 0; q < queries.size(); ++q) {
        rows_.score_run(queries.row(q), first, tile_numbers.data(), count, scores.data());
        for (std::size_t i = 0; i < count; ++i) best[q].push({static_cast<Row>(first + i), scores[i]});
      }
      stats.distances += count * queries.size();
      stats.stopped = first + count < size() && watch.reached_after(count * queries.size());
    }
    for (std::size_t q = 0; q < queries.size(); ++q) results[q] = best[q].take();
    if (options.stats != nullptr) *options.stats += stats;
  }

  /// The same of the admitted rows. @param results  one a query
  void scan_admitted(const EmbeddingView<float>& queries, std::size_t k, const RowSet& admitted,
                     const IndexSearchOptions& options, std::vector<Neighbor>* results) const {
    const std::size_t tile = std::clamp(tile_bytes / (dim() * sizeof(Scalar)), least_tile, detail::admitted_block);
    std::vector<TopK> best(queries.size(), TopK(std::min(k, size())));
    std::array<float, detail::admitted_block> scores;
    detail::LimitWatch watch(options.limit);
    IndexSearchStats stats{.scans = queries.size()};
    const bool whole = detail::for_each_admitted_block(admitted, size(), [&](std::span<const Row> block) {
      for (std::size_t first = 0; first < block.size(); first += tile) {
        const auto rows = block.subspan(first, std::min(tile, block.size() - first));
        for (std::size_t q = 0; q < queries.size(); ++q) {
          rows_.score(queries.row(q), rows, scores.data());
          for (std::size_t i = 0; i < rows.size(); ++i) best[q].push({rows[i], scores[i]});
        }
      }
      stats.distances += block.size() * queries.size();
      return !watch.reached_after(block.size() * queries.size());
    });
    stats.scanned = stats.distances;
    stats.stopped = !whole;
    for (std::size_t q = 0; q < queries.size(); ++q) results[q] = best[q].take();
    if (options.stats != nullptr) *options.stats += stats;
  }

  /// The same by codes of rows and queries, which rule most rows out.
  void scan_codes(const EmbeddingView<float>& queries, std::size_t k, const IndexSearchOptions& options,
                  const AnyExecutor& executor, std::vector<std::vector<Neighbor>>& results) const {
    detail::BoundedCodes query_codes(queries.size(), dim());
    for_each_block(executor, queries.size(), query_block, [&](std::size_t begin, std::size_t end) {
      for (std::size_t q = begin; q < end; ++q) query_codes.encode(q, queries.row(q));
    });
    std::vector<detail::CandidateRows> candidates(queries.size(), detail::CandidateRows(std::min(k, size())));
    detail::BatchStats stats(options.stats, queries.size());
    std::atomic<bool> stopped{false};
    const std::size_t share = (queries.size() + executor.concurrency() - 1) / executor.concurrency();
    const std::size_t queries_a_block = std::clamp<std::size_t>(share, 1, query_block);
    const auto scan_rows = [&](const detail::BoundedCodes& row_codes, std::size_t first, std::size_t count) {
      for_each_block(executor, queries.size(), queries_a_block, [&](std::size_t begin, std::size_t end) {
        if (queries.size() > 1 && options.limit.reached()) stopped = true;
        if (stopped) return;
        const std::size_t scanned = scan(query_codes, begin, end, row_codes, first, count, options.limit, candidates);
        if (scanned < count) stopped = true;
        if (options.stats == nullptr) return;
        for (std::size_t q = begin; q < end; ++q) stats.part(q)->distances += scanned;
      });
    };
    if (codes_) {
      scan_rows(*codes_, 0, size());
    } else {
      detail::BoundedCodes row_codes(std::min(size(), row_chunk), dim());
      for (std::size_t first = 0; first < size() && !stopped; first += row_chunk) {  // bounds the memory of the codes
        const std::size_t count = std::min(row_chunk, size() - first);
        for_each_block(executor, count, row_block, [&](std::size_t begin, std::size_t end) {
          if (options.limit.reached()) stopped = true;
          if (stopped) return;  // what is not encoded is not scanned
          encode(first + begin, first + end, first, row_codes);
        });
        if (!stopped) scan_rows(row_codes, first, count);
      }
    }
    executor.run(queries.size(), [&](std::size_t q) {
      std::vector<Neighbor> found = candidates[q].take();
      if (!score_in_time(queries.row(q), options.limit, found)) stopped = true;
      if (options.stats != nullptr) stats.part(q)->reranked += found.size();
      keep_best(found, k);
      results[q] = std::move(found);
    });
    stats.add_up();
    if (options.stats != nullptr && stopped) options.stats->stopped = true;
  }

  /// Scores rows exactly; what a limit leaves no time for is dropped. @return  whether there was time for all
  [[nodiscard]] bool score_in_time(const float* query, const SearchLimit& limit, std::vector<Neighbor>& found) const {
    detail::LimitWatch watch(limit);
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (watch.reached_after(1)) {
        found.resize(i);
        return false;
      }
      found[i].score = score_of(query, found[i].row);
    }
    return true;
  }

  /// Offers the coded rows [first, first + count) to the queries [begin, end). @return  how many of them, in time
  [[nodiscard]] std::size_t scan(const detail::BoundedCodes& query_codes, std::size_t begin, std::size_t end,
                                 const detail::BoundedCodes& row_codes, std::size_t first, std::size_t count,
                                 const SearchLimit& limit, std::vector<detail::CandidateRows>& candidates) const {
    detail::ScoreBounds bounds(metric_);
    detail::LimitWatch watch(limit);
    std::vector<float> lower(row_block);
    std::vector<float> upper(row_block);
    for (std::size_t tile = 0; tile < count; tile += row_block) {
      if (tile > 0 && watch.reached_after(row_block * (end - begin))) return tile;
      const std::size_t n = std::min(row_block, count - tile);
      for (std::size_t q = begin; q < end; ++q) {
        bounds.compute(query_codes, q, row_codes, tile, n, lower.data(), upper.data());
        candidates[q].offer(first + tile, lower.data(), upper.data(), n);
      }
    }
    return count;
  }

  Metric metric_;
  simd::Kernel<Scalar> kernel_;
  detail::IndexedRows<Scalar> rows_;
  std::optional<detail::BoundedCodes> codes_;  // of the rows, where they are kept
};

}  // namespace pefa
