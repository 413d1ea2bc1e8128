// pefa: a condition on tags as text, and what it says: "lang=en & price<=20 & !(seller=7)".
//
//   any    = all { "|" all }
//   all    = one { "&" one }
//   one    = "!" one | "(" any ")" | key operator value | key "in" "(" value { "," value } ")"
//
// An operator is = != < <= > >=. A key or value is a word, which ends at a blank or one of = ! < > & | ( ) , ' " or a
// text in single or double quotes, in which a backslash takes the next character as it is. What keys and values there
// are is for tag_condition.hpp to say.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/core/error.hpp"

namespace pefa {

/// How a tag's value is compared.
enum class TagOperator {
  equal,      ///< is this value
  not_equal,  ///< the opposite of equal
  less,       ///< of integers: below this one; so the next three
  at_most,    ///< this one or below
  greater,    ///< above
  at_least,   ///< this one or above
  in          ///< is one of these values
};
/// As expressions have them.
template <>
inline constexpr std::array enum_names<TagOperator>{"=", "!=", "<", "<=", ">", ">=", "in"};

/// A key or a value, and where it stands in the expression.
struct TagWord {
  std::string text{};      ///< without its quotes
  std::size_t column = 0;  ///< in characters, from 1
};

/// A condition: a comparison, or others joined.
struct TagExpression {
  /// What it is.
  enum class Kind {
    comparison,  ///< key, operator, values
    all_of,      ///< holds where all parts do
    any_of,      ///< holds where one of the parts does
    not_of       ///< holds where its one part does not
  };

  Kind kind = Kind::comparison;                 ///< which of the fields below it has
  TagWord key{};                                ///< of a comparison
  TagOperator comparison = TagOperator::equal;  ///< of a comparison
  std::vector<TagWord> values{};                ///< of a comparison: one, but for `in`
  std::vector<TagExpression> parts{};           ///< of what joins others

  /// Reads an expression. @throws ValueError  it is none; the message names the column
  [[nodiscard]] static TagExpression parse(std::string_view text);
};

namespace detail {

/// The column of a byte, in UTF-8 characters, from 1.
[[nodiscard]] inline std::size_t column_of(std::string_view text, std::size_t byte) noexcept {
  std::size_t column = 1;
  for (const char c : text.substr(0, byte)) column += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return column;
}

/// Reads one expression, by recursive descent.
class TagParser {
 public:
  explicit TagParser(std::string_view text) : text_(text) {}

  [[nodiscard]] TagExpression whole() {
    TagExpression expression = any();
    if (!at_end()) refuse("'&', '|' or the end");
    return expression;
  }

 private:
  static constexpr std::size_t most_nested = 200;  // what is recursive here and elsewhere stays far from a stack's end
  static constexpr std::string_view blanks = " \t\r\n";
  static constexpr std::string_view word_ends = " \t\r\n=!<>&|(),'\"";

  [[nodiscard]] TagExpression any() { return joined(TagExpression::Kind::any_of, '|', &TagParser::all); }
  [[nodiscard]] TagExpression all() { return joined(TagExpression::Kind::all_of, '&', &TagParser::one); }

  [[nodiscard]] TagExpression joined(TagExpression::Kind kind, char sign, TagExpression (TagParser::*part)()) {
    TagExpression first = (this->*part)();
    if (!next_is(sign)) return first;
    TagExpression all{.kind = kind};
    all.parts.push_back(std::move(first));
    while (take(sign)) all.parts.push_back((this->*part)());
    return all;
  }

  [[nodiscard]] TagExpression one() {
    if (next_is('!') || next_is('(')) {
      if (++depth_ > most_nested) {
        fail<ValueError>("tag expression: column ", column(), ": nested more than ", most_nested, " deep");
      }
      TagExpression expression;
      if (take('!')) {
        expression.kind = TagExpression::Kind::not_of;
        expression.parts.push_back(one());
      } else {
        (void)take('(');
        expression = any();
        if (!take(')')) refuse("')'");
      }
      --depth_;
      return expression;
    }
    TagExpression comparison{.key = word("a key, '!' or '('")};
    comparison.comparison = operation();
    if (comparison.comparison != TagOperator::in) {
      comparison.values.push_back(word("a value"));
      return comparison;
    }
    if (!take('(')) refuse("'('");
    do {
      comparison.values.push_back(word("a value"));
    } while (take(','));
    if (!take(')')) refuse("',' or ')'");
    return comparison;
  }

  [[nodiscard]] TagOperator operation() {
    skip_blanks();
    const std::string_view rest = text_.substr(at_);
    // The longer ones first.
    for (const auto sign : {TagOperator::not_equal, TagOperator::at_most, TagOperator::at_least, TagOperator::equal,
                            TagOperator::less, TagOperator::greater}) {
      const std::string_view spelled = name(sign);
      if (!rest.starts_with(spelled)) continue;
      at_ += spelled.size();
      return sign;
    }
    if (rest.starts_with("in") && (rest.size() == 2 || word_ends.find(rest[2]) != std::string_view::npos)) {
      at_ += 2;
      return TagOperator::in;
    }
    refuse("= != < <= > >= or in");
  }

  [[nodiscard]] TagWord word(const char* expected) {
    skip_blanks();
    TagWord word{.column = column()};
    if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')) {
      word.text = quoted();
      return word;
    }
    const std::size_t end = std::min(text_.find_first_of(word_ends, at_), text_.size());
    if (end == at_) refuse(expected);
    word.text = text_.substr(at_, end - at_);
    at_ = end;
    return word;
  }

  [[nodiscard]] std::string quoted() {
    const std::size_t begin = at_;
    const char quote = text_[at_++];
    std::string inner;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      inner += text_[at_];
    }
    if (at_ == text_.size()) {
      fail<ValueError>("tag expression: column ", column_of(text_, begin), ": the quote ", quote, " is not closed");
    }
    ++at_;
    return inner;
  }

  void skip_blanks() noexcept { at_ = std::min(text_.find_first_not_of(blanks, at_), text_.size()); }
  [[nodiscard]] bool at_end() noexcept {
    skip_blanks();
    return at_ == text_.size();
  }
  [[nodiscard]] bool next_is(char sign) noexcept { return !at_end() && text_[at_] == sign; }
  [[nodiscard]] bool take(char sign) noexcept {
    if (!next_is(sign)) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] std::size_t column() const noexcept { return column_of(text_, at_); }

  [[noreturn]] void refuse(const char* expected) {
    skip_blanks();
    const std::size_t length = std::min(text_.find_first_of(word_ends, at_), text_.size()) - at_;
    const std::string_view next = text_.substr(at_, std::max<std::size_t>(length, 1));  // a word, or one sign
    const std::string found = next.empty() ? "the end" : join_message('\'', next, '\'');
    fail<ValueError>("tag expression: column ", column(), ": expected ", expected, ", got ", found);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace detail

inline TagExpression TagExpression::parse(std::string_view text) {
  return detail::TagParser(text).whole();
}

}  // namespace pefa
