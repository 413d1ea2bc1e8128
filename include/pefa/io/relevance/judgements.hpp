// pefa: relevance files whose ids are not row numbers: TREC qrels and pairs read through tables of external ids, and
// TREC qrels written.
//
// Judgements are often of more passages than a corpus holds: what an unknown id means is the caller's to say.
#pragma once

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

/// What a judgement of a query or passage that has no row comes to.
enum class UnknownId {
  refuse,  ///< a FormatError that names the line
  skip     ///< it is left out, and counted
};

/// What a file of judgements came to.
struct Judgements {
  RelevanceMatrix relevance;         ///< Y [n_queries x n_passages]
  std::size_t unknown_queries = 0;   ///< judgements left out for their query
  std::size_t unknown_passages = 0;  ///< judgements of a known query left out for their passage
};

namespace detail {

/// Gathers the judgements of one file.
class JudgementCollector {
 public:
  JudgementCollector(const LineReader& reader, RowIds queries, RowIds passages, UnknownId unknown)
      : reader_(reader), queries_(queries), passages_(passages), unknown_(unknown) {}

  /// The judgement on the reader's line.
  void add(std::string_view query, std::string_view passage, float weight) {
    ++judgements_;
    const std::optional<Row> query_row = find(queries_, query, "query", unknown_queries_);
    if (!query_row) return;
    const std::optional<Row> passage_row = find(passages_, passage, "passage", unknown_passages_);
    if (passage_row) pairs_.push_back({QueryId(*query_row), PassageId(*passage_row), weight});
  }

  [[nodiscard]] Judgements finish(DuplicatePolicy duplicates) const {
    if (judgements_ == 0) {
      pefa::detail::fail<FormatError>(reader_.name(), ": has no judgements, expected at least one");
    }
    return {RelevanceMatrix::from_pairs(pairs_, queries_.size(), passages_.size(), duplicates), unknown_queries_,
            unknown_passages_};
  }

 private:
  [[nodiscard]] std::optional<Row> find(const RowIds& ids, std::string_view id, const char* what,
                                        std::size_t& unknown) const {
    const std::optional<Row> row = ids.find(id);
    if (row) return row;
    if (unknown_ == UnknownId::refuse) {
      if (ids.has_table()) reader_.refuse(what, " '", id, "' is none of the ", ids.size(), " known ones");
      reader_.refuse(what, " '", id, "' is not a row number below ", ids.size());
    }
    ++unknown;
    return std::nullopt;
  }

  const LineReader& reader_;
  RowIds queries_;
  RowIds passages_;
  UnknownId unknown_;
  std::vector<RelevancePair> pairs_;
  std::size_t judgements_ = 0;
  std::size_t unknown_queries_ = 0;
  std::size_t unknown_passages_ = 0;
};

/// A finite grade; one below 0 (junk, in some tracks) is 0.
[[nodiscard]] inline float parse_grade(const LineReader& reader, std::string_view field) {
  if (!field.starts_with('-')) return reader.parse_weight(field, "grade");
  return 0.0f * reader.parse_weight(field.substr(1), "grade");
}

/// The grade of an entry of Y, for formats in which grades are whole.
[[nodiscard]] inline int whole_grade(float weight, const std::filesystem::path& path, Row query, Row passage) {
  if (weight != std::floor(weight) || weight > 1e9f) {
    pefa::detail::fail<ValueError>(path.string(), ": query row ", query, ", passage row ", passage, " has weight ",
                                   weight, ", expected a whole grade of at most 10^9; other weights fit in pairs");
  }
  return static_cast<int>(weight);
}

[[nodiscard]] inline std::string qrels_id(const RowIds& ids, Row row, const std::filesystem::path& path) {
  std::string id = ids.text(row);
  if (has_whitespace(id)) {
    pefa::detail::fail<ValueError>(path.string(), ": id '", id, "' has white space in it, which separates fields here");
  }
  return id;
}

/// Calls write(query, passage, weight) for every entry of Y, by query.
template <class Write>
void for_each_entry(const RelevanceMatrix& relevance, const Write& write) {
  for (Row query = 0; query < relevance.rows(); ++query) {
    const RelevanceMatrix::Entries entries = relevance.passages_of(QueryId(query));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      write(query, static_cast<Row>(entries.columns[i]), entries.weights[i]);
    }
  }
}

}  // namespace detail

/// Reads "query iteration passage grade" lines (qrels.hpp) whose ids are external into Y, its grades as weights.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line that is not a judgement, an unknown id where those are refused, or a file without
/// judgements; names the line
[[nodiscard]] inline Judgements read_qrels(const std::filesystem::path& path, const ExternalIds& queries,
                                           const ExternalIds& passages, UnknownId unknown = UnknownId::refuse,
                                           DuplicatePolicy duplicates = DuplicatePolicy::last) {
  detail::LineReader reader(path);
  detail::JudgementCollector judgements(reader, queries, passages, unknown);
  while (reader.next()) {
    const std::vector<std::string_view> fields = detail::split_blank(reader.line());
    if (fields.size() != 4) {
      reader.refuse("has ", fields.size(), " fields, expected 4: query, iteration, passage, grade");
    }
    judgements.add(fields[0], fields[2], detail::parse_grade(reader, fields[3]));
  }
  return judgements.finish(duplicates);
}

/// Reads "query<TAB>passage[<TAB>weight]" lines (pairs.hpp) whose ids are external into Y. Errors as in read_qrels().
[[nodiscard]] inline Judgements read_pairs(const std::filesystem::path& path, const ExternalIds& queries,
                                           const ExternalIds& passages, UnknownId unknown = UnknownId::refuse,
                                           DuplicatePolicy duplicates = DuplicatePolicy::sum) {
  detail::LineReader reader(path);
  detail::JudgementCollector judgements(reader, queries, passages, unknown);
  while (reader.next()) {
    const std::vector<std::string_view> fields = detail::split(reader.line(), '\t');
    if (fields.size() != 2 && fields.size() != 3) {
      reader.refuse("has ", fields.size(), " tab-separated fields, expected query, passage and an optional weight");
    }
    judgements.add(fields[0], fields[1], fields.size() == 3 ? reader.parse_weight(fields[2], "weight") : 1.0f);
  }
  return judgements.finish(duplicates);
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
