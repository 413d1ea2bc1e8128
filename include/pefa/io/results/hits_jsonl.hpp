// pefa: results as JSON lines, one query a line: {"query": "q7", "hits": [{"passage": "p3", "score": 0.5}, ...]}.
//
// Ids are JSON strings, row numbers too. JSON is UTF-8: an id of other bytes is refused, as replacing them would make
// two ids one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/float_text.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/ids/external_ids.hpp"

namespace pefa::io {

namespace detail {

/// The length of the UTF-8 character that `text` starts with (RFC 3629: no overlong forms, no surrogates, nothing past
/// U+10FFFF); 0 where there is none.
[[nodiscard]] inline std::size_t utf8_length(std::string_view text) noexcept {
  const auto at = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                             : first >= 0xE0 && first <= 0xEF ? 3
                             : first >= 0xF0 && first <= 0xF4 ? 4
                                                              : 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && at(1) < 0xA0) || (first == 0xF0 && at(1) < 0x90);
  const bool surrogate = first == 0xED && at(1) >= 0xA0;
  const bool past_the_end = first == 0xF4 && at(1) >= 0x90;
  return overlong || surrogate || past_the_end ? 0 : length;
}

/// Appends text as a JSON string (RFC 8259, section 7). @throws ValueError  it is not UTF-8; names the byte
inline void append_json_string(std::string& out, std::string_view text, std::string_view where) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t length = utf8_length(text.substr(at));
    if (length == 0) {
      pefa::detail::fail<ValueError>(where, "'", text, "' is not UTF-8 at byte ", at, ", as JSON has to be");
    }
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += hex[static_cast<unsigned char>(c) >> 4];
      out += hex[static_cast<unsigned char>(c) & 0xF];
    } else {
      out += text.substr(at, length);
    }
    at += length;
  }
  out += '"';
}

}  // namespace detail

/// Writes one line a query, in order, queries without hits too. Scores have as many digits as bring a float32 back.
///
/// @param queries   of row numbers, or a table of results.size() ids
/// @param passages  of row numbers, or a table with an id for every hit
/// @throws ShapeError  another number of query ids, or too few passage ids
/// @throws ValueError  a score that is not finite, which JSON has no number for, or an id that is not UTF-8
/// @throws IoError  the file cannot be written  @throws Cancelled  `stop` said so
inline void write_hits_jsonl(const std::filesystem::path& path, const std::vector<std::vector<Hit>>& results,
                             const RowIds& queries = RowIds(), const RowIds& passages = RowIds(),
                             const StopCheck& stop = {}) {
  const std::string where = path.string() + ": ";
  detail::require_an_id_each(queries, results.size(), path);
  OutputFile file(path, stop);
  std::string line;
  for (std::size_t query = 0; query < results.size(); ++query) {
    line = "{\"query\": ";
    detail::append_json_string(line, queries.text(static_cast<Row>(query)), where);
    line += ", \"hits\": [";
    for (std::size_t rank = 0; rank < results[query].size(); ++rank) {
      const auto [passage, score] = results[query][rank];
      if (!pefa::detail::is_finite(score)) {
        pefa::detail::fail<ValueError>(where, "query ", query, ", hit ", rank, " has score ", score,
                                       ", expected a finite one");
      }
      line += rank > 0 ? ", {\"passage\": " : "{\"passage\": ";
      detail::append_json_string(line, passages.text(passage.row()), where);
      line += ", \"score\": " + detail::float_text(score) + '}';
    }
    line += "]}\n";
    file.stream() << line;
  }
  file.commit();
}

}  // namespace pefa::io
