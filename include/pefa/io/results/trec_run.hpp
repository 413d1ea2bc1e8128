// pefa: rankings in TREC's run format, "query Q0 passage rank score tag", blank-separated, as trec_eval takes them.
//
// trec_eval looks at neither the rank nor the order of the lines: it sorts each query's passages by score, held as
// float32, descending, and equal scores by passage id as text, descending. So the scores written here descend strictly
// along each ranking: a score that does not lie below the one before it is lowered to the next float32 that does.
// Nine significant digits bring every float32 back.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/float_text.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/file/quote_name.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/ids/external_ids.hpp"

namespace pefa::io {

/// A run as it stands in a file, with the ids in it.
struct TrecRun {
  ExternalIds queries;                    ///< in the order in which they first come
  ExternalIds passages;                   ///< so too
  std::vector<std::vector<Hit>> results;  ///< one ranking a query, best first; passages are rows of `passages`
  std::string tag;                        ///< of the first line
};

namespace detail {

/// The scores of a ranking as trec_eval must see them.
/// @throws ValueError  a score that is not finite, higher than the one before, or with no float32 left below
[[nodiscard]] inline std::vector<float> strictly_descending(const std::vector<Hit>& hits, std::string_view where) {
  std::vector<float> scores(hits.size());
  for (std::size_t rank = 0; rank < hits.size(); ++rank) {
    const float score = hits[rank].score;
    if (!pefa::detail::is_finite(score)) {
      pefa::detail::fail<ValueError>(where, "hit ", rank, " has score ", score, ", expected a finite one");
    }
    if (rank > 0 && score > hits[rank - 1].score) {
      pefa::detail::fail<ValueError>(where, "hit ", rank, " has a higher score, ", score, ", than the one before, ",
                                     hits[rank - 1].score, "; expected the best first");
    }
    scores[rank] = score;
    if (rank > 0 && score >= scores[rank - 1]) {
      scores[rank] = std::nextafter(scores[rank - 1], -std::numeric_limits<float>::infinity());
      if (!pefa::detail::is_finite(scores[rank])) {
        pefa::detail::fail<ValueError>(where, "there is no float below hit ", rank);
      }
    }
  }
  return scores;
}

[[nodiscard]] inline std::string run_field(std::string text, std::string_view where, const char* what) {
  if (text.empty() || has_whitespace(text)) {
    pefa::detail::fail<ValueError>(where, what, " '", text, "' is empty or has white space in it, which separates ",
                                   "fields here");
  }
  return text;
}

/// A score as trec_eval reads it: a double, kept as float.
[[nodiscard]] inline float parse_run_score(const LineReader& reader, std::string_view field) {
  double score = 0.0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), score);
  if (error != std::errc{} || end != field.data() + field.size())
    reader.refuse("expected a score, got ", quote_name(field));
  if (!pefa::detail::is_finite(static_cast<float>(score))) {
    reader.refuse("score ", field, " is not a finite 32-bit float");
  }
  return static_cast<float>(score);
}

/// Calls add(query, passage, score) for every line and returns the first line's tag.
template <class Add>
[[nodiscard]] std::string read_run_lines(LineReader& reader, const Add& add) {
  std::optional<std::string> tag;
  while (reader.next()) {
    const std::vector<std::string_view> fields = split_blank(reader.line());
    if (fields.size() != 6) {
      reader.refuse("has ", fields.size(), " fields, expected 6: query, Q0, passage, rank, score, tag");
    }
    if (!tag) tag = fields[5];
    add(fields[0], fields[2], parse_run_score(reader, fields[4]));
  }
  if (!tag) pefa::detail::fail<FormatError>(reader.name(), ": has no hits, expected at least one");
  return *tag;
}

/// Puts each ranking in trec_eval's order.
inline void rank_as_trec_eval(std::vector<std::vector<Hit>>& results, const RowIds& queries, const RowIds& passages,
                              const std::string& name) {
  for (std::size_t query = 0; query < results.size(); ++query) {
    std::vector<Hit>& hits = results[query];
    std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.passage < b.passage; });
    const auto twice =
        std::adjacent_find(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.passage == b.passage; });
    if (twice != hits.end()) {
      pefa::detail::fail<FormatError>(name, ": query '", queries.text(static_cast<Row>(query)), "' has passage '",
                                      passages.text(twice->passage.row()), "' twice");
    }
    std::sort(hits.begin(), hits.end(), [&passages](const Hit& a, const Hit& b) {
      if (a.score != b.score) return a.score > b.score;
      return a.passage != b.passage && passages.text(a.passage.row()) > passages.text(b.passage.row());
    });
  }
}

}  // namespace detail

/// Writes one ranking a query, each best first, ranks from 1. A query without hits has no line: trec_eval leaves it out
/// of its means unless asked not to (-c).
///
/// @param results   [n_queries]
/// @param queries   of row numbers, or a table of results.size() ids
/// @param passages  of row numbers, or a table with an id for every hit
/// @param tag       the run's name
/// @throws ShapeError  another number of query ids, or too few passage ids
/// @throws ValueError  an id or a tag that is empty or has white space, a score that is not finite, hits that are not
/// best first
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
inline void write_trec_run(const std::filesystem::path& path, const std::vector<std::vector<Hit>>& results,
                           const RowIds& queries = RowIds(), const RowIds& passages = RowIds(),
                           const std::string& tag = "pefa", const StopCheck& stop = {}) {
  const std::string name = path.string() + ": ";
  const std::string last_field = detail::run_field(tag, name, "tag");
  detail::require_an_id_each(queries, results.size(), path);
  OutputFile file(path, stop);
  for (std::size_t query = 0; query < results.size(); ++query) {
    if (results[query].empty()) continue;
    const std::string query_id = detail::run_field(queries.text(static_cast<Row>(query)), name, "query id");
    const std::string where = name + "query " + query_id + ": ";
    const std::vector<float> scores = detail::strictly_descending(results[query], where);
    for (std::size_t rank = 0; rank < scores.size(); ++rank) {
      const Row passage = results[query][rank].passage.row();
      file.stream() << query_id << " Q0 " << detail::run_field(passages.text(passage), where, "passage id") << ' '
                    << rank + 1 << ' ' << detail::float_text(scores[rank]) << ' ' << last_field << '\n';
    }
  }
  file.commit();
}

/// Reads a run with the ids it has; each ranking in trec_eval's order, whatever that of the lines and their ranks.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line that is not a hit, a score that is no finite float32, no hit at all (names the line), or
/// a passage that a query has twice (names both)
[[nodiscard]] inline TrecRun read_trec_run(const std::filesystem::path& path) {
  detail::LineReader reader(path);
  TrecRun run;
  run.tag = detail::read_run_lines(reader, [&](std::string_view query, std::string_view passage, float score) {
    const auto [row, is_new] = run.queries.insert(query);
    if (is_new) run.results.emplace_back();
    run.results[row].push_back({PassageId(run.passages.insert(passage).first), score});
  });
  detail::rank_as_trec_eval(run.results, run.queries, run.passages, reader.name());
  return run;
}

/// Reads a run of known queries and passages: one ranking a query, empty where the file has none.
///
/// @param queries   a table, or the number of rows: RowIds(n_queries)
/// @param passages  so too
/// @throws as above, and FormatError  an id that is not known; names the line
[[nodiscard]] inline std::vector<std::vector<Hit>> read_trec_run(const std::filesystem::path& path,
                                                                 const RowIds& queries, const RowIds& passages) {
  if (queries.size() > std::numeric_limits<Row>::max()) {
    pefa::detail::fail<ShapeError>(path.string(), ": read for ", queries.size(), " queries, expected at most ",
                                   std::numeric_limits<Row>::max());
  }
  detail::LineReader reader(path);
  std::vector<std::vector<Hit>> results(queries.size());
  const auto row_of = [&reader](const RowIds& ids, std::string_view id, const char* what) {
    const std::optional<Row> row = ids.find(id);
    if (!row) reader.refuse(what, " '", id, "' is none of the ", ids.size(), " known ids");
    return *row;
  };
  (void)detail::read_run_lines(reader, [&](std::string_view query, std::string_view passage, float score) {
    const Row row = row_of(queries, query, "query");
    results[row].push_back({PassageId(row_of(passages, passage, "passage")), score});
  });
  detail::rank_as_trec_eval(results, queries, passages, reader.name());
  return results;
}

}  // namespace pefa::io
