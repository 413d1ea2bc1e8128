// pefa: the search through the fitted parts, coarse to fine: least squares and whitened spaces by XS, spaces by XL over
// either, then gates, weights and what lies around the best. A part of tune().
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/eval/blend_evidence.hpp"
#include "pefa/eval/blend_scorer.hpp"
#include "pefa/eval/fitted_grid.hpp"
#include "pefa/eval/statistics.hpp"
#include "pefa/eval/tune_grid.hpp"
#include "pefa/store/embedding_view.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// Adds the settings of the fitted parts to a grid, stage after stage; each stage starts from the best so far.
template <class = void>
class FittedTuner {
 public:
  using Clock = std::chrono::steady_clock;
  /// How many stages the meter counts at most, each for all validation queries.
  static constexpr std::size_t stages = 5;
  /// Passages up to which ColdPassage::borrowed is tried, which compares each cold one with all others.
  static constexpr std::size_t most_borrowing = 100'000;

  /// Everything passed by reference must outlive the tuner.
  /// @param values  by setting and validation query, as the grid has them  @param start  when the budget began
  FittedTuner(const EmbeddingView<float>& passages, const EmbeddingView<float>& queries,
              const RelevanceMatrix& relevance, const std::vector<std::vector<QueryId>>& held_out,
              const TuneOptions& options, std::vector<TuneEntry>& grid, std::vector<std::vector<double>>& values,
              ProgressMeter& meter, Clock::time_point start)
      : options_(options),
        fitted_(options.fitted),
        grid_(grid),
        values_(values),
        meter_(meter),
        start_(start),
        first_(grid.size()),
        evidence_(passages, queries, relevance, held_out, all_folds(options.fitted), most_neighbors(options.fitted),
                  std::min(options.at, passages.size()), options.executor),
        scorer_(evidence_, relevance, options, held_out, passages.size()) {
    for (std::size_t j = 0; j < passages.size(); ++j) {
      const std::size_t count = relevance.queries_of(PassageId(static_cast<Row>(j))).size();
      may_borrow_ |= count == 0 && passages.size() <= most_borrowing;
      has_groups_ |= count > 1;
    }
  }

  /// All stages that the budget leaves time for; the coarse ones always.
  void run() {
    if (!fitted_.solve_shrinkages.empty()) try_least_squares();
    finish_stage();
    if (!fitted_.scatters.empty()) try_whitened_xs();
    finish_stage();
    if (!fitted_.neighbors.empty() && !fitted_.gates.empty() && !fitted_.lambdas.empty()) {
      try_spaces();
      finish_stage();
      if (is_in_time()) try_gates();
      finish_stage();
      if (is_in_time()) refine();
    }
    while (finished_ < stages) finish_stage();
  }

 private:
  [[nodiscard]] static std::vector<float> all_folds(const FittedGrid& fitted) {
    std::vector<float> folds = fitted.folds;
    folds.push_back(1.0f);
    return folds;
  }
  [[nodiscard]] static std::size_t most_neighbors(const FittedGrid& fitted) {
    return fitted.neighbors.empty() ? 0 : *std::max_element(fitted.neighbors.begin(), fitted.neighbors.end());
  }

  // The stages.

  void try_least_squares() {
    RetrieverSpec spec = unfitted(Method::xs, 1.0f);
    spec.rule = FoldRule::least_squares;
    spec.least_squares.shrinkage = fitted_.solve_shrinkages.front();
    std::vector<RetrieverSpec> bases;
    for (const float b : fitted_.passages_as_queries) {
      spec.least_squares.passages_as_queries = b;
      bases.push_back(spec);
    }
    score_xs(bases);
    if (!is_in_time()) return;
    const RetrieverSpec best = grid_[best_of(&is_solved_xs)].spec;
    bases.clear();
    for (std::size_t a = 1; a < fitted_.solve_shrinkages.size(); ++a) {
      bases.push_back(best);
      bases.back().least_squares.shrinkage = fitted_.solve_shrinkages[a];
    }
    score_xs(bases);
    if (!may_borrow_ || !is_in_time()) return;
    RetrieverSpec borrowing = grid_[best_of(&is_solved_xs)].spec;
    borrowing.least_squares.passages_as_queries = 0.0f;
    borrowing.cold = ColdPassage::borrowed;
    score_xs({borrowing});
  }

  /// The paper's XS in each whitened space, which is least squares seen from there.
  void try_whitened_xs() {
    RetrieverSpec spec = base_spec();
    spec.method = Method::xs;
    spec.rule = FoldRule::correlation;
    spec.least_squares = {};
    spec.cold = ColdPassage::erm;
    spec.whitened = Whitened::all;
    std::vector<RetrieverSpec> bases;
    for (const Scatter scatter : scatters()) {
      spec.whitening = {.scatter = scatter, .shrinkage = fitted_.whitening_shrinkages.front(), .rank = 0};
      bases.push_back(spec);
    }
    score_xs(bases);
    if (!is_in_time()) return;
    const RetrieverSpec best = grid_[best_of(&is_whitened_xs)].spec;
    bases.clear();
    for (const float alpha : fitted_.whitening_shrinkages) {
      bases.push_back(best);
      bases.back().whitening.shrinkage = alpha;
    }
    score_xs(bases);
  }

  /// XL over the best XS of either sort: raw, in the first whitened space and in the best one.
  void try_spaces() {
    std::vector<RetrieverSpec> specs{base_spec()};
    const auto add_space = [&](const WhiteningParams& whitening) {
      specs.push_back(specs.front());
      specs.back().whitened = Whitened::queries;
      specs.back().whitening = whitening;
      specs.back().hubness = fitted_.hubness.empty() ? 0.0f : fitted_.hubness.front();
    };
    if (!scatters().empty()) {
      const RetrieverSpec& xs = grid_[best_of(&is_whitened_xs)].spec;
      WhiteningParams first = xs.whitening;
      first.scatter = scatters().front();
      add_space(first);
      add_space(xs.whitening);
      RetrieverSpec whole = specs.back();
      whole.whitened = Whitened::all;
      whole.rule = xs.rule;
      whole.least_squares = xs.least_squares;
      whole.cold = xs.cold;
      specs.push_back(whole);
    }
    evidence_.collect(specs, specs, meter_);
    std::vector<RetrieverSpec> round;
    for (const RetrieverSpec& spec : specs) {
      add(round, spec, first_of(fitted_.gates, 2), {fitted_.neighbors.front()}, plain_folds(1),
          first_of(fitted_.lambdas, 4));
    }
    score(round);
  }

  /// Gates, k, folds and λ in the space that is best so far.
  void try_gates() {
    const RetrieverSpec best = best_blend();
    std::vector<RetrieverSpec> round;
    add(round, best, fitted_.gates, fitted_.neighbors, {best.fold}, around(best.lambda));
    score(round);
    round.clear();
    const RetrieverSpec gated = best_blend();
    add(round, gated, {gated.gate}, {gated.neighbors}, plain_folds(all), fitted_.lambdas);
    score(round);
  }

  /// What lies around the best: other shrinkages of its space, other β, other least squares.
  void refine() {
    const RetrieverSpec best = best_blend();
    std::vector<RetrieverSpec> variants{best};
    const auto vary = [&](const std::vector<float>& values, auto field) {
      for (const float value : values) {
        variants.push_back(best);
        field(variants.back()) = value;
      }
    };
    const bool is_solved = best.rule == FoldRule::least_squares;
    if (best.whitened != Whitened::none) {
      vary(fitted_.whitening_shrinkages, [](RetrieverSpec& s) -> float& { return s.whitening.shrinkage; });
      vary(fitted_.hubness, [](RetrieverSpec& s) -> float& { return s.hubness; });
    }
    if (is_solved) {
      vary(neighbours_in(fitted_.solve_shrinkages, best.least_squares.shrinkage),
           [](RetrieverSpec& s) -> float& { return s.least_squares.shrinkage; });
    }
    if (is_solved && best.cold == ColdPassage::erm) {
      vary(fitted_.passages_as_queries, [](RetrieverSpec& s) -> float& { return s.least_squares.passages_as_queries; });
    }
    evidence_.collect(variants, variants, meter_);
    std::vector<RetrieverSpec> round;
    for (const RetrieverSpec& spec : variants) {
      add(round, spec, {best.gate, other_kind(best)}, {best.neighbors}, {best.fold}, around(best.lambda));
      add(round, spec, {best.gate}, {best.neighbors}, around_fold(best.fold), {best.lambda});
    }
    score(round);
    round.clear();
    if (is_solved && best.whitened != Whitened::all) {  // the best of either side, in case they go together
      for (const RetrieverSpec& spec : variants) {
        RetrieverSpec both = best_blend();
        both.least_squares = spec.least_squares;
        add(round, both, {both.gate}, {both.neighbors}, {both.fold}, around(both.lambda));
      }
      score(round);
      round.clear();
    }
    const RetrieverSpec better = best_blend();
    add(round, better, fitted_.gates, around(better.neighbors), {better.fold}, around(better.lambda));
    score(round);
    round.clear();
    const RetrieverSpec gated = best_blend();
    add(round, gated, {gated.gate}, {gated.neighbors}, plain_folds(all), fitted_.lambdas);
    score(round);
  }

  // What the stages are made of.

  static constexpr std::size_t all = static_cast<std::size_t>(-1);

  template <class T>
  [[nodiscard]] static std::vector<T> first_of(const std::vector<T>& values, std::size_t count) {
    return {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(std::min(count, values.size()))};
  }

  /// A value with the next smaller and the next larger of a list.
  template <class T>
  [[nodiscard]] static std::vector<T> neighbours_in(std::vector<T> values, T value) {
    std::sort(values.begin(), values.end());
    const auto at = std::lower_bound(values.begin(), values.end(), value);
    std::vector<T> around{value};
    if (at != values.begin()) around.push_back(*(at - 1));
    const auto next = at != values.end() && *at == value ? at + 1 : at;
    if (next != values.end()) around.push_back(*next);
    return around;
  }
  [[nodiscard]] std::vector<float> around_fold(float fold) const { return neighbours_in(fitted_.folds, fold); }
  [[nodiscard]] std::vector<float> around(float lambda) const { return neighbours_in(fitted_.lambdas, lambda); }
  [[nodiscard]] std::vector<std::size_t> around(std::size_t neighbors) const {
    return neighbours_in(fitted_.neighbors, neighbors);
  }

  /// The first λ of folds, or all of them and the passages as they are.
  [[nodiscard]] std::vector<float> plain_folds(std::size_t count) const {
    std::vector<float> folds = first_of(fitted_.folds, count);
    if (folds.empty() || count == all) folds.push_back(1.0f);
    return folds;
  }

  /// The first gate of the other sort, regression or not.
  [[nodiscard]] GateSpec other_kind(const RetrieverSpec& spec) const {
    for (const GateSpec& gate : fitted_.gates) {
      if ((gate.kind == GateKind::local) != (spec.gate.kind == GateKind::local)) return gate;
    }
    return spec.gate;
  }

  [[nodiscard]] static bool is_solved_xs(const RetrieverSpec& spec) {
    return spec.method == Method::xs && spec.rule == FoldRule::least_squares && spec.whitened == Whitened::none;
  }
  [[nodiscard]] static bool is_whitened_xs(const RetrieverSpec& spec) {
    return spec.method == Method::xs && spec.whitened == Whitened::all;
  }
  /// Those that these data have: without two queries of one passage there is no scatter within.
  [[nodiscard]] std::vector<Scatter> scatters() const {
    if (has_groups_ || fitted_.scatters.empty()) return fitted_.scatters;
    return {Scatter::total};
  }

  /// XL over the best least squares so far, or over the passages as they are; nothing is whitened.
  [[nodiscard]] RetrieverSpec base_spec() const {
    RetrieverSpec spec = unfitted(Method::xl, 1.0f);
    spec.passage_candidates = options_.passage_candidates;
    if (!fitted_.solve_shrinkages.empty()) {
      const RetrieverSpec& solved = grid_[best_of(&is_solved_xs)].spec;
      spec.rule = FoldRule::least_squares;
      spec.least_squares = solved.least_squares;
      spec.cold = solved.cold;
    }
    return spec;
  }

  /// The best of the XL that these stages added.
  [[nodiscard]] RetrieverSpec best_blend() const {
    std::size_t best = grid_.size();
    for (std::size_t e = first_; e < grid_.size(); ++e) {
      const bool is_better = best == grid_.size() || is_ahead(grid_[e].score, grid_[best].score);
      if (grid_[e].spec.method == Method::xl && is_better) best = e;
    }
    return grid_[best].spec;
  }

  /// The first of the best settings that `accept` takes; the size of the grid where there is none.
  template <class Accept>
  [[nodiscard]] std::size_t best_of(const Accept& accept) const {
    std::size_t best = grid_.size();
    for (std::size_t e = 0; e < grid_.size(); ++e) {
      if (accept(grid_[e].spec) && (best == grid_.size() || is_ahead(grid_[e].score, grid_[best].score))) best = e;
    }
    return best;
  }

  /// Adds XL by gate, k, fold and λ.
  static void add(std::vector<RetrieverSpec>& round, RetrieverSpec spec, const std::vector<GateSpec>& gates,
                  const std::vector<std::size_t>& neighbors, const std::vector<float>& folds,
                  const std::vector<float>& lambdas) {
    for (const GateSpec& gate : gates) {
      if (gate.kind == GateKind::local && spec.whitened == Whitened::none) continue;
      for (const std::size_t k : neighbors) {
        if (gate.kind == GateKind::local && k > most_local_neighbors) continue;
        for (const float fold : folds) {
          for (const float lambda : lambdas) {
            spec.gate = gate;
            spec.neighbors = k;
            spec.fold = fold;
            spec.lambda = lambda;
            round.push_back(spec);
          }
        }
      }
    }
  }

  /// XS over each base, by λ.
  void score_xs(const std::vector<RetrieverSpec>& bases) {
    evidence_.collect({}, bases, meter_);
    std::vector<RetrieverSpec> round;
    for (RetrieverSpec spec : bases) {
      for (const float lambda : fitted_.folds) {
        spec.lambda = lambda;
        round.push_back(spec);
      }
    }
    score(round);
  }

  /// Scores what is not in the grid yet.
  void score(const std::vector<RetrieverSpec>& round) {
    std::vector<RetrieverSpec> fresh;
    for (const RetrieverSpec& spec : round) {
      const bool is_known =
          std::any_of(grid_.begin(), grid_.end(), [&](const TuneEntry& entry) { return entry.spec == spec; }) ||
          std::find(fresh.begin(), fresh.end(), spec) != fresh.end();
      if (!is_known) fresh.push_back(spec);
    }
    const std::size_t first = grid_.size();
    for (const RetrieverSpec& spec : fresh) grid_.push_back({spec});
    values_.resize(grid_.size(), std::vector<double>(evidence_.size()));
    scorer_.score(fresh, std::span(values_).subspan(first));
    for (std::size_t e = first; e < grid_.size(); ++e) grid_[e].score = bootstrap_mean(values_[e], 0, 0).mean;
    meter_.poll();
  }

  [[nodiscard]] bool is_in_time() const {
    return options_.budget_seconds <= 0.0 ||
           std::chrono::duration<double>(Clock::now() - start_).count() < options_.budget_seconds;
  }

  void finish_stage() {
    ++finished_;
    meter_.add(evidence_.size());
  }

  const TuneOptions& options_;
  const FittedGrid& fitted_;
  std::vector<TuneEntry>& grid_;
  std::vector<std::vector<double>>& values_;
  ProgressMeter& meter_;
  Clock::time_point start_;
  std::size_t first_;  // of the settings that are added here
  BlendEvidence<> evidence_;
  BlendScorer<> scorer_;
  bool may_borrow_ = false;
  bool has_groups_ = false;  // some passage has two training queries
  std::size_t finished_ = 0;
};

}  // namespace pefa::detail
