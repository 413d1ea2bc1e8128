#include "pefa/io/engines/engine_rows.hpp"

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using nlohmann::json;

namespace {

/// Three vectors of which the first and the last are written, under ids that need care.
struct Sample {
  RowMajorMatrix matrix = test::random_matrix(3, 4, 1);
  io::ExternalIds table = io::ExternalIds::from(std::vector<std::string>{"p 1/\"a\"", "p2", "caf\xC3\xA9"});
  std::vector<Row> which = {0, 2};
  std::vector<std::string> gone = {"old one", "p\\9"};
  test::TemporaryDirectory directory;

  [[nodiscard]] io::EngineRows by_table() const { return {EmbeddingView<float>(matrix), table, which, gone}; }
  [[nodiscard]] io::EngineRows by_number() const { return {EmbeddingView<float>(matrix), io::RowIds(3), which, {}}; }

  void require_vector(const json& written, Row row) const {
    REQUIRE(written.size() == 4);
    for (Eigen::Index d = 0; d < 4; ++d) {
      REQUIRE(written[static_cast<std::size_t>(d)].get<float>() == matrix(row, d));
    }
  }
};

std::vector<json> lines_of(const std::filesystem::path& path) {
  std::istringstream in(test::read_bytes(path));
  std::vector<json> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

}  // namespace

TEST_CASE("write_pgvector_copy: binary rows of id and vector, ids as text or as numbers") {
  const Sample sample;
  const auto path = sample.directory / "rows.copy";
  for (const bool has_table : {false, true}) {
    io::write_pgvector_copy(path, has_table ? sample.by_table() : sample.by_number());
    std::string expected;
    io::PgCopy copy(expected);
    for (const Row row : sample.which) {
      copy.row(2);
      if (has_table) copy.text(sample.table[row]);
      if (!has_table) copy.bigint(row);
      copy.vector(sample.by_table().vector(row));
    }
    copy.end();
    REQUIRE(test::read_bytes(path) == expected);
  }
}

TEST_CASE("write_pgvector_deletes: binary rows of ids; row numbers must be numbers") {
  const Sample sample;
  const auto path = sample.directory / "deletes.copy";
  io::write_pgvector_deletes(path, sample.by_table());
  REQUIRE(test::read_bytes(path).find("old one") != std::string::npos);
  io::EngineRows rows = sample.by_number();
  rows.gone = sample.gone;
  REQUIRE_ERROR(ValueError, "'old one' to delete, expected a row number", (io::write_pgvector_deletes(path, rows), 0));
}

TEST_CASE("write_qdrant_points: a point a line, under its number or the UUID of its id") {
  const Sample sample;
  const auto path = sample.directory / "points.jsonl";
  io::write_qdrant_points(path, sample.by_number());
  auto points = lines_of(path);
  REQUIRE(points.size() == 2);
  REQUIRE(points[1]["id"] == 2);
  REQUIRE(!points[1].contains("payload"));
  sample.require_vector(points[1]["vector"], 2);
  io::write_qdrant_points(path, sample.by_table());
  points = lines_of(path);
  REQUIRE(points[0]["id"] == io::uuid5("p 1/\"a\""));
  REQUIRE(points[0]["payload"]["id"] == "p 1/\"a\"");
  sample.require_vector(points[0]["vector"], 0);

  io::write_qdrant_deletes(path, sample.by_table());
  REQUIRE(lines_of(path)[0]["points"] == json({io::uuid5("old one"), io::uuid5("p\\9")}));
  io::write_qdrant_deletes(path, sample.by_number());
  REQUIRE(lines_of(path)[0]["points"] == json::array());
}

TEST_CASE("write_milvus_rows: one JSON value, a row a line") {
  const Sample sample;
  const auto path = sample.directory / "rows.json";
  io::write_milvus_rows(path, sample.by_table());
  json rows = json::parse(test::read_bytes(path))["rows"];
  REQUIRE(rows.size() == 2);
  REQUIRE(rows[1]["id"] == "caf\xC3\xA9");
  sample.require_vector(rows[1]["vector"], 2);
  io::write_milvus_rows(path, sample.by_number());
  REQUIRE(json::parse(test::read_bytes(path))["rows"][1]["id"] == 2);
  io::EngineRows none = sample.by_number();
  none.rows = {};
  io::write_milvus_rows(path, none);
  REQUIRE(json::parse(test::read_bytes(path))["rows"] == json::array());
}

TEST_CASE("write_opensearch_bulk: an action and a document a row, an action an id to delete") {
  const Sample sample;
  const auto path = sample.directory / "bulk.ndjson";
  io::write_opensearch_bulk(path, sample.by_table());
  const auto lines = lines_of(path);
  REQUIRE(lines.size() == 6);
  REQUIRE(lines[0] == json{{"index", {{"_id", "p 1/\"a\""}}}});
  sample.require_vector(lines[3]["vector"], 2);
  REQUIRE(lines[5] == json{{"delete", {{"_id", "p\\9"}}}});
  const auto long_ids = io::ExternalIds::from(std::vector<std::string>{std::string(513, 'a'), "b", "c"});
  io::EngineRows rows = sample.by_table();
  rows.ids = long_ids;
  REQUIRE_ERROR(ValueError, "has 513 bytes, expected at most 512", (io::write_opensearch_bulk(path, rows), 0));
  REQUIRE(lines_of(path).size() == 6);  // the older file stays
}

TEST_CASE("write_vespa_feed: puts and removes by document id, in which odd characters are encoded") {
  const Sample sample;
  const auto path = sample.directory / "feed.jsonl";
  io::write_vespa_feed(path, sample.by_table());
  const auto lines = lines_of(path);
  REQUIRE(lines.size() == 4);
  REQUIRE(lines[0]["put"] == "id:pefa:passage::p%201%2F%22a%22");
  REQUIRE(lines[1]["fields"]["id"] == "caf\xC3\xA9");
  sample.require_vector(lines[1]["fields"]["vector"]["values"], 2);
  REQUIRE(lines[3] == json{{"remove", "id:pefa:passage::p%5C9"}});
}

TEST_CASE("engine files: tags stand beside the vector, by the row they are of") {
  const Sample sample;
  const std::vector<std::string> tags = {R"({"lang": "en"})", R"({"lang": "no"})", R"({"price": 20})"};
  io::EngineRows rows = sample.by_number();
  rows.tags = tags;
  const auto path = sample.directory / "x";
  io::write_qdrant_points(path, rows);
  REQUIRE(lines_of(path)[1]["payload"] == json{{"id", 2}, {"tags", {{"price", 20}}}});
  rows.ids = sample.table;
  io::write_qdrant_points(path, rows);
  REQUIRE(lines_of(path)[0]["payload"] == json{{"id", "p 1/\"a\""}, {"tags", {{"lang", "en"}}}});
  io::write_milvus_rows(path, rows);
  REQUIRE(json::parse(test::read_bytes(path))["rows"][1]["tags"] == json{{"price", 20}});
  io::write_opensearch_bulk(path, rows);
  REQUIRE(lines_of(path)[3]["tags"] == json{{"price", 20}});
  io::write_vespa_feed(path, rows);
  REQUIRE(lines_of(path)[1]["fields"]["tags"] == json{{"price", 20}});
  io::write_pgvector_copy(path, rows);
  std::string expected;
  io::PgCopy copy(expected);
  for (const Row row : sample.which) {
    copy.row(3);
    copy.text(sample.table[row]);
    copy.vector(rows.vector(row));
    copy.jsonb(tags[row]);
  }
  copy.end();
  REQUIRE(test::read_bytes(path) == expected);
}

TEST_CASE("write_qdrant_deletes: what is no row number is refused where there is no table") {
  const Sample sample;
  io::EngineRows rows = sample.by_number();
  const std::vector<std::string> gone{"1], \"x\": ["};
  rows.gone = gone;
  REQUIRE_ERROR(ValueError, "to delete, expected a row number",
                (io::write_qdrant_deletes(sample.directory / "x", rows), 0));
}

TEST_CASE("engine files: an id that JSON cannot hold is refused") {
  const Sample sample;
  const auto table = io::ExternalIds::from(std::vector<std::string>{"\xFF", "b", "c"});
  io::EngineRows rows = sample.by_table();
  rows.ids = table;
  const auto path = sample.directory / "x";
  REQUIRE_ERROR(ValueError, "is not UTF-8", (io::write_qdrant_points(path, rows), 0));
  REQUIRE_ERROR(ValueError, "is not UTF-8", (io::write_milvus_rows(path, rows), 0));
  REQUIRE_ERROR(ValueError, "is not UTF-8", (io::write_opensearch_bulk(path, rows), 0));
  REQUIRE_ERROR(ValueError, "is not UTF-8", (io::write_vespa_feed(path, rows), 0));
  REQUIRE_ERROR(ValueError, "is not UTF-8 without NULs at byte 0", (io::write_pgvector_copy(path, rows), 0));
  const auto nul = io::ExternalIds::from(std::vector<std::string>{std::string("a\0b", 3), "b", "c"});
  rows.ids = nul;
  REQUIRE_ERROR(ValueError, "is not UTF-8 without NULs at byte 1", (io::write_pgvector_copy(path, rows), 0));
  REQUIRE(sample.directory.file_count() == 0);
}
