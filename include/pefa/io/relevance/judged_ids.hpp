// pefa: which queries and passages a file of judgements names, for whoever has no table of them: runs name only what
// was found, and recall counts what was not, too.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "pefa/core/error.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/relevance/beir_qrels.hpp"
#include "pefa/io/relevance/judgements.hpp"
#include "pefa/io/relevance/pairs.hpp"
#include "pefa/io/relevance/qrels.hpp"
#include "pefa/io/relevance/relevance_file.hpp"

namespace pefa::io {

/// The ids of a file of judgements.
struct JudgedIds {
  ExternalIds queries;   ///< in the order in which they first come
  ExternalIds passages;  ///< so too
};

/// Calls visit(query id, passage id, weight) for every line of a file of pairs, qrels or BEIR's qrels, in their order,
/// repeated ones and those of weight 0 too.
///
/// @param format  by default, what the extension says
/// @throws ValueError  a format that has no ids but row numbers, or an unknown extension
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line that is no judgement, or has an empty id; no line at all; names the line
template <class Visit>
void for_each_judgement(const std::filesystem::path& path, std::optional<RelevanceFormat> format, const Visit& visit) {
  const RelevanceFormat known = format ? *format : relevance_format_of(path);
  const bool is_list =
      known == RelevanceFormat::tsv || known == RelevanceFormat::qrels || known == RelevanceFormat::beir;
  if (!is_list) {
    pefa::detail::fail<ValueError>(path.string(), ": ", name(known),
                                   " files have rows and no ids, expected tsv, qrels or beir");
  }
  const detail::JudgementFormat& lines_of = known == RelevanceFormat::tsv     ? detail::pairs_format
                                            : known == RelevanceFormat::qrels ? detail::qrels_format
                                                                              : detail::beir_format;
  detail::LineReader lines(path);
  bool is_first = true;
  bool has_any = false;
  while (lines.next()) {
    const bool is_header = known == RelevanceFormat::beir && is_first && lines.line() == detail::beir_header;
    is_first = false;
    if (is_header) continue;
    const detail::JudgementFields fields = lines_of.split(lines);
    if (fields.query.empty()) lines.refuse("the query is empty");
    if (fields.passage.empty()) lines.refuse("the passage is empty");
    visit(fields.query, fields.passage, fields.weight ? lines_of.weight(lines, *fields.weight) : 1.0f);
    has_any = true;
  }
  if (has_any) return;
  pefa::detail::fail<FormatError>(lines.name(), ": has no ", lines_of.noun, ", expected at least one");
}

/// Reads the ids of such a file; read_relevance() with them then reads Y. Errors as above.
[[nodiscard]] inline JudgedIds read_judged_ids(const std::filesystem::path& path,
                                               std::optional<RelevanceFormat> format = std::nullopt) {
  JudgedIds ids;
  for_each_judgement(path, format, [&](std::string_view query, std::string_view passage, float) {
    (void)ids.queries.insert(query);
    (void)ids.passages.insert(passage);
  });
  return ids;
}

}  // namespace pefa::io
