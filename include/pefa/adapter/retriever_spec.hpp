// pefa: which retriever, with which parameters, as one value: what tune() picks, the command's options say, an
// archive's metadata hold and AnyRetriever tells of itself.
//
// The defaults of build(), tune() and the command stand here: they are what tuning on the data measured advises
// (benchmarks/README.md). A typed retriever fits and folds nothing that it is not told to.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/index/index_spec.hpp"

namespace pefa {

/// What to build. What a method does not have is ignored.
struct RetrieverSpec {
  /// Of this struct, in JSON and in archives: later versions read earlier ones.
  static constexpr std::int64_t version = 2;

  Method method = Method::xl;  ///< which retriever
  float lambda = 0.2f;         ///< λ: the weight of the plain model or, in XL, of the side that `fold` makes, 0 to 1
  IndexSpec index{};           ///< over passages, or the vectors that stand for them

  std::size_t neighbors = 32;                               ///< XL: k, training queries looked up; at least 1
  GateSpec gate{GateKind::softmax, 0.05f};                  ///< XL: their weights
  KnnSimilarity similarity = KnnSimilarity::inner_product;  ///< XL: s(q̂, q_i)
  float knn_scale = 1.0f;              ///< XL: votes are multiplied by this, above 0; see KnnSimilarity
  std::size_t passage_candidates = 0;  ///< XL: see PefaXlParams
  MissingErmScore missing_erm_score = MissingErmScore::exact;  ///< XL
  float fold = 0.25f;       ///< XL: λ of the PEFA-XS on its plain side, 0 to 1; 1: the passages as they are
  float condense = 0.0f;    ///< XL: training queries of the same passages merge from this cosine on; 0: none do
  IndexSpec query_index{};  ///< XL: over training queries

  ColdPassage cold = ColdPassage::erm;   ///< XS, XS multi, XL's fold, where passages are no queries of their own
  PseudoNorm norm = PseudoNorm::unit;    ///< XS, XS multi, XL's fold
  std::size_t max_centroids = 8;         ///< XS multi: vectors a passage at most, at least 1
  std::size_t queries_per_centroid = 1;  ///< XS multi: training queries that are evidence for one vector, at least 1
  float shrinkage = 0.25f;               ///< XS multi: share of the mean in each vector, 0 to 1

  FoldRule rule = FoldRule::least_squares;  ///< XS, XS multi, XL's fold: how training queries become C_j
  LeastSquaresParams least_squares{.shrinkage = 0.3f, .passages_as_queries = 0.3f};  ///< the same, by that rule
  std::size_t balance = 0;  ///< XS, XS multi, XL's fold: rank of the balanced rows, 1 to dim; 0: rows for raw queries,
                            ///< but full rank for an `automatic` index of many least-squares rows up to 1024 long
  Whitened whitened = Whitened::queries;  ///< XS, XS multi, XL: which searches are in the whitened space
  WhiteningParams whitening{};            ///< the same: how it is whitened
  float hubness = 0.5f;                   ///< XL, but l2: β, 0 or more: neighbours are ranked by s_i − β·r_i

  /// PEFA-XS as the paper runs it: λ = 0.5 over HNSW with M = 32, efConstruction = 500, efSearch = 300 (section 5.1).
  [[nodiscard]] static constexpr RetrieverSpec paper_xs() noexcept {
    RetrieverSpec spec;
    spec.method = Method::xs;
    spec.lambda = 0.5f;
    spec.cold = ColdPassage::paper;
    spec.rule = FoldRule::correlation;
    spec.whitened = Whitened::none;
    spec.index.kind = IndexKind::hnsw;
    return spec;
  }

  /// PEFA-XL as the paper runs it: the mean gate, k = 16, λ = 0.1, 500 passages of the plain side before merging, the
  /// same HNSW on both sides. Passages that only training queries found get their exact plain score, unlike in the
  /// authors' code: MissingErmScore::zero is that.
  [[nodiscard]] static constexpr RetrieverSpec paper_xl() noexcept {
    RetrieverSpec spec;
    spec.method = Method::xl;
    spec.lambda = 0.1f;
    spec.neighbors = 16;
    spec.gate = {GateKind::mean};
    spec.passage_candidates = 500;
    spec.fold = 1.0f;
    spec.rule = FoldRule::correlation;
    spec.whitened = Whitened::none;
    spec.hubness = 0.0f;
    spec.index.kind = IndexKind::hnsw;
    spec.query_index.kind = IndexKind::hnsw;
    return spec;
  }

  /// Whether XL has PEFA-XS on its plain side.
  [[nodiscard]] constexpr bool is_folded() const noexcept { return method == Method::xl && fold < 1.0f; }
  /// Whether XL merges training queries.
  [[nodiscard]] constexpr bool is_condensed() const noexcept { return method == Method::xl && condense > 0.0f; }

  /// Whether all fields are equal, those that the method ignores too.
  friend bool operator==(const RetrieverSpec&, const RetrieverSpec&) = default;
};

namespace detail {

/// Takes off what version 1 of the spec did not have, and what it had only where it was said: nothing is fitted, folded
/// into XL or condensed.
constexpr void leave_out_fits(RetrieverSpec& spec) noexcept {
  spec.fold = 1.0f;
  spec.condense = 0.0f;
  spec.rule = FoldRule::correlation;
  spec.balance = 0;
  spec.whitened = Whitened::none;
  spec.hubness = 0.0f;
}

}  // namespace detail
}  // namespace pefa
