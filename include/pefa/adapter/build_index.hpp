// pefa: an index made for an adapter, over rows that the caller keeps, or over rows that it takes over.
#pragma once

#include <optional>
#include <utility>

#include "pefa/core/progress.hpp"
#include "pefa/store/embedding_source.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// An index that takes a store over.
template <class Index, class Scalar>
concept TakesStore = requires(EmbeddingStore<Scalar>&& rows, const typename Index::Params& params,
                              const BuildOptions& options) {
  Index::build(std::move(rows), params, options);
};

/// The parameters of an index over rows that are gone when it is built: it must not borrow them.
template <class Params>
[[nodiscard]] Params copying_rows(Params params) {
  if constexpr (requires { params.rows = decltype(params.rows)::copy; }) params.rows = decltype(params.rows)::copy;
  return params;
}

/// An index over rows that nobody else keeps: taken over where the index can, else copied by its build.
template <class Index, class Scalar>
[[nodiscard]] Index build_index(EmbeddingStore<Scalar>&& rows, const typename Index::Params& params,
                                const BuildOptions& options) {
  if constexpr (TakesStore<Index, Scalar>) {
    return Index::build(std::move(rows), params, options);
  } else {
    return Index::build(rows.view(), copying_rows(params), options);
  }
}

/// An index over rows of either kind.
template <class Index, class Scalar>
[[nodiscard]] Index build_index(EmbeddingSource<Scalar>&& rows, const typename Index::Params& params,
                                const BuildOptions& options) {
  if (!rows.is_owned()) return Index::build(rows.view(), params, options);
  return build_index<Index>(rows.take(), params, options);
}

}  // namespace pefa::detail
