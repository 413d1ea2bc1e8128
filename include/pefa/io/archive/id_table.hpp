// pefa: external ids in an archive: the text of all, one after the other, and where each starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/io/ids/external_ids.hpp"

namespace pefa::io {

/// Adds a table, which must live, unchanged, until the archive is written.
/// @param prefix  of the two sections' keys: "passages.ids."
inline void add_ids(ArchiveWriter& writer, const std::string& prefix, const ExternalIds& ids) {
  std::vector<std::uint64_t> starts{0};
  starts.reserve(ids.size() + 1);
  for (std::size_t row = 0; row < ids.size(); ++row) starts.push_back(starts.back() + ids[row].size());
  const auto bytes = static_cast<std::size_t>(starts.back());
  writer.add(prefix + "text", std::span(ids.empty() ? nullptr : ids[0].data(), bytes));  // the ids are in one block
  writer.add(prefix + "starts", std::move(starts));
}

/// Reads a table, or nothing where the archive has none under this prefix. Copies it, and finds rows by id again.
/// @throws FormatError  sections that do not belong together, an id that is empty or there twice
[[nodiscard]] inline std::optional<ExternalIds> read_ids(const ArchiveReader& reader, const std::string& prefix) {
  const auto starts = reader.find_section<std::uint64_t>(prefix + "starts");
  if (!starts) return std::nullopt;
  const auto text = reader.section<char>(prefix + "text");
  if (starts->empty() || starts->front() != 0 || starts->back() != text.size()) {
    pefa::detail::fail<FormatError>(reader.name(), ": section '", prefix,
                                    "starts': expected ascending numbers from 0 to ", text.size());
  }
  ExternalIds ids;
  for (std::size_t row = 0; row + 1 < starts->size(); ++row) {
    const std::uint64_t begin = (*starts)[row];
    const std::uint64_t end = (*starts)[row + 1];
    if (begin >= end || end > text.size()) {
      pefa::detail::fail<FormatError>(reader.name(), ": section '", prefix, "starts': id ", row, " is bytes ", begin,
                                      " to ", end, " of ", text.size(), ", expected at least one");
    }
    const std::string_view id(text.data() + begin, static_cast<std::size_t>(end - begin));
    const auto [owner, inserted] = ids.insert(id);
    if (!inserted) {
      pefa::detail::fail<FormatError>(reader.name(), ": '", prefix, "': rows ", owner, " and ", row,
                                      " have the same id '", id, "'");
    }
  }
  ids.shrink_to_fit();
  return ids;
}

/// The ids that a retriever's passages were saved with, or nothing. @throws FormatError  as above, or another number of
/// ids than of passages
[[nodiscard]] inline std::optional<ExternalIds> read_passage_ids(const ArchiveReader& reader) {
  auto ids = read_ids(reader, "passages.ids.");
  if (ids && static_cast<std::int64_t>(ids->size()) != reader.metadata().integer("passages")) {
    pefa::detail::fail<FormatError>(reader.name(), ": has ", ids->size(), " passage ids for ",
                                    reader.metadata().integer("passages"), " passages");
  }
  return ids;
}

}  // namespace pefa::io
