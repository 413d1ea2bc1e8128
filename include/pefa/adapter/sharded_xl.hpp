// pefa: one query over several retrievers that hold a part of the passages each: for hosts that shard by their own RPC.
//
// ERM and PEFA-XS: every shard searches, merge_hits() takes the best. PEFA-XL: the training queries of a passage are
// where the passage is, in several shards where they are right for several. Then
//
//   nearest_in_shard() at each → merge_nearest() → weigh_voters() → hits_in_shard() at each → merge_hits()
//
// gives what one retriever over all of it gives, to the bit where its indexes are exact. What is fitted to all training
// data together (whitening, hubness, least squares, condensed queries), the local gate, which needs the neighbours'
// vectors, and the candidates of MissingErmScore::zero, which are cut over all passages, do not part like this:
// require_shardable() refuses them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/fitted_parts.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/knn_similarity.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/vote.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/top_k.hpp"

namespace pefa {

/// The best k of the hits of shards that have no passage in common, by their ids in the whole: best first, ties by
/// ascending id. O(hits).
[[nodiscard]] inline std::vector<Hit> merge_hits(std::span<const std::vector<Hit>> shards, std::size_t k) {
  std::vector<Neighbor> all;
  for (const std::vector<Hit>& hits : shards) {
    for (const Hit& hit : hits) all.push_back({hit.passage.row(), hit.score});
  }
  keep_best(all, k);
  return detail::to_hits(all);
}

/// Adds to the ids of a shard's hits, whose passages are numbered from 0, the number of its first one in the whole.
inline void number_hits(std::vector<Hit>& hits, Row first_passage) {
  for (Hit& hit : hits) hit.passage = PassageId(hit.passage.row() + first_passage);
}

/// Where the rows of a shard of PEFA-XL are in the whole.
struct ShardRows {
  Row first_passage = 0;       ///< of its passages, which follow each other
  std::vector<Row> queries{};  ///< of each of its training queries, ascending
};

/// The nearest training queries of several shards made one ranking: the best k, each once. @param shards  by their rows
/// in the whole
[[nodiscard]] inline std::vector<Neighbor> merge_nearest(std::span<const std::vector<Neighbor>> shards, std::size_t k) {
  std::vector<Neighbor> all;
  for (const std::vector<Neighbor>& nearest : shards) all.insert(all.end(), nearest.begin(), nearest.end());
  std::sort(all.begin(), all.end(), [](const Neighbor& a, const Neighbor& b) {
    return a.row < b.row || (a.row == b.row && a.score > b.score);
  });
  const auto same_row = [](const Neighbor& a, const Neighbor& b) { return a.row == b.row; };
  all.erase(std::unique(all.begin(), all.end(), same_row), all.end());
  cut(all, k);
  return all;
}

/// @throws ValueError  a retriever whose answer is more than the sum of those of its shards; says why
template <class Xl>
void require_shardable(const Xl& shard) {
  constexpr const char* who = "require_shardable";
  const auto& params = shard.params();
  const char* global = shard.fitted().whitening       ? "a whitening"
                       : shard.fitted().least_squares ? "least squares"
                       : shard.fitted().balance       ? "a balance"
                       : !shard.hubness().empty()     ? "hubness"
                       : params.condense > 0.0f       ? "condensed training queries"
                                                      : nullptr;
  if (global != nullptr) {
    detail::fail<ValueError>(who, ": the shard has ", global,
                             ", which is fitted to all training queries together; expected none");
  }
  if (params.fold.lambda < 1.0f && params.fold.cold == ColdPassage::borrowed) {
    detail::fail<ValueError>(who, ": cold passages borrow from those of all shards; expected paper or erm");
  }
  if (needs_vectors(params.gate)) {
    detail::fail<ValueError>(who, ": the gate needs the vectors of the neighbours; expected mean, sum or softmax");
  }
  if (params.missing_erm_score != MissingErmScore::exact) {
    detail::fail<ValueError>(who,
                             ": missing_erm_score is zero, for which candidates are cut over all passages; expected "
                             "exact");
  }
}

/// The training queries of a shard nearest to q̂, by their rows in the whole, with the scores of its index.
/// @param neighbors  0: the k that the shard was built with
/// @throws ShapeError  another number of rows than of training queries, a query of another dim  @throws ValueError  as
/// require_shardable(), and a query that is zero or not finite
template <class Xl>
[[nodiscard]] std::vector<Neighbor> nearest_in_shard(const Xl& shard, const ShardRows& rows, QueryView query,
                                                     std::size_t neighbors = 0, const SearchOptions& options = {}) {
  require_shardable(shard);
  detail::require_direction(query, "nearest_in_shard");
  if (rows.queries.size() != shard.query_index().size()) {
    detail::fail<ShapeError>("nearest_in_shard: ", rows.queries.size(), " rows, expected ", shard.query_index().size(),
                             ", one a training query");
  }
  std::vector<Neighbor> nearest = shard.query_index().search(
      query, neighbors == 0 ? shard.params().neighbors : neighbors, detail::query_options(options));
  for (Neighbor& neighbor : nearest) neighbor.row = rows.queries[neighbor.row];
  return nearest;
}

/// How loud each of the merged neighbours is. @param shard  any: gate and similarity are those of all
/// @return  by rows in the whole
template <class Xl>
[[nodiscard]] Voters weigh_voters(const Xl& shard, QueryView query, std::span<const Neighbor> nearest) {
  require_shardable(shard);
  Voters voters;
  NeighborVectors none;
  weigh(
      nearest, KnnScale(shard.params().similarity, shard.params().knn_scale, query), {}, shard.params().gate, 0,
      [](Row, std::span<float>) {}, none, voters);
  return voters;
}

/// The best k passages of a shard, by their rows in the whole, when those training queries vote.
/// @param voters  of the whole; those that the shard does not have are not about its passages
/// @throws ShapeError, ValueError  as nearest_in_shard(); λ outside (0, 1]
template <class Xl>
[[nodiscard]] std::vector<Hit> hits_in_shard(const Xl& shard, const ShardRows& rows, QueryView query,
                                             const Voters& voters, std::size_t k, const SearchOptions& options = {}) {
  require_shardable(shard);
  const float lambda = options.lambda.value_or(shard.params().lambda);
  detail::require_lambda(lambda, "hits_in_shard");
  if (lambda == 0.0f) {
    detail::fail<ValueError>(
        "hits_in_shard: lambda is 0, expected above 0: passages without votes then rank by scores ",
        "that hits of several shards do not carry");
  }
  Voters own;
  for (std::size_t i = 0; i < voters.size(); ++i) {
    const auto found = std::lower_bound(rows.queries.begin(), rows.queries.end(), voters.queries[i].row());
    if (found == rows.queries.end() || *found != voters.queries[i].row()) continue;
    own.queries.push_back(QueryId(static_cast<Row>(found - rows.queries.begin())));
    own.strengths.push_back(voters.strengths[i]);
  }
  const Votes votes = votes_of(own, shard.relevance());
  detail::AskedQuery asked;
  shard.ask(query, asked);
  const auto offered = shard.passage_index().search(
      asked.passages.view,
      erm_candidates(k, votes, shard.passage_count(), shard.params().passage_candidates, MissingErmScore::exact),
      detail::passage_options(options));
  Blender blender;
  blender.start(offered, votes, MissingErmScore::exact, [&](std::span<const Row> passages, std::span<float> scores) {
    shard.score_passages(asked, passages, scores);
  });
  std::vector<Hit> hits(std::min(k, shard.passage_count()));
  hits.resize(blender.rank(lambda, hits));
  number_hits(hits, rows.first_passage);
  return hits;
}

}  // namespace pefa
