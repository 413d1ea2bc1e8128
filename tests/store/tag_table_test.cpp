#include "pefa/store/tag_table.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using pefa::test::listed;

namespace {

/// The arrays of a table of 5 rows: lang is de or en, price 5 or 20; and what a case changes in them.
struct Arrays {
  std::string names = "langprice";
  std::vector<std::uint64_t> name_ends{4, 9};
  std::vector<std::uint8_t> kinds{0, 1};
  std::vector<std::uint64_t> value_ends{2, 4};
  std::vector<std::int64_t> values{2, 4, 5, 20};
  std::string texts = "deen";
  std::vector<std::uint64_t> row_ends{1, 4, 5, 7};
  std::vector<Row> rows{3, 0, 1, 4, 0, 1, 3};

  [[nodiscard]] TagTable table(std::size_t n_rows = 5) const {
    return TagTable::over({names, name_ends, kinds, value_ends, values, texts, row_ends, rows}, n_rows, nullptr, 0,
                          "x.pefa");
  }
};

template <class Change>
void refuse_change(const char* what, const Change& change) {
  Arrays arrays;
  change(arrays);
  REQUIRE_ERROR(FormatError, std::string("x.pefa: ") + what, arrays.table());
}

}  // namespace

TEST_CASE("TagTable: keys, values and the rows of each") {
  const Arrays arrays;
  const TagTable table = arrays.table();
  REQUIRE(table.size() == 5);
  REQUIRE(table.keys().size() == 2);
  REQUIRE(table.find("seller") == nullptr);
  REQUIRE(table.find("") == nullptr);
  const TagKey& lang = *table.find("lang");
  REQUIRE(lang.kind == TagKind::text);
  REQUIRE(lang.assignments == 4);
  REQUIRE(table.text(lang, 0) == "de");
  REQUIRE(table.text(lang, 1) == "en");
  REQUIRE(table.find_text(lang, "en") == std::size_t{1});
  REQUIRE(!table.find_text(lang, "e"));
  REQUIRE(!table.find_text(lang, "fr"));
  REQUIRE(listed(table.rows_of(lang, 1)) == std::vector<Row>{0, 1, 4});
  const TagKey& price = *table.find("price");
  REQUIRE(price.kind == TagKind::integer);
  REQUIRE(table.number(price, 1) == 20);
  REQUIRE(table.find_numbers(price, 6, 20) == std::pair<std::size_t, std::size_t>(1, 2));
  REQUIRE(table.find_numbers(price, 21, 30).first == table.find_numbers(price, 21, 30).second);
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  REQUIRE(listed(table.rows_of(price, 0, table.find_numbers(price, least, most).second)) == std::vector<Row>{0, 1, 3});
  const auto [begin, end] = table.find_numbers(price, most, least);  // an empty range of values
  REQUIRE(begin == end);
}

TEST_CASE("TagTable: no keys, no rows") {
  const TagTable none = TagTable::over({}, 0, nullptr);
  REQUIRE(none.keys().empty());
  REQUIRE(none.find("lang") == nullptr);
  REQUIRE(TagTable().size() == 0);
}

TEST_CASE("TagTable::over: refuses arrays that are no table, and says what is wrong") {
  refuse_change("tags of 2 keys have 1 kinds", [](Arrays& a) { a.kinds.pop_back(); });
  refuse_change("tags of 2 keys have 2 kinds and 1 ends", [](Arrays& a) { a.value_ends.pop_back(); });
  refuse_change("tags of 2 keys have 2 kinds and 2 ends of values; 4 values have 3",
                [](Arrays& a) { a.row_ends.pop_back(); });
  refuse_change("end 1 of the names of the tags is 10, expected above 4 and at most 9",
                [](Arrays& a) { a.name_ends[1] = 10; });
  refuse_change("end 0 of the names of the tags is 0", [](Arrays& a) { a.name_ends[0] = 0; });
  refuse_change("the names of the tags end at 8, expected at 9", [](Arrays& a) { a.name_ends[1] = 8; });
  refuse_change("end 0 of the values of the tags is 5", [](Arrays& a) { a.value_ends[0] = 5; });
  refuse_change("end 1 of the values of the tags is 2, expected above 2", [](Arrays& a) { a.value_ends[1] = 2; });
  refuse_change("end 2 of the rows of the tags is 4, expected above 4", [](Arrays& a) { a.row_ends[2] = 4; });
  refuse_change("end 3 of the rows of the tags is 18446744073709551615",
                [](Arrays& a) { a.row_ends[3] = ~std::uint64_t{0}; });
  refuse_change("tag 'lang' is of kind 2", [](Arrays& a) { a.kinds[0] = 2; });
  refuse_change("tag 'lang' comes after 'price'", [](Arrays& a) {
    a.names = "pricelang";
    a.name_ends = {5, 9};
  });
  refuse_change("value 0 of tag 'lang' is bytes 0 to 18446744073709551615 of 4", [](Arrays& a) { a.values[0] = -1; });
  refuse_change("value 1 of tag 'lang' is bytes 2 to 1", [](Arrays& a) { a.values[1] = 1; });
  refuse_change("the texts of the tags end at 4, expected at 5", [](Arrays& a) { a.texts += "x"; });
  refuse_change("value 1 of tag 'lang' is not above the one before", [](Arrays& a) { a.texts = "ende"; });
  refuse_change("value 1 of tag 'price' is not above the one before", [](Arrays& a) { a.values[3] = 5; });
  refuse_change("tag value 1 lists row 1 after 1", [](Arrays& a) { a.rows[1] = 1; });
  refuse_change("tag value 1 lists row 5, expected below 5", [](Arrays& a) { a.rows[3] = 5; });
}
