// pefa: relevance judgements in TREC's qrels format: "query iteration passage grade", blank-separated.
//
// The ids are text in the format; here they must be row numbers, counted from 0. A grade of 0 means judged and not
// relevant, and is left out of Y; a negative grade (junk, in some tracks) is treated as 0.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

/// Reads a qrels file into Y [n_queries x n_passages], its grades as weights.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line that is not a judgement, an id out of range, or a file without judgements; names the
/// line
[[nodiscard]] inline RelevanceMatrix read_qrels(const std::filesystem::path& path, std::size_t n_queries,
                                                std::size_t n_passages,
                                                DuplicatePolicy duplicates = DuplicatePolicy::last) {
  detail::LineReader reader(path);
  std::vector<RelevancePair> pairs;
  while (reader.next()) {
    const std::vector<std::string_view> fields = detail::split_blank(reader.line());
    if (fields.size() != 4) {
      reader.refuse("has ", fields.size(), " fields, expected 4: query, iteration, passage, grade");
    }
    const bool negative = fields[3].starts_with('-');
    pairs.push_back({QueryId(reader.parse_row(fields[0], "query", n_queries)),
                     PassageId(reader.parse_row(fields[2], "passage", n_passages)),
                     negative ? 0.0f * reader.parse_weight(fields[3].substr(1), "grade")
                              : reader.parse_weight(fields[3], "grade")});
  }
  if (pairs.empty()) pefa::detail::fail<FormatError>(reader.name(), ": has no judgements, expected at least one");
  return RelevanceMatrix::from_pairs(pairs, n_queries, n_passages, duplicates);
}

}  // namespace pefa::io
