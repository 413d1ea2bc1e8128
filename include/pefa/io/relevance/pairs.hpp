// pefa: relevance pairs as tab-separated text: query row, passage row and, where it is not 1, a weight. Rows count from
// 0.
#pragma once

#include <cstddef>
#include <filesystem>
#include <ostream>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

/// Reads "query<TAB>passage[<TAB>weight]" lines, without a header, into Y [n_queries x n_passages]. Blank lines are
/// passed over.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line that is not such a pair, an id out of range, or a file without pairs; names the line
[[nodiscard]] inline RelevanceMatrix read_pairs(const std::filesystem::path& path, std::size_t n_queries,
                                                std::size_t n_passages,
                                                DuplicatePolicy duplicates = DuplicatePolicy::sum) {
  detail::LineReader reader(path);
  std::vector<RelevancePair> pairs;
  while (reader.next()) {
    const std::vector<std::string_view> fields = detail::split(reader.line(), '\t');
    if (fields.size() != 2 && fields.size() != 3) {
      reader.refuse("has ", fields.size(), " tab-separated fields, expected query, passage and an optional weight");
    }
    RelevancePair pair{QueryId(reader.parse_row(fields[0], "query", n_queries)),
                       PassageId(reader.parse_row(fields[1], "passage", n_passages))};
    if (fields.size() == 3) pair.weight = reader.parse_weight(fields[2], "weight");
    pairs.push_back(pair);
  }
  if (pairs.empty()) pefa::detail::fail<FormatError>(reader.name(), ": has no pairs, expected at least one");
  return RelevanceMatrix::from_pairs(pairs, n_queries, n_passages, duplicates);
}

/// Writes Y as "query<TAB>passage<TAB>weight" lines that read_pairs() brings back exactly.
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
inline void write_pairs(const std::filesystem::path& path, const RelevanceMatrix& relevance,
                        const StopCheck& stop = {}) {
  OutputFile file(path, stop);
  std::ostream& out = file.stream();
  out.precision(9);  // a float32 survives nine significant digits
  for (Row query = 0; query < relevance.rows(); ++query) {
    const RelevanceMatrix::Entries entries = relevance.passages_of(QueryId(query));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      out << query << '\t' << entries.columns[i] << '\t' << entries.weights[i] << '\n';
    }
  }
  file.commit();
}

}  // namespace pefa::io
