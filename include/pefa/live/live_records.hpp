// pefa: what a live retriever knows of a passage, of a training query and of how events are counted, and what it tells
// of all of them. Records are immutable once a search may see them; a change makes another.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::live {

/// What a pair's total becomes in Y.
enum class Weighting {
  total,          ///< the total itself
  binary,         ///< 1: relevant or not, however often
  log1p,          ///< ln(1 + total): clicks with diminishing returns
  row_normalized  ///< the total over the sum of the query's totals, so that every query has the same say
};

/// What happens to a pair of a passage or a training query that is not known.
enum class UnknownIds {
  refuse,  ///< it is refused by name
  park     ///< it waits until both are known
};

/// How events are counted.
struct CountingParams {
  DuplicatePolicy duplicates = DuplicatePolicy::sum;  ///< what several events of one pair come to
  Weighting weighting = Weighting::total;             ///< what that becomes in Y
  UnknownIds unknown = UnknownIds::refuse;            ///< what happens to pairs of unknown ids
  std::size_t max_parked = 100'000;                   ///< pairs that wait at most; more are refused
  std::size_t max_queries = 10'000'000;               ///< training queries at most; more are refused
  double retire = 0.0;     ///< the share of max_queries that a merge frees, see RetireQuery; 0: none, below 1
  double half_life = 0.0;  ///< at a merge totals halve for every so much time since the last one; 0: they stay

  /// Whether all members are equal.
  friend bool operator==(const CountingParams&, const CountingParams&) = default;
};

/// What became of an event.
enum class ItemStatus {
  applied,    ///< searches see it
  unchanged,  ///< there was nothing to do: what it takes away is not there
  parked,     ///< it waits for an id
  refused     ///< it did nothing, and never will
};

/// What became of an event, and why.
struct ItemResult {
  ItemStatus status = ItemStatus::applied;  ///< what became of it
  std::string reason{};                     ///< of what is parked or refused: a sentence that names the id
};

}  // namespace pefa::live

namespace pefa {

/// Their names.
template <>
inline constexpr std::array enum_names<live::Weighting>{"total", "binary", "log1p", "row_normalized"};
/// Their names.
template <>
inline constexpr std::array enum_names<live::UnknownIds>{"refuse", "park"};
/// Their names.
template <>
inline constexpr std::array enum_names<live::ItemStatus>{"applied", "unchanged", "parked", "refused"};

}  // namespace pefa

namespace pefa::live::detail {

/// A vector that records share.
using SharedVector = std::shared_ptr<const float>;

/// A vector of its own memory.
[[nodiscard]] inline SharedVector share_vector(std::span<const float> values) {
  auto block = std::make_shared<std::vector<float>>(values.begin(), values.end());
  const float* first = block->data();
  return {std::move(block), first};
}

/// A passage as it is now.
struct LivePassage {
  std::string id;
  std::string tags;
  SharedVector vector;
  std::vector<Row> queries;  ///< those it has a pair with, ascending
};

/// A training query as it is now.
struct LiveQuery {
  std::string id;
  std::string owner;  ///< empty: nobody
  SharedVector vector;
  std::vector<std::int32_t> passages;  ///< those it has a pair with, ascending; the other two are as long
  std::vector<double> totals;          ///< what the events of each pair came to
  std::vector<float> weights;          ///< Y_ij

  /// Its row of Y.
  [[nodiscard]] RelevanceMatrix::Entries entries() const noexcept { return {passages, weights}; }

  /// Where the pair with a passage is, or would be.
  [[nodiscard]] std::size_t find(Row passage) const {
    const auto at = std::lower_bound(passages.begin(), passages.end(), static_cast<std::int32_t>(passage));
    return static_cast<std::size_t>(at - passages.begin());
  }
  /// Whether it has a pair with a passage. @param at  as find() told
  [[nodiscard]] bool has(Row passage, std::size_t at) const {
    return at < passages.size() && passages[at] == static_cast<std::int32_t>(passage);
  }
};

/// Makes Y_ij of the totals.
inline void reweigh(LiveQuery& query, Weighting weighting) {
  query.weights.resize(query.totals.size());
  double sum = 0.0;
  for (const double total : query.totals) sum += total;
  for (std::size_t i = 0; i < query.totals.size(); ++i) {
    const auto total = static_cast<float>(query.totals[i]);
    switch (weighting) {
      case Weighting::total: query.weights[i] = total; break;
      case Weighting::binary: query.weights[i] = 1.0f; break;
      case Weighting::log1p: query.weights[i] = std::log1p(total); break;
      case Weighting::row_normalized: query.weights[i] = static_cast<float>(query.totals[i] / sum); break;
    }
    // Relevant stays relevant.
    query.weights[i] = std::max(query.weights[i], std::numeric_limits<float>::denorm_min());
  }
}

/// Rows that events touched, ascending, each once.
struct LiveChanges {
  std::vector<Row> moved;    ///< passages that are new, gone or of another vector
  std::vector<Row> voted;    ///< passages whose training queries, their vectors or weights changed
  std::vector<Row> queries;  ///< training queries that are new, gone, of another vector, or got a first pair or lost
                             ///< the last
};

/// What a state holds, counted.
struct LiveCounts {
  std::size_t passages = 0;
  std::size_t queries = 0;  ///< known
  std::size_t served = 0;   ///< those with a pair
  std::size_t pairs = 0;
  std::size_t forgotten = 0;    ///< events that asked to forget, since the state was made
  double weight = 0.0;          ///< Σ of the totals
  double changed_weight = 0.0;  ///< added or taken away since the state was made
  double squares = 0.0;         ///< Σ‖q_i‖² of the served
};

}  // namespace pefa::live::detail
