// pefa: rows of embeddings that the library owns, 64-byte aligned, checked as they come in.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/error.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/scalar.hpp"

namespace pefa {

/// What happens to a row's length as it is stored. Nothing else in the library normalises: nobody does it twice.
enum class Normalize {
  none,  ///< rows are kept as they come
  unit   ///< rows are divided by their L2 norm, so that inner product is cosine
};

/// An owning, growing [size x dim] matrix of embeddings, row-major and packed, the first row on a 64-byte boundary.
///
/// Rows are checked as they enter: finite and not zero, or ValueError names the row and the store keeps what it had.
/// Rows of int8 are codes with one scale a row, made here from floats (scale = max|x| / 127) or taken as they are.
/// Reading is safe from any number of threads; appending is not.
template <EmbeddingScalar Scalar>
class EmbeddingStore {
 public:
  /// What an element is stored as.
  using scalar_type = Scalar;

  /// An empty store of vectors of `dim` elements. @throws ShapeError  dim is 0
  explicit EmbeddingStore(std::size_t dim) : dim_(dim) {
    if (dim == 0) detail::fail<ShapeError>("EmbeddingStore: dim is 0, expected at least 1");
  }

  /// A copy of rows of any element type. @throws ValueError  a row that is not finite, or zero
  template <EmbeddingScalar Source>
  [[nodiscard]] static EmbeddingStore from(const EmbeddingView<Source>& rows, Normalize normalize = Normalize::none,
                                           RowCheck check = RowCheck::finite_non_zero) {
    EmbeddingStore store(rows.dim());
    store.append(rows, normalize, check);
    return store;
  }

  /// A copy of a row-major Eigen matrix.
  template <class M>
    requires RowMajorDense<M, typename M::Scalar>
  [[nodiscard]] static EmbeddingStore from(const M& matrix, Normalize normalize = Normalize::none,
                                           RowCheck check = RowCheck::finite_non_zero) {
    return from(EmbeddingView<typename M::Scalar>(matrix), normalize, check);
  }

  /// `size` rows of zeros for the caller to fill through mutable_row(); the caller answers for their values.
  [[nodiscard]] static EmbeddingStore zeros(std::size_t size, std::size_t dim) {
    EmbeddingStore store = for_overwrite(size, dim);
    std::fill(store.values_.begin(), store.values_.end(), Scalar(0));
    return store;
  }

  /// The same with values that are not set: the caller writes every row before it is read. What several threads fill
  /// is then theirs from the first touch on.
  [[nodiscard]] static EmbeddingStore for_overwrite(std::size_t size, std::size_t dim) {
    EmbeddingStore store(dim);
    store.values_.resize(size * dim);
    if constexpr (has_row_scales<Scalar>) store.scales_.assign(size, 1.0f);
    return store;
  }

  /// Appends rows, all or none. @throws ShapeError  another dim  @throws ValueError  a row that is not finite, or zero
  template <EmbeddingScalar Source>
  void append(const EmbeddingView<Source>& rows, Normalize normalize = Normalize::none,
              RowCheck check = RowCheck::finite_non_zero) {
    if (rows.dim() != dim_) {
      detail::fail<ShapeError>("EmbeddingStore::append: rows have dim ", rows.dim(), ", the store has dim ", dim_);
    }
    require_valid_rows(rows, check, "EmbeddingStore::append");
    if constexpr (std::same_as<Source, Scalar>) {
      if (holds(rows.data())) {  // our own rows, which growing would move away
        const EmbeddingStore copy = from(rows, Normalize::none, check);
        return append(copy.view(), normalize, check);
      }
    }
    const std::size_t before = size();
    make_room(before + rows.size());
    try {
      for (std::size_t i = 0; i < rows.size(); ++i) append_valid(rows, i, normalize);
      if constexpr (!std::same_as<Source, Scalar>) {  // a float that is fine may be infinite, or zero, as a half
        const std::string who = detail::join_message("EmbeddingStore::append, as ", scalar_name<Scalar>());
        require_valid_rows(view().slice(before, size()), check, who.c_str());
      }
    } catch (...) {
      truncate(before);
      throw;
    }
  }

  /// Appends one vector of floats. @throws as append(rows)
  void append(std::span<const float> vector, Normalize normalize = Normalize::none) {
    append(EmbeddingView<float>(vector.data(), 1, vector.size()), normalize);
  }

  /// Makes room for `size` rows in all.
  void reserve(std::size_t size) {
    values_.reserve(size * dim_);
    if constexpr (has_row_scales<Scalar>) scales_.reserve(size);
  }

  /// How many rows.
  [[nodiscard]] std::size_t size() const noexcept { return values_.size() / dim_; }
  /// Elements of a row.
  [[nodiscard]] std::size_t dim() const noexcept { return dim_; }
  /// Whether there are no rows.
  [[nodiscard]] bool empty() const noexcept { return values_.empty(); }
  /// The `dim` stored elements of a row below size(); valid until the next append.
  [[nodiscard]] const Scalar* row(std::size_t i) const noexcept { return values_.data() + i * dim_; }
  /// The same, to be written to; nothing checks what is written.
  [[nodiscard]] Scalar* mutable_row(std::size_t i) noexcept { return values_.data() + i * dim_; }
  /// The scales of int8 rows, to be written to. [size]
  [[nodiscard]] float* mutable_scales() noexcept requires(has_row_scales<Scalar>) { return scales_.data(); }

  /// The rows in place; valid until the next append. Not of a temporary store, whose rows the view would outlive: name
  /// the store, or hand it over where an EmbeddingSource is asked for.
  [[nodiscard]] EmbeddingView<Scalar> view() const& {
    return {values_.data(), size(), dim_, has_row_scales<Scalar> ? scales_.data() : nullptr};
  }
  EmbeddingView<Scalar> view() const&& = delete;
  /// view(), wherever a view is asked for.
  operator EmbeddingView<Scalar>() const& { return view(); }  // NOLINT(google-explicit-constructor): reads in place
  operator EmbeddingView<Scalar>() const&& = delete;

  /// Bytes held on the heap.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return values_.capacity() * sizeof(Scalar) + scales_.capacity() * sizeof(float);
  }

 private:
  /// Room for `size` rows, by half as much again when it runs out: appending one by one copies each row O(1) times.
  void make_room(std::size_t size) {
    const std::size_t room = values_.capacity() / dim_;
    if (size > room) reserve(std::max(size, room + room / 2));
  }

  [[nodiscard]] bool holds(const Scalar* element) const noexcept {
    const std::less<const Scalar*> before;
    return !before(element, values_.data()) && before(element, values_.data() + values_.size());
  }

  /// Drops the rows from `size` on.
  void truncate(std::size_t size) noexcept {
    values_.erase(values_.begin() + static_cast<std::ptrdiff_t>(size * dim_), values_.end());
    if constexpr (has_row_scales<Scalar>) {
      scales_.erase(scales_.begin() + static_cast<std::ptrdiff_t>(size), scales_.end());
    }
  }

  /// In double, as the inverse norm of a very short or long row is outside float's range.
  template <class Source>
  void append_valid(const EmbeddingView<Source>& rows, std::size_t i, Normalize normalize) {
    const bool unit = normalize == Normalize::unit;
    const double norm = unit ? std::sqrt(detail::squared_norm(rows, i)) : 1.0;
    const double divisor = norm > 0.0 ? norm : 1.0;
    const auto scale = static_cast<double>(rows.scale(i));
    const Source* values = rows.row(i);
    if constexpr (std::same_as<Source, Scalar>) {
      if (!unit || has_row_scales<Scalar>) {  // the same elements; a code's length lies in its scale
        values_.insert(values_.end(), values, values + dim_);
        if constexpr (has_row_scales<Scalar>) scales_.push_back(static_cast<float>(scale / divisor));
        return;
      }
    }
    if constexpr (has_row_scales<Scalar>) {
      append_codes(rows, i, divisor);
    } else {
      for (std::size_t d = 0; d < dim_; ++d) {
        if constexpr (std::same_as<Source, double>) {
          values_.push_back(static_cast<Scalar>(values[d] / divisor));
        } else {
          const auto value = static_cast<double>(static_cast<float>(values[d]));
          values_.push_back(static_cast<Scalar>(value * scale / divisor));
        }
      }
    }
  }

  /// Symmetric quantisation: code = round(127 · x / max|x|).
  template <class Source>
  void append_codes(const EmbeddingView<Source>& rows, std::size_t i, double divisor) {
    detail::AlignedVector<float> decoded(dim_);
    rows.decode(i, decoded.data());
    float largest = 0.0f;
    for (const float x : decoded) largest = std::max(largest, std::abs(x));
    const double to_code = largest > 0.0f ? 127.0 / static_cast<double>(largest) : 0.0;
    for (const float x : decoded) {
      values_.push_back(static_cast<std::int8_t>(std::lround(static_cast<double>(x) * to_code)));
    }
    scales_.push_back(static_cast<float>(static_cast<double>(largest) / 127.0 / divisor));
  }

  std::size_t dim_;
  detail::UnsetVector<Scalar> values_;
  detail::AlignedVector<float> scales_;  // one a row for int8, empty otherwise
};

}  // namespace pefa
