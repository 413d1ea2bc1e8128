// pefa: relevance pairs as tab-separated text: query, passage and, where it is not 1, a weight. Queries and passages
// are row numbers, from 0, or ids of a table.
#pragma once

#include <cstddef>
#include <filesystem>
#include <ostream>
#include <string_view>
#include <vector>

#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/file/wrong_format.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/relevance/judgements.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

namespace detail {

/// "query<TAB>passage[<TAB>weight]".
[[nodiscard]] inline JudgementFields split_pair(const LineReader& lines) {
  const std::vector<std::string_view> fields = split(lines.line(), '\t');
  if (lines.line() == beir_header) {
    throw WrongFormat(pefa::detail::join_message(lines.name(), ":", lines.number(),
                                                 ": is the header line of BEIR's judgements: the format is beir"),
                      "beir");
  }
  if (fields.size() != 2 && fields.size() != 3) {
    lines.refuse("has ", fields.size(), " tab-separated fields, expected query, passage and an optional weight",
                 separator_hint(lines.line(), fields.size(), "tabs"));
  }
  if (fields.size() == 2) return {fields[0], fields[1]};
  return {fields[0], fields[1], fields[2]};
}

inline constexpr JudgementFormat pairs_format{
    "pairs", &split_pair,
    [](const LineReader& lines, std::string_view field) { return lines.parse_weight(field, "weight"); }};

}  // namespace detail

/// Reads "query<TAB>passage[<TAB>weight]" lines, without a header, into Y [queries.size() x passages.size()]. Blank
/// lines are passed over.
///
/// @param queries  what the first field is: a row number below a number, or an id of a table; so `passages`
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line that is not such a pair, or a file without pairs; names the line
/// @throws UnknownRow  a query or passage that has no row, where those are refused; names the line
[[nodiscard]] inline Judgements read_pairs(const std::filesystem::path& path, const RowIds& queries,
                                           const RowIds& passages, UnknownId unknown = UnknownId::refuse,
                                           DuplicatePolicy duplicates = DuplicatePolicy::sum) {
  detail::LineReader lines(path);
  return detail::read_judgements(lines, detail::pairs_format, queries, passages, unknown, duplicates);
}

/// Reads pairs of row numbers into Y [n_queries x n_passages]. Errors as above.
[[nodiscard]] inline RelevanceMatrix read_pairs(const std::filesystem::path& path, std::size_t n_queries,
                                                std::size_t n_passages,
                                                DuplicatePolicy duplicates = DuplicatePolicy::sum) {
  return read_pairs(path, RowIds(n_queries), RowIds(n_passages), UnknownId::refuse, duplicates).relevance;
}

/// Writes Y as "query<TAB>passage<TAB>weight" lines that read_pairs() brings back exactly.
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
inline void write_pairs(const std::filesystem::path& path, const RelevanceMatrix& relevance,
                        const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  std::ostream& out = file.stream();
  out.precision(9);  // a float32 survives nine significant digits
  detail::for_each_entry(relevance, [&out](Row query, Row passage, float weight) {
    out << query << '\t' << passage << '\t' << weight << '\n';
  });
  file.commit();
}

}  // namespace pefa::io
