#include "pefa/io/results/trec_run.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
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

namespace {

using Results = std::vector<std::vector<Hit>>;

/// trec_eval's reading of a run: six fields, scores as atof gives them kept as float, each query's passages sorted by
/// score and then by name, both descending; ranks and the order of lines do not count.
std::map<std::string, std::vector<std::string>> as_trec_eval_sorts(const std::filesystem::path& path) {
  std::map<std::string, std::vector<std::pair<float, std::string>>> run;
  std::ifstream in(path);
  std::string query, q0, passage, rank, score, tag;
  while (in >> query >> q0 >> passage >> rank >> score >> tag) {
    run[query].emplace_back(static_cast<float>(std::atof(score.c_str())), passage);
  }
  std::map<std::string, std::vector<std::string>> rankings;
  for (auto& [name, hits] : run) {
    std::sort(hits.begin(), hits.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : std::strcmp(a.second.c_str(), b.second.c_str()) > 0;
    });
    for (const auto& hit : hits) rankings[name].push_back(hit.second);
  }
  return rankings;
}

io::TrecRun read(const std::string& text) {
  const test::TemporaryDirectory directory;
  return io::read_trec_run(directory.write("test.run", text));
}

Results read(const std::string& text, const RowIds& queries, const RowIds& passages) {
  const test::TemporaryDirectory directory;
  return io::read_trec_run(directory.write("test.run", text), queries, passages);
}

std::string written_run(const Results& results, const RowIds& queries = RowIds(), const RowIds& passages = RowIds(),
                        const std::string& tag = "pefa") {
  const test::TemporaryDirectory directory;
  io::write_trec_run(directory / "test.run", results, queries, passages, tag);
  return test::read_bytes(directory / "test.run");
}

std::vector<Row> rows(const std::vector<Hit>& hits) {
  std::vector<Row> found;
  for (const Hit& hit : hits) found.push_back(hit.passage.row());
  return found;
}

}  // namespace

TEST_CASE("write_trec_run: six columns, ranks from 1, ids of tables or row numbers") {
  const Results results = {{{PassageId(2), 0.5f}, {PassageId(0), -3.0f}}, {}, {{PassageId(1), 1e-20f}}};
  REQUIRE(written_run(results) == "0 Q0 2 1 0.5 pefa\n0 Q0 0 2 -3 pefa\n2 Q0 1 1 9.99999968e-21 pefa\n");
  REQUIRE(written_run(results, test::ids_of({"qa", "qb", "qc"}), test::ids_of({"D0", "D1", "D2"}), "xl") ==
          "qa Q0 D2 1 0.5 xl\nqa Q0 D0 2 -3 xl\nqc Q0 D1 1 9.99999968e-21 xl\n");
}

TEST_CASE("write_trec_run: trec_eval's sort keeps the order, whatever ties") {
  const test::TemporaryDirectory directory;
  std::mt19937 random(1);
  const std::vector<float> steps = {0.0f, 0.0f, 0.0f, 1e-9f, 0.1f};
  Results results(50);
  std::map<std::string, std::vector<std::string>> expected;
  for (std::size_t query = 0; query < results.size(); ++query) {
    std::vector<Row> passages(200);
    for (Row row = 0; row < passages.size(); ++row) passages[row] = row;
    std::shuffle(passages.begin(), passages.end(), random);
    float score = query % 2 == 0 ? 1.0f : 0.0f;  // ties at 0 go on among the denormals
    for (const Row row : passages) {
      score -= steps[random() % steps.size()];
      results[query].push_back({PassageId(row), score});
      expected[std::to_string(query)].push_back(std::to_string(row));
    }
  }
  io::write_trec_run(directory / "x.run", results);
  REQUIRE(as_trec_eval_sorts(directory / "x.run") == expected);

  const Results back = io::read_trec_run(directory / "x.run", RowIds(50), RowIds(200));
  for (std::size_t query = 0; query < results.size(); ++query) REQUIRE(rows(back[query]) == rows(results[query]));
}

TEST_CASE("write_trec_run: scores change by no more than the ties before them ask for") {
  const test::TemporaryDirectory directory;
  const float next = std::nextafter(1.0f, 0.0f);
  const Results results = {{{PassageId(0), 1.0f}, {PassageId(1), 1.0f}, {PassageId(2), next}, {PassageId(3), 0.3f}}};
  io::write_trec_run(directory / "x.run", results);
  const std::vector<Hit> back = io::read_trec_run(directory / "x.run", RowIds(1), RowIds(4))[0];
  REQUIRE(back[0].score == 1.0f);
  REQUIRE(back[1].score == next);
  REQUIRE(back[2].score == std::nextafter(next, 0.0f));
  REQUIRE(back[3].score == 0.3f);
}

TEST_CASE("write_trec_run: what a run cannot hold is refused, and no file appears") {
  const test::TemporaryDirectory directory;
  const auto refused = [&](const Results& results, const std::string& what, const RowIds& queries = RowIds(),
                           const RowIds& passages = RowIds(), const std::string& tag = "pefa") {
    REQUIRE_ERROR(ValueError, "x.run: " + what,
                  io::write_trec_run(directory / "x.run", results, queries, passages, tag));
  };
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float lowest = std::numeric_limits<float>::lowest();
  const Results one = {{{PassageId(0), 1.0f}}};
  refused({{{PassageId(0), std::nanf("")}}}, "query 0: hit 0 has score nan, expected a finite one");
  refused({{{PassageId(0), 1.0f}, {PassageId(1), -infinity}}}, "query 0: hit 1 has score -inf");
  refused({{{PassageId(0), 1.0f}, {PassageId(1), 2.0f}}},
          "query 0: hit 1 has a higher score, 2, than the one before, 1; expected the best first");
  refused({{{PassageId(0), lowest}, {PassageId(1), lowest}}}, "query 0: there is no float below hit 1");
  refused(one, "query id 'a b' is empty or has white space in it", test::ids_of({"a b"}));
  refused(one, "query 0: passage id 'a\tb' is empty or has white space in it", RowIds(), test::ids_of({"a\tb"}));
  refused(one, "tag 'my run' is empty or has white space in it", RowIds(), RowIds(), "my run");
  refused(one, "tag '' is empty or has white space in it", RowIds(), RowIds(), "");
  REQUIRE_ERROR(ShapeError, "x.run: has 2 query ids for the results of 1 queries, expected one each",
                io::write_trec_run(directory / "x.run", one, test::ids_of({"a", "b"})));
  REQUIRE_ERROR(
      ShapeError, "row 3 has no id",
      io::write_trec_run(directory / "x.run", Results{{{PassageId(3), 1.0f}}}, RowIds(), test::ids_of({"a"})));
  REQUIRE(directory.file_count() == 0);
}

TEST_CASE("read_trec_run: ids in the order in which they come, hits in trec_eval's") {
  const io::TrecRun run = read("q2 Q0 D1 9 0.5 bm25\nq1\tQ0  D2\t1 1 bm25\r\n\nq2 Q0 D2 1 1e0 x\nq2 Q0 D10 1 .5 x");
  REQUIRE(run.tag == "bm25");
  REQUIRE(run.queries == test::ids_of({"q2", "q1"}));
  REQUIRE(run.passages == test::ids_of({"D1", "D2", "D10"}));
  REQUIRE(rows(run.results[0]) == std::vector<Row>{1, 2, 0});  // D2, then by name D10 < D1 is "D10" > "D1"
  REQUIRE(rows(run.results[1]) == std::vector<Row>{1});
  REQUIRE(run.results[0][0].score == 1.0f);
}

TEST_CASE("read_trec_run: scores that differ only past float32 tie, as in trec_eval") {
  const std::string text = "0 Q0 3 1 1.00000000001 t\n0 Q0 5 2 1.0 t\n0 Q0 40 3 1e-60 t\n0 Q0 41 4 0 t\n";
  REQUIRE(rows(read(text, RowIds(1), RowIds(50))[0]) == std::vector<Row>{5, 3, 41, 40});
}

TEST_CASE("read_trec_run: known queries that the file lacks have no hits; unknown ids are refused by their line") {
  const Results results = read("b Q0 y 1 2 t\n", test::ids_of({"a", "b"}), test::ids_of({"x", "y"}));
  REQUIRE(results.size() == 2);
  REQUIRE(results[0].empty());
  REQUIRE(rows(results[1]) == std::vector<Row>{1});
  REQUIRE_ERROR(FormatError, "test.run:2: query 'c' is none of the 2 known ids",
                read("b Q0 y 1 2 t\nc Q0 y 1 2 t\n", test::ids_of({"a", "b"}), test::ids_of({"x", "y"})));
  REQUIRE_ERROR(FormatError, "test.run:1: passage 'z' is none of the 2 known ids",
                read("b Q0 z 1 2 t\n", test::ids_of({"a", "b"}), test::ids_of({"x", "y"})));
  REQUIRE_ERROR(FormatError, "test.run:1: passage '7' is none of the 7 known ids",
                read("0 Q0 7 1 2 t\n", RowIds(1), RowIds(7)));
  REQUIRE_ERROR(ShapeError, "expected at most 4294967295", read("0 Q0 7 1 2 t\n", RowIds(), RowIds()));
}

TEST_CASE("read_trec_run: a bad line is refused by its number with what is wrong") {
  const auto refused = [](const std::string& line, const std::string& what) {
    INFO(line);
    REQUIRE_ERROR(FormatError, "test.run:2: " + what, read("q Q0 a 1 2 t\n" + line + "\nq Q0 b 2 1 t\n"));
  };
  refused("q Q0 c 1 2", "has 5 fields, expected 6: query, Q0, passage, rank, score, tag");
  refused("q Q0 c 1 2 t u", "has 7 fields");
  refused("q Q0 c 1 high t", "expected a score, got 'high'");
  refused("q Q0 c 1 2x t", "expected a score, got '2x'");
  refused("q Q0 c 1 nan t", "score nan is not a finite 32-bit float");
  refused("q Q0 c 1 -inf t", "score -inf is not a finite 32-bit float");
  refused("q Q0 c 1 1e39 t", "score 1e39 is not a finite 32-bit float");
  REQUIRE_ERROR(FormatError, "test.run: query 'q' has passage 'a' twice", read("q Q0 a 1 2 t\nq Q0 a 2 1 t\n"));
  REQUIRE_ERROR(FormatError, "test.run: has no hits, expected at least one", read("\n"));
}
