// pefa: which training queries stand in for test queries while an adapter is tuned, and what is left to train on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// What happens to training queries whose vectors are the same to the last bit: a question asked twice.
enum class DuplicateQueries {
  together,  ///< all are held out at once: how well unseen questions do
  apart      ///< each is a query of its own: right where future queries repeat past ones as often as these do
};

/// What happens to a training query that a passage has alone.
enum class LoneQueries {
  held_out,  ///< it may be held out: right where queries to come ask for passages without any as often as these singles
             ///< say (Good, Biometrika 1953)
  kept       ///< it trains, and so does one query of every passage: right where every passage has queries already
};

/// Which training queries are held out.
struct ValidationOptions {
  std::size_t folds = 5;        ///< 1: one held-out part; K >= 2: the validation queries in K parts, held out in turn
  double holdout = 0.2;         ///< folds = 1 only: the share of the queries with passages that is held out, in (0, 1)
  std::size_t max_queries = 0;  ///< how many queries are scored at most, sampled from all; 0: 2,000, and where passages
                                ///< are few, which makes a query cheap, 500,000 / passages, up to 6,000
  DuplicateQueries duplicates = DuplicateQueries::together;  ///< of queries that are the same
  LoneQueries lone = LoneQueries::held_out;                  ///< of queries that a passage has alone
  std::uint64_t seed = 1;                                    ///< the same seed gives the same split on every platform
};

/// Fewer validation queries than this say nothing about a mean.
inline constexpr std::size_t min_validation_queries = 10;

namespace detail {

/// How many validation queries a default takes.
[[nodiscard]] constexpr std::size_t affordable_queries(std::size_t n_passages) noexcept {
  return n_passages == 0 ? 2000 : std::clamp<std::size_t>(500'000 / n_passages, 2000, 6000);
}

/// The queries that have passages, in units that are held out together; units ascend by their first query.
template <class Scalar>
[[nodiscard]] std::vector<std::vector<QueryId>> validation_units(const EmbeddingView<Scalar>& queries,
                                                                 const RelevanceMatrix& relevance,
                                                                 DuplicateQueries duplicates) {
  std::vector<Row> order;
  for (Row q = 0; q < relevance.rows(); ++q) {
    if (relevance.passages_of(QueryId(q)).size() > 0) order.push_back(q);
  }
  const auto compare = [&](Row a, Row b) {
    const int values = std::memcmp(queries.row(a), queries.row(b), queries.dim() * sizeof(Scalar));
    if (values != 0 || queries.scale(a) == queries.scale(b)) return values;
    return queries.scale(a) < queries.scale(b) ? -1 : 1;
  };
  const bool together = duplicates == DuplicateQueries::together;
  if (together) {
    std::sort(order.begin(), order.end(), [&](Row a, Row b) {
      const int compared = compare(a, b);
      return compared != 0 ? compared < 0 : a < b;
    });
  }
  std::vector<std::vector<QueryId>> units;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || !together || compare(order[i - 1], order[i]) != 0) units.emplace_back();
    units.back().push_back(QueryId(order[i]));
  }
  std::sort(units.begin(), units.end());
  return units;
}

/// How many queries each passage has that are not held out. [n_passages]
class QueriesLeft {
 public:
  explicit QueriesLeft(const RelevanceMatrix& relevance) : relevance_(relevance), left_(relevance.cols(), 0) {
    for (Row q = 0; q < relevance.rows(); ++q) add(QueryId(q), 1);
  }

  void take(const std::vector<QueryId>& queries) {
    for (const QueryId query : queries) add(query, -1);
  }
  void give_back(const std::vector<QueryId>& queries) {
    for (const QueryId query : queries) add(query, 1);
  }

  /// Whether a passage of the query has none left.
  [[nodiscard]] bool is_cold(QueryId query) const {
    const auto passages = relevance_.passages_of(query).columns;
    return std::any_of(passages.begin(), passages.end(),
                       [&](std::int32_t passage) { return left_[static_cast<std::size_t>(passage)] == 0; });
  }
  [[nodiscard]] std::size_t count_cold(const std::vector<QueryId>& queries) const {
    return static_cast<std::size_t>(
        std::count_if(queries.begin(), queries.end(), [&](QueryId query) { return is_cold(query); }));
  }

 private:
  void add(QueryId query, int change) {
    for (const std::int32_t passage : relevance_.passages_of(query).columns) {
      left_[static_cast<std::size_t>(passage)] += change;
    }
  }

  const RelevanceMatrix& relevance_;
  std::vector<int> left_;
};

/// Fisher–Yates; the high half of a product is uniform up to 2^-32 and the same everywhere, unlike std::shuffle.
template <class T>
void shuffle(std::vector<T>& items, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (std::size_t n = items.size(); n > 1; --n) {
    const auto pick = static_cast<std::size_t>(((random() >> 32) * n) >> 32);
    std::swap(items[n - 1], items[pick]);
  }
}

inline void require_validation_options(const ValidationOptions& options) {
  if (options.folds == 0) fail<ValueError>("split_validation: folds is 0, expected at least 1");
  if (options.folds == 1 && !(options.holdout > 0.0 && options.holdout < 1.0)) {
    fail<ValueError>("split_validation: holdout is ", options.holdout, ", expected above 0 and below 1");
  }
  if (options.max_queries != 0 && options.max_queries < min_validation_queries) {
    fail<ValueError>("split_validation: max_queries is ", options.max_queries, ", expected at least ",
                     min_validation_queries);
  }
}

}  // namespace detail

/// Samples validation queries among those that have passages and cuts them into folds.
///
/// All other queries train in every fold, so a small sample takes little from the adapter; queries without passages
/// always train, as they would in a retriever. Near duplicates (a question and its rephrasing) are not looked for:
/// where future queries rephrase past ones, that is what the score should show.
///
/// @param queries    Q [n_train_queries x dim]
/// @param relevance  Y [n_train_queries x n_passages]
/// @return           at most options.folds lists of queries to hold out in turn, each ascending, none empty, no query
///                   twice; each leaves at least one pair to train on
/// @throws ShapeError  queries.size() != relevance.rows()
/// @throws ValueError  options out of range, fewer than min_validation_queries queries to score, a fold that leaves
///                     nothing to train on
/// O(n log n) comparisons of rows.
template <class Scalar>
[[nodiscard]] std::vector<std::vector<QueryId>> split_validation(const EmbeddingView<Scalar>& queries,
                                                                 const RelevanceMatrix& relevance,
                                                                 const ValidationOptions& options = {}) {
  if (queries.size() != relevance.rows()) {
    detail::fail<ShapeError>("split_validation: relevance has ", relevance.rows(), " rows, queries has ",
                             queries.size(), " (one row a training query)");
  }
  detail::require_validation_options(options);
  auto units = detail::validation_units(queries, relevance, options.duplicates);
  const std::size_t distinct = units.size();
  std::size_t eligible = 0;
  for (const auto& unit : units) eligible += unit.size();
  const auto share =
      options.folds == 1 ? static_cast<std::size_t>(options.holdout * static_cast<double>(eligible)) : eligible;
  const std::size_t most =
      options.max_queries != 0 ? options.max_queries : detail::affordable_queries(relevance.cols());
  const std::size_t target = std::min(most, share);

  detail::shuffle(units, options.seed);
  std::size_t taken = 0;
  detail::QueriesLeft left(relevance);
  std::erase_if(units, [&](const std::vector<QueryId>& unit) {  // a unit that no longer fits is passed over
    if (unit.size() > target - taken) return true;
    left.take(unit);
    if (options.lone == LoneQueries::kept && left.count_cold(unit) > 0) {
      left.give_back(unit);
      return true;
    }
    taken += unit.size();
    return false;
  });
  if (taken < min_validation_queries) {
    detail::fail<ValueError>("split_validation: ", taken, " queries to score, expected at least ",
                             min_validation_queries, "; of ", queries.size(), " training queries ", eligible,
                             " have passages, ", distinct, " distinct",
                             options.lone == LoneQueries::kept ? "; those that a passage has alone are kept" : "");
  }
  if (options.folds > taken) {
    detail::fail<ValueError>("split_validation: folds is ", options.folds, ", expected at most ", taken,
                             ", the number of queries to score");
  }

  std::vector<std::vector<QueryId>> folds(options.folds);
  std::size_t before = 0;
  for (const auto& unit : units) {
    auto& fold = folds[options.folds * before / taken];
    fold.insert(fold.end(), unit.begin(), unit.end());
    before += unit.size();
  }
  std::erase_if(folds, [](const auto& fold) { return fold.empty(); });
  for (auto& fold : folds) {
    std::sort(fold.begin(), fold.end());
    std::size_t held_out_pairs = 0;
    for (const QueryId query : fold) held_out_pairs += relevance.passages_of(query).size();
    if (held_out_pairs == relevance.pair_count()) {
      detail::fail<ValueError>("split_validation: holding out ", fold.size(),
                               " queries leaves no pair to train on; raise folds, or lower holdout or max_queries");
    }
  }
  return folds;
}

/// How many of the held-out queries have a passage whose training queries are all in the same fold: there the answer
/// rests on the plain model, or on ColdPassage. @param folds  as split_validation() gave them
[[nodiscard]] inline std::size_t count_cold(const RelevanceMatrix& relevance,
                                            const std::vector<std::vector<QueryId>>& folds) {
  std::size_t cold = 0;
  detail::QueriesLeft left(relevance);
  for (const auto& held_out : folds) {
    left.take(held_out);
    cold += left.count_cold(held_out);
    left.give_back(held_out);
  }
  return cold;
}

/// The queries of [0, size) that are not held out, ascending.
/// @throws ShapeError  a query past the end
[[nodiscard]] inline std::vector<QueryId> other_queries(std::size_t size, const std::vector<QueryId>& held_out) {
  std::vector<char> is_held_out(size, 0);
  for (const QueryId query : held_out) {
    if (query.row() >= size) detail::fail<ShapeError>("other_queries: query ", query, ", expected below ", size);
    is_held_out[query.row()] = 1;
  }
  std::vector<QueryId> others;
  for (Row q = 0; q < size; ++q) {
    if (is_held_out[q] == 0) others.push_back(QueryId(q));
  }
  return others;
}

/// Y with the rows of the held-out queries emptied; its shape stays.
/// @throws ShapeError  a query past the end
[[nodiscard]] inline RelevanceMatrix without_queries(const RelevanceMatrix& relevance,
                                                     const std::vector<QueryId>& held_out) {
  std::vector<char> keep(relevance.rows(), 0);
  for (const QueryId query : other_queries(relevance.rows(), held_out)) keep[query.row()] = 1;
  RelevanceMatrix::Sparse kept = relevance.sparse();
  kept.prune([&](Eigen::Index row, Eigen::Index, float) { return keep[static_cast<std::size_t>(row)] != 0; });
  return RelevanceMatrix::from_eigen(kept);
}

}  // namespace pefa
