#include "pefa/store/row_set.hpp"

#include <concepts>
#include <random>
#include <set>
#include <vector>

#include "catch.hpp"

using namespace pefa;

namespace {

/// Each row with this chance.
std::vector<Row> random_rows(std::size_t universe, double share, unsigned seed) {
  std::mt19937 random(seed);
  std::bernoulli_distribution in(share);
  std::vector<Row> rows;
  for (Row row = 0; row < universe; ++row) {
    if (in(random)) rows.push_back(row);
  }
  return rows;
}

/// What std::set makes of the same question.
template <class Holds>
std::vector<Row> expected(std::size_t universe, const Holds& holds) {
  std::vector<Row> rows;
  for (Row row = 0; row < universe; ++row) {
    if (holds(row)) rows.push_back(row);
  }
  return rows;
}

void require_same(const RowSet& set, const std::vector<Row>& rows, std::size_t universe) {
  REQUIRE(set.universe() == universe);
  REQUIRE(set.size() == rows.size());
  REQUIRE(set.empty() == rows.empty());
  REQUIRE(set.rows() == rows);
  const std::set<Row> in(rows.begin(), rows.end());
  for (Row row = 0; row < universe; ++row) REQUIRE(set.contains(row) == in.contains(row));
  REQUIRE(set == RowSet::of(rows, universe));
}

}  // namespace

static_assert(!std::convertible_to<PassageSet, QuerySet>);
static_assert(!std::convertible_to<RowSet, PassageSet>);
static_assert(!std::equality_comparable_with<PassageSet, QuerySet>);

TEST_CASE("RowSet: it is held in whichever form takes the least memory") {
  REQUIRE(RowSet::none(6400).form() == RowSetForm::listed);
  REQUIRE(RowSet::all(6400).form() == RowSetForm::all_but);
  REQUIRE(RowSet::of(random_rows(6400, 0.5, 1), 6400).form() == RowSetForm::dense);
  const auto first = [](Row count) { return RowSet::of_ranges(std::vector<RowRange>{{0, count}}, 6400); };
  REQUIRE(first(200).form() == RowSetForm::listed);
  REQUIRE(first(200).memory_bytes() == 800);
  REQUIRE(first(201).form() == RowSetForm::dense);
  REQUIRE(first(201).memory_bytes() == 800);
  REQUIRE(first(6199).form() == RowSetForm::dense);
  REQUIRE(first(6200).form() == RowSetForm::all_but);
}

TEST_CASE("RowSet: rows in any order, each as often as it likes, make the same set") {
  REQUIRE(RowSet::of(std::vector<Row>{7, 3, 7, 3, 3}, 1000).rows() == std::vector<Row>{3, 7});
  REQUIRE(RowSet::of(std::vector<Row>{7, 3, 7, 3, 3}, 10).rows() == std::vector<Row>{3, 7});
  REQUIRE_ERROR(ShapeError, "RowSet::of: row 10, expected below 10", RowSet::of(std::vector<Row>{7, 10}, 10));
  REQUIRE_ERROR(ShapeError, "RowSet: 4294967296 rows, expected at most 4294967295", RowSet::none(std::size_t{1} << 32));
}

TEST_CASE("RowSet: ranges, words and predicates name the rows they should") {
  for (const std::size_t universe : {1U, 63U, 64U, 65U, 128U, 1000U}) {
    const auto end = static_cast<Row>(universe);
    const std::vector<RowRange> ranges{{0, end / 3}, {end / 4, end / 2}, {end, end}, {end - 1, end}};
    const auto in = [&](Row row) { return row < end / 3 || (row >= end / 4 && row < end / 2) || row + 1 == end; };
    require_same(RowSet::of_ranges(ranges, universe), expected(universe, in), universe);
    require_same(RowSet::where(universe, in), expected(universe, in), universe);
    std::vector<std::uint64_t> ones(RowSet::words_of(universe), ~std::uint64_t{0});
    require_same(RowSet::of_words(ones, universe), expected(universe, [](Row) { return true; }), universe);
  }
  REQUIRE_ERROR(ShapeError, "RowSet::of_ranges: rows 5 to 4, expected ascending and at most 10",
                RowSet::of_ranges(std::vector<RowRange>{{5, 4}}, 10));
  REQUIRE_ERROR(ShapeError, "RowSet::of_ranges: rows 5 to 11, expected ascending and at most 10",
                RowSet::of_ranges(std::vector<RowRange>{{5, 11}}, 10));
  REQUIRE_ERROR(ShapeError, "RowSet::of_words: 1 words for 65 rows, expected 2",
                RowSet::of_words(std::vector<std::uint64_t>(1), 65));
}

TEST_CASE("RowSet: and, or, not, minus are those of sets, in every pair of forms") {
  for (const std::size_t universe : {0U, 1U, 70U, 640U, 1000U}) {
    std::vector<RowSet> sets{RowSet::none(universe), RowSet::all(universe)};
    unsigned seed = 0;
    for (const double share : {0.01, 0.02, 0.2, 0.5, 0.9, 0.98, 0.99}) {
      sets.push_back(RowSet::of(random_rows(universe, share, ++seed), universe));
    }
    for (const RowSet& a : sets) {
      require_same(~a, expected(universe, [&](Row row) { return !a.contains(row); }), universe);
      for (const RowSet& b : sets) {
        require_same(a & b, expected(universe, [&](Row row) { return a.contains(row) && b.contains(row); }), universe);
        require_same(a | b, expected(universe, [&](Row row) { return a.contains(row) || b.contains(row); }), universe);
        require_same(a - b, expected(universe, [&](Row row) { return a.contains(row) && !b.contains(row); }), universe);
        REQUIRE((a == b) == (a.rows() == b.rows()));
      }
    }
  }
  const std::string both = "RowSet: sets of 3 and 4 rows, expected one universe";
  REQUIRE_ERROR(ShapeError, both, RowSet::all(3) - RowSet::all(4));
  REQUIRE_ERROR(ShapeError, both, RowSet::all(3) & RowSet::all(4));
  REQUIRE_ERROR(ShapeError, both, RowSet::all(3) | RowSet::all(4));
  REQUIRE_FALSE(RowSet::none(3) == RowSet::none(4));
}

TEST_CASE("RowSet: copies share their memory and outlive what they were copied from") {
  RowSet copy;
  {
    const RowSet set = RowSet::of(random_rows(1000, 0.3, 5), 1000);
    copy = set;
    REQUIRE(copy.words().data() == set.words().data());
  }
  REQUIRE(copy.rows() == random_rows(1000, 0.3, 5));
}

TEST_CASE("PassageSet: a set of passages by their ids") {
  const PassageSet set = PassageSet::of(std::vector<PassageId>{PassageId(4), PassageId(2)}, 5);
  REQUIRE(set.contains(PassageId(2)));
  REQUIRE_FALSE(set.contains(PassageId(3)));
  REQUIRE((~set).size() == 3);
  REQUIRE((set | ~set) == PassageSet(RowSet::all(5)));
  REQUIRE((set & ~set).empty());
  REQUIRE((set - set).universe() == 5);
}
