#include "pefa/io/tags/jsonl_tags.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/store/tag_condition.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

using RowList = std::vector<Row>;

TagTable read_jsonl(const std::string& text, const io::RowIds& rows = io::RowIds(4)) {
  const test::TemporaryDirectory folder;
  return io::read_jsonl_tags(folder.write("tags.jsonl", text), rows);
}

void refuse_jsonl(const std::string& text, const std::string& message) {
  INFO(text);
  REQUIRE_ERROR(FormatError, "tags.jsonl:" + message, read_jsonl(text));
}

}  // namespace

TEST_CASE("read_jsonl_tags: text, integers, booleans, lists and null") {
  const TagTable tags = read_jsonl(R"({"passage": 0, "lang": "en", "price": 20, "colour": ["red", "blue"], "new": true}
{"lang": "en", "price": -5, "id": "2", "zip": "12", "note": null}

{"_id": 3, "colour": [], "price": 9223372036854775807, "new": false}
)");
  REQUIRE(rows_where(tags, "lang=en").rows() == RowList{0, 2});
  REQUIRE(rows_where(tags, "price<=20").rows() == RowList{0, 2});
  REQUIRE(rows_where(tags, "price=9223372036854775807").rows() == RowList{3});
  REQUIRE(rows_where(tags, "colour=red & colour=blue").rows() == RowList{0});
  REQUIRE(rows_where(tags, "new=true").rows() == RowList{0});
  REQUIRE(tags.find("zip")->kind == TagKind::text);
  REQUIRE(tags.find("note") == nullptr);
  const std::vector<std::string> names{"a", "b"};
  REQUIRE(rows_where(read_jsonl(R"({"_id": "b", "x": 1})", io::ExternalIds::from(names)), "x=1").rows() == RowList{1});
}

TEST_CASE("read_jsonl_tags: refuses what it cannot read, and names the line") {
  refuse_jsonl("17\n", "1: is a number, expected an object");
  refuse_jsonl("[1]\n", "1: is an array, expected an object");
  refuse_jsonl("{\"x\": 1\n", "1: is not JSON: the error is at byte");
  refuse_jsonl(R"({"x": 1})", "1: has no id");
  refuse_jsonl(R"({"id": 0, "_id": 1})", "1: has a second id, '_id'");
  refuse_jsonl(R"({"id": null, "x": 1})", "1: has null as its id");
  refuse_jsonl(R"({"id": true, "x": 1})", "1: has a boolean as its id");
  refuse_jsonl(R"({"id": [0], "x": 1})", "1: 'id' is a list, expected an id");
  refuse_jsonl(R"({"id": 0.5, "x": 1})", "1: 'id' is 0.5");
  refuse_jsonl(R"({"id": 0, "x": 1.5})", "1: 'x' is 1.5, expected text or a whole number");
  refuse_jsonl(R"({"id": 0, "x": 9223372036854775808})", "1: 'x' has more than 64 bits");
  refuse_jsonl(R"({"id": 0, "x": {"y": 1}})", "1: 'x' is an object");
  refuse_jsonl(R"({"id": 0, "x": [[1]]})", "1: 'x' is a list, expected one in no other");
  refuse_jsonl(R"({"id": 0, "": 1})", "1: TagTableBuilder: a tag's key is empty");
  refuse_jsonl("{\"id\": 0, \"x\": 1}\n{\"id\": 1, \"x\": \"1\"}",
               "2: TagTableBuilder: tag 'x' of row 1 is text, but earlier ones are integer");
  refuse_jsonl(R"({"id": 7, "x": 1})", "1: tagged 7 is out of range, expected below 4");
}
