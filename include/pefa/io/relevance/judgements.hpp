// pefa: what the text formats that list judgements share: one a line, of a query and a passage, each by its row number
// or by an external id. pairs.hpp, qrels.hpp and beir_qrels.hpp say how a line is split.
//
// Judgements are often of more passages than a corpus holds: what an unknown id means is the caller's to say.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/quote_name.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/file/wrong_format.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::io {

/// What a judgement of a query or passage that has no row comes to.
enum class UnknownId {
  refuse,  ///< an UnknownRow that names the line
  skip     ///< it is left out, and counted
};

/// What a file of judgements came to.
struct Judgements {
  RelevanceMatrix relevance;         ///< Y [n_queries x n_passages]
  std::size_t unknown_queries = 0;   ///< judgements left out for their query
  std::size_t unknown_passages = 0;  ///< judgements of a known query left out for their passage
  Row lowest_query = 0;              ///< of all that were not left out; 1 on both sides: they may count from 1
  Row lowest_passage = 0;            ///< of the same
};

/// A judgement is of a query or a passage that has no row.
class UnknownRow : public FormatError {
 public:
  /// What has no row.
  enum class Side { query, passage };
  /// What is wrong with its id.
  enum class Why {
    not_a_number,  ///< a row number was expected, and it is something else
    out_of_range,  ///< a row number past the end
    unknown_id     ///< an id that the table does not have
  };

  /// @param message  what happened, with the line
  UnknownRow(const std::string& message, Side its_side, Why its_why)
      : FormatError(message), side_(its_side), why_(its_why) {}

  /// Whether it is the query or the passage.
  [[nodiscard]] Side side() const noexcept { return side_; }
  /// What is wrong with its id.
  [[nodiscard]] Why why() const noexcept { return why_; }

 private:
  Side side_;
  Why why_;
};

namespace detail {

/// One line in its parts, which are gone with the line.
struct JudgementFields {
  std::string_view query;
  std::string_view passage;
  std::optional<std::string_view> weight{};  ///< none: 1
};

/// How a format's lines are read.
struct JudgementFormat {
  const char* noun;                                                  ///< what a line is, in the plural
  JudgementFields (*split)(const LineReader& lines);                 ///< refuses what is no such line
  float (*weight)(const LineReader& lines, std::string_view field);  ///< refuses what is none
};

/// The line above the judgements of BEIR's qrels.
inline constexpr std::string_view beir_header = "query-id\tcorpus-id\tscore";

/// A finite grade; one below 0 (junk, in some tracks) is 0.
[[nodiscard]] inline float parse_grade(const LineReader& lines, std::string_view field) {
  if (!field.starts_with('-')) return lines.parse_weight(field, "grade");
  return 0.0f * lines.parse_weight(field.substr(1), "grade");
}

/// What the rest of a file says about why row numbers are out of range, or nothing.
/// @param pairs  those before the current line
[[nodiscard]] inline std::string range_hint(LineReader& lines, const JudgementFormat& format,
                                            const std::vector<RelevancePair>& pairs, std::size_t n_queries,
                                            std::size_t n_passages) {
  std::size_t lowest = RowIds().size();
  std::size_t most_query = 0;
  std::size_t most_passage = 0;
  const auto note = [&](Row query, Row passage) {
    lowest = std::min<std::size_t>({lowest, query, passage});
    most_query = std::max<std::size_t>(most_query, query);
    most_passage = std::max<std::size_t>(most_passage, passage);
  };
  for (const RelevancePair& pair : pairs) note(pair.query.row(), pair.passage.row());
  try {
    do {
      const JudgementFields fields = format.split(lines);
      const std::optional<Row> query = RowIds().find(fields.query);
      const std::optional<Row> passage = RowIds().find(fields.passage);
      if (!query || !passage) return {};
      note(*query, *passage);
    } while (lines.next());
  } catch (const Error&) {
    return {};  // of a file that is broken further on nothing is known
  }
  if (lowest > 0 && most_query <= n_queries && most_passage <= n_passages) {
    return "; there is no row 0 on either side: do they count from 1?";
  }
  if (most_query < n_passages && most_passage < n_queries) {
    return "; the other way round all are in range: are queries and passages swapped?";
  }
  return {};
}

/// Whether the line after the current one is a judgement of known rows.
[[nodiscard]] inline bool next_is_known(LineReader& lines, const JudgementFormat& format, const RowIds& queries,
                                        const RowIds& passages) {
  try {
    if (!lines.next()) return false;
    const JudgementFields fields = format.split(lines);
    return queries.find(fields.query) && passages.find(fields.passage);
  } catch (const Error&) {
    return false;
  }
}

/// Refuses the current line for its query or passage, with what the other lines say about it.
[[noreturn]] [[gnu::noinline, gnu::cold]] inline void refuse_row(LineReader& lines, const JudgementFormat& format,
                                                                 const RowIds& queries, const RowIds& passages,
                                                                 const std::vector<RelevancePair>& pairs,
                                                                 bool is_first) {
  using enum UnknownRow::Why;
  const JudgementFields fields = format.split(lines);
  const auto why_not = [](const RowIds& ids, std::string_view id) {
    return ids.has_table() ? unknown_id : RowIds().find(id) ? out_of_range : not_a_number;
  };
  const bool knows_query = queries.find(fields.query).has_value();
  const bool knows_passage = passages.find(fields.passage).has_value();
  const auto side = knows_query ? UnknownRow::Side::passage : UnknownRow::Side::query;
  const char* what = knows_query ? "passage" : "query";
  const RowIds& ids = knows_query ? passages : queries;
  const std::string_view id = knows_query ? fields.passage : fields.query;
  const UnknownRow::Why why = why_not(ids, id);
  std::string message = pefa::detail::join_message(lines.name(), ":", lines.number(), ": ");
  if (why == unknown_id) {
    message += pefa::detail::join_message(what, " ", quote_name(id), " is none of the ", ids.size(), " known ids");
  } else if (why == out_of_range) {
    message += pefa::detail::join_message(what, " ", id, " is out of range, expected below ", ids.size(),
                                          " (rows count from 0)");
  } else {
    message += pefa::detail::join_message("expected a ", what, " row number, got ", quote_name(id));
  }
  const bool words = !knows_query && !knows_passage && why_not(queries, fields.query) != out_of_range &&
                     why_not(passages, fields.passage) != out_of_range;
  if (why == out_of_range && !queries.has_table() && !passages.has_table()) {
    message += range_hint(lines, format, pairs, queries.size(), passages.size());
  } else if (is_first && words && next_is_known(lines, format, queries, passages)) {
    message += "; the line after it is a judgement: if this is a header line, remove it";
  }
  throw UnknownRow(message, side, why);
}

/// Y of the pairs of a file. @throws FormatError  weights of a pair that add up to more than a float holds
[[nodiscard]] inline RelevanceMatrix from_lines(const std::vector<RelevancePair>& pairs, std::size_t n_queries,
                                                std::size_t n_passages, DuplicatePolicy duplicates,
                                                const std::string& file) {
  try {
    return RelevanceMatrix::from_pairs(pairs, n_queries, n_passages, duplicates);
  } catch (const ValueError& error) {
    throw FormatError(file + ": " + error.what());
  }
}

/// Reads judgements from the next line to the end of the file.
/// @throws FormatError  a line that is none, a row that is unknown where those are refused, or no judgement at all
[[nodiscard]] inline Judgements read_judgements(LineReader& lines, const JudgementFormat& format, const RowIds& queries,
                                                const RowIds& passages, UnknownId unknown, DuplicatePolicy duplicates) {
  std::vector<RelevancePair> pairs;
  std::size_t unknown_queries = 0;
  std::size_t unknown_passages = 0;
  bool is_first = true;
  for (; lines.next(); is_first = false) {
    const JudgementFields fields = format.split(lines);
    const std::optional<Row> query = queries.find(fields.query);
    const std::optional<Row> passage = passages.find(fields.passage);
    if (unknown == UnknownId::refuse && !(query && passage)) {
      refuse_row(lines, format, queries, passages, pairs, is_first);
    }
    const float weight = fields.weight ? format.weight(lines, *fields.weight) : 1.0f;
    if (query && passage) pairs.push_back({QueryId(*query), PassageId(*passage), weight});
    if (!query) ++unknown_queries;
    if (query && !passage) ++unknown_passages;
  }
  if (is_first) {
    pefa::detail::fail<FormatError>(lines.name(), ": has no ", format.noun, ", expected at least one");
  }
  Judgements read{from_lines(pairs, queries.size(), passages.size(), duplicates, lines.name()), unknown_queries,
                  unknown_passages};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    read.lowest_query = i == 0 ? pairs[i].query.row() : std::min(read.lowest_query, pairs[i].query.row());
    read.lowest_passage = i == 0 ? pairs[i].passage.row() : std::min(read.lowest_passage, pairs[i].passage.row());
  }
  return read;
}

/// The grade of an entry of Y, for formats in which grades are whole.
[[nodiscard]] inline int whole_grade(float weight, const std::filesystem::path& path, Row query, Row passage) {
  if (weight != std::floor(weight) || weight > 1e9f) {
    pefa::detail::fail<ValueError>(path.string(), ": query row ", query, ", passage row ", passage, " has weight ",
                                   weight, ", expected a whole grade of at most 10^9; other weights fit in pairs");
  }
  return static_cast<int>(weight);
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
}  // namespace pefa::io
