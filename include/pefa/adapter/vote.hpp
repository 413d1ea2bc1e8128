// pefa: what the training queries near q̂ say about passages, and how that blends with the plain model. The whole of
// PEFA-XL's arithmetic, in steps that a host can part: nearest → cut() → weigh() → Ballot → Votes → Blender → hits.
//
// Over shards: append the shards' nearest queries and cut() them once, so that the gate sees the k nearest of all;
// count the votes where Y is, and merge() them; blend where the passages are, and take the best of the blends.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/knn_similarity.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// Leaves the k nearest training queries of one index or several, best first, ties by ascending row.
/// @param nearest  rows of the whole Q, in any order, none twice
inline void cut(std::vector<Neighbor>& nearest, std::size_t neighbors) {
  keep_best(nearest, neighbors);
}

/// The nearest training queries of one query, best first, and how loud each of them is.
struct Voters {
  std::vector<QueryId> queries;  ///< rows of Q; the other four are as long
  std::vector<float> ranked_by;  ///< s_i − β·(r_i − r̄): what they are sorted by and the gate sees; s_i where β = 0
  std::vector<float> similarities;  ///< s_i: see KnnSimilarity
  std::vector<float> weights;       ///< w_i, the gate's
  std::vector<float> strengths;  ///< what each adds to f_kNN of a passage with Y_ij = 1: w_i · s_i · scale, or of a
                                 ///< NeighborGate w_i · scale

  /// How many.
  [[nodiscard]] std::size_t size() const noexcept { return queries.size(); }
};

/// What a NeighborGate is shown, and works in; reuse it from query to query, so that none allocates.
struct NeighborVectors {
  std::vector<float> values;       ///< of the neighbours, one after the other
  std::vector<const float*> rows;  ///< where each begins
  std::vector<float> row;          ///< a row as its index holds it
  GateScratch scratch;             ///< the gate's
};

/// Weighs the neighbours by the gate.
/// @param nearest   cut() to k, with the scores of an index over inner product, or over l2 for KnnSimilarity::l2
/// @param scale     of this query
/// @param hubness   β·(r_i − r̄) of every training query, which the scores of the index lack; empty: they lack nothing
/// @param dim       elements of a training query
/// @param read_row  (Row, std::span<float> out): q_i; called for a gate that needs vectors
/// @param voters    overwritten
template <VoteGate G, class ReadRow>
void weigh(std::span<const Neighbor> nearest, const KnnScale& scale, std::span<const float> hubness, const G& gate,
           std::size_t dim, const ReadRow& read_row, NeighborVectors& vectors, Voters& voters) {
  voters.queries.clear();
  voters.ranked_by.clear();
  voters.similarities.clear();
  for (const Neighbor& neighbor : nearest) {
    const float ranked_by = scale.similarity(neighbor.score);
    voters.queries.push_back(QueryId(neighbor.row));
    voters.ranked_by.push_back(ranked_by);
    voters.similarities.push_back(hubness.empty() ? ranked_by : ranked_by + hubness[neighbor.row]);
  }
  voters.weights.resize(nearest.size());
  voters.strengths.resize(nearest.size());
  if (nearest.empty()) return;
  const std::span<const float> seen(voters.ranked_by);
  const std::span<float> weights(voters.weights);
  if constexpr (NeighborGate<G>) {
    vectors.rows.clear();
    if (needs_vectors(gate)) {
      vectors.values.resize(nearest.size() * dim);
      for (std::size_t i = 0; i < nearest.size(); ++i) {
        float* row = vectors.values.data() + i * dim;
        read_row(nearest[i].row, std::span<float>(row, dim));
        vectors.rows.push_back(row);
      }
    }
    gate(seen, std::span<const float* const>(vectors.rows), dim, weights, vectors.scratch);
  } else {
    gate(seen, weights);
  }
  const bool is_vote = needs_vectors(gate);
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    voters.strengths[i] = weights[i] * (is_vote ? 1.0f : voters.similarities[i]) * scale.vote_factor();
  }
}

/// The same by a gate that sees similarities alone, without hubness.
template <Gate G>
void weigh(std::span<const Neighbor> nearest, const KnnScale& scale, const G& gate, Voters& voters) {
  NeighborVectors none;
  weigh(
      nearest, scale, {}, gate, 0, [](Row, std::span<float>) {}, none, voters);
}

/// f_kNN(q̂, p_j) = Σ_i strength_i · Y_ij of the passages where it is not 0: ascending, each once.
class Votes {
 public:
  /// The passages with f_kNN as their score.
  [[nodiscard]] std::span<const Neighbor> passages() const noexcept { return passages_; }
  /// How many passages have a vote.
  [[nodiscard]] std::size_t size() const noexcept { return passages_.size(); }
  /// Whether none has.
  [[nodiscard]] bool empty() const noexcept { return passages_.empty(); }

  /// How many passages are voted down: each may make room for one more that has no vote.
  [[nodiscard]] std::size_t below_zero() const noexcept { return below_zero_; }

  /// Forgets them all, and keeps the memory.
  void clear() noexcept {
    passages_.clear();
    below_zero_ = 0;
  }

  /// Adds a passage behind all others; 0 is no vote.
  void add(PassageId passage, float score) {
    if (score == 0.0f) return;
    passages_.push_back({passage.row(), score});
    if (score < 0.0f) ++below_zero_;
  }

  /// Drops the passages that a filter does not admit. @param admits  (Row passage)
  template <class Admits>
  void keep(const Admits& admits) {
    std::erase_if(passages_, [&](const Neighbor& passage) { return !admits(passage.row); });
    below_zero_ = static_cast<std::size_t>(std::count_if(passages_.begin(), passages_.end(),
                                                         [](const Neighbor& passage) { return passage.score < 0.0f; }));
  }

  /// Adds the votes of other voters, from another part of Y.
  void merge(const Votes& other) {
    Votes sum;
    auto mine = passages_.begin();
    auto theirs = other.passages_.begin();
    while (mine != passages_.end() || theirs != other.passages_.end()) {
      const bool take_mine = theirs == other.passages_.end() || (mine != passages_.end() && mine->row <= theirs->row);
      const bool take_theirs = mine == passages_.end() || (theirs != other.passages_.end() && theirs->row <= mine->row);
      const Row passage = take_mine ? mine->row : theirs->row;
      const float score = take_mine && take_theirs ? mine->score + theirs->score
                          : take_mine              ? mine->score
                                                   : theirs->score;
      sum.add(PassageId(passage), score);
      if (take_mine) ++mine;
      if (take_theirs) ++theirs;
    }
    *this = std::move(sum);
  }

 private:
  std::vector<Neighbor> passages_;
  std::size_t below_zero_ = 0;
};

/// The votes of a query's neighbours, sorted by passage once, to be counted under any strengths of theirs. Not for
/// concurrent use; reuse it from query to query, so that none allocates.
class Ballot {
 public:
  /// Takes up what the voters' rows of Y name.
  void gather(std::span<const QueryId> voters, const RelevanceMatrix& relevance) {
    gather(voters.size(), [&](std::size_t i) { return relevance.passages_of(voters[i]); });
  }

  /// The same of rows that are kept elsewhere. @param entries_of  (std::size_t voter): RelevanceMatrix::Entries
  template <class EntriesOf>
  void gather(std::size_t voters, const EntriesOf& entries_of) {
    entries_.clear();
    for (std::size_t i = 0; i < voters; ++i) {
      const RelevanceMatrix::Entries named = entries_of(i);
      for (std::size_t e = 0; e < named.size(); ++e) {
        entries_.push_back({static_cast<Row>(named.columns[e]), static_cast<std::uint32_t>(i), named.weights[e]});
      }
    }
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return a.passage < b.passage || (a.passage == b.passage && a.voter < b.voter);
    });
  }

  /// Calls on_passage(passage) for every passage that is named, ascending.
  template <class OnPassage>
  void for_each_passage(const OnPassage& on_passage) const {
    for (std::size_t e = 0; e < entries_.size(); ++e) {
      if (e == 0 || entries_[e].passage != entries_[e - 1].passage) on_passage(PassageId(entries_[e].passage));
    }
  }

  /// Counts the votes of the first strengths.size() voters; a passage's add up in their order, on every run.
  /// @param votes  overwritten
  void count(std::span<const float> strengths, Votes& votes) const {
    votes.clear();
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      const Row passage = entry->passage;
      float score = 0.0f;
      for (; entry != entries_.end() && entry->passage == passage; ++entry) {
        if (entry->voter < strengths.size()) score += strengths[entry->voter] * entry->weight;
      }
      votes.add(PassageId(passage), score);
    }
  }

 private:
  struct Entry {
    Row passage;
    std::uint32_t voter;
    float weight;  // Y_ij
  };
  std::vector<Entry> entries_;
};

/// The votes of a query's neighbours, at once. @param relevance  the rows of Y that they name
[[nodiscard]] inline Votes votes_of(const Voters& voters, const RelevanceMatrix& relevance) {
  Ballot ballot;
  ballot.gather(voters.queries, relevance);
  Votes votes;
  ballot.count(voters.strengths, votes);
  return votes;
}

/// How many passages the ERM side has to offer for the best k of a blend: a passage behind its k best and without a
/// vote is behind those k in the blend as well, unless some of them are voted down.
/// @param passage_candidates  at least so many; see PefaXlParams
[[nodiscard]] inline std::size_t erm_candidates(std::size_t k, const Votes& votes, std::size_t n_passages,
                                                std::size_t passage_candidates, MissingErmScore missing) noexcept {
  const std::size_t least = passage_candidates == 0 && missing == MissingErmScore::zero ? 500 : passage_candidates;
  return std::max(std::min(k, n_passages) + votes.below_zero(), least);
}

/// Ranks passages by λ·⟨q̂, p_j⟩ + (1 − λ)·f_kNN(q̂, p_j): those that the ERM side offers and those that have votes.
///
/// Passages with votes come in the order of their scores, equal ones by id. Those without come in the order of the ERM
/// side, which λ = 0, where all of them score 0, leaves as it is. Between the two, equal scores order by id.
/// Not for concurrent use; reuse it from query to query, so that none allocates.
class Blender {
 public:
  /// Takes up the two sides of a query; `votes` must live until the last rank().
  /// @param erm         what the ERM side offers, best first, ties by ascending row
  /// @param erm_scores  (std::span<const Row> passages, std::span<float> scores): fills in ⟨q̂, p_j⟩ of the passages,
  ///                    ascending, that have votes and are not offered; not called under MissingErmScore::zero, nor for
  ///                    none
  template <class ErmScores>
  void start(std::span<const Neighbor> erm, const Votes& votes, MissingErmScore missing, const ErmScores& erm_scores) {
    votes_ = votes.passages();
    erm_of_voted_.assign(votes_.size(), 0.0f);
    is_offered_.assign(votes_.size(), 0);
    unvoted_.clear();
    for (const Neighbor& passage : erm) {
      const auto vote = std::lower_bound(votes_.begin(), votes_.end(), passage.row,
                                         [](const Neighbor& voted, Row row) { return voted.row < row; });
      if (vote == votes_.end() || vote->row != passage.row) {
        unvoted_.push_back(passage);
        continue;
      }
      const auto v = static_cast<std::size_t>(vote - votes_.begin());
      erm_of_voted_[v] = passage.score;
      is_offered_[v] = 1;
    }
    if (missing == MissingErmScore::exact) add_missing_scores(erm_scores);
  }

  /// Writes the best passages to `hits`, best first; returns how many.
  [[nodiscard]] std::size_t rank(float lambda, std::span<Hit> hits) {
    voted_.clear();
    for (std::size_t v = 0; v < votes_.size(); ++v) {
      const float score = erm_part(lambda, erm_of_voted_[v]) + (1.0f - lambda) * votes_[v].score;
      voted_.push_back({votes_[v].row, detail::rankable(score)});
    }
    keep_best(voted_, hits.size());
    std::size_t count = 0;
    auto voted = voted_.begin();
    auto unvoted = unvoted_.begin();
    for (; count < hits.size() && (voted != voted_.end() || unvoted != unvoted_.end()); ++count) {
      const Neighbor other =
          unvoted == unvoted_.end() ? Neighbor{} : Neighbor{unvoted->row, erm_part(lambda, unvoted->score)};
      if (unvoted == unvoted_.end() || (voted != voted_.end() && ranks_before(*voted, other))) {
        hits[count] = {PassageId(voted->row), voted->score};
        ++voted;
      } else {
        hits[count] = {PassageId(other.row), other.score};
        ++unvoted;
      }
    }
    return count;
  }

  /// λ·⟨q̂, p_j⟩; at λ = 0 it is 0, be the other factor infinite.
  [[nodiscard]] static float erm_part(float lambda, float erm_score) noexcept {
    return lambda == 0.0f ? 0.0f : lambda * erm_score;
  }

 private:
  template <class ErmScores>
  void add_missing_scores(const ErmScores& erm_scores) {
    missing_.clear();
    for (std::size_t v = 0; v < votes_.size(); ++v) {
      if (is_offered_[v] == 0) missing_.push_back(votes_[v].row);
    }
    if (missing_.empty()) return;
    missing_scores_.resize(missing_.size());
    erm_scores(std::span<const Row>(missing_), std::span<float>(missing_scores_));
    std::size_t next = 0;
    for (std::size_t v = 0; v < votes_.size(); ++v) {
      if (is_offered_[v] == 0) erm_of_voted_[v] = missing_scores_[next++];
    }
  }

  std::span<const Neighbor> votes_;
  std::vector<Neighbor> unvoted_;    // with ⟨q̂, p_j⟩, in the order of the ERM side
  std::vector<float> erm_of_voted_;  // ⟨q̂, p_j⟩ of votes_
  std::vector<char> is_offered_;     // whether the ERM side has them
  std::vector<Row> missing_;
  std::vector<float> missing_scores_;
  std::vector<Neighbor> voted_;  // with their blended scores
};

}  // namespace pefa
