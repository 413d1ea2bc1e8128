#include "engine_folder.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/tags/tag_json.hpp"
#include "pefa/io/vectors/npy.hpp"
#include "pefa/store/embedding_store.hpp"

namespace pefa::cli {
namespace {

void write_lines(const std::filesystem::path& path, std::span<const std::string> lines) {
  io::OutputFile file(path);
  std::string scratch;
  for (const std::string& line : lines) {
    if (line.find('\n') != std::string::npos) {
      throw ValueError(path.string() + ": the id '" + line + "' has a line break in it, expected a line of text");
    }
    io::detail::append_json_string(scratch, line, path.string() + ": ");  // it has to be UTF-8
    scratch.clear();
    file.stream() << line << '\n';
  }
  file.commit();
}

std::vector<std::string> ids_of(const io::EngineRows& rows) {
  std::vector<std::string> ids;
  for (const Row row : rows.rows) ids.push_back(rows.ids.text(row));
  return ids;
}

std::vector<std::string> tags_of(const io::EngineRows& rows) {
  std::vector<std::string> tags;
  for (const Row row : rows.rows) tags.push_back(rows.tags[row]);
  return tags;
}

/// The rows that are written, as a matrix.
void write_matrix(const std::filesystem::path& path, const io::EngineRows& rows, const io::StopCheck& stop) {
  auto chosen = EmbeddingStore<float>::for_overwrite(rows.rows.size(), rows.vectors.dim());
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    const auto vector = rows.vector(rows.rows[i]);
    std::copy(vector.begin(), vector.end(), chosen.mutable_row(i));
  }
  io::write_npy(path, chosen, stop);
}

void write_query_map(const std::filesystem::path& folder, const RowMajorMatrix& map) {
  io::write_npy(folder / "query_map.npy", EmbeddingView<float>(map));
  io::OutputFile file(folder / "query_map.json");
  std::string line = "[\n";
  for (Eigen::Index i = 0; i < map.rows(); ++i) {
    io::detail::append_json_vector(line, {map.data() + i * map.cols(), static_cast<std::size_t>(map.cols())});
    line += i + 1 < map.rows() ? ",\n" : "\n]\n";
    file.stream() << line;
    line.clear();
  }
  file.commit();
}

/// The rows as the engine's loader takes them.
void write_rows(const std::filesystem::path& folder, const EngineFolder& what, const io::StopCheck& stop) {
  const io::EngineRows& rows = what.rows;
  const bool has_deletes = what.load == Load::changes;
  switch (what.engine) {
    case io::Engine::pgvector:
      io::write_pgvector_copy(folder / "rows.copy", rows, stop);
      if (has_deletes) io::write_pgvector_deletes(folder / "deletes.copy", rows);
      return;
    case io::Engine::qdrant:
      io::write_qdrant_points(folder / "points.jsonl", rows, stop);
      if (has_deletes) io::write_qdrant_deletes(folder / "deletes.json", rows);
      return;
    case io::Engine::lancedb:
      write_matrix(folder / "vectors.npy", rows, stop);
      write_lines(folder / "ids.txt", ids_of(rows));
      if (what.tags != nullptr) write_lines(folder / "tags.jsonl", tags_of(rows));
      if (has_deletes) write_lines(folder / "deletes.txt", rows.gone);
      return;
    case io::Engine::milvus:
      io::write_milvus_rows(folder / "rows.json", rows, stop);
      if (has_deletes) write_lines(folder / "deletes.txt", rows.gone);
      return;
    case io::Engine::opensearch: return io::write_opensearch_bulk(folder / "bulk.ndjson", rows, stop);
    case io::Engine::vespa: return io::write_vespa_feed(folder / "feed.jsonl", rows, stop);
  }
}

}  // namespace

void make_export_folder(const std::filesystem::path& folder, std::initializer_list<const char*> names) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error || !std::filesystem::is_directory(folder)) {
    throw IoError(folder.string() + ": cannot be made a folder" + (error ? ": " + error.message() : ""));
  }
  for (const char* name : names) std::filesystem::remove(folder / name, error);
}

void write_text(const std::filesystem::path& path, std::string_view text) {
  io::OutputFile file(path);
  file.stream() << text;
  file.commit();
}

void write_engine_folder(const std::filesystem::path& folder, const EngineFolder& what,
                         const std::function<bool()>& stop) {
  make_export_folder(folder, {"README.md", "query_map.npy", "query_map.json", "tags.jsonl", "load.sql", "update.sql",
                              "index.json", "passage.sd", "deletes.copy", "deletes.json", "deletes.txt"});
  EngineFolder written = what;
  std::vector<std::string> tags;
  if (what.tags != nullptr) {
    tags = what.engine == io::Engine::vespa ? io::tag_words(*what.tags) : io::tag_objects(*what.tags);
    written.rows.tags = tags;
  }
  write_rows(folder, written, stop);
  if (what.query_map != nullptr) write_query_map(folder, *what.query_map);
  write_engine_texts(folder, what);
}

}  // namespace pefa::cli
