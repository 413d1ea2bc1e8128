#include "pefa/io/relevance/pairs.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <locale>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

/// Groups digits, as the locales of many hosts do.
struct Grouping : std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

RelevanceMatrix read_tsv(const std::string& text, DuplicatePolicy duplicates = DuplicatePolicy::sum) {
  const test::TemporaryDirectory directory;
  return io::read_pairs(directory.write("pairs.tsv", text), 5, 10, duplicates);
}

RowMajorMatrix expected(std::initializer_list<RelevancePair> pairs) {
  RowMajorMatrix matrix = RowMajorMatrix::Zero(5, 10);
  for (const RelevancePair& pair : pairs) matrix(pair.query.row(), pair.passage.row()) = pair.weight;
  return matrix;
}

bool same_bits(const RelevanceMatrix& a, const RelevanceMatrix& b) {
  const auto& x = a.sparse();
  const auto& y = b.sparse();
  return x.rows() == y.rows() && x.cols() == y.cols() && x.nonZeros() == y.nonZeros() &&
         std::equal(x.outerIndexPtr(), x.outerIndexPtr() + x.rows() + 1, y.outerIndexPtr()) &&
         std::equal(x.innerIndexPtr(), x.innerIndexPtr() + x.nonZeros(), y.innerIndexPtr()) &&
         std::memcmp(x.valuePtr(), y.valuePtr(), static_cast<std::size_t>(x.nonZeros()) * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("read_pairs: lines with and without a weight, in any order") {
  const auto relevance = read_tsv("4\t9\n0\t3\t2.5\n0\t1\n");
  REQUIRE(relevance.rows() == 5);
  REQUIRE(relevance.cols() == 10);
  REQUIRE(
      test::dense(relevance) ==
      expected({{QueryId(4), PassageId(9), 1.0f}, {QueryId(0), PassageId(3), 2.5f}, {QueryId(0), PassageId(1), 1.0f}}));
}

TEST_CASE("read_pairs: CRLF, blank lines and a missing last newline are fine") {
  REQUIRE(same_bits(read_tsv("\r\n1\t2\t3\r\n\r\n   \n\t\n2\t2\t0.5"), read_tsv("1\t2\t3\n2\t2\t0.5\n")));
}

TEST_CASE("read_pairs: a weight of zero is left out") {
  REQUIRE(read_tsv("0\t0\t0\n1\t1\n").pair_count() == 1);
  REQUIRE(read_tsv("0\t0\t0\n").pair_count() == 0);
}

TEST_CASE("read_pairs: duplicates follow the policy, sum by default") {
  const std::string text = "1\t1\t2\n1\t1\t5\n1\t1\t3\n";
  REQUIRE(read_tsv(text).passages_of(QueryId(1)).weights[0] == 10.0f);
  REQUIRE(read_tsv(text, DuplicatePolicy::max).passages_of(QueryId(1)).weights[0] == 5.0f);
  REQUIRE(read_tsv(text, DuplicatePolicy::last).passages_of(QueryId(1)).weights[0] == 3.0f);
}

TEST_CASE("read_pairs: a bad line is refused by its number with what is wrong") {
  const auto refused = [](const std::string& line, const std::string& what) {
    INFO(line);
    REQUIRE_ERROR(FormatError, "pairs.tsv:4: " + what, read_tsv("0\t0\n\n1\t1\n" + line + "\n2\t2\n"));
  };
  refused("1", "has 1 tab-separated fields, expected query, passage and an optional weight");
  refused("1 2", "has 1 tab-separated fields");
  refused("1\t2\t3\t4", "has 4 tab-separated fields");
  refused("1\t2\t", "expected a weight, got ''");
  refused("\t2", "expected a query row number, got ''");
  refused("1\t", "expected a passage row number, got ''");
  refused("query\tpassage", "expected a query row number, got 'query'");
  refused("1\tpassage", "expected a passage row number, got 'passage'");
  refused("1\t2\tweight", "expected a weight, got 'weight'");
  refused("-1\t2", "expected a query row number, got '-1'");
  refused("1\t-2", "expected a passage row number, got '-2'");
  refused("1.1\t2", "expected a query row number, got '1.1'");
  refused("1\t1.1", "expected a passage row number, got '1.1'");
  refused("1 \t2", "expected a query row number, got '1 '");
  refused("5\t2", "query 5 is out of range, expected below 5 (rows count from 0)");
  refused("1\t10", "passage 10 is out of range, expected below 10 (rows count from 0)");
  refused("4294967297\t2", "expected a query row number, got '4294967297'");
  refused("99999999999999999999\t2", "expected a query row number, got '99999999999999999999'");
  refused("1\t2\tnan", "weight is nan, expected finite and >= 0");
  refused("1\t2\tinf", "weight is inf, expected finite and >= 0");
  refused("1\t2\t-1", "weight is -1, expected finite and >= 0");
  refused("1\t2\t1e39", "weight is 1e39, expected finite and >= 0");
  refused(std::string("1\t2\0", 4), "expected a passage row number, got");
}

TEST_CASE("read_pairs: a file without pairs is refused") {
  REQUIRE_ERROR(FormatError, "pairs.tsv: has no pairs, expected at least one", read_tsv(""));
  REQUIRE_ERROR(FormatError, "pairs.tsv: has no pairs, expected at least one", read_tsv("\n \r\n\t\n"));
}

TEST_CASE("read_pairs: a missing file and a directory are IoErrors") {
  const test::TemporaryDirectory directory;
  REQUIRE_ERROR(IoError, "nowhere.tsv: cannot be opened", io::read_pairs(directory / "nowhere.tsv", 1, 1));
  REQUIRE_ERROR(IoError, "is a directory", io::read_pairs(directory / "", 1, 1));
}

TEST_CASE("write_pairs: read_pairs brings back every bit") {
  std::mt19937 random(1);
  std::vector<RelevancePair> pairs;
  for (Row query = 0; query < 3000; ++query) {
    float weight = 0.0f;
    const auto bits = static_cast<std::uint32_t>(1 + random() % 0x7F7FFFFF);  // any positive finite float
    std::memcpy(&weight, &bits, sizeof weight);
    pairs.push_back({QueryId(query), PassageId(static_cast<Row>(random() % 5000)), weight});
  }
  pairs[0].weight = std::numeric_limits<float>::denorm_min();
  pairs[1].weight = std::numeric_limits<float>::max();
  pairs[2].weight = std::numeric_limits<float>::min();
  pairs[3].weight = 1.0f;
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 3001, 5000);
  REQUIRE(relevance.pair_count() == 3000);

  const test::TemporaryDirectory directory;
  io::write_pairs(directory / "pairs.tsv", relevance);
  REQUIRE(same_bits(io::read_pairs(directory / "pairs.tsv", 3001, 5000), relevance));
}

TEST_CASE("write_pairs: tab-separated lines, ordered by query and passage") {
  const test::TemporaryDirectory directory;
  const std::vector<RelevancePair> pairs = {{QueryId(1), PassageId(9), 0.5f}, {QueryId(1), PassageId(2), 3.0f}};
  io::write_pairs(directory / "pairs.tsv", RelevanceMatrix::from_pairs(pairs, 2, 10));
  REQUIRE(test::read_bytes(directory / "pairs.tsv") == "1\t2\t3\n1\t9\t0.5\n");
}

TEST_CASE("write_pairs: a host's locale does not change the file") {
  const test::TemporaryDirectory directory;
  const std::vector<RelevancePair> pairs = {{QueryId(1234), PassageId(1'000'000), 1234.5f}};
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  io::write_pairs(directory / "pairs.tsv", RelevanceMatrix::from_pairs(pairs, 2000, 2'000'000));
  const auto back = io::read_pairs(directory / "pairs.tsv", 2000, 2'000'000);
  std::locale::global(before);
  REQUIRE(test::read_bytes(directory / "pairs.tsv") == "1234\t1000000\t1234.5\n");
  REQUIRE(back.passages_of(QueryId(1234)).weights[0] == 1234.5f);
}
