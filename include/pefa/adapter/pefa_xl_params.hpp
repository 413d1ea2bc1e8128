// pefa: the parameters of PEFA-XL.
#pragma once

#include <cstddef>

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
  PassageIndexParams passage_index{};                          ///< over the passages
  QueryIndexParams query_index{};                              ///< over the training queries
};

}  // namespace pefa
