// pefa: the parameters of typed retrievers over AnyIndex, from a spec.
#pragma once

#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/pefa_xl_params.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/index/any_index.hpp"

namespace pefa::detail {

/// The space that XS and its kind search: what they have no index for is ignored, as all that a method does not have.
[[nodiscard]] inline Whitened whitened_space(const RetrieverSpec& spec) noexcept {
  return spec.whitened == Whitened::all ? Whitened::all : Whitened::none;
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
