// pefa fuse, the runs of pefa eval --out-of-fold that it is tuned on, and runs as rows of pefa compare.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cli_support.hpp"
#include "pefa/adapter/any_retriever_impl.hpp"
#include "pefa/eval/evaluate.hpp"
#include "pefa/eval/fuse.hpp"
#include "pefa/eval/out_of_fold.hpp"
#include "pefa/io/results/trec_run.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

const std::string lexical = "0 Q0 3 1 9 bm25\n0 Q0 7 2 4 bm25\n0 Q0 1 3 2 bm25\n1 Q0 5 1 8 bm25\n";
const std::string dense = "0 Q0 7 1 0.9 xl\n0 Q0 2 2 0.8 xl\n1 Q0 6 1 0.7 xl\n1 Q0 5 2 0.6 xl\n2 Q0 4 1 0.5 xl\n";

struct Runs {
  TemporaryDirectory directory;
  std::string a = directory.write("a.run", lexical).string();
  std::string b = directory.write("b.run", dense).string();
  std::string out = (directory / "fused.run").string();

  [[nodiscard]] Run fused(const std::string& options) const {
    run_well("fuse " + a + " " + b + " --quiet --out " + out + " " + options);
    return io::read_trec_run(out, io::RowIds(3), io::RowIds(8));
  }
  [[nodiscard]] Run expected(const FuseParams& params) const {
    const std::vector<Run> runs{io::read_trec_run(a, io::RowIds(3), io::RowIds(8)),
                                io::read_trec_run(b, io::RowIds(3), io::RowIds(8))};
    return fuse_runs(runs, params);
  }
};

void require_same(const Run& got, const Run& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t query = 0; query < got.size(); ++query) {
    REQUIRE(got[query].size() == expected[query].size());
    for (std::size_t i = 0; i < got[query].size(); ++i) {
      REQUIRE(got[query][i].passage == expected[query][i].passage);
      // A score that ties in the run file is lowered by a hair.
      REQUIRE(got[query][i].score == Approx(expected[query][i].score).margin(1e-6));
    }
  }
}

Run flat_run(const std::string& path, std::size_t n_queries, std::size_t n_passages) {
  return io::read_trec_run(path, io::RowIds(n_queries), io::RowIds(n_passages));
}

}  // namespace

TEST_CASE("pefa fuse: writes what fuse() gives, by every method, weights, constant and depth", "[fuse]") {
  const Runs runs;
  require_same(runs.fused(""), runs.expected({}));
  require_same(runs.fused("--rank-constant 5"), runs.expected({.rank_constant = 5.0}));
  require_same(runs.fused("--method linear --weights 0.3,0.7"),
               runs.expected({.method = FuseMethod::linear, .weights = {0.3, 0.7}}));
  require_same(runs.fused("--method dbsf --weights 2,1 --top-k 2"),
               runs.expected({.method = FuseMethod::dbsf, .weights = {2.0, 1.0}, .top_k = 2}));
  const Run alone = runs.fused("--weights 0,1");
  for (std::size_t query = 0; query < 3; ++query) {
    REQUIRE(alone[query].size() == flat_run(runs.b, 3, 8)[query].size());
  }
  run_well("fuse " + runs.a + " " + runs.b + " --quiet --tag both --out " + runs.out);
  REQUIRE(read_bytes(runs.out).find(" both\n") != std::string::npos);
}

TEST_CASE("pefa fuse: ids are words, ties order by them, three runs are as good as two", "[fuse]") {
  const TemporaryDirectory directory;
  const auto a = directory.write("a.run", "q Q0 D9 1 1 t\n").string();
  const auto b = directory.write("b.run", "q Q0 D10 1 1 t\n").string();
  const auto c = directory.write("c.run", "q Q0 7 1 1 t\n").string();
  const auto out = (directory / "o.run").string();
  const std::string text = run_well("fuse " + a + " " + b + " " + c + " --out " + out);
  REQUIRE(text == out + ": 1 queries of 3 runs, rrf\n");
  const io::TrecRun fused = io::read_trec_run(out);
  REQUIRE(fused.passages == io::ExternalIds::from(std::vector<std::string>{"7", "D10", "D9"}));
}

TEST_CASE("pefa fuse --tune: prints and writes the pick, which --tuned takes for other runs", "[fuse]") {
  const Runs runs;
  const std::string truth = runs.directory.write("Y.tsv", "0\t7\n1\t5\n1\t6\n2\t4\n2\t99\n").string();
  const std::string json_path = (runs.directory / "fusion.json").string();
  const std::string text = run_well("fuse " + runs.a + " " + runs.b + " --tune " + truth +
                                    " --metric recall@2 --json " + json_path + " --out " + runs.out);
  REQUIRE(text.find("a.run alone") != std::string::npos);
  REQUIRE(text.find("<- pick") != std::string::npos);
  REQUIRE(text.find("settings on 3 queries") != std::string::npos);
  const Json json = Json::parse(read_bytes(json_path));
  REQUIRE(json["metric"] == "recall@2");
  REQUIRE(json["queries"] == 3);
  // Query 2 has a passage that neither run found; it counts all the same.
  REQUIRE(json["legs"][0]["score"].get<double>() == Approx((1.0 + 0.5 + 0.0) / 3.0));
  REQUIRE(json["legs"][1]["score"].get<double>() == Approx((1.0 + 1.0 + 0.5) / 3.0));
  REQUIRE(json["pick"]["score"].get<double>() >= json["legs"][1]["score"].get<double>());
  REQUIRE(json["tried"].size() == 2 + 3 * 19);
  const std::string tuned = read_bytes(runs.out);
  run_well("fuse " + runs.a + " " + runs.b + " --quiet --tuned " + json_path + " --out " + runs.out);
  REQUIRE(read_bytes(runs.out) == tuned);

  const std::string qrels =
      runs.directory.write("qrels.txt", "0 0 7 1\n1 0 5 1\n1 0 6 1\n2 0 4 2\n2 0 99 1\n").string();
  const Json of_qrels = Json::parse(run_well("fuse " + runs.a + " " + runs.b + " --method linear --tune " + qrels +
                                             " --relevance-format qrels --metric recall@2 --json -"));
  REQUIRE(of_qrels["legs"] == json["legs"]);
  REQUIRE(of_qrels["tried"].size() == 2 + 19);
}

TEST_CASE("pefa fuse: a run of other queries is noticed where a fusion is tuned", "[fuse]") {
  const Runs runs;
  const std::string truth = runs.directory.write("Y.tsv", "0\t7\n1\t5\n2\t4\n").string();
  const std::string few = runs.directory.write("few.run", "0 Q0 7 1 1 t\n").string();
  const Outcome outcome = run("fuse " + few + " " + runs.b + " --tune " + truth);
  REQUIRE(outcome.exit_code == 0);
  REQUIRE(outcome.err ==
          "pefa: " + few + ": no hits for 2 of the 3 judged queries: are the runs of the same queries?\n");
}

TEST_CASE("pefa fuse: every wrong call is refused by one line, and no file appears", "[fuse]") {
  const Runs runs;
  const std::string two = "fuse " + runs.a + " " + runs.b + " ";
  const std::string to = " --out " + runs.out;
  const std::string truth = runs.directory.write("Y.tsv", "0\t7\n").string();
  require_refused("fuse " + runs.a + to, 2, "one run given, expected two or more");
  require_refused(two, 2, "--out");
  require_refused(two + "--weights 1,2,3" + to, 2, "3 weights for 2 runs, expected one each");
  require_refused(two + "--weights 1,-2" + to, 2, "--weights");
  require_refused(two + "--weights 0,0" + to, 1, "all 2 weights are 0");
  require_refused(two + "--method borda" + to, 2, "--method");
  require_refused(two + "--tune " + truth + " --metric map@10", 2, "'map@10' is no metric");
  require_refused(two + "--tune " + truth + " --weights 1,1", 2, "excludes");
  require_refused(two + "--metric recall@5" + to, 2, "--metric");
  require_refused(two + runs.directory.write("bad.run", "0 Q0 1\n").string() + to, 1,
                  "bad.run:1: has 3 fields, expected 6");
  require_refused(two + (runs.directory / "none.run").string() + to, 1, "none.run: cannot be opened");
  require_refused(two + "--tune " + runs.directory.write("o.tsv", "8\t8\n").string(), 1,
                  "none has a relevant passage and a hit");
  require_refused(two + "--tuned " + truth + to, 1, "Y.tsv: is not what pefa fuse --tune --json writes");
  const std::string other =
      runs.directory.write("f.json", R"({"pick": {"method": "rrf", "weights": [1, 0, 0], "rank_constant": 60}})")
          .string();
  require_refused(two + "--tuned " + other + to, 1, "was tuned on 3 runs, given 2");
  REQUIRE_FALSE(std::filesystem::exists(runs.out));
}

TEST_CASE("pefa eval --out-of-fold: the run is search_out_of_fold()'s, its figures those of the run", "[fuse][eval]") {
  const Files files;
  const std::string out = files.path("train.run");
  for (const std::string method : {"erm", "xs", "xl", "xs-multi"}) {
    const Json json = Json::parse(run_well("eval --out-of-fold --quiet --json - --index flat --top-k 10 --method " +
                                           method + files.training() + " --out " + out));
    const auto passages = io::read_npy<float>(files.passages);
    const auto queries = io::read_npy<float>(files.queries);
    const auto relevance = io::read_pairs(files.relevance, 40, 30);
    RetrieverSpec spec{.method = *parse_enum<Method>(method)};
    spec.index.kind = spec.query_index.kind = IndexKind::flat;
    require_same(flat_run(out, 40, 30), search_out_of_fold<float>(spec, passages, queries, relevance, 10));
    const auto report = evaluate_run(flat_run(out, 40, 30), relevance);
    REQUIRE(json["recall"]["10"].get<double>() == Approx(report.recall.at(10).mean));
    REQUIRE(json["queries_evaluated"] == 40);
  }
}

TEST_CASE("pefa eval --out-of-fold: ids where they are given, samples, and what it is not for", "[fuse][eval]") {
  const Files files;
  const std::string out = files.path("train.run");
  std::string queries;
  std::string passages;
  for (int i = 0; i < 40; ++i) queries += "q" + std::to_string(i) + "\n";
  for (int i = 0; i < 30; ++i) passages += "D" + std::to_string(i) + "\n";
  const std::string ids = " --pairs-by rows --train-query-ids " + files.directory.write("q.txt", queries).string() +
                          " --passage-ids " + files.directory.write("p.txt", passages).string();
  const Json json = Json::parse(run_well("eval --out-of-fold --quiet --json - --max-queries 20 --folds 2" +
                                         files.training() + ids + " --out " + out));
  REQUIRE(json["queries_evaluated"] == 20);
  const io::TrecRun run = io::read_trec_run(out);
  REQUIRE(run.queries.size() == 20);
  REQUIRE(run.queries[0][0] == 'q');
  REQUIRE(run.passages[0][0] == 'D');

  require_refused("eval --out-of-fold" + files.training() + files.testing(), 2, "excludes");
  require_refused("eval --quiet" + files.training() + files.testing() + " --out " + out, 2, "--out-of-fold");
  require_refused("eval --quiet" + files.training(), 2, "--test-queries");
  require_refused("eval --out-of-fold --passages " + files.passages, 2, "--train-queries");
  require_refused("eval " + files.build("xl") + " --out-of-fold", 2, "an archive is built already");
}

TEST_CASE("pefa compare --run: a run is a row with the figures of the search that wrote it", "[fuse][eval]") {
  const Files files;
  const std::string archive = files.build("xl", "--index flat");
  const std::string run = files.path("x.run");
  run_well("search " + archive + " --quiet --queries " + files.tests + " --out " + run);
  const std::string compare = "compare --quiet" + files.training() + files.testing();
  const Json json =
      Json::parse(run_well(compare + " --json - --index flat --run 'as searched=" + run + "' --run other=" + run));
  REQUIRE(json.size() == 8);
  REQUIRE(json[6]["run"] == "as searched");
  REQUIRE(json[7]["run"] == "other");
  REQUIRE(json[6]["recall"] == json[5]["recall"]);
  REQUIRE(json[6]["ndcg_interval"] == json[5]["ndcg_interval"]);
  const std::string table = run_well(compare + " --show 0 --run 'as searched=" + run + "'");
  REQUIRE(table.find("\nas searched ") != std::string::npos);
  REQUIRE(table.find("after (PEFA-XL over PEFA-XS(0.25") != std::string::npos);

  require_refused(compare + " --run x.run", 2, "'x.run' is not NAME=FILE");
  require_refused(compare + " --run x=" + files.path("none"), 1, "none: cannot be opened");
  require_refused(compare + " --run x=" + files.directory.write("bad.run", "0 Q0 30 1 1 t\n").string(), 1,
                  "bad.run:1: passage '30' is none of the 30 known ids");
}
