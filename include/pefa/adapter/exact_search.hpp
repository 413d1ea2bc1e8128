// pefa: what a retriever would answer if its indexes were exact: every row is scored. Slow; what ann_recall is measured
// against.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/search_filter.hpp"
#include "pefa/adapter/vote.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/filtered_search.hpp"
#include "pefa/store/row_filter.hpp"

namespace pefa {
namespace detail {

/// Calls on_row(row, score) for every row of an index.
template <ScoringIndex Index, class OnRow>
void score_all(const Index& index, QueryView query, const OnRow& on_row) {
  constexpr std::size_t block = 256;
  std::vector<Row> rows(block);
  std::vector<float> scores(block);
  for (std::size_t begin = 0; begin < index.size(); begin += block) {
    const std::size_t count = std::min(block, index.size() - begin);
    std::iota(rows.begin(), rows.end(), static_cast<Row>(begin));
    score_rows(index, query, std::span<const Row>(rows.data(), count), std::span<float>(scores.data(), count));
    for (std::size_t i = 0; i < count; ++i) on_row(rows[i], scores[i]);
  }
}

/// The best k of the admitted rows of an index.
template <ScoringIndex Index>
[[nodiscard]] std::vector<Neighbor> exact_neighbors(const Index& index, QueryView query, std::size_t k,
                                                    const RowFilter& filter) {
  require_query(query, k, index.dim(), "exact_search");
  require_direction(query, "exact_search");
  TopK best(std::min(k, std::size_t{index.size()}));
  score_all(index, query, [&](Row row, float score) {
    if (filter.admits(row)) best.push({row, score});
  });
  return best.take();
}

/// The same by a mapped query.
template <ScoringIndex Index>
[[nodiscard]] std::vector<Neighbor> exact_neighbors(const Index& index, const MappedQuery& query, std::size_t k,
                                                    const RowFilter& filter) {
  std::vector<Neighbor> found = exact_neighbors(index, query.view, k, filter);
  add_offset(found, query.offset);
  return found;
}

}  // namespace detail

/// What search_filtered() would return if the index were exact; what searches spend or may take is ignored.
/// @throws ShapeError, ValueError  as search_filtered()
/// O(rows · dim) a query.
template <class Scalar, ScoringIndex Index>
[[nodiscard]] std::vector<Hit> exact_search_filtered(const ErmRetriever<Scalar, Index>& erm, QueryView query,
                                                     std::size_t k, const SearchFilter& filter,
                                                     const SearchOptions& /*options*/ = {}) {
  detail::require_passage_filter(filter, erm.passage_count(), "exact_search");
  detail::require_no_query_filter(filter, "has none", "exact_search");
  return detail::to_hits(detail::exact_neighbors(erm.index(), query, k, filter.passages.rows()));
}

/// The same of PEFA-XS. @throws ValueError  a λ other than the one folded in
template <class Scalar, ScoringIndex Index>
[[nodiscard]] std::vector<Hit> exact_search_filtered(const PefaXs<Scalar, Index>& xs, QueryView query, std::size_t k,
                                                     const SearchFilter& filter, const SearchOptions& options = {}) {
  detail::require_passage_filter(filter, xs.passage_count(), "exact_search");
  detail::require_no_query_filter(filter, "has folded them into the passages", "exact_search");
  detail::require_folded_lambda(options, xs.lambda(), "exact_search");
  detail::require_direction(query, "exact_search");
  detail::MappedQuery mapped;
  detail::map_query(xs.fitted(), query, mapped, "exact_search");
  return detail::to_hits(detail::exact_neighbors(xs.index(), mapped, k, filter.passages.rows()));
}

/// The same of multi-vector PEFA-XS: a passage scores by the best of its vectors. @throws  as above
template <class Scalar, ScoringIndex Index>
[[nodiscard]] std::vector<Hit> exact_search_filtered(const PefaXsMulti<Scalar, Index>& multi, QueryView query,
                                                     std::size_t k, const SearchFilter& filter,
                                                     const SearchOptions& options = {}) {
  detail::require_passage_filter(filter, multi.passage_count(), "exact_search");
  detail::require_no_query_filter(filter, "has folded them into the passages", "exact_search");
  detail::require_folded_lambda(options, multi.lambda(), "exact_search");
  detail::require_query(query, k, multi.dim(), "exact_search");
  detail::require_direction(query, "exact_search");
  detail::MappedQuery mapped;
  detail::map_query(multi.fitted(), query, mapped, "exact_search");
  std::vector<float> scores(multi.passage_count(), -std::numeric_limits<float>::infinity());
  detail::score_all(multi.index(), mapped.view, [&](Row row, float score) {
    float& highest = scores[multi.passages()[row].row()];
    highest = std::max(highest, score);
  });
  TopK best(std::min(k, scores.size()));
  for (Row row = 0; row < scores.size(); ++row) {
    if (filter.passages.admits(PassageId(row))) best.push({row, scores[row] + mapped.offset});
  }
  return detail::to_hits(best.take());
}

/// The same of PEFA-XL: exact on both sides.
template <class Scalar, ScoringIndex PassageIndex, ScoringIndex QueryIndex, class G>
[[nodiscard]] std::vector<Hit> exact_search_filtered(const PefaXl<Scalar, PassageIndex, QueryIndex, G>& xl,
                                                     QueryView query, std::size_t k, const SearchFilter& filter,
                                                     const SearchOptions& options = {}) {
  const auto& params = xl.params();
  const RowFilter& passages = filter.passages.rows();
  const float lambda = options.lambda.value_or(params.lambda);
  xl.require_filter(filter, "exact_search");
  detail::require_lambda(lambda, "exact_search");
  detail::require_direction(query, "exact_search");
  detail::AskedQuery asked;
  xl.ask(query, asked);
  if (lambda == 1.0f) return detail::to_hits(detail::exact_neighbors(xl.passage_index(), asked.passages, k, passages));
  const std::size_t neighbors = options.neighbors == 0 ? params.neighbors : options.neighbors;
  NeighborVectors vectors;
  Voters voters;
  const std::vector<Neighbor> nearest = xl.with_voters(filter, [&](const RowFilter& rows) {
    return detail::exact_neighbors(xl.query_index(), asked.queries, neighbors, rows);
  });
  xl.weigh_neighbors(asked, nearest, vectors, voters);
  Votes votes = votes_of(voters, xl.relevance());
  votes.keep([&](Row passage) { return passages.admits(passage); });
  const std::size_t offered =
      erm_candidates(k, votes, xl.passage_count(), params.passage_candidates, params.missing_erm_score);
  const auto erm = detail::exact_neighbors(xl.passage_index(), asked.passages, k == 0 ? 0 : offered, passages);
  Blender blender;
  blender.start(erm, votes, params.missing_erm_score,
                [&](std::span<const Row> rows, std::span<float> scores) { xl.score_passages(asked, rows, scores); });
  std::vector<Hit> hits(std::min(k, xl.passage_count()));
  hits.resize(blender.rank(lambda, hits));
  return hits;
}

/// What search() would return if the index were exact. @throws ShapeError, ValueError  as search()
/// O(rows · dim) a query.
template <class R>
[[nodiscard]] auto exact_search(const R& retriever, QueryView query, std::size_t k, const SearchOptions& options = {})
    -> decltype(exact_search_filtered(retriever, query, k, SearchFilter(), options)) {
  return exact_search_filtered(retriever, query, k, SearchFilter(), options);
}

}  // namespace pefa
