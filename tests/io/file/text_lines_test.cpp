#include "pefa/io/file/text_lines.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::detail::LineReader;
using io::detail::split;
using io::detail::split_blank;
using Fields = std::vector<std::string_view>;

TEST_CASE("split: at every separator, empty fields included") {
  REQUIRE(split("a\tb\tc", '\t') == Fields{"a", "b", "c"});
  REQUIRE(split("\ta\t\tb\t", '\t') == Fields{"", "a", "", "b", ""});
  REQUIRE(split("a b", '\t') == Fields{"a b"});
  REQUIRE(split("", '\t') == Fields{""});
}

TEST_CASE("split_blank: at runs of spaces and tabs, no empty fields") {
  REQUIRE(split_blank("a b\tc") == Fields{"a", "b", "c"});
  REQUIRE(split_blank(" \ta \t b  ") == Fields{"a", "b"});
  REQUIRE(split_blank("a") == Fields{"a"});
  REQUIRE(split_blank("").empty());
  REQUIRE(split_blank(" \t ").empty());
}

TEST_CASE("LineReader: blank lines are passed over and counted, a final CR is dropped, a final newline is optional") {
  const test::TemporaryDirectory directory;
  LineReader reader(directory.write("lines", "one\r\n\r\n \t\n\ntwo \r\nthr\ree"));
  REQUIRE(reader.next());
  REQUIRE(reader.line() == "one");
  REQUIRE(reader.next());
  REQUIRE(reader.line() == "two ");
  REQUIRE_ERROR(FormatError, "lines:5: odd 7", reader.refuse("odd ", 7));
  REQUIRE(reader.next());
  REQUIRE(reader.line() == "thr\ree");
  REQUIRE_FALSE(reader.next());
  REQUIRE_FALSE(reader.next());
}

TEST_CASE("LineReader::next_line: hands out every line, blank ones too, with its number") {
  const test::TemporaryDirectory directory;
  LineReader lines(directory.write("x.txt", "a\r\n\n \t\nb"));
  std::vector<std::string> seen;
  std::vector<bool> blank;
  while (lines.next_line()) {
    seen.emplace_back(lines.line());
    blank.push_back(lines.blank());
    REQUIRE(lines.number() == seen.size());
  }
  REQUIRE(seen == std::vector<std::string>{"a", "", " \t", "b"});
  REQUIRE(blank == std::vector<bool>{false, true, true, false});
}

TEST_CASE("LineReader::next_row: blank lines may only come last") {
  const test::TemporaryDirectory directory;
  const auto count = [&](const std::string& text) {
    LineReader lines(directory.write("x.txt", text));
    std::size_t rows = 0;
    while (lines.next_row()) ++rows;
    return rows;
  };
  REQUIRE(count("a\nb\n") == 2);
  REQUIRE(count("a\nb\n\n \r\n\n") == 2);
  REQUIRE(count("") == 0);
  REQUIRE_ERROR(FormatError, "x.txt:2: is blank, expected what row 1 is; lines follow it", count("a\n\n\nb\n"));
}

TEST_CASE("LineReader::parse_count: a whole number, or an error that says where") {
  const test::TemporaryDirectory directory;
  LineReader lines(directory.write("x.txt", "a\nb\n"));
  REQUIRE(lines.next_line());
  REQUIRE(lines.next_line());
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

TEST_CASE("LineReader: a byte order mark is no part of the first line, and stays anywhere else") {
  const test::TemporaryDirectory directory;
  LineReader reader(directory.write("marked", "\xEF\xBB\xBFp0\n\xEF\xBB\xBFp1\n"));
  REQUIRE(reader.next());
  REQUIRE(reader.line() == "p0");
  REQUIRE(reader.next());
  REQUIRE(reader.line() == "\xEF\xBB\xBFp1");
}

TEST_CASE("LineReader: what a message shows of a line is short and without control characters") {
  const test::TemporaryDirectory directory;
  const LineReader reader(directory.write("rows", ""));
  REQUIRE_ERROR(FormatError, "got '1?'", reader.parse_row("1\r", "query", 5));
  REQUIRE_ERROR(FormatError, "got '?]0;x?'", reader.parse_row("\x1B]0;x\x07", "query", 5));
  REQUIRE_ERROR(FormatError, "xxx...'", reader.parse_row(std::string(1000, 'x'), "query", 5));
}

TEST_CASE("LineReader: a missing file and a directory are IoErrors") {
  const test::TemporaryDirectory directory;
  REQUIRE_ERROR(IoError, "nowhere: cannot be opened; does it exist?", LineReader(directory / "nowhere"));
  REQUIRE_ERROR(IoError, "is a directory, expected a file", LineReader(directory / ""));
}

TEST_CASE("LineReader::parse_row: a plain number below the limit, nothing else") {
  const test::TemporaryDirectory directory;
  const LineReader reader(directory.write("rows", ""));
  REQUIRE(reader.parse_row("0", "query", 1) == 0);
  REQUIRE(reader.parse_row("007", "query", 8) == 7);
  REQUIRE(reader.parse_row("4294967295", "query", 4'294'967'296) == 4'294'967'295U);
  REQUIRE_ERROR(FormatError, "query 5 is out of range, expected below 5 (rows count from 0)",
                reader.parse_row("5", "query", 5));
  for (const char* bad : {"", " 1", "1 ", "+1", "-1", "1.0", "1e2", "0x1", "one", "4294967296", "4294967297",
                          "99999999999999999999999999"}) {
    REQUIRE_ERROR(FormatError, "expected a passage row number, got '" + std::string(bad) + "'",
                  reader.parse_row(bad, "passage", 5));
  }
}

TEST_CASE("LineReader::parse_weight: a finite number that is not negative, nothing else") {
  const test::TemporaryDirectory directory;
  const LineReader reader(directory.write("weights", ""));
  REQUIRE(reader.parse_weight("0", "weight") == 0.0f);
  REQUIRE(reader.parse_weight("2.5", "weight") == 2.5f);
  REQUIRE(reader.parse_weight("1e-3", "weight") == 1e-3f);
  REQUIRE(reader.parse_weight(".5", "weight") == 0.5f);
  REQUIRE(reader.parse_weight("3.40282347e+38", "weight") == 3.40282347e+38f);
  REQUIRE(reader.parse_weight("1e-46", "weight") == 0.0f);  // decayed clicks
  for (const char* bad : {"-1", "nan", "-nan", "inf", "-inf", "infinity", "-1e-3", "1e39"}) {
    REQUIRE_ERROR(FormatError, "weight is " + std::string(bad) + ", expected finite and >= 0",
                  reader.parse_weight(bad, "weight"));
  }
  for (const char* bad : {"", "one", "1,5", "1 ", " 1", "+1", "0x10", "1.5.2", "1e", "1e999", "--1"}) {
    REQUIRE_ERROR(FormatError, "expected a weight, got '" + std::string(bad) + "'", reader.parse_weight(bad, "weight"));
  }
}
