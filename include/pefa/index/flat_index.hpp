// pefa: exact search by looking at every row; the yardstick of every other index, and the right one below some 10,000
// rows.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

/// Who owns the rows a FlatIndex reads.
enum class Rows {
  copy,   ///< the index keeps its own
  borrow  ///< the index reads the caller's, which must outlive it and not change
};

struct FlatParams {
  Metric metric = Metric::inner_product;
  Rows rows = Rows::copy;
};

/// Exact search over rows of any element type.
///
/// A single query costs one kernel call a row; a batch is a blocked matrix product, some times faster a query. The
/// scores of the two may differ in the last bits, as they sum in different orders. O(size · dim) a query.
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

  FlatIndex(FlatIndex&&) noexcept = default;
  FlatIndex& operator=(FlatIndex&&) noexcept = default;

  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k,
                                             const IndexSearchOptions& /*options*/ = {}) const {
    detail::require_query(query, k, dim(), "FlatIndex::search");
    TopK best(std::min(k, size()));
    for (std::size_t i = 0; i < size(); ++i) best.push({static_cast<Row>(i), score_of(query.data(), i)});
    return best.take();
  }

  /// The exact score of one row. @throws ShapeError  a row past the end
  [[nodiscard]] float score(QueryView query, Row row) const {
    if (row >= size()) detail::fail<ShapeError>("FlatIndex::score: row ", row, ", expected below ", size());
    return score_of(query.data(), row);
  }

  [[nodiscard]] std::vector<std::vector<Neighbor>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                                                const IndexSearchOptions& /*options*/ = {},
                                                                const AnyExecutor& executor = {}) const {
    for (std::size_t i = 0; i < queries.size(); ++i) {
      detail::require_query({queries.row(i), queries.dim()}, k, dim(), "FlatIndex::search_batch");
    }
    std::vector<std::vector<Neighbor>> results(queries.size());
    for_each_block(executor, queries.size(), query_block, [&](std::size_t begin, std::size_t end) {
      search_block(queries.slice(begin, end), k, results.data() + begin);
    });
    return results;
  }

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  [[nodiscard]] std::size_t dim() const noexcept { return rows_.dim(); }
  [[nodiscard]] Metric metric() const noexcept { return metric_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return store_ ? store_->memory_bytes() : 0; }
  /// The indexed rows.
  [[nodiscard]] const EmbeddingView<Scalar>& rows() const noexcept { return rows_; }

 private:
  // A tile of scores, query_block x row_block floats, and the rows it is made of stay in the L2 cache.
  static constexpr std::size_t query_block = 64;
  static constexpr std::size_t row_block = 256;

  explicit FlatIndex(Metric metric)
      : metric_(metric),
        kernel_(metric == Metric::inner_product ? simd::dot_kernel<Scalar>() : simd::squared_l2_kernel<Scalar>()) {}

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
    return metric_ == Metric::inner_product ? sum : -sum;
  }

  void search_block(const EmbeddingView<float>& queries, std::size_t k, std::vector<Neighbor>* results) const {
    std::vector<TopK> best(queries.size(), TopK(std::min(k, size())));
    RowMajorMatrix decoded;
    RowMajorMatrix tile;
    for (std::size_t begin = 0; begin < size(); begin += row_block) {
      const EmbeddingView<Scalar> rows = rows_.slice(begin, std::min(size(), begin + row_block));
      score_tile(queries, rows, begin, decoded, tile);
      for (std::size_t q = 0; q < queries.size(); ++q) {
        const float* scores = tile.data() + q * rows.size();
        for (std::size_t r = 0; r < rows.size(); ++r) {
          if (scores[r] >= best[q].floor()) best[q].push({static_cast<Row>(begin + r), scores[r]});
        }
      }
    }
    for (std::size_t q = 0; q < queries.size(); ++q) results[q] = best[q].take();
  }

  /// tile = scores of `queries` against `rows`, which start at row `first` of the index.
  void score_tile(const EmbeddingView<float>& queries, const EmbeddingView<Scalar>& rows, std::size_t first,
                  RowMajorMatrix& decoded, RowMajorMatrix& tile) const {
    const auto n_queries = static_cast<Eigen::Index>(queries.size());
    const auto n_rows = static_cast<Eigen::Index>(rows.size());
    tile.resize(n_queries, n_rows);
    if (metric_ == Metric::l2) {  // expanding ‖q − x‖² into products would lose the digits of small distances
      for (Eigen::Index q = 0; q < n_queries; ++q) {
        for (Eigen::Index r = 0; r < n_rows; ++r) {
          tile(q, r) = score_of(queries.row(static_cast<std::size_t>(q)), first + static_cast<std::size_t>(r));
        }
      }
      return;
    }
    tile.noalias() = as_matrix(queries) * as_float_matrix(rows, decoded).transpose();
  }

  using Strided = Eigen::Map<const RowMajorMatrix, Eigen::Unaligned, Eigen::OuterStride<>>;

  [[nodiscard]] static Strided as_matrix(const EmbeddingView<float>& rows) {
    return {rows.data(), static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(rows.dim()),
            Eigen::OuterStride<>(static_cast<Eigen::Index>(rows.stride()))};
  }

  /// The rows themselves where they are floats, else their decoded copy in `decoded`.
  [[nodiscard]] static Strided as_float_matrix(const EmbeddingView<Scalar>& rows, RowMajorMatrix& decoded) {
    if constexpr (std::same_as<Scalar, float>) {
      return as_matrix(rows);
    } else {
      decoded.resize(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(rows.dim()));
      for (std::size_t r = 0; r < rows.size(); ++r) rows.decode(r, decoded.data() + r * rows.dim());
      return as_matrix(EmbeddingView<float>(decoded.data(), rows.size(), rows.dim()));
    }
  }

  Metric metric_;
  simd::Kernel<Scalar> kernel_;
  std::optional<EmbeddingStore<Scalar>> store_;
  EmbeddingView<Scalar> rows_;
};

static_assert(AnnIndex<FlatIndex<float>> && ScoringIndex<FlatIndex<float>> && BatchIndex<FlatIndex<float>>);

}  // namespace pefa
