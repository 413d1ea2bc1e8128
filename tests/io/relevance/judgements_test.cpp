#include "pefa/io/relevance/judgements.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "pefa/io/relevance/beir_qrels.hpp"
#include "pefa/io/relevance/pairs.hpp"
#include "pefa/io/relevance/qrels.hpp"
#include "support.hpp"

using namespace pefa;
using io::ExternalIds;
using io::UnknownId;
using io::UnknownRow;

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
  REQUIRE_ERROR(FormatError, "test.qrels:2: query 'q9' is none of the 3 known ids", read_qrels(text));
  REQUIRE_ERROR(FormatError, "test.qrels:2: passage 'D-9' is none of the 3 known ids",
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
  REQUIRE_ERROR(FormatError, "test.tsv:1: query 'q 1' is none of the 3 known ids", read_pairs("q 1\tD-1\n"));
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

TEST_CASE("read_pairs: one side by ids, the other by row numbers") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("y.tsv", "2\tD-2\n0\tD-1\t3\n");
  const io::Judgements read = io::read_pairs(path, io::RowIds(3), passages);
  REQUIRE(read.relevance.passages_of(QueryId(2)).columns[0] == 1);
  REQUIRE(read.relevance.passages_of(QueryId(0)).weights[0] == 3.0f);
  REQUIRE_ERROR(UnknownRow, "y.tsv:1: passage 'D-2' is none of the 1 known ids",
                io::read_pairs(path, io::RowIds(3), ExternalIds::from(std::vector<std::string>{"D-1"})));
  REQUIRE_ERROR(UnknownRow, "y.tsv:1: query 2 is out of range, expected below 2 (rows count from 0)",
                io::read_pairs(path, io::RowIds(2), passages));
}

TEST_CASE("read_pairs: row numbers out of range are skipped and counted where that is asked for") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("y.tsv", "2\t1\n0\t9\nx\t1\n");
  const io::Judgements read = io::read_pairs(path, io::RowIds(3), io::RowIds(3), UnknownId::skip);
  REQUIRE(read.relevance.pair_count() == 1);
  REQUIRE(read.unknown_queries == 1);
  REQUIRE(read.unknown_passages == 1);
}

TEST_CASE("UnknownRow: says which side has no row, and why") {
  const test::TemporaryDirectory directory;
  const auto refused = [&](const std::string& text, const io::RowIds& query_rows, const io::RowIds& passage_rows) {
    try {
      (void)io::read_pairs(directory.write("y.tsv", text), query_rows, passage_rows);
    } catch (const UnknownRow& error) {
      return std::pair(error.side(), error.why());
    }
    throw std::logic_error("nothing was refused");
  };
  using enum UnknownRow::Side;
  using enum UnknownRow::Why;
  REQUIRE(refused("q1\t0\n", io::RowIds(3), io::RowIds(3)) == std::pair(query, not_a_number));
  REQUIRE(refused("0\td\n", io::RowIds(3), io::RowIds(3)) == std::pair(passage, not_a_number));
  REQUIRE(refused("0\t3\n", io::RowIds(3), io::RowIds(3)) == std::pair(passage, out_of_range));
  REQUIRE(refused("q1\t1\n", queries, passages) == std::pair(passage, unknown_id));
  REQUIRE(refused("1\tD-1\n", queries, passages) == std::pair(query, unknown_id));
}

TEST_CASE("Judgements: the lowest rows tell a file that counts from 1") {
  const test::TemporaryDirectory directory;
  const auto read = [&](const std::string& text, UnknownId unknown = UnknownId::refuse) {
    return io::read_pairs(directory.write("y.tsv", text), io::RowIds(9), io::RowIds(9), unknown);
  };
  REQUIRE(read("3\t2\n1\t8\n").lowest_query == 1);
  REQUIRE(read("3\t2\n1\t8\n").lowest_passage == 2);
  REQUIRE(read("3\t0\n1\t8\t0\n").lowest_passage == 0);
  REQUIRE(read("1\t1\n0\t4\t0\n").lowest_query == 0);  // a weight of 0 is a judgement as well
  REQUIRE(read("1\t2\n0\t9\n", UnknownId::skip).lowest_query == 1);
  REQUIRE(read("9\t9\n", UnknownId::skip).lowest_query == 0);
}

TEST_CASE("read_pairs: what the other lines say of a row out of range is told") {
  const test::TemporaryDirectory directory;
  const auto refused = [&](const std::string& text, const std::string& hint) {
    INFO(text);
    REQUIRE_ERROR(UnknownRow, hint, io::read_pairs(directory.write("y.tsv", text), io::RowIds(4), io::RowIds(10)));
  };
  const std::string swapped = "the other way round all are in range: are queries and passages swapped?";
  const std::string from_one = "there is no row 0 on either side: do they count from 1?";
  refused("9\t3\n0\t0\n", "y.tsv:1: query 9 is out of range, expected below 4 (rows count from 0); " + swapped);
  refused("0\t3\n5\t0\n", "y.tsv:2: query 5 is out of range, expected below 4 (rows count from 0); " + swapped);
  refused("1\t1\n4\t10\n", "y.tsv:2: query 4 is out of range, expected below 4 (rows count from 0); " + from_one);
  const auto unexplained = [&](const std::string& text) {
    try {
      (void)io::read_pairs(directory.write("y.tsv", text), io::RowIds(4), io::RowIds(10));
      return false;
    } catch (const UnknownRow& error) {
      return std::string(error.what()).ends_with("(rows count from 0)");
    }
  };
  REQUIRE(unexplained("0\t4\n5\t0\n"));        // neither way round
  REQUIRE(unexplained("9\t3\n0\t0\nbroken"));  // the rest says nothing
  REQUIRE(unexplained("9\t3\n0\tx\n"));
}

TEST_CASE("read_pairs, read_qrels: a header line is told by the judgement below it") {
  const test::TemporaryDirectory directory;
  const std::string hint = "; the line after it is a judgement: if this is a header line, remove it";
  const auto tsv = [&](const std::string& text) { return directory.write("y.tsv", text); };
  REQUIRE_ERROR(UnknownRow, "y.tsv:1: expected a query row number, got 'query'" + hint,
                io::read_pairs(tsv("query\tpassage\n0\t0\n"), 4, 4));
  REQUIRE_ERROR(UnknownRow, "y.tsv:1: expected a query row number, got 'query'" + hint,
                io::read_pairs(tsv("query\tpassage\tweight\n0\t0\t1\n"), 4, 4));
  REQUIRE_ERROR(UnknownRow, "y.tsv:1: query 'query' is none of the 3 known ids" + hint,
                io::read_pairs(tsv("query\tpassage\nq1\tD-1\n"), queries, passages));
  REQUIRE_ERROR(UnknownRow, "y.tsv:1: expected a query row number, got 'query-id'" + hint,
                io::read_qrels(tsv("query-id 0 doc-id grade\n0 0 1 1\n"), 4, 4));
  const auto unexplained = [&](const std::string& text) {
    try {
      (void)io::read_pairs(tsv(text), 4, 4);
      return false;
    } catch (const UnknownRow& error) {
      return std::string(error.what()).ends_with("'q1'");
    }
  };
  REQUIRE(unexplained("q1\tD-1\nq2\tD-2\n"));  // ids
  REQUIRE(unexplained("q1\tD-1\n"));
  REQUIRE(unexplained("q1\tD-1\n0\n"));
  REQUIRE(unexplained("q1\t0\n0\t0\n"));          // one side is a row number
  REQUIRE(unexplained("0\t0\nq1\tD-1\n0\t0\n"));  // not the first line
}

TEST_CASE("read_pairs: BEIR's header line names its format") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("test.tsv", "query-id\tcorpus-id\tscore\nq1\tD-1\t1\n");
  REQUIRE_ERROR(io::WrongFormat, "test.tsv:1: is the header line of BEIR's judgements: the format is beir",
                io::read_pairs(path, queries, passages, UnknownId::skip));
}

TEST_CASE("read_pairs, read_qrels, read_beir_qrels: another separator is named") {
  const test::TemporaryDirectory directory;
  const auto file = [&](const std::string& text) { return directory.write("y", text); };
  REQUIRE_ERROR(FormatError, "expected query, passage and an optional weight; it has commas",
                io::read_pairs(file("0,1,1\n"), 4, 4));
  REQUIRE_ERROR(FormatError, "expected query, passage and an optional weight; it has spaces",
                io::read_pairs(file("0 1\n"), 4, 4));
  REQUIRE_ERROR(FormatError, "expected 4: query, iteration, passage, grade; it has commas",
                io::read_qrels(file("0,0,1,1\n"), 4, 4));
  REQUIRE_ERROR(FormatError, "expected 3: query, passage, score; it has spaces",
                io::read_beir_qrels(file("query-id\tcorpus-id\tscore\n0 1 1\n"), io::RowIds(4), io::RowIds(4)));
}
