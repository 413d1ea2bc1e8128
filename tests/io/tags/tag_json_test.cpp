#include "pefa/io/tags/tag_json.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/store/tag_table_builder.hpp"

using namespace pefa;

namespace {

TagTable shop_tags() {
  TagTableBuilder builder(3);
  builder.add(0, "price", "20");
  builder.add(0, "colour", "red");
  builder.add(0, "colour", "blue \"sky\"");
  builder.add(2, "colour", "red");
  builder.add(2, "lang", "en");
  return builder.build();
}

}  // namespace

TEST_CASE("tag_objects: an object a row; a key with several values somewhere is a list everywhere") {
  REQUIRE(io::keys_with_several(shop_tags()) == std::vector<bool>{true, false, false});
  REQUIRE(io::tag_objects(shop_tags()) ==
          std::vector<std::string>{R"({"colour": ["blue \"sky\"", "red"], "price": 20})", "{}",
                                   R"({"colour": ["red"], "lang": "en"})"});
  REQUIRE(io::tag_objects(TagTableBuilder(2).build()) == std::vector<std::string>{"{}", "{}"});
}

TEST_CASE("tag_words: key=value a word") {
  REQUIRE(io::tag_words(shop_tags()) == std::vector<std::string>{R"(["colour=blue \"sky\"", "colour=red", "price=20"])",
                                                                 "[]", R"(["colour=red", "lang=en"])"});
}

TEST_CASE("tag_objects and tag_words: text that JSON cannot hold is refused") {
  TagTableBuilder builder(1);
  builder.add(0, "name", "\xFF");
  const TagTable odd = builder.build();
  REQUIRE_ERROR(ValueError, "is not UTF-8", (void)io::tag_objects(odd));
  REQUIRE_ERROR(ValueError, "is not UTF-8", (void)io::tag_words(odd));
  TagTableBuilder holed(1);
  holed.add(0, "name", std::string_view("a\0b", 3));
  REQUIRE_ERROR(ValueError, "a value of 'name' has a NUL", (void)io::tag_objects(holed.build()));
  TagTableBuilder equal(1);
  equal.add(0, "a=b", "c");
  REQUIRE_ERROR(ValueError, "the key 'a=b' has a '='", (void)io::tag_words(equal.build()));
}
