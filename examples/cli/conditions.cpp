#include "conditions.hpp"

#include <CLI/CLI.hpp>
#include <utility>
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
  command.add_option("--train-where", train_where_, "XL: only training queries whose tags say so vote, as --where")
      ->group(groups::search);
}

std::optional<Admitted> Conditions::admitted(const io::RowIds& ids, const TagsOf& tags, const std::string& name) const {
  if (filter_.empty() && where_.empty() && train_where_.empty()) return std::nullopt;
  RowSet rows = filter_.empty() ? RowSet::all(ids.size()) : read_rows(filter_, ids);
  if (!where_.empty()) {
    if (tags.passages == nullptr) {
      throw ValueError("--where: " + name + " has no tags; --tags of pefa build or pefa eval gives them");
    }
    rows = rows & rows_where(*tags.passages, where_);
  }
  Admitted admitted{PassageSet(std::move(rows)), std::nullopt};
  if (!train_where_.empty()) {
    if (tags.training_queries == nullptr) {
      throw ValueError("--train-where: " + name +
                       " has no tags of training queries; pefa build --train-query-tags gives them to xl");
    }
    admitted.training_queries = QuerySet(rows_where(*tags.training_queries, train_where_));
  }
  return admitted;
}

std::optional<Admitted> Conditions::admitted(const AnyRetriever& retriever, const std::string& name) const {
  return admitted(rows_by(retriever.ids(), retriever.passage_count()), {retriever.tags(), retriever.query_tags()},
                  name);
}

RelevanceMatrix admitted_part(const RelevanceMatrix& relevance, const PassageSet& admitted) {
  RelevanceMatrix::Sparse kept = relevance.sparse();
  kept.prune([&](Eigen::Index, Eigen::Index passage, float) {
    return admitted.contains(PassageId(static_cast<Row>(passage)));
  });
  return RelevanceMatrix::from_eigen(kept);
}

}  // namespace pefa::cli
