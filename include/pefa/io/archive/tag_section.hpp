// pefa: a tag table in an archive: its arrays, one section each, and in the metadata how many rows it is for.
//
//   "names" u8, "name_ends" u64, "kinds" u8, "value_ends" u64, "values" i64, "texts" u8, "row_ends" u64, "rows" u32
//
// TagArrays says what they are. An archive without tags has none of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/store/tag_table.hpp"

namespace pefa::io {

/// Adds a table, which must live, unchanged, until the archive is written.
/// @param prefix  of the keys: "passages.tags."
inline void add_tags(ArchiveWriter& writer, const std::string& prefix, const TagTable& tags) {
  const TagArrays& arrays = tags.arrays();
  writer.metadata().add(prefix + "size", tags.size());
  writer.add(prefix + "names", arrays.names);
  writer.add(prefix + "name_ends", arrays.name_ends);
  writer.add(prefix + "kinds", arrays.kinds);
  writer.add(prefix + "value_ends", arrays.value_ends);
  writer.add(prefix + "values", arrays.values);
  writer.add(prefix + "texts", arrays.texts);
  writer.add(prefix + "row_ends", arrays.row_ends);
  writer.add(prefix + "rows", arrays.rows);
}

/// Opens a table in place, or nothing where the archive has none under this prefix. The table keeps what the reader
/// holds, and does not need the reader.
/// @param n_rows  the rows that it must be for
/// @throws FormatError  the sections are not a table, or it is for another number of rows
/// O(all of the table): every row that it lists is looked at.
[[nodiscard]] inline std::optional<TagTable> read_tags(const ArchiveReader& reader, const std::string& prefix,
                                                       std::size_t n_rows) {
  if (!reader.contains(prefix + "names")) return std::nullopt;
  const std::size_t size = reader.metadata().count(prefix + "size", std::numeric_limits<Row>::max());
  if (size != n_rows) {
    pefa::detail::fail<FormatError>(reader.name(), ": '", prefix, "' is for ", size, " rows, expected ", n_rows);
  }
  const TagArrays arrays{.names = reader.section<char>(prefix + "names"),
                         .name_ends = reader.section<std::uint64_t>(prefix + "name_ends"),
                         .kinds = reader.section<std::uint8_t>(prefix + "kinds"),
                         .value_ends = reader.section<std::uint64_t>(prefix + "value_ends"),
                         .values = reader.section<std::int64_t>(prefix + "values"),
                         .texts = reader.section<char>(prefix + "texts"),
                         .row_ends = reader.section<std::uint64_t>(prefix + "row_ends"),
                         .rows = reader.section<Row>(prefix + "rows")};
  return TagTable::over(arrays, n_rows, reader.owner(), 0, reader.name() + ": '" + prefix + "'");
}

}  // namespace pefa::io
