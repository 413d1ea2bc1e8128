// pefa: tags as tab-separated text, in one of two shapes that the first line tells apart:
//
//   one tag a line                    a column a key, where the first field of the first line is "passage" or "query"
//     17<TAB>lang<TAB>en                passage<TAB>lang<TAB>price
//     17<TAB>price<TAB>20               17<TAB>en<TAB>20
//
// Rows are row numbers, from 0, or ids of a table. Several values of a key are several lines. An empty field of a
// column is no value. "passage<TAB>key<TAB>value" as the first line is a header of the first shape.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/store/tag_table.hpp"
#include "pefa/store/tag_table_builder.hpp"

namespace pefa::io {

namespace detail {

/// The row that tags are of.
[[nodiscard]] inline Row tagged_row(const LineReader& lines, const RowIds& rows, std::string_view id) {
  if (const std::optional<Row> row = rows.find(id)) return *row;
  if (rows.has_table()) lines.refuse("there is no id '", id, "'");
  return lines.parse_row(id, "tagged", rows.size());  // which says what is wrong with it
}

/// Runs what adds a tag; what it refuses is this line's fault.
template <class Add>
void add_of_line(const LineReader& lines, const Add& add) {
  try {
    add();
  } catch (const FormatError&) {
    throw;
  } catch (const Error& error) {
    lines.refuse(error.what());
  }
}

/// The table of what a file had.
[[nodiscard]] inline TagTable build_tags(TagTableBuilder& builder, const LineReader& lines) {
  try {
    return builder.build();
  } catch (const Error& error) {
    pefa::detail::fail<FormatError>(lines.name(), ": ", error.what());
  }
}

}  // namespace detail

/// Reads tags as text, in either shape. A key whose values are all whole numbers ("7", not "007") is of integers, any
/// other of text. A file without lines is a table without keys.
///
/// @param rows  what the first field is: a row number below a number, or an id of a table
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line of another number of fields, an unknown row, an empty key or value, a column twice;
/// names the line
[[nodiscard]] inline TagTable read_tag_lines(const std::filesystem::path& path, const RowIds& rows) {
  detail::LineReader lines(path);
  TagTableBuilder builder(rows.size());
  std::vector<std::string> columns;  // none: a tag a line
  for (bool is_first = true; lines.next(); is_first = false) {
    const std::vector<std::string_view> fields = detail::split(lines.line(), '\t');
    if (is_first && (fields[0] == "passage" || fields[0] == "query")) {
      if (fields.size() == 3 && fields[1] == "key" && fields[2] == "value") continue;
      columns.assign(fields.begin(), fields.end());
      if (columns.size() < 2) lines.refuse("is a header without keys, expected one a column");
      const std::set<std::string> distinct(columns.begin(), columns.end());
      if (distinct.size() != columns.size() || distinct.contains("")) {
        lines.refuse("is a header with a column ", distinct.contains("") ? "without a name" : "twice");
      }
      continue;
    }
    const std::size_t expected = columns.empty() ? 3 : columns.size();
    if (fields.size() != expected) {
      lines.refuse("has ", fields.size(), " tab-separated fields, expected ", expected,
                   columns.empty() ? ": row, key and value" : ", as the header",
                   detail::separator_hint(lines.line(), fields.size(), "tabs"));
    }
    const Row row = detail::tagged_row(lines, rows, fields[0]);
    if (columns.empty()) {
      if (fields[1].empty() || fields[2].empty()) lines.refuse("has an empty ", fields[1].empty() ? "key" : "value");
      detail::add_of_line(lines, [&] { builder.add(row, fields[1], fields[2]); });
      continue;
    }
    for (std::size_t i = 1; i < fields.size(); ++i) {
      if (!fields[i].empty()) detail::add_of_line(lines, [&] { builder.add(row, columns[i], fields[i]); });
    }
  }
  return detail::build_tags(builder, lines);
}

}  // namespace pefa::io
