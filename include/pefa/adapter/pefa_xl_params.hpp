// pefa: the parameters of PEFA-XL.
#pragma once

#include <cstddef>

#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"

namespace pefa {

/// How a PefaXl is built.
template <class PassageIndexParams, class QueryIndexParams, class GatePolicy>
struct PefaXlParams {
  float lambda = RetrieverSpec{}.lambda;  ///< λ: the weight of the plain model, 0 to 1; may change per call
  std::size_t neighbors = RetrieverSpec{}.neighbors;        ///< k: how many training queries are looked up; at least 1
  GatePolicy gate{};                                        ///< D(q̂, Q): their weights
  KnnSimilarity similarity = KnnSimilarity::inner_product;  ///< s(q̂, q_i); l2 needs a query index of Metric::l2
  float knn_scale = 1.0f;  ///< what votes are multiplied with, above 0; see KnnSimilarity for what matches the ERM side
  /// How many passages the ERM side offers, raised to what the result needs. 0: just that, which under
  /// MissingErmScore::exact leaves nothing out (see erm_candidates), and 500, as in the paper, under zero.
  std::size_t passage_candidates = 0;
  MissingErmScore missing_erm_score = MissingErmScore::exact;  ///< the ERM side of a passage that only votes found
  PassageFold fold{};                                          ///< what the ERM side indexes
  std::size_t balance = 0;  ///< rank of the balanced rows of a fold, 1 to dim; 0: rows for raw queries

  float condense = 0.0f;  ///< training queries of the same passages merge from this cosine on, to 1; 0: none do
  float hubness = 0.0f;   ///< β: neighbours are ranked by s_i − β·r_i, 0 or more (see Hubness); not for l2
  Whitened whitened = Whitened::none;  ///< which of the two searches are in the whitened space
  WhiteningParams whitening{};         ///< of that space

  PassageIndexParams passage_index{};  ///< over the passages
  QueryIndexParams query_index{};      ///< over the training queries
};

}  // namespace pefa
