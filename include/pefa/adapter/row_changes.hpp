// pefa: which rows of a PEFA-XS that an engine holds are no longer those of the data: what an update has to send.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/any_index.hpp"
#include "pefa/index/index_spec.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// What became of the rows of a PEFA-XS.
struct RowChanges {
  EmbeddingStore<float> rows{1};    ///< of all passages as they are now, in the space of the index
  std::vector<Row> changed{};       ///< those that are new or other than they were, ascending
  std::vector<std::string> gone{};  ///< ids of passages that are no more, in the order that they had
};

/// Makes the rows of the passages as they are now by the fits that a retriever was built with, as XS.fold_one() does,
/// and compares. A passage, its training queries or their weights may have changed; the fits stay as they are, so that
/// only rows that such a change is about move. Refit, and export the whole, once much has changed.
///
/// @param before      a PefaXs over a ReadableIndex that keeps its rows
/// @param before_ids  of its passages
/// @param passages    P [n_passages x dim]
/// @param queries     Q [n_train_queries x dim]
/// @param relevance   Y [n_train_queries x n_passages]
/// @param ids         of the passages; a passage is the one of before that has its id
/// @throws ShapeError  dims or numbers that disagree
/// @throws ValueError  a row that is not finite, or zero; a table of ids on one side alone; an index without rows; what
///                     fold_one() refuses
/// @throws Cancelled   the progress callback said stop
/// A row is another if an element moved by more than 1e-5 of its length: rounding alone moves less. O(pairs · dim),
/// with a whitening or least squares O((n_passages + pairs) · dim²).
template <class Xs>
[[nodiscard]] RowChanges changes_since(const Xs& before, const io::RowIds& before_ids,
                                       const EmbeddingView<float>& passages, const EmbeddingView<float>& queries,
                                       const RelevanceMatrix& relevance, const io::RowIds& ids,
                                       const BuildOptions& options = {}) {
  constexpr const char* who = "changes_since";
  if (spec_of_index(before.index()).exact_rows == ExactRows::drop) {
    detail::fail<ValueError>(who,
                             ": the index keeps no rows (exact_rows is drop), expected one that does: codes do not ",
                             "tell what moved");
  }
  if (before_ids.has_table() != ids.has_table()) {
    detail::fail<ValueError>(who, ": passages have ids ", ids.has_table() ? "now and had none" : "no more",
                             ", expected a table on both sides or on none");
  }
  if (before_ids.size() != before.passage_count() || ids.size() != passages.size()) {
    detail::fail<ShapeError>(who, ": ", before_ids.size(), " and ", ids.size(), " ids, expected ",
                             before.passage_count(), " and ", passages.size());
  }
  if (relevance.rows() != queries.size() || relevance.cols() != passages.size()) {
    detail::fail<ShapeError>(who, ": relevance is ", relevance.rows(), " x ", relevance.cols(), ", expected ",
                             queries.size(), " x ", passages.size());
  }
  if (passages.dim() != before.dim()) {
    detail::fail<ShapeError>(who, ": passages have dim ", passages.dim(), ", expected ", before.dim());
  }
  const std::size_t n = passages.size();
  const std::size_t row_dim = before.index().dim();
  RowChanges changes;
  changes.rows = EmbeddingStore<float>::for_overwrite(n, row_dim);
  std::vector<char> is_changed(n, 0);
  (void)relevance.transposed();  // once, before the threads ask for it
  ProgressMeter meter(options.progress, n, who);
  options.executor.run(n, [&](std::size_t j) {
    const auto named = relevance.queries_of(PassageId(static_cast<Row>(j)));
    EmbeddingStore<float> asked(queries.dim());
    std::vector<float> query(queries.dim());
    for (const auto i : named.columns) {
      queries.decode(static_cast<std::size_t>(i), query.data());
      asked.append(query);
    }
    std::vector<float> passage(passages.dim());
    passages.decode(j, passage.data());
    const std::vector<float> row = before.fold_one(passage, asked.view(), named.weights);
    std::copy(row.begin(), row.end(), changes.rows.mutable_row(j));
    const std::optional<Row> old = before_ids.find(ids.text(static_cast<Row>(j)));
    is_changed[j] = 1;
    if (old) {
      std::vector<float> there(row_dim);
      before.index().read_row(*old, there);
      double squares = 0.0;
      float moved = 0.0f;
      for (std::size_t d = 0; d < row_dim; ++d) {
        squares += static_cast<double>(there[d]) * static_cast<double>(there[d]);
        moved = std::max(moved, std::abs(row[d] - there[d]));
      }
      if (static_cast<double>(moved) <= 1e-5 * std::sqrt(squares)) is_changed[j] = 0;
    }
    meter.add(1);
  });
  for (std::size_t j = 0; j < n; ++j) {
    if (is_changed[j] != 0) changes.changed.push_back(static_cast<Row>(j));
  }
  for (Row row = 0; row < before_ids.size(); ++row) {
    std::string id = before_ids.text(row);
    if (!ids.find(id)) changes.gone.push_back(std::move(id));
  }
  return changes;
}

}  // namespace pefa
