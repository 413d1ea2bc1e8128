// What export-xs --to and export-sql write; tests/engines.sh loads it.
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cli_support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

std::vector<Json> lines_of(const std::string& path) {
  std::istringstream in(read_bytes(path));
  std::vector<Json> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

}  // namespace

TEST_CASE("pefa export-xs --to: a folder an engine, with a README that has no gaps", "[engines]") {
  const Files files;
  const std::vector<std::pair<std::string, std::string>> engines = {
      {"pgvector", "rows.copy"}, {"qdrant", "points.jsonl"},    {"lancedb", "vectors.npy"},
      {"milvus", "rows.json"},   {"opensearch", "bulk.ndjson"}, {"vespa", "feed.jsonl"}};
  for (const auto& [engine, file] : engines) {
    INFO(engine);
    const std::string out = files.path(engine);
    const Json report =
        Json::parse(run_well("export-xs --json -" + files.training() + " --to " + engine + " --out " + out));
    REQUIRE(report["rows"] == 30);
    REQUIRE(report["to"] == engine);
    REQUIRE(std::filesystem::file_size(out + "/" + file) > 100);
    const std::string readme = read_bytes(out + "/README.md");
    REQUIRE(readme.find("30 vectors of dim 8") != std::string::npos);
    for (const char* mark : {"@DIM@", "@LOAD@", "@PG_", "@PY", "@MILVUS", "@ARROW"}) {
      REQUIRE(readme.find(mark) == std::string::npos);
    }
    REQUIRE(!std::filesystem::exists(out + "/query_map.npy"));
  }
}

TEST_CASE("pefa export-xs --form balanced: the matrix of queries comes as NumPy and as JSON", "[engines]") {
  const Files files;
  const std::string out = files.path("out");
  run_well("export-xs --quiet" + files.training() + " --to qdrant --form balanced --out " + out);
  const auto map = io::read_npy<float>(out + "/query_map.npy");
  REQUIRE(map.size() == 8);
  const Json json = Json::parse(read_bytes(out + "/query_map.json"));
  REQUIRE(json.size() == 8);
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t d = 0; d < 8; ++d) REQUIRE(json[i][d].get<float>() == map.row(i)[d]);
  }
  REQUIRE(read_bytes(out + "/README.md").find("query_map.npy") != std::string::npos);
  run_well("export-xs --quiet" + files.training() + " --to qdrant --out " + out);
  REQUIRE(!std::filesystem::exists(out + "/query_map.npy"));  // nothing of the other form stays
}

TEST_CASE("pefa export-xs --since: only what changed, and what is no more", "[engines]") {
  const Files files;
  const std::string archive = files.build("xs");
  const std::string out = files.path("out");
  const std::string since = " --to qdrant --since " + archive + " --out " + out;
  Json report = Json::parse(run_well("export-xs --json -" + files.training() + since));
  REQUIRE(report["rows"] == 0);
  REQUIRE(report["deletes"] == 0);
  // One passage fewer, and another in the place of the first.
  RowMajorMatrix passages = random_matrix(30, 8, 1).topRows(29);
  passages.row(0) = random_matrix(1, 8, 9);
  io::write_npy(files.passages, EmbeddingView<float>(passages));
  std::vector<RelevancePair> pairs;
  const RelevanceMatrix relevance = random_relevance(40, 30, 2, 4);
  for (Row i = 0; i < 40; ++i) {
    const auto named = relevance.passages_of(QueryId(i));
    for (std::size_t e = 0; e < named.size(); ++e) {
      if (named.columns[e] == 29) continue;
      pairs.push_back({QueryId(i), PassageId(static_cast<Row>(named.columns[e])), named.weights[e]});
    }
  }
  io::write_pairs(files.relevance, RelevanceMatrix::from_pairs(pairs, 40, 29));
  report = Json::parse(run_well("export-xs --json -" + files.training() + since));
  REQUIRE(report["rows"] == 1);
  REQUIRE(report["deletes"] == 1);
  REQUIRE(lines_of(out + "/points.jsonl")[0]["id"] == 0);
  REQUIRE(lines_of(out + "/deletes.json")[0]["points"] == Json({29}));
}

TEST_CASE("pefa export-xs --tags: in every engine's files; with --since other tags are changes", "[engines]") {
  const Files files;
  const std::string tags = files.path("tags.tsv");
  std::ofstream(tags) << "passage\tlang\tprice\n3\ten\t5\n4\tfr\t50\n";
  for (const char* engine : {"pgvector", "qdrant", "lancedb", "milvus", "opensearch", "vespa"}) {
    INFO(engine);
    const std::string out = files.path(engine);
    run_well("export-xs --quiet" + files.training() + " --to " + engine + " --tags " + tags + " --out " + out);
    const std::string readme = read_bytes(out + "/README.md");
    REQUIRE(readme.find("## Filter") != std::string::npos);
    REQUIRE(readme.find("_TAGS@") == std::string::npos);
    run_well("export-xs --quiet" + files.training() + " --to " + engine + " --out " + out + "_plain");
    const std::string plain = read_bytes(out + "_plain/README.md");
    REQUIRE(plain.find("## Filter") == std::string::npos);
    REQUIRE(plain.find("tags") == std::string::npos);
  }
  REQUIRE(lines_of(files.path("lancedb/tags.jsonl"))[4] == Json({{"lang", "fr"}, {"price", 50}}));
  REQUIRE(lines_of(files.path("vespa/feed.jsonl"))[3]["fields"]["tags"] == Json({"lang=en", "price=5"}));
  REQUIRE(read_bytes(files.path("pgvector/load.sql")).find("tags jsonb NOT NULL") != std::string::npos);

  const std::string archive = files.build("xs", "--tags " + tags);
  const std::string since = "export-xs --json -" + files.training() + " --to qdrant --since " + archive + " --out " +
                            files.path("since") + " --tags ";
  REQUIRE(Json::parse(run_well(since + tags))["rows"] == 0);
  std::ofstream(files.path("other.tsv")) << "passage\tlang\tprice\n3\ten\t6\n4\tfr\t50\n";
  REQUIRE(Json::parse(run_well(since + files.path("other.tsv")))["rows"] == 1);
  REQUIRE(lines_of(files.path("since/points.jsonl"))[0]["payload"]["tags"]["price"] == 6);
  const std::string to = "export-xs" + files.training() + " --to qdrant --out " + files.path("x") + " --since ";
  require_refused(to + archive, 1, "has tags, expected those of today");
  run_well(to + archive + " --untagged --quiet");
  std::ofstream(files.path("more.tsv")) << "passage\tlang\tprice\n3\ten\t6\n";
  std::ofstream(files.path("more.tsv"), std::ios::app) << "4\tfr\tdear\n";
  require_refused("export-xs" + files.training() + " --to lancedb --since " + archive + " --out " + files.path("x") +
                      " --tags " + files.path("more.tsv"),
                  1, "not the keys and types of");
  require_refused(to + files.build("xs", "", "plain.pefa") + " --tags " + tags, 1, "has no tags");
  require_refused("export-xs" + files.training() + " --out x.npy --tags " + tags, 2, "--to");
}

TEST_CASE("pefa export-sql: the script and the data of an archive", "[engines]") {
  const Files files;
  const std::string out = files.path("sql");
  const Json report = Json::parse(run_well("export-sql --json - " + files.build("xl") + " --out " + out));
  REQUIRE(report["passages"] == 30);
  REQUIRE(report["training_queries"] == 40);
  const std::string script = read_bytes(out + "/pefa.sql");
  REQUIRE(script.find("CREATE FUNCTION pefa_search") != std::string::npos);
  REQUIRE(script.find('@') == std::string::npos);
  for (const char* file : {"passage.copy", "train_query.copy", "relevance.copy", "whitening.copy"}) {
    REQUIRE(script.find(file) != std::string::npos);
    REQUIRE(read_bytes(out + "/" + file).starts_with("PGCOPY\n"));
  }
}

TEST_CASE("pefa export-xs and export-sql: what cannot be said is refused in one line", "[engines]") {
  const Files files;
  const std::string to = "export-xs" + files.training() + " --out " + files.path("out");
  require_refused(to + " --to oracle", 2, "--to");
  require_refused(to + " --form balanced", 2, "--to");
  require_refused(to + " --to qdrant --query-map " + files.path("A.npy"), 2, "--query-map");
  require_refused(to + " --to qdrant --since " + files.build("xs") + " --lambda 0.9", 1, "leave them out");
  require_refused(to + " --to qdrant --since " + files.build("xl"), 1, "holds an xl retriever");
  require_refused(to + " --to qdrant --form balanced --since " + files.path("x.pefa"), 1, "x.pefa");
  require_refused("export-sql " + files.build("xs") + " --out " + files.path("out"), 1, "holds an xs retriever");
  require_refused("export-sql " + files.build("xl", "--gate local") + " --out " + files.path("out"), 1,
                  "the gate is local");
  const std::string without_rows = " --index quantized --exact-rows drop";
  require_refused(to + " --to qdrant --since " + files.build("xs", without_rows), 1, "the index keeps no rows");
  require_refused("export-sql " + files.build("xl", without_rows) + " --out " + files.path("out"), 1,
                  "the archive holds codes and no rows");
  require_refused("export-sql " + files.build("xl") + " --out " + files.passages, 1, "cannot be made a folder");
}
