// What a setting of a tuning grid scores by the retriever itself: slow, and leaves no doubt.
#pragma once

#include <utility>
#include <vector>

#include "catch.hpp"
#include "pefa/adapter/condense.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/eval/evaluate.hpp"
#include "pefa/index/flat_index.hpp"
#include "tuning_problem.hpp"

namespace pefa::test {

inline RowMajorMatrix rows_of(const RowMajorMatrix& matrix, const std::vector<QueryId>& ids) {
  RowMajorMatrix rows(static_cast<Eigen::Index>(ids.size()), matrix.cols());
  for (std::size_t i = 0; i < ids.size(); ++i) rows.row(static_cast<Eigen::Index>(i)) = matrix.row(ids[i].row());
  return rows;
}

inline RelevanceMatrix rows_of(const RelevanceMatrix& relevance, const std::vector<QueryId>& ids) {
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < ids.size(); ++i) {
    const auto entries = relevance.passages_of(ids[i]);
    for (std::size_t e = 0; e < entries.size(); ++e) {
      pairs.push_back({QueryId(i), PassageId(static_cast<Row>(entries.columns[e])), entries.weights[e]});
    }
  }
  return RelevanceMatrix::from_pairs(pairs, ids.size(), relevance.cols());
}

template <class R>
inline double measure(const R& retriever, const RowMajorMatrix& queries, const RelevanceMatrix& truth,
                      const TuneOptions& options) {
  const std::vector<std::size_t> at{options.at};
  const auto report =
      evaluate(retriever, queries, truth, {.recall_at = at, .ndcg_at = at, .mrr_at = at, .bootstrap_samples = 0});
  switch (options.metric) {
    case TuneMetric::recall: return report.recall.at(options.at).mean;
    case TuneMetric::ndcg: return report.ndcg.at(options.at).mean;
    case TuneMetric::mrr: return report.mrr.at(options.at).mean;
  }
  return -1.0;
}

/// The setting on one fold, by the retriever itself, built without the fold's queries.
inline double measure(const TuneEntry& entry, const TuningProblem& problem, const std::vector<QueryId>& held_out,
                      const TuneOptions& options) {
  const auto training = other_queries(problem.relevance.rows(), held_out);
  const RowMajorMatrix queries = rows_of(problem.queries, training);
  const RelevanceMatrix relevance = rows_of(problem.relevance, training);
  const RowMajorMatrix tests = rows_of(problem.queries, held_out);
  const RelevanceMatrix truth = rows_of(problem.relevance, held_out);
  switch (entry.spec.method) {
    case Method::erm: return measure(ErmRetriever<float, FlatIndex<>>::build(problem.passages), tests, truth, options);
    case Method::xs:
      return measure(PefaXs<float, FlatIndex<>>::build(problem.passages, queries, relevance,
                                                       {.lambda = entry.spec.lambda,
                                                        .cold = entry.spec.cold,
                                                        .rule = entry.spec.rule,
                                                        .least_squares = entry.spec.least_squares,
                                                        .whitened = entry.spec.whitened,
                                                        .whitening = entry.spec.whitening}),
                     tests, truth, options);
    case Method::xs_multi:
      return measure(PefaXsMulti<float, FlatIndex<>>::build(
                         problem.passages, queries, relevance,
                         {.centroids = {.lambda = entry.spec.lambda, .max_centroids = entry.spec.max_centroids}}),
                     tests, truth, options);
    case Method::xl: break;
  }
  using Xl = PefaXl<float, FlatIndex<>, FlatIndex<>, AnyGate>;
  const Xl::Params params{.lambda = entry.spec.lambda,
                          .neighbors = entry.spec.neighbors,
                          .gate = make_gate(entry.spec.gate),
                          .passage_candidates = options.passage_candidates,
                          .fold = {.lambda = entry.spec.fold,
                                   .cold = entry.spec.cold,
                                   .rule = entry.spec.rule,
                                   .least_squares = entry.spec.least_squares},
                          .hubness = entry.spec.hubness,
                          .whitened = entry.spec.whitened,
                          .whitening = entry.spec.whitening};
  if (entry.spec.condense > 0.0f) {
    const CondensedQueries condensed =
        condense_queries(EmbeddingView<float>(queries), relevance, {.min_cosine = entry.spec.condense});
    return measure(Xl::build(problem.passages, condensed.queries, condensed.relevance, params), tests, truth, options);
  }
  return measure(Xl::build(problem.passages, queries, relevance, params), tests, truth, options);
}

inline void require_same_as_retrievers(const TuningProblem& problem, const TuneOptions& options) {
  const TuneReport report = problem.tune(options);
  const auto folds = split_validation(EmbeddingView<float>(problem.queries), problem.relevance, options.validation);
  const std::size_t plain = options.plain_xl == PlainXl::included ? 1 : 0;
  const std::size_t xl = plain + options.condense.size() + options.folds.size();
  const std::size_t listed = 1 + options.lambdas.size() * (options.cold.size() + options.max_centroids.size() +
                                                           xl * options.neighbors.size() * options.gates.size());
  REQUIRE((options.fitted.empty() ? report.grid.size() == listed : report.grid.size() > listed));
  for (const TuneEntry& entry : report.grid) {
    double expected = 0.0;
    for (const auto& held_out : folds) {
      expected += measure(entry, problem, held_out, options) * static_cast<double>(held_out.size());
    }
    INFO(describe(entry.spec) << ", " << name(options.metric) << "@" << options.at);
    REQUIRE(entry.score == Approx(expected / static_cast<double>(report.queries)).epsilon(0).margin(1e-9));
  }
}

/// A grid without XL, or without XS.
inline TuneOptions xs_only(std::vector<float> lambdas) {
  return with_paper_methods({.lambdas = std::move(lambdas), .neighbors = {}, .gates = {}});
}
inline TuneOptions xl_only(std::vector<float> lambdas, std::vector<std::size_t> neighbors) {
  return with_paper_methods({.lambdas = std::move(lambdas), .cold = {}, .neighbors = std::move(neighbors)});
}

}  // namespace pefa::test
