// pefa: what an index that walks codes scores its candidates on in the end: the rows, or where these are dropped the
// codes and what those leave of them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/code_table.hpp"
#include "pefa/index/residual_codes.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// Rows that are kept, borrowed, or known by a code table and residuals alone; that table comes with every call. Const
/// and safe from any number of threads.
template <class Scalar>
class RescoredRows {
 public:
  explicit RescoredRows(Metric metric)
      : is_l2_(metric == Metric::l2),
        kernel_(is_l2_ ? simd::squared_l2_rows_kernel<Scalar>() : simd::dot_rows_kernel<Scalar>()) {}

  /// Reads the caller's rows.
  void borrow(const EmbeddingView<Scalar>& rows) noexcept { rows_ = rows; }

  /// Takes rows over.
  void own(EmbeddingStore<Scalar>&& store) {
    store_ = std::move(store);
    rows_ = store_->view();  // stays valid when the index moves: the heap block does not
  }

  /// Keeps what the codes leave of rows. @param meter  counts rows, each once
  void reduce(const EmbeddingView<Scalar>& rows, const CodeTable& codes, const AnyExecutor& executor,
              ProgressMeter& meter) {
    residuals_ = ResidualCodes(rows, codes, executor, meter);
  }

  /// Whether scores are the rows' own, to the bit.
  [[nodiscard]] bool are_exact() const noexcept { return residuals_.empty(); }

  /// Defined, as is open(), in quantized_hnsw_index_archive.hpp.
  void save(io::ArchiveWriter& writer, const std::string& prefix) const;
  void open(const io::ArchiveReader& reader, const std::string& prefix, const IndexDescription& shape, bool exact);

  /// Scores for one query: (std::span<const Row> rows, std::span<float> scores), each the same whichever rows come with
  /// it. @param form  scratch; it, the query and the table outlive what is returned
  /// @param walked  the same query as codes.encode() left it, or nullptr
  [[nodiscard]] auto scorer(QueryView query, const CodeTable& codes, DecodedQuery& form,
                            const CodedQuery* walked = nullptr) const {
    if (!are_exact()) residuals_.prepare(query, codes, walked, form);
    return [this, query, &codes, &form](std::span<const Row> rows, std::span<float> scores) {
      if (!are_exact()) return residuals_.scores(codes, rows, form, scores.data());
      kernel_(query.data(), rows_.data(), rows_.stride(), rows_.dim(), rows.data(), rows.size(), rows_.scales(),
              scores.data());
      for (float& score : scores) score = rankable(is_l2_ ? -score : score);
    };
  }

  /// One row as floats. @param out  dim floats
  void decode(Row row, const CodeTable& codes, float* out) const {
    if (are_exact()) {
      rows_.decode(row, out);
    } else {
      residuals_.decode(row, codes, out);
    }
  }

  /// Bytes on the heap of what is kept of rows beside their codes; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return store_ ? store_->memory_bytes() : residuals_.memory_bytes();
  }

 private:
  bool is_l2_;
  simd::RowsKernel<Scalar> kernel_;
  EmbeddingView<Scalar> rows_;                   // none where they are dropped
  std::optional<EmbeddingStore<Scalar>> store_;  // the rows, where they are the index's own
  ResidualCodes residuals_;
};

}  // namespace pefa::detail
