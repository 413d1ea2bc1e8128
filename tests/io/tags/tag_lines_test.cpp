#include "pefa/io/tags/tag_lines.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/store/tag_condition.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

using RowList = std::vector<Row>;

TagTable read_lines(const std::string& text, const io::RowIds& rows = io::RowIds(4)) {
  const test::TemporaryDirectory folder;
  return io::read_tag_lines(folder.write("tags.tsv", text), rows);
}

void refuse(const std::string& text, const std::string& message, const io::RowIds& rows = io::RowIds(4)) {
  INFO(text);
  REQUIRE_ERROR(FormatError, "tags.tsv:" + message, read_lines(text, rows));
}

}  // namespace

TEST_CASE("read_tag_lines: one tag a line") {
  const TagTable tags = read_lines("0\tlang\ten\r\n2\tlang\ten\n\n2\tprice\t20\n3\tprice\t-5\n2\tlang\tde\n");
  REQUIRE(tags.size() == 4);
  REQUIRE(rows_where(tags, "lang=en").rows() == RowList{0, 2});
  REQUIRE(rows_where(tags, "lang=de").rows() == RowList{2});
  REQUIRE(rows_where(tags, "price<=20").rows() == RowList{2, 3});
  REQUIRE(rows_where(read_lines("passage\tkey\tvalue\n1\tlang\ten\n"), "lang=en").rows() == RowList{1});
  REQUIRE(read_lines("").keys().empty());
}

TEST_CASE("read_tag_lines: a column a key") {
  const TagTable tags = read_lines("passage\tlang\tprice\tzip\n0\ten\t20\t007\n3\t\t5\t12\n3\tde\t\t\n");
  REQUIRE(rows_where(tags, "lang=en").rows() == RowList{0});
  REQUIRE(rows_where(tags, "lang=de").rows() == RowList{3});
  REQUIRE(rows_where(tags, "price<20").rows() == RowList{3});
  REQUIRE(tags.find("zip")->kind == TagKind::text);
  REQUIRE(rows_where(tags, "zip=007").rows() == RowList{0});
  REQUIRE(rows_where(read_lines("query\ttenant\n1\tacme\n"), "tenant=acme").rows() == RowList{1});
}

TEST_CASE("read_tag_lines: by the ids of a table") {
  const std::vector<std::string> names{"a", "b", "passage"};
  const io::ExternalIds ids = io::ExternalIds::from(names);
  REQUIRE(rows_where(read_lines("b\tlang\ten\n", ids), "lang=en").rows() == RowList{1});
  refuse("b\tlang\ten\nc\tlang\ten\n", "2: there is no id 'c'", ids);
}

TEST_CASE("read_tag_lines: refuses what it cannot read_lines, and names the line") {
  refuse("0\tlang\n", "1: has 2 tab-separated fields, expected 3: row, key and value");
  refuse("0,lang,en\n", "1: has 1 tab-separated fields, expected 3: row, key and value; it has commas");
  refuse("0\tlang\ten\n4\tlang\ten\n", "2: tagged 4 is out of range, expected below 4");
  refuse("x\tlang\ten\n", "1: expected a tagged row number, got 'x'");
  refuse("0\t\ten\n", "1: has an empty key");
  refuse("0\tlang\t\n", "1: has an empty value");
  refuse(std::string("0\tla\x01ng\ten\n"), "1: TagTableBuilder: a tag's key is text with control characters");
  refuse("passage\n", "1: is a header without keys");
  refuse("passage\tlang\tlang\n", "1: is a header with a column twice");
  refuse("passage\tlang\t\n", "1: is a header with a column without a name");
  refuse("passage\tlang\n0\ten\tx\n", "2: has 3 tab-separated fields, expected 2, as the header");
  REQUIRE_ERROR(IoError, "cannot be opened", io::read_tag_lines("/nowhere/tags.tsv", io::RowIds(4)));
}
