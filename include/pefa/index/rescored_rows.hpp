// pefa: what an index that walks codes scores its candidates on in the end: the rows, or where these are dropped the
// codes and what those leave of them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/code_table.hpp"
#include "pefa/index/indexed_rows.hpp"
#include "pefa/index/residual_codes.hpp"
#include "pefa/io/archive/fwd.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// Rows that are kept, borrowed, or known by a code table and residuals alone; that table comes with every call. Const
/// and safe from any number of threads.
template <class Scalar>
class RescoredRows {
 public:
  explicit RescoredRows(Metric metric) : rows_(metric) {}

  /// Copies rows, reads the caller's, or does neither: see reduce().
  void keep(const EmbeddingView<Scalar>& rows, Rows whose) { rows_.keep(rows, whose); }

  /// Takes rows over.
  void own(EmbeddingStore<Scalar>&& store) { rows_.own(std::move(store)); }

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
      rows_.score(query.data(), rows, scores.data());
    };
  }

  /// One row as floats. @param out  dim floats
  void decode(Row row, const CodeTable& codes, float* out) const {
    if (are_exact()) {
      rows_.view().decode(row, out);
    } else {
      residuals_.decode(row, codes, out);
    }
  }

  /// Bytes on the heap of what is kept of rows beside their codes; what lies in an archive is not.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return rows_.memory_bytes() + residuals_.memory_bytes(); }

 private:
  IndexedRows<Scalar> rows_;  // none where they are dropped
  ResidualCodes residuals_;   // none where they are not
};

}  // namespace pefa::detail
