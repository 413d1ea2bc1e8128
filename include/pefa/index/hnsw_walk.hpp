// pefa: one beam search over a graph of hnswlib, in its memory, with our kernels.
//
// hnswlib's own search keeps two heaps and a list of two bytes a node, shared under a mutex, and cannot be stopped.
// This one finds what it finds at the same ef.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/search_control.hpp"
#include "pefa/index/beam.hpp"
#include "pefa/index/hnswlib_graph.hpp"
#include "pefa/index/two_hop_walk.hpp"

namespace pefa::detail {

/// What one search keeps while it runs; reused, so that no search allocates after the first.
struct HnswWalkState {
  explicit HnswWalkState(std::size_t nodes) : seen(nodes) {}

  SeenRows seen;
  Beam beam;                  ///< of nodes
  std::vector<float> scores;  ///< of the links at work
  TwoHopState two_hop;        ///< of filtered searches
  IndexSearchStats stats;     ///< of this search
};

/// A graph over float rows. Const and safe from any number of threads, each with a state of its own.
class HnswWalk {
 public:
  HnswWalk(const HnswGraph& graph, const HnswSpace& space)
      : graph_(graph),
        space_(space),
        table_(reinterpret_cast<const float*>(graph.getDataByInternalId(0))),
        stride_(graph.size_data_per_element_ / sizeof(float)) {}

  /// Leaves the `ef` best nodes for `query` in state.beam, or the best found when the limit is reached. Whatever the
  /// state was left in, by an exception perhaps, does not matter.
  /// @param goes_on  (const HnswWalkState&): asked after each hop; false ends the walk
  template <class GoesOn>
  void run(const float* query, std::size_t ef, const SearchLimit& limit, HnswWalkState& state,
           const GoesOn& goes_on) const {
    LimitWatch watch(limit);
    IndexSearchStats& stats = state.stats = {};
    Beam& beam = state.beam;
    state.seen.clear();
    beam.reset(ef);
    const Row entry = descend(query, state);
    for (std::span<const Row> fresh = state.seen.insert({&entry, 1});;) {
      if (const Beam::Candidate* next = beam.peek()) prefetch_links(next->row());
      const float* scores = score(query, fresh, state);
      for (std::size_t i = 0; i < fresh.size(); ++i) {
        if (beam.admits(scores[i])) beam.insert(fresh[i], rankable(scores[i]));
      }
      if (watch.reached_after(fresh.size())) {
        stats.stopped = true;
        return;
      }
      const Beam::Candidate* candidate = beam.expand_next();
      if (candidate == nullptr) return;
      ++stats.hops;
      if (!goes_on(state)) return;
      fresh = state.seen.insert(links(candidate->row(), 0));
    }
  }
  /// The same to its end.
  void run(const float* query, std::size_t ef, const SearchLimit& limit, HnswWalkState& state) const {
    run(query, ef, limit, state, [](const HnswWalkState&) { return true; });
  }

  /// Leaves the best admitted nodes in state.beam: see walk_two_hops(). @param seeds  nodes to start from, beside the
  /// one that a descent finds
  template <class Admits>
  void run_two_hops(const float* query, std::size_t ef, const SearchLimit& limit, const Admits& admits,
                    std::vector<Row> seeds, HnswWalkState& state) const {
    struct Level0 {
      const HnswWalk& walk;
      const float* query;
      HnswWalkState& state;
      [[nodiscard]] std::span<const Row> links(Row node) const { return walk.links(node, 0); }
      void prefetch(Row node) const noexcept { walk.prefetch_links(node); }
      [[nodiscard]] const float* score(std::span<const Row> nodes) const { return walk.score(query, nodes, state); }
    };
    state.stats = {};
    seeds.push_back(descend(query, state));
    IndexSearchStats stats;  // score() counts distances itself
    walk_two_hops(Level0{*this, query, state}, admits, seeds, ef, graph_.maxM0_, state.seen, state.beam, state.two_hop,
                  limit, stats);
    state.stats.hops += stats.hops;
    state.stats.stopped = stats.stopped;
  }

 private:
  static_assert(std::is_same_v<hnswlib::tableint, Row>);

  [[nodiscard]] std::span<const Row> links(Row node, int level) const {
    auto* list = level == 0 ? graph_.get_linklist0(node) : graph_.get_linklist(node, level);
    return {list + 1, graph_.getListCount(list)};
  }

  void prefetch_links(Row node) const noexcept {
    const auto* list = reinterpret_cast<const char*>(graph_.get_linklist0(node));
    for (std::size_t line = 0; line < graph_.size_links_level0_; line += 64) __builtin_prefetch(list + line);
  }

  /// The scores of some nodes, valid until the next call.
  [[nodiscard]] const float* score(const float* query, std::span<const Row> nodes, HnswWalkState& state) const {
    if (state.scores.size() < nodes.size()) state.scores.resize(nodes.size());
    space_.similarities(query, table_, stride_, nodes, state.scores.data());
    state.stats.distances += nodes.size();
    return state.scores.data();
  }

  /// The node of level 0 to start from: greedy descent from the top level.
  [[nodiscard]] Row descend(const float* query, HnswWalkState& state) const {
    Row nearest = graph_.enterpoint_node_;
    float best = *score(query, {&nearest, 1}, state);
    for (int level = graph_.maxlevel_; level > 0; --level) {
      for (bool moved = true; moved;) {
        moved = false;
        ++state.stats.hops;
        const std::span<const Row> around = links(nearest, level);
        const float* scores = score(query, around, state);
        for (std::size_t i = 0; i < around.size(); ++i) {
          if (!(scores[i] > best)) continue;  // so written, a NaN cannot keep it going in circles
          best = scores[i];
          nearest = around[i];
          moved = true;
        }
      }
    }
    return nearest;
  }

  const HnswGraph& graph_;
  const HnswSpace& space_;
  const float* table_;
  std::size_t stride_;
};

}  // namespace pefa::detail
