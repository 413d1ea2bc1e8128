// pefa: the parameters of typed retrievers over AnyIndex, from a spec.
#pragma once

#include <cstddef>

#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/pefa_xl_params.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/index/any_index.hpp"
#include "pefa/index/index_spec.hpp"

namespace pefa::detail {

/// The space that XS and its kind search: what they have no index for is ignored, as all that a method does not have.
[[nodiscard]] inline Whitened whitened_space(const RetrieverSpec& spec) noexcept {
  return spec.whitened == Whitened::all ? Whitened::all : Whitened::none;
}

/// The spec with the balance that an index which chooses itself gives least-squares rows where they are many: full
/// rank, and so the same scores within rounding. Over all of WordNet partitions of the balanced rows find 0.997 of the
/// best 100 at ef = 300 in 0.6 ms, of the rows as they are 0.983 in 1.7 ms.
[[nodiscard]] inline RetrieverSpec with_balance(RetrieverSpec spec, std::size_t rows, std::size_t dim) {
  constexpr std::size_t most_dim = 1024;  // it costs dim² a query
  const bool folds = spec.is_folded() || spec.method == Method::xs || spec.method == Method::xs_multi;
  const bool solves = folds && spec.rule == FoldRule::least_squares && spec.whitened != Whitened::all;
  const bool is_plain = spec.method != Method::xl && spec.lambda == 1.0f;
  const bool chooses = spec.index.kind == IndexKind::automatic && rows > IndexSpec::flat_rows;
  if (solves && !is_plain && chooses && spec.balance == 0 && dim <= most_dim) spec.balance = dim;
  return spec;
}

/// Of PEFA-XS.
[[nodiscard]] inline PefaXsParams<AnyIndexParams> xs_params(const RetrieverSpec& spec, Rows rows) {
  return {.lambda = spec.lambda,
          .cold = spec.cold,
          .norm = spec.norm,
          .rule = spec.rule,
          .least_squares = spec.least_squares,
          .whitened = whitened_space(spec),
          .whitening = spec.whitening,
          .balance = spec.balance,
          .index = {.index = spec.index, .rows = rows}};
}

/// Of multi-vector PEFA-XS.
[[nodiscard]] inline PefaXsMultiParams<AnyIndexParams> xs_multi_params(const RetrieverSpec& spec, Rows rows) {
  return {.centroids = {.lambda = spec.lambda,
                        .max_centroids = spec.max_centroids,
                        .queries_per_centroid = spec.queries_per_centroid,
                        .shrinkage = spec.shrinkage,
                        .cold = spec.cold,
                        .norm = spec.norm,
                        .rule = spec.rule,
                        .least_squares = spec.least_squares},
          .whitened = whitened_space(spec),
          .whitening = spec.whitening,
          .balance = spec.balance,
          .index = {.index = spec.index, .rows = rows}};
}

/// Of PEFA-XL.
[[nodiscard]] inline PefaXlParams<AnyIndexParams, AnyIndexParams, AnyGate> xl_params(const RetrieverSpec& spec,
                                                                                     Rows rows) {
  const bool is_l2 = spec.similarity == KnnSimilarity::l2;
  return {
      .lambda = spec.lambda,
      .neighbors = spec.neighbors,
      .gate = make_gate(spec.gate),
      .similarity = spec.similarity,
      .knn_scale = spec.knn_scale,
      .passage_candidates = spec.passage_candidates,
      .missing_erm_score = spec.missing_erm_score,
      .fold = {spec.fold, spec.cold, spec.norm, spec.rule, spec.least_squares},
      .balance = spec.balance,
      .condense = spec.condense,
      .hubness = is_l2 ? 0.0f : spec.hubness,  // distances have none
      .whitened = spec.whitened,
      .whitening = spec.whitening,
      .passage_index = {.index = spec.index, .rows = rows},
      .query_index = {.index = spec.query_index, .metric = is_l2 ? Metric::l2 : Metric::inner_product, .rows = rows}};
}

}  // namespace pefa::detail
