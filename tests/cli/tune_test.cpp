// pefa tune and bench: what they print, what their JSON says, and that eval and build take it.
#include <map>
#include <string>

#include "cli_support.hpp"
#include "pefa/adapter/retriever_spec.hpp"

using namespace pefa;
using namespace pefa::test;

TEST_CASE("pefa tune: its JSON has the whole grid, and eval, build and export-xs take its pick", "[tune]") {
  const Files files;
  const std::string json_file = files.path("tune.json");
  const std::string tune = "tune --quiet --methods paper --metric ndcg@5 --folds 4" + files.training();
  const std::string table = run_well(tune + " --json " + json_file);
  for (const char* text : {"ERM", "PEFA-XS", "PEFA-XL softmax(0.05)", "ndcg@5", "pick: "}) {
    REQUIRE(table.find(text) != std::string::npos);
  }
  const Json json = Json::parse(read_bytes(json_file));
  REQUIRE(json["metric"] == "ndcg@5");
  REQUIRE(json["queries"] == 40);
  REQUIRE(json["folds"] == 4);
  REQUIRE(json["grid"].size() == 1 + 2 * 11 + 4 * 6 * 11);
  REQUIRE(json["grid"][0]["method"] == "erm");
  REQUIRE(json["best"]["score"].get<double>() >= json["pick"]["score"].get<double>());
  REQUIRE(json["p_value"].get<double>() > 0.0);
  for (const char* key : {"mean", "low", "high"}) REQUIRE(json["gain"].contains(key));
  const std::string all = run_well(tune + " --all");
  REQUIRE(std::count(all.begin(), all.end(), '\n') > 280);

  for (
      const std::string pick :
      {R"({"method": "xl", "lambda": 0.3, "neighbors": 8, "gate": "softmax", "temperature": 0.1, "max_centroids": null})",
       R"({"method": "xs", "lambda": 0.25, "neighbors": null, "gate": null, "cold": "erm"})"}) {
    const Json expected = Json::parse(pick);
    const std::string tuned = " --tuned " + files.directory.write("t.json", "{\"pick\": " + pick + "}").string();
    const Json evaluated = Json::parse(run_well("eval --quiet --json -" + files.training() + files.testing() + tuned));
    run_well("build --quiet" + files.training() + tuned + " --out " + files.path("x.pefa"));
    const Json opened = Json::parse(run_well("eval --quiet --json - " + files.path("x.pefa") + files.testing()));
    for (const auto& [key, value] : expected.items()) {
      INFO(key);
      if (value.is_number_float()) {
        REQUIRE(evaluated[key].get<float>() == value.get<float>());
        REQUIRE(opened[key].get<float>() == value.get<float>());
      } else {
        REQUIRE(evaluated[key] == value);
        REQUIRE(opened[key] == value);
      }
    }
  }
  REQUIRE(json["pick"]["spec_version"] == RetrieverSpec::version);
  REQUIRE(json["prefer"] == "answers");
  REQUIRE(json["data"]["dim"] == 8);
  REQUIRE(json["data"]["passages"] == 30);
  REQUIRE(json["data"]["training_queries"] == 40);
  REQUIRE(json["data"]["pairs"] == 79);  // one of 80 came twice
  run_well("export-xs --quiet --tuned " + files.path("t.json") + files.training() + " --out " + files.path("p.npy"));
  run_well("eval --quiet --tuned " + json_file + files.training() + files.testing());
}

TEST_CASE("pefa tune: --methods says what is in the grid, and each setting what it is made of", "[tune]") {
  const Files files;
  const std::string tune = "tune --quiet --json - --folds 2 --lambdas 0.3,1 --neighbors 8" + files.training();
  const auto methods = [&tune](const std::string& asked) {
    const Json json = Json::parse(run_well(tune + " --methods " + asked));
    std::map<std::string, std::size_t> counts;
    for (const Json& entry : json["grid"]) {
      const std::string method = entry["method"];
      const bool is_xl = method == "xl";
      const bool is_fitted =
          entry["rule"] == "least_squares" || (!entry["whitened"].is_null() && entry["whitened"] != "none");
      ++counts[is_fitted                         ? "fitted"
               : is_xl && entry["condense"] != 0 ? "xl-condensed"
               : is_xl && entry["fold"] != 1     ? "xl-fold"
                                                 : method];
    }
    return counts;
  };
  using Counts = std::map<std::string, std::size_t>;
  REQUIRE(methods("xs") == Counts{{"erm", 1}, {"xs", 4}});
  REQUIRE(methods("xs,xl") == Counts{{"erm", 1}, {"xs", 4}, {"xl", 12}});
  REQUIRE(methods("xs-multi") == Counts{{"erm", 1}, {"xs-multi", 4}});
  REQUIRE(methods("xl-condensed,xs-multi") == Counts{{"erm", 1}, {"xs-multi", 4}, {"xl-condensed", 12}});
  REQUIRE(methods("xl-fold") == Counts{{"erm", 1}, {"xl-fold", 24}});
  REQUIRE(methods("paper") == Counts{{"erm", 1}, {"xs", 4}, {"xl", 12}});
  Counts every{{"erm", 1}, {"xs", 4}, {"xs-multi", 4}, {"xl", 12}, {"xl-condensed", 12}, {"xl-fold", 24}};
  REQUIRE(methods("paper,xs-multi,xl-condensed,xl-fold") == every);
  const Counts fitted = methods("fitted");
  REQUIRE(fitted.at("fitted") > 50);
  every["fitted"] = fitted.at("fitted");
  REQUIRE(methods("all") == every);

  const Json grid = Json::parse(run_well(tune + " --methods all"))["grid"];
  const std::size_t plain = 30 * 8 * sizeof(float);
  for (const Json& entry : grid) {
    INFO(entry.dump());
    const bool is_xl = entry["method"] == "xl";
    const bool is_multi = entry["method"] == "xs-multi";
    REQUIRE(entry["max_centroids"].is_null() == !is_multi);
    for (const char* key : {"neighbors", "gate", "fold", "condense", "hubness"}) {
      REQUIRE(entry[key].is_null() == !is_xl);
    }
    REQUIRE(entry["temperature"].is_null() == (entry["gate"] != "softmax"));
    REQUIRE(entry["ridge"].is_null() == (entry["gate"] != "local"));
    const std::size_t bytes = entry["bytes"];
    if (is_xl && entry["condense"] == 0) REQUIRE(bytes == plain + 40 * 8 * sizeof(float));
    if (entry["method"] == "erm" || entry["method"] == "xs") REQUIRE(bytes == plain);
    if (is_multi && entry["lambda"] != 1.0) REQUIRE(bytes > plain);
  }
  const std::string table = run_well("tune --quiet --methods all" + files.training());
  for (const char* text : {"MB", "PEFA-XS multi(4)", "PEFA-XS multi(8)", "PEFA-XL softmax(0.05), merged at 0.8",
                           "PEFA-XL over XS(0.3) softmax(0.05)", "PEFA-XL over XS(0.5) sum", "PEFA-XS by least squares",
                           "PEFA-XS, whitened", "whitened votes", "the best by validation"}) {
    INFO(text);
    REQUIRE(table.find(text) != std::string::npos);
  }
}

TEST_CASE("pefa tune: ends with the command that builds its pick", "[tune]") {
  Files files;
  const std::string odd = files.path("it's P.npy");
  std::filesystem::copy_file(files.passages, odd);
  files.passages = "\"" + odd + "\"";
  for (const std::string methods : {"xs", "xs-multi", "xl", "xl-fold --lambdas 0.1 --neighbors 8", "xl-condensed",
                                    "fitted", "fitted --prefer cost", "fitted --metric recall@1"}) {
    const std::string json_file = files.path("tune.json");
    const std::string text =
        run_well("tune --quiet --normalize --json " + json_file + " --methods " + methods + files.training());
    INFO(text);
    const std::size_t at = text.find("\npefa build ");
    REQUIRE(at != std::string::npos);
    REQUIRE(text.find(" --normalize", at) != std::string::npos);
    std::string command = text.substr(at + 6);  // as a shell reads it, from "build" on
    command.replace(command.find("x.pefa"), 6, files.path("x.pefa"));
    run_well(command.substr(0, command.size() - 1) + " --quiet");
    const Json pick = Json::parse(read_bytes(json_file))["pick"];
    const Json built = Json::parse(run_well("eval --quiet --json - " + files.path("x.pefa") + files.testing()));
    for (const char* key : {"method",
                            "lambda",
                            "neighbors",
                            "gate",
                            "temperature",
                            "fold",
                            "condense",
                            "cold",
                            "norm",
                            "max_centroids",
                            "queries_per_centroid",
                            "shrinkage",
                            "rule",
                            "least_squares_shrinkage",
                            "passages_as_queries",
                            "balance",
                            "whitened",
                            "scatter",
                            "whitening_shrinkage",
                            "whitening_rank",
                            "hubness",
                            "bandwidth",
                            "ridge"}) {
      INFO(key);
      const std::string part = key;
      const bool is_of_folds = part == "rule" || part == "least_squares_shrinkage" || part == "passages_as_queries";
      if (is_of_folds && pick["method"] == "xl" && pick["fold"] == 1.0) continue;  // nothing is folded
      REQUIRE(built.at(key) == pick.at(key));
    }
  }
}

TEST_CASE("pefa --tuned: a file of other data is refused, naming what differs, unless --tuned-anyway", "[tune]") {
  const Files files;
  const auto written = [&files](const Json& json) {
    return " --tuned " + files.directory.write("tune.json", json.dump()).string();
  };
  run_well("tune --quiet --methods xs --json " + files.path("tune.json") + files.training());
  Json json = Json::parse(read_bytes(files.path("tune.json")));
  json["pick"] = Json::parse(R"({"method": "xs", "lambda": 0.2})");
  std::string tuned = written(json);
  REQUIRE(run_well("eval --quiet" + files.training() + files.testing() + tuned).find("lambda = 0.2") !=
          std::string::npos);

  const auto refused = [&](const Files& others, const std::string& what) {
    const std::string message = "tune.json: was tuned on other data: " + what;
    const std::string training = others.training();
    require_refused("eval" + training + others.testing() + tuned, 1, message);
    require_refused("bench" + training + " --test-queries " + others.tests + tuned, 1, message);
    require_refused("build" + training + " --out " + others.path("x.pefa") + tuned, 1, message);
    require_refused("export-xs" + training + " --out " + others.path("x.npy") + tuned, 1, message);
    run_well("build --quiet" + training + " --out " + others.path("x.pefa") + tuned + " --tuned-anyway");
  };
  Files fewer;
  io::write_npy(fewer.queries, EmbeddingView<float>(random_matrix(39, 8, 2)));
  io::write_pairs(fewer.relevance, random_relevance(39, 30, 2, 4));
  refused(fewer, "training_queries 40, here 39; tune again, or give --tuned-anyway");
  Files passages;
  io::write_npy(passages.passages, EmbeddingView<float>(random_matrix(31, 8, 1)));
  refused(passages, "passages 30, here 31");
  Files dims;
  io::write_npy(dims.passages, EmbeddingView<float>(random_matrix(30, 9, 1)));
  io::write_npy(dims.queries, EmbeddingView<float>(random_matrix(40, 9, 2)));
  io::write_npy(dims.tests, EmbeddingView<float>(random_matrix(20, 9, 3)));
  refused(dims, "dim 8, here 9");
  Files pairs;
  io::write_pairs(pairs.relevance, random_relevance(40, 30, 3, 4));
  refused(pairs, "pairs 79, here 119");
  Files vectors;
  io::write_npy(vectors.queries, EmbeddingView<float>(random_matrix(40, 8, 7)));
  refused(vectors, "fingerprint \"");

  json["pick"] = Json::parse(R"({"method": "erm"})");  // which needs no training files, so that they are not compared
  tuned = written(json);
  run_well("build --quiet --passages " + files.passages + tuned + " --out " + files.path("erm.pefa"));
  require_refused("build --passages " + passages.passages + tuned + " --out " + files.path("erm.pefa"), 1,
                  "passages 30, here 31");
}

TEST_CASE("pefa tune: wrong calls and tune.json files", "[bad input]") {
  const Files files;
  const std::string tune = "tune" + files.training();
  for (const std::string metric : {"recall", "recall@", "recall@0", "recall@x", "map@10", "@10", "recall@5x"}) {
    require_refused(tune + " --metric " + metric, 2, "is no metric, expected recall@K, ndcg@K or mrr@K");
  }
  require_refused(tune + " --lambdas 0.5,1.5", 2, "--lambdas");
  require_refused(tune + " --neighbors 0", 2, "--neighbors");
  require_refused(tune + " --folds 0", 2, "--folds");
  require_refused(tune + " --methods xs,xz", 2, "--methods");
  require_refused(tune + " --prefer speed", 2, "--prefer");
  require_refused(tune + " --budget -1", 2, "--budget");
  require_refused(tune + " --quiet --folds 1000", 1, "folds is 1000");
  require_refused("tune --passages " + files.passages, 2, "--train-");

  const std::string eval = "eval" + files.training() + files.testing() + " --tuned ";
  const auto with = [&files](const std::string& text) { return files.directory.write("t.json", text).string(); };
  require_refused(eval + files.path("none.json"), 1, "No such file");
  require_refused(eval + with("{"), 1, "is not what pefa tune --json writes");
  require_refused(eval + with("{\"pick\": 3}"), 1, "is not what pefa tune --json writes");
  require_refused(eval + with(R"({"pick": {"method": "xz"}})"), 1,
                  "t.json: its pick: spec_from_json: method is \"xz\", expected one of erm, xs");
  require_refused(eval + with(R"({"pick": {"method": "xl", "lambda": "half"}})"), 1,
                  "lambda is \"half\", expected a number");
  require_refused(eval + with(R"({"pick": {"method": "xl", "lambda": 1.5}})"), 1, "lambda");
  require_refused(eval + with(R"({"pick": {"method": "xl"}})") + " --method xs", 2, "--method");
  require_refused(eval + with(R"({"pick": {"method": "xl"}})") + " --lambda 0.1", 2, "--lambda");
}

TEST_CASE("pefa bench: a point a beam width, from files and from an archive", "[bench]") {
  const Files files;
  const std::string bench = "bench --quiet --runs 2 --top-k 5 --json - --test-queries " + files.tests;
  for (const std::string method : {"erm", "xs", "xl", "xs-multi"}) {
    INFO(method);
    const Json json =
        Json::parse(run_well(bench + files.training() + " --index hnsw --ef 5,50 --threads 1 --method " + method));
    REQUIRE(json["method"] == method);
    REQUIRE(json["index"] == "hnsw");
    REQUIRE(json["top_k"] == 5);
    REQUIRE(json["queries"] == 20);
    REQUIRE(json["curve"].size() == 2);
    REQUIRE(json["curve"][0]["ef"] == 5);
    REQUIRE(json["curve"][1]["recall"].get<double>() == 1.0);  // a beam wider than the data
    for (const char* key : {"ms", "p50_ms", "p99_ms", "qps", "median_qps"}) {
      REQUIRE(json["curve"][0][key].get<double>() > 0.0);
    }
    const Json exact = Json::parse(run_well(bench + files.training() + " --index flat --method " + method));
    REQUIRE(exact["curve"].size() == 1);
    REQUIRE(exact["curve"][0]["ef"].is_null());
    REQUIRE(exact["curve"][0]["recall"].get<double>() == 1.0);
  }
  const std::string archive = files.build("xl", "--index quantized");
  const Json opened = Json::parse(run_well(bench + " " + archive + " --ef 60 --lambda 0.9"));
  REQUIRE(opened["curve"][0]["recall"].get<double>() == 1.0);
  REQUIRE(opened["build_seconds"].is_null());
  REQUIRE(run_well("bench --quiet --runs 1 " + archive + " --test-queries " + files.tests).find("recall@10") !=
          std::string::npos);
}

TEST_CASE("pefa bench: wrong calls", "[bad input]") {
  const Files files;
  const std::string bench = "bench --test-queries " + files.tests;
  require_refused("bench --method erm --passages " + files.passages, 2, "--test-queries");
  require_refused(bench + " --passages " + files.passages, 2, "--train-queries is required");
  require_refused(bench + " --method erm", 2, "--passages is required");
  require_refused(bench + " --method erm --passages " + files.passages + " --ef 0", 2, "--ef");
  require_refused(bench + " --method erm --passages " + files.passages + " --runs 0", 2, "--runs");
  require_refused(bench + " " + files.build("erm") + " --index flat", 2, "--index");
}
