#include "pefa/io/relevance/beir_folder.hpp"

#include <filesystem>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;

TEST_CASE("read_beir: ids in file order and the judgements of a split") {
  const test::TemporaryDirectory directory;
  (void)directory.write("queries.jsonl", "{\"_id\": \"q2\", \"text\": \"a\"}\n{\"_id\": \"q1\", \"text\": \"b\"}\n");
  (void)directory.write("corpus.jsonl", "{\"_id\": \"p1\", \"title\": \"\"}\n{\"_id\": \"p0\"}\n{\"_id\": \"p2\"}\n");
  std::filesystem::create_directory(directory / "qrels");
  (void)directory.write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\tp2\t2\nq1\tp7\t1\n");

  const io::BeirDataset data = io::read_beir(directory / "", "test", io::UnknownId::skip);
  REQUIRE(data.queries[0] == "q2");
  REQUIRE(data.passages.find("p2") == Row{2});
  REQUIRE(data.judgements.unknown_passages == 1);
  RowMajorMatrix expected = RowMajorMatrix::Zero(2, 3);
  expected(1, 2) = 2.0f;
  REQUIRE(test::dense(data.judgements.relevance) == expected);

  REQUIRE_ERROR(FormatError, "test.tsv:3: passage 'p7' is none of the 3 known ids",
                io::read_beir(directory / "", "test"));
  REQUIRE_ERROR(IoError, "dev.tsv: cannot be opened", io::read_beir(directory / "", "dev"));
}
