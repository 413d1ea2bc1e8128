// pefa: the RetrieverSpec of a typed retriever, and of one in an archive.
#pragma once

#include <cstddef>
#include <string>

#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/index/any_index.hpp"
#include "pefa/io/archive/metadata.hpp"

namespace pefa {

/// What a retriever is, as a value. A host's own index is `custom`, a host's own gate is told as the default one.
template <EmbeddingScalar Scalar, class Index>
[[nodiscard]] RetrieverSpec spec_of(const ErmRetriever<Scalar, Index>& erm) {
  return {.method = Method::erm, .lambda = 1.0f, .index = spec_of_index(erm.index())};
}

/// The same of PEFA-XS.
template <EmbeddingScalar Scalar, class Index>
[[nodiscard]] RetrieverSpec spec_of(const PefaXs<Scalar, Index>& xs) {
  return {.method = Method::xs,
          .lambda = xs.lambda(),
          .index = spec_of_index(xs.index()),
          .cold = xs.cold(),
          .norm = xs.norm()};
}

/// The same of multi-vector PEFA-XS.
template <EmbeddingScalar Scalar, class Index>
[[nodiscard]] RetrieverSpec spec_of(const PefaXsMulti<Scalar, Index>& multi) {
  const CentroidParams& centroids = multi.centroids();
  return {.method = Method::xs_multi,
          .lambda = centroids.lambda,
          .index = spec_of_index(multi.index()),
          .cold = centroids.cold,
          .norm = centroids.norm,
          .max_centroids = centroids.max_centroids,
          .queries_per_centroid = centroids.queries_per_centroid,
          .shrinkage = centroids.shrinkage};
}

/// The same of PEFA-XL.
template <EmbeddingScalar Scalar, class P, class Q, class G>
[[nodiscard]] RetrieverSpec spec_of(const PefaXl<Scalar, P, Q, G>& xl) {
  const auto& params = xl.params();
  RetrieverSpec spec{.method = Method::xl,
                     .lambda = params.lambda,
                     .index = spec_of_index(xl.passage_index()),
                     .neighbors = params.neighbors,
                     .similarity = params.similarity,
                     .knn_scale = params.knn_scale,
                     .passage_candidates = params.passage_candidates,
                     .missing_erm_score = params.missing_erm_score,
                     .fold = params.fold.lambda,
                     .query_index = spec_of_index(xl.query_index()),
                     .cold = params.fold.cold,
                     .norm = params.fold.norm};
  if constexpr (requires { spec_of(params.gate); }) spec.gate = spec_of(params.gate);
  return spec;
}

namespace detail {

/// What only the archive knows: how training queries were condensed before they were indexed.
inline void add_archive_notes(RetrieverSpec& spec, const io::ArchiveMetadata& metadata) {
  if (const auto condense = metadata.find_real("condense")) spec.condense = static_cast<float>(*condense);
}

}  // namespace detail
}  // namespace pefa
