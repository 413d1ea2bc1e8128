#include "pefa/io/ids/jsonl_ids.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "io/ids/id_tools.hpp"
#include "support.hpp"

using namespace pefa;
using io::ExternalIds;

namespace {

ExternalIds read_ids_of(const std::string& text) {
  const test::TemporaryDirectory directory;
  return io::read_jsonl_ids(directory.write("test.jsonl", text));
}

}  // namespace

TEST_CASE("read_jsonl_ids: strings and integers under _id or id, in file order") {
  REQUIRE(read_ids_of("{\"_id\": \"q1\", \"text\": \"x\"}\n{\"text\": \"y\", \"id\": 7}\r\n{\"_id\": -3}") ==
          test::ids_of({"q1", "7", "-3"}));
  REQUIRE(read_ids_of(R"({"_id": 18446744073709551615})") == test::ids_of({"18446744073709551615"}));
  REQUIRE(read_ids_of(R"({"_id": "caf\u00e9 \"\n\ud83d\ude00"})") ==
          test::ids_of({"caf\xC3\xA9 \"\n\xF0\x9F\x98\x80"}));
  REQUIRE(read_ids_of("{\"_id\": \"a\"}\n\n \n") == test::ids_of({"a"}));
}

TEST_CASE("read_jsonl_ids: _id goes before id, wherever they stand") {
  REQUIRE(read_ids_of(R"({"id": "x", "_id": "y"})") == test::ids_of({"y"}));
  REQUIRE(read_ids_of(R"({"_id": "y", "id": null})") == test::ids_of({"y"}));
}

TEST_CASE("read_jsonl_ids: ids of inner objects are not the line's") {
  REQUIRE(read_ids_of(R"({"metadata": {"_id": "no", "a": [{"id": 1}, [2]]}, "_id": "yes", "z": {"_id": 3}})") ==
          test::ids_of({"yes"}));
  REQUIRE_ERROR(FormatError, "test.jsonl:1: has neither \"_id\" nor \"id\"",
                read_ids_of(R"({"metadata": {"_id": "no"}})"));
  REQUIRE_ERROR(FormatError, "test.jsonl:1: has neither \"_id\" nor \"id\"", read_ids_of(R"({"a": ["_id", "id"]})"));
}

TEST_CASE("read_jsonl_ids: a bad line is refused by its number with what is wrong") {
  const auto refused = [](const std::string& line, const std::string& what) {
    INFO(line);
    REQUIRE_ERROR(FormatError, "test.jsonl:2: " + what,
                  read_ids_of("{\"_id\": \"a\"}\n" + line + "\n{\"_id\": \"b\"}\n"));
  };
  refused("{\"_id\": \"c\"", "is not JSON: the error is at byte ");
  refused("{\"_id\": \"c\"} x", "is not JSON: the error is at byte 14 of the line");
  refused("{\"_id\": \"c\"}{\"_id\": \"d\"}", "is not JSON");
  refused("{\"_id\": \"\xFF\"}", "is not JSON");
  refused("{\"_id\": \"c\", \"x\": NaN}", "is not JSON");
  refused("q7", "is not JSON");
  refused("\"q7\"", "is a string, expected an object");
  refused("7", "is an integer, expected an object");
  refused("null", "is null, expected an object");
  refused("[{\"_id\": \"c\"}]", "is an array, expected an object");
  refused("{}", "has neither \"_id\" nor \"id\"");
  refused("{\"_id\": null, \"id\": \"c\"}", "has null as its id, expected a string or an integer");
  refused("{\"_id\": true}", "has a boolean as its id");
  refused("{\"_id\": 1.5}", "has a number that is no 64-bit integer as its id");
  refused("{\"_id\": 99999999999999999999}", "has a number that is no 64-bit integer as its id");
  refused("{\"_id\": {\"_id\": \"c\"}}", "has an object as its id");
  refused("{\"_id\": [\"c\"]}", "has an array as its id");
  refused("{\"_id\": \"\"}", "has an empty id");
  refused("{\"_id\": \"c\", \"_id\": \"d\"}", "has \"_id\" twice");
  refused("{\"_id\": \"a\"}", "id 'a' is on line 1 already, expected each id once");
  refused("", "is blank");
  refused(std::string("{\"_id\": \"c\"}\0{\"_id\": \"d\"}", 25), "is not JSON at byte 13: it has a NUL there");
  REQUIRE_ERROR(FormatError, "test.jsonl: has no lines, expected an object a line", read_ids_of("\n"));
}

TEST_CASE("read_jsonl_ids: nesting as deep as the line is long does no harm") {
  const std::string deep(100000, '[');
  REQUIRE_ERROR(FormatError, "is not JSON", read_ids_of("{\"a\": " + deep));
  REQUIRE(read_ids_of("{\"a\": " + deep + std::string(100000, ']') + ", \"_id\": \"x\"}") == test::ids_of({"x"}));
}
