// pefa: beam searches for rows near a row of the same table, over a graph that is still growing, in steps that a thread
// may interleave.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/index/beam.hpp"
#include "pefa/index/code_table.hpp"
#include "pefa/index/code_walk.hpp"
#include "pefa/index/coded_rows.hpp"
#include "pefa/index/growing_links.hpp"
#include "pefa/simd/code_kernels.hpp"

namespace pefa::detail {

/// One search at work; reused.
struct RowWalkState {
  explicit RowWalkState(std::size_t rows) : seen(rows) {}

  SeenRows seen;
  Beam beam;
  CodedQuery query;            ///< the row
  float lift = 0.0f;           ///< its lifting coordinate
  std::span<const Row> fresh;  ///< the links at work that were not seen before
  std::vector<std::int32_t> dots;
  std::vector<Row> promising;  ///< those whose tails are read
  std::vector<std::int32_t> head_dots;
  std::vector<std::int32_t> tail_dots;
};

/// Searches for the rows y with the highest product of codes with x, plus y's own term (CodedRows). Const and safe from
/// any number of threads, each with a state of its own, while the links do not change.
class RowWalk {
 public:
  RowWalk(const CodedRows& rows, const GrowingLinks& links)
      : rows_(rows), table_(rows.table()), links_(links), kernels_(simd::code_kernels()) {}

  /// Takes up a row, which need not be in the graph.
  void ask(Row row, RowWalkState& state) const {
    table_.encode(row, state.query);
    state.lift = rows_.lift(row);
  }

  /// Begins at row `from`, with a beam of `width`.
  void start(Row from, std::size_t width, RowWalkState& state) const {
    state.seen.clear();
    state.beam.reset(width);
    state.fresh = state.seen.insert({&from, 1});
  }

  /// Takes step after step until the beam has no more to expand.
  void run(RowWalkState& state) const {
    do {
      absorb(state);
    } while (expand(state));
  }

  /// One row's score, by head and tail.
  [[nodiscard]] float score(const RowWalkState& state, Row row) const noexcept {
    const std::int8_t* codes = state.query.codes.data();
    std::int32_t dot = kernels_.dot(codes, table_.heads() + row * table_.head_bytes(), table_.head_bytes());
    if (table_.is_split()) {
      dot += kernels_.dot(codes + table_.head_bytes(), table_.tails() + row * table_.tail_bytes(), table_.tail_bytes());
    }
    return score_of(state, dot, row, table_.terms(row));
  }

  /// Takes the best candidate and lists its unseen links. @return whether there was one
  bool expand(RowWalkState& state) const {
    const Beam::Candidate* candidate = state.beam.expand_next();
    if (candidate == nullptr) return false;
    state.fresh = state.seen.insert(links_.list(candidate->row()));
    return true;
  }

  /// Asks for the memory that absorb() will read.
  void prefetch(const RowWalkState& state) const noexcept {
    for (const Row row : state.fresh) {
      const std::int8_t* head = table_.heads() + row * table_.head_bytes();
      for (std::size_t line = 0; line < table_.head_bytes(); line += 64) __builtin_prefetch(head + line);
    }
  }

  /// Scores the listed links and puts the good ones into the beam.
  void absorb(RowWalkState& state) const {
    const std::span<const Row> fresh = state.fresh;
    Beam& beam = state.beam;
    if (const Beam::Candidate* next = beam.peek()) links_.prefetch(next->row());
    if (state.dots.size() < fresh.size()) {
      for (auto* dots : {&state.dots, &state.head_dots, &state.tail_dots}) dots->resize(fresh.size());
      state.promising.resize(fresh.size());
    }
    const CodedQuery& query = state.query;
    kernels_.dot_rows(query.codes.data(), table_.heads(), table_.head_bytes(), fresh.data(), fresh.size(),
                      state.dots.data());
    if (!table_.is_split()) {
      for (std::size_t i = 0; i < fresh.size(); ++i) {
        const float score = score_of(state, state.dots[i], fresh[i], table_.terms(fresh[i]));
        if (beam.admits(score)) beam.insert(fresh[i], score);
      }
      return;
    }
    std::size_t count = 0;
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      const CodeTable::Terms terms = table_.terms(fresh[i]);
      const float score = score_of(state, state.dots[i], fresh[i], terms);
      const bool promises = beam.admits(score + CodeWalk::tail_allowance * query.tail_deviation * terms.tail);
      state.promising[count] = fresh[i];
      state.head_dots[count] = state.dots[i];
      count += promises ? 1U : 0U;
    }
    kernels_.dot_rows(query.codes.data() + table_.head_bytes(), table_.tails(), table_.tail_bytes(),
                      state.promising.data(), count, state.tail_dots.data());
    for (std::size_t i = 0; i < count; ++i) {
      const Row row = state.promising[i];
      const float score = score_of(state, state.head_dots[i] + state.tail_dots[i], row, table_.terms(row));
      if (beam.admits(score)) beam.insert(row, score);
    }
  }

 private:
  [[nodiscard]] float score_of(const RowWalkState& state, std::int32_t dot, Row row,
                               const CodeTable::Terms& terms) const noexcept {
    const float product = static_cast<float>(dot) * (state.query.scale * terms.scale);
    return product + state.lift * rows_.lift(row) + rows_.term(row);
  }

  const CodedRows& rows_;
  const CodeTable& table_;
  const GrowingLinks& links_;
  simd::CodeKernels kernels_;
};

}  // namespace pefa::detail
