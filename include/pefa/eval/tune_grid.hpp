// pefa: what tune() tries and what it reports: the grid of methods and their settings, with a score for each.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <string>
#include <vector>

#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/spec_text.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/eval/fitted_grid.hpp"
#include "pefa/eval/statistics.hpp"
#include "pefa/eval/validation_split.hpp"

namespace pefa {

/// What is maximised; see recall_at, ndcg_at and reciprocal_rank_at.
enum class TuneMetric { recall, ndcg, mrr };

/// The names of TuneMetric.
template <>
inline constexpr std::array enum_names<TuneMetric>{"recall", "ndcg", "mrr"};

/// Which of the scored settings tune() picks.
enum class Preference {
  answers,  ///< the best by validation
  cost      ///< the cheapest within one standard error of the best
};

/// The names of Preference.
template <>
inline constexpr std::array enum_names<Preference>{"answers", "cost"};

/// Whether the grid has PEFA-XL as the paper has it: over all training queries and the passages as they are.
enum class PlainXl { included, left_out };

/// The grid is the plain model once and, of each method, every combination of its lists below: by default the paper's
/// methods. What is fitted in closed form is tried beside them, coarse to fine, by lists of its own (FittedGrid).
/// with_all_methods() adds the rest of the library's own, with_paper_methods() leaves the paper's alone.
struct TuneOptions {
  TuneMetric metric = TuneMetric::recall;  ///< what is maximised
  std::size_t at = 10;                     ///< the metric's cut-off, at least 1
  std::vector<float> lambdas{0.0f, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f,
                             0.6f, 0.7f, 0.8f, 0.9f, 1.0f};             ///< λ of what is not fitted
  std::vector<ColdPassage> cold{ColdPassage::erm, ColdPassage::paper};  ///< of the paper's XS; empty leaves it out
  std::vector<std::size_t> max_centroids{};           ///< c of multi-vector XS, at least 1; empty leaves it out
  std::vector<std::size_t> neighbors{8, 16, 32, 64};  ///< k of XL that is not fitted; empty leaves it out
  /// The gates of that XL; not local.
  std::vector<GateSpec> gates{{GateKind::mean},           {GateKind::sum},           {GateKind::softmax, 0.02f},
                              {GateKind::softmax, 0.05f}, {GateKind::softmax, 0.1f}, {GateKind::softmax, 0.2f}};
  PlainXl plain_xl = PlainXl::included;     ///< the paper's PEFA-XL
  std::vector<float> condense{};            ///< XL over condensed queries: CondenseParams::min_cosine, above 0, to 1
  std::vector<float> folds{};               ///< XL over XS: PassageFold::lambda, 0 to below 1
  std::size_t passage_candidates = 0;       ///< of XL, as in PefaXlParams
  FittedGrid fitted{};                      ///< what is fitted in closed form, tried coarse to fine
  Preference prefer = Preference::answers;  ///< which of the scored settings is picked
  double budget_seconds =
      0.0;  ///< no stage starts later, but the coarse ones; 0: no bound, and the same pick every run
  ValidationOptions validation{};        ///< which queries are held out
  std::size_t randomizations = 10'000;   ///< of the test of the pick against the plain model
  std::size_t bootstrap_samples = 1000;  ///< of the interval of its gain; 0: none
  AnyExecutor executor{};                ///< for the searches
  Progress progress{};                   ///< counts validation queries; stop throws Cancelled
};

/// The options with every method of the library in the grid: multi-vector XS, XL over condensed queries, XL over XS.
/// Some four times as many settings; ColdPassage::borrowed, whose cost grows with n_passages², is left to `cold` for
/// the paper's XS.
[[nodiscard]] inline TuneOptions with_all_methods(TuneOptions options = {}) {
  options.max_centroids = {4, 8};
  options.condense = {0.8f};
  options.folds = {0.3f, 0.5f};
  return options;
}

/// The options with the paper's methods alone in the grid.
[[nodiscard]] inline TuneOptions with_paper_methods(TuneOptions options = {}) {
  options.fitted = FittedGrid::none();
  return options;
}

/// One setting and how it did on the validation queries.
struct TuneEntry {
  RetrieverSpec spec{};         ///< λ is 1 for the plain model
  std::size_t bytes = 0;        ///< of the float vectors it serves when built of all training queries
  double score = 0.0;           ///< the metric's mean, a fraction
  double standard_error = 0.0;  ///< of that mean
};

/// What tune() found.
struct TuneReport {
  TuneMetric metric = TuneMetric::recall;   ///< as asked for
  std::size_t at = 0;                       ///< its cut-off
  Preference prefer = Preference::answers;  ///< as asked for
  /// The plain model; XS by cold policy and λ; multi-vector XS by max_centroids and λ; XL by k, gate and λ; XL over
  /// condensed queries by cosine, XL over XS by fold, each by k, gate and λ; then the fitted parts, as they were tried.
  std::vector<TuneEntry> grid;
  TuneEntry best{};         ///< the highest score; the first in the grid among equals
  TuneEntry chosen{};       ///< the one to use, by the rule at tune()
  RetrieverSpec pick{};     ///< chosen.spec: what build() takes
  Estimate gain{};          ///< pick − plain model, with its 95 % interval
  double p_value = 1.0;     ///< of that gain, two-sided
  std::size_t queries = 0;  ///< how many were scored
  std::size_t cold = 0;     ///< of those, with a passage that no training query of their fold had (see LoneQueries)
  std::size_t folds = 0;    ///< how many parts were held out
  double seconds = 0.0;     ///< wall time

  /// The plain model's entry.
  [[nodiscard]] const TuneEntry& erm() const { return grid.front(); }
};

namespace detail {

/// @throws ValueError  a list that is empty where another needs it, or a value out of range
inline void require_fitted_grid(const FittedGrid& fitted) {
  if (fitted.empty()) return;
  const auto require = [](bool holds, const char* list, const char* expected) {
    if (!holds) fail<ValueError>("tune: fitted.", list, ": expected ", expected);
  };
  const auto all_of = [](const auto& values, const auto& holds) {
    return std::all_of(values.begin(), values.end(), holds);
  };
  const auto is_finite_share = [](float value) { return is_finite(value) && value >= 0.0f; };
  const bool solves = !fitted.solve_shrinkages.empty();
  require(all_of(fitted.solve_shrinkages, is_finite_share), "solve_shrinkages", "finite values of at least 0");
  require(!solves || !fitted.passages_as_queries.empty(), "passages_as_queries", "at least 1 value");
  require(all_of(fitted.passages_as_queries, is_finite_share), "passages_as_queries", "finite values of at least 0");
  require(fitted.scatters.empty() || !fitted.whitening_shrinkages.empty(), "whitening_shrinkages", "at least 1 value");
  require(all_of(fitted.whitening_shrinkages, is_finite_share), "whitening_shrinkages", "finite values of at least 0");
  require(all_of(fitted.hubness, is_finite_share), "hubness", "finite values of at least 0");
  require(!fitted.folds.empty(), "folds", "at least 1 value");
  require(all_of(fitted.folds, [](float lambda) { return lambda >= 0.0f && lambda < 1.0f; }), "folds",
          "values of 0 or more and below 1");
  require(all_of(fitted.lambdas, [](float lambda) { return lambda >= 0.0f && lambda <= 1.0f; }), "lambdas",
          "values of 0 to 1");
  require(all_of(fitted.neighbors, [](std::size_t k) { return k > 0; }), "neighbors", "values of at least 1");
  for (const GateSpec& gate : fitted.gates) (void)make_gate(gate);
  require(fitted.gates.empty() || fitted.gates.front().kind != GateKind::local, "gates",
          "another than local first, which raw spaces do not have");
}

inline void require_tune_options(const TuneOptions& options) {
  if (options.at == 0) fail<ValueError>("tune: the metric's cut-off is 0, expected at least 1");
  if (options.lambdas.empty()) fail<ValueError>("tune: no lambdas, expected at least 1");
  for (const float lambda : options.lambdas) require_lambda(lambda, "tune");
  if (options.neighbors.empty() != options.gates.empty()) {
    fail<ValueError>("tune: ", options.neighbors.size(), " neighbors and ", options.gates.size(),
                     " gates, expected at least 1 of both, or none of either to leave PEFA-XL out");
  }
  const std::size_t variants = options.condense.size() + options.folds.size();
  if (options.gates.empty() && variants > 0) {
    fail<ValueError>("tune: ", options.condense.size(), " condense and ", options.folds.size(),
                     " folds, but no neighbors and gates for the PEFA-XL they are variants of");
  }
  const bool has_xl = !options.gates.empty() && (options.plain_xl == PlainXl::included || variants > 0);
  if (options.cold.empty() && options.max_centroids.empty() && !has_xl && options.fitted.empty()) {
    fail<ValueError>(
        "tune: neither PEFA-XS (cold, max_centroids) nor PEFA-XL (neighbors, gates) nor a fitted part is in the grid");
  }
  require_fitted_grid(options.fitted);
  for (const std::size_t c : options.max_centroids) {
    if (c == 0) fail<ValueError>("tune: max_centroids is 0, expected at least 1");
  }
  for (const std::size_t k : options.neighbors) {
    if (k == 0) fail<ValueError>("tune: neighbors is 0, expected at least 1");
  }
  for (const GateSpec& gate : options.gates) {
    (void)make_gate(gate);
    if (gate.kind == GateKind::local) {
      fail<ValueError>("tune: gates has local, which is tried in whitened spaces alone; expected it in fitted.gates");
    }
  }
  for (const float cosine : options.condense) {
    if (!(cosine > 0.0f && cosine <= 1.0f)) {
      fail<ValueError>("tune: condense is ", cosine, ", expected above 0 and at most 1");
    }
  }
  for (const float lambda : options.folds) {
    if (!(lambda >= 0.0f && lambda < 1.0f)) {
      fail<ValueError>("tune: folds is ", lambda, ", expected 0 or more and below 1, which is no fold");
    }
  }
}

/// Adds PEFA-XL by k, gate and λ. @param variant  what all of them have in common
inline void add_xl(const TuneOptions& options, RetrieverSpec variant, std::vector<TuneEntry>& grid) {
  for (const std::size_t neighbors : options.neighbors) {
    for (const GateSpec& gate : options.gates) {
      for (const float lambda : options.lambdas) {
        variant.neighbors = neighbors;
        variant.gate = gate;
        variant.lambda = lambda;
        grid.push_back({variant});
      }
    }
  }
}

/// A method without anything that is fitted, whatever the defaults of RetrieverSpec say.
[[nodiscard]] inline RetrieverSpec unfitted(Method method, float lambda) {
  RetrieverSpec spec;
  spec.method = method;
  spec.lambda = lambda;
  spec.cold = ColdPassage::erm;
  leave_out_fits(spec);
  return spec;
}

/// Every setting of the lists, in the order of TuneReport::grid.
[[nodiscard]] inline std::vector<TuneEntry> make_grid(const TuneOptions& options) {
  std::vector<TuneEntry> grid{{unfitted(Method::erm, 1.0f)}};
  for (const ColdPassage cold : options.cold) {
    for (const float lambda : options.lambdas) {
      grid.push_back({unfitted(Method::xs, lambda)});
      grid.back().spec.cold = cold;
    }
  }
  for (const std::size_t centroids : options.max_centroids) {
    for (const float lambda : options.lambdas) {
      grid.push_back({unfitted(Method::xs_multi, lambda)});
      grid.back().spec.max_centroids = centroids;
    }
  }
  RetrieverSpec plain = unfitted(Method::xl, 0.0f);
  plain.passage_candidates = options.passage_candidates;
  const auto with = [&](float RetrieverSpec::*field, float value) {
    RetrieverSpec variant = plain;
    variant.*field = value;
    return variant;
  };
  if (options.plain_xl == PlainXl::included) add_xl(options, plain, grid);
  for (const float cosine : options.condense) add_xl(options, with(&RetrieverSpec::condense, cosine), grid);
  for (const float lambda : options.folds) add_xl(options, with(&RetrieverSpec::fold, lambda), grid);
  return grid;
}

/// What a setting costs, to be compared: how many searches, the bytes they go through, and among equals the method.
struct TuneCost {
  int searches;
  std::size_t bytes;
  Method method;
  bool is_folded;
  bool is_whitened;
  bool is_local;

  friend constexpr auto operator<=>(const TuneCost&, const TuneCost&) = default;
};

[[nodiscard]] inline TuneCost cost_of(const TuneEntry& entry) {
  const bool is_xl = entry.spec.method == Method::xl;
  return {.searches = is_xl ? 2 : 1,
          .bytes = entry.bytes,
          .method = entry.spec.method,
          .is_folded = entry.spec.is_folded(),
          .is_whitened = entry.spec.whitened != Whitened::none,
          .is_local = is_xl && entry.spec.gate.kind == GateKind::local};
}

}  // namespace detail
}  // namespace pefa
