// pefa: a beam search over the admitted nodes of a graph: where a link leads to another node, that node's links stand
// for it, so that the walk does not end where few are admitted (ACORN: Patel et al., SIGMOD 2024).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/index/beam.hpp"

namespace pefa::detail {

/// What one such search keeps while it runs; reused, so that no search allocates after the first.
struct TwoHopState {
  std::vector<Row> fresh;   ///< admitted nodes to be scored
  std::vector<Row> others;  ///< links that are not admitted
};

/// Leaves the best nodes in `beam`, at most ef, or the best found when the limit is reached; the first of them may be
/// one that is not admitted.
///
/// @param graph   links(node), prefetch(node), score(std::span<const Row> nodes): const float*, valid until the next
/// @param admits  (Row node): whether a node is admitted
/// @param seeds   where to start: the node that a descent found, and some admitted ones
/// @param most    admitted nodes of a hop: what lies behind them is left for later hops
template <class Graph, class Admits>
void walk_two_hops(const Graph& graph, const Admits& admits, std::span<const Row> seeds, std::size_t ef,
                   std::size_t most, SeenRows& seen, Beam& beam, TwoHopState& state, const SearchLimit& limit,
                   IndexSearchStats& stats) {
  LimitWatch watch(limit);
  seen.clear();
  beam.reset(ef);
  const std::span<const Row> first = seen.insert(seeds);
  state.fresh.assign(first.begin(), first.end());
  while (true) {
    if (!state.fresh.empty()) {
      const float* scores = graph.score(state.fresh);
      for (std::size_t i = 0; i < state.fresh.size(); ++i) {
        const float score = rankable(scores[i]);
        if (beam.admits(score)) beam.insert(state.fresh[i], score);
      }
    }
    stats.distances += state.fresh.size();
    if (watch.reached_after(state.fresh.size() + 1)) {
      stats.stopped = true;
      return;
    }
    const Beam::Candidate* candidate = beam.expand_next();
    if (candidate == nullptr) return;
    ++stats.hops;
    state.fresh.clear();
    state.others.clear();
    for (const Row node : seen.insert(graph.links(candidate->row()))) {
      if (admits(node)) {
        state.fresh.push_back(node);
      } else {
        state.others.push_back(node);
        graph.prefetch(node);
      }
    }
    for (const Row other : state.others) {
      if (state.fresh.size() >= most) break;
      for (const Row node : graph.links(other)) {
        if (admits(node) && !seen.insert({&node, 1}).empty()) state.fresh.push_back(node);
      }
    }
  }
}

}  // namespace pefa::detail
