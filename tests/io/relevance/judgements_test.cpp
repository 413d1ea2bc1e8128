#include "pefa/io/relevance/judgements.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/io/relevance/pairs.hpp"
#include "pefa/io/relevance/qrels.hpp"
#include "support.hpp"

using namespace pefa;
using io::ExternalIds;
using io::UnknownId;

namespace {

const ExternalIds queries = ExternalIds::from(std::vector<std::string>{"q1", "q2", "q3"});
const ExternalIds passages = ExternalIds::from(std::vector<std::string>{"D-1", "D-2", "0"});

io::Judgements read_qrels(const std::string& text, UnknownId unknown = UnknownId::refuse,
                          DuplicatePolicy duplicates = DuplicatePolicy::last) {
  const test::TemporaryDirectory directory;
  return io::read_qrels(directory.write("test.qrels", text), queries, passages, unknown, duplicates);
}

io::Judgements read_pairs(const std::string& text, UnknownId unknown = UnknownId::refuse) {
  const test::TemporaryDirectory directory;
  return io::read_pairs(directory.write("test.tsv", text), queries, passages, unknown);
}

}  // namespace

TEST_CASE("read_qrels with ids: rows are those of the tables") {
  const io::Judgements read = read_qrels("q1 0 D-2 2\r\n\nq3\tQ0\t0\t1\nq2 0 D-1 0\nq2 0 D-2 -1\n");
  RowMajorMatrix expected = RowMajorMatrix::Zero(3, 3);
  expected(0, 1) = 2.0f;
  expected(2, 2) = 1.0f;
  REQUIRE(test::dense(read.relevance) == expected);
  REQUIRE(read.unknown_queries == 0);
  REQUIRE(read.unknown_passages == 0);
}

TEST_CASE("read_qrels with ids: several grades of one passage follow the policy") {
  const std::string text = "q1 0 D-1 2\nq1 0 D-1 1\n";
  REQUIRE(read_qrels(text).relevance.passages_of(QueryId(0)).weights[0] == 1.0f);
  REQUIRE(read_qrels(text, UnknownId::refuse, DuplicatePolicy::max).relevance.passages_of(QueryId(0)).weights[0] ==
          2.0f);
}

TEST_CASE("read_qrels with ids: an unknown id is refused by its line, or skipped and counted") {
  const std::string text = "q1 0 D-1 1\nq9 0 D-1 1\nq1 0 D-9 1\nq9 0 D-9 1\nq2 0 D-9 0\n";
  REQUIRE_ERROR(FormatError, "test.qrels:2: query 'q9' is none of the 3 known ones", read_qrels(text));
  REQUIRE_ERROR(FormatError, "test.qrels:2: passage 'D-9' is none of the 3 known ones",
                read_qrels("q1 0 D-1 1\nq1 0 D-9 1\n"));
  const io::Judgements read = read_qrels(text, UnknownId::skip);
  REQUIRE(read.relevance.pair_count() == 1);
  REQUIRE(read.unknown_queries == 2);
  REQUIRE(read.unknown_passages == 2);
}

TEST_CASE("read_qrels with ids: skipping everything leaves an empty Y, but a file without judgements is refused") {
  const io::Judgements read = read_qrels("x 0 y 1\n", UnknownId::skip);
  REQUIRE(read.relevance.rows() == 3);
  REQUIRE(read.relevance.cols() == 3);
  REQUIRE(read.relevance.pair_count() == 0);
  REQUIRE_ERROR(FormatError, "test.qrels: has no judgements, expected at least one",
                read_qrels("\n\n", UnknownId::skip));
}

TEST_CASE("read_qrels with ids: a bad line is refused whatever becomes of unknown ids") {
  const auto refused = [](const std::string& line, const std::string& what) {
    INFO(line);
    REQUIRE_ERROR(FormatError, "test.qrels:3: " + what,
                  read_qrels("q1 0 D-1 1\n\n" + line + "\r\nq2 0 D-1 1\n", UnknownId::skip));
  };
  refused("q1 0 D-1", "has 3 fields, expected 4: query, iteration, passage, grade");
  refused("q1 0 D-1 1 x", "has 5 fields");
  refused("q1 0 D-1 good", "expected a grade, got 'good'");
  refused("q9 0 D-9 good", "expected a grade, got 'good'");
  refused("q1 0 D-1 nan", "grade is nan, expected finite and >= 0");
  refused("q1 0 D-1 -inf", "grade is inf, expected finite");
  refused("q1 0 D-1 --1", "grade is -1, expected finite and >= 0");
}

TEST_CASE("read_pairs with ids: rows are those of the tables, weights are optional, ids may have spaces") {
  const io::Judgements read = read_pairs("q1\tD-1\nq1\tD-1\t2.5\nq2\t0\t1\n");
  REQUIRE(read.relevance.passages_of(QueryId(0)).weights[0] == 3.5f);
  REQUIRE(read.relevance.passages_of(QueryId(1)).columns[0] == 2);
  REQUIRE_ERROR(FormatError, "test.tsv:1: query 'q 1' is none of the 3", read_pairs("q 1\tD-1\n"));
  REQUIRE(read_pairs("q 1\tD-1\n", UnknownId::skip).unknown_queries == 1);
  REQUIRE_ERROR(FormatError, "test.tsv:2: has 1 tab-separated fields", read_pairs("q1\tD-1\nq1 D-1\n"));
  REQUIRE_ERROR(FormatError, "test.tsv:1: weight is -1, expected finite and >= 0", read_pairs("q1\tD-1\t-1\n"));
}

TEST_CASE("write_qrels: read_qrels brings Y back, by row numbers and by ids") {
  const test::TemporaryDirectory directory;
  const RelevanceMatrix relevance = test::random_relevance(3, 3, 2, 1);
  io::write_qrels(directory / "rows.qrels", relevance);
  REQUIRE(test::dense(io::read_qrels(directory / "rows.qrels", 3, 3)) == test::dense(relevance));
  io::write_qrels(directory / "ids.qrels", relevance, queries, passages);
  REQUIRE(test::dense(io::read_qrels(directory / "ids.qrels", queries, passages).relevance) == test::dense(relevance));
}

TEST_CASE("write_qrels: the lines are TREC's") {
  const test::TemporaryDirectory directory;
  const std::vector<RelevancePair> pairs = {{QueryId(2), PassageId(0), 3.0f}, {QueryId(0), PassageId(2), 1.0f}};
  io::write_qrels(directory / "x.qrels", RelevanceMatrix::from_pairs(pairs, 3, 3), queries, passages);
  REQUIRE(test::read_bytes(directory / "x.qrels") == "q1 0 0 1\nq3 0 D-1 3\n");
}

TEST_CASE("write_qrels: what the format cannot hold is refused, and no file appears") {
  const test::TemporaryDirectory directory;
  const auto one = [](float weight) {
    return RelevanceMatrix::from_pairs(std::vector<RelevancePair>{{QueryId(1), PassageId(1), weight}}, 3, 3);
  };
  const auto path = directory / "x.qrels";
  REQUIRE_ERROR(ValueError, "x.qrels: query row 1, passage row 1 has weight 0.5, expected a whole grade",
                io::write_qrels(path, one(0.5f)));
  REQUIRE_ERROR(ValueError, "expected a whole grade of at most 10^9", io::write_qrels(path, one(2e9f)));
  const ExternalIds blank = ExternalIds::from(std::vector<std::string>{"a", "b c"});
  REQUIRE_ERROR(ValueError, "x.qrels: id 'b c' has white space in it", io::write_qrels(path, one(1.0f), blank));
  const ExternalIds few = ExternalIds::from(std::vector<std::string>{"a"});
  REQUIRE_ERROR(ShapeError, "row 1 has no id", io::write_qrels(path, one(1.0f), few));
  REQUIRE(directory.file_count() == 0);
}
