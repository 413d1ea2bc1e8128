// pefa: the ef_search of a retriever over AnyIndex that meets its target_recall, measured with training queries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/any_index.hpp"
#include "pefa/index/sample_queries.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// Whether a build has to measure.
[[nodiscard]] inline bool has_target_recall(const RetrieverSpec& spec) noexcept {
  return spec.index.target_recall != 0.0f || (spec.method == Method::xl && spec.query_index.target_recall != 0.0f);
}

/// The spec without targets, for a build that meets them when the retriever is there.
[[nodiscard]] inline RetrieverSpec without_target_recall(RetrieverSpec spec) noexcept {
  spec.index.target_recall = 0.0f;
  spec.query_index.target_recall = 0.0f;
  return spec;
}

/// Some training queries, at even steps. [n x dim] @param queries  [n_train_queries x dim], may be empty
template <EmbeddingScalar Scalar>
[[nodiscard]] std::vector<float> measuring_queries(const EmbeddingView<Scalar>& queries) {
  constexpr std::size_t most = 512;
  return sampled_rows(queries, std::min(most, queries.size()));
}

/// Queries as one index is asked with them, one after the other.
class AskedRows {
 public:
  void push(QueryView row) {
    dim_ = row.size();
    values_.insert(values_.end(), row.begin(), row.end());
  }
  [[nodiscard]] EmbeddingView<float> view() const {
    return dim_ == 0 ? EmbeddingView<float>() : EmbeddingView<float>(values_, dim_);
  }

 private:
  std::size_t dim_ = 0;
  std::vector<float> values_;
};

/// What reaches the indexes of a retriever, which nobody else changes.
struct TargetRecall {
  static constexpr std::size_t k = 100;  ///< the best passages of a query

  /// @param queries  raw [n x dim]; none: points between rows of the index
  template <EmbeddingScalar Scalar>
  static void meet(ErmRetriever<Scalar, AnyIndex>& erm, const RetrieverSpec& spec, const EmbeddingView<float>& queries,
                   const BuildOptions& options) {
    erm.index_.meet_target_recall(spec.index.target_recall, queries, k, options);
  }

  /// Of PEFA-XS, with one vector a passage or several.
  template <class R>
  static void meet(R& xs, const RetrieverSpec& spec, const EmbeddingView<float>& queries, const BuildOptions& options) {
    AskedRows asked;
    MappedQuery mapped;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      map_query(xs.fitted(), {queries.row(i), queries.dim()}, mapped, "build");
      asked.push(mapped.view);
    }
    xs.index_.meet_target_recall(spec.index.target_recall, asked.view(), k, options);
  }

  /// Of both sides of PEFA-XL, each by its own target.
  template <EmbeddingScalar Scalar, VoteGate Gate>
  static void meet(PefaXl<Scalar, AnyIndex, AnyIndex, Gate>& xl, const RetrieverSpec& spec,
                   const EmbeddingView<float>& queries, const BuildOptions& options) {
    AskedRows passage_side;
    AskedRows query_side;
    AskedQuery asked;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      xl.ask({queries.row(i), queries.dim()}, asked);
      passage_side.push(asked.passages.view);
      query_side.push(asked.queries);
    }
    const BuildParts<2> sides(options, {xl.passage_index_.size(), xl.query_index_.size()});
    if (spec.index.target_recall != 0.0f) {
      xl.passage_index_.meet_target_recall(spec.index.target_recall, passage_side.view(), k, sides[0]);
    }
    if (spec.query_index.target_recall != 0.0f) {
      xl.query_index_.meet_target_recall(spec.query_index.target_recall, query_side.view(), spec.neighbors, sides[1]);
    }
  }
};

/// What `build` builds, with the recall that the spec asks for.
/// @param queries  training queries [n_train_queries x dim], may be empty; `build` may take them over
/// @param build    (const RetrieverSpec&, const BuildOptions&): a retriever over AnyIndex
template <EmbeddingScalar Scalar, class Build>
[[nodiscard]] auto build_to_target(const RetrieverSpec& spec, const EmbeddingView<Scalar>& queries,
                                   const BuildOptions& options, const Build& build) {
  if (!has_target_recall(spec)) return build(spec, options);
  const BuildParts<2> parts(options, {100, 5});  // of the progress
  const std::vector<float> sample = measuring_queries(queries);
  auto retriever = build(without_target_recall(spec), parts[0]);
  TargetRecall::meet(retriever, spec, EmbeddingView<float>(sample, retriever.dim()), parts[1]);
  return retriever;
}

}  // namespace pefa::detail
