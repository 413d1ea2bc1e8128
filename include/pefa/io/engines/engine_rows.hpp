// pefa: vectors with their ids as the bulk loaders of vector engines take them, and the ids of those to take out again.
// One function a format; what to do with the files, the `pefa` command writes beside them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/engines/pg_copy.hpp"
#include "pefa/io/file/float_text.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/quote_name.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/ids/uuid5.hpp"
#include "pefa/io/results/hits_jsonl.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {
namespace io {

/// The engines whose loaders are known here.
enum class Engine { pgvector, qdrant, lancedb, milvus, opensearch, vespa };

}  // namespace io

/// Their names.
template <>
inline constexpr std::array enum_names<io::Engine>{"pgvector", "qdrant", "lancedb", "milvus", "opensearch", "vespa"};

namespace io {

/// Vectors to load: some rows of a matrix, each under the id of its row, and ids to delete. Borrows all of it.
struct EngineRows {
  EmbeddingView<float> vectors{};       ///< [n x dim]
  RowIds ids{};                         ///< of its rows: a table, or row numbers
  std::span<const Row> rows{};          ///< which of them
  std::span<const std::string> gone{};  ///< ids to delete, by the formats that can
  std::span<const std::string> tags{};  ///< of every row of `vectors`: JSON as tag_json.hpp makes it; empty: none

  /// A row as floats.
  [[nodiscard]] std::span<const float> vector(Row row) const noexcept { return {vectors.row(row), vectors.dim()}; }
};

namespace detail {

/// , "tags": {...}
inline void append_tags(std::string& out, const EngineRows& rows, Row row) {
  if (!rows.tags.empty()) out.append(", \"tags\": ").append(rows.tags[row]);
}

/// [0.25, -1, ...]
inline void append_json_vector(std::string& out, std::span<const float> vector) {
  out += '[';
  for (std::size_t d = 0; d < vector.size(); ++d) {
    if (d > 0) out += ", ";
    out += float_text(vector[d]);
  }
  out += ']';
}

/// Row numbers as JSON numbers, ids of a table as JSON strings.
inline void append_json_id(std::string& out, const RowIds& ids, std::string_view id, std::string_view where) {
  if (ids.has_table()) return append_json_string(out, id, where);
  out += id;
}

/// The id of a Qdrant point, which is a whole number or a UUID.
[[nodiscard]] inline std::string qdrant_id(const RowIds& ids, std::string_view id) {
  return ids.has_table() ? '"' + uuid5(id) + '"' : std::string(id);
}

/// A text as PostgreSQL holds one. @throws ValueError  it is not UTF-8, or has a NUL
[[nodiscard]] inline std::string pg_text_of(std::string text, const std::filesystem::path& path) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = text[at] == '\0' ? 0 : utf8_length(std::string_view(text).substr(at));
    if (length == 0) {
      pefa::detail::fail<ValueError>(path.string(), ": the id ", quote_name(text),
                                     " is not UTF-8 without NULs at byte ", at, ", as PostgreSQL wants it");
    }
    at += length;
  }
  return text;
}

/// A row number as text, of a row that goes. @throws ValueError  it is none
[[nodiscard]] inline Row row_to_delete(const std::string& id, const std::filesystem::path& path) {
  const std::optional<Row> row = RowIds().find(id);
  if (!row) pefa::detail::fail<ValueError>(path.string(), ": '", id, "' to delete, expected a row number");
  return *row;
}

/// A character that an id cannot have as it stands in a path or a document id.
[[nodiscard]] inline std::string percent_encoded(std::string_view id) {
  static constexpr std::string_view hex = "0123456789ABCDEF";
  std::string text;
  for (const char c : id) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                          c == '.' || c == '_' || c == '~';
    if (is_plain) {
      text += c;
    } else {
      text += '%';
      text += hex[byte >> 4U];
      text += hex[byte & 0x0FU];
    }
  }
  return text;
}

/// Writes what `line` makes of every row.
template <class Line>
void write_engine_lines(std::ostream& out, const EngineRows& rows, const Line& line) {
  std::string text;
  for (const Row row : rows.rows) {
    text.clear();
    line(text, row, rows.ids.text(row));
    out << text;
  }
}

}  // namespace detail

/// A file of binary COPY: the rows that `append(copy, i)` makes of each i below n. @throws IoError  @throws Cancelled
template <class Append>
void write_pg_copy(const std::filesystem::path& path, std::size_t n, const StopCheck& stop, const Append& append) {
  OutputFile file(path, stop);
  std::string bytes;
  PgCopy copy(bytes);
  for (std::size_t i = 0; i < n; ++i) {
    append(copy, i);
    file.stream() << bytes;
    bytes.clear();
  }
  copy.end();
  file.stream() << bytes;
  file.commit();
}

/// Binary COPY of (id, embedding), with tags (id, embedding, tags): id is text of a table, or a bigint, tags are jsonb.
/// @throws IoError  @throws Cancelled
inline void write_pgvector_copy(const std::filesystem::path& path, const EngineRows& rows, const StopCheck& stop = {}) {
  write_pg_copy(path, rows.rows.size(), stop, [&](PgCopy& copy, std::size_t i) {
    const Row row = rows.rows[i];
    copy.row(rows.tags.empty() ? 2 : 3);
    if (rows.ids.has_table()) {
      copy.text(detail::pg_text_of(rows.ids.text(row), path));
    } else {
      copy.bigint(row);
    }
    copy.vector(rows.vector(row));
    if (!rows.tags.empty()) copy.jsonb(rows.tags[row]);
  });
}

/// Binary COPY of (id) of the ids to delete. @throws ValueError  a row number that is none  @throws IoError
inline void write_pgvector_deletes(const std::filesystem::path& path, const EngineRows& rows) {
  write_pg_copy(path, rows.gone.size(), {}, [&](PgCopy& copy, std::size_t i) {
    const std::string& id = rows.gone[i];
    copy.row(1);
    if (rows.ids.has_table()) return copy.text(id);
    copy.bigint(detail::row_to_delete(id, path));
  });
}

/// Points of Qdrant, one a line: {"id": 7, "vector": [...]}; with a table {"id": "uuid5", "vector": [...], "payload":
/// {"id": "p7"}}; tags are of the payload, too. @throws ValueError  an id that is not UTF-8  @throws IoError  @throws
/// Cancelled
inline void write_qdrant_points(const std::filesystem::path& path, const EngineRows& rows, const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  detail::write_engine_lines(file.stream(), rows, [&](std::string& line, Row row, const std::string& id) {
    line = "{\"id\": " + detail::qdrant_id(rows.ids, id) + ", \"vector\": ";
    detail::append_json_vector(line, rows.vector(row));
    if (rows.ids.has_table() || !rows.tags.empty()) {
      line += ", \"payload\": {\"id\": ";
      detail::append_json_id(line, rows.ids, id, path.string() + ": ");
      detail::append_tags(line, rows, row);
      line += '}';
    }
    line += "}\n";
  });
  file.commit();
}

/// The body of Qdrant's points/delete: {"points": [ids]}. @throws ValueError  a row number that is none  @throws
/// IoError
inline void write_qdrant_deletes(const std::filesystem::path& path, const EngineRows& rows) {
  OutputFile file(path);
  std::string_view separator = "{\"points\": [";
  for (const std::string& id : rows.gone) {
    if (!rows.ids.has_table()) (void)detail::row_to_delete(id, path);
    file.stream() << separator << detail::qdrant_id(rows.ids, id);
    separator = ", ";
  }
  file.stream() << (rows.gone.empty() ? "{\"points\": [" : "") << "]}\n";
  file.commit();
}

/// Milvus's import file: {"rows": [{"id": ..., "vector": [...], "tags": {...}}, ...]}, a row a line.
/// @throws ValueError  an id that is not UTF-8  @throws IoError  @throws Cancelled
inline void write_milvus_rows(const std::filesystem::path& path, const EngineRows& rows, const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  std::string_view separator = "{\"rows\": [\n";
  detail::write_engine_lines(file.stream(), rows, [&](std::string& line, Row row, const std::string& id) {
    line = separator;
    separator = ",\n";
    line += "{\"id\": ";
    detail::append_json_id(line, rows.ids, id, path.string() + ": ");
    line += ", \"vector\": ";
    detail::append_json_vector(line, rows.vector(row));
    detail::append_tags(line, rows, row);
    line += '}';
  });
  file.stream() << (rows.rows.empty() ? "{\"rows\": [" : "") << "\n]}\n";
  file.commit();
}

/// The body of OpenSearch's _bulk: two lines a row, and one an id to delete.
/// @throws ValueError  an id that is not UTF-8, or longer than the 512 bytes of an _id  @throws IoError
/// @throws Cancelled
inline void write_opensearch_bulk(const std::filesystem::path& path, const EngineRows& rows,
                                  const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  const std::string where = path.string() + ": ";
  const auto action = [&](std::string& line, const char* what, const std::string& id) {
    if (id.size() > 512) {
      pefa::detail::fail<ValueError>(where, "the id '", id, "' has ", id.size(), " bytes, expected at most 512");
    }
    line += std::string("{\"") + what + "\": {\"_id\": ";
    detail::append_json_string(line, id, where);
    line += "}}\n";
  };
  detail::write_engine_lines(file.stream(), rows, [&](std::string& line, Row row, const std::string& id) {
    action(line, "index", id);
    line += "{\"vector\": ";
    detail::append_json_vector(line, rows.vector(row));
    detail::append_tags(line, rows, row);
    line += "}\n";
  });
  std::string line;
  for (const std::string& id : rows.gone) action(line, "delete", id);
  file.stream() << line;
  file.commit();
}

/// Vespa's feed, an operation a line: {"put": "id:pefa:passage::p7", "fields": {...}}, {"remove": "id:..."}.
/// The field `id` has the id as it is; in the document id what is no letter, digit, '-', '.', '_' or '~' is %-encoded.
/// @throws ValueError  an id that is not UTF-8  @throws IoError  @throws Cancelled
inline void write_vespa_feed(const std::filesystem::path& path, const EngineRows& rows, const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  const auto document = [](const std::string& id) { return "\"id:pefa:passage::" + detail::percent_encoded(id) + '"'; };
  detail::write_engine_lines(file.stream(), rows, [&](std::string& line, Row row, const std::string& id) {
    line = "{\"put\": " + document(id) + ", \"fields\": {\"id\": ";
    detail::append_json_string(line, id, path.string() + ": ");
    line += ", \"vector\": {\"values\": ";
    detail::append_json_vector(line, rows.vector(row));
    line += '}';
    detail::append_tags(line, rows, row);
    line += "}}\n";
  });
  for (const std::string& id : rows.gone) file.stream() << "{\"remove\": " << document(id) << "}\n";
  file.commit();
}

}  // namespace io
}  // namespace pefa
