#include "pefa/store/row_filter.hpp"

#include <concepts>
#include <vector>

#include "catch.hpp"

using namespace pefa;

static_assert(std::convertible_to<const PassageSet&, PassageFilter>);
static_assert(!std::convertible_to<const QuerySet&, PassageFilter>);
static_assert(!std::convertible_to<const RowSet&, PassageFilter>);
static_assert(!std::convertible_to<int, RowFilter>);

TEST_CASE("RowFilter: a set, a predicate or nothing says which rows are admitted") {
  const RowSet set = RowSet::of(std::vector<Row>{1, 5}, 10);
  const RowFilter by_set = set;
  const auto odd = [](Row row) { return row % 2 == 1; };
  const RowFilter by_predicate = odd;
  const RowFilter all;
  for (Row row = 0; row < 10; ++row) {
    REQUIRE(by_set.admits(row) == set.contains(row));
    REQUIRE(by_predicate.admits(row) == odd(row));
    REQUIRE(all.admits(row));
  }
  REQUIRE(by_set.count(10) == 2);
  REQUIRE_FALSE(by_predicate.count(10).has_value());
  REQUIRE(all.count(10) == 10);
  REQUIRE(by_set.to_set(10) == set);
  REQUIRE(by_predicate.to_set(10).rows() == std::vector<Row>{1, 3, 5, 7, 9});
  REQUIRE(all.to_set(10) == RowSet::all(10));
  REQUIRE(all.admits_all());
  REQUIRE_FALSE(by_set.admits_all());
  REQUIRE_FALSE(by_predicate.admits_all());
  const RowSet whole = RowSet::all(10);
  REQUIRE(RowFilter(whole).admits_all());
}

TEST_CASE("RowFilter: a set of another length is refused, both lengths named") {
  const RowSet set = RowSet::all(10);
  RowFilter(set).require_universe(10, "here");
  RowFilter().require_universe(11, "here");
  REQUIRE_ERROR(ShapeError, "here: the filter is a set of 10 passages, expected 11",
                RowFilter(set).require_universe(11, "here", "passages"));
}

TEST_CASE("PassageFilter: a predicate on passages is asked by passage") {
  const auto third = [](PassageId id) { return id == PassageId(3); };
  const PassageFilter filter = third;
  REQUIRE(filter.admits(PassageId(3)));
  REQUIRE_FALSE(filter.rows().admits(4));
  const PassageSet set = PassageSet::of(std::vector<PassageId>{PassageId(2)}, 4);
  REQUIRE(PassageFilter(set).rows().set() == &set.rows());
}
