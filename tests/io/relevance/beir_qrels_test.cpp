#include "pefa/io/relevance/beir_qrels.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::ExternalIds;
using io::RowIds;
using io::UnknownId;

namespace {

const std::string header = "query-id\tcorpus-id\tscore\n";
const ExternalIds beir_queries = ExternalIds::from(std::vector<std::string>{"q one", "q2"});
const ExternalIds beir_passages = ExternalIds::from(std::vector<std::string>{"p1", "p2", "p3"});

io::Judgements read_beir(const std::string& text, const RowIds& query_ids = beir_queries,
                         const RowIds& passage_ids = beir_passages, UnknownId unknown = UnknownId::refuse) {
  const test::TemporaryDirectory directory;
  return io::read_beir_qrels(directory.write("test.tsv", text), query_ids, passage_ids, unknown);
}

}  // namespace

TEST_CASE("read_beir_qrels: ids of tables, or row numbers; scores of 0 or below are left out") {
  RowMajorMatrix expected = RowMajorMatrix::Zero(2, 3);
  expected(0, 2) = 2.0f;
  expected(1, 0) = 1.0f;
  REQUIRE(test::dense(read_beir(header + "q one\tp3\t2\nq2\tp1\t1\nq2\tp2\t0\nq2\tp3\t-1\n").relevance) == expected);
  REQUIRE(test::dense(read_beir(header + "0\t2\t2\n1\t0\t1\n", RowIds(2), RowIds(3)).relevance) == expected);
  REQUIRE(test::dense(read_beir("query-id\tcorpus-id\tscore\r\n\r\nq one\tp3\t2\r\nq2\tp1\t1").relevance) == expected);
}

TEST_CASE("read_beir_qrels: a file without the header line is refused") {
  REQUIRE_ERROR(FormatError, "test.tsv:1: expected the header line query-id<TAB>corpus-id<TAB>score",
                read_beir("q2\tp1\t1\n"));
  REQUIRE_ERROR(FormatError, "test.tsv: is empty, expected a BEIR qrels file", read_beir(""));
  REQUIRE_ERROR(FormatError, "test.tsv: has no judgements, expected at least one", read_beir(header));
}

TEST_CASE("read_beir_qrels: a bad line is refused by its number with what is wrong") {
  const auto refused = [](const std::string& line, const std::string& what) {
    INFO(line);
    REQUIRE_ERROR(FormatError, "test.tsv:3: " + what, read_beir(header + "q2\tp1\t1\n" + line + "\nq2\tp1\t1\n"));
  };
  refused("q2\tp1", "has 2 tab-separated fields, expected 3: query, passage, score");
  refused("q2 p1 1", "has 1 tab-separated fields");
  refused("q2\tp1\t1\t", "has 4 tab-separated fields");
  refused("q2\tp1\t", "expected a grade, got ''");
  refused("q2\tp1\tnan", "grade is nan, expected finite and >= 0");
  refused("q9\tp1\t1", "query 'q9' is none of the 2 known ids");
  refused("q2\tp9\t1", "passage 'p9' is none of the 3 known ids");
  refused("\tp1\t1", "query '' is none of the 2 known ids");
  REQUIRE_ERROR(FormatError, "test.tsv:2: passage 3 is out of range, expected below 3 (rows count from 0)",
                read_beir(header + "0\t3\t1\n", RowIds(2), RowIds(3)));
}

TEST_CASE("read_beir_qrels: unknown ids are skipped and counted where that is asked for") {
  const io::Judgements skipped =
      read_beir(header + "q9\tp1\t1\nq2\tp9\t1\nq2\tp1\t1\n", beir_queries, beir_passages, UnknownId::skip);
  REQUIRE(skipped.relevance.pair_count() == 1);
  REQUIRE(skipped.unknown_queries == 1);
  REQUIRE(skipped.unknown_passages == 1);
}

TEST_CASE("write_beir_qrels: read_beir_qrels brings Y back, by row numbers and by ids") {
  const test::TemporaryDirectory directory;
  const RelevanceMatrix relevance = test::random_relevance(2, 3, 2, 1);
  io::write_beir_qrels(directory / "rows.tsv", relevance);
  REQUIRE(test::dense(io::read_beir_qrels(directory / "rows.tsv", RowIds(2), RowIds(3)).relevance) ==
          test::dense(relevance));
  io::write_beir_qrels(directory / "ids.tsv", relevance, beir_queries, beir_passages);
  REQUIRE(test::dense(io::read_beir_qrels(directory / "ids.tsv", beir_queries, beir_passages).relevance) ==
          test::dense(relevance));
}

TEST_CASE("write_beir_qrels: what the format cannot hold is refused, and no file appears") {
  const test::TemporaryDirectory directory;
  const auto one = [](float weight) {
    return RelevanceMatrix::from_pairs(std::vector<RelevancePair>{{QueryId(0), PassageId(0), weight}}, 1, 1);
  };
  REQUIRE_ERROR(ValueError, "x.tsv: query row 0, passage row 0 has weight 1.5, expected a whole grade",
                io::write_beir_qrels(directory / "x.tsv", one(1.5f)));
  const ExternalIds tab = ExternalIds::from(std::vector<std::string>{"a\tb"});
  REQUIRE_ERROR(ValueError, "has a tab or a line break in it",
                io::write_beir_qrels(directory / "x.tsv", one(1.0f), tab));
  REQUIRE(directory.file_count() == 0);
}
