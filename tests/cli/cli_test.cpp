// The pefa command as its users run it: results against the expected ones, and one clear line for every wrong call.
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "cli_support.hpp"
#include "pefa/adapter/condense.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/retriever_spec_json.hpp"
#include "pefa/eval/evaluate.hpp"
#include "pefa/index/flat_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

std::string banking_arguments(const Json& row, const std::string& index) {
  const std::string data = banking77().string();
  std::string arguments = "eval --quiet --json - --recall-at 1,3,10 --top-k 77 --index " + index + " --passages " +
                          data + "/passages.npy --train-queries " + data + "/train_queries.npy --train-relevance " +
                          data + "/train_relevance.tsv --test-queries " + data + "/test_queries.npy --test-relevance " +
                          data + "/test_relevance.tsv --method " + row["method"].get<std::string>();
  for (const char* key : {"lambda", "neighbors", "temperature"}) {
    if (row.contains(key)) arguments += std::string(" --") + key + " " + row[key].dump();
  }
  if (row.contains("gate")) arguments += " --gate " + row["gate"].get<std::string>();
  // The paper's: neither solved nor whitened.
  if (row["method"] == "xs") arguments += " --rule correlation --whiten none";
  if (row["method"] == "xl") arguments += " --fold 1 --whiten none --hubness 0";
  return arguments;
}

/// @param margin  in points of percent
void require_expected(const Json& row, const std::string& index, double margin) {
  const Outcome outcome = run(banking_arguments(row, index));
  INFO(row.dump() << "\n" << outcome.out << outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const Json got = Json::parse(outcome.out);
  for (const char* metric : {"recall", "ndcg", "mrr"}) {
    for (const auto& [k, value] : row[metric].items()) {
      REQUIRE(100.0 * got[metric][k].get<double>() == Approx(value.get<double>()).margin(margin));
    }
  }
}

Json expected_rows() {
  return Json::parse(read_bytes(banking77() / "expected.json"))["rows"];
}

}  // namespace

TEST_CASE("pefa eval: every row of banking77's expected results is met by exact search", "[banking77]") {
  PEFA_SKIP_WITHOUT_BANKING77();
  for (const Json& row : expected_rows()) require_expected(row, "flat", 0.05);
}

TEST_CASE("pefa eval: banking77's expected results are met over HNSW with the paper's M and ef", "[banking77]") {
  PEFA_SKIP_WITHOUT_BANKING77();
  // One row a method and gate: what differs from the exact run is the index, and that is the same for every lambda.
  for (const Json& row : expected_rows()) {
    const bool xl = row["method"] == "xl" && row["lambda"] == 0.1 && row["neighbors"] == 16;
    const bool xs = row["method"] == "xs" && (row["lambda"] == 0.1 || row["lambda"] == 0.9);
    if (xl || xs || row["method"] == "erm") require_expected(row, "hnsw", 0.5);
  }
}

TEST_CASE("pefa eval: the JSON has every documented key, to stdout and to a file alike", "[eval]") {
  const Files files;
  const Outcome outcome = run(files.arguments("xl", "--json - --index hnsw --lambda 0.2 --recall-at 1,5 --top-k 20"));
  REQUIRE(outcome.exit_code == 0);
  const Json json = Json::parse(outcome.out);
  REQUIRE(json["spec_version"] == RetrieverSpec::version);
  REQUIRE(json["method"] == "xl");
  REQUIRE(json["lambda"] == 0.2);  // not as a float32 is in double
  REQUIRE(json["neighbors"] == 32);
  REQUIRE(json["gate"] == "softmax");
  REQUIRE(json["temperature"] == 0.05);
  REQUIRE(json["index"] == "hnsw");
  REQUIRE(json["recall"].size() == 2);
  REQUIRE(json["recall"]["5"].get<double>() >= json["recall"]["1"].get<double>());
  REQUIRE(json["ndcg"].contains("10"));
  REQUIRE(json["mrr"].contains("10"));
  REQUIRE(json["queries_evaluated"] == 20);
  REQUIRE(json["build_seconds"].get<double>() > 0.0);
  REQUIRE(json["index_bytes"].get<std::size_t>() > 70 * 8 * 4);
  for (const char* key : {"mean", "p50", "p95", "p99"}) REQUIRE(json["latency_ms"][key].get<double>() > 0.0);
  REQUIRE(json["queries_per_second"].get<double>() > 0.0);

  const auto file = files.directory / "result.json";
  const Outcome to_file = run(files.arguments("erm", "--json " + file.string()));
  REQUIRE(to_file.exit_code == 0);
  REQUIRE(to_file.out.find("Recall@1") != std::string::npos);
  REQUIRE(Json::parse(read_bytes(file))["lambda"].is_null());
}

TEST_CASE("pefa eval: every method, gate, index and policy runs, and qrels and int8 files are read", "[eval]") {
  const Files files;
  for (const std::string more : {"--gate mean", "--gate sum", "--gate softmax --temperature 0.5", "--index flat",
                                 "--index quantized", "--m 4 --ef-construction 10 --ef-search 5",
                                 "--index quantized --target-recall 0.9", "--threads 1", "--top-k 5", "--normalize"}) {
    REQUIRE(run(files.arguments("xl", more)).exit_code == 0);
  }
  REQUIRE(run(files.arguments("xs", "--rule correlation --cold erm")).exit_code == 0);
  REQUIRE(run(files.arguments("xs", "--passages-as-queries 0 --cold paper --index flat")).exit_code == 0);
  require_refused(files.arguments("xs", "--cold paper"), 2,
                  "--cold: is for --rule correlation or --passages-as-queries 0");

  Files others;
  io::write_npy(others.passages, EmbeddingStore<std::int8_t>::from(random_matrix(30, 8, 1)));
  others.truth = others.directory.write("Z.qrels", "0 0 3 1\n1 0 4 2\n2 0 5 0\n").string();
  const Outcome outcome = run(others.arguments("xs", "--json -"));
  REQUIRE(outcome.exit_code == 0);
  REQUIRE(Json::parse(outcome.out)["queries_evaluated"] == 2);
}

TEST_CASE("pefa eval: the rarer parameters run, and ERM needs no training files", "[eval]") {
  const Files files;
  REQUIRE(run(files.arguments("xl", "--similarity cosine --knn-scale 2 --passage-candidates 20")).exit_code == 0);
  REQUIRE(run(files.arguments("xl", "--similarity l2 --missing-erm-score zero --ef 50 --query-ef 40")).exit_code == 0);
  REQUIRE(run(files.arguments("xs", "--norm passage --index quantized --rerank 20")).exit_code == 0);
  for (const std::string index : {"flat", "hnsw", "quantized"}) {
    const Outcome outcome = run(files.arguments("xs-multi", "--max-centroids 2 --json - --index " + index));
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    REQUIRE(Json::parse(outcome.out)["method"] == "xs-multi");
  }
  REQUIRE(run("eval --quiet --method erm --passages " + files.passages + files.testing()).exit_code == 0);
}

TEST_CASE("pefa eval: relevance of external ids is read by tables of them", "[eval]") {
  Files files;
  std::string passage_ids;
  std::string query_lines;
  for (int i = 0; i < 30; ++i) passage_ids += "doc-" + std::to_string(i) + "\n";
  for (int i = 0; i < 20; ++i) query_lines += "{\"_id\": \"q" + std::to_string(i) + "\", \"text\": \"?\"}\n";
  std::string training;
  for (int i = 0; i < 30; ++i) training += std::to_string(i) + "\tdoc-" + std::to_string(i) + "\t1\n";
  files.relevance = files.directory.write("Y.tsv", training).string();
  files.truth = files.directory.write("Z.qrels", "q1 0 doc-3 1\nq2 0 doc-4 1\n").string();
  const std::string ids = " --passage-ids " + files.directory.write("p.txt", passage_ids).string() +
                          " --test-query-ids " + files.directory.write("queries.jsonl", query_lines).string();
  const Outcome outcome = run(files.arguments("xs", "--json -" + ids));
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  REQUIRE(Json::parse(outcome.out)["queries_evaluated"] == 2);

  files.truth = files.directory.write("Z.qrels", "q1 0 doc-3 1\nq2 0 doc-99 1\n").string();
  require_refused(files.arguments("xs", ids), 1, "Z.qrels:2: passage 'doc-99' is none of the 30 known ids");
  const Outcome skipping = run(files.arguments("xs", "--json - --unknown-ids skip" + ids));
  REQUIRE(skipping.exit_code == 0);
  REQUIRE(skipping.err ==
          "pefa: " + files.truth + ": judgements skipped: 0 of unknown queries, 1 of unknown passages\n");
  REQUIRE(Json::parse(skipping.out)["judgements_skipped"] == 1);
  files.truth = files.directory.write("Z.qrels", "q1 0 doc-3 1\n").string();
  const Outcome whole = run(files.arguments("xs", "--json - --unknown-ids skip" + ids));
  REQUIRE(whole.err.empty());
  REQUIRE(Json::parse(whole.out)["judgements_skipped"] == 0);
  run_well("build --quiet --method xs" + files.training() + ids.substr(0, ids.find(" --test-query-ids")) + " --out " +
           files.path("x.pefa"));
  files.truth = files.directory.write("Z.qrels", "q1 0 doc-3 1\nq2 0 doc-99 1\nq99 0 doc-1 1\n").string();
  const Outcome archive = run("eval --quiet --json - " + files.path("x.pefa") + files.testing() +
                              " --unknown-ids skip" + ids.substr(ids.find(" --test-query-ids")));
  REQUIRE(archive.err.find("judgements skipped: 1 of unknown queries, 1 of unknown passages") != std::string::npos);
  REQUIRE(Json::parse(archive.out)["judgements_skipped"] == 2);
  const std::string few = " --passage-ids " + files.directory.write("few.txt", "a\nb\n").string();
  require_refused(files.arguments("xs", few), 1, "few.txt: has 2 ids for 30 passages, expected one each");
}

TEST_CASE("pefa eval: XL over XS and condensed XL are those of the library", "[eval]") {
  const Files files;
  const Json plain = Json::parse(run_well(files.arguments("xl", "--index flat --json -")));
  REQUIRE(plain["fold"] == 0.25);
  REQUIRE(plain["condense"] == 0.0);
  const auto passages = io::read_npy<float>(files.passages);
  const auto queries = io::read_npy<float>(files.queries);
  const auto relevance = io::read_pairs(files.relevance, queries.size(), passages.size());
  const auto tests = io::read_npy<float>(files.tests);
  const auto truth = io::read_pairs(files.truth, tests.size(), passages.size());
  using Xl = PefaXl<float, FlatIndex<>>;
  const Xl xl = Xl::build(
      passages, queries, relevance,
      {.lambda = 0.4f, .neighbors = 9, .fold = {.lambda = 0.2f, .cold = ColdPassage::paper}, .condense = 0.5f});
  const auto expected = evaluate(xl, tests.view(), truth, {.recall_at = {1, 5, 10}, .top_k = 30});
  for (const std::string index : {"flat", "hnsw", "quantized"}) {
    const Json json =
        Json::parse(run_well(files.arguments("xl",
                                             "--lambda 0.4 --gate mean --neighbors 9 --fold 0.2 --cold paper "
                                             "--condense 0.5 --rule correlation --whiten none --hubness 0 --top-k 30 "
                                             "--recall-at 1,5,10 --json - --index " +
                                                 index)));
    REQUIRE(json["fold"].get<float>() == 0.2f);
    REQUIRE(json["condense"].get<float>() == 0.5f);
    REQUIRE(json["cold"] == "paper");
    for (const std::size_t k : {1U, 5U, 10U}) {
      REQUIRE(json["recall"][std::to_string(k)].get<double>() == Approx(expected.recall.at(k).mean));
    }
  }
}

TEST_CASE("pefa: one thread gives the same result twice", "[eval]") {
  const Files files;
  const auto metrics = [&] {
    const Json json = Json::parse(run(files.arguments("xl", "--threads 1 --json -")).out);
    return json["recall"].dump() + json["ndcg"].dump() + json["mrr_interval"].dump();
  };
  REQUIRE(metrics() == metrics());
}

TEST_CASE("pefa compare: prints every method, and what changes for a query with its texts", "[eval]") {
  const Files files;
  std::string arguments = files.arguments("xl", "--show 3 --json " + (files.directory / "all.json").string());
  arguments.replace(0, 4, "compare");
  arguments.replace(arguments.find("--method xl"), 11, "");
  std::string texts;
  for (int i = 0; i < 30; ++i) texts += "passage text " + std::to_string(i) + "\n";
  arguments += " --passage-texts " + files.directory.write("p.txt", texts).string();
  const Outcome outcome = run(arguments);
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  for (const char* text : {"ERM ", "PEFA-XS, lambda = 0.5", "PEFA-XL, mean, k = 16, lambda = 0.1",
                           "PEFA-XL, sum, k = 16, lambda = 0.1", "PEFA-XS, least squares(0.3, b = 0.3), lambda = 0.2",
                           "PEFA-XL over PEFA-XS(0.25, least squares(0.3, b = 0.3)), whitened votes(within, 1), "
                           "hubness 0.5, softmax(0.05), "
                           "k = 32, lambda = 0.2",
                           "query: #3", "before (ERM)", "passage text "}) {
    REQUIRE(outcome.out.find(text) != std::string::npos);
  }
  const Json rows = Json::parse(read_bytes(files.directory / "all.json"));
  REQUIRE(rows.size() == 6);
  const std::vector<std::string> indexes{"flat", "hnsw", "hnsw", "hnsw", "flat", "flat"};  // the paper's, and by size
  for (std::size_t i = 0; i < rows.size(); ++i) REQUIRE(rows[i]["index"] == indexes[i]);
  run_well(arguments + " --index quantized --neighbors 7 --xs-lambda 0.25 --xl-lambda 0.75");
  for (const Json& row : Json::parse(read_bytes(files.directory / "all.json"))) {
    REQUIRE(row["index"] == "quantized");
    if (row["method"] == "xs") REQUIRE(row["lambda"] == 0.25);
    if (row["method"] == "xl") REQUIRE((row["lambda"] == 0.75 && row["neighbors"] == 7));
  }

  const Outcome folded = run(arguments + " --fold 0.3 --condense 0.9");
  INFO(folded.err);
  REQUIRE(folded.exit_code == 0);
  REQUIRE(folded.out.find("PEFA-XL over PEFA-XS(0.3), queries merged at 0.9, mean") != std::string::npos);
  const Json all = Json::parse(read_bytes(files.directory / "all.json"));
  for (const Json& row : all) {
    REQUIRE(row["fold"].is_null() == (row["method"] != "xl"));
    REQUIRE(row["condense"].is_null() == (row["method"] != "xl"));
  }
}

TEST_CASE("pefa: help and version succeed and go to stdout", "[eval]") {
  REQUIRE(run("--help").exit_code == 0);
  REQUIRE(run("--version").out.starts_with("pefa "));
  const std::string all = run_well("--help-all");
  for (const std::string name :
       {"build", "search", "eval", "compare", "tune", "bench", "info", "verify", "convert", "export-xs"}) {
    const std::string help = run_well(name + " --help");
    INFO(help);
    REQUIRE(help.find("Example") != std::string::npos);
    REQUIRE(help.find("\n  pefa " + name) != std::string::npos);
    REQUIRE(help.find("--json FILE|-") != std::string::npos);
    REQUIRE(help.find("--quiet") != std::string::npos);
    REQUIRE(all.find("*pefa " + name + "*\n" + help.substr(0, help.find('\n'))) != std::string::npos);
  }
  for (const char* code : {"\n  0 ", "\n  1 ", "\n  2 ", "\n  130 "}) REQUIRE(all.find(code) != std::string::npos);
}

TEST_CASE("pefa: bash completes subcommands, options and files", "[eval]") {
  if (run_shell("bash --version").exit_code != 0) {
    WARN("skipped: bash is absent");
    return;
  }
  const TemporaryDirectory directory;
  const std::string file = directory.write("vectors of mine.npy", "").string();
  const auto completed = [&directory](const std::string& words, int last) {
    const auto script = directory.write("complete.sh", "source " PEFA_COMPLETION "\nCOMP_WORDS=(" PEFA_COMMAND " " +
                                                           words + ")\nCOMP_CWORD=" + std::to_string(last) +
                                                           "\n_pefa\nprintf '%s|' \"${COMPREPLY[@]}\"\n");
    const Outcome outcome = run_shell("bash " + script.string());
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return outcome.out;
  };
  REQUIRE(completed("''", 1).starts_with("build|search|eval|"));
  REQUIRE(completed("ex", 1) == "export-xs|export-sql|");
  REQUIRE(completed("live re", 2) == "remove|retract|restore|");
  REQUIRE(completed("live click shop --p", 4) == "--pairs|");
  REQUIRE(completed("build --train", 2) == "--train-queries|--train-relevance|--train-query-ids|--train-query-tags|");
  REQUIRE(completed("info '" + (directory / "vect").string() + "'", 2) == file + "|");
}

TEST_CASE("pefa: a wrong command line gets one line and exit code 2", "[bad input]") {
  const Files files;
  require_refused("", 2, "subcommand");
  require_refused("evaluate", 2, "evaluate");
  require_refused("eval --method xs", 2, "--test-queries");
  require_refused(files.arguments("xm"), 2, "xm");
  require_refused(files.arguments("xl", "--lambda 1.1"), 2, "1.1");
  require_refused(files.arguments("xl", "--lambda -0.1"), 2, "-0.1");
  require_refused(files.arguments("xl", "--lambda half"), 2, "half");
  require_refused(files.arguments("xl", "--neighbors 0"), 2, "--neighbors");
  require_refused(files.arguments("xl", "--top-k 0"), 2, "--top-k");
  require_refused(files.arguments("xl", "--gate max"), 2, "max");
  require_refused(files.arguments("xl", "--temperature 0"), 2, "--temperature");
  require_refused(files.arguments("xl", "--m 100000"), 2, "--m");
  require_refused(files.arguments("xl", "--index tree"), 2, "tree");
  require_refused(files.arguments("xl", "--recall-at 1,0"), 2, "--recall-at");
  require_refused(files.arguments("xl", "--frobnicate"), 2, "--frobnicate");
  require_refused(files.arguments("xl", "--similarity angle"), 2, "angle");
  require_refused(files.arguments("xl", "--fold 1.5"), 2, "--fold");
  require_refused(files.arguments("xl", "--condense -1"), 2, "--condense");
  require_refused("eval --method erm" + files.testing(), 2, "--passages is required");
  require_refused("eval --method xs --passages " + files.passages + files.testing(), 2, "--train-queries is required");
  require_refused("eval --method xs" + files.training(), 2, "--test-queries");
}

TEST_CASE("pefa: an option that the method does not have is refused, naming both", "[bad input]") {
  const Files files;
  const auto refused = [&files](const std::string& method, const std::string& option, const std::string& value,
                                const std::string& methods) {
    require_refused(files.arguments(method, option + " " + value), 2,
                    option + ": is for --method " + methods + ", not " + method);
  };
  for (const std::string method : {"erm", "xs", "xs-multi"}) {
    refused(method, "--gate", "sum", "xl");
    refused(method, "--neighbors", "8", "xl");
    refused(method, "--temperature", "0.1", "xl");
    refused(method, "--similarity", "cosine", "xl");
    refused(method, "--knn-scale", "2", "xl");
    refused(method, "--passage-candidates", "20", "xl");
    refused(method, "--missing-erm-score", "zero", "xl");
    refused(method, "--fold", "0.3", "xl");
    refused(method, "--condense", "0.9", "xl");
    refused(method, "--hubness", "0.5", "xl");
    refused(method, "--bandwidth", "0.1", "xl");
    refused(method, "--ridge", "0.1", "xl");
  }
  for (const std::string method : {"erm", "xs", "xl"}) {
    refused(method, "--max-centroids", "3", "xs-multi");
    refused(method, "--queries-per-centroid", "3", "xs-multi");
    refused(method, "--shrinkage", "0.5", "xs-multi");
  }
  for (const std::string unfolded : {"erm", "xl --fold 1"}) {
    const std::string method = unfolded.substr(0, unfolded.find(' '));
    for (const std::string option : {"--cold paper", "--norm passage", "--rule least_squares", "--ls-shrinkage 0.1",
                                     "--passages-as-queries 1", "--balance 4"}) {
      require_refused(
          files.arguments(unfolded, option), 2,
          option.substr(0, option.find(' ')) + ": is for --method xs, xs-multi or xl with --fold, not " + method);
    }
  }
  refused("erm", "--lambda", "0.5", "xs, xs-multi or xl");
  for (const std::string option : {"--whiten", "--scatter", "--whiten-shrinkage", "--whiten-rank"}) {
    refused("erm", option, option == "--whiten" ? "all" : option == "--scatter" ? "total" : "1", "xs, xs-multi or xl");
  }
  require_refused(files.arguments("xl", "--gate mean --ridge 0.1"), 2, "--ridge: is for --gate local, not mean");
  require_refused(files.arguments("xl", "--gate mean --bandwidth 0.1"), 2,
                  "--bandwidth: is for --gate local, not mean");
  require_refused(files.arguments("xs", "--rule correlation --ls-shrinkage 0.1"), 2,
                  "--ls-shrinkage: is for --rule least_squares, not correlation");
  require_refused(files.arguments("xl", "--whiten none --scatter total"), 2,
                  "--scatter: is for --whiten queries or all, not none");
  require_refused(files.arguments("xs", "--whiten none --whiten-rank 4"), 2, "--whiten-rank: is for --whiten all");
  require_refused(files.arguments("xs", "--whiten all --whiten-rank 9"), 1, "rank is 9, expected at most 8");
  require_refused(files.arguments("xs", "--rule ridge"), 2, "--rule");
  require_refused(files.arguments("xl", "--gate mean --temperature 0.1"), 2,
                  "--temperature: is for --gate softmax, not mean");
  require_refused(files.arguments("xl", "--index flat --m 8"), 2, "--m: is for --index hnsw or quantized, not flat");
  require_refused(files.arguments("xs", "--query-index flat"), 2, "--query-index: is for --method xl, not xs");
  require_refused(files.arguments("xl", "--index flat --query-index hnsw --exact-rows drop"), 2,
                  "--exact-rows: is for --index quantized or partitioned, not flat");
  const std::string tuned =
      " --tuned " + files.directory.write("t.json", R"({"pick": {"method": "xs", "lambda": 0.1}})").string();
  require_refused("eval" + files.training() + files.testing() + tuned + " --similarity cosine", 2,
                  "--similarity: is for --method xl, not xs");
}

TEST_CASE("pefa: every fitted part can be asked for, and comes back in the JSON", "[eval]") {
  const Files files;
  const auto json = [&files](const std::string& method, const std::string& options) {
    return Json::parse(run_well(files.arguments(method, "--quiet --json - --index flat " + options)));
  };
  const std::string fits =
      "--rule least_squares --ls-shrinkage 0.5 --passages-as-queries 0.25 --whiten all "
      "--scatter both --whiten-shrinkage 0.75 --whiten-rank 6 --balance 5";
  for (const std::string method : {"xs", "xl"}) {
    const bool is_xl = method == "xl";
    const Json built =
        json(method, fits + (is_xl ? " --fold 0.5 --gate local --ridge 0.25 --bandwidth 0.5 --hubness 2" : ""));
    REQUIRE(built["rule"] == "least_squares");
    REQUIRE(built["least_squares_shrinkage"] == 0.5);
    REQUIRE(built["passages_as_queries"] == 0.25);
    REQUIRE(built["whitened"] == "all");
    REQUIRE(built["scatter"] == "both");
    REQUIRE(built["whitening_shrinkage"] == 0.75);
    REQUIRE(built["whitening_rank"] == 6);
    REQUIRE(built["balance"] == 5);
    if (!is_xl) continue;
    REQUIRE(built["gate"] == "local");
    REQUIRE(built["ridge"] == 0.25);
    REQUIRE(built["bandwidth"] == 0.5);
    REQUIRE(built["hubness"] == 2.0);
  }
  REQUIRE(json("xl", "--whiten none --hubness 0 --fold 1")["whitened"] == "none");
}

TEST_CASE("pefa: without options a command builds RetrieverSpec's defaults", "[eval]") {
  const Files files;
  const Json bare = Json::parse(run_well("eval --quiet --json -" + files.training() + files.testing()));
  RetrieverSpec built;
  built.index.kind = IndexKind::flat;  // what automatic became, of so few rows
  built.query_index.kind = IndexKind::flat;
  REQUIRE(spec_from_json(bare) == built);
  run_well("build --quiet" + files.training() + " --out " + files.path("bare.pefa"));
  const Json opened = Json::parse(run_well("eval --quiet --json - " + files.path("bare.pefa") + files.testing()));
  REQUIRE(opened["recall"] == bare["recall"]);
  const std::string help = run_well("build --help");
  for (const char* text : {"--method TEXT:{erm,xs,xs-multi,xl}=xl", "--lambda FLOAT:FLOAT in [0 - 1]=0.2",
                           "--gate TEXT:{mean,sum,softmax,local}=softmax", "--neighbors UINT:POSITIVE=32",
                           "--index TEXT:{automatic,flat,hnsw,quantized,partitioned}=automatic"}) {
    INFO(text);
    REQUIRE(help.find(text) != std::string::npos);
  }
}

TEST_CASE("pefa eval: the row names its lambda, k and temperature", "[eval]") {
  const Files files;
  REQUIRE(
      run_well(files.arguments("xl", "--fold 1 --whiten none --hubness 0 --lambda 0.3 --neighbors 7 --temperature 0.2"))
          .find("\nPEFA-XL, softmax(0.2), k = 7, lambda = 0.3 ") != std::string::npos);
  REQUIRE(run_well(files.arguments("xs", "--rule correlation --lambda 0.25")).find("\nPEFA-XS, lambda = 0.25 ") !=
          std::string::npos);
  const std::string archive = files.build("xl", "--gate sum --fold 1 --whiten none --hubness 0 --lambda 0.2");
  REQUIRE(run_well("eval --quiet " + archive + files.testing() + " --lambda 0.7 --neighbors 3")
              .find("\nPEFA-XL, sum, k = 3, lambda = 0.7 ") != std::string::npos);
}

TEST_CASE("pefa eval: index_bytes counts the rows that an index reads in place", "[eval]") {
  const Files files;
  const auto bytes = [&files](const std::string& method, const std::string& more) {
    return Json::parse(run_well(files.arguments(method, more + " --json -")))["index_bytes"].get<std::size_t>();
  };
  const std::size_t passages = 30 * 8 * sizeof(float);
  const std::size_t queries = 40 * 8 * sizeof(float);
  REQUIRE(bytes("erm", "--index flat") >= passages);
  REQUIRE(bytes("xs", "--index flat") >= passages);
  REQUIRE(bytes("xl", "--index flat") >= passages + queries);
  REQUIRE(bytes("xl", "--index quantized") > bytes("xl", "--index flat"));
}

TEST_CASE("pefa: cut-offs past the depth are refused with what to do", "[bad input]") {
  const Files files;
  require_refused(files.arguments("xl", "--recall-at 20 --top-k 10"), 1,
                  "--recall-at 20 is past --top-k 10; raise --top-k");
}

TEST_CASE("pefa: a missing file, a directory for a file, an unwritable result", "[bad input]") {
  Files missing;
  missing.passages = missing.path("absent.npy");
  require_refused(missing.arguments(), 1, "absent.npy: cannot be opened: No such file");
  Files directory;
  directory.queries = directory.directory.write("x", "").parent_path().string();
  require_refused(directory.arguments(), 1, "is a directory, expected a file");
  Files no_pairs;
  no_pairs.relevance = no_pairs.path("absent.tsv");
  require_refused(no_pairs.arguments(), 1, "cannot be opened");
  Files pairs_directory;
  pairs_directory.truth = pairs_directory.directory.write("x", "").parent_path().string();
  require_refused(pairs_directory.arguments(), 1, "directory");
  const Files good;
  require_refused(good.arguments("erm", "--json /nowhere/at/all.json"), 1, "/nowhere/at/all.json");
}

TEST_CASE("pefa: files that are not what they should be", "[bad input]") {
  Files truncated;
  std::filesystem::resize_file(truncated.tests, std::filesystem::file_size(truncated.tests) - 4);
  require_refused(truncated.arguments(), 1, "is truncated: expected 640 bytes of elements, 636 are left");
  Files empty;
  std::filesystem::resize_file(empty.passages, 0);
  require_refused(empty.arguments(), 1, "is empty");
  Files text;
  text.passages = text.directory.write("P.npy", "1.0 2.0 3.0\n4.0 5.0 6.0\n").string();
  require_refused(text.arguments(), 1, "is not a .npy file");
  Files fortran;
  replace_bytes(fortran.queries, "False", "True ");
  require_refused(fortran.arguments(), 1, "is in Fortran order, expected C order");
  Files integers;
  replace_bytes(integers.queries, "<f4", "<i4");
  require_refused(integers.arguments(), 1, "has elements of type '<i4'");
  Files without_scales;
  io::write_npy(without_scales.passages, EmbeddingStore<std::int8_t>::from(random_matrix(30, 8, 1)));
  std::filesystem::remove(io::scales_path(without_scales.passages));
  require_refused(without_scales.arguments(), 1, "expected their float32 row scales");
}

TEST_CASE("pefa: files of unknown formats are refused with what there is", "[bad input]") {
  Files vectors;
  vectors.passages = vectors.directory.write("P.bin", "x").string();
  require_refused(vectors.arguments(), 1, "P.bin: has the extension '.bin', which tells no format of vectors");
  Files relevance;
  relevance.truth = relevance.directory.write("Z.txt", "0\t0\n").string();
  require_refused(relevance.arguments(), 1, "names no relevance format");
  REQUIRE(run(relevance.arguments("xs", "--relevance-format tsv")).exit_code == 0);
  require_refused(relevance.arguments("xs", "--relevance-format csv"), 1, "csv");
  require_refused(relevance.arguments("xs", "--vector-format csv"), 1, "csv");
}

TEST_CASE("pefa: files that do not fit together", "[bad input]") {
  const Files dims;
  io::write_npy(dims.queries, EmbeddingView<float>(random_matrix(40, 7, 2)));
  require_refused(dims.arguments(), 1, "queries have dim 7, passages in");
  const Files test_dims;
  io::write_npy(test_dims.tests, EmbeddingView<float>(random_matrix(20, 9, 2)));
  require_refused(test_dims.arguments("erm"), 1, "queries have dim 9");
  Files range;
  range.relevance = range.directory.write("bad.tsv", "0\t0\n39\t30\n").string();
  require_refused(range.arguments(), 1, "bad.tsv:2: passage 30 is out of range, expected below 30");
  Files header;
  header.relevance = header.directory.write("bad.tsv", "query\tpassage\n0\t0\n").string();
  require_refused(header.arguments(), 1, "bad.tsv:1: expected a query row number, got 'query'");
  Files no_pairs;
  no_pairs.relevance = no_pairs.directory.write("bad.tsv", "\n").string();
  require_refused(no_pairs.arguments(), 1, "has no pairs");
  Files no_truth;
  no_truth.truth = no_truth.directory.write("bad.tsv", "0\t0\t0\n").string();
  require_refused(no_truth.arguments(), 1, "no query has a relevant passage");
}

TEST_CASE("pefa: vectors that cannot be searched by", "[bad input]") {
  const auto with = [](float value, bool whole_row) {
    RowMajorMatrix rows = random_matrix(30, 8, 1);
    if (whole_row) rows.row(17).setConstant(value);
    rows(17, 2) = value;
    return rows;
  };
  const Files nan;
  io::write_npy(nan.passages, EmbeddingView<float>(with(std::nanf(""), false)));
  require_refused(nan.arguments(), 1, "row 17 has a NaN or infinite element");
  const Files zero;
  io::write_npy(zero.passages, EmbeddingView<float>(with(0.0f, true)));
  require_refused(zero.arguments("erm"), 1, "row 17 is a zero vector");
}
