// pefa: rows that a build is given: a view of the caller's, or a store that the build takes over.
#pragma once

#include <concepts>
#include <optional>
#include <utility>

#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/scalar.hpp"

namespace pefa {

/// What a build reads. A view, or anything that reads in place as one, stays the caller's. A store passed by && goes to
/// the build: nothing is copied, and nothing that is built refers to a store that is gone.
///
/// A parameter's type: not for keeping.
template <EmbeddingScalar Scalar>
class EmbeddingSource {
 public:
  /// Borrows rows: a view, a named store or what a view can be made of.
  template <class R>
    requires(!std::same_as<std::remove_cvref_t<R>, EmbeddingSource> && std::convertible_to<R, EmbeddingView<Scalar>>)
  EmbeddingSource(R&& rows)  // NOLINT(google-explicit-constructor): reads in place
      : view_(std::forward<R>(rows)) {}

  /// Takes the store over.
  EmbeddingSource(EmbeddingStore<Scalar>&& store)  // NOLINT(google-explicit-constructor): takes it over
      : store_(std::move(store)), view_(store_->view()) {}

  /// Takes over what the other has.
  EmbeddingSource(EmbeddingSource&&) noexcept = default;  // a store's heap block, and so the view, stays where it is
  /// As above.
  EmbeddingSource& operator=(EmbeddingSource&&) noexcept = default;

  /// The rows, borrowed or owned; valid while this is.
  [[nodiscard]] const EmbeddingView<Scalar>& view() const noexcept { return view_; }

  /// Whether the rows came with the call.
  [[nodiscard]] bool is_owned() const noexcept { return store_.has_value(); }

  /// The rows that came with the call. Only where is_owned(); the source is empty afterwards.
  [[nodiscard]] EmbeddingStore<Scalar> take() {
    EmbeddingStore<Scalar> taken = *std::move(store_);
    release();
    return taken;
  }

  /// Lets rows that came with the call go before the call ends; those of the caller's stay.
  void release() noexcept {
    if (store_) view_ = {};
    store_.reset();
  }

 private:
  std::optional<EmbeddingStore<Scalar>> store_;
  EmbeddingView<Scalar> view_;
};

}  // namespace pefa
