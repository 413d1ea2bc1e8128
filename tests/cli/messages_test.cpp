// What the pefa command says of a mistake: what it is, and what to do about it.
#include <algorithm>
#include <filesystem>
#include <string>

#include "cli_support.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("pefa: an unknown option is named with what may have been meant", "[bad input]") {
  const Files files;
  require_refused(files.arguments("xl", "--lamda 0.5"), 2,
                  "unknown option --lamda, did you mean --lambda? (see pefa eval --help)");
  require_refused(files.arguments("xl", "--topk=5"), 2, "unknown option --topk, did you mean --top-k?");
  require_refused(files.arguments("xl", "--temp 1"), 2, "unknown option --temp, did you mean --temperature?");
  require_refused(files.arguments("xl", "--frobnicate"), 2, "unknown option --frobnicate (see pefa eval --help)");
  require_refused("--verison", 2, "unknown option --verison, did you mean --version? (see pefa --help)");
  require_refused("serch", 2, "unknown subcommand 'serch', did you mean search? (see pefa --help)");
}

TEST_CASE("pefa: the first mistake that was typed is the one that is reported", "[bad input]") {
  const Files files;
  require_refused("eval --lamda 0.5", 2, "did you mean --lambda?");  // not what is missing
  require_refused(files.arguments("xl", "--lambda 1.1 --frobnicate"), 2, "--lambda: Value 1.1");
  require_refused(files.arguments("xl", "--frobnicate --lambda 1.1"), 2, "--frobnicate");
  require_refused("eval --method xs", 2, "--test-queries is required");
  REQUIRE(run("eval --help --frobnicate").exit_code == 0);
  const std::string archive = files.build("erm");
  run_well("search " + archive + " --quiet --tag --tag --queries " + files.tests + " --out " + files.path("r.trec"));
  REQUIRE(read_bytes(files.path("r.trec")).find(" --tag\n") != std::string::npos);  // a value that looks like an option
}

TEST_CASE("pefa: a file of another format says what it is and how to read it", "[bad input]") {
  Files vectors;
  std::filesystem::copy_file(vectors.passages, vectors.path("P.fvecs"));
  const std::string npy = vectors.passages;
  vectors.passages = vectors.path("P.fvecs");
  require_refused(vectors.arguments("erm"), 1,
                  "P.fvecs: it is a .npy file, not .fvecs: name it so, or give --vector-format npy");
  require_refused("convert " + vectors.passages + " " + vectors.path("x.fbin"), 1,
                  "P.fvecs: it is a .npy file, not .fvecs: give --from npy");
  require_refused("info " + npy, 1, "P.npy: is not a pefa archive, it is a .npy file");

  Files beir;
  beir.relevance = beir.directory.write("Y.tsv", "query-id\tcorpus-id\tscore\n0\t0\t1\n").string();
  require_refused(beir.arguments("xs"), 1,
                  "Y.tsv:1: is the header line of BEIR's judgements: the format is beir: give --relevance-format beir");
  beir.truth = beir.relevance;
  run_well(beir.arguments("xs", "--relevance-format beir"));
}

TEST_CASE("pefa: pairs that are not what they should be say what they seem to be", "[bad input]") {
  const auto refused = [](const std::string& pairs, const std::string& text) {
    Files files;
    files.relevance = files.directory.write("Y.tsv", pairs).string();
    require_refused(files.arguments("xs"), 1, text);
  };
  refused("query\tpassage\n0\t0\n",
          "Y.tsv:1: expected a query row number, got 'query'; the line after it is a judgement");
  refused("0,0\n1,1\n", "expected query, passage and an optional weight; it has commas");
  refused("q1\t0\nq2\t0\n", "got 'q1'; if these are ids, give them by --train-query-ids");
  refused("0\td1\n1\td2\n", "got 'd1'; if these are ids, give them by --passage-ids");
  refused("29\t39\n0\t0\n", "are queries and passages swapped?");
  refused("40\t30\n1\t1\n", "do they count from 1?");

  Files files;
  const std::string archive = files.build("xs");
  files.truth = files.directory.write("Z.tsv", "0\td1\n").string();
  require_refused("eval " + archive + files.testing(), 1, "x.pefa with --passage-ids");
  files.truth = files.directory.write("Z.tsv", "t1\t0\n").string();
  require_refused("eval " + archive + files.testing(), 1, "give them by --test-query-ids");
  const std::string pairs = files.directory.write("W.tsv", "q1\t0\n").string();
  require_refused("convert " + pairs + " " + files.path("W.csr") + " --n-queries 3 --n-passages 3", 1,
                  "got 'q1'; if these are ids, give them by --query-ids");
}

TEST_CASE("pefa: pairs without a row 0 on either side are read, with a warning", "[eval]") {
  Files files;
  const auto warning = [&files](const std::string& name) {
    return "pefa: " + files.path(name) +
           ": no row 0 on either side: do its rows count from 1? They are read as from 0\n";
  };
  files.relevance = files.directory.write("Y.tsv", "1\t1\n2\t3\n").string();
  files.truth = files.directory.write("Z.tsv", "1\t2\n3\t1\n").string();
  const Outcome outcome = run(files.arguments("xs"));
  REQUIRE(outcome.exit_code == 0);
  REQUIRE(outcome.err == warning("Y.tsv") + warning("Z.tsv"));
  files.truth = files.directory.write("Z.tsv", "1\t2\n3\t0\n").string();
  REQUIRE(run(files.arguments("xs")).err == warning("Y.tsv"));
  const Outcome converted =
      run("convert --quiet " + files.path("Y.tsv") + " " + files.path("Y.csr") + " --n-queries 9 --n-passages 9");
  REQUIRE(converted.exit_code == 0);
  REQUIRE(converted.err == warning("Y.tsv"));
}

TEST_CASE("pefa search: asked for more than there is, it says what was written", "[archive]") {
  const Files files;
  const std::string search = "search " + files.build("erm", "--index flat") + " --quiet --queries " + files.tests +
                             " --out " + files.path("run.trec") + " --top-k ";
  REQUIRE(run(search + "5000").err ==
          "pefa: " + files.path("run.trec") + ": asked for 5000 of 30 passages: 30 written\n");
  REQUIRE(run(search + "30").err.empty());
}

TEST_CASE("pefa --neighbors: above the training queries, it says how many there are", "[archive]") {
  const Files files;
  const std::string message = "pefa: --neighbors 50: there are 40 training queries: all are used\n";
  REQUIRE(run(files.arguments("xl", "--neighbors 50")).err == message);
  REQUIRE(run(files.arguments("xl", "--neighbors 40")).err.empty());
  const std::string archive = files.build("xl");
  REQUIRE(run("eval --quiet " + archive + files.testing() + " --neighbors 50").err == message);
  REQUIRE(run("search --quiet " + archive + " --queries " + files.tests + " --out " + files.path("r.trec") +
              " --top-k 5 --neighbors 50")
              .err == message);
}

TEST_CASE("pefa info: a summary of what an archive holds and the C++ type that opens it", "[archive]") {
  const Files files;
  const auto summary = [&files](const std::string& method, const std::string& more) {
    return run_well("info " + files.build(method, more));
  };
  const std::string xl = summary("xl", "--lambda 0.25 --neighbors 7 --index quantized");
  INFO(xl);
  for (const std::string text :
       {"method      xl\n", "lambda 0.25, neighbors 7, gate softmax, temperature 0.05",
        "index       quantized_hnsw, m 32", "scalar      float32\n", "passages    30 of dim 8\n",
        "training_queries 40, pairs ", "ids         none\n", " MiB)\n", "written by  pefa ",
        "C++ type    PefaXl<float, QuantizedHnswIndex<>, QuantizedHnswIndex<>, SoftmaxGate>\n"}) {
    INFO(text);
    REQUIRE(xl.find(text) != std::string::npos);
  }
  REQUIRE(std::count(xl.begin(), xl.end(), '\n') == 13);
  REQUIRE(summary("erm", "--index flat").find("ErmRetriever<float, FlatIndex<>>") != std::string::npos);
  REQUIRE(summary("xs", "--index hnsw").find("PefaXs<float, HnswIndex>") != std::string::npos);
  REQUIRE(summary("xs-multi", "").find("PefaXsMulti<float, FlatIndex<>>") != std::string::npos);
  const std::string all = run_well("info --all " + files.path("x.pefa"));
  REQUIRE(all.find("passage_of_vector") != std::string::npos);
  REQUIRE(run_well("info " + files.path("x.pefa")).find("passage_of_vector") == std::string::npos);
  const Json json = Json::parse(run_well("info --json - " + files.path("x.pefa")));
  REQUIRE(json["cpp_type"].get<std::string>().starts_with("PefaXsMulti<float, FlatIndex<>>"));
}

TEST_CASE("pefa: help puts options under headings, with one blank line between", "[eval]") {
  const std::string help = run_well("build --help");
  REQUIRE(help.find("\n\nData:\n") != std::string::npos);
  for (const std::string group : {"Method", "Index", "Output"}) {
    REQUIRE(help.find("\n\n" + group + ":\n") != std::string::npos);
  }
  for (const std::string command :
       {"build", "search", "eval", "compare", "tune", "bench", "convert", "export-xs", "info", "verify"}) {
    const std::string all = run_well(command + " --help");
    const std::size_t options = all.find("\nOptions:\n") + 10;
    const std::string ungrouped = all.substr(options, all.find("\n\n", options) - options);
    INFO(command << "\n" << ungrouped);
    REQUIRE(std::count(ungrouped.begin(), ungrouped.end(), '\n') <= 1);  // --help and --threads
  }
  REQUIRE(help.find("\n\n\n") == std::string::npos);
  REQUIRE(run_well("--help-all").find("\nData of pefa build:\n") != std::string::npos);
}
