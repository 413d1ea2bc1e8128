#include "pefa/store/tag_table_builder.hpp"

#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using pefa::test::listed;

TEST_CASE("TagTableBuilder: rows in any order, several values a row, the same tag once more") {
  TagTableBuilder builder(6);
  builder.add(4, "colour", "red");
  builder.add(1, "colour", "blue");
  builder.add(1, "colour", "red");
  builder.add(1, "colour", "red");
  builder.add(0, "colour", "");
  const TagTable table = builder.build();
  REQUIRE(table.size() == 6);
  const TagKey& colour = *table.find("colour");
  REQUIRE(colour.kind == TagKind::text);
  REQUIRE(colour.value_count == 3);
  REQUIRE(table.text(colour, 0).empty());
  REQUIRE(listed(table.rows_of(colour, *table.find_text(colour, "red"))) == std::vector<Row>{1, 4});
  REQUIRE(listed(table.rows_of(colour, *table.find_text(colour, "blue"))) == std::vector<Row>{1});
  REQUIRE(table.memory_bytes() > 0);
  REQUIRE(builder.build().keys().empty());  // it gave what it had
}

TEST_CASE("TagTableBuilder: integers are numbers, in the order of numbers") {
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  TagTableBuilder builder(5);
  builder.add(0, "price", "10");
  builder.add(1, "price", "9");
  builder.add(2, "price", std::to_string(least));
  builder.add_integer(3, "price", -1);
  builder.add_integer(4, "price", 10);
  const TagTable table = builder.build();
  const TagKey& price = *table.find("price");
  REQUIRE(price.kind == TagKind::integer);
  REQUIRE(price.value_count == 4);
  REQUIRE(table.number(price, 0) == least);
  REQUIRE(table.number(price, 1) == -1);
  REQUIRE(table.number(price, 2) == 9);
  REQUIRE(listed(table.rows_of(price, 3)) == std::vector<Row>{0, 4});
}

TEST_CASE("TagTableBuilder: what is not a whole number as programs write it makes a key of text") {
  for (const char* text : {"007", "-0", "+7", "7.0", " 7", "7 ", "", "-", "9223372036854775808", "seven"}) {
    TagTableBuilder builder(2);
    builder.add(0, "zip", "7");
    builder.add(1, "zip", text);
    const TagTable table = builder.build();
    INFO(text);
    REQUIRE(table.find("zip")->kind == TagKind::text);
    REQUIRE(table.find_text(*table.find("zip"), text));
  }
  TagTableBuilder builder(1);
  builder.add_text(0, "zip", "7");  // said to be text
  REQUIRE(builder.build().find("zip")->kind == TagKind::text);
}

TEST_CASE("TagTableBuilder: refuses rows past the end, keys without a name and keys of two kinds") {
  TagTableBuilder builder(3);
  REQUIRE_ERROR(ShapeError, "row 3 of tag 'lang', expected below 3", builder.add(3, "lang", "en"));
  REQUIRE_ERROR(ValueError, "a tag's key is empty", builder.add(0, "", "en"));
  REQUIRE_ERROR(ValueError, "control characters", builder.add(0, "a\tb", "en"));
  builder.add_integer(0, "price", 7);
  REQUIRE_ERROR(ValueError, "tag 'price' of row 1 is text, but earlier ones are integer",
                builder.add_text(1, "price", "7"));
  builder.add(1, "price", "cheap");
  REQUIRE_ERROR(ValueError, "tag 'price' has integers and 'cheap'", builder.build());
}

TEST_CASE("TagTableBuilder::build: where it is refused, the builder is as it was") {
  TagTableBuilder builder(1);
  builder.add(0, "a", "x");
  builder.add_integer(0, "z", 1);
  builder.add(0, "z", "t");
  for (int time = 0; time < 2; ++time) REQUIRE_ERROR(ValueError, "tag 'z' has integers and 't'", builder.build());
}
