// pefa: many settings scored on the evidence of the validation queries. What settings share (neighbours, weights,
// votes) is done once for all of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <tuple>
#include <vector>

#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/vote.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/eval/blend_evidence.hpp"
#include "pefa/eval/fold_scorer.hpp"
#include "pefa/eval/gram_gate.hpp"
#include "pefa/eval/tune_grid.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::detail {

/// Scores settings whose evidence was collected.
template <class = void>
class BlendScorer {
  /// One spec, and where its evidence is.
  struct Setting {
    const RetrieverSpec* spec;
    std::size_t index;                     // among the values
    const std::vector<NearQueries>* near;  // nullptr for XS
    const std::vector<PlainOffers>* offers;
    std::size_t place;  // of the λ of the fold

    /// Settings that share most stand together.
    [[nodiscard]] auto order() const {
      return std::tuple(near, spec->gate.kind, spec->gate.temperature, spec->gate.bandwidth, spec->gate.ridge,
                        spec->neighbors, offers, place, spec->lambda);
    }
  };

 public:
  /// Everything passed by reference must outlive the scorer.
  BlendScorer(const BlendEvidence<>& evidence, const RelevanceMatrix& relevance, const TuneOptions& options,
              const std::vector<std::vector<QueryId>>& held_out, std::size_t n_passages)
      : evidence_(evidence), relevance_(relevance), options_(options), depth_(std::min(options.at, n_passages)) {
    for (const auto& fold : held_out) queries_.insert(queries_.end(), fold.begin(), fold.end());
  }

  /// Writes the metric of validation query i under specs[s] to values[s][i]. The same for any number of threads.
  void score(std::span<const RetrieverSpec> specs, std::span<std::vector<double>> values) const {
    std::vector<Setting> settings;
    for (std::size_t s = 0; s < specs.size(); ++s) settings.push_back(setting_of(specs[s], s));
    std::stable_sort(settings.begin(), settings.end(),
                     [](const Setting& a, const Setting& b) { return a.order() < b.order(); });
    for_each_block(options_.executor, queries_.size(), 16, [&](std::size_t begin, std::size_t end) {
      Scratch scratch;
      scratch.hits.resize(depth_);
      for (std::size_t i = begin; i < end; ++i) score_query(settings, i, scratch, values);
    });
  }

 private:
  struct Scratch {
    Voters voters;
    Ballot ballot;
    Votes votes;
    Blender blender;
    GramGate gram;
    std::vector<float> plain;  // of the named passages
    std::vector<Hit> hits;
  };

  [[nodiscard]] Setting setting_of(const RetrieverSpec& spec, std::size_t index) const {
    const bool is_xl = spec.method == Method::xl;
    const float fold = is_xl ? spec.fold : spec.lambda;
    return {&spec, index, is_xl ? evidence_.near_of(spec) : nullptr, evidence_.offers_of(spec),
            evidence_.place_of(fold)};
  }

  void score_query(const std::vector<Setting>& settings, std::size_t i, Scratch& scratch,
                   std::span<std::vector<double>> values) const {
    const RelevanceMatrix::Entries truth = relevance_.passages_of(queries_[i]);
    const Setting* last = nullptr;
    for (std::size_t s = 0; s < settings.size(); ++s) {
      const Setting& setting = settings[s];
      const PlainOffers& offers = (*setting.offers)[i];
      const std::vector<Neighbor>& offered = offers.best[setting.place];
      if (setting.near == nullptr) {
        values[setting.index][i] = tuned_metric(options_, first_hits(offered, scratch), truth);
        continue;
      }
      const NearQueries& near = (*setting.near)[i];
      const bool is_new_near = last == nullptr || last->near != setting.near;
      const bool is_new_gate = is_new_near || !(last->spec->gate == setting.spec->gate);
      const bool are_new_votes = is_new_gate || last->spec->neighbors != setting.spec->neighbors;
      if (is_new_near) scratch.ballot.gather(near.queries, relevance_);
      if (is_new_gate && setting.spec->gate.kind == GateKind::local) factor(settings, s, near, scratch.gram);
      if (are_new_votes) {
        weigh_near(*setting.spec, near, scratch);
        scratch.ballot.count(scratch.voters.strengths, scratch.votes);
      }
      if (are_new_votes || last->offers != setting.offers || last->place != setting.place) {
        start(setting, i, offers, offered, scratch);
      }
      const std::size_t found = scratch.blender.rank(setting.spec->lambda, scratch.hits);
      values[setting.index][i] = tuned_metric(options_, std::span<const Hit>(scratch.hits.data(), found), truth);
      last = &setting;
    }
  }

  [[nodiscard]] std::span<const Hit> first_hits(const std::vector<Neighbor>& offered, Scratch& scratch) const {
    const std::size_t count = std::min(depth_, offered.size());
    for (std::size_t i = 0; i < count; ++i) scratch.hits[i] = {PassageId(offered[i].row), offered[i].score};
    return {scratch.hits.data(), count};
  }

  /// For the largest k of the settings from `s` on that have the same gate.
  static void factor(const std::vector<Setting>& settings, std::size_t s, const NearQueries& near, GramGate& gram) {
    std::size_t most = 0;
    for (std::size_t other = s; other < settings.size() && settings[other].near == settings[s].near &&
                                settings[other].spec->gate == settings[s].spec->gate;
         ++other) {
      most = std::max(most, settings[other].spec->neighbors);
    }
    most = std::min({most, most_local_neighbors, near.queries.size()});
    gram.factor(settings[s].spec->gate, std::span(near.ranked).first(most), near.products);
  }

  void weigh_near(const RetrieverSpec& spec, const NearQueries& near, Scratch& scratch) const {
    const bool is_local = spec.gate.kind == GateKind::local;
    std::size_t k = std::min(spec.neighbors, near.queries.size());
    if (is_local) k = std::min(k, most_local_neighbors);
    Voters& voters = scratch.voters;
    voters.weights.resize(k);
    voters.strengths.resize(k);
    if (k == 0) return;
    if (is_local) {
      scratch.gram.weigh(voters.weights);
      voters.strengths = voters.weights;
      return;
    }
    make_gate(spec.gate)(std::span(near.ranked).first(k), std::span(voters.weights));
    for (std::size_t i = 0; i < k; ++i) voters.strengths[i] = voters.weights[i] * near.similarities[i];
  }

  void start(const Setting& setting, std::size_t i, const PlainOffers& offers, const std::vector<Neighbor>& offered,
             Scratch& scratch) const {
    const std::vector<Row>& named = evidence_.named(i);
    scratch.plain.resize(named.size());
    BlendEvidence<>::blend(setting.spec->fold, offers.erm.data(), offers.pseudo.data(), named.size(),
                           scratch.plain.data());
    scratch.blender.start(offered, scratch.votes, MissingErmScore::exact,
                          [&](std::span<const Row> passages, std::span<float> scores) {
                            std::size_t n = 0;
                            for (std::size_t p = 0; p < passages.size(); ++p) {
                              while (named[n] != passages[p]) ++n;
                              scores[p] = scratch.plain[n];
                            }
                          });
  }

  const BlendEvidence<>& evidence_;
  const RelevanceMatrix& relevance_;
  const TuneOptions& options_;
  std::size_t depth_;
  std::vector<QueryId> queries_;  // as the evidence has them
};

}  // namespace pefa::detail
