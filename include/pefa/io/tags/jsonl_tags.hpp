// pefa: tags from JSON lines, one object a line: {"passage": 17, "lang": "en", "price": 20, "colour": ["red", "blue"]}.
//
// Needs nlohmann-json, so pefa.hpp does not include it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/tags/tag_lines.hpp"
#include "pefa/store/tag_table.hpp"
#include "pefa/store/tag_table_builder.hpp"

namespace pefa::io {

namespace detail {

/// The tags of one line, kept until its id is known.
struct LineTags {
  struct Tag {
    std::string key;
    std::string text;
    std::int64_t number;
    TagKind kind;
  };

  std::string row;
  std::vector<Tag> tags;

  void add_text(const std::string& key, const std::string& value) { tags.push_back({key, value, 0, TagKind::text}); }
  void add_integer(const std::string& key, std::int64_t value) { tags.push_back({key, {}, value, TagKind::integer}); }
};

/// Takes the tags of one line's JSON as it streams by: a flat object whose values are texts, integers, true, false,
/// null or lists of those.
class JsonTagHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit JsonTagHandler(LineTags& found) : found_(found) {}

  bool null() override { return in_object("null") && (!is_id_ || fail("has null as its id")); }
  bool boolean(bool value) override { return in_object("a boolean") && text(value ? "true" : "false", true); }
  bool number_integer(number_integer_t number) override {
    return in_object("a number") && (is_id_ ? id(std::to_string(number)) : integer(number));
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (!in_object("a number")) return false;
    if (is_id_) return id(std::to_string(number));
    if (number > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      return fail("'" + key_ + "' has more than 64 bits");
    }
    return integer(static_cast<std::int64_t>(number));
  }
  bool number_float(number_float_t, const string_t& written) override {
    return in_object("a number") && fail("'" + key_ + "' is " + written + ", expected text or a whole number");
  }
  bool string(string_t& value) override { return in_object("a string") && text(value, false); }
  bool binary(binary_t&) override { return fail("has binary"); }
  bool start_object(std::size_t) override {
    if (depth_ > 0) return fail("'" + key_ + "' is an object, expected text, a whole number or a list of those");
    ++depth_;
    return true;
  }
  bool end_object() override {
    depth_ = 0;
    return has_id_ || fail(R"(has no id, expected "passage", "query", "_id" or "id")");
  }
  bool start_array(std::size_t) override {
    if (!in_object("an array")) return false;
    if (is_id_ || depth_ > 1)
      return fail("'" + key_ + "' is a list, expected " + (is_id_ ? "an id" : "one in no other"));
    ++depth_;
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(string_t& name) override {
    key_ = name;
    is_id_ = name == "passage" || name == "query" || name == "_id" || name == "id";
    return !is_id_ || !has_id_ || fail("has a second id, '" + key_ + "'");
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return fail("is not JSON: the error is at byte " + std::to_string(position) + " of the line");
  }

  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool in_object(const char* what) { return depth_ > 0 || fail(std::string("is ") + what + ", expected an object"); }
  bool id(const std::string& text) {
    has_id_ = true;
    found_.row = text;
    return true;
  }
  bool text(const std::string& value, bool is_boolean) {
    if (is_id_) return is_boolean ? fail("has a boolean as its id") : id(value);
    found_.add_text(key_, value);
    return true;
  }
  bool integer(std::int64_t value) {
    found_.add_integer(key_, value);
    return true;
  }

  LineTags& found_;
  std::size_t depth_ = 0;
  std::string key_;
  bool is_id_ = false;  // the value that comes next
  bool has_id_ = false;
  std::string problem_;
};

}  // namespace detail

/// Reads tags of JSON lines. A string is text, whatever it looks like; true and false are text; null is no value; a
/// list is several values. The row's id is under "passage", "query", "_id" or "id". Blank lines are passed over.
///
/// @param rows  what the id is: a row number below a number, or an id of a table
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line that is not such an object, an unknown row, a key with text and integers; names the line
[[nodiscard]] inline TagTable read_jsonl_tags(const std::filesystem::path& path, const RowIds& rows) {
  detail::LineReader lines(path);
  TagTableBuilder builder(rows.size());
  while (lines.next()) {
    lines.require_no_nul();
    detail::LineTags found;
    detail::JsonTagHandler handler(found);
    const std::string_view line = lines.line();
    if (!nlohmann::json::sax_parse(line.begin(), line.end(), &handler)) lines.refuse(handler.problem());
    const Row row = detail::tagged_row(lines, rows, found.row);
    detail::add_of_line(lines, [&] {
      for (const auto& tag : found.tags) {
        if (tag.kind == TagKind::text) {
          builder.add_text(row, tag.key, tag.text);
        } else {
          builder.add_integer(row, tag.key, tag.number);
        }
      }
    });
  }
  return detail::build_tags(builder, lines);
}

}  // namespace pefa::io
