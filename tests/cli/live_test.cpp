// pefa live: a folder from the command line, from its first passages to its restored backup.
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "cli_support.hpp"

using namespace pefa;
using test::Files;
using test::Json;
using test::require_refused;
using test::run_well;

namespace {

Json stats_of(const std::string& folder) {
  return Json::parse(run_well("live stats " + folder + " --json -"));
}

Json applied(const std::string& arguments) {
  return Json::parse(run_well("live " + arguments + " --json -"));
}

}  // namespace

TEST_CASE("pefa live: events count, merges keep them, a backup restores and a rollback loses nothing", "[live]") {
  const Files files;
  const std::string shop = files.path("shop");
  run_well("live init " + shop + files.training() + " --method xs --quiet");
  const Json made = stats_of(shop);
  REQUIRE(made["passages"] == 30);
  REQUIRE(made["training_queries"] == 40);
  const auto pairs = made["pairs"].get<int>();

  run_well("live retract " + shop + " 5 17 --quiet");  // there or not, it is not there now
  REQUIRE(applied("retract " + shop + " 5 17")["unchanged"] == 1);
  const auto before = stats_of(shop)["pairs"].get<int>();
  REQUIRE(before <= pairs);
  REQUIRE(applied("click " + shop + " 5 17 --weight 2")["applied"] == 1);
  REQUIRE(stats_of(shop)["pairs"] == before + 1);
  std::ofstream(files.path("more.tsv")) << "5\t17\t1\n";
  REQUIRE(applied("retract " + shop + " --pairs " + files.path("more.tsv"))["applied"] == 1);
  REQUIRE(stats_of(shop)["pairs"] == before);

  std::ofstream(files.path("new.txt")) << "a\nb\n";
  io::write_npy(files.path("new.npy"), EmbeddingView<float>(test::random_matrix(2, 8, 6)));
  REQUIRE(applied("add " + shop + " --passages " + files.path("new.npy") + " --passage-ids " + files.path("new.txt") +
                  " --train-queries " + files.path("new.npy") + " --train-query-ids " + files.path("new.txt") +
                  " --owner someone")["applied"] == 4);
  REQUIRE(applied("click " + shop + " a b")["applied"] == 1);
  REQUIRE(applied("remove " + shop + " a 3")["applied"] == 2);
  Json now = stats_of(shop);
  REQUIRE(now["passages"] == 30);
  REQUIRE(now["training_queries"] == 42);
  REQUIRE(applied("forget " + shop + " --owner someone")["applied"] == 1);
  REQUIRE(stats_of(shop)["training_queries"] == 40);

  run_well("live merge " + shop + " --quiet");
  run_well("live click " + shop + " 6 18 --quiet");
  run_well("live verify " + shop);
  now = stats_of(shop);
  REQUIRE(now["batches_since_base"] == 1);
  run_well("live backup " + shop + " " + files.path("backup"));
  run_well("live restore " + files.path("backup") + " " + files.path("restored"));
  const Json restored = stats_of(files.path("restored"));
  for (const char* same : {"passages", "training_queries", "pairs", "batches", "base"})
    REQUIRE(restored[same] == now[same]);
  run_well("live merge " + shop + " --quiet");
  run_well("live rollback " + shop + " --quiet");
  const Json rolled = stats_of(shop);
  REQUIRE(rolled["base"] == now["base"]);
  REQUIRE(rolled["pairs"] == now["pairs"]);
}

TEST_CASE("pefa live: a new vector leaves a query its owner, and pairs of a file are events, line by line", "[live]") {
  const Files files;
  const std::string shop = files.path("shop/");
  run_well("live init " + shop + files.training() + " --method xl --duplicates max --quiet");
  std::ofstream(files.path("new.txt")) << "a\n";
  io::write_npy(files.path("new.npy"), EmbeddingView<float>(test::random_matrix(1, 8, 6)));
  const std::string query =
      "add " + shop + " --train-queries " + files.path("new.npy") + " --train-query-ids " + files.path("new.txt");
  REQUIRE(applied(query + " --owner someone")["applied"] == 1);
  REQUIRE(applied(query)["applied"] == 1);
  REQUIRE(applied("forget " + shop + " --owner someone")["applied"] == 1);

  const std::string lines = files.path("lines.tsv");
  std::ofstream(lines) << "5\t17\t1\n5\t17\t1\n5\t17\t0\n";
  REQUIRE(applied("retract " + shop + " --pairs " + lines)["applied"].get<int>() +
              applied("retract " + shop + " --pairs " + lines)["unchanged"].get<int>() >=
          3);
  REQUIRE(applied("click " + shop + " --pairs " + lines)["applied"] == 2);
  require_refused("live click " + shop + " --pairs " + lines + " --weight 3", 2, "--weight");
  require_refused("live click " + shop + " 5 17 --relevance-format tsv", 2, "--pairs");
}

TEST_CASE("pefa live init: what is refused is told, and a folder of somebody else's is not removed", "[live]") {
  const Files files;
  const std::string shop = files.path("shop");
  const std::string init = "live init " + shop + files.training() + " --method xl --quiet";
  require_refused(init + " --max-queries 7", 1, "there are 7 training queries already");
  REQUIRE_FALSE(std::filesystem::exists(shop));
  run_well(init);
  std::filesystem::remove_all(shop);
  std::filesystem::create_directory(shop + ".part");
  std::ofstream(shop + ".part/letters.txt") << "dear";
  require_refused(init, 1, "is not what an earlier attempt left");
  REQUIRE(std::filesystem::exists(shop + ".part/letters.txt"));
}

TEST_CASE("pefa live search: the folder as it is now, among passages of some tags or of a list", "[live]") {
  const Files files;
  const std::string shop = files.path("shop");
  const std::string run = files.path("run.trec");
  std::ofstream(files.path("tags.tsv")) << "passage\tlang\tprice\n3\ten\t5\n4\ten\t50\n5\tfr\t5\n";
  run_well("live init " + shop + files.training() + " --method xl --tags " + files.path("tags.tsv") + " --quiet");
  const auto found = [&](const std::string& more) {
    run_well("live search " + shop + " --quiet --queries " + files.tests + " --top-k 4 --out " + run + more);
    std::set<std::string> passages;
    std::ifstream in(run);
    for (std::string query, q0, passage, rest; in >> query >> q0 >> passage && std::getline(in, rest);)
      passages.insert(passage);
    return passages;
  };
  const auto all = found("");
  REQUIRE(all.size() > 4);
  REQUIRE(found(" --where 'lang=en | price<=5'") == std::set<std::string>{"3", "4", "5"});
  std::ofstream(files.path("listed.txt")) << "4\n5\n6\n";
  REQUIRE(found(" --filter " + files.path("listed.txt")) == std::set<std::string>{"4", "5", "6"});
  REQUIRE(found(" --where lang=en --filter " + files.path("listed.txt")) == std::set<std::string>{"4"});

  std::ofstream(files.path("new.txt")) << "new\n";
  std::ofstream(files.path("new.tsv")) << "new\tlang\tfr\n";
  io::write_npy(files.path("new.npy"), EmbeddingView<float>(test::random_matrix(1, 8, 6)));
  run_well("live add " + shop + " --quiet --passages " + files.path("new.npy") + " --passage-ids " +
           files.path("new.txt") + " --tags " + files.path("new.tsv"));
  run_well("live add " + shop + " --quiet --passages " + files.path("new.npy") + " --passage-ids " +
           files.path("new.txt"));  // the tags stay
  run_well("live remove " + shop + " 5 --quiet");
  REQUIRE(found(" --where lang=fr") == std::set<std::string>{"new"});
  run_well("live merge " + shop + " --quiet --unguarded");
  REQUIRE(found(" --where lang=fr") == std::set<std::string>{"new"});

  const std::string search = "live search " + shop + " --queries " + files.tests + " --out " + run;
  require_refused(search + " --where colour=red", 1, "colour");
  require_refused(search + " --filter " + files.path("listed.txt"), 1, "has no passage '5'");
  require_refused("live search " + shop + " --queries " + files.tests + " --out " + files.path("run.npy"), 1,
                  "the passage 'new' has no number");
  require_refused("live add " + shop + " --tags " + files.path("new.tsv") + " --train-queries x.npy", 2,
                  "--tags: --passages is required");
}

TEST_CASE("pefa live: what is refused is told by name, and a damaged folder is found", "[live]") {
  const Files files;
  const std::string shop = files.path("shop");
  run_well("live init " + shop + " --passages " + files.passages + " --method erm --quiet");
  require_refused("live init " + shop + " --passages " + files.passages, 1, "is there already, expected a new folder");
  require_refused("live click " + shop + " nobody 17", 1, "1 refused: training query 'nobody' is not known");
  require_refused("live verfy " + shop, 2, "unknown subcommand 'verfy', did you mean verify? (see pefa live --help)");
  require_refused("live click " + shop, 2, "expected a query and a passage, or --pairs");
  require_refused("live click " + shop + " --pear x", 2, "unknown option --pear");
  require_refused("live add " + shop, 2, "--passages or --train-queries");
  require_refused("live add " + shop + " --passages " + files.passages, 2, "--passage-ids");
  require_refused("live stats " + files.path("none"), 1, "is no live folder");
  require_refused("live verify " + files.path("none"), 1, "is no live folder");
  std::string manifest = test::read_bytes(shop + "/manifest");
  manifest[30] = manifest[30] == 'a' ? 'b' : 'a';
  std::ofstream(shop + "/manifest", std::ios::binary) << manifest;
  require_refused("live verify " + shop, 1, "damaged: its checksum is wrong");
  require_refused("live restore " + shop + " " + files.path("new"), 1, "damaged: its checksum is wrong");
}
