// pefa: a set of rows in an archive: one section, of its listed rows or of its bits, opened in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/store/row_set.hpp"

namespace pefa::io {

/// Adds a set, which, or a copy of which, must live until the archive is written. @param key  of the section, and in
/// front of what the metadata says of it: "removed"
inline void add_row_set(ArchiveWriter& writer, const std::string& key, const RowSet& set) {
  writer.metadata().add(key + ".form", name(set.form()));
  writer.metadata().add(key + ".universe", set.universe());
  if (set.form() == RowSetForm::dense) {
    writer.add(key, set.words());
  } else {
    writer.add(key, set.listed());
  }
}

/// The set in place, or nothing where the archive has none under this key. Everything is read once, to check it.
/// @throws FormatError  it is damaged
[[nodiscard]] inline std::optional<RowSet> read_row_set(const ArchiveReader& reader, const std::string& key) {
  if (!reader.contains(key)) return std::nullopt;
  const std::string text = reader.metadata().text(key + ".form");
  const std::optional<RowSetForm> form = parse_enum<RowSetForm>(text);
  if (!form) {
    pefa::detail::fail<FormatError>(reader.name(), ": metadata '", key, ".form' is '", text,
                                    "', expected one of: ", list_names<RowSetForm>());
  }
  const auto universe = static_cast<std::size_t>(reader.metadata().integer(key + ".universe", 0, 0xFFFF'FFFF));
  if (*form == RowSetForm::dense) {
    const auto words = reader.section<std::uint64_t>(key, RowSet::words_of(universe));
    if (universe % 64 != 0 && (words.back() >> (universe % 64)) != 0) {
      pefa::detail::fail<FormatError>(reader.name(), ": section '", key, "' has a bit past its ", universe, " rows");
    }
    return RowSet::over(*form, {}, words, universe, reader.owner());
  }
  const auto rows = reader.section<Row>(key);
  std::int64_t before = -1;
  for (const Row row : rows) {
    if (std::int64_t{row} <= before || row >= universe) {
      pefa::detail::fail<FormatError>(reader.name(), ": section '", key, "' has row ", row, " after ", before,
                                      ", expected ascending and below ", universe);
    }
    before = row;
  }
  return RowSet::over(*form, rows, {}, universe, reader.owner());
}

}  // namespace pefa::io
