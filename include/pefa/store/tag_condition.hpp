// pefa: the rows of a tag table that a condition holds for.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/store/row_set.hpp"
#include "pefa/store/tag_expression.hpp"
#include "pefa/store/tag_table.hpp"

namespace pefa {

namespace detail {

/// Evaluates conditions over one table.
class TagMatcher {
 public:
  explicit TagMatcher(const TagTable& tags) : tags_(tags) {}

  [[nodiscard]] RowSet rows(const TagExpression& expression) const {
    require_whole(expression);
    switch (expression.kind) {
      case TagExpression::Kind::comparison: return compared(expression);
      case TagExpression::Kind::not_of: return ~rows(expression.parts.front());
      case TagExpression::Kind::all_of:
      case TagExpression::Kind::any_of: break;
    }
    const bool is_all = expression.kind == TagExpression::Kind::all_of;
    RowSet joined = rows(expression.parts.front());
    for (std::size_t i = 1; i < expression.parts.size(); ++i) {
      const RowSet part = rows(expression.parts[i]);
      joined = is_all ? joined & part : joined | part;
    }
    return joined;
  }

 private:
  /// What no text is parsed to, but a host may make. @throws ValueError
  static void require_whole(const TagExpression& expression) {
    const bool is_comparison = expression.kind == TagExpression::Kind::comparison;
    if (is_comparison ? expression.values.empty() : expression.parts.empty()) {
      fail<ValueError>("tag expression: column ", expression.key.column, ": a condition has no ",
                       is_comparison ? "value" : "part", ", expected at least 1");
    }
  }

  /// Values of a key: the first, and one past the last.
  using ValueRange = std::pair<std::size_t, std::size_t>;

  [[nodiscard]] RowSet compared(const TagExpression& expression) const {
    const TagKey& key = key_of(expression.key);
    if (expression.comparison == TagOperator::not_equal) return ~union_of(key, {equal_to(key, expression.values[0])});
    if (expression.comparison == TagOperator::equal || expression.comparison == TagOperator::in) {
      std::vector<ValueRange> values;
      for (const TagWord& value : expression.values) values.push_back(equal_to(key, value));
      return union_of(key, values);
    }
    if (key.kind != TagKind::integer) {
      fail<ValueError>("tag expression: column ", expression.key.column, ": '", key.name, "' is text, and '",
                       name(expression.comparison), "' compares integers; text has =, != and in");
    }
    return union_of(key, {numbers(key, expression.comparison, integer_of(key, expression.values[0]))});
  }

  [[nodiscard]] const TagKey& key_of(const TagWord& word) const {
    if (const TagKey* key = tags_.find(word.text)) return *key;
    constexpr std::size_t most_listed = 20;
    std::string known;
    for (const TagKey& key : tags_.keys().first(std::min(tags_.keys().size(), most_listed))) {
      known += (known.empty() ? "" : ", ") + std::string(key.name);
    }
    if (tags_.keys().size() > most_listed) known += ", ...";
    fail<ValueError>("tag expression: column ", word.column, ": there is no tag '", word.text, "', expected ",
                     known.empty() ? "none: there are no tags" : known);
  }

  [[nodiscard]] static std::int64_t integer_of(const TagKey& key, const TagWord& word) {
    std::int64_t number = 0;
    const char* const end = word.text.data() + word.text.size();
    const auto [stop, error] = std::from_chars(word.text.data(), end, number);
    if (error == std::errc{} && stop == end) return number;
    fail<ValueError>("tag expression: column ", word.column, ": '", key.name, "' is of integers, expected one, got '",
                     word.text, error == std::errc::result_out_of_range ? "', which has more than 64 bits" : "'");
  }

  [[nodiscard]] ValueRange equal_to(const TagKey& key, const TagWord& word) const {
    if (key.kind == TagKind::integer) {
      const std::int64_t number = integer_of(key, word);
      return tags_.find_numbers(key, number, number);
    }
    const auto found = tags_.find_text(key, word.text);
    return found ? ValueRange(*found, *found + 1) : ValueRange(0, 0);  // a value that no row has is no error
  }

  [[nodiscard]] ValueRange numbers(const TagKey& key, TagOperator comparison, std::int64_t bound) const {
    constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    switch (comparison) {
      case TagOperator::at_most: return tags_.find_numbers(key, least, bound);
      case TagOperator::at_least: return tags_.find_numbers(key, bound, most);
      case TagOperator::less: return bound == least ? ValueRange(0, 0) : tags_.find_numbers(key, least, bound - 1);
      default: return bound == most ? ValueRange(0, 0) : tags_.find_numbers(key, bound + 1, most);
    }
  }

  /// The rows that have one of these values.
  [[nodiscard]] RowSet union_of(const TagKey& key, const std::vector<ValueRange>& values) const {
    if (values.size() == 1) {
      const auto [begin, end] = values.front();
      const std::span<const Row> rows = tags_.rows_of(key, begin, end);
      // One value's rows are a set as they lie in the table.
      if (end - begin == 1) return RowSet::over(RowSetForm::listed, rows, {}, tags_.size(), tags_.owner());
      return RowSet::of(rows, tags_.size());
    }
    std::vector<Row> rows;
    for (const auto& [begin, end] : values) {
      const std::span<const Row> of_value = tags_.rows_of(key, begin, end);
      rows.insert(rows.end(), of_value.begin(), of_value.end());
    }
    return RowSet::of(rows, tags_.size());
  }

  const TagTable& tags_;
};

}  // namespace detail

/// The rows that a condition holds for.
///
/// A comparison holds for a row that has a value for which it does; a row without the key is in none but `!=`, which
/// is the opposite of `=`: the rows that do not have the value. A value that no row has is no error.
///
/// @throws ValueError  a key that the table does not have, an integer compared with something else, text with < or its
/// like; names the column
/// O(rows that the comparisons hold for), and a bit a row where those are many.
[[nodiscard]] inline RowSet rows_where(const TagTable& tags, const TagExpression& expression) {
  return detail::TagMatcher(tags).rows(expression);
}

/// The same of an expression as text. @throws ValueError  as above, or it is no expression
[[nodiscard]] inline RowSet rows_where(const TagTable& tags, std::string_view expression) {
  return rows_where(tags, TagExpression::parse(expression));
}

}  // namespace pefa
