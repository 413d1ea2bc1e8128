#include "pefa/io/relevance/qrels.hpp"

#include <string>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

RelevanceMatrix read_trec(const std::string& text, DuplicatePolicy duplicates = DuplicatePolicy::last) {
  const test::TemporaryDirectory directory;
  return io::read_qrels(directory.write("test.qrels", text), 5, 10, duplicates);
}

}  // namespace

TEST_CASE("read_qrels: grades are the weights, blanks of any kind separate") {
  const auto relevance = read_trec("0 0 3 2\n4\t0\t9\t1\n  0  Q0 \t 5  0.5  \n");
  RowMajorMatrix expected = RowMajorMatrix::Zero(5, 10);
  expected(0, 3) = 2.0f;
  expected(4, 9) = 1.0f;
  expected(0, 5) = 0.5f;
  REQUIRE(test::dense(relevance) == expected);
}

TEST_CASE("read_qrels: grades of zero or below are judged, not relevant, and left out") {
  REQUIRE(read_trec("0 0 3 0\n0 0 4 -1\n0 0 5 -2.5\n1 0 1 1\n").pair_count() == 1);
  REQUIRE(read_trec("0 0 3 0\n").pair_count() == 0);
}

TEST_CASE("read_qrels: the last of several grades counts, or what the policy says") {
  const std::string text = "1 0 1 2\n1 0 1 3\n1 0 1 1\n";
  REQUIRE(read_trec(text).passages_of(QueryId(1)).weights[0] == 1.0f);
  REQUIRE(read_trec(text, DuplicatePolicy::max).passages_of(QueryId(1)).weights[0] == 3.0f);
  REQUIRE(read_trec(text, DuplicatePolicy::sum).passages_of(QueryId(1)).weights[0] == 6.0f);
  REQUIRE(read_trec("1 0 1 2\n1 0 1 -1\n").pair_count() == 0);
}

TEST_CASE("read_qrels: CRLF, blank lines and a missing last newline are fine") {
  REQUIRE(test::dense(read_trec("\r\n0 0 3 2\r\n\n \t\r\n1 0 4 1")) == test::dense(read_trec("0 0 3 2\n1 0 4 1\n")));
}

TEST_CASE("read_qrels: a bad line is refused by its number with what is wrong") {
  const auto refused = [](const std::string& line, const std::string& what) {
    INFO(line);
    REQUIRE_ERROR(FormatError, "test.qrels:3: " + what, read_trec("0 0 0 1\n\n" + line + "\r\n1 0 1 1\n"));
  };
  refused("0 0 3", "has 3 fields, expected 4: query, iteration, passage, grade");
  refused("0 0 3 1 x", "has 5 fields");
  refused("q1 0 3 1", "expected a query row number, got 'q1'");
  refused("-1 0 3 1", "expected a query row number, got '-1'");
  refused("1.1 0 3 1", "expected a query row number, got '1.1'");
  refused("0 0 D3 1", "expected a passage row number, got 'D3'");
  refused("5 0 3 1", "query 5 is out of range, expected below 5");
  refused("0 0 10 1", "passage 10 is out of range, expected below 10");
  refused("0 0 99999999999999 1", "expected a passage row number, got '99999999999999'");
  refused("0 0 3 good", "expected a grade, got 'good'");
  refused("0 0 3 -", "expected a grade, got ''");
  refused("0 0 3 nan", "grade is nan, expected finite and >= 0");
  refused("0 0 3 inf", "grade is inf, expected finite and >= 0");
  refused("0 0 3 -inf", "grade is inf, expected finite");
  refused("0 0 3 --1", "grade is -1, expected finite and >= 0");
  refused("0 0 3 1e39", "grade is 1e39, expected finite and >= 0");
}

TEST_CASE("read_qrels: a file without judgements is refused") {
  REQUIRE_ERROR(FormatError, "test.qrels: has no judgements, expected at least one", read_trec(""));
  REQUIRE_ERROR(FormatError, "test.qrels: has no judgements, expected at least one", read_trec("\r\n\n"));
}

TEST_CASE("read_qrels: a missing file and a directory are IoErrors") {
  const test::TemporaryDirectory directory;
  REQUIRE_ERROR(IoError, "nowhere: cannot be opened", io::read_qrels(directory / "nowhere", 1, 1));
  REQUIRE_ERROR(IoError, "is a directory", io::read_qrels(directory / "", 1, 1));
}
