#include "pefa/io/results/hits_jsonl.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/ids/id_tools.hpp"
#include "support.hpp"

using namespace pefa;
using io::ExternalIds;
using io::RowIds;

namespace {

using Results = std::vector<std::vector<Hit>>;

std::string written_jsonl(const Results& results, const RowIds& queries = RowIds(), const RowIds& passages = RowIds()) {
  const test::TemporaryDirectory directory;
  io::write_hits_jsonl(directory / "test.jsonl", results, queries, passages);
  return test::read_bytes(directory / "test.jsonl");
}

}  // namespace

TEST_CASE("write_hits_jsonl: one object a query, queries without hits too") {
  const Results results = {{{PassageId(2), 0.5f}, {PassageId(0), -3.0f}}, {}};
  REQUIRE(written_jsonl(results) ==
          "{\"query\": \"0\", \"hits\": [{\"passage\": \"2\", \"score\": 0.5}, {\"passage\": \"0\", \"score\": -3}]}\n"
          "{\"query\": \"1\", \"hits\": []}\n");
  REQUIRE(written_jsonl({}).empty());
}

TEST_CASE("write_hits_jsonl: another program's parser reads the same ids and the same scores") {
  const std::vector<std::string> ids = {
      "plain",        "\"quoted\\ /",     std::string("\0\x01\b\t\n\f\r\x1F\x7F", 9), "caf\xC3\xA9",
      "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF"};
  std::mt19937 random(1);
  std::normal_distribution<float> gaussian;
  Results results(ids.size());
  for (auto& hits : results) {
    for (Row row = 0; row < ids.size(); ++row) hits.push_back({PassageId(row), std::pow(gaussian(random), 9.0f)});
  }
  std::istringstream lines(written_jsonl(results, test::ids_of(ids), test::ids_of(ids)));
  std::size_t query = 0;
  for (std::string line; std::getline(lines, line); ++query) {
    const nlohmann::json object = nlohmann::json::parse(line);
    REQUIRE(object.at("query") == ids[query]);
    REQUIRE(object.at("hits").size() == ids.size());
    for (std::size_t rank = 0; rank < ids.size(); ++rank) {
      const nlohmann::json& hit = object.at("hits")[rank];
      REQUIRE(hit.at("passage") == ids[rank]);
      REQUIRE(static_cast<float>(hit.at("score").get<double>()) == results[query][rank].score);
    }
  }
  REQUIRE(query == ids.size());
}

TEST_CASE("write_hits_jsonl: ids that are not UTF-8 are refused with the byte, as a strict parser would") {
  const Results one = {{{PassageId(0), 1.0f}}};
  REQUIRE_ERROR(ValueError, "is not UTF-8 at byte 3, as JSON has to be",
                written_jsonl(one, test::ids_of({"ab\n\xFF"})));
  for (const char* id : {"\x80", "\xC3", "\xC3(", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
                         "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xF0\x9F\x98"}) {
    INFO(id);
    REQUIRE_ERROR(ValueError, "is not UTF-8 at byte 0", written_jsonl(one, RowIds(), test::ids_of({id})));
    REQUIRE_FALSE(nlohmann::json::accept("\"" + std::string(id) + "\""));
  }
}

TEST_CASE("write_hits_jsonl: the escapes of every one- and two-byte text agree with another program's parser") {
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; second += first < 0x80 ? 37 : 1) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      std::string json;
      bool valid = true;
      try {
        io::detail::append_json_string(json, text, "");
      } catch (const ValueError&) {
        valid = false;
      }
      const nlohmann::json theirs = text;
      bool theirs_valid = true;
      try {
        (void)theirs.dump();
      } catch (const nlohmann::json::type_error&) {
        theirs_valid = false;
      }
      if (valid != theirs_valid || (valid && nlohmann::json::parse(json) != theirs)) FAIL(first << ' ' << second);
    }
  }
}

TEST_CASE("write_hits_jsonl: scores that JSON has no number for and tables that do not fit are refused") {
  const test::TemporaryDirectory directory;
  const auto write = [&](float score, const RowIds& queries = RowIds(), const RowIds& passages = RowIds()) {
    io::write_hits_jsonl(directory / "x.jsonl", Results{{{PassageId(1), score}}}, queries, passages);
  };
  REQUIRE_ERROR(ValueError, "x.jsonl: query 0, hit 0 has score nan, expected a finite one", write(std::nanf("")));
  REQUIRE_ERROR(ValueError, "has score inf", write(std::numeric_limits<float>::infinity()));
  REQUIRE_ERROR(ShapeError, "x.jsonl: has 2 query ids for the results of 1 queries",
                write(1.0f, test::ids_of({"a", "b"})));
  REQUIRE_ERROR(ShapeError, "row 1 has no id", write(1.0f, RowIds(), test::ids_of({"a"})));
  REQUIRE(directory.file_count() == 0);
}
