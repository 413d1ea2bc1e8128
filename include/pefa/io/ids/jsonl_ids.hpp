// pefa: external ids from JSON lines, one object a line with its id under "_id" (as BEIR has it) or "id".
//
// Needs nlohmann-json, so pefa.hpp does not include it. Every line is checked as JSON as it streams by; nothing of it
// but the id is kept.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "pefa/core/error.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/ids/external_ids.hpp"

namespace pefa::io {

namespace detail {

/// Takes the events of one JSON line and keeps the ids of its outermost object.
class JsonIdHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("a boolean"); }
  bool number_integer(number_integer_t number) override { return value("an integer", std::to_string(number)); }
  bool number_unsigned(number_unsigned_t number) override { return value("an integer", std::to_string(number)); }
  bool number_float(number_float_t, const string_t&) override { return value("a number that is no 64-bit integer"); }
  bool string(string_t& text) override { return value("a string", text); }
  bool binary(binary_t&) override { return value("binary"); }
  bool start_object(std::size_t) override { return open("an object"); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open("an array"); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    wanted_ = nullptr;
    if (depth_ != 1) return true;
    wanted_ = name == "_id" ? &underscored_ : name == "id" ? &plain_ : nullptr;
    return wanted_ == nullptr || wanted_->type == nullptr || fail("has \"" + name + "\" twice");
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return fail("is not JSON: the error is at byte " + std::to_string(position) + " of the line");
  }

  /// The value of "_id" where it is there, else of "id"; without one, problem() says why.
  [[nodiscard]] std::optional<std::string> id() {
    const Value& value = underscored_.type != nullptr ? underscored_ : plain_;
    if (value.type == nullptr) fail("has neither \"_id\" nor \"id\"");
    if (value.type != nullptr && !value.text) {
      fail(std::string("has ") + value.type + " as its id, expected a string or an integer");
    }
    return value.text;
  }

  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  struct Value {
    const char* type = nullptr;  // null: the key is not there
    std::optional<std::string> text;
  };

  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  bool value(const char* type, std::optional<std::string> text = std::nullopt) {
    if (depth_ == 0) return fail(std::string("is ") + type + ", expected an object");
    if (wanted_ != nullptr) *wanted_ = {type, std::move(text)};
    wanted_ = nullptr;
    return true;
  }

  bool open(const char* type) {
    const bool outermost_object = depth_ == 0 && type == std::string_view("an object");
    if (!outermost_object && !value(type)) return false;
    ++depth_;
    return true;
  }

  bool close() {
    --depth_;
    return true;
  }

  std::size_t depth_ = 0;
  Value underscored_;
  Value plain_;
  Value* wanted_ = nullptr;  // whose value comes next
  std::string problem_;
};

}  // namespace detail

/// Reads the ids of JSON lines in file order: line i + 1 is the object of row i. An integer id becomes its digits.
///
/// @throws IoError  the file cannot be read
/// @throws FormatError  a line that is not a JSON object with one id, a blank line before the last, an id for the
/// second time, or no line at all; names the line
[[nodiscard]] inline ExternalIds read_jsonl_ids(const std::filesystem::path& path) {
  detail::LineReader lines(path);
  ExternalIds table;
  while (lines.next_row()) {
    lines.require_no_nul();
    detail::JsonIdHandler handler;
    const std::string_view line = lines.line();
    std::optional<std::string> id;
    if (nlohmann::json::sax_parse(line.begin(), line.end(), &handler)) id = handler.id();
    if (!id) lines.refuse(handler.problem());
    detail::insert_line_id(table, *id, lines);
  }
  if (table.empty()) pefa::detail::fail<FormatError>(lines.name(), ": has no lines, expected an object a line");
  table.shrink_to_fit();
  return table;
}

}  // namespace pefa::io
