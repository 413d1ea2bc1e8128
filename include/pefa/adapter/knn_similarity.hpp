// pefa: what "near" means between q̂ and the training queries of PEFA-XL, and how that compares with ⟨q̂, p_j⟩.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "pefa/adapter/build_index.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/store/embedding_source.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

/// The mean length of some rows. O(size · dim).
template <class Scalar>
[[nodiscard]] double mean_norm(const EmbeddingView<Scalar>& rows) {
  if (rows.empty()) detail::fail<ValueError>("mean_norm: no rows, expected at least 1");
  double sum = 0.0;
  for (std::size_t i = 0; i < rows.size(); ++i) sum += std::sqrt(detail::squared_norm(rows, i));
  return sum / static_cast<double>(rows.size());
}

/// Turns the scores of a query index into what the gate sees, and that into votes.
class KnnScale {
 public:
  /// Of one query. @param scale  knn_scale, above 0  @param query  q̂, as it was searched with
  KnnScale(KnnSimilarity similarity, float scale, QueryView query) : similarity_(similarity), vote_factor_(scale) {
    if (similarity != KnnSimilarity::cosine) return;
    double squares = 0.0;
    for (const float x : query) squares += static_cast<double>(x) * static_cast<double>(x);
    const auto norm = static_cast<float>(std::sqrt(squares));
    if (norm > 0.0f) score_divisor_ = norm;
    vote_factor_ *= norm;
  }

  /// s(q̂, q_i), from what the index answered.
  /// @param score  of the query index: an inner product (with unit rows for cosine), or −‖q̂ − q_i‖²
  [[nodiscard]] float similarity(float score) const noexcept {
    if (similarity_ == KnnSimilarity::l2) return 1.0f / (1.0f + std::sqrt(std::max(0.0f, -score)));
    return score / score_divisor_;
  }
  /// What its votes are multiplied with: the scale, times ‖q̂‖ for cosine.
  [[nodiscard]] float vote_factor() const noexcept { return vote_factor_; }

 private:
  KnnSimilarity similarity_;
  float vote_factor_;
  float score_divisor_ = 1.0f;
};

namespace detail {

inline void require_knn_scale(float scale, const char* who) {
  if (!(detail::is_finite(scale) && scale > 0.0f)) {
    fail<ValueError>(who, ": knn_scale is ", scale, ", expected finite and above 0");
  }
}

/// @throws ValueError  the index measures something else than the similarity is made of
inline void require_knn_metric(Metric metric, KnnSimilarity similarity, const char* who) {
  const Metric expected = similarity == KnnSimilarity::l2 ? Metric::l2 : Metric::inner_product;
  if (metric != expected) {
    fail<ValueError>(who, ": the index has metric ", name(metric), ", expected ", name(expected),
                     " on the side of the queries");
  }
}

/// An index of training queries, of their directions for cosine.
template <class Index, class Scalar>
[[nodiscard]] Index build_query_index(EmbeddingSource<Scalar>&& queries, KnnSimilarity similarity,
                                      const typename Index::Params& params, const BuildOptions& options) {
  if (similarity != KnnSimilarity::cosine) return build_index<Index>(std::move(queries), params, options);
  auto directions = EmbeddingStore<Scalar>::from(queries.view(), Normalize::unit);
  queries.release();
  return build_index<Index>(std::move(directions), params, options);
}

}  // namespace detail
}  // namespace pefa
