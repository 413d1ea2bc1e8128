// pefa: one beam search over a packed graph by codes, in steps that a batch of searches may interleave: while one waits
// for memory, another computes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/beam.hpp"
#include "pefa/index/code_products.hpp"
#include "pefa/index/code_table.hpp"
#include "pefa/index/packed_graph.hpp"
#include "pefa/index/residual_codes.hpp"
#include "pefa/index/two_hop_walk.hpp"

namespace pefa::detail {

/// What one search keeps while it runs; reused, so that no search allocates after the first.
struct WalkState {
  explicit WalkState(std::size_t rows) : seen(rows) {}

  SeenRows seen;
  Beam beam;
  DescentState descent;
  CodedQuery query;
  std::span<const Row> fresh;  ///< the links at work that were not seen before
  CodeProductScratch products;
  std::vector<Row> rescored;  ///< for the exact scores at the end
  std::vector<float> scores;  ///< of rescored
  DecodedQuery decoded;       ///< for the scores at the end, where rows are not kept
  LimitWatch watch{no_limit};
  TwoHopState two_hop;     ///< of filtered searches
  IndexSearchStats stats;  ///< of this search
};

/// The graph and the codes it is walked by. Const and safe from any number of threads, each with a state of its own.
class CodeWalk {
 public:
  /// How many standard deviations of the unread tail a head's score may lack and still be looked at. Measured on
  /// WordNet: 1.5 finds what reading all tails finds (R@100 0.9969 at ef = 300), 0.7 loses up to 3 points at narrow
  /// beams.
  static constexpr float tail_allowance = 1.5f;

  CodeWalk(const CodeTable& table, const PackedGraph& graph) : table_(table), graph_(graph), products_(table) {}

  /// Leaves the `ef` best candidates for `query` in state.beam, or the best found when the limit is reached.
  void run(QueryView query, std::size_t ef, WalkState& state, const SearchLimit& limit = no_limit) const {
    start(query, ef, state, limit);
    do {
      absorb(state);
    } while (expand(state));
  }

  /// Encodes the query and descends to level 0; the rows found there are the first for absorb(). Whatever the state was
  /// left in, by an exception perhaps, does not matter. @param limit  must outlive the walk
  void start(QueryView query, std::size_t ef, WalkState& state, const SearchLimit& limit = no_limit) const {
    state.watch = LimitWatch(limit);
    state.stats = {};
    state.seen.clear();
    table_.encode(query, state.query);
    state.beam.reset(ef);
    descend(state);
    state.fresh = state.seen.insert(state.descent.starts);
  }

  /// Takes the best candidate and lists its unseen links in state.fresh. @return whether there was one, and the limit
  /// is not reached
  bool expand(WalkState& state) const {
    if (state.watch.reached_after(state.fresh.size())) {
      state.stats.stopped = true;
      return false;
    }
    const Beam::Candidate* candidate = state.beam.expand_next();
    if (candidate == nullptr) return false;
    ++state.stats.hops;
    state.fresh = state.seen.insert(graph_.bottom().list(candidate->row()));
    return true;
  }

  /// Asks for the memory that absorb() will read; pays where something else is done in between.
  void prefetch(const WalkState& state) const noexcept { products_.prefetch(state.fresh); }

  /// Scores the listed links and puts the good ones into the beam.
  void absorb(WalkState& state) const {
    Beam& beam = state.beam;
    state.stats.distances += state.fresh.size();
    if (const Beam::Candidate* next = beam.peek()) graph_.bottom().prefetch(next->row());
    score_promising(
        state.fresh, tail_allowance, state, [&beam](float score) { return beam.admits(score); },
        [&beam](Row row, float score) {
          if (beam.admits(score)) beam.insert(row, score);
        });
  }

  /// Calls take(row, score) for those of some rows whose scores may pass, in their order. The query is encoded.
  /// @param allowance  standard deviations of the unread tail that a head's score may lack
  /// @param passes     (float score): whether a row of that score is of use
  template <class Passes, class Take>
  void score_promising(std::span<const Row> rows, float allowance, WalkState& state, const Passes& passes,
                       const Take& take) const {
    products_.for_promising(
        state.query, rows, allowance, state.products,
        [&](std::int32_t dot, Row /*row*/, const CodeTable::Terms& terms) { return score_of(state.query, dot, terms); },
        passes, take);
  }

  /// Leaves the best admitted rows in state.beam: see walk_two_hops(). @param seeds  rows to start from, beside those
  /// that a descent finds
  template <class Admits>
  void run_two_hops(QueryView query, std::size_t ef, const SearchLimit& limit, const Admits& admits,
                    std::vector<Row> seeds, std::size_t most, WalkState& state) const {
    struct Level0 {
      const CodeWalk& walk;
      WalkState& state;
      [[nodiscard]] std::span<const Row> links(Row row) const { return walk.graph_.bottom().list(row); }
      void prefetch(Row row) const noexcept { walk.graph_.bottom().prefetch(row); }
      [[nodiscard]] const float* score(std::span<const Row> rows) const { return walk.score(rows, state); }
    };
    state.stats = {};
    table_.encode(query, state.query);
    descend(state);
    seeds.insert(seeds.end(), state.descent.starts.begin(), state.descent.starts.end());
    walk_two_hops(Level0{*this, state}, admits, seeds, ef, most, state.seen, state.beam, state.two_hop, limit,
                  state.stats);
  }

  /// The scores of rows by heads and tails, valid until the next call. The query is encoded.
  [[nodiscard]] const float* score(std::span<const Row> rows, WalkState& state) const {
    state.scores.resize(std::max(state.scores.size(), rows.size()));
    const std::int32_t* dots = products_.dots(state.query.codes.data(), rows, state.products);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      state.scores[i] = score_of(state.query, dots[i], table_.terms(rows[i]));
    }
    return state.scores.data();
  }

  /// Encodes the query, for score().
  void encode(QueryView query, WalkState& state) const { table_.encode(query, state.query); }

 private:
  [[nodiscard]] static float score_of(const CodedQuery& query, std::int32_t dot,
                                      const CodeTable::Terms& terms) noexcept {
    return static_cast<float>(dot) * (query.scale * terms.scale) + terms.offset;
  }

  /// Leaves the rows of level 0 to start from in state.descent. The query is encoded.
  void descend(WalkState& state) const {
    detail::descend(
        graph_.upper(), graph_.entry(),
        [&](std::span<const Row> rows) {
          state.stats.distances += rows.size();
          products_.prefetch(rows);
          return score(rows, state);
        },
        [&] { ++state.stats.hops; }, state.descent);
  }

  const CodeTable& table_;
  const PackedGraph& graph_;
  CodeProducts products_;
};

}  // namespace pefa::detail
