#include "pefa/core/ids.hpp"

#include <limits>
#include <sstream>
#include <type_traits>
#include <unordered_map>

#include "catch.hpp"

using namespace pefa;

static_assert(!std::is_convertible_v<PassageId, QueryId> && !std::is_convertible_v<QueryId, PassageId>);
static_assert(!std::is_constructible_v<PassageId, QueryId> && !std::is_constructible_v<QueryId, PassageId>);
static_assert(!std::is_assignable_v<PassageId&, QueryId> && !std::is_assignable_v<QueryId&, PassageId>);
static_assert(!std::is_convertible_v<Row, PassageId> && !std::is_convertible_v<Row, QueryId>);
static_assert(!std::is_convertible_v<PassageId, Row> && !std::is_convertible_v<QueryId, Row>);
static_assert(std::is_constructible_v<PassageId, Row> && std::is_trivially_copyable_v<PassageId>);
static_assert(sizeof(PassageId) == sizeof(Row));
static_assert(PassageId(7).row() == 7 && PassageId().row() == 0);

template <class A, class B>
concept Comparable = requires(A a, B b) {
  a == b;
};
static_assert(Comparable<PassageId, PassageId> && !Comparable<PassageId, QueryId>);

TEST_CASE("Id: ids of one kind order and compare as their rows do") {
  REQUIRE(PassageId(1) < PassageId(2));
  REQUIRE(PassageId(2) > PassageId(1));
  REQUIRE(PassageId(3) == PassageId(3));
  REQUIRE(PassageId(3) != PassageId(4));
  REQUIRE(QueryId(std::numeric_limits<Row>::max()) > QueryId(0));
}

TEST_CASE("Id: the stream shows the row") {
  std::ostringstream out;
  out << PassageId(4'294'967'295U) << ' ' << QueryId(0);
  REQUIRE(out.str() == "4294967295 0");
}

TEST_CASE("Id: hashes, so that it is a key of an unordered map") {
  std::unordered_map<PassageId, int> counts;
  for (Row row = 0; row < 1000; ++row) counts[PassageId(row % 10)] += 1;
  REQUIRE(counts.size() == 10);
  for (const auto& [passage, count] : counts) {
    REQUIRE(passage.row() < 10);
    REQUIRE(count == 100);
  }
  REQUIRE(std::hash<QueryId>{}(QueryId(5)) == std::hash<QueryId>{}(QueryId(5)));
}

TEST_CASE("ranks_before: higher scores first, equal scores by ascending row") {
  REQUIRE(ranks_before({9, 2.0f}, {1, 1.0f}));
  REQUIRE_FALSE(ranks_before({1, 1.0f}, {9, 2.0f}));
  REQUIRE(ranks_before({1, 1.0f}, {9, 1.0f}));
  REQUIRE_FALSE(ranks_before({9, 1.0f}, {1, 1.0f}));
  REQUIRE_FALSE(ranks_before({1, 1.0f}, {1, 1.0f}));
}
