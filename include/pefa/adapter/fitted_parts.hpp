// pefa: what a retriever was fitted with beside its indexes, and how a raw query becomes what those are asked with.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/balance.hpp"
#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/fold.hpp"
#include "pefa/adapter/least_squares.hpp"
#include "pefa/adapter/linear_map.hpp"
#include "pefa/adapter/passage_evidence.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/whitening.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/store/embedding_source.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// What a retriever was fitted with, as it was when it was built; each empty where the retriever does without.
struct FittedParts {
  std::optional<Whitening> whitening{};         ///< W, of queries, passages and training queries
  std::optional<LeastSquares> least_squares{};  ///< M⁻¹ of C_j, in the space of the passages
  std::optional<Balance> balance{};             ///< A, B and μ of the rows of the passage index

  /// Bytes on the heap.
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    std::size_t bytes = 0;
    if (whitening) bytes += whitening->memory_bytes();
    if (least_squares) bytes += least_squares->memory_bytes();
    if (balance) bytes += balance->memory_bytes();
    return bytes;
  }
};

namespace detail {

/// What an optional holds, or null.
template <class T>
[[nodiscard]] const T* pointer_to(const std::optional<T>& held) noexcept {
  return held ? &*held : nullptr;
}

/// A query as the passage index is asked with it. Reuse it from query to query, so that none allocates.
struct MappedQuery {
  QueryView view{};     ///< into a buffer of this, or what came
  float offset = 0.0f;  ///< what the index's scores lack: ⟨q̂, μ⟩ of a balance
  std::vector<float> whitened{};
  std::vector<float> balanced{};
};

/// Many of them.
struct MappedQueries {
  EmbeddingView<float> view{};   ///< into a store of this, or what came
  std::vector<float> offsets{};  ///< as many, or none where all are 0
  std::optional<EmbeddingStore<float>> whitened{};
  std::optional<EmbeddingStore<float>> balanced{};
};

/// A query as the two indexes of PEFA-XL are asked with it. Reuse it, do not copy it: views are into its own buffers.
struct AskedQuery {
  AskedQuery() = default;
  AskedQuery(const AskedQuery&) = delete;
  AskedQuery& operator=(const AskedQuery&) = delete;

  MappedQuery passages{};  ///< for the passage index
  QueryView queries{};     ///< for the index of training queries
  QueryView similar{};     ///< the same without what hubness adds: s_i = ⟨similar, q_i⟩
  std::vector<float> whitened{};
  std::vector<float> extended{};
};

/// A training query as its index holds it, from how that is asked with it. What hubness adds is left 0, with which the
/// index scores s_i alone.
[[nodiscard]] inline std::vector<float> query_row(const AskedQuery& asked, KnnSimilarity similarity) {
  std::vector<float> row(asked.queries.size());
  std::copy(asked.similar.begin(), asked.similar.end(), row.begin());
  if (similarity == KnnSimilarity::cosine) (void)make_unit(row.data(), asked.similar.size());
  return row;
}

/// x' = Π(W·q̂). @param who  "PefaXs::search"
/// @throws ShapeError  a query of another dim  @throws ValueError  one that is not finite
inline void whiten(const Whitening& whitening, QueryView query, std::vector<float>& whitened, const char* who) {
  require_query(query, 1, whitening.dim(), who);
  whitened.resize(whitening.rank());
  whitening.apply(query, whitened);
  if (std::ranges::all_of(whitened, [](float x) { return x == 0.0f; })) {
    fail<ValueError>(who, ": the query whitens to 0, which has no direction to search by");
  }
}

/// The query for a passage index whose rows were whitened, balanced, both or neither. @throws  as above
/// @param whitening, balance  what the rows were mapped with; null where they were not
inline void map_query(const Whitening* whitening, const Balance* balance, QueryView query, MappedQuery& mapped,
                      const char* who) {
  mapped.view = query;
  mapped.offset = 0.0f;
  if (whitening != nullptr) {
    whiten(*whitening, query, mapped.whitened, who);
    mapped.view = mapped.whitened;
  }
  if (balance == nullptr) return;
  require_query(mapped.view, 1, balance->dim(), who);
  mapped.balanced.resize(balance->rank());
  balance->map_query(mapped.view, mapped.balanced);
  mapped.offset = balance->offset(mapped.view);
  mapped.view = mapped.balanced;
}

/// The query for rows that all that was fitted has mapped.
inline void map_query(const FittedParts& fitted, QueryView query, MappedQuery& mapped, const char* who) {
  map_query(pointer_to(fitted.whitening), pointer_to(fitted.balance), query, mapped, who);
}

/// The same of many; the same bits as one by one.
inline void map_queries(const Whitening* whitening, const Balance* balance, const EmbeddingView<float>& queries,
                        const AnyExecutor& executor, MappedQueries& mapped, const char* who) {
  mapped.view = queries;
  mapped.offsets.clear();
  if (whitening == nullptr && balance == nullptr) return;
  const std::size_t dim = whitening != nullptr ? whitening->dim() : balance->dim();
  for (std::size_t i = 0; i < queries.size(); ++i) require_query({queries.row(i), queries.dim()}, 1, dim, who);
  if (whitening != nullptr) {
    mapped.whitened = whitening->apply(queries, {executor, {}});
    mapped.view = mapped.whitened->view();
  }
  if (balance == nullptr) return;
  mapped.offsets.resize(queries.size());
  mapped.balanced = EmbeddingStore<float>::for_overwrite(queries.size(), balance->rank());
  const EmbeddingView<float> from = mapped.view;
  executor.run(queries.size(), [&](std::size_t i) {
    const QueryView query(from.row(i), from.dim());
    balance->map_query(query, {mapped.balanced->mutable_row(i), balance->rank()});
    mapped.offsets[i] = balance->offset(query);
  });
  mapped.view = mapped.balanced->view();
}

/// The same for rows that all that was fitted has mapped.
inline void map_queries(const FittedParts& fitted, const EmbeddingView<float>& queries, const AnyExecutor& executor,
                        MappedQueries& mapped, const char* who) {
  map_queries(pointer_to(fitted.whitening), pointer_to(fitted.balance), queries, executor, mapped, who);
}

/// Adds what the scores of an index lack. Two of them may become equal: the order is made anew.
inline void add_offset(std::vector<Neighbor>& found, float offset) {
  if (offset == 0.0f) return;
  for (Neighbor& neighbor : found) neighbor.score += offset;
  std::sort(found.begin(), found.end(), ranks_before);
}

/// The retrievers' search of the passage index by a mapped query.
template <class Index>
[[nodiscard]] std::vector<Neighbor> search_passages(const Index& index, const MappedQuery& query, std::size_t k,
                                                    const SearchOptions& options) {
  std::vector<Neighbor> found = search_passages(index, query.view, k, options);
  add_offset(found, query.offset);
  return found;
}

template <class Index>
[[nodiscard]] std::vector<std::vector<Neighbor>> search_passages(const Index& index, const MappedQueries& queries,
                                                                 std::size_t k, const SearchOptions& options,
                                                                 const AnyExecutor& executor) {
  auto found = search_passages(index, queries.view, k, options, executor);
  for (std::size_t i = 0; i < queries.offsets.size(); ++i) add_offset(found[i], queries.offsets[i]);
  return found;
}

/// The same among admitted rows.
template <class Index>
[[nodiscard]] std::vector<Neighbor> search_admitted_passages(const Index& index, const MappedQuery& query,
                                                             std::size_t k, const RowFilter& filter,
                                                             const SearchOptions& options) {
  std::vector<Neighbor> found = search_admitted_passages(index, query.view, k, filter, options);
  add_offset(found, query.offset);
  return found;
}

template <class Index>
[[nodiscard]] std::vector<std::vector<Neighbor>> search_admitted_passages(const Index& index,
                                                                          const MappedQueries& queries, std::size_t k,
                                                                          const RowFilter& filter,
                                                                          const SearchOptions& options,
                                                                          const AnyExecutor& executor) {
  auto found = search_admitted_passages(index, queries.view, k, filter, options, executor);
  for (std::size_t i = 0; i < queries.offsets.size(); ++i) add_offset(found[i], queries.offsets[i]);
  return found;
}

/// XS and its kind look up no training queries: their space is one or none. @param who  "PefaXs::build"
inline void require_whitened_all(Whitened whitened, const char* who) {
  if (whitened == Whitened::queries) {
    fail<ValueError>(who, ": whitened is queries, of which there is no index; expected none or all");
  }
}

/// Elements of a query. @param rows  of the passage index
[[nodiscard]] inline std::size_t query_dim(const FittedParts& fitted, std::size_t rows) noexcept {
  if (fitted.whitening) return fitted.whitening->dim();
  return fitted.balance ? fitted.balance->dim() : rows;
}

/// What the passage side of a build counts: whitening, folding, balancing, indexing.
[[nodiscard]] inline std::array<std::size_t, 4> passage_side_items(Whitened whitened, const PassageFold& fold,
                                                                   std::size_t balance, std::size_t n_passages,
                                                                   std::size_t n_queries) {
  const std::size_t both = n_passages + n_queries;
  const bool is_folded = fold.lambda < 1.0f;
  const bool is_solved = needs_fit(fold.rule, fold.lambda);
  return {whitened == Whitened::none ? 0 : both, n_passages + (is_solved ? both : 0),
          balance > 0 && is_folded ? both : 0, n_passages};
}

/// p̃, with the fit that its rule needs.
template <class Scalar>
[[nodiscard]] EmbeddingStore<float> fit_and_fold(const EmbeddingView<Scalar>& passages,
                                                 const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                                 const PassageFold& fold, FittedParts& fitted,
                                                 const BuildOptions& options) {
  const BuildParts<2> parts(options, {needs_fit(fold.rule, fold.lambda) ? queries.size() : 0, passages.size()});
  fitted.least_squares = fit_fold(passages, queries, fold.rule, fold.least_squares, fold.lambda, parts[0]);
  return fold_checked(passages, queries, relevance, fold, pointer_to(fitted.least_squares), parts[1]);
}

/// Fits what balances folded rows, and maps them; rank 0 leaves them for raw queries, as does λ = 1, which folds
/// nothing.
template <class Scalar>
[[nodiscard]] EmbeddingStore<float> balance_rows(const EmbeddingView<Scalar>& queries, EmbeddingStore<float>&& folded,
                                                 std::size_t rank, float lambda, FittedParts& fitted,
                                                 const BuildOptions& options) {
  if (rank == 0 || lambda == 1.0f) return std::move(folded);
  const BuildParts<2> parts(options, {queries.size() + folded.size(), folded.size()});
  fitted.balance = Balance::fit(queries, folded.view(), {.rank = rank}, parts[0]);
  return fitted.balance->map_rows(folded.view(), parts[1]);
}

/// Calls make(P, Q) with P and Q raw, or in the space that is fitted to them. What came with the call goes when it is
/// no longer needed. @return  what make returns
template <class Scalar, class Make>
[[nodiscard]] auto in_space(Whitened whitened, const WhiteningParams& params, EmbeddingSource<Scalar>& passages,
                            EmbeddingSource<Scalar>& queries, const RelevanceMatrix& relevance, FittedParts& fitted,
                            const BuildOptions& options, const Make& make) {
  if (whitened == Whitened::none) return make(passages.view(), queries.view());
  const std::size_t n_queries = queries.view().size();
  const BuildParts<3> parts(options, {n_queries, passages.view().size(), n_queries});
  fitted.whitening = Whitening::fit(queries.view(), relevance, params, parts[0]);
  const EmbeddingStore<float> p = fitted.whitening->apply(passages.view(), parts[1]);
  passages.release();
  const EmbeddingStore<float> q = fitted.whitening->apply(queries.view(), parts[2]);
  queries.release();
  return make(p.view(), q.view());
}

/// Whether a passage has a training query; pairs of weight 0 are none.
[[nodiscard]] inline bool is_warm(const PassageEvidence& of) noexcept {
  return std::ranges::any_of(of.weights, [](float weight) { return weight > 0.0f; });
}

/// @throws ShapeError, ValueError  what PefaXs::fold_one() refuses
inline void require_evidence(const PassageEvidence& of, const PassageFold& fold, std::size_t dim, const char* who) {
  if (of.weights.size() != of.queries.size()) {
    fail<ShapeError>(who, ": ", of.weights.size(), " weights for ", of.queries.size(), " queries, expected one each");
  }
  for (const float weight : of.weights) {
    if (!is_finite(weight) || weight < 0.0f)
      fail<ValueError>(who, ": a weight is ", weight, ", expected finite and at least 0");
  }
  require_query(of.passage, 1, dim, who);
  require_direction(of.passage, who);
  if (!of.queries.empty() && of.queries.dim() != dim)
    fail<ShapeError>(who, ": queries have dim ", of.queries.dim(), ", expected ", dim);
  require_valid_rows(of.queries, RowCheck::finite_non_zero, who);
  const bool is_own = is_own_query(fold.rule, fold.least_squares);
  if (!is_warm(of) && !is_own && fold.lambda < 1.0f && fold.cold == ColdPassage::borrowed) {
    fail<ValueError>(who, ": a passage without training queries borrows from all the others, expected queries");
  }
}

/// The rows of some passages: see PefaXs::fold_one. [passages x the dim of an index's rows]
/// @param whitening  of the passages; null where they are not
[[nodiscard]] inline EmbeddingStore<float> fold_many(const FittedParts& fitted, const Whitening* whitening,
                                                     const PassageFold& fold, std::span<const PassageEvidence> passages,
                                                     std::size_t dim, const char* who) {
  const std::size_t rank = whitening != nullptr ? whitening->rank() : dim;
  auto rows = EmbeddingStore<float>::for_overwrite(passages.size(), rank);
  std::vector<PassageEvidence> evidence(passages.begin(), passages.end());  // in the space that they are folded in
  std::vector<EmbeddingStore<float>> whitened;
  for (std::size_t i = 0; i < passages.size(); ++i) {
    require_evidence(passages[i], fold, dim, who);
    const std::span<float> row(rows.mutable_row(i), rank);
    if (whitening == nullptr) {
      std::copy(passages[i].passage.begin(), passages[i].passage.end(), row.begin());
    } else {
      whitening->apply(passages[i].passage, row);
      if (!passages[i].queries.empty()) {
        whitened.push_back(whitening->apply(passages[i].queries));
        evidence[i].queries = whitened.back().view();
      }
    }
    evidence[i].passage = row;
  }
  if (fold.lambda < 1.0f) {
    auto pseudo = EmbeddingStore<float>::for_overwrite(passages.size(), rank);
    if (fitted.least_squares) {
      fitted.least_squares->fold_many(evidence, [&](std::size_t i) { return pseudo.mutable_row(i); });
    }
    const bool is_own = is_own_query(fold.rule, fold.least_squares);
    std::vector<double> sum(rank);
    std::vector<std::int32_t> columns;
    for (std::size_t i = 0; i < passages.size(); ++i) {
      const PassageEvidence& of = evidence[i];
      if (!fitted.least_squares) {
        std::fill_n(pseudo.mutable_row(i), rank, 0.0f);
        columns.resize(of.weights.size());
        std::iota(columns.begin(), columns.end(), 0);
        if (!of.weights.empty()) pseudo_embedding(of.queries, {columns, of.weights}, sum.data(), pseudo.mutable_row(i));
      }
      const float lambda = passage_lambda(is_own || is_warm(of), fold.lambda, fold.cold);
      fold_pseudo_embedding(of.passage, lambda, fold.norm, pseudo.mutable_row(i));
    }
    rows = std::move(pseudo);
  }
  if (!fitted.balance) return rows;
  return fitted.balance->map_rows(rows.view(), {AnyExecutor::serial(), {}});
}

/// The row of one passage.
[[nodiscard]] inline std::vector<float> fold_one(const FittedParts& fitted, const Whitening* whitening,
                                                 const PassageFold& fold, const PassageEvidence& passage,
                                                 std::size_t dim, const char* who) {
  const EmbeddingStore<float> row = fold_many(fitted, whitening, fold, {&passage, 1}, dim, who);
  return {row.row(0), row.row(0) + row.dim()};
}

/// @throws ValueError  a row whose length is not 1, within 1 in 100. @param who  with what asks for it
template <class Scalar>
void require_unit_rows(const EmbeddingView<Scalar>& rows, const char* who) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double norm = std::sqrt(squared_norm(rows, i));
    if (std::abs(norm - 1.0) > 0.01) {
      fail<ValueError>(who, ": training query ", i, " has length ", norm,
                       ", expected 1; whiten them, or use KnnSimilarity::cosine");
    }
  }
}

}  // namespace detail
}  // namespace pefa
