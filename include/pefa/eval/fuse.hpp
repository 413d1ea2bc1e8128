// pefa: several rankings for one query made one: a lexical search beside a retriever of vectors, two encoders, two sets
// of fields. Ranks and scores are all it looks at; which method and which weights suit the data, tune_fusion.hpp finds.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/top_k.hpp"

namespace pefa {

/// What a list gives a passage that it has; see fuse().
enum class FuseMethod {
  rrf,    ///< reciprocal rank fusion: by rank alone
  dbsf,   ///< distribution-based score fusion: by score, between mean − 3σ and mean + 3σ of the list's scores
  linear  ///< by score, between the list's lowest and its highest
};

/// The names of FuseMethod.
template <>
inline constexpr std::array enum_names<FuseMethod>{"rrf", "dbsf", "linear"};

/// How lists are fused.
struct FuseParams {
  FuseMethod method = FuseMethod::rrf;  ///< what a list gives a passage
  std::vector<double> weights{};        ///< one a list, 0 to 10⁹, not all 0; empty: 1 each
  double rank_constant = 60.0;          ///< k of rrf, 0 to 10⁹
  std::size_t top_k = 0;                ///< how many passages are kept; 0: all

  /// Whether all fields are equal.
  friend bool operator==(const FuseParams&, const FuseParams&) = default;
};

/// Rankings of all queries, each best first, by row of the queries: what a batch search returns and a run file holds.
using Run = std::vector<std::vector<Hit>>;

namespace detail {

inline constexpr double most_fuse_weight = 1e9;

/// @throws ShapeError  another number of weights  @throws ValueError  a weight that is negative, too large or not
/// finite, or nothing but zeros
inline void require_fuse_weights(std::span<const double> weights, std::size_t n_lists) {
  if (weights.empty()) return;
  if (weights.size() != n_lists) {
    fail<ShapeError>("fuse: ", weights.size(), " weights for ", n_lists, " lists, expected one each");
  }
  bool any = false;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!is_finite(weights[i]) || weights[i] < 0.0 || weights[i] > most_fuse_weight) {
      fail<ValueError>("fuse: the weight of list ", i, " is ", weights[i], ", expected 0 to ", most_fuse_weight);
    }
    any = any || weights[i] > 0.0;
  }
  if (!any) fail<ValueError>("fuse: all ", weights.size(), " weights are 0, expected one above 0");
}

inline void require_rank_constant(double rank_constant) {
  if (!is_finite(rank_constant) || rank_constant < 0.0 || rank_constant > most_fuse_weight) {
    fail<ValueError>("fuse: rank_constant is ", rank_constant, ", expected 0 to ", most_fuse_weight);
  }
}

/// @throws ValueError  a score that is not finite, or higher than the one before
inline void require_ranking(std::span<const Hit> hits, std::size_t list, const std::string& where) {
  for (std::size_t rank = 0; rank < hits.size(); ++rank) {
    if (!is_finite(hits[rank].score)) {
      fail<ValueError>(where, "list ", list, ", hit ", rank, " has score ", hits[rank].score,
                       ", expected a finite one");
    }
    if (rank > 0 && hits[rank].score > hits[rank - 1].score) {
      fail<ValueError>(where, "list ", list, ", hit ", rank, " has a higher score, ", hits[rank].score,
                       ", than the one before, ", hits[rank - 1].score, "; expected the best first");
    }
  }
}

/// A score s becomes (s − low) / (high − low), at least 0; `otherwise` where high is not above low.
struct ScoreRange {
  double low;
  double high;
  double otherwise;

  [[nodiscard]] double place(float score) const noexcept {
    if (!(high > low)) return otherwise;
    return std::max(0.0, (static_cast<double>(score) - low) / (high - low));
  }
};

/// Mean ∓ 3σ, σ² = Σ (s − mean)² / (n − 1).
[[nodiscard]] inline ScoreRange distribution_range(std::span<const Hit> hits) {
  const auto n = static_cast<double>(hits.size());
  double sum = 0.0;
  for (const Hit& hit : hits) sum += static_cast<double>(hit.score);
  const double mean = sum / n;
  double squares = 0.0;
  for (const Hit& hit : hits) squares += std::pow(static_cast<double>(hit.score) - mean, 2);
  // Equal scores have no spread, whatever the rounding of their mean says.
  const bool has_spread = hits.size() > 1 && hits.front().score > hits.back().score;
  const double reach = has_spread ? 3.0 * std::sqrt(squares / (n - 1.0)) : 0.0;
  return {mean - reach, mean + reach, 0.5};
}

/// What each hit of one list is given. [hits.size()]
[[nodiscard]] inline std::vector<double> shares_of(std::span<const Hit> hits, FuseMethod method, double rank_constant) {
  std::vector<double> shares(hits.size());
  if (hits.empty()) return shares;
  if (method == FuseMethod::rrf) {
    for (std::size_t i = 0; i < hits.size(); ++i) shares[i] = 1.0 / (rank_constant + static_cast<double>(i + 1));
    return shares;
  }
  const ScoreRange range = method == FuseMethod::dbsf ? distribution_range(hits)
                                                      : ScoreRange{static_cast<double>(hits.back().score),
                                                                   static_cast<double>(hits.front().score), 1.0};
  for (std::size_t i = 0; i < hits.size(); ++i) shares[i] = range.place(hits[i].score);
  return shares;
}

/// The lists of one query, ready to be fused by any weights.
class FusionTable {
 public:
  /// The lists must outlive it. @param where  what messages begin with  @throws ValueError  as fuse()
  FusionTable(std::span<const std::span<const Hit>> lists, FuseMethod method, double rank_constant,
              const std::string& where)
      : lists_(lists) {
    shares_of_hits_.reserve(lists.size());
    for (std::size_t list = 0; list < lists.size(); ++list) {
      require_ranking(lists[list], list, where);
      shares_of_hits_.push_back(shares_of(lists[list], method, rank_constant));
      for (std::size_t i = 0; i < lists[list].size(); ++i) {
        cells_.push_back({lists[list][i].passage, list, shares_of_hits_[list][i]});
      }
    }
    std::sort(cells_.begin(), cells_.end(), [](const Cell& a, const Cell& b) {
      return a.passage != b.passage ? a.passage < b.passage : a.list < b.list;
    });
    for (std::size_t i = 1; i < cells_.size(); ++i) {
      if (cells_[i].passage == cells_[i - 1].passage && cells_[i].list == cells_[i - 1].list) {
        fail<ValueError>(where, "list ", cells_[i].list, " has passage ", cells_[i].passage, " twice");
      }
    }
  }

  /// The best `top_k`, 0 for all. @param weights  checked, one a list
  [[nodiscard]] std::vector<Hit> rank(std::span<const double> weights, std::size_t top_k) const {
    const auto counts = std::count_if(weights.begin(), weights.end(), [](double weight) { return weight > 0.0; });
    std::vector<Hit> ranking;
    if (counts == 1) {
      const auto alone = std::find_if(weights.begin(), weights.end(), [](double weight) { return weight > 0.0; });
      const auto list = static_cast<std::size_t>(alone - weights.begin());
      const std::size_t kept = top_k == 0 ? lists_[list].size() : std::min(top_k, lists_[list].size());
      for (std::size_t i = 0; i < kept; ++i) {
        ranking.push_back({lists_[list][i].passage, static_cast<float>(*alone * shares_of_hits_[list][i])});
      }
      return ranking;
    }
    std::vector<Neighbor> fused;
    for (std::size_t i = 0; i < cells_.size();) {
      const PassageId passage = cells_[i].passage;
      bool is_found = false;
      double score = 0.0;
      for (; i < cells_.size() && cells_[i].passage == passage; ++i) {
        const double weight = weights[cells_[i].list];
        is_found = is_found || weight > 0.0;
        score += weight * cells_[i].share;
      }
      if (is_found) fused.push_back({passage.row(), static_cast<float>(score)});
    }
    keep_best(fused, top_k == 0 ? fused.size() : top_k);
    ranking.reserve(fused.size());
    for (const Neighbor& each : fused) ranking.push_back({PassageId(each.row), each.score});
    return ranking;
  }

 private:
  struct Cell {
    PassageId passage;
    std::size_t list;
    double share;
  };

  std::span<const std::span<const Hit>> lists_;
  std::vector<std::vector<double>> shares_of_hits_;  // by list and rank
  std::vector<Cell> cells_;                          // by passage, then by list
};

/// fuse() with another beginning of its messages.
[[nodiscard]] inline std::vector<Hit> fuse_as(std::span<const std::span<const Hit>> lists, const FuseParams& params,
                                              const std::string& where) {
  require_fuse_weights(params.weights, lists.size());
  require_rank_constant(params.rank_constant);
  const std::vector<double> ones(lists.size(), 1.0);
  return FusionTable(lists, params.method, params.rank_constant, where)
      .rank(params.weights.empty() ? ones : params.weights, params.top_k);
}

}  // namespace detail

/// One ranking from several of the same query: score(p) = Σ_l w_l · share_l(p), with
///
///     rrf      share_l(p) = 1 / (k + rank_l(p)), rank from 1       Cormack, Clarke, Büttcher, SIGIR 2009
///     dbsf     share_l(p) = max(0, (s_l(p) − (μ_l − 3σ_l)) / 6σ_l)   μ_l, σ_l of the scores in l, σ with n − 1
///     linear   share_l(p) = (s_l(p) − min s_l) / (max s_l − min s_l)
///
/// A passage that a list lacks gets 0 from it, which is the least that any list gives. Where all scores of a list are
/// equal, or it has one hit, each of its hits gets 1 from linear (the list's best) and 1/2 from dbsf (its mean). An
/// empty list gives nothing to anyone. A list of weight 0 is as good as not there: what it alone has is not found, and
/// where one list alone has a weight, its ranking stays as it is, ties too. Otherwise equal scores, compared as
/// float32, order by ascending passage.
///
/// @param lists  one ranking each, best first, no passage twice in one; of different lengths if need be
/// @return       every passage that a list of a weight above 0 has, best first, or the best params.top_k of them
/// @throws ShapeError  another number of weights than of lists
/// @throws ValueError  a weight or rank_constant out of range, all weights 0; a score that is not finite, a list that
///                     is not best first or has a passage twice, whatever the method and the weight
/// O(n log n), n hits in all. Safe from any number of threads.
[[nodiscard]] inline std::vector<Hit> fuse(std::span<const std::span<const Hit>> lists, const FuseParams& params = {}) {
  return detail::fuse_as(lists, params, "fuse: ");
}

/// The same of lists that own their hits: fuse({lexical, dense}).
[[nodiscard]] inline std::vector<Hit> fuse(const std::vector<std::vector<Hit>>& lists, const FuseParams& params = {}) {
  const std::vector<std::span<const Hit>> spans(lists.begin(), lists.end());
  return fuse(std::span(spans), params);
}

/// fuse() for every query. @param runs  each of as many queries
/// @throws ShapeError  runs of different numbers of queries; and as fuse()
[[nodiscard]] inline Run fuse_runs(std::span<const Run> runs, const FuseParams& params = {}) {
  const std::size_t n_queries = runs.empty() ? 0 : runs.front().size();
  for (std::size_t run = 0; run < runs.size(); ++run) {
    if (runs[run].size() == n_queries) continue;
    detail::fail<ShapeError>("fuse_runs: run ", run, " has ", runs[run].size(), " queries, run 0 has ", n_queries);
  }
  Run fused(n_queries);
  std::vector<std::span<const Hit>> lists(runs.size());
  for (std::size_t query = 0; query < n_queries; ++query) {
    for (std::size_t run = 0; run < runs.size(); ++run) lists[run] = runs[run][query];
    fused[query] = detail::fuse_as(lists, params, detail::join_message("fuse_runs: query ", query, ", "));
  }
  return fused;
}

}  // namespace pefa
