#include "pefa/live/live_waiting.hpp"

#include <vector>

#include "catch.hpp"
#include "pefa/live/event.hpp"

using pefa::live::AddPair;
using pefa::live::detail::WaitingPairs;
using pefa::live::detail::WaitsFor;

TEST_CASE("WaitingPairs: an id takes out the pairs that wait for it, in their order, and no others") {
  const AddPair first{"q", "b", 2.0f};
  const AddPair second{"r", "b", 1.0f};
  const AddPair other{"q", "a", 1.0f};
  const AddPair for_query{"b", "a", 1.0f};  // its query is called as a passage is
  WaitingPairs waiting;
  waiting.add(first, WaitsFor::passage);
  waiting.add(other, WaitsFor::passage);
  waiting.add(second, WaitsFor::passage);
  waiting.add(for_query, WaitsFor::query);
  REQUIRE(waiting.size() == 4);
  REQUIRE(waiting.take(WaitsFor::passage, "c").empty());
  REQUIRE(waiting.take(WaitsFor::passage, "b") == std::vector{first, second});
  REQUIRE(waiting.take(WaitsFor::passage, "b").empty());
  REQUIRE(waiting.pairs() == std::vector{other, for_query});
  REQUIRE(waiting.take(WaitsFor::query, "b") == std::vector{for_query});
  REQUIRE(waiting.size() == 1);
}

TEST_CASE("WaitingPairs: drops the pairs that a predicate holds for, whatever they wait for") {
  const AddPair stays{"r", "a", 1.0f};
  WaitingPairs waiting;
  waiting.add({"q", "a", 1.0f}, WaitsFor::passage);
  waiting.add(stays, WaitsFor::passage);
  waiting.add({"q", "b", 1.0f}, WaitsFor::query);
  const auto is_of_q = [](const AddPair& pair) { return pair.query == "q"; };
  REQUIRE(waiting.drop(is_of_q));
  REQUIRE(waiting.pairs() == std::vector{stays});
  REQUIRE(waiting.size() == 1);
  REQUIRE(!waiting.drop(is_of_q));
}
