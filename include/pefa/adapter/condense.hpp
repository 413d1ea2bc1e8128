// pefa: fewer training queries for PEFA-XL: those that ask nearly the same for the same passages become one.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa {

/// What the weights Y_ij of merged queries come to.
///
/// The gates see neighbours, not what they stand for. With `mean` every gate keeps its range, and a question asked a
/// hundred times votes once: on measured data that is better than the whole log. With `sum` a merged query votes as
/// all of its members: under SumGate that is what PEFA-XL did before; under MeanGate and SoftmaxGate, whose weights add
/// up to 1, f_kNN grows by how many queries were merged, so that λ must be found anew.
enum class CondensedWeight { mean, sum };

/// Which training queries merge, and how a merged one votes.
struct CondenseParams {
  float min_cosine = 0.85f;  ///< to the mean of those it joins; 0 to 1, where 1 merges equal directions only
  CondensedWeight weight = CondensedWeight::mean;  ///< what a merged query says of a passage
};

/// Training queries after merging, in the order of their first members.
struct CondensedQueries {
  EmbeddingStore<float> queries;      ///< [n_condensed x dim]
  RelevanceMatrix relevance;          ///< [n_condensed x n_passages]
  std::vector<QueryId> condensed_of;  ///< [n_train_queries], the condensed query that each became part of
};

namespace detail {

/// The rows of Y that name the same passages, whatever the weights; rows ascend within a group.
[[nodiscard]] inline std::vector<std::vector<Row>> rows_of_equal_passages(const RelevanceMatrix& relevance) {
  const auto passages = [&](Row i) { return relevance.passages_of(QueryId(i)).columns; };
  std::vector<Row> order(relevance.rows());
  std::iota(order.begin(), order.end(), Row{0});
  std::stable_sort(order.begin(), order.end(), [&](Row a, Row b) {
    return std::lexicographical_compare(passages(a).begin(), passages(a).end(), passages(b).begin(), passages(b).end());
  });
  std::vector<std::vector<Row>> groups;
  for (const Row i : order) {
    const bool same =
        !groups.empty() && std::equal(passages(i).begin(), passages(i).end(), passages(groups.back()[0]).begin(),
                                      passages(groups.back()[0]).end());
    if (!same) groups.emplace_back();
    groups.back().push_back(i);
  }
  return groups;
}

/// How much a query counts in the mean it is merged into: the sum of its weights, 1 where it has no passage.
[[nodiscard]] inline double query_mass(const RelevanceMatrix& relevance, Row query) {
  const auto weights = relevance.passages_of(QueryId(query)).weights;
  return weights.empty() ? 1.0 : std::accumulate(weights.begin(), weights.end(), 0.0);
}

/// Row i in the type of sums.
template <class Real, class Scalar>
[[nodiscard]] Eigen::Matrix<Real, Eigen::Dynamic, 1> decoded_row(const EmbeddingView<Scalar>& rows, std::size_t i) {
  std::vector<float> row(rows.dim());
  rows.decode(i, row.data());
  Eigen::Matrix<Real, Eigen::Dynamic, 1> wide(static_cast<Eigen::Index>(row.size()));
  std::copy(row.begin(), row.end(), wide.data());
  return wide;
}

/// Leader clustering with running means: each row joins the cluster whose mean is nearest, if near enough, else founds
/// one. Writes to leader_of[row] the first member of its cluster.
///
/// As cosines of 0 and more join, a sum only grows: no mean is ever zero.
/// @tparam Real  of the sums; named, so that Eigen's products are compiled with the call, not with this header
template <class Scalar, class Real = double>
void cluster_group(const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                   const std::vector<Row>& group, double min_cosine, std::vector<Row>& leader_of) {
  constexpr double rounding = 1e-6;  // what float leaves between the directions of equal rows
  Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> sums(1, queries.dim());
  std::vector<double> norms;
  std::vector<Row> leaders;
  for (const Row i : group) {
    const Eigen::Matrix<Real, Eigen::Dynamic, 1> row = decoded_row<Real>(queries, i);
    const auto used = static_cast<Eigen::Index>(leaders.size());
    const Eigen::Matrix<Real, Eigen::Dynamic, 1> products = sums.topRows(used) * row;
    double best = (min_cosine - rounding) * row.norm();
    Eigen::Index nearest = -1;
    for (Eigen::Index c = 0; c < used; ++c) {
      const double projection = products[c] / norms[static_cast<std::size_t>(c)];
      if (projection > best || (nearest < 0 && projection == best)) {
        best = projection;
        nearest = c;
      }
    }
    if (nearest < 0) {
      nearest = used;
      if (used == sums.rows()) sums.conservativeResize(2 * used, Eigen::NoChange);
      sums.row(used).setZero();
      norms.push_back(0.0);
      leaders.push_back(i);
    }
    sums.row(nearest) += query_mass(relevance, i) * row;
    norms[static_cast<std::size_t>(nearest)] = sums.row(nearest).norm();
    leader_of[i] = leaders[static_cast<std::size_t>(nearest)];
  }
}

/// The mean direction of some rows at their mean length; one row alone is kept to the bit.
template <class Scalar, class Real = double>
void merge_rows(const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance, const std::vector<Row>& members,
                float* out) {
  if (members.size() == 1) return queries.decode(members[0], out);
  using Vector = Eigen::Matrix<Real, Eigen::Dynamic, 1>;
  Vector sum = Vector::Zero(static_cast<Eigen::Index>(queries.dim()));
  double length = 0.0;
  double mass = 0.0;
  for (const Row i : members) {
    const Vector row = decoded_row<Real>(queries, i);
    const double weight = query_mass(relevance, i);
    sum += weight * row;
    length += weight * row.norm();
    mass += weight;
  }
  sum *= length / mass / sum.norm();
  for (Eigen::Index d = 0; d < sum.size(); ++d) out[d] = static_cast<float>(sum[d]);
}

}  // namespace detail

/// Merges training queries that point in nearly the same direction and name the same passages (whatever the weights).
///
/// Each query in turn joins the merged query it is nearest to, if the cosine to its mean is at least min_cosine, else
/// starts one. A merged query is the mean of its members, by the sums of their weights: its direction, at the members'
/// mean length. PEFA-XL then holds fewer vectors, and its k neighbours are k different questions.
///
/// @param queries    Q [n_train_queries x dim], finite, not zero
/// @param relevance  Y [n_train_queries x n_passages]
/// @throws ShapeError  queries.size() != relevance.rows()
/// @throws ValueError  min_cosine outside [0, 1], a row that is not finite, or zero
/// @throws Cancelled   the progress callback said stop
/// O(n · merged queries of the same passages · dim) time. The same bits for any number of threads.
template <class Scalar>
[[nodiscard]] CondensedQueries condense_queries(const EmbeddingView<Scalar>& queries, const RelevanceMatrix& relevance,
                                                const CondenseParams& params = {}, const BuildOptions& options = {}) {
  constexpr const char* who = "condense_queries";
  if (!(params.min_cosine >= 0.0f && params.min_cosine <= 1.0f)) {
    detail::fail<ValueError>(who, ": min_cosine is ", params.min_cosine, ", expected 0 to 1");
  }
  if (queries.size() != relevance.rows()) {
    detail::fail<ShapeError>(who, ": relevance has ", relevance.rows(), " rows, queries has ", queries.size(),
                             " (one row a training query)");
  }
  require_valid_rows(queries, RowCheck::finite_non_zero, "condense_queries: queries");

  const auto groups = detail::rows_of_equal_passages(relevance);
  std::vector<Row> leader_of(queries.size());
  ProgressMeter meter(options.progress, queries.size(), who);
  options.executor.run(groups.size(), [&](std::size_t g) {
    detail::cluster_group(queries, relevance, groups[g], static_cast<double>(params.min_cosine), leader_of);
    meter.add(groups[g].size());
  });

  std::vector<QueryId> condensed_of(queries.size());
  std::vector<std::vector<Row>> members;
  for (Row i = 0; i < leader_of.size(); ++i) {
    if (leader_of[i] == i) {
      condensed_of[i] = QueryId(static_cast<Row>(members.size()));
      members.emplace_back();
    } else {
      condensed_of[i] = condensed_of[leader_of[i]];  // a leader comes before its members
    }
    members[condensed_of[i].row()].push_back(i);
  }

  auto merged = EmbeddingStore<float>::for_overwrite(members.size(), queries.dim());
  options.executor.run(members.size(), [&](std::size_t c) {
    detail::merge_rows(queries, relevance, members[c], merged.mutable_row(c));
  });

  std::vector<RelevancePair> pairs;
  std::vector<double> weights;
  for (std::size_t c = 0; c < members.size(); ++c) {
    const auto passages = relevance.passages_of(QueryId(members[c][0])).columns;
    weights.assign(passages.size(), 0.0);
    for (const Row i : members[c]) {
      const auto own = relevance.passages_of(QueryId(i)).weights;
      for (std::size_t e = 0; e < own.size(); ++e) weights[e] += static_cast<double>(own[e]);
    }
    const double divisor = params.weight == CondensedWeight::mean ? static_cast<double>(members[c].size()) : 1.0;
    for (std::size_t e = 0; e < passages.size(); ++e) {
      pairs.push_back({QueryId(static_cast<Row>(c)), PassageId(static_cast<Row>(passages[e])),
                       static_cast<float>(weights[e] / divisor)});
    }
  }
  return {std::move(merged), RelevanceMatrix::from_pairs(pairs, members.size(), relevance.cols()),
          std::move(condensed_of)};
}

}  // namespace pefa
