// pefa: several walks of one graph on one thread, each of which takes a step in turn: while one waits for memory,
// another computes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <vector>

#include "pefa/core/search_control.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/code_walk.hpp"

namespace pefa::detail {

/// Walks for queries 0 … count-1, those whose turn comes before the limit; the same results as one after the other.
/// @param width       of every beam
/// @param take_state  (): something that points to a WalkState and gives it back when it is destroyed
/// @param query       (std::size_t i): its elements
/// @param finish      (std::size_t i, WalkState&): called when the walk of query i has ended
/// @return  what the walks took, together; stopped where the limit was reached
template <class TakeState, class Query, class Finish>
[[nodiscard]] IndexSearchStats walk_interleaved(const CodeWalk& walk, std::size_t count, std::size_t width,
                                                const SearchLimit& limit, const TakeState& take_state,
                                                const Query& query, const Finish& finish) {
  constexpr std::size_t lanes_in_flight = 8;
  constexpr auto done = static_cast<std::size_t>(-1);
  struct Lane {
    std::invoke_result_t<const TakeState&> state;
    std::size_t query;
  };
  std::vector<Lane> lanes;
  IndexSearchStats took{.stopped = limit.reached()};
  std::size_t next = took.stopped ? count : 0;
  for (; next < std::min(lanes_in_flight, count); ++next) {
    lanes.push_back({take_state(), next});
    walk.start(query(next), width, *lanes.back().state, limit);
  }
  for (std::size_t running = lanes.size(); running > 0;) {
    for (Lane& lane : lanes) {
      WalkState& state = *lane.state;
      if (lane.query == done) continue;
      walk.absorb(state);
      if (walk.expand(state)) {
        walk.prefetch(state);
        continue;
      }
      finish(lane.query, state);
      took += state.stats;
      if (took.stopped) next = count;
      if (next < count) {
        walk.start(query(next), width, state, limit);
        lane.query = next++;
      } else {
        lane.query = done;
        --running;
      }
    }
  }
  return took;
}

}  // namespace pefa::detail
