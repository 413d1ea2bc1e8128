// pefa: the relevance judgements of a BEIR data set: qrels/<split>.tsv, tab-separated under the header line
// "query-id<TAB>corpus-id<TAB>score".
//
// BEIR (Thakur et al., NeurIPS 2021) names its texts by string ids: beir_folder.hpp reads those from its JSON lines.
#pragma once

#include <cstddef>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/relevance/judgements.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

namespace detail {

[[nodiscard]] inline JudgementFields split_beir_qrel(const LineReader& lines) {
  const std::vector<std::string_view> fields = split(lines.line(), '\t');
  if (fields.size() != 3) {
    lines.refuse("has ", fields.size(), " tab-separated fields, expected 3: query, passage, score",
                 separator_hint(lines.line(), fields.size(), "tabs"));
  }
  return {fields[0], fields[1], fields[2]};
}

inline constexpr JudgementFormat beir_format{"judgements", &split_beir_qrel, &parse_grade};

}  // namespace detail

/// Reads a BEIR qrels file into Y [queries.size() x passages.size()], its scores as weights; a score of 0 or below is
/// judged and not relevant, and left out.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  no header line, a line that is not a judgement, or no judgements; names the line
/// @throws UnknownRow  a query or passage that has no row, where those are refused; names the line
[[nodiscard]] inline Judgements read_beir_qrels(const std::filesystem::path& path, const RowIds& queries,
                                                const RowIds& passages, UnknownId unknown = UnknownId::refuse,
                                                DuplicatePolicy duplicates = DuplicatePolicy::last) {
  detail::LineReader lines(path);
  if (!lines.next()) pefa::detail::fail<FormatError>(lines.name(), ": is empty, expected a BEIR qrels file");
  if (lines.line() != detail::beir_header) lines.refuse("expected the header line query-id<TAB>corpus-id<TAB>score");
  return detail::read_judgements(lines, detail::beir_format, queries, passages, unknown, duplicates);
}

/// Writes Y as a BEIR qrels file, by query: row numbers as ids, or those of the tables.
///
/// @throws ShapeError  a table with fewer ids than Y has rows or columns
/// @throws ValueError  a weight that is not a whole number (BEIR's scores are), an id with a tab or a line break
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
inline void write_beir_qrels(const std::filesystem::path& path, const RelevanceMatrix& relevance,
                             const RowIds& queries = RowIds(), const RowIds& passages = RowIds(),
                             const StopCheck& stop = {}) {
  const auto text = [&path](const RowIds& ids, Row row) {
    std::string id = ids.text(row);
    if (id.find_first_of("\t\n\r") != std::string::npos) {
      pefa::detail::fail<ValueError>(path.string(), ": id '", id, "' has a tab or a line break in it");
    }
    return id;
  };
  OutputFile file(path, stop);
  file.stream() << "query-id\tcorpus-id\tscore\n";
  detail::for_each_entry(relevance, [&](Row query, Row passage, float weight) {
    file.stream() << text(queries, query) << '\t' << text(passages, passage) << '\t'
                  << detail::whole_grade(weight, path, query, passage) << '\n';
  });
  file.commit();
}

}  // namespace pefa::io
