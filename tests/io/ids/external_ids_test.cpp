#include "pefa/io/ids/external_ids.hpp"

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/ids/id_tools.hpp"
#include "support.hpp"

using namespace pefa;
using io::ExternalIds;
using io::RowIds;

TEST_CASE("ExternalIds: rows to ids and back") {
  const ExternalIds ids = test::ids_of({"q7", "a b", "q", "\xFF", std::string("n\0n", 3)});
  REQUIRE(ids.size() == 5);
  REQUIRE(ids[0] == "q7");
  REQUIRE(ids[4] == std::string("n\0n", 3));
  for (std::size_t row = 0; row < ids.size(); ++row) REQUIRE(ids.find(ids[row]) == static_cast<Row>(row));
  REQUIRE(!ids.find("q8"));
  REQUIRE(!ids.find(""));
  REQUIRE(!ExternalIds().find("q7"));
  REQUIRE(ExternalIds().empty());
}

TEST_CASE("ExternalIds: many ids are found, and no others") {
  std::vector<std::string> many;
  std::mt19937_64 random(1);
  for (int i = 0; i < 5000; ++i)
    many.push_back(std::to_string(random()).substr(0, random() % 20) + "_" + std::to_string(i));
  const ExternalIds ids = test::ids_of(many);
  for (std::size_t row = 0; row < many.size(); ++row) {
    REQUIRE(ids[row] == many[row]);
    REQUIRE(ids.find(many[row]) == static_cast<Row>(row));
    const std::string other = many[row] + "x";
    REQUIRE(!ids.find(other));
  }
}

TEST_CASE("ExternalIds: copies and moved-to tables find by themselves") {
  ExternalIds first = test::ids_of({"a", "b"});
  const ExternalIds copy = first;
  const ExternalIds moved = std::move(first);
  REQUIRE(copy == moved);
  REQUIRE(copy.find("b") == Row{1});
  REQUIRE(moved.find("b") == Row{1});
  REQUIRE_FALSE(copy == test::ids_of({"ab"}));
  REQUIRE_FALSE(copy == test::ids_of({"b", "a"}));
}

TEST_CASE("ExternalIds::insert: says which row has an id") {
  ExternalIds ids;
  REQUIRE(ids.insert("a") == std::pair(Row{0}, true));
  REQUIRE(ids.insert("b") == std::pair(Row{1}, true));
  REQUIRE(ids.insert("a") == std::pair(Row{0}, false));
  REQUIRE(ids.size() == 2);
}

TEST_CASE("ExternalIds: empty ids and ids of two rows are refused, rows named") {
  REQUIRE_ERROR(ValueError, "ExternalIds: row 1 has an empty id", test::ids_of({"a", ""}));
  REQUIRE_ERROR(ValueError, "ExternalIds: rows 1 and 3 have the same id 'b'", test::ids_of({"a", "b", "c", "b"}));
}

TEST_CASE("ExternalIds::memory_bytes: what it holds") {
  const ExternalIds ids = test::ids_of(std::vector<std::string>{"abc", "defgh"});
  REQUIRE(ids.memory_bytes() == 8 + 2 * sizeof(std::size_t) + 16 * sizeof(Row));
}

TEST_CASE("RowIds: a table's ids, or row numbers") {
  const ExternalIds ids = test::ids_of({"x", "7"});
  REQUIRE(RowIds(ids).find("7") == Row{1});
  REQUIRE(!RowIds(ids).find("0"));
  REQUIRE(RowIds(ids).text(0) == "x");
  REQUIRE_ERROR(ShapeError, "row 2 has no id, expected a row below 2", RowIds(ids).text(2));

  REQUIRE(RowIds(8).find("7") == Row{7});
  for (const char* no_row : {"8", "-1", "7x", "", " 7", "4294967296"}) REQUIRE(!RowIds(8).find(no_row));
  REQUIRE(RowIds(8).text(7) == "7");
  REQUIRE_ERROR(ShapeError, "expected a row below 8", RowIds(8).text(8));
  REQUIRE(RowIds().text(4294967295U) == "4294967295");
}

TEST_CASE("read_ids: one id a line, whole; CRLF and a missing last newline are fine") {
  const test::TemporaryDirectory directory;
  const auto read = [&](const std::string& text) { return io::read_ids(directory.write("ids.txt", text)); };
  REQUIRE(read("a\n b c \nd\te\n") == test::ids_of({"a", " b c ", "d\te"}));
  REQUIRE(read("a\r\nb") == test::ids_of({"a", "b"}));
  REQUIRE(read("a\n\n  \n") == test::ids_of({"a"}));
}

TEST_CASE("read_ids: a repeated id is refused with both lines, blank lines and empty files by name") {
  const test::TemporaryDirectory directory;
  const auto read = [&](const std::string& text) { return io::read_ids(directory.write("ids.txt", text)); };
  REQUIRE_ERROR(FormatError, "ids.txt:4: id 'b' is on line 2 already, expected each id once", read("a\nb\nc\nb\r\n"));
  REQUIRE_ERROR(FormatError, "ids.txt:2: is blank, expected what row 1 is", read("a\n \nb\n"));
  REQUIRE_ERROR(FormatError, "ids.txt: has no ids, expected at least one", read(""));
  REQUIRE_ERROR(FormatError, "ids.txt: has no ids, expected at least one", read("\n\n"));
  REQUIRE_ERROR(IoError, "nowhere: cannot be opened", io::read_ids(directory / "nowhere"));
}

TEST_CASE("write_ids: read_ids brings them back") {
  const test::TemporaryDirectory directory;
  const ExternalIds ids = test::ids_of({"a", " b", "\xC3\xA9\xFF", "\ra", std::string("n\0n", 3)});
  io::write_ids(directory / "ids.txt", ids);
  REQUIRE(io::read_ids(directory / "ids.txt") == ids);
}

TEST_CASE("write_ids: an id that is no line of text is refused, and no file appears") {
  const test::TemporaryDirectory directory;
  const auto refused = [&](const std::string& id, const std::string& what) {
    REQUIRE_ERROR(ValueError, "ids.txt: the id of row 1 cannot be a line of text: " + what,
                  io::write_ids(directory / "ids.txt", test::ids_of({"a", id})));
  };
  refused("b\nc", "it has a line break in it");
  refused("b\r", "it ends in a carriage return");
  refused(" \t", "it is blank");
  REQUIRE(directory.file_count() == 0);
}
