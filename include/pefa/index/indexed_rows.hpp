// pefa: the rows that an index scores on, whosever they are.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/index_spec.hpp"
#include "pefa/simd/kernels.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// The index's own rows, the caller's, an archive's, or none, and their scores. Const and safe from any number of
/// threads.
template <class Scalar>
class IndexedRows {
 public:
  explicit IndexedRows(Metric metric)
      : is_l2_(metric == Metric::l2),
        kernel_(is_l2_ ? simd::squared_l2_rows_kernel<Scalar>() : simd::dot_rows_kernel<Scalar>()) {}

  /// Copies rows, reads the caller's, or does neither. @throws ValueError  a copy of rows that are not finite
  void keep(const EmbeddingView<Scalar>& rows, Rows whose) {
    if (whose == Rows::copy) {
      own(EmbeddingStore<Scalar>::from(rows, Normalize::none, RowCheck::finite));
    } else if (whose == Rows::borrow) {
      view_ = rows;
    }
  }

  /// Takes rows over.
  void own(EmbeddingStore<Scalar>&& store) {
    store_ = std::move(store);
    view_ = store_->view();  // stays valid when the index moves: the heap block does not
  }

  /// Reads rows where an archive has them. @param owner  of their memory
  void map(const EmbeddingView<Scalar>& rows, std::shared_ptr<const void> owner) {
    view_ = rows;
    archive_ = std::move(owner);
  }

  [[nodiscard]] const EmbeddingView<Scalar>& view() const noexcept { return view_; }
  [[nodiscard]] bool empty() const noexcept { return view_.empty(); }
  /// Whether they are the caller's.
  [[nodiscard]] bool are_borrowed() const noexcept { return !store_ && archive_ == nullptr; }

  /// The scores of rows. @param query  dim floats  @param scores  as many as rows
  void score(const float* query, std::span<const Row> rows, float* scores) const noexcept {
    kernel_(query, view_.data(), view_.stride(), view_.dim(), rows.data(), rows.size(), view_.scales(), scores);
    for (std::size_t i = 0; i < rows.size(); ++i) scores[i] = ranked(scores[i]);
  }

  /// The same of rows one after the other. @param numbers  0, 1, … `count`-1
  void score_run(const float* query, std::size_t first, const Row* numbers, std::size_t count,
                 float* scores) const noexcept {
    const float* scales = view_.scales() == nullptr ? nullptr : view_.scales() + first;
    kernel_(query, view_.data() + first * view_.stride(), view_.stride(), view_.dim(), numbers, count, scales, scores);
    for (std::size_t i = 0; i < count; ++i) scores[i] = ranked(scores[i]);
  }

  /// What a kernel sums, as a score.
  [[nodiscard]] float ranked(float sum) const noexcept { return rankable(is_l2_ ? -sum : sum); }

  /// Bytes on the heap of rows that are the index's own.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return store_ ? store_->memory_bytes() : 0; }

 private:
  bool is_l2_;
  simd::RowsKernel<Scalar> kernel_;
  std::optional<EmbeddingStore<Scalar>> store_;
  std::shared_ptr<const void> archive_;
  EmbeddingView<Scalar> view_;
};

}  // namespace pefa::detail
