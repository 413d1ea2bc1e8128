// pefa: exact search by looking at every row; the yardstick of every other index, and the right one below some 10,000
// rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/code_scan.hpp"
#include "pefa/index/index_spec.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/code_kernels.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

struct FlatParams {
  Metric metric = Metric::inner_product;
  Rows rows = Rows::copy;
};

/// Exact search over rows of any element type.
///
/// A single query costs one kernel call a row. A batch goes through int8 products in tiles that stay in the cache,
/// which rule out most rows for certain (code_scan.hpp), and gives the same results to the bit. O(size · dim) a query.
template <EmbeddingScalar Scalar = float>
class FlatIndex {
 public:
  using Params = FlatParams;

  /// @throws ValueError  no rows, or a row that is not finite
  [[nodiscard]] static FlatIndex build(const EmbeddingView<Scalar>& rows, const FlatParams& params = {},
                                       const BuildOptions& options = {}) {
    require_rows(rows);
    FlatIndex index(params.metric);
    if (params.rows == Rows::copy) {
      index.own(EmbeddingStore<Scalar>::from(rows, Normalize::none, RowCheck::finite));
    } else {
      index.rows_ = rows;
    }
    ProgressMeter(options.progress, rows.size(), "FlatIndex::build").add(rows.size());
    return index;
  }

  /// The same, taking a store over instead of copying it; `params.rows` does not matter.
  [[nodiscard]] static FlatIndex build(EmbeddingStore<Scalar>&& store, const FlatParams& params = {},
                                       const BuildOptions& options = {}) {
    require_rows(store.view());
    FlatIndex index(params.metric);
    index.own(std::move(store));
    ProgressMeter(options.progress, index.size(), "FlatIndex::build").add(index.size());
    return index;
  }

  /// Adds the index to an archive; it must live, unchanged, until that is written. Defined in flat_index_archive.hpp.
  void save(io::ArchiveWriter& writer, const std::string& prefix) const;

  /// The index over the archive's rows in place; O(1), for int8 4 bytes a row are read. Defined in
  /// flat_index_archive.hpp. @throws FormatError  the archive holds no such index under this prefix, or a damaged one
  [[nodiscard]] static FlatIndex open(const io::ArchiveReader& reader, const std::string& prefix);

  FlatIndex(FlatIndex&&) noexcept = default;
  FlatIndex& operator=(FlatIndex&&) noexcept = default;

  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k,
                                             const IndexSearchOptions& /*options*/ = {}) const {
    detail::require_query(query, k, dim(), "FlatIndex::search");
    TopK best(std::min(k, size()));
    for (std::size_t i = 0; i < size(); ++i) best.push({static_cast<Row>(i), score_of(query.data(), i)});
    return best.take();
  }

  /// The exact score of one row. @throws ShapeError  a query of another dim, a row past the end
  [[nodiscard]] float score(QueryView query, Row row) const {
    detail::require_rows_to_score(query, dim(), {&row, 1}, size(), 1, "FlatIndex::score");
    return score_of(query.data(), row);
  }

  /// The same of several rows. @param scores  as many as rows
  void score_rows(QueryView query, std::span<const Row> rows, std::span<float> scores) const {
    detail::require_rows_to_score(query, dim(), rows, size(), scores.size(), "FlatIndex::score_rows");
    rows_kernel_(query.data(), rows_.data(), rows_.stride(), dim(), rows.data(), rows.size(), rows_.scales(),
                 scores.data());
    for (float& score : scores) score = detail::rankable(metric_ == Metric::inner_product ? score : -score);
  }

  [[nodiscard]] std::vector<std::vector<Neighbor>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                const IndexSearchOptions& /*options*/ = {},
                                                                const AnyExecutor& executor = {}) const {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      detail::require_query({queries.row(i), queries.dim()}, k, dim(), "FlatIndex::search_batch");
    }
    std::vector<std::vector<Neighbor>> results(queries.size());
    if (dim() > simd::code_dim_limit) {
      executor.run(queries.size(), [&](std::size_t q) { results[q] = search({queries.row(q), queries.dim()}, k); });
      return results;
    }
    detail::BoundedCodes query_codes(queries.size(), dim());
    for_each_block(executor, queries.size(), query_block, [&](std::size_t begin, std::size_t end) {
      for (std::size_t q = begin; q < end; ++q) query_codes.encode(q, queries.row(q));
    });
    std::vector<detail::CandidateRows> candidates(queries.size(), detail::CandidateRows(std::min(k, size())));
    detail::BoundedCodes row_codes(std::min(size(), row_chunk), dim());
    for (std::size_t first = 0; first < size(); first += row_chunk) {  // bounds the memory of the codes
      const std::size_t count = std::min(row_chunk, size() - first);
      for_each_block(executor, count, row_block, [&](std::size_t begin, std::size_t end) {
        std::vector<float> values(dim());
        for (std::size_t r = begin; r < end; ++r) {
          rows_.decode(first + r, values.data());
          row_codes.encode(r, values.data());
        }
      });
      for_each_block(executor, queries.size(), query_block, [&](std::size_t begin, std::size_t end) {
        scan(query_codes, begin, end, row_codes, first, count, candidates);
      });
    }
    executor.run(queries.size(), [&](std::size_t q) {
      std::vector<Neighbor> found = candidates[q].take();
      for (Neighbor& each : found) each.score = score_of(queries.row(q), each.row);
      keep_best(found, k);
      results[q] = std::move(found);
    });
    return results;
  }

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] std::size_t dim() const noexcept { return rows_.dim(); }
  [[nodiscard]] Metric metric() const noexcept { return metric_; }
  [[nodiscard]] FlatParams params() const noexcept {
    return {metric_, store_ || archive_ != nullptr ? Rows::copy : Rows::borrow};
  }
  /// Bytes on the heap; rows that are borrowed, or an archive's, are not.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return store_ ? store_->memory_bytes() : 0; }
  /// The indexed rows.
  [[nodiscard]] const EmbeddingView<Scalar>& rows() const noexcept { return rows_; }

 private:
  static constexpr std::size_t query_block = 16;    // queries a thread takes at a time
  static constexpr std::size_t row_block = 256;     // rows whose codes stay in the L2 cache while queries pass
  static constexpr std::size_t row_chunk = 65'536;  // rows whose codes are held at a time

  explicit FlatIndex(Metric metric)
      : metric_(metric),
        kernel_(metric == Metric::inner_product ? simd::dot_kernel<Scalar>() : simd::squared_l2_kernel<Scalar>()),
        rows_kernel_(metric == Metric::inner_product ? simd::dot_rows_kernel<Scalar>()
                                                     : simd::squared_l2_rows_kernel<Scalar>()) {}

  static void require_rows(const EmbeddingView<Scalar>& rows) {
    if (rows.empty()) detail::fail<ValueError>("FlatIndex::build: no rows, expected at least 1");
    require_valid_rows(rows, RowCheck::finite, "FlatIndex::build");
  }

  void own(EmbeddingStore<Scalar>&& store) {
    store_ = std::move(store);
    rows_ = store_->view();  // stays valid when the index moves: the heap block does not
  }

  [[nodiscard]] float score_of(const float* query, std::size_t row) const noexcept {
    const float sum = kernel_(query, rows_.row(row), rows_.dim(), rows_.scale(row));
    return detail::rankable(metric_ == Metric::inner_product ? sum : -sum);
  }

  /// Offers the coded rows [first, first + count) to the queries [begin, end).
  void scan(const detail::BoundedCodes& query_codes, std::size_t begin, std::size_t end,
            const detail::BoundedCodes& row_codes, std::size_t first, std::size_t count,
            std::vector<detail::CandidateRows>& candidates) const {
    detail::ScoreBounds bounds(metric_);
    std::vector<float> lower(row_block);
    std::vector<float> upper(row_block);
    for (std::size_t tile = 0; tile < count; tile += row_block) {
      const std::size_t n = std::min(row_block, count - tile);
      for (std::size_t q = begin; q < end; ++q) {
        bounds.compute(query_codes, q, row_codes, tile, n, lower.data(), upper.data());
        candidates[q].offer(first + tile, lower.data(), upper.data(), n);
      }
    }
  }

  Metric metric_;
  simd::Kernel<Scalar> kernel_;
  simd::RowsKernel<Scalar> rows_kernel_;
  std::optional<EmbeddingStore<Scalar>> store_;
  std::shared_ptr<const void> archive_;  // whose rows these are, where it was opened
  EmbeddingView<Scalar> rows_;
};

}  // namespace pefa
