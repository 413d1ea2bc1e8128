#include "pefa/core/search_control.hpp"

#include "catch.hpp"

using namespace pefa;

TEST_CASE("SearchLimit: exists and is reached by a deadline or by a stop") {
  REQUIRE_FALSE(SearchLimit{}.exists());
  REQUIRE_FALSE(SearchLimit{}.reached());
  REQUIRE(SearchLimit::within(std::chrono::hours(1)).exists());
  REQUIRE_FALSE(SearchLimit::within(std::chrono::hours(1)).reached());
  REQUIRE(SearchLimit::within(std::chrono::seconds(0)).reached());
  std::atomic<bool> stop{false};
  const SearchLimit limit{.stop = &stop};
  REQUIRE(limit.exists());
  REQUIRE_FALSE(limit.reached());
  stop = true;
  REQUIRE(limit.reached());
}

TEST_CASE("LimitWatch: looks after every few hundred distances, and remembers") {
  std::atomic<bool> stop{true};
  const SearchLimit limit{.stop = &stop};
  detail::LimitWatch watch(limit);
  REQUIRE_FALSE(watch.reached_after(100));
  REQUIRE_FALSE(watch.reached_after(100));
  REQUIRE(watch.reached_after(100));
  stop = false;
  REQUIRE(watch.reached_after(1));
  const SearchLimit none;
  detail::LimitWatch never(none);
  REQUIRE_FALSE(never.reached_after(1'000'000));
}

TEST_CASE("BatchStats: add to what was there; nobody asking costs nothing") {
  IndexSearchStats total{.distances = 1};
  detail::BatchStats parts(&total, 3);
  *parts.part(0) += {.distances = 2, .hops = 1};
  *parts.part(2) += {.reranked = 7, .stopped = true};
  parts.add_up();
  REQUIRE(total.distances == 3);
  REQUIRE(total.hops == 1);
  REQUIRE(total.reranked == 7);
  REQUIRE(total.stopped);
  REQUIRE(detail::BatchStats<IndexSearchStats>(nullptr, 3).part(1) == nullptr);
}

TEST_CASE("SearchLimit::within: longer than the clock counts is no limit") {
  REQUIRE_FALSE(SearchLimit::within(SearchLimit::Clock::duration::max()).exists());
  REQUIRE_FALSE(SearchLimit::within(std::chrono::hours(1)).reached());
  REQUIRE(SearchLimit::within(-std::chrono::hours(1)).reached());
}
