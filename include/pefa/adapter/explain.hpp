// pefa: why a passage scores as it does: the part of the plain model, the part of the training queries, and which of
// them voted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/explanation.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/vote.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/index/ann_index.hpp"

namespace pefa {

namespace detail {

inline void require_passage(PassageId passage, std::size_t n_passages) {
  if (passage.row() >= n_passages) fail<ShapeError>("explain: passage ", passage, ", expected below ", n_passages);
}

/// The explanation of a score that is all one side's.
[[nodiscard]] inline Explanation plain_explanation(float score) {
  return {.score = score, .erm = score, .knn = 0.0f};
}

}  // namespace detail

/// Why a passage scores as it does for a query, whether or not it is among the best.
/// @throws ShapeError  a query of another dim, a passage past the end  @throws ValueError  as search()
template <class Scalar, ScoringIndex Index>
[[nodiscard]] Explanation explain(const ErmRetriever<Scalar, Index>& erm, QueryView query, PassageId passage,
                                  const SearchOptions& /*options*/ = {}) {
  detail::require_passage(passage, erm.passage_count());
  detail::require_query(query, 1, erm.dim(), "explain");
  detail::require_direction(query, "explain");
  return detail::plain_explanation(erm.index().score(query, passage.row()));
}

/// The same. The two parts are in one vector and can be told apart at λ = 1 alone.
template <class Scalar, ScoringIndex Index>
[[nodiscard]] Explanation explain(const PefaXs<Scalar, Index>& xs, QueryView query, PassageId passage,
                                  const SearchOptions& options = {}) {
  detail::require_folded_lambda(options, xs.lambda(), "explain");
  detail::require_passage(passage, xs.passage_count());
  detail::require_query(query, 1, xs.dim(), "explain");
  detail::require_direction(query, "explain");
  detail::MappedQuery mapped;
  detail::map_query(xs.fitted(), query, mapped, "explain");
  const float score = xs.index().score(mapped.view, passage.row()) + mapped.offset;
  if (xs.lambda() == 1.0f) return detail::plain_explanation(score);
  return {.score = score};
}

/// The same, of the vector of the passage that scores highest.
template <class Scalar, ScoringIndex Index>
[[nodiscard]] Explanation explain(const PefaXsMulti<Scalar, Index>& multi, QueryView query, PassageId passage,
                                  const SearchOptions& options = {}) {
  detail::require_folded_lambda(options, multi.lambda(), "explain");
  detail::require_passage(passage, multi.passage_count());
  detail::require_query(query, 1, multi.dim(), "explain");
  detail::require_direction(query, "explain");
  const auto& passages = multi.passages();
  const auto [first, last] = std::equal_range(passages.begin(), passages.end(), passage);
  const auto begin = static_cast<Row>(first - passages.begin());
  const auto end = static_cast<Row>(last - passages.begin());
  detail::MappedQuery mapped;
  detail::map_query(multi.fitted(), query, mapped, "explain");
  float score = multi.index().score(mapped.view, begin);
  for (Row row = begin + 1; row < end; ++row) score = std::max(score, multi.index().score(mapped.view, row));
  score += mapped.offset;
  if (multi.lambda() == 1.0f) return detail::plain_explanation(score);
  return {.score = score};
}

/// The same, with the training queries that voted. Neighbours are those that search() finds with these options.
template <class Scalar, ScoringIndex PassageIndex, class QueryIndex, class G>
[[nodiscard]] Explanation explain(const PefaXl<Scalar, PassageIndex, QueryIndex, G>& xl, QueryView query,
                                  PassageId passage, const SearchOptions& options = {}) {
  const auto& params = xl.params();
  const float lambda = options.lambda.value_or(params.lambda);
  detail::require_lambda(lambda, "explain");
  detail::require_passage(passage, xl.passage_count());
  detail::require_query(query, 1, xl.dim(), "explain");
  detail::require_direction(query, "explain");
  detail::AskedQuery asked;
  xl.ask(query, asked);
  const float erm = xl.passage_index().score(asked.passages.view, passage.row()) + asked.passages.offset;
  if (lambda == 1.0f) return detail::plain_explanation(erm);

  const std::size_t neighbors = options.neighbors == 0 ? params.neighbors : options.neighbors;
  NeighborVectors vectors;
  Voters voters;
  xl.weigh_neighbors(asked, xl.query_index().search(asked.queries, neighbors, detail::query_options(options)), vectors,
                     voters);
  Explanation explanation;
  float votes = 0.0f;
  for (std::size_t i = 0; i < voters.size(); ++i) {
    const RelevanceMatrix::Entries named = xl.relevance().passages_of(voters.queries[i]);
    const auto column = static_cast<std::int32_t>(passage.row());
    const auto entry = std::lower_bound(named.columns.begin(), named.columns.end(), column);
    if (entry == named.columns.end() || *entry != column) continue;
    const float relevance = named.weights[static_cast<std::size_t>(entry - named.columns.begin())];
    votes += voters.strengths[i] * relevance;
    explanation.voters.push_back({voters.queries[i], voters.similarities[i], voters.weights[i], relevance,
                                  (1.0f - lambda) * voters.strengths[i] * relevance});
  }
  std::sort(explanation.voters.begin(), explanation.voters.end(), [](const Voter& a, const Voter& b) {
    return ranks_before({a.query.row(), a.contribution}, {b.query.row(), b.contribution});
  });
  explanation.erm = Blender::erm_part(lambda, erm);
  if (params.missing_erm_score == MissingErmScore::zero &&
      votes != 0.0f) {  // only what the ERM side offers has its score
    const std::size_t offered =
        erm_candidates(1, {}, xl.passage_count(), params.passage_candidates, params.missing_erm_score);
    const auto found = xl.passage_index().search(asked.passages.view, offered, detail::passage_options(options));
    const bool is_offered =
        std::any_of(found.begin(), found.end(), [&](const Neighbor& each) { return each.row == passage.row(); });
    if (!is_offered) explanation.erm = 0.0f;
  }
  explanation.knn = (1.0f - lambda) * votes;
  explanation.score = detail::rankable(*explanation.erm + *explanation.knn);
  return explanation;
}

}  // namespace pefa
