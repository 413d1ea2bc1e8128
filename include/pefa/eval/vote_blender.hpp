// pefa: PEFA-XL's ranking of one query under many gates, k and λ. What depends on the query alone is done once; each
// setting then costs little more than its votes. tune()'s tool, no retriever: see PefaXl for that.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "pefa/adapter/gate.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// Ranks the candidates of PefaXl::search, by the same sums in the same order: the passages that the ERM side offers
/// and those that the k nearest training queries vote for.
///
/// Neighbours come best first, so those of a smaller k are a prefix. Voted passages are numbered in the order in which
/// the neighbours name them, so theirs are a prefix too. Of the passages without a vote only the order of λ·⟨q̂, p⟩
/// matters, which is the ERM side's own, sorted once. Not for concurrent use; reuse it from query to query.
class VoteBlender {
 public:
  /// @param lambdas             the λ that rank() will be asked for
  /// @param depth               how many hits rank() returns at most
  /// @param passage_candidates  as in PefaXlParams
  VoteBlender(std::size_t n_passages, std::span<const float> lambdas, std::size_t depth, std::size_t passage_candidates)
      : lambdas_(lambdas.begin(), lambdas.end()),
        depth_(depth),
        passage_candidates_(passage_candidates),
        number_of_(n_passages, none),
        offered_(lambdas.size()) {}

  /// Takes up a query.
  /// @param erm        what the ERM side offers, best first, at least as many as PefaXl would ask for
  /// @param nearest    the nearest training queries, best first, as rows of Y
  /// @param relevance  Y
  /// @param erm_score  Row -> float: ⟨q̂, p⟩ of a passage that `erm` does not hold
  template <class ErmScore>
  void start(std::span<const Neighbor> erm, std::span<const Neighbor> nearest, const RelevanceMatrix& relevance,
             const ErmScore& erm_score) {
    votes_.clear();
    voted_.clear();
    ends_.clear();
    similarities_.clear();
    for (const Neighbor& neighbor : nearest) {
      const RelevanceMatrix::Entries entries = relevance.passages_of(QueryId(neighbor.row));
      for (std::size_t e = 0; e < entries.size(); ++e) {
        const auto passage = static_cast<Row>(entries.columns[e]);
        std::uint32_t& number = number_of_[passage];
        if (number == none) {
          number = static_cast<std::uint32_t>(voted_.size());
          voted_.push_back({passage, 0.0f});
        }
        votes_.push_back({number, entries.weights[e]});
      }
      ends_.push_back({votes_.size(), voted_.size()});
      similarities_.push_back(neighbor.score);
    }
    take_offers(erm, erm_score);
    for (const Neighbor& passage : voted_) number_of_[passage.row] = none;
  }

  /// Counts the votes of the k nearest (fewer where there are fewer), weighted by the gate: f_kNN.
  void count_votes(std::size_t k, const AnyGate& gate) {
    const std::size_t count = std::min(k, ends_.size());
    knn_.assign(count == 0 ? 0 : ends_[count - 1].voted, 0.0f);
    offers_ = std::max(depth_, passage_candidates_);
    if (count == 0) return;
    const std::span<const float> similarities(similarities_.data(), count);
    weights_.resize(count);
    gate(similarities, weights_);
    std::size_t v = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const float vote = weights_[i] * similarities[i];
      for (; v < ends_[i].votes; ++v) knn_[votes_[v].number] += vote * votes_[v].weight;
    }
    // A vote below 0 may push a passage back behind one that the ERM side ranks lower: PefaXl then asks it for more.
    const auto below_zero = std::count_if(knn_.begin(), knn_.end(), [](float score) { return score < 0.0f; });
    offers_ = std::max(depth_ + static_cast<std::size_t>(below_zero), passage_candidates_);
  }

  /// The best passages under the votes last counted and lambdas[l]; valid until the next call.
  [[nodiscard]] std::span<const Hit> rank(std::size_t l) {
    const float lambda = lambdas_[l];
    best_voted_.clear();
    for (std::size_t n = 0; n < knn_.size(); ++n) {
      best_voted_.push_back({voted_[n].row, lambda * voted_[n].score + (1.0f - lambda) * knn_[n]});
    }
    keep_best(best_voted_, depth_);

    hits_.clear();
    auto voted = best_voted_.begin();
    auto offer = offered_[l].begin();
    while (hits_.size() < depth_) {
      // A passage whose votes count is in the other list.
      while (offer != offered_[l].end() && (offer->number < knn_.size() || offer->erm_rank >= offers_)) ++offer;
      const bool offers_left = offer != offered_[l].end();
      if (voted != best_voted_.end() && (!offers_left || ranks_before(*voted, offer->passage))) {
        hits_.push_back({PassageId(voted->row), voted->score});
        ++voted;
      } else if (offers_left) {
        hits_.push_back({PassageId(offer->passage.row), offer->passage.score});
        ++offer;
      } else {
        break;
      }
    }
    return hits_;
  }

 private:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  struct Vote {
    std::uint32_t number;  // of the voted passage
    float weight;          // Y_ij
  };
  struct Ends {  // after a neighbour: how many votes, and how many distinct passages, it and those before it have
    std::size_t votes;
    std::size_t voted;
  };
  struct Offer {
    Neighbor passage;      // with λ·⟨q̂, p⟩
    std::uint32_t number;  // of the voted passage that it is; none where no neighbour votes for it
    std::size_t erm_rank;
  };

  /// Fills in the ERM scores of the voted passages, and for every λ the ERM side in the order of its scores.
  template <class ErmScore>
  void take_offers(std::span<const Neighbor> erm, const ErmScore& erm_score) {
    offered_numbers_.clear();
    known_.assign(voted_.size(), 0);
    for (const Neighbor& passage : erm) {
      const std::uint32_t number = number_of_[passage.row];
      offered_numbers_.push_back(number);
      if (number == none) continue;
      voted_[number].score = passage.score;
      known_[number] = 1;
    }
    for (std::size_t n = 0; n < voted_.size(); ++n) {
      if (known_[n] == 0) voted_[n].score = erm_score(voted_[n].row);
    }
    const auto before = [](const Offer& a, const Offer& b) { return ranks_before(a.passage, b.passage); };
    for (std::size_t l = 0; l < lambdas_.size(); ++l) {
      offered_[l].clear();
      for (std::size_t i = 0; i < erm.size(); ++i) {
        offered_[l].push_back({{erm[i].row, lambdas_[l] * erm[i].score}, offered_numbers_[i], i});
      }
      // A product may round two scores to one, and λ = 0 makes all equal: then ids decide.
      if (!std::is_sorted(offered_[l].begin(), offered_[l].end(), before)) {
        std::sort(offered_[l].begin(), offered_[l].end(), before);
      }
    }
  }

  std::vector<float> lambdas_;
  std::size_t depth_;
  std::size_t passage_candidates_;
  std::size_t offers_ = 0;                   // how many of the ERM side are candidates under the votes last counted
  std::vector<std::uint32_t> number_of_;     // by passage; none but while start() runs
  std::vector<Neighbor> voted_;              // by number, with ⟨q̂, p⟩
  std::vector<Vote> votes_;                  // in the order of the neighbours
  std::vector<Ends> ends_;                   // by neighbour
  std::vector<float> similarities_;          // by neighbour
  std::vector<std::vector<Offer>> offered_;  // by λ, best first
  std::vector<std::uint32_t> offered_numbers_;
  std::vector<char> known_;
  std::vector<float> weights_;
  std::vector<float> knn_;  // by number
  std::vector<Neighbor> best_voted_;
  std::vector<Hit> hits_;
};

}  // namespace pefa::detail
