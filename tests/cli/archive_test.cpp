// From files to an archive to results: build, search, info, verify, and eval of what was built.
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "cli_support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

std::vector<std::vector<std::string>> fields_of(const std::string& text) {
  std::vector<std::vector<std::string>> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    lines.emplace_back();
    for (std::string field; fields >> field;) lines.back().push_back(field);
  }
  return lines;
}

/// Builds, searches, and has the run evaluated by a program that is not ours: the figures must be those of pefa eval.
void require_run_agrees_with_eval(const std::filesystem::path& data, const std::string& method) {
  const TemporaryDirectory directory;
  const std::string archive = (directory / "x.pefa").string();
  const std::string run_file = (directory / "run.trec").string();
  const std::string in = data.string() + "/";
  run_well("build --quiet --passages " + in + "passages.npy --train-queries " + in + "train_queries.npy" +
           " --train-relevance " + in + "train_relevance.tsv --out " + archive + " " + method);
  run_well("search " + archive + " --quiet --queries " + in + "test_queries.npy --top-k 100 --out " + run_file);
  const Json report = Json::parse(run_well("eval " + archive + " --quiet --json - --test-queries " + in +
                                           "test_queries.npy --test-relevance " + in + "test_relevance.tsv"));
  const Outcome outcome = run_shell("python3 " PEFA_EVALUATE_RUN " " + run_file + " " + in + "test_relevance.tsv 10");
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const auto lines = fields_of(outcome.out);
  REQUIRE(lines.size() == 3);
  for (const auto& fields : lines) {
    INFO(fields[0]);
    REQUIRE(std::stod(fields[1]) == Approx(report[fields[0]]["10"].get<double>()).margin(1e-9));
    REQUIRE(std::stod(fields[1]) > 0.05);
  }
}

bool has_python() {
  return run_shell("python3 --version").exit_code == 0;
}

#define PEFA_SKIP_WITHOUT_PYTHON()      \
  if (!has_python()) {                  \
    WARN("skipped: python3 is absent"); \
    return;                             \
  }

}  // namespace

TEST_CASE("pefa build and search: on the shipped data another program finds what pefa eval says", "[archive]") {
  PEFA_SKIP_WITHOUT_PYTHON();
  require_run_agrees_with_eval(shipped_data(), "--method xl --lambda 0.1 --neighbors 16 --gate mean --index flat");
  require_run_agrees_with_eval(shipped_data(), "--method xs --index flat");
}

TEST_CASE("pefa build and search: on banking77 another program finds what pefa eval says", "[banking77]") {
  PEFA_SKIP_WITHOUT_BANKING77();
  PEFA_SKIP_WITHOUT_PYTHON();
  require_run_agrees_with_eval(banking77(), "--method xl --lambda 0.1 --index hnsw --ef-construction 100");
}

TEST_CASE("pefa build: measures the ef-search that a target recall asks for, and info says what it found",
          "[archive]") {
  const Files files;
  const std::string archive = files.build("xl", "--threads 1 --index quantized --target-recall 0.95");
  const Json info = Json::parse(run_well("info --json - " + archive));
  for (const std::string side : {"passages.", "queries."}) {
    REQUIRE(info["metadata"][side + "measured_recall"].get<double>() >= 0.95);
    REQUIRE(info["metadata"][side + "ef_search"] != 300);
  }
  REQUIRE(run_well("info " + archive).find("for a target recall of 0.95") != std::string::npos);
}

TEST_CASE("pefa build: XL's training queries may have another index, and options hold where they can", "[archive]") {
  const Files files;
  const std::string archive =
      files.build("xl", "--threads 1 --index partitioned --exact-rows drop --query-index quantized --m 8");
  const Json metadata = Json::parse(run_well("info --json - " + archive))["metadata"];
  REQUIRE(metadata["passages.index"] == "partitioned");
  REQUIRE(metadata["queries.index"] == "quantized_hnsw");
  REQUIRE(metadata["queries.m"] == 8);
  REQUIRE(metadata["passages.exact_rows"] == "drop");
  REQUIRE(metadata["queries.exact_rows"] == "drop");
  const std::string summary = run_well("info " + archive);
  REQUIRE(summary.find("  index       partitioned, ef_search 300, exact_rows drop") != std::string::npos);
  REQUIRE(summary.find("  query index quantized_hnsw, m 8") != std::string::npos);
  REQUIRE(run_well("verify " + archive).find("intact") != std::string::npos);
}

TEST_CASE("pefa build: every retriever over every index comes back from its archive as it was", "[archive]") {
  const Files files;
  for (const std::string method : {"erm", "xs", "xl", "xs-multi"}) {
    for (const std::string index : {"flat", "hnsw", "quantized"}) {
      INFO(method << " over " << index);
      const std::string how = (method == "erm" ? "" : "--lambda 0.3 ") + std::string("--threads 1 --index ") + index;
      const std::string archive = files.build(method, how, method + index + ".pefa");
      const Json info = Json::parse(run_well("info --json - " + archive));
      REQUIRE(info["metadata"]["retriever"] == (method == "xs-multi" ? "xs_multi" : method));
      REQUIRE(info["metadata"]["passages.index"] == (index == "quantized" ? "quantized_hnsw" : index));
      REQUIRE(run_well("verify " + archive).find("intact") != std::string::npos);

      const Json built = Json::parse(run_well(files.arguments(method, how + " --json -")));
      const Json opened = Json::parse(run_well("eval --quiet --json - " + archive + files.testing()));
      for (const auto& [key, value] : built.items()) {
        if (key == "build_seconds" || key == "index_bytes" || key == "latency_ms" || key == "queries_per_second") {
          continue;
        }
        INFO(key);
        REQUIRE(opened.at(key) == value);
      }
      REQUIRE(opened["build_seconds"].is_null());
    }
  }
}

TEST_CASE("pefa build: XL over XS with condensed queries comes back, and info says so", "[archive]") {
  const Files files;
  for (const std::string index : {"flat", "hnsw", "quantized"}) {
    const std::string how =
        "--lambda 0.3 --fold 0.25 --passages-as-queries 0 --cold borrowed --condense 0.5 --threads 1 --index " + index;
    const std::string archive = files.build("xl", how, index + ".pefa");
    const Json metadata = Json::parse(run_well("info --json - " + archive))["metadata"];
    REQUIRE(metadata["fold_lambda"] == 0.25);
    REQUIRE(metadata["fold_cold"] == "borrowed");
    REQUIRE(metadata["condense"] == 0.5);
    REQUIRE(run_well("info --all " + archive).find("fold_lambda                 0.25\n") != std::string::npos);
    run_well("verify " + archive);
    const Json built = Json::parse(run_well(files.arguments("xl", how + " --json -")));
    const Json opened = Json::parse(run_well("eval --quiet --json - " + archive + files.testing()));
    for (const char* key : {"fold", "condense", "cold", "norm", "recall", "ndcg", "mrr"}) {
      INFO(key);
      REQUIRE(!opened[key].is_null());
      REQUIRE(opened[key] == built[key]);
    }
  }
  const Json plain = Json::parse(run_well("eval --quiet --json - " + files.build("xl") + files.testing()));
  REQUIRE(plain["fold"] == 0.25);
  REQUIRE(plain["condense"] == 0.0);
  require_refused("eval " + files.build("xl") + " --fold 0.3" + files.testing(), 2, "--fold: says how to build, but");
}

TEST_CASE("pefa build: a tune.json may pick XS multi, XL over XS and condensed queries", "[archive]") {
  const Files files;
  const auto eval = [&files](const std::string& pick) {
    const std::string tuned = files.directory.write("t.json", "{\"pick\": " + pick + "}").string();
    return "eval --quiet --json -" + files.training() + files.testing() + " --tuned " + tuned;
  };
  const Json multi = Json::parse(
      run_well(eval(R"({"method": "xs-multi", "lambda": 0.5, "max_centroids": 3, "fold": null, "condense": null})")));
  REQUIRE(multi["method"] == "xs-multi");
  REQUIRE(multi["max_centroids"] == 3);
  const Json xl = Json::parse(run_well(eval(R"({"method": "xl", "lambda": 0.1, "cold": "paper", "max_centroids": null,
                                                "fold": 0.5, "condense": 0.75})")));
  REQUIRE(xl["lambda"] == 0.1);
  REQUIRE(xl["fold"] == 0.5);
  REQUIRE(xl["condense"] == 0.75);
  REQUIRE(xl["cold"] == "paper");
  require_refused(eval(R"({"method": "xs", "fold": 0.5})"), 1, "its pick is xs, which has no fold and no condense");
  require_refused(eval(R"({"method": "xl", "fold": true})"), 1, "fold is true, expected a number");
  require_refused(eval(R"({"method": "xl", "condense": "0.5"})"), 1, "condense is \"0.5\", expected a number");
  require_refused(eval(R"({"method": "xl", "max_centroids": -1})"), 1, "max_centroids is -1, expected a whole number");
  require_refused(eval(R"({"method": "xl", "condense": 2})"), 1, "condense is 2, expected 0 to 1");
  require_refused(eval(R"({"method": "xl"})") + " --fold 0.5", 2, "--fold");
}

TEST_CASE("pefa build: what it says, and that nothing else is left beside the archive", "[archive]") {
  const Files files;
  const std::size_t before = files.directory.file_count();
  const std::string out = " --out " + files.path("x.pefa");
  REQUIRE(run_well("build --method xl" + files.training() + out).find("30 passages of dim 8") != std::string::npos);
  REQUIRE(run_well("build --quiet --method xl" + files.training() + out).empty());
  const Json json = Json::parse(run_well("build --quiet --json - --method xs" + files.training() + out));
  REQUIRE(json["bytes"] == std::filesystem::file_size(files.path("x.pefa")));
  REQUIRE(files.directory.file_count() == before + 1);
}

TEST_CASE("pefa search: the same results as run file, NumPy matrices and JSON lines", "[archive]") {
  const Files files;
  const std::string archive = files.build("xl");
  const std::string search = "search " + archive + " --quiet --top-k 5 --queries " + files.tests + " --out ";
  run_well(search + files.path("run.trec") + " --tag mine");
  run_well(search + files.path("run.npy"));
  run_well(search + files.path("run.jsonl"));
  run_well(search + files.path("other") + " --format trec --tag mine");
  REQUIRE(read_bytes(files.path("other")) == read_bytes(files.path("run.trec")));

  const auto lines = fields_of(read_bytes(files.path("run.trec")));
  REQUIRE(lines.size() == 20 * 5);
  std::istringstream json_lines(read_bytes(files.path("run.jsonl")));
  const auto ids = read_bytes(files.path("run.ids.npy"));
  REQUIRE(ids.size() == 128 + 20 * 5 * 8);
  for (std::size_t query = 0; query < 20; ++query) {
    std::string line;
    REQUIRE(std::getline(json_lines, line));
    const Json json = Json::parse(line);
    REQUIRE(json["query"] == std::to_string(query));
    for (std::size_t rank = 0; rank < 5; ++rank) {
      const auto& fields = lines[query * 5 + rank];
      REQUIRE(fields.size() == 6);
      REQUIRE(fields[0] == std::to_string(query));
      REQUIRE(fields[3] == std::to_string(rank + 1));
      REQUIRE(fields[5] == "mine");
      REQUIRE(json["hits"][rank]["passage"] == fields[2]);
      std::int64_t id = 0;
      std::memcpy(&id, ids.data() + 128 + (query * 5 + rank) * 8, 8);
      REQUIRE(std::to_string(id) == fields[2]);
    }
  }
}

TEST_CASE("pefa search: ids of passages come from the archive, ids of queries from a file", "[archive]") {
  const Files files;
  std::string ids;
  for (int i = 0; i < 30; ++i) ids += "doc-" + std::to_string(i) + "\n";
  std::string queries;
  for (int i = 0; i < 20; ++i) queries += "{\"id\": \"q" + std::to_string(i) + "\"}\n";
  // The pairs are of row numbers, so they are converted to a matrix that has no ids.
  run_well("convert --quiet " + files.relevance + " " + files.path("Y.csr") + " --n-queries 40 --n-passages 30");
  const std::string archive = files.path("x.pefa");
  run_well("build --quiet --method xs --passages " + files.passages + " --train-queries " + files.queries +
           " --train-relevance " + files.path("Y.csr") + " --passage-ids " +
           files.directory.write("p.txt", ids).string() + " --out " + archive);
  const std::string search = "search " + archive + " --quiet --top-k 3 --queries " + files.tests + " --query-ids " +
                             files.directory.write("q.jsonl", queries).string() + " --out ";
  run_well(search + files.path("run.trec"));
  const auto lines = fields_of(read_bytes(files.path("run.trec")));
  REQUIRE(lines[0][0] == "q0");
  REQUIRE(lines[0][2].starts_with("doc-"));
  run_well(search + files.path("rows.trec") + " --row-numbers");
  REQUIRE("doc-" + fields_of(read_bytes(files.path("rows.trec")))[0][2] == lines[0][2]);
  require_refused(search + files.path("run.npy"), 1, "expected a number");
  REQUIRE(!std::filesystem::exists(files.path("run.ids.npy")));
}

TEST_CASE("pefa search: lambda, neighbors and ef belong to the call", "[archive]") {
  const Files files;
  const std::string xl = files.build("xl", "--fold 1 --index flat", "xl.pefa");
  const std::string erm = files.build("erm", "--index flat", "erm.pefa");
  const auto found = [&files](const std::string& archive, const std::string& more) {
    run_well("search " + archive + " --quiet --queries " + files.tests + " --top-k 5 --out " + files.path("r.trec") +
             " " + more);
    return read_bytes(files.path("r.trec"));
  };
  REQUIRE(found(xl, "--lambda 1") == found(erm, ""));
  REQUIRE(found(xl, "") != found(erm, ""));
  REQUIRE(found(xl, "--neighbors 1") != found(xl, "--neighbors 20"));
  const std::string archive = files.build("xs", "--index hnsw", "xs.pefa");
  REQUIRE(found(archive, "--ef 30") == found(archive, "--ef 40"));

  const std::string search = "search " + archive + " --queries " + files.tests + " --out " + files.path("r.trec");
  require_refused(search + " --lambda 0.5", 1, "--lambda is for xl, which blends at search time, but");
  require_refused(search + " --neighbors 5", 1, "--neighbors is for xl");
  require_refused(search + " --query-ef 5", 1, "--query-ef is for xl");
  require_refused(search + " --rerank 5", 1,
                  "--rerank is for quantized indexes and partitioned ones with exact rows, but");
  require_refused("search " + erm + " --queries " + files.tests + " --out " + files.path("r.trec") + " --ef 9", 1,
                  "--ef is for graph and partitioned indexes, but");
}

TEST_CASE("pefa search: wrong calls and files that do not fit", "[bad input]") {
  const Files files;
  const std::string archive = files.build("erm");
  const std::string search = "search " + archive + " --queries " + files.tests;
  require_refused("search", 2, "archive");
  require_refused("search " + archive, 2, "--queries");
  require_refused(search, 2, "--out");
  require_refused(search + " --out run.txt", 1, "run.txt: has the extension '.txt', which tells no format of results");
  require_refused(search + " --format csv --out run.txt", 2, "csv");
  require_refused(search + " --top-k 0 --out run.trec", 2, "--top-k");
  require_refused(search + " --out /nowhere/at/all.trec", 1, "/nowhere/at/all.trec");
  require_refused("search " + files.path("none.pefa") + " --queries " + files.tests + " --out run.trec", 1,
                  "none.pefa: cannot be opened: No such file");
  require_refused("search " + files.passages + " --queries " + files.tests + " --out run.trec", 1,
                  "is not a pefa archive");
  const std::string ids = files.directory.write("ids.txt", "a\nb\n").string();
  require_refused(search + " --out run.trec --query-ids " + ids, 1, "has 2 ids for 20 queries");
  require_refused(search + " --out " + files.path("run.trec") + " --tag 'two words'", 1, "two words");
  io::write_npy(files.tests, EmbeddingView<float>(random_matrix(20, 9, 3)));
  require_refused(search + " --out run.trec", 1, "queries have dim 9, passages in");
}

TEST_CASE("pefa build: wrong calls", "[bad input]") {
  const Files files;
  const std::string build = "build" + files.training();
  require_refused(build + " --method xs", 2, "--out");
  require_refused("build --method xs --out x.pefa --passages " + files.passages, 2, "--train-queries is required");
  require_refused(build + " --method xs --out " + files.directory.write("x", "").parent_path().string(), 1,
                  "is a directory");
  require_refused(build + " --method xs --out /nowhere/at/all.pefa", 1, "/nowhere/at/all.pefa");
  const std::string archive = files.build("erm");
  require_refused("eval " + archive + " --method xs" + files.testing(), 2, "--method");
  require_refused("eval " + archive + " --passages " + files.passages + files.testing(), 2, "--passages");
  require_refused("eval " + archive + " --lambda 0.5" + files.testing(), 1, "--lambda is for xl");
}

TEST_CASE("pefa info and verify: a truncated or changed archive is refused, and says where", "[archive]") {
  const Files files;
  const std::string archive = files.build("xl", "--index quantized");
  const std::string whole = read_bytes(archive);
  const auto with = [&](const std::string& bytes) { return files.directory.write("bad.pefa", bytes).string(); };

  REQUIRE(run_well("info --all " + archive).find("relevance.weights") != std::string::npos);
  require_refused("info " + with(whole.substr(0, whole.size() - 1)), 1, "it is cut off");
  require_refused("verify " + with(whole.substr(0, 40)), 1, "it is cut off");
  require_refused("verify " + with(""), 1, "bad.pefa");
  require_refused("verify " + with("PEFA"), 1, "is not a pefa archive");
  std::mt19937 random(7);
  for (int i = 0; i < 40; ++i) {
    std::string bytes = whole;
    const std::size_t at = random() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    INFO("byte " << at);
    require_refused("verify " + with(bytes), 1, "bad.pefa");
  }
}

TEST_CASE("pefa: an archive of what the command cannot open is refused by name", "[bad input]") {
  const Files files;
  require_refused("info " + files.path("none.pefa"), 1, "No such file");
  require_refused("verify", 2, "archive");
  require_refused("verify " + files.directory.write("x", "").parent_path().string(), 1, "is a directory");
}
