#include "pefa/store/tag_condition.hpp"

#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/store/tag_table_builder.hpp"

using namespace pefa;

namespace {

/// A shop of 6 rows; row 5 has no tags, row 2 two colours.
TagTable shop() {
  TagTableBuilder builder(6);
  const char* langs[] = {"en", "de", "en", "fr", "en"};
  for (Row row = 0; row < 5; ++row) {
    builder.add(row, "lang", langs[row]);
    builder.add_integer(row, "price", 10 * (row + 1));
  }
  builder.add(0, "colour", "red");
  builder.add(2, "colour", "red");
  builder.add(2, "colour", "blue");
  builder.add(1, "seller", "7");
  builder.add(4, "seller", "8");
  return builder.build();
}

std::vector<Row> rows(const std::string& expression) {
  return rows_where(shop(), expression).rows();
}

using RowList = std::vector<Row>;

}  // namespace

TEST_CASE("rows_where: a comparison holds for the rows that have such a value") {
  REQUIRE(rows("lang=en") == RowList{0, 2, 4});
  REQUIRE(rows("lang='fr'") == RowList{3});
  REQUIRE(rows("price=30") == RowList{2});
  REQUIRE(rows("price<30") == RowList{0, 1});
  REQUIRE(rows("price<=30") == RowList{0, 1, 2});
  REQUIRE(rows("price>30") == RowList{3, 4});
  REQUIRE(rows("price>=30") == RowList{2, 3, 4});
  REQUIRE(rows("price<-9223372036854775808").empty());
  REQUIRE(rows("price>9223372036854775807").empty());
  REQUIRE(rows("price>=-9223372036854775808") == RowList{0, 1, 2, 3, 4});
  REQUIRE(rows("lang in (de,fr)") == RowList{1, 3});
  REQUIRE(rows("price in (10,30,10,99)") == RowList{0, 2});
}

TEST_CASE("rows_where: != and ! hold for rows without the key, a value that nothing has for none") {
  REQUIRE(rows("lang!=en") == RowList{1, 3, 5});
  REQUIRE(rows("!lang=en") == RowList{1, 3, 5});
  REQUIRE(rows("colour!=red") == RowList{1, 3, 4, 5});  // row 2 is red, and blue as well
  REQUIRE(rows("colour=red & colour=blue") == RowList{2});
  REQUIRE(rows("lang=it").empty());
  REQUIRE(rows("lang!=it") == RowList{0, 1, 2, 3, 4, 5});
  REQUIRE(rows("price=31").empty());
}

TEST_CASE("rows_where: joined conditions") {
  REQUIRE(rows("lang=en & price<=30 & !(seller=8)") == RowList{0, 2});
  REQUIRE(rows("lang=en & price<=30 | seller=7") == RowList{0, 1, 2});
  REQUIRE(rows("lang=en & (price<=10 | seller=8)") == RowList{0, 4});
  REQUIRE(rows("!(lang=en | price<=20)") == RowList{3, 5});
}

TEST_CASE("rows_where: unknown keys and wrong types are refused by column") {
  const TagTable tags = shop();
  REQUIRE_ERROR(ValueError, "tag expression: column 11: there is no tag 'color', expected colour, lang, price, seller",
                rows_where(tags, "lang=en & color=red"));
  REQUIRE_ERROR(ValueError, "column 7: 'price' is of integers, expected one, got 'cheap'",
                rows_where(tags, "price=cheap"));
  REQUIRE_ERROR(ValueError, "column 8: 'price' is of integers, expected one, got '20.5'",
                rows_where(tags, "price<=20.5"));
  REQUIRE_ERROR(ValueError, "got '9223372036854775808', which has more than 64 bits",
                rows_where(tags, "price<9223372036854775808"));
  REQUIRE_ERROR(ValueError, "column 14: 'price' is of integers, expected one, got 'x'",
                rows_where(tags, "price in (10,x)"));
  REQUIRE_ERROR(ValueError, "column 2: 'lang' is text, and '<' compares integers", rows_where(tags, "(lang<en)"));
  REQUIRE_ERROR(ValueError, "there is no tag 'a', expected none: there are no tags", rows_where(TagTable(), "a=1"));
}

TEST_CASE("rows_where: the sets outlive the table") {
  RowSet set;
  {
    const TagTable tags = shop();
    set = rows_where(tags, "lang=en");
  }
  REQUIRE(set.rows() == RowList{0, 2, 4});
}

TEST_CASE("rows_where: equals asking row by row, for listed and dense sets") {
  constexpr std::size_t n = 3000;
  std::mt19937 random(7);
  std::vector<std::set<int>> price(n);
  std::vector<std::set<std::string>> lang(n);
  TagTableBuilder builder(n);
  const char* langs[] = {"de", "en", "en", "en", "en", "rare"};
  for (Row row = 0; row < n; ++row) {
    for (std::size_t i = random() % 3; i > 0; --i) {
      price[row].insert(static_cast<int>(random() % 200));
      lang[row].insert(random() % 100 == 0 ? "rare" : langs[random() % 5]);
    }
    for (const int value : price[row]) builder.add_integer(row, "price", value);
    for (const std::string& value : lang[row]) builder.add_text(row, "lang", value);
  }
  const TagTable tags = builder.build();
  using Asked = std::function<bool(Row)>;
  const auto priced = [&](int least, int most) {
    return [&price, least, most](Row row) {
      const auto at = price[row].lower_bound(least);
      return at != price[row].end() && *at <= most;
    };
  };
  const auto spoken = [&](const char* value) { return [&lang, value](Row row) { return lang[row].contains(value); }; };
  const std::map<std::string, Asked> cases{
      {"lang=en", spoken("en")},
      {"lang=rare", spoken("rare")},
      {"lang!=rare", [&](Row row) { return !spoken("rare")(row); }},
      {"price<=3", priced(0, 3)},
      {"price>150", priced(151, 199)},
      {"price in (3,77,150) | lang=rare",
       [&](Row row) {
         return spoken("rare")(row) || priced(3, 3)(row) || priced(77, 77)(row) || priced(150, 150)(row);
       }},
      {"lang=en & price<100 & !(price<50)",
       [&](Row row) { return spoken("en")(row) && priced(0, 99)(row) && !priced(0, 49)(row); }},
      {"!(lang=en & price>=0) | lang=de",
       [&](Row row) { return !(spoken("en")(row) && priced(0, 199)(row)) || spoken("de")(row); }}};
  for (const auto& [expression, holds] : cases) {
    INFO(expression);
    REQUIRE(rows_where(tags, expression) == RowSet::where(n, holds));
  }
}

TEST_CASE("rows_where: a condition without parts or values, as no text makes one, is refused") {
  TagTableBuilder builder(2);
  builder.add(0, "lang", "en");
  const TagTable tags = builder.build();
  REQUIRE_ERROR(ValueError, "a condition has no part", rows_where(tags, {.kind = TagExpression::Kind::all_of}));
  REQUIRE_ERROR(ValueError, "a condition has no part", rows_where(tags, {.kind = TagExpression::Kind::not_of}));
  TagExpression comparison{.kind = TagExpression::Kind::comparison};
  comparison.key.text = "lang";
  REQUIRE_ERROR(ValueError, "a condition has no value", rows_where(tags, comparison));
}
