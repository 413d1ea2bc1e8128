// pefa: what tune() tries and what it reports: the grid of methods and their settings, with a score for each.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "pefa/adapter/aggregation.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/retriever.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/eval/statistics.hpp"
#include "pefa/eval/validation_split.hpp"

namespace pefa {

/// What is maximised; see recall_at, ndcg_at and reciprocal_rank_at.
enum class TuneMetric { recall, ndcg, mrr };

/// The retrievers, cheapest at search first: one index of P, one index of p̃, two indexes.
enum class TuneMethod { erm, xs, xl };

enum class GateKind { mean, sum, softmax };

[[nodiscard]] constexpr const char* name(TuneMetric metric) noexcept {
  constexpr const char* names[] = {"recall", "ndcg", "mrr"};
  return names[static_cast<std::size_t>(metric)];
}

[[nodiscard]] constexpr const char* name(TuneMethod method) noexcept {
  constexpr const char* names[] = {"erm", "xs", "xl"};
  return names[static_cast<std::size_t>(method)];
}

[[nodiscard]] constexpr const char* name(GateKind kind) noexcept {
  constexpr const char* names[] = {"mean", "sum", "softmax"};
  return names[static_cast<std::size_t>(kind)];
}

/// A gate as a value that can be compared, printed and stored.
struct TuneGate {
  GateKind kind = GateKind::mean;
  float temperature = 0.0f;  ///< τ of softmax; the others have none

  /// The gate itself. @throws ValueError  softmax with τ out of range
  [[nodiscard]] AnyGate policy() const {
    switch (kind) {
      case GateKind::mean: return MeanGate{};
      case GateKind::sum: return SumGate{};
      case GateKind::softmax: return SoftmaxGate(temperature);
    }
    return MeanGate{};
  }

  friend bool operator==(const TuneGate&, const TuneGate&) = default;
};

/// The grid is every combination of the lists below, and the plain model once.
struct TuneOptions {
  TuneMetric metric = TuneMetric::recall;
  std::size_t at = 10;  ///< the metric's cut-off, at least 1
  std::vector<float> lambdas{0.0f, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 1.0f};  ///< λ of XS and XL
  std::vector<ColdPassage> cold{ColdPassage::paper, ColdPassage::erm};  ///< of XS; empty leaves XS out
  std::vector<std::size_t> neighbors{8, 16, 32, 64};                    ///< k of XL; empty leaves XL out
  std::vector<TuneGate> gates{{GateKind::mean},           {GateKind::sum},           {GateKind::softmax, 0.02f},
                              {GateKind::softmax, 0.05f}, {GateKind::softmax, 0.1f}, {GateKind::softmax, 0.2f}};
  std::size_t passage_candidates = 0;  ///< of XL, as in PefaXlParams
  ValidationOptions validation{};
  std::size_t randomizations = 10'000;   ///< of the test of the pick against the plain model
  std::size_t bootstrap_samples = 1000;  ///< of the interval of its gain; 0: none
  AnyExecutor executor{};
  Progress progress{};  ///< counts validation queries; stop throws Cancelled
};

/// One setting and how it did on the validation queries.
struct TuneEntry {
  TuneMethod method = TuneMethod::erm;
  float lambda = 1.0f;                    ///< 1 for the plain model
  ColdPassage cold = ColdPassage::erm;  ///< XS only
  std::size_t neighbors = 0;              ///< XL only; else 0
  TuneGate gate{};                        ///< XL only
  double score = 0.0;                     ///< the metric's mean, a fraction
  double standard_error = 0.0;            ///< of that mean
};

struct TuneReport {
  TuneMetric metric = TuneMetric::recall;
  std::size_t at = 0;
  std::vector<TuneEntry> grid;  ///< the plain model, then XS by cold policy and λ, then XL by k, gate and λ
  TuneEntry best{};             ///< the highest score; the first in the grid among equals
  TuneEntry pick{};             ///< the one to use, by the rule at tune()
  Estimate gain{};              ///< pick − plain model, with its 95 % interval
  double p_value = 1.0;         ///< of that gain, two-sided
  std::size_t queries = 0;      ///< how many were scored
  std::size_t folds = 0;
  double seconds = 0.0;

  [[nodiscard]] const TuneEntry& erm() const { return grid.front(); }
};

/// A setting in words: "PEFA-XL, softmax(0.05), k = 32, lambda = 0.1".
[[nodiscard]] inline std::string describe(const TuneEntry& entry) {
  switch (entry.method) {
    case TuneMethod::erm: return "ERM";
    case TuneMethod::xs:
      return detail::join_message("PEFA-XS, lambda = ", entry.lambda,
                                  entry.cold == ColdPassage::erm ? ", cold passages as in the ERM" : "");
    case TuneMethod::xl: break;
  }
  const std::string gate = entry.gate.kind == GateKind::softmax
                               ? detail::join_message("softmax(", entry.gate.temperature, ")")
                               : std::string(name(entry.gate.kind));
  return detail::join_message("PEFA-XL, ", gate, ", k = ", entry.neighbors, ", lambda = ", entry.lambda);
}

namespace detail {

inline void require_tune_options(const TuneOptions& options) {
  if (options.at == 0) fail<ValueError>("tune: the metric's cut-off is 0, expected at least 1");
  if (options.lambdas.empty()) fail<ValueError>("tune: no lambdas, expected at least 1");
  for (const float lambda : options.lambdas) require_lambda(lambda, "tune");
  if (options.neighbors.empty() != options.gates.empty()) {
    fail<ValueError>("tune: ", options.neighbors.size(), " neighbors and ", options.gates.size(),
                     " gates, expected at least 1 of both, or none of either to leave PEFA-XL out");
  }
  if (options.cold.empty() && options.gates.empty()) {
    fail<ValueError>("tune: neither PEFA-XS (cold) nor PEFA-XL (neighbors, gates) is in the grid");
  }
  for (const std::size_t k : options.neighbors) {
    if (k == 0) fail<ValueError>("tune: neighbors is 0, expected at least 1");
  }
  for (const TuneGate& gate : options.gates) (void)gate.policy();
}

/// Every setting, in the order of TuneReport::grid.
[[nodiscard]] inline std::vector<TuneEntry> make_grid(const TuneOptions& options) {
  std::vector<TuneEntry> grid(1);
  for (const ColdPassage cold : options.cold) {
    for (const float lambda : options.lambdas) {
      grid.push_back({.method = TuneMethod::xs, .lambda = lambda, .cold = cold});
    }
  }
  for (const std::size_t neighbors : options.neighbors) {
    for (const TuneGate& gate : options.gates) {
      for (const float lambda : options.lambdas) {
        grid.push_back({.method = TuneMethod::xl, .lambda = lambda, .neighbors = neighbors, .gate = gate});
      }
    }
  }
  return grid;
}

}  // namespace detail
}  // namespace pefa
