// pefa: Y, the sparse relevance of passages to queries: which answers were clicked, judged or written for which
// question.
//
// Rows are queries, columns are passages, values are positive weights. It stores and reshapes; what the weights do to a
// score is the adapters' business.
#pragma once

#include <Eigen/SparseCore>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"

namespace pefa {

/// One entry of Y.
struct RelevancePair {
  QueryId query;
  PassageId passage;
  float weight = 1.0f;
};

/// What several pairs of the same query and passage come to.
enum class DuplicatePolicy {
  sum,  ///< their weights add up, as in SciPy's CSR
  max,  ///< the largest weight stays
  last  ///< the one that came last stays
};

/// What Y holds, at a glance.
struct RelevanceStatistics {
  std::size_t queries = 0;
  std::size_t passages = 0;
  std::size_t pairs = 0;
  std::size_t queries_without_passages = 0;
  std::size_t passages_without_queries = 0;
};

/// Y [n_queries x n_passages], compressed by query; immutable, so reading is safe from any number of threads.
///
/// Every stored weight is finite and > 0: pairs of weight 0 (a judged, irrelevant passage) are left out. The transpose
/// is made once, when first asked for, and shared by copies. At most 2,147,483,647 pairs and as many rows and columns.
class RelevanceMatrix {
 public:
  using Sparse = Eigen::SparseMatrix<float, Eigen::RowMajor, std::int32_t>;

  /// One row of a compressed matrix: ascending columns and their weights.
  struct Entries {
    std::span<const std::int32_t> columns;
    std::span<const float> weights;
    [[nodiscard]] std::size_t size() const noexcept { return columns.size(); }
  };

  /// From pairs in any order. O(pairs log pairs).
  /// @throws ShapeError  an id past n_queries or n_passages  @throws ValueError  a weight that is negative or not
  /// finite, or duplicates whose sum is not
  [[nodiscard]] static RelevanceMatrix from_pairs(std::span<const RelevancePair> pairs, std::size_t n_queries,
                                                  std::size_t n_passages,
                                                  DuplicatePolicy duplicates = DuplicatePolicy::sum) {
    require_size(n_queries, n_passages, pairs.size());
    for (std::size_t i = 0; i < pairs.size(); ++i) require_pair(pairs[i], i, n_queries, n_passages);

    std::vector<RelevancePair> sorted(pairs.begin(), pairs.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const RelevancePair& a, const RelevancePair& b) {
      return std::pair(a.query, a.passage) < std::pair(b.query, b.passage);
    });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < sorted.size();) {
      RelevancePair merged = sorted[i];
      double weight = static_cast<double>(merged.weight);  // a float would stop counting clicks at 16,777,216
      for (++i; i < sorted.size() && sorted[i].query == merged.query && sorted[i].passage == merged.passage; ++i) {
        weight = merge(weight, static_cast<double>(sorted[i].weight), duplicates);
      }
      merged.weight = static_cast<float>(weight);
      if (!detail::is_finite(merged.weight)) {
        detail::fail<ValueError>("RelevanceMatrix: the weights of query ", merged.query, ", passage ", merged.passage,
                                 " add up to more than a float holds");
      }
      if (merged.weight > 0.0f) sorted[kept++] = merged;
    }
    sorted.resize(kept);
    return RelevanceMatrix(compress(sorted, n_queries, n_passages));
  }

  /// From an Eigen sparse matrix of any order and weight type; explicit zeros are left out.
  /// @throws ValueError  a weight that is negative or not finite
  template <class Weight, int Order, class Index>
  [[nodiscard]] static RelevanceMatrix from_eigen(const Eigen::SparseMatrix<Weight, Order, Index>& matrix) {
    std::vector<RelevancePair> pairs;
    pairs.reserve(static_cast<std::size_t>(matrix.nonZeros()));
    for (Eigen::Index outer = 0; outer < matrix.outerSize(); ++outer) {
      for (typename Eigen::SparseMatrix<Weight, Order, Index>::InnerIterator it(matrix, outer); it; ++it) {
        pairs.push_back({QueryId(static_cast<Row>(it.row())), PassageId(static_cast<Row>(it.col())),
                         static_cast<float>(it.value())});
      }
    }
    return from_pairs(pairs, static_cast<std::size_t>(matrix.rows()), static_cast<std::size_t>(matrix.cols()));
  }

  /// From compressed rows, as sparse() has them. A copy; O(pairs).
  ///
  /// @param starts    [n_queries + 1], ascending: row i is pairs starts[i] to starts[i + 1]
  /// @param passages  [n_pairs], ascending within a row, each once
  /// @param weights   [n_pairs], finite and > 0
  /// @throws ShapeError  sizes that disagree, starts out of order, a passage past n_passages or out of order
  /// @throws ValueError  a weight that is not finite and above 0
  [[nodiscard]] static RelevanceMatrix from_compressed(std::span<const std::int32_t> starts,
                                                       std::span<const std::int32_t> passages,
                                                       std::span<const float> weights, std::size_t n_passages) {
    require_size(starts.empty() ? 0 : starts.size() - 1, n_passages, passages.size());
    if (weights.size() != passages.size()) {
      detail::fail<ShapeError>("RelevanceMatrix: ", weights.size(), " weights for ", passages.size(), " pairs");
    }
    if (starts.empty() || starts.front() != 0 || starts.back() != static_cast<std::int32_t>(passages.size()) ||
        !std::is_sorted(starts.begin(), starts.end())) {
      detail::fail<ShapeError>("RelevanceMatrix: the starts of the rows are not ascending from 0 to ", passages.size());
    }
    for (std::size_t row = 0; row + 1 < starts.size(); ++row) {
      std::int64_t before = -1;
      for (auto i = static_cast<std::size_t>(starts[row]); i < static_cast<std::size_t>(starts[row + 1]); ++i) {
        if (passages[i] <= before || passages[i] >= static_cast<std::int64_t>(n_passages)) {
          detail::fail<ShapeError>("RelevanceMatrix: query ", row, " has passage ", passages[i], " after ", before,
                                   ", expected ascending and below ", n_passages);
        }
        before = passages[i];
        if (!detail::is_finite(weights[i]) || weights[i] <= 0.0f) {
          detail::fail<ValueError>("RelevanceMatrix: query ", row, ", passage ", passages[i], " has weight ",
                                   weights[i], ", expected finite and above 0");
        }
      }
    }
    Sparse sparse(static_cast<Eigen::Index>(starts.size() - 1), static_cast<Eigen::Index>(n_passages));
    sparse.resizeNonZeros(static_cast<Eigen::Index>(passages.size()));
    std::copy(starts.begin(), starts.end(), sparse.outerIndexPtr());
    std::copy(passages.begin(), passages.end(), sparse.innerIndexPtr());
    std::copy(weights.begin(), weights.end(), sparse.valuePtr());
    return RelevanceMatrix(std::move(sparse));
  }

  /// Several sources over the same passages, one below the other: real queries, titles, generated queries. Stack their
  /// query embeddings in the same order (the paper's [X_trn; X_doc; X_d2q], section 4.1).
  /// @throws ShapeError  sources that differ in their number of passages, or none
  [[nodiscard]] static RelevanceMatrix stack(std::span<const RelevanceMatrix> sources) {
    if (sources.empty()) detail::fail<ShapeError>("RelevanceMatrix::stack: no sources, expected at least 1");
    std::size_t queries = 0;
    std::size_t pairs = 0;
    for (std::size_t s = 0; s < sources.size(); ++s) {
      if (sources[s].cols() != sources[0].cols()) {
        detail::fail<ShapeError>("RelevanceMatrix::stack: source ", s, " has ", sources[s].cols(),
                                 " passages, source 0 has ", sources[0].cols());
      }
      queries += sources[s].rows();
      pairs += sources[s].pair_count();
    }
    require_size(queries, sources[0].cols(), pairs);
    Sparse stacked(static_cast<Eigen::Index>(queries), static_cast<Eigen::Index>(sources[0].cols()));
    stacked.resizeNonZeros(static_cast<Eigen::Index>(pairs));
    std::int32_t* starts = stacked.outerIndexPtr();
    std::int32_t used = 0;
    for (const RelevanceMatrix& source : sources) {
      const Sparse& from = source.sparse_;
      std::copy_n(from.innerIndexPtr(), from.nonZeros(), stacked.innerIndexPtr() + used);
      std::copy_n(from.valuePtr(), from.nonZeros(), stacked.valuePtr() + used);
      for (Eigen::Index row = 0; row < from.rows(); ++row) *starts++ = used + from.outerIndexPtr()[row];
      used += static_cast<std::int32_t>(from.nonZeros());
    }
    *starts = used;
    return RelevanceMatrix(std::move(stacked));
  }

  [[nodiscard]] std::size_t rows() const noexcept { return static_cast<std::size_t>(sparse_.rows()); }
  [[nodiscard]] std::size_t cols() const noexcept { return static_cast<std::size_t>(sparse_.cols()); }
  [[nodiscard]] std::size_t pair_count() const noexcept { return static_cast<std::size_t>(sparse_.nonZeros()); }

  /// The passages of a query in ascending order, with their weights; valid while the matrix is.
  [[nodiscard]] Entries passages_of(QueryId query) const noexcept { return entries(sparse_, query.row()); }

  /// The queries of a passage in ascending order, with their weights; the first call makes the transpose.
  [[nodiscard]] Entries queries_of(PassageId passage) const { return entries(transposed(), passage.row()); }

  /// Yᵀ [n_passages x n_queries], made once; safe to ask for from several threads.
  [[nodiscard]] const Sparse& transposed() const {
    std::call_once(transpose_->once, [this] {
      transpose_->matrix = sparse_.transpose();
      transpose_->bytes = bytes(transpose_->matrix);
    });
    return transpose_->matrix;
  }

  /// Y itself.
  [[nodiscard]] const Sparse& sparse() const noexcept { return sparse_; }

  /// Every weight 1: relevant or not, however often.
  [[nodiscard]] RelevanceMatrix binary() const {
    return map([](float) { return 1.0f; });
  }

  /// ln(1 + weight): clicks with diminishing returns.
  [[nodiscard]] RelevanceMatrix log1p() const {
    return map([](float weight) { return std::log1p(weight); });
  }

  /// Each query's weights divided by their sum, so that every query has the same say.
  [[nodiscard]] RelevanceMatrix row_normalized() const {
    Sparse scaled = sparse_;
    for (Eigen::Index row = 0; row < scaled.rows(); ++row) {
      const std::int32_t begin = scaled.outerIndexPtr()[row];
      const std::int32_t end = scaled.outerIndexPtr()[row + 1];
      double sum = 0.0;
      for (std::int32_t i = begin; i < end; ++i) sum += static_cast<double>(scaled.valuePtr()[i]);
      for (std::int32_t i = begin; i < end; ++i) {
        const auto share = static_cast<float>(static_cast<double>(scaled.valuePtr()[i]) / sum);
        scaled.valuePtr()[i] = std::max(share, std::numeric_limits<float>::denorm_min());  // relevant stays relevant
      }
    }
    return RelevanceMatrix(std::move(scaled));
  }

  /// The number of passages of each query. [n_queries]
  [[nodiscard]] std::vector<std::size_t> row_counts() const {
    std::vector<std::size_t> counts(rows());
    for (std::size_t row = 0; row < rows(); ++row) counts[row] = passages_of(QueryId(static_cast<Row>(row))).size();
    return counts;
  }

  /// The number of queries of each passage. [n_passages]
  [[nodiscard]] std::vector<std::size_t> column_counts() const {
    std::vector<std::size_t> counts(cols());
    for (std::size_t i = 0; i < pair_count(); ++i) ++counts[static_cast<std::size_t>(sparse_.innerIndexPtr()[i])];
    return counts;
  }

  [[nodiscard]] RelevanceStatistics statistics() const {
    const auto zeros = [](const std::vector<std::size_t>& counts) {
      return static_cast<std::size_t>(std::count(counts.begin(), counts.end(), std::size_t{0}));
    };
    return {rows(), cols(), pair_count(), zeros(row_counts()), zeros(column_counts())};
  }

  /// Bytes held on the heap, the transpose included once it is made.
  [[nodiscard]] std::size_t memory_bytes() const {
    return sizeof(Transpose) + bytes(sparse_) + transpose_->bytes.load();
  }

 private:
  struct Transpose {
    std::once_flag once;
    Sparse matrix;
    std::atomic<std::size_t> bytes{0};  // 0 until the matrix is made
  };

  explicit RelevanceMatrix(Sparse sparse) : sparse_(std::move(sparse)), transpose_(std::make_shared<Transpose>()) {}

  [[nodiscard]] static Entries entries(const Sparse& matrix, Row row) noexcept {
    assert(row < matrix.outerSize());
    const auto begin = static_cast<std::size_t>(matrix.outerIndexPtr()[row]);
    const auto size = static_cast<std::size_t>(matrix.outerIndexPtr()[row + 1]) - begin;
    return {{matrix.innerIndexPtr() + begin, size}, {matrix.valuePtr() + begin, size}};
  }

  [[nodiscard]] static std::size_t bytes(const Sparse& matrix) noexcept {
    const auto entry = sizeof(float) + sizeof(std::int32_t);
    return static_cast<std::size_t>(matrix.data().allocatedSize()) * entry +
           (static_cast<std::size_t>(matrix.outerSize()) + 1) * sizeof(std::int32_t);
  }

  [[nodiscard]] static double merge(double first, double second, DuplicatePolicy policy) noexcept {
    switch (policy) {
      case DuplicatePolicy::sum: return first + second;
      case DuplicatePolicy::max: return std::max(first, second);
      case DuplicatePolicy::last: return second;
    }
    return second;
  }

  static void require_size(std::size_t n_queries, std::size_t n_passages, std::size_t pairs) {
    constexpr auto most = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) - 1;
    if (n_queries > most || n_passages > most || pairs > most) {
      detail::fail<ShapeError>("RelevanceMatrix: ", n_queries, " queries, ", n_passages, " passages, ", pairs,
                               " pairs; expected at most ", most, " of each");
    }
  }

  static void require_pair(const RelevancePair& pair, std::size_t position, std::size_t n_queries,
                           std::size_t n_passages) {
    if (pair.query.row() >= n_queries) {
      detail::fail<ShapeError>("RelevanceMatrix: pair ", position, " has query ", pair.query, ", expected below ",
                               n_queries);
    }
    if (pair.passage.row() >= n_passages) {
      detail::fail<ShapeError>("RelevanceMatrix: pair ", position, " has passage ", pair.passage, ", expected below ",
                               n_passages);
    }
    if (!detail::is_finite(pair.weight) || pair.weight < 0.0f) {
      detail::fail<ValueError>("RelevanceMatrix: pair ", position, " (query ", pair.query, ", passage ", pair.passage,
                               ") has weight ", pair.weight, ", expected finite and >= 0");
    }
  }

  /// CSR from pairs sorted by query and passage, each once.
  [[nodiscard]] static Sparse compress(std::span<const RelevancePair> pairs, std::size_t n_queries,
                                       std::size_t n_passages) {
    Sparse sparse(static_cast<Eigen::Index>(n_queries), static_cast<Eigen::Index>(n_passages));
    sparse.resizeNonZeros(static_cast<Eigen::Index>(pairs.size()));
    std::int32_t* starts = sparse.outerIndexPtr();
    std::fill_n(starts, n_queries + 1, 0);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      ++starts[pairs[i].query.row() + 1];
      sparse.innerIndexPtr()[i] = static_cast<std::int32_t>(pairs[i].passage.row());
      sparse.valuePtr()[i] = pairs[i].weight;
    }
    for (std::size_t row = 0; row < n_queries; ++row) starts[row + 1] += starts[row];
    return sparse;
  }

  template <class Function>
  [[nodiscard]] RelevanceMatrix map(const Function& function) const {
    Sparse mapped = sparse_;
    for (Eigen::Index i = 0; i < mapped.nonZeros(); ++i) mapped.valuePtr()[i] = function(mapped.valuePtr()[i]);
    return RelevanceMatrix(std::move(mapped));
  }

  Sparse sparse_;
  std::shared_ptr<Transpose> transpose_;
};

}  // namespace pefa
