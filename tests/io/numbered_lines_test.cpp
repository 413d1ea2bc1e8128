#include "pefa/io/numbered_lines.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;

TEST_CASE("NumberedLines: hands out every line, blank ones too, with its number") {
  const test::TemporaryDirectory directory;
  io::detail::NumberedLines lines(directory.write("x.txt", "a\r\n\n \t\nb"));
  std::vector<std::string> seen;
  std::vector<bool> blank;
  while (lines.next()) {
    seen.emplace_back(lines.line());
    blank.push_back(lines.blank());
    REQUIRE(lines.number() == seen.size());
  }
  REQUIRE(seen == std::vector<std::string>{"a", "", " \t", "b"});
  REQUIRE(blank == std::vector<bool>{false, true, true, false});
}

TEST_CASE("NumberedLines::next_row: blank lines may only come last") {
  const test::TemporaryDirectory directory;
  const auto count = [&](const std::string& text) {
    io::detail::NumberedLines lines(directory.write("x.txt", text));
    std::size_t rows = 0;
    while (lines.next_row()) ++rows;
    return rows;
  };
  REQUIRE(count("a\nb\n") == 2);
  REQUIRE(count("a\nb\n\n \r\n\n") == 2);
  REQUIRE(count("") == 0);
  REQUIRE_ERROR(FormatError, "x.txt:2: is blank, expected what row 1 is; lines follow it", count("a\n\n\nb\n"));
}

TEST_CASE("NumberedLines::parse_count: a whole number, or an error that says where") {
  const test::TemporaryDirectory directory;
  io::detail::NumberedLines lines(directory.write("x.txt", "a\nb\n"));
  REQUIRE(lines.next());
  REQUIRE(lines.next());
  REQUIRE(lines.parse_count("12", "number of points", 12) == 12);
  const auto refused = [&](const std::string& field, const std::string& what) {
    REQUIRE_ERROR(FormatError, "x.txt:2: " + what, lines.parse_count(field, "number of points", 12));
  };
  refused("13", "number of points is 13, expected at most 12");
  refused("99999999999999999999999", "number of points is 99999999999999999999999, expected at most 12");
  refused("-1", "expected number of points, got '-1'");
  refused("1.5", "expected number of points, got '1.5'");
  refused("99999999999999999999999x", "expected number of points, got '99999999999999999999999x'");
  refused("", "expected number of points, got ''");
}

TEST_CASE("NumberedLines: a missing file and a directory are IoErrors") {
  const test::TemporaryDirectory directory;
  REQUIRE_ERROR(IoError, "nowhere: cannot be opened", io::detail::NumberedLines(directory / "nowhere"));
  REQUIRE_ERROR(IoError, "is a directory", io::detail::NumberedLines(directory / ""));
}
