// The bm25 example: its scores against the formula, and its fusion with PEFA-XL on the WordNet slice.
#include "cli_support.hpp"

#if defined(PEFA_BM25)

#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "pefa/eval/metrics.hpp"
#include "pefa/eval/significance.hpp"
#include "pefa/io/results/trec_run.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> found;
  for (std::string word; in >> word;) found.push_back(word);
  return found;
}

const std::vector<std::string> passages = {"red fish blue fish", "one fish",      "a blue moon over a red sea",
                                           "sea sea sea",        "the cat sat",   "dogs bark",
                                           "green grass grows",  "old stone wall"};

/// BM25 of every passage, with Xapian's floor for words that half of the passages have.
std::vector<double> oracle(const std::string& query, double k1, double b) {
  double total = 0.0;
  for (const std::string& passage : passages) total += static_cast<double>(words(passage).size());
  const double n = static_cast<double>(passages.size());
  std::vector<double> scores(passages.size());
  const auto asked = words(query);
  for (const std::string& word : std::set<std::string>(asked.begin(), asked.end())) {
    const auto count = [&word](const std::string& text) {
      double found = 0.0;
      for (const std::string& each : words(text)) found += each == word ? 1.0 : 0.0;
      return found;
    };
    double having = 0.0;
    for (const std::string& passage : passages) having += count(passage) > 0.0 ? 1.0 : 0.0;
    double odds = (n - having + 0.5) / (having + 0.5);
    if (odds < 2.0) odds = 1.0 + odds / 2.0;
    for (std::size_t i = 0; i < passages.size(); ++i) {
      const double f = count(passages[i]);
      const double length = static_cast<double>(words(passages[i]).size()) * n / total;
      const double times = count(query);
      scores[i] += std::log(odds) * f * (k1 + 1.0) / (k1 * (1.0 - b + b * length) + f) * 2.0 * times / (1.0 + times);
    }
  }
  return scores;
}

std::string lines(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += text + "\n";
  return all;
}

Outcome bm25(const std::string& arguments) {
  return run_shell(std::string(PEFA_BM25) + " " + arguments);
}

std::vector<double> recalls(const std::string& run, const RelevanceMatrix& truth, std::size_t at) {
  const auto results = io::read_trec_run(run, io::RowIds(truth.rows()), io::RowIds(truth.cols()));
  std::vector<double> values;
  for (Row query = 0; query < truth.rows(); ++query) {
    const auto relevant = truth.passages_of(QueryId(query));
    if (relevant.size() > 0) values.push_back(recall_at(results[query], relevant, at));
  }
  return values;
}

double sum(const std::vector<double>& values) {
  double total = 0.0;
  for (const double value : values) total += value;
  return total;
}

}  // namespace

TEST_CASE("bm25: scores are those of the formula, k1 and b those asked for, ties by ascending row", "[bm25]") {
  const TemporaryDirectory directory;
  const std::vector<std::string> queries = {"red sea", "fish", "blue fish fish AND -moon", "", "unheard", "sea"};
  const std::string arguments = "--passages " + directory.write("p.txt", lines(passages)).string() + " --queries " +
                                directory.write("q.txt", lines(queries)).string() + " --out " +
                                (directory / "x.run").string() + " --stemmer none";
  for (const auto& [k1, b] : {std::pair{1.2, 0.75}, std::pair{0.9, 0.4}, std::pair{2.0, 0.0}}) {
    const Outcome outcome = bm25(arguments + " --k1 " + std::to_string(k1) + " --b " + std::to_string(b));
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    const auto run = io::read_trec_run(directory / "x.run", io::RowIds(queries.size()), io::RowIds(passages.size()));
    for (std::size_t query = 0; query < queries.size(); ++query) {
      // Operators and signs are words like others, or nothing; a word counts whatever its case.
      const std::string plain = query == 2 ? "blue fish fish and moon" : queries[query];
      const std::vector<double> expected = oracle(plain, k1, b);
      std::size_t matching = 0;
      for (const double score : expected) matching += score > 0.0 ? 1U : 0U;
      REQUIRE(run[query].size() == matching);
      for (const Hit& hit : run[query]) {
        REQUIRE(static_cast<double>(hit.score) == Approx(expected[hit.passage.row()]).epsilon(1e-5));
      }
    }
    REQUIRE(run[3].empty());
    REQUIRE(run[4].empty());
  }
}

TEST_CASE("bm25: words are stemmed by language, ids come from files, a query asks for so many", "[bm25]") {
  const TemporaryDirectory directory;
  const std::string base = "--passages " + directory.write("p.txt", "a fishing boat\nthe boats\nfish\n").string() +
                           " --queries " + directory.write("q.txt", "boat\nfished\n").string() + " --out " +
                           (directory / "x.run").string();
  const auto hits = [&](const std::string& options) {
    const Outcome outcome = bm25(base + options);
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return io::read_trec_run(directory / "x.run");
  };
  REQUIRE(hits("").results[1].size() == 2);
  REQUIRE(hits("").results[0].size() == 2);
  REQUIRE(hits(" --stemmer none").results.size() == 1);
  REQUIRE(hits(" --top-k 1").results[0].size() == 1);
  const io::TrecRun named = hits(" --passage-ids " + directory.write("pi.txt", "D0\nD1\nD2\n").string() +
                                 " --query-ids " + directory.write("qi.txt", "qa\nqb\n").string() + " --tag lexical");
  REQUIRE(named.queries == io::ExternalIds::from(std::vector<std::string>{"qa", "qb"}));
  REQUIRE(named.passages.find("D0"));
  REQUIRE(named.tag == "lexical");

  const auto refused = [&](const std::string& options, const std::string& what) {
    const Outcome outcome = bm25(base + options);
    REQUIRE(outcome.exit_code != 0);
    INFO(outcome.err);
    REQUIRE(outcome.err.find(what) != std::string::npos);
  };
  refused(" --stemmer klingon", "klingon");
  refused(" --b 1.5", "--b");
  refused(" --query-ids " + directory.write("few.txt", "qa\n").string(), "has 1 ids for 2 texts, expected one each");
  refused(" --passage-ids " + (directory / "none").string(), "cannot be opened");
}

TEST_CASE("pefa fuse --tune: BM25 and PEFA-XL tuned out of fold are never significantly below the better on the test",
          "[bm25]") {
  if (!std::filesystem::exists("/usr/share/wordnet/data.noun")) {
    WARN("skipped: /usr/share/wordnet is absent (wordnet-base)");
    return;
  }
  const TemporaryDirectory directory;
  const auto file = [&](const std::string& name) { return (directory / name).string(); };
  const std::string data = shipped_data().string();
  for (const std::string part : {"passages", "train_queries", "test_queries"}) {
    const Outcome texts = run_shell(std::string(PEFA_WORDNET_TEXT) + " " + data + "/" + part + ".ids.tsv");
    REQUIRE(texts.exit_code == 0);
    (void)directory.write(part, texts.out);
  }
  for (const std::string part : {"train", "test"}) {
    REQUIRE(bm25("--passages " + file("passages") + " --queries " + file(part + "_queries") + " --out " +
                 file("bm25_" + part))
                .exit_code == 0);
  }
  const std::string training = " --quiet --passages " + data + "/passages.npy --train-queries " + data +
                               "/train_queries.npy --train-relevance " + data + "/train_relevance.tsv --index flat";
  run_well("eval --out-of-fold" + training + " --out " + file("xl_train"));
  run_well("build" + training + " --out " + file("xl.pefa"));
  run_well("search " + file("xl.pefa") + " --quiet --queries " + data + "/test_queries.npy --out " +
           file("xl_test.run"));

  const RelevanceMatrix truth = io::read_pairs(data + "/test_relevance.tsv", 1000, 2717);
  for (const std::size_t at : {1U, 10U, 100U}) {
    run_well("fuse " + file("bm25_train") + " " + file("xl_train") + " --tune " + data +
             "/train_relevance.tsv --metric recall@" + std::to_string(at) + " --json " + file("fusion.json"));
    run_well("fuse " + file("bm25_test") + " " + file("xl_test.run") + " --quiet --tuned " + file("fusion.json") +
             " --out " + file("fused"));
    const auto lexical = recalls(file("bm25_test"), truth, at);
    const auto dense = recalls(file("xl_test.run"), truth, at);
    const auto fused = recalls(file("fused"), truth, at);
    const auto gains = paired_differences(fused, sum(lexical) > sum(dense) ? lexical : dense);
    INFO("recall@" << at << ": BM25 " << sum(lexical) / 10 << ", PEFA-XL " << sum(dense) / 10 << ", fused "
                   << sum(fused) / 10);
    REQUIRE((sum(gains) >= 0.0 || paired_randomization_test(gains) > 0.05));
    if (at == 10) REQUIRE(sum(gains) > 0.0);
  }
}

#endif
