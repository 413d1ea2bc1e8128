#include "pefa/io/results/trec_runs.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/ids/id_tools.hpp"
#include "support.hpp"

using namespace pefa;
using io::ExternalIds;

namespace {

io::TrecRuns read_all(const std::vector<std::string>& texts, const ExternalIds& queries = {},
                      const ExternalIds& passages = {}) {
  const test::TemporaryDirectory directory;
  std::vector<std::filesystem::path> paths;
  for (const std::string& text : texts) {
    paths.push_back(directory.write("run" + std::to_string(paths.size()), text));
  }
  return io::read_trec_runs(paths, queries, passages);
}

const std::string first = "10 Q0 D2 1 0.9 a\n10 Q0 D10 2 0.5 a\n9 Q0 100 1 3 a\n";
const std::string second = "q Q0 D2 1 7 b\n10 Q0 9 1 2 b\n10 Q0 D2 2 1 b\n";

}  // namespace

TEST_CASE(
    "read_trec_runs: common ids, numbers by value and then others by their bytes; a run without a query has no hits") {
  const io::TrecRuns runs = read_all({first, second});
  REQUIRE(runs.queries == test::ids_of({"9", "10", "q"}));
  REQUIRE(runs.passages == test::ids_of({"9", "100", "D10", "D2"}));
  REQUIRE(runs.results.size() == 2);
  REQUIRE(runs.results[0] ==
          std::vector<std::vector<Hit>>{{{PassageId(1), 3.0f}}, {{PassageId(3), 0.9f}, {PassageId(2), 0.5f}}, {}});
  REQUIRE(runs.results[1] ==
          std::vector<std::vector<Hit>>{{}, {{PassageId(0), 2.0f}, {PassageId(3), 1.0f}}, {{PassageId(3), 7.0f}}});
}

TEST_CASE("read_trec_runs: rows do not depend on the order of files and lines, ranks are not looked at") {
  const io::TrecRuns runs = read_all({first, second});
  const io::TrecRuns others = read_all(
      {"10 Q0 D2 1 1 b\n10 Q0 9 5 2 b\nq Q0 D2 77 7 b\n", "9 Q0 100 3 3 a\n10 Q0 D10 1 0.5 a\n10 Q0 D2 1 0.9 a\n"});
  REQUIRE(others.queries == runs.queries);
  REQUIRE(others.passages == runs.passages);
  REQUIRE(others.results[0] == runs.results[1]);
  REQUIRE(others.results[1] == runs.results[0]);
}

TEST_CASE("read_trec_runs: numbers with signs, zeros in front or too many digits are words") {
  const io::TrecRuns runs =
      read_all({"0 Q0 007 1 1 a\n0 Q0 7 1 2 a\n0 Q0 -7 1 3 a\n0 Q0 99999999999999999999 1 4 a\n0 Q0 12 1 5 a\n"});
  REQUIRE(runs.passages == test::ids_of({"7", "12", "-7", "007", "99999999999999999999"}));
}

TEST_CASE("read_trec_runs: ids that no run has get rows where they are asked for") {
  const io::TrecRuns runs = read_all({first}, test::ids_of({"10", "1"}), test::ids_of({"D5", "100"}));
  REQUIRE(runs.queries == test::ids_of({"1", "9", "10"}));
  REQUIRE(runs.passages == test::ids_of({"100", "D10", "D2", "D5"}));
  REQUIRE(runs.results[0][0].empty());
}

TEST_CASE("read_trec_runs: a bad line of any file is refused by file and number") {
  REQUIRE_ERROR(FormatError, "run1:2: has 5 fields, expected 6", read_all({first, "q Q0 a 1 2 t\nq Q0 b 1 2\n"}));
  REQUIRE_ERROR(FormatError, "run1: query 'q' has passage 'a' twice",
                read_all({first, "q Q0 a 1 2 t\nq Q0 a 2 1 t\n"}));
  REQUIRE_ERROR(FormatError, "run0: has no hits", read_all({"", second}));
}
