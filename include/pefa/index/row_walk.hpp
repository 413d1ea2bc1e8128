// pefa: beam searches for rows near a row of the same table, over a graph that is still growing, in steps that a thread
// may interleave.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/index/beam.hpp"
#include "pefa/index/code_products.hpp"
#include "pefa/index/code_table.hpp"
#include "pefa/index/code_walk.hpp"
#include "pefa/index/coded_rows.hpp"
#include "pefa/index/growing_links.hpp"
#include "pefa/index/packed_graph.hpp"

namespace pefa::detail {

/// One search at work; reused.
struct RowWalkState {
  explicit RowWalkState(std::size_t rows) : seen(rows) {}

  SeenRows seen;
  Beam beam;
  DescentState descent;
  CodedQuery query;            ///< the row
  float lift = 0.0f;           ///< its lifting coordinate
  std::span<const Row> fresh;  ///< the links at work that were not seen before
  CodeProductScratch products;
  std::vector<float> scores;  ///< of a descent
};

/// Searches for the rows y with the highest product of codes with x, plus y's own term (CodedRows). Const and safe from
/// any number of threads, each with a state of its own, while the links do not change.
class RowWalk {
 public:
  RowWalk(const CodedRows& rows, const GrowingLinks& links) : rows_(rows), links_(links), products_(rows.table()) {}

  /// Takes up a row, which need not be in the graph.
  void ask(Row row, RowWalkState& state) const {
    rows_.table().encode(row, state.query);
    state.lift = rows_.lift(row);
  }

  /// Begins at some rows, with a beam of `width`.
  void start(std::span<const Row> from, std::size_t width, RowWalkState& state) const {
    state.seen.clear();
    state.beam.reset(width);
    state.fresh = state.seen.insert(from);
  }

  /// Takes step after step until the beam has no more to expand.
  void run(RowWalkState& state) const {
    do {
      absorb(state);
    } while (expand(state));
  }

  /// The scores of rows by heads and tails, valid until the next call.
  [[nodiscard]] const float* scores(std::span<const Row> rows, RowWalkState& state) const {
    products_.prefetch(rows);
    state.scores.resize(std::max(state.scores.size(), rows.size()));
    const std::int32_t* dots = products_.dots(state.query.codes.data(), rows, state.products);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      state.scores[i] = score_of(state, dots[i], rows[i], rows_.table().terms(rows[i]));
    }
    return state.scores.data();
  }

  /// Takes the best candidate and lists its unseen links. @return whether there was one
  bool expand(RowWalkState& state) const {
    const Beam::Candidate* candidate = state.beam.expand_next();
    if (candidate == nullptr) return false;
    state.fresh = state.seen.insert(links_.list(candidate->row()));
    return true;
  }

  /// Asks for the memory that absorb() will read.
  void prefetch(const RowWalkState& state) const noexcept { products_.prefetch(state.fresh); }

  /// Scores the listed links and puts the good ones into the beam.
  void absorb(RowWalkState& state) const {
    Beam& beam = state.beam;
    if (const Beam::Candidate* next = beam.peek()) links_.prefetch(next->row());
    products_.for_promising(
        state.query, state.fresh, CodeWalk::tail_allowance, state.products,
        [&](std::int32_t dot, Row row, const CodeTable::Terms& terms) { return score_of(state, dot, row, terms); },
        [&beam](float score) { return beam.admits(score); },
        [&beam](Row row, float score) {
          if (beam.admits(score)) beam.insert(row, score);
        });
  }

 private:
  [[nodiscard]] float score_of(const RowWalkState& state, std::int32_t dot, Row row,
                               const CodeTable::Terms& terms) const noexcept {
    const float product = static_cast<float>(dot) * (state.query.scale * terms.scale);
    return product + state.lift * rows_.lift(row) + rows_.term(row);
  }

  const CodedRows& rows_;
  const GrowingLinks& links_;
  CodeProducts products_;
};

}  // namespace pefa::detail
