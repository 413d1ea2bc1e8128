// Tags from a file to an archive, and searches under conditions and lists of ids.
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/cli_support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// Every third of the 30 passages is in English; the price of passage i is i.
std::string tag_lines() {
  std::string lines = "passage\tlang\tprice\n";
  for (int i = 0; i < 30; ++i) {
    lines += std::to_string(i) + "\t" + (i % 3 == 0 ? "en" : "de") + "\t" + std::to_string(i) + "\n";
  }
  return lines;
}

/// The passages of every query of a TREC run.
std::vector<std::set<std::string>> passages_of(const std::string& path) {
  std::vector<std::set<std::string>> found;
  std::istringstream lines(read_bytes(path));
  std::string previous;
  std::string query;
  std::string passage;
  for (std::string zero; lines >> query >> zero >> passage; std::getline(lines, zero)) {
    if (query != previous) found.emplace_back();
    found.back().insert(passage);
    previous = query;
  }
  return found;
}

}  // namespace

TEST_CASE("pefa build --tags, info, search --where and --filter", "[filter]") {
  const Files files;
  const std::string tags = files.directory.write("tags.tsv", tag_lines()).string();
  const std::string query_tags = files.directory.write("q.jsonl", "{\"query\": 3, \"tenant\": \"acme\"}\n").string();
  for (const std::string method : {"erm", "xs", "xs-multi", "xl"}) {
    for (const std::string index : {"flat", "quantized"}) {
      const std::string archive = files.build(method, "--index " + index + " --tags " + tags);
      const std::string results = files.path("x.run");
      const std::string search =
          "search --quiet " + archive + " --queries " + files.tests + " --top-k 4 --out " + results;
      run_well(search + " --where 'lang=en & price<20'");
      REQUIRE(passages_of(results).size() == 20);
      for (const auto& found : passages_of(results)) {
        INFO(method << " over " << index);
        REQUIRE(found.size() == 4);
        for (const std::string& passage : found) {
          REQUIRE(std::stoi(passage) % 3 == 0);
          REQUIRE(std::stoi(passage) < 20);
        }
      }
      const std::string ids = files.directory.write("ids.txt", "3\n7\n3\n12\n").string();
      const Outcome few = pefa::test::run(search + " --filter " + ids);
      REQUIRE(few.exit_code == 0);
      REQUIRE(few.err.find("asked for 4 of 3 passages that are admitted: 3 written") != std::string::npos);
      for (const auto& found : passages_of(results)) REQUIRE(found == std::set<std::string>{"3", "7", "12"});
      const Json json = Json::parse(run_well(search + " --json - --where lang=en --filter " + ids));
      REQUIRE(json["passages_admitted"] == 2);
      for (const auto& found : passages_of(results)) REQUIRE(found == std::set<std::string>{"3", "12"});
    }
  }
  const std::string archive = files.build("xl", "--tags " + tags + " --train-query-tags " + query_tags);
  const std::string info = run_well("info " + archive);
  REQUIRE(info.find("tags        lang (text, 2 values), price (integer, 30 values)\n") != std::string::npos);
  REQUIRE(info.find("query tags  tenant (text, 1 value)\n") != std::string::npos);
  const Json json = Json::parse(run_well("info --json - " + archive));
  REQUIRE(json["tags"][1] == Json{{"key", "price"}, {"type", "integer"}, {"values", 30}, {"assignments", 30}});
  REQUIRE(json["train_query_tags"].size() == 1);
  run_well("verify --quiet " + archive);
  const std::string search =
      "search --quiet " + archive + " --queries " + files.tests + " --top-k 5 --out " + files.path("x.run");
  run_well(search);
  const std::string all_vote = read_bytes(files.path("x.run"));
  run_well(search + " --train-where 'tenant=acme'");
  REQUIRE(read_bytes(files.path("x.run")) != all_vote);
  run_well(search + " --train-where 'tenant!=nobody'");
  REQUIRE(read_bytes(files.path("x.run")) == all_vote);
}

TEST_CASE("pefa search: conditions that say nothing are refused in a line, by column", "[filter]") {
  const Files files;
  const std::string tags = files.directory.write("tags.tsv", tag_lines()).string();
  const std::string archive = files.build("xs", "--tags " + tags);
  const std::string search =
      "search --quiet " + archive + " --queries " + files.tests + " --out " + files.path("x.run");
  require_refused(search + " --where 'lang=en & color=red'", 1,
                  "tag expression: column 11: there is no tag 'color', expected lang, price");
  require_refused(search + " --where 'price=cheap'", 1, "column 7: 'price' is of integers, expected one, got 'cheap'");
  require_refused(search + " --where 'lang<en'", 1, "column 1: 'lang' is text, and '<' compares integers");
  require_refused(search + " --where 'lang=en &'", 1, "column 10: expected a key, '!' or '(', got the end");
  const std::string ids = files.directory.write("ids.txt", "3\n30\n").string();
  require_refused(search + " --filter " + ids, 1, "ids.txt:2: passage 30 is out of range, expected below 30");
  require_refused(search + " --filter none.txt", 1, "none.txt: cannot be opened");
  require_refused(search + " --train-where tenant=acme", 1, "x.pefa has no tags of training queries");
  const std::string plain = files.build("xs", "", "plain.pefa");
  require_refused(
      "search --quiet " + plain + " --queries " + files.tests + " --where lang=en --out " + files.path("x.run"), 1,
      "plain.pefa has no tags; --tags of pefa build or pefa eval gives them");
}

TEST_CASE("pefa build: refuses tags that it cannot read, before it builds", "[filter]") {
  const Files files;
  const std::string build = "build --quiet" + files.training() + " --out " + files.path("x.pefa") + " --method ";
  const std::string tags = files.directory.write("tags.tsv", "30\tlang\ten\n").string();
  require_refused(build + "xs --tags " + tags, 1, "tags.tsv:1: tagged 30 is out of range, expected below 30");
  const std::string query_tags = files.directory.write("q.tsv", "39\ttenant\tacme\n").string();
  for (const std::string method : {"xs", "xl --condense 0.85"}) {
    require_refused(build + method + " --train-query-tags " + query_tags, 1,
                    "--train-query-tags is for xl that looks up its training queries as they are");
  }
  REQUIRE(!std::filesystem::exists(files.path("x.pefa")));
}

TEST_CASE("pefa build --tags: rows by the ids of the passages", "[filter]") {
  const Files files;
  std::string ids;
  for (int i = 0; i < 30; ++i) ids += "doc-" + std::to_string(i) + "\n";
  const std::string tags = files.directory.write("tags.tsv", "doc-7\tlang\ten\ndoc-9\tlang\ten\n").string();
  const std::string archive = files.build(
      "xs", "--pairs-by rows --passage-ids " + files.directory.write("p.txt", ids).string() + " --tags " + tags);
  const std::string results = files.path("x.run");
  const std::string search = "search --quiet " + archive + " --queries " + files.tests + " --top-k 2 --out " + results;
  run_well(search + " --where lang=en");
  for (const auto& found : passages_of(results)) REQUIRE(found == std::set<std::string>{"doc-7", "doc-9"});
  require_refused(search + " --filter " + files.directory.write("f.txt", "doc-7\ndoc-77\n").string(), 1,
                  "f.txt:2: there is no passage 'doc-77'");
}

TEST_CASE("pefa eval --where: of the admitted passages alone, by the archive's tags or a file's", "[filter]") {
  const Files files;
  const std::string tags = files.directory.write("tags.tsv", tag_lines()).string();
  const std::string archive = files.build("xs", "--index flat --tags " + tags);
  const std::string eval = "eval --quiet --json - " + archive + files.testing();
  const Json all = Json::parse(run_well(eval));
  const Json some = Json::parse(run_well(eval + " --where 'lang=en'"));
  REQUIRE(some["queries_evaluated"] < all["queries_evaluated"]);
  REQUIRE(some["recall"]["10"] == 1.0);  // there are ten
  REQUIRE(Json::parse(run_well(eval + " --where 'price>=0'"))["recall"] == all["recall"]);
  const Json built =
      Json::parse(run_well(files.arguments("xs", "--index flat --json - --where 'lang=en' --tags " + tags)));
  REQUIRE(built["recall"] == some["recall"]);
  require_refused(files.arguments("xs", "--where lang=en"), 1, "--where: what is built here has no tags");
  require_refused("eval --quiet --out-of-fold" + files.training() + " --where lang=en", 2,
                  "--where excludes --out-of-fold");
}
