#include "conditions.hpp"

#include <CLI/CLI.hpp>
#include <string_view>
#include <vector>

#include "data_files.hpp"
#include "interrupt.hpp"
#include "option_groups.hpp"
#include "pefa/core/error.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/tags/jsonl_tags.hpp"
#include "pefa/io/tags/tag_lines.hpp"
#include "pefa/store/tag_condition.hpp"

namespace pefa::cli {
namespace {

/// The rows that a file lists, one a line.
RowSet read_rows(const std::filesystem::path& path, const io::RowIds& ids) {
  require_file(path);
  const EndAtOnce reading;
  io::detail::LineReader lines(path);
  std::vector<Row> rows;
  while (lines.next()) {
    const auto row = ids.find(lines.line());
    if (!row && ids.has_table()) lines.refuse("there is no passage '", lines.line(), "'");
    rows.push_back(row ? *row : lines.parse_row(lines.line(), "passage", ids.size()));
  }
  return RowSet::of(rows, ids.size());
}

}  // namespace

TagTable read_tags_file(const std::filesystem::path& path, const io::RowIds& rows) {
  require_file(path);
  const EndAtOnce reading;
  const bool json = path.extension() == ".jsonl" || path.extension() == ".ndjson";
  return json ? io::read_jsonl_tags(path, rows) : io::read_tag_lines(path, rows);
}

void Conditions::add_options(CLI::App& command) {
  command
      .add_option("--filter", filter_,
                  "search only these passages: ids, one a line; row numbers where the archive has none")
      ->group(groups::search);
  command
      .add_option("--where", where_,
                  "search only passages whose tags say so: 'lang=en & price<=20 & !(seller in (7,8))'")
      ->group(groups::search);
}

std::optional<PassageSet> Conditions::passages(const io::RowIds& ids, const TagTable* tags,
                                               const std::string& name) const {
  if (!any()) return std::nullopt;
  RowSet admitted = filter_.empty() ? RowSet::all(ids.size()) : read_rows(filter_, ids);
  if (!where_.empty()) {
    if (tags == nullptr) throw ValueError("--where: " + name + " has no tags; give them to pefa build by --tags");
    admitted = admitted & rows_where(*tags, where_);
  }
  return PassageSet(admitted);
}

}  // namespace pefa::cli
