#include "pefa/store/tag_expression.hpp"

#include <string>

#include "catch.hpp"

using namespace pefa;

namespace {

/// The structure of an expression, fully parenthesised.
std::string shown(const TagExpression& expression) {
  using Kind = TagExpression::Kind;
  if (expression.kind == Kind::comparison) {
    std::string text = expression.key.text + std::string(name(expression.comparison));
    for (const TagWord& value : expression.values) text += "[" + value.text + "]";
    return text;
  }
  if (expression.kind == Kind::not_of) return "!" + shown(expression.parts.front());
  std::string text = "(";
  for (const TagExpression& part : expression.parts) {
    text += (text.size() == 1 ? "" : expression.kind == Kind::all_of ? " & " : " | ") + shown(part);
  }
  return text + ")";
}

std::string parsed(const std::string& text) {
  return shown(TagExpression::parse(text));
}

void refuse_text(const std::string& text, const std::string& message) {
  INFO(text);
  REQUIRE_ERROR(ValueError, "tag expression: column " + message, TagExpression::parse(text));
}

}  // namespace

TEST_CASE("TagExpression: comparisons") {
  REQUIRE(parsed("lang=en") == "lang=[en]");
  REQUIRE(parsed("  lang\t!= en ") == "lang!=[en]");
  REQUIRE(parsed("price<20") == "price<[20]");
  REQUIRE(parsed("price<=-20") == "price<=[-20]");
  REQUIRE(parsed("price>20") == "price>[20]");
  REQUIRE(parsed("price>=20") == "price>=[20]");
  REQUIRE(parsed("lang in (de,fr , en)") == "langin[de][fr][en]");
  REQUIRE(parsed("lang in(de)") == "langin[de]");
  REQUIRE(parsed("in in (in)") == "inin[in]");  // a word like any other where a key or value stands
  REQUIRE(parsed("größe=xl.2/a:b+c*") == "größe=[xl.2/a:b+c*]");
}

TEST_CASE("TagExpression: quotes make any text a word") {
  REQUIRE(parsed(R"(name='a & (b)')") == "name=[a & (b)]");
  REQUIRE(parsed(R"("my key"="it's")") == "my key=[it's]");
  REQUIRE(parsed(R"(name='it\'s \\ \n')") == R"(name=[it's \ n])");
  REQUIRE(parsed("name=''") == "name=[]");
}

TEST_CASE("TagExpression: ! binds closest, then &, then |") {
  REQUIRE(parsed("a=1 & b=2 | c=3 & d=4") == "((a=[1] & b=[2]) | (c=[3] & d=[4]))");
  REQUIRE(parsed("a=1 & (b=2 | c=3) & d=4") == "(a=[1] & (b=[2] | c=[3]) & d=[4])");
  REQUIRE(parsed("!a=1&b=2") == "(!a=[1] & b=[2])");
  REQUIRE(parsed("!!(a=1|b=2)") == "!!(a=[1] | b=[2])");
  REQUIRE(parsed("lang=en & price<=20 & !(seller=7)") == "(lang=[en] & price<=[20] & !seller=[7])");
}

TEST_CASE("TagExpression: where it is malformed, the message names the column") {
  refuse_text("", "1: expected a key, '!' or '(', got the end");
  refuse_text("  ", "3: expected a key, '!' or '(', got the end");
  refuse_text("lang", "5: expected = != < <= > >= or in, got the end");
  refuse_text("lang en", "6: expected = != < <= > >= or in, got 'en'");
  refuse_text("lang index (a)", "6: expected = != < <= > >= or in, got 'index'");
  refuse_text("lang=", "6: expected a value, got the end");
  refuse_text("lang==en", "6: expected a value, got '='");
  refuse_text("lang=en fr", "9: expected '&', '|' or the end, got 'fr'");
  refuse_text("lang=en)", "8: expected '&', '|' or the end, got ')'");
  refuse_text("(lang=en", "9: expected ')', got the end");
  refuse_text("lang=en &", "10: expected a key, '!' or '(', got the end");
  refuse_text("lang=en && price=2", "10: expected a key, '!' or '(', got '&'");
  refuse_text("lang in en", "9: expected '(', got 'en'");
  refuse_text("lang in (en", "12: expected ',' or ')', got the end");
  refuse_text("lang in ()", "10: expected a value, got ')'");
  refuse_text("lang in (en,)", "13: expected a value, got ')'");
  refuse_text("lang='en", "6: the quote ' is not closed");
  refuse_text("lang='en\\", "6: the quote ' is not closed");
  refuse_text("größe=ä | größe", "16: expected = != < <= > >= or in, got the end");  // in characters, not in bytes
}

TEST_CASE("TagExpression: nesting has an end, length has none") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '(') + "a=1" + std::string(depth, ')'); };
  REQUIRE(parsed(nested(200)) == "a=[1]");
  refuse_text(nested(201), "201: nested more than 200 deep");
  refuse_text(std::string(100000, '!'), "201: nested more than 200 deep");
  std::string wide = "a=1";
  for (int i = 0; i < 10000; ++i) wide += "|a=1";
  REQUIRE(TagExpression::parse(wide).parts.size() == 10001);
  std::string siblings = "(a=1)";
  for (int i = 0; i < 1000; ++i) siblings += "&(a=1)";
  REQUIRE(TagExpression::parse(siblings).parts.size() == 1001);
}
