// pefa: Y, the sparse relevance of passages to queries: which answers were clicked, judged or written for which
// question.
//
// Rows are queries, columns are passages, values are positive weights. It stores and reshapes; what the weights do to a
// score is the adapters' business.
#pragma once

#include <Eigen/SparseCore>

#include <algorithm>
#include <array>
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

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"

namespace pefa {

/// One entry of Y.
struct RelevancePair {
  QueryId query;        ///< i, a row of Y
  PassageId passage;    ///< j, a column of Y
  float weight = 1.0f;  ///< Y_ij; finite, at least 0
};

/// What several pairs of the same query and passage come to.
enum class DuplicatePolicy {
  sum,  ///< their weights add up, as in SciPy's CSR
  max,  ///< the largest weight stays
  last  ///< the one that came last stays
};

/// Their names.
template <>
inline constexpr std::array enum_names<DuplicatePolicy>{"sum", "max", "last"};

/// What Y holds, at a glance.
struct RelevanceStatistics {
  std::size_t queries = 0;                   ///< rows of Y
  std::size_t passages = 0;                  ///< columns of Y
  std::size_t pairs = 0;                     ///< entries above 0
  std::size_t queries_without_passages = 0;  ///< empty rows
  std::size_t passages_without_queries = 0;  ///< empty columns
};

/// Y [n_queries x n_passages], compressed by query; immutable, so reading is safe from any number of threads.
///
/// Every stored weight is finite and > 0: pairs of weight 0 (a judged, irrelevant passage) are left out. The transpose
/// is made once, when first asked for, and shared by copies. At most 2,147,483,646 pairs and as many rows and columns.
class RelevanceMatrix {
 public:
  /// Y as Eigen has it, compressed by query.
  using Sparse = Eigen::SparseMatrix<float, Eigen::RowMajor, std::int32_t>;

  /// One row of a compressed matrix: ascending columns and their weights.
  struct Entries {
    std::span<const std::int32_t> columns;  ///< ascending, each once
    std::span<const float> weights;         ///< as many, finite and above 0
    /// How many entries.
    [[nodiscard]] std::size_t size() const noexcept { return columns.size(); }
  };

  /// From pairs in any order. O(pairs + n_queries + n_passages).
  /// @throws ShapeError  an id past n_queries or n_passages  @throws ValueError  a weight that is negative or not
  /// finite, or duplicates whose sum is not
  [[nodiscard]] static RelevanceMatrix from_pairs(std::span<const RelevancePair> pairs, std::size_t n_queries,
                                                  std::size_t n_passages,
                                                  DuplicatePolicy duplicates = DuplicatePolicy::sum) {
    require_size(n_queries, n_passages, pairs.size());
    for (std::size_t i = 0; i < pairs.size(); ++i) require_pair(pairs[i], i, n_queries, n_passages);

    std::vector<RelevancePair> sorted(pairs.begin(), pairs.end());
    counting_sort(sorted, n_passages, [](const RelevancePair& pair) { return pair.passage.row(); });
    counting_sort(sorted, n_queries, [](const RelevancePair& pair) { return pair.query.row(); });
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
    return compress(sorted, n_queries, n_passages);
  }

  /// From an Eigen sparse matrix of any order and weight type; explicit zeros are left out, and what is too small for a
  /// float is the least there is, so that relevant stays relevant.
  /// @throws ValueError  a weight that is negative or not finite
  template <class Weight, int Order, class Index>
  [[nodiscard]] static RelevanceMatrix from_eigen(const Eigen::SparseMatrix<Weight, Order, Index>& matrix) {
    std::vector<RelevancePair> pairs;
    pairs.reserve(static_cast<std::size_t>(matrix.nonZeros()));
    for (Eigen::Index outer = 0; outer < matrix.outerSize(); ++outer) {
      for (typename Eigen::SparseMatrix<Weight, Order, Index>::InnerIterator it(matrix, outer); it; ++it) {
        auto weight = static_cast<float>(it.value());
        if (weight == 0.0f && it.value() > Weight(0)) weight = std::numeric_limits<float>::denorm_min();
        pairs.push_back({QueryId(static_cast<Row>(it.row())), PassageId(static_cast<Row>(it.col())), weight});
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
    RelevanceMatrix matrix(starts.size() - 1, n_passages, passages.size());
    std::copy(starts.begin(), starts.end(), matrix.sparse_.outerIndexPtr());
    std::copy(passages.begin(), passages.end(), matrix.sparse_.innerIndexPtr());
    std::copy(weights.begin(), weights.end(), matrix.sparse_.valuePtr());
    return matrix;
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
    RelevanceMatrix stacked(queries, sources[0].cols(), pairs);
    std::int32_t* starts = stacked.sparse_.outerIndexPtr();
    std::int32_t used = 0;
    for (const RelevanceMatrix& source : sources) {
      const Sparse& from = source.sparse_;
      std::copy_n(from.innerIndexPtr(), source.pair_count(), stacked.sparse_.innerIndexPtr() + used);
      std::copy_n(from.valuePtr(), source.pair_count(), stacked.sparse_.valuePtr() + used);
      for (Eigen::Index row = 0; row < from.rows(); ++row) *starts++ = used + from.outerIndexPtr()[row];
      used += static_cast<std::int32_t>(source.pair_count());
    }
    *starts = used;
    return stacked;
  }

  /// How many queries.
  [[nodiscard]] std::size_t rows() const noexcept { return static_cast<std::size_t>(sparse_.rows()); }
  /// How many passages.
  [[nodiscard]] std::size_t cols() const noexcept { return static_cast<std::size_t>(sparse_.cols()); }
  /// How many entries are above 0.
  [[nodiscard]] std::size_t pair_count() const noexcept { return pair_count(sparse_); }

  /// The passages of a query in ascending order, with their weights; valid while the matrix is.
  [[nodiscard]] Entries passages_of(QueryId query) const noexcept { return entries(sparse_, query.row()); }

  /// The queries of a passage in ascending order, with their weights; the first call makes the transpose.
  [[nodiscard]] Entries queries_of(PassageId passage) const { return entries(transposed(), passage.row()); }

  /// Yᵀ [n_passages x n_queries], made once; safe to ask for from several threads.
  [[nodiscard]] const Sparse& transposed() const {
    std::call_once(transpose_->once, [this] {
      transpose(sparse_, transpose_->matrix);
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
    RelevanceMatrix normalized = from_compressed(starts(), passages(), weights(), cols());
    float* weight = normalized.sparse_.valuePtr();
    for (std::size_t row = 0; row < rows(); ++row) {
      const std::size_t size = passages_of(QueryId(static_cast<Row>(row))).size();
      double sum = 0.0;
      for (std::size_t i = 0; i < size; ++i) sum += static_cast<double>(weight[i]);
      for (std::size_t i = 0; i < size; ++i) {
        const auto share = static_cast<float>(static_cast<double>(weight[i]) / sum);
        weight[i] = std::max(share, std::numeric_limits<float>::denorm_min());  // relevant stays relevant
      }
      weight += size;
    }
    return normalized;
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

  /// What it holds, counted anew. O(rows + cols + pairs).
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

  // Loops over the arrays of a compressed matrix, where Eigen has expressions: those cost whoever includes this header
  // their instantiation, used or not.

  /// Room for so many pairs, to be filled.
  RelevanceMatrix(std::size_t n_queries, std::size_t n_passages, std::size_t pairs)
      : sparse_(static_cast<Eigen::Index>(n_queries), static_cast<Eigen::Index>(n_passages)),
        transpose_(std::make_shared<Transpose>()) {
    sparse_.resizeNonZeros(static_cast<Eigen::Index>(pairs));
  }

  [[nodiscard]] std::span<const std::int32_t> starts() const noexcept { return {sparse_.outerIndexPtr(), rows() + 1}; }
  [[nodiscard]] std::span<const std::int32_t> passages() const noexcept {
    return {sparse_.innerIndexPtr(), pair_count()};
  }
  [[nodiscard]] std::span<const float> weights() const noexcept { return {sparse_.valuePtr(), pair_count()}; }

  [[nodiscard]] static std::size_t pair_count(const Sparse& matrix) noexcept {
    return static_cast<std::size_t>(matrix.outerIndexPtr()[matrix.outerSize()]);
  }

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

  /// Orders pairs by a key below `keys`, stably.
  template <class KeyOf>
  static void counting_sort(std::vector<RelevancePair>& pairs, std::size_t keys, const KeyOf& key_of) {
    if (keys / 8 > pairs.size()) {  // a file may claim 2^31 passages of which no pair speaks
      std::stable_sort(pairs.begin(), pairs.end(),
                       [&](const RelevancePair& a, const RelevancePair& b) { return key_of(a) < key_of(b); });
      return;
    }
    std::vector<std::size_t> at(keys + 1);  // where the next pair of each key goes
    for (const RelevancePair& pair : pairs) ++at[key_of(pair) + std::size_t{1}];
    for (std::size_t key = 0; key < keys; ++key) at[key + 1] += at[key];
    std::vector<RelevancePair> sorted(pairs.size());
    for (const RelevancePair& pair : pairs) sorted[at[key_of(pair)]++] = pair;
    pairs.swap(sorted);
  }

  /// From pairs sorted by query and passage, each once.
  [[nodiscard]] static RelevanceMatrix compress(std::span<const RelevancePair> pairs, std::size_t n_queries,
                                                std::size_t n_passages) {
    RelevanceMatrix matrix(n_queries, n_passages, pairs.size());
    std::int32_t* starts = matrix.sparse_.outerIndexPtr();
    std::fill_n(starts, n_queries + 1, 0);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      ++starts[pairs[i].query.row() + 1];
      matrix.sparse_.innerIndexPtr()[i] = static_cast<std::int32_t>(pairs[i].passage.row());
      matrix.sparse_.valuePtr()[i] = pairs[i].weight;
    }
    for (std::size_t row = 0; row < n_queries; ++row) starts[row + 1] += starts[row];
    return matrix;
  }

  static void transpose(const Sparse& from, Sparse& to) {
    const std::size_t pairs = pair_count(from);
    to.resize(from.cols(), from.rows());
    to.resizeNonZeros(static_cast<Eigen::Index>(pairs));
    std::int32_t* starts = to.outerIndexPtr();
    std::fill_n(starts, to.rows() + 1, 0);
    for (std::size_t i = 0; i < pairs; ++i) ++starts[from.innerIndexPtr()[i] + 1];
    for (Eigen::Index row = 0; row < to.rows(); ++row) starts[row + 1] += starts[row];
    std::vector<std::int32_t> at(starts, starts + to.rows());  // where the next pair of each row goes
    for (Eigen::Index row = 0; row < from.rows(); ++row) {
      for (std::int32_t i = from.outerIndexPtr()[row]; i < from.outerIndexPtr()[row + 1]; ++i) {
        const std::int32_t to_at = at[static_cast<std::size_t>(from.innerIndexPtr()[i])]++;
        to.innerIndexPtr()[to_at] = static_cast<std::int32_t>(row);
        to.valuePtr()[to_at] = from.valuePtr()[i];
      }
    }
  }

  template <class Function>
  [[nodiscard]] RelevanceMatrix map(const Function& function) const {
    RelevanceMatrix mapped = from_compressed(starts(), passages(), weights(), cols());
    for (std::size_t i = 0; i < pair_count(); ++i) mapped.sparse_.valuePtr()[i] = function(sparse_.valuePtr()[i]);
    return mapped;
  }

  Sparse sparse_;
  std::shared_ptr<Transpose> transpose_;
};

}  // namespace pefa
