// Row numbers and ids side by side: results by ids, relevance files by either.
#include <fstream>
#include <string>

#include "cli_support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

std::string id_lines(const std::string& prefix, int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += prefix + std::to_string(i) + "\n";
  return lines;
}

/// The pairs of a file with ids for its row numbers.
std::string with_ids(const std::string& path, const std::string& query, const std::string& passage) {
  std::ifstream in(path);
  std::string lines;
  std::string query_row;
  std::string passage_row;
  std::string weight;
  while (in >> query_row >> passage_row >> weight) {
    lines += query + query_row + "\t" + passage + passage_row + "\t" + weight + "\n";
  }
  return lines;
}

Json figures(const std::string& arguments) {
  const Json json = Json::parse(run_well(arguments + " --json -"));
  return {json["recall"], json["ndcg"], json["mrr"]};
}

}  // namespace

TEST_CASE("pefa --pairs-by rows: pairs of row numbers are read although there are ids, in every command", "[eval]") {
  const Files files;
  const std::string ids = " --passage-ids " + files.directory.write("p.txt", id_lines("doc-", 30)).string();
  const Json expected = figures(files.arguments("xs", "--index flat"));
  REQUIRE(figures(files.arguments("xs", "--index flat --pairs-by rows" + ids)) == expected);
  REQUIRE(figures(files.arguments("xs", "--index flat --pairs-by rows")) == expected);

  const std::string archive = files.build("xs", "--index flat --pairs-by rows" + ids);
  run_well("search " + archive + " --quiet --queries " + files.tests + " --out " + files.path("run.trec"));
  REQUIRE(read_bytes(files.path("run.trec")).find(" doc-") != std::string::npos);
  REQUIRE(figures("eval " + archive + " --quiet --pairs-by rows" + files.testing()) == expected);
  require_refused("eval " + archive + files.testing(), 1,
                  "known ids; if the file has row numbers, give --pairs-by rows; --unknown-ids skip leaves such");
  for (const std::string command : {"compare --show 0", "tune"}) {
    const std::string arguments =
        command + " --quiet" + files.training() + ids + (command == "tune" ? std::string() : files.testing());
    REQUIRE(run(arguments).exit_code == 1);
    run_well(arguments + " --pairs-by rows");
  }
}

TEST_CASE("pefa --pairs-by: without it, a side that has ids is read by them and the other by row numbers", "[eval]") {
  Files files;
  const std::string passage_ids = " --passage-ids " + files.directory.write("p.txt", id_lines("doc-", 30)).string();
  const std::string query_ids = " --train-query-ids " + files.directory.write("q.txt", id_lines("q", 40)).string() +
                                " --test-query-ids " + files.directory.write("t.txt", id_lines("t", 20)).string();
  const Json expected = figures(files.arguments("xs", "--index flat"));
  Files mixed;
  mixed.relevance = mixed.directory.write("Y.tsv", with_ids(files.relevance, "", "doc-")).string();
  mixed.truth = mixed.directory.write("Z.tsv", with_ids(files.truth, "", "doc-")).string();
  REQUIRE(figures(mixed.arguments("xs", "--index flat" + passage_ids)) == expected);
  require_refused(mixed.arguments("xs", "--pairs-by ids" + passage_ids), 1,
                  "Y.tsv: --pairs-by ids needs ids of the queries: give them by --train-query-ids");
  mixed.relevance = mixed.directory.write("Y.tsv", with_ids(files.relevance, "q", "doc-")).string();
  mixed.truth = mixed.directory.write("Z.tsv", with_ids(files.truth, "t", "doc-")).string();
  REQUIRE(figures(mixed.arguments("xs", "--index flat --pairs-by ids" + passage_ids + query_ids)) == expected);
  require_refused(mixed.arguments("xs", "--pairs-by rows" + passage_ids + query_ids), 1,
                  "Y.tsv:1: expected a query row number, got 'q0'; if these are ids, leave out --pairs-by rows");
}
