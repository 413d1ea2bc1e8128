#include "pefa/io/relevance/judged_ids.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/ids/id_tools.hpp"
#include "support.hpp"

using namespace pefa;
using io::ExternalIds;

namespace {

io::JudgedIds read_ids(const std::string& name, const std::string& text) {
  const test::TemporaryDirectory directory;
  return io::read_judged_ids(directory.write(name, text));
}

}  // namespace

TEST_CASE("read_judged_ids: pairs, qrels and BEIR's qrels, in the order of the lines, each id once") {
  for (const auto& [name, text] : {std::pair<std::string, std::string>{"x.tsv", "b\tD1\na\tD2\t3\n\nb\tD2\n"},
                                   {"x.qrels", "b 0 D1 1\na 0 D2 0\nb 0 D2 2\n"},
                                   {"x.beir", "query-id\tcorpus-id\tscore\nb\tD1\t1\na\tD2\t1\nb\tD2\t1\n"}}) {
    const io::JudgedIds ids = read_ids(name, text);
    REQUIRE(ids.queries == test::ids_of({"b", "a"}));
    REQUIRE(ids.passages == test::ids_of({"D1", "D2"}));
  }
}

TEST_CASE("read_judged_ids: with its ids, the file is read whole") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("x.qrels", "b 0 D1 1\na 0 D2 2\n");
  const io::JudgedIds ids = io::read_judged_ids(path);
  const io::Judgements read = io::read_relevance(path, ids.queries, ids.passages);
  REQUIRE(read.relevance.pair_count() == 2);
  REQUIRE(read.unknown_passages == 0);
}

TEST_CASE("for_each_judgement: every line in its order, with its weight, repeated ones and those of 0 too") {
  const test::TemporaryDirectory directory;
  std::string seen;
  const auto path = directory.write("clicks.tsv", "b\tx\t2\na\tx\t0\nb\tx\n");
  io::for_each_judgement(path, std::nullopt, [&](std::string_view query, std::string_view passage, float weight) {
    seen += std::string(query) + std::string(passage) + std::to_string(static_cast<int>(weight)) + " ";
  });
  REQUIRE(seen == "bx2 ax0 bx1 ");
}

TEST_CASE("read_judged_ids: what has no ids, and lines that are no judgements, are refused") {
  REQUIRE_ERROR(ValueError, "x.csr: csr files have rows and no ids, expected tsv, qrels or beir",
                read_ids("x.csr", "x"));
  REQUIRE_ERROR(ValueError, "extension '.foo' names no relevance format", read_ids("x.foo", "x"));
  REQUIRE_ERROR(FormatError, "x.qrels:2: has 3 fields, expected 4", read_ids("x.qrels", "a 0 b 1\na 0 b\n"));
  REQUIRE_ERROR(FormatError, "x.tsv:1: the query is empty", read_ids("x.tsv", "\tb\n"));
  REQUIRE_ERROR(FormatError, "x.tsv: has no pairs, expected at least one", read_ids("x.tsv", "\n"));
}
