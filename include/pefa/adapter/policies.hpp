// pefa: the choices that make a retriever what it is, as values: which method, which gate, what becomes of passages
// without training queries. What each does stands beside the code that does it.
#pragma once

#include "pefa/core/enum_names.hpp"

namespace pefa {

/// The retrievers, cheapest at search first: one index of P, one of p̃, one of several p̃ a passage, two indexes.
enum class Method { erm, xs, xs_multi, xl };
/// The names of Method.
template <>
inline constexpr std::array enum_names<Method>{"erm", "xs", "xs-multi", "xl"};

/// The gates: 1/k; 1; exp(s_i / τ), scaled to add up to 1 (all gate.hpp); the local regression of local_regression.hpp.
enum class GateKind { mean, sum, softmax, local };
/// The names of GateKind.
template <>
inline constexpr std::array enum_names<GateKind>{"mean", "sum", "softmax", "local"};

/// A gate as a value that can be compared, printed and stored; make_gate() (gate.hpp) makes the gate.
struct GateSpec {
  GateKind kind = GateKind::mean;  ///< which gate
  float temperature = 0.05f;       ///< τ of softmax, above 0; the others have none
  float bandwidth = 0.125f;        ///< h of local, above 0; the others have none
  float ridge = 0.3f;              ///< γ of local, above 0; the others have none

  /// Whether they are the same gate; what a gate does not have does not count.
  friend bool operator==(const GateSpec& a, const GateSpec& b) noexcept {
    if (a.kind != b.kind) return false;
    if (a.kind == GateKind::softmax) return a.temperature == b.temperature;
    return a.kind != GateKind::local || (a.bandwidth == b.bandwidth && a.ridge == b.ridge);
  }
};

/// How the training queries of a passage make its C_j.
enum class FoldRule {
  correlation,   ///< Π(Qᵀ Y_:,j), the paper's
  least_squares  ///< Π(M⁻¹(Qᵀ Y_:,j + b·p_j)): see LeastSquares
};
/// The names of FoldRule.
template <>
inline constexpr std::array enum_names<FoldRule>{"correlation", "least_squares"};

/// Which searches are in the whitened space: see Whitening.
enum class Whitened {
  none,     ///< none: vectors are used as they come
  queries,  ///< XL's look-up of training queries; passages stay as they are
  all       ///< every search: queries, passages and training queries alike
};
/// The names of Whitened.
template <>
inline constexpr std::array enum_names<Whitened>{"none", "queries", "all"};

/// What a whitening makes alike in all directions.
enum class Scatter {
  within,  ///< how the queries of one passage differ: Σ Y_ij (q_i − c_j)(q_i − c_j)ᵀ / Σ Y_ij (WCCN: Hatch et al. 2006)
  total,  ///< how all queries lie: QᵀQ/n
  both    ///< the sum of the two, each divided by its trace
};
/// The names of Scatter.
template <>
inline constexpr std::array enum_names<Scatter>{"within", "total", "both"};

/// What PEFA-XS makes of a passage without training queries, whose pseudo-embedding Π(0) is 0. The default is `erm`:
/// with the training queries of 30 % of the passages withheld it finds more than `paper` on all three sets measured,
/// for 0 to 1.6 points of Recall@10 on the passages that kept theirs (`bench_cold`). Where every passage has queries
/// the three are the same.
enum class ColdPassage {
  paper,  ///< λ·p_j: the equation as it stands; such passages score lower than the others
  erm,    ///< p_j: they score as the plain ERM has them
  /// λ·p_j + (1 − λ)·C_j with C_j guessed from what the 10 nearest passages that have queries are asked (see
  /// detail::borrow_pseudo_embeddings): found best of the three, and slowest to build, O(n_cold · n_warm · dim).
  borrowed
};
/// The names of ColdPassage.
template <>
inline constexpr std::array enum_names<ColdPassage>{"paper", "erm", "borrowed"};

/// The length of a pseudo-embedding Π(Qᵀ Y_:,j) beside its passage; the same thing where passages are of unit length.
enum class PseudoNorm {
  unit,    ///< 1, the paper's: between passages of length 10 it would hardly be heard
  passage  ///< ‖p_j‖, so that λ means the same for every passage of an encoder whose lengths differ (dot-product
           ///< models)
};
/// The names of PseudoNorm.
template <>
inline constexpr std::array enum_names<PseudoNorm>{"unit", "passage"};

/// s(q̂, q_i) in f_kNN = knn_scale · Σ w_i·s(q̂, q_i)·Y_ij: what ranks the neighbours and what the gate sees.
///
/// For queries of unit length the first two are the same. f_kNN is added to ⟨q̂, p_j⟩, which is as long as q̂ and p_j
/// are: with `cosine`, votes are multiplied by ‖q̂‖, so that no ranking depends on the length of the query, and
/// mean_norm(passages) is the scale that puts both sides in one range. With `inner_product` that scale is
/// mean_norm(passages) / mean_norm(queries).
enum class KnnSimilarity {
  inner_product,  ///< ⟨q̂, q_i⟩, the paper's: a longer training query is nearer to everything and votes louder
  cosine,         ///< ⟨q̂, q_i⟩ / (‖q̂‖·‖q_i‖), for training queries whose lengths mean nothing
  l2              ///< 1 / (1 + ‖q̂ − q_i‖), in (0, 1]: −distance would make a vote a punishment
};
/// The names of KnnSimilarity.
template <>
inline constexpr std::array enum_names<KnnSimilarity>{"inner_product", "cosine", "l2"};

/// The ERM side of a passage that only the kNN side found.
enum class MissingErmScore {
  exact,  ///< its inner product with q̂, computed
  zero    ///< 0, as in the authors' code
};
/// The names of MissingErmScore.
template <>
inline constexpr std::array enum_names<MissingErmScore>{"exact", "zero"};

}  // namespace pefa
