// pefa: relevance judgements in TREC's qrels format: "query iteration passage grade", blank-separated, in and out.
//
// Queries and passages are row numbers, counted from 0, or ids of a table. A grade of 0 means judged and not relevant,
// and is left out of Y; a negative grade (junk, in some tracks) is treated as 0.
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

[[nodiscard]] inline JudgementFields split_qrel(const LineReader& lines) {
  const std::vector<std::string_view> fields = split_blank(lines.line());
  if (fields.size() != 4) {
    lines.refuse("has ", fields.size(), " fields, expected 4: query, iteration, passage, grade",
                 separator_hint(lines.line(), fields.size(), "blanks"));
  }
  return {fields[0], fields[2], fields[3]};
}

inline constexpr JudgementFormat qrels_format{"judgements", &split_qrel, &parse_grade};

[[nodiscard]] inline std::string qrels_id(const RowIds& ids, Row row, const std::filesystem::path& path) {
  std::string id = ids.text(row);
  if (has_whitespace(id)) {
    pefa::detail::fail<ValueError>(path.string(), ": id '", id, "' has white space in it, which separates fields here");
  }
  return id;
}

}  // namespace detail

/// Reads a qrels file into Y [queries.size() x passages.size()], its grades as weights.
///
/// @param queries  what the first field is: a row number below a number, or an id of a table; so `passages`
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line that is not a judgement, or a file without judgements; names the line
/// @throws UnknownRow  a query or passage that has no row, where those are refused; names the line
[[nodiscard]] inline Judgements read_qrels(const std::filesystem::path& path, const RowIds& queries,
                                           const RowIds& passages, UnknownId unknown = UnknownId::refuse,
                                           DuplicatePolicy duplicates = DuplicatePolicy::last) {
  detail::LineReader lines(path);
  return detail::read_judgements(lines, detail::qrels_format, queries, passages, unknown, duplicates);
}

/// Reads qrels of row numbers into Y [n_queries x n_passages]. Errors as above.
[[nodiscard]] inline RelevanceMatrix read_qrels(const std::filesystem::path& path, std::size_t n_queries,
                                                std::size_t n_passages,
                                                DuplicatePolicy duplicates = DuplicatePolicy::last) {
  return read_qrels(path, RowIds(n_queries), RowIds(n_passages), UnknownId::refuse, duplicates).relevance;
}

/// Writes Y as qrels, "query 0 passage grade", by query: row numbers as ids, or those of the tables.
///
/// @throws ShapeError  a table with fewer ids than Y has rows or columns
/// @throws ValueError  a weight that is not a whole number (trec_eval would cut it off), an id with white space
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
inline void write_qrels(const std::filesystem::path& path, const RelevanceMatrix& relevance,
                        const RowIds& queries = RowIds(), const RowIds& passages = RowIds(),
                        const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  detail::for_each_entry(relevance, [&](Row query, Row passage, float weight) {
    file.stream() << detail::qrels_id(queries, query, path) << " 0 " << detail::qrels_id(passages, passage, path) << ' '
                  << detail::whole_grade(weight, path, query, passage) << '\n';
  });
  file.commit();
}

}  // namespace pefa::io
