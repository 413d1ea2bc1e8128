// pefa: the RetrieverSpec of a typed retriever.
#pragma once

#include <cstddef>

#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/index/any_index.hpp"

namespace pefa {
namespace detail {

/// How training queries are folded into passages.
inline void tell_fold(const PassageFold& fold, std::size_t balance, RetrieverSpec& spec) {
  spec.cold = fold.cold;
  spec.norm = fold.norm;
  spec.rule = fold.rule;
  spec.least_squares = fold.least_squares;
  spec.balance = balance;
}

/// Which searches are in the whitened space, and of what it was made: see Whitening::scatter.
inline void tell_whitening(const FittedParts& fitted, Whitened whitened, RetrieverSpec& spec) {
  spec.whitened = fitted.whitening ? whitened : Whitened::none;
  if (fitted.whitening) spec.whitening = fitted.whitening->params();
}

}  // namespace detail

/// What a retriever is, as a value. A host's own index is `custom`, a host's own gate is told as the default one.
template <EmbeddingScalar Scalar, class Index>
[[nodiscard]] RetrieverSpec spec_of(const ErmRetriever<Scalar, Index>& erm) {
  return {.method = Method::erm, .lambda = 1.0f, .index = spec_of_index(erm.index())};
}

/// The same of PEFA-XS.
template <EmbeddingScalar Scalar, class Index>
[[nodiscard]] RetrieverSpec spec_of(const PefaXs<Scalar, Index>& xs) {
  RetrieverSpec spec{.method = Method::xs, .lambda = xs.lambda(), .index = spec_of_index(xs.index())};
  detail::tell_fold(xs.fold(), xs.balance(), spec);
  detail::tell_whitening(xs.fitted(), Whitened::all, spec);
  return spec;
}

/// The same of multi-vector PEFA-XS.
template <EmbeddingScalar Scalar, class Index>
[[nodiscard]] RetrieverSpec spec_of(const PefaXsMulti<Scalar, Index>& multi) {
  const CentroidParams& centroids = multi.centroids();
  RetrieverSpec spec{.method = Method::xs_multi,
                     .lambda = centroids.lambda,
                     .index = spec_of_index(multi.index()),
                     .max_centroids = centroids.max_centroids,
                     .queries_per_centroid = centroids.queries_per_centroid,
                     .shrinkage = centroids.shrinkage};
  detail::tell_fold({centroids.lambda, centroids.cold, centroids.norm, centroids.rule, centroids.least_squares},
                    multi.balance(), spec);
  detail::tell_whitening(multi.fitted(), Whitened::all, spec);
  return spec;
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
                     .condense = params.condense,
                     .query_index = spec_of_index(xl.query_index()),
                     .hubness = params.hubness};
  detail::tell_fold(params.fold, params.balance, spec);
  detail::tell_whitening(xl.fitted(), params.whitened, spec);
  if constexpr (requires { spec_of(params.gate); }) spec.gate = spec_of(params.gate);
  return spec;
}

}  // namespace pefa
