#include "pefa/io/relevance/sparse_csr.hpp"

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

template <class Value>
void put(std::string& bytes, Value value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

struct Csr {
  std::int64_t rows = 3;
  std::int64_t cols = 4;
  std::int64_t entries = 4;
  std::vector<std::int64_t> starts = {0, 2, 2, 4};
  std::vector<std::int32_t> columns = {3, 0, 1, 2};
  std::vector<float> weights = {1.0f, 0.5f, 2.0f, 4.0f};

  [[nodiscard]] std::string bytes() const {
    std::string out;
    for (const std::int64_t value : {rows, cols, entries}) put(out, value);
    for (const std::int64_t start : starts) put(out, start);
    for (const std::int32_t column : columns) put(out, column);
    for (const float weight : weights) put(out, weight);
    return out;
  }
};

RelevanceMatrix read_csr(const std::string& bytes, DuplicatePolicy duplicates = DuplicatePolicy::sum) {
  const test::TemporaryDirectory directory;
  return io::read_sparse_csr(directory.write("test.csr", bytes), duplicates);
}

}  // namespace

TEST_CASE("read_sparse_csr: rows, columns in any order, weights") {
  RowMajorMatrix expected = RowMajorMatrix::Zero(3, 4);
  expected(0, 3) = 1.0f;
  expected(0, 0) = 0.5f;
  expected(2, 1) = 2.0f;
  expected(2, 2) = 4.0f;
  REQUIRE(test::dense(read_csr(Csr{}.bytes())) == expected);
}

TEST_CASE("read_sparse_csr: a column twice in a row follows the policy, zeros are left out") {
  const std::string bytes = Csr{.columns = {3, 3, 1, 2}, .weights = {1.0f, 2.0f, 0.0f, 4.0f}}.bytes();
  REQUIRE(read_csr(bytes).pair_count() == 2);
  REQUIRE(read_csr(bytes).passages_of(QueryId(0)).weights[0] == 3.0f);
  REQUIRE(read_csr(bytes, DuplicatePolicy::last).passages_of(QueryId(0)).weights[0] == 2.0f);
}

TEST_CASE("read_sparse_csr: matrices without rows, columns or entries") {
  const Csr empty{.rows = 0, .cols = 0, .entries = 0, .starts = {0}, .columns = {}, .weights = {}};
  REQUIRE(read_csr(empty.bytes()).rows() == 0);
  const Csr blank{.rows = 2, .cols = 5, .entries = 0, .starts = {0, 0, 0}, .columns = {}, .weights = {}};
  REQUIRE(read_csr(blank.bytes()).cols() == 5);
}

TEST_CASE("write_sparse_csr: read_sparse_csr brings Y back, and the bytes are as documented") {
  const test::TemporaryDirectory directory;
  const RelevanceMatrix relevance = test::random_relevance(30, 50, 4, 1, 10).row_normalized();
  io::write_sparse_csr(directory / "x.csr", relevance);
  REQUIRE(test::dense(io::read_sparse_csr(directory / "x.csr")) == test::dense(relevance));

  const Csr sorted{.columns = {0, 3, 1, 2}, .weights = {0.5f, 1.0f, 2.0f, 4.0f}};
  io::write_sparse_csr(directory / "y.csr", read_csr(Csr{}.bytes()));
  REQUIRE(test::read_bytes(directory / "y.csr") == sorted.bytes());
}

TEST_CASE("read_sparse_csr: a file cut off at any byte, or longer than it says, is refused") {
  const std::string whole = Csr{}.bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    REQUIRE_ERROR(FormatError, "test.csr: is " + std::to_string(size) + " bytes long, expected ",
                  read_csr(whole.substr(0, size)));
  }
  REQUIRE_ERROR(FormatError, "is 89 bytes long, expected 88 for the 3 rows and 4 entries of its header",
                read_csr(whole + "x"));
}

TEST_CASE("read_sparse_csr: hostile counts are refused before they take memory") {
  const auto refused = [](const Csr& csr, const std::string& what) {
    REQUIRE_ERROR(FormatError, "test.csr: " + what, read_csr(csr.bytes()));
  };
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  refused({.rows = -1}, "has -1 rows (byte 0), expected 0 to 2147483646");
  refused({.rows = most}, "has 9223372036854775807 rows (byte 0)");
  refused({.cols = -1}, "has -1 columns (byte 8)");
  refused({.cols = 2147483647}, "has 2147483647 columns (byte 8)");
  refused({.entries = -4}, "has -4 entries (byte 16)");
  refused({.entries = most / 4}, "has 2305843009213693951 entries (byte 16), expected 0 to 2147483646");
  refused({.rows = 2147483646}, "is 88 bytes long, expected 17179869232 for the 2147483646 rows");
  refused({.entries = 2147483646}, "is 88 bytes long, expected 17179869224");
}

TEST_CASE("read_sparse_csr: rows that overlap or leave entries out are refused by the byte") {
  const auto refused = [](const std::vector<std::int64_t>& starts, const std::string& what) {
    REQUIRE_ERROR(FormatError, "test.csr: " + what, read_csr(Csr{.starts = starts}.bytes()));
  };
  refused({1, 2, 2, 4}, "row 0 starts at entry 1 (byte 24), expected 0");
  refused({0, 2, 2, 3}, "the last row ends at entry 3 (byte 48), expected 4");
  refused({0, 2, 2, -1}, "the last row ends at entry -1 (byte 48), expected 4");
  refused({0, 2, 1, 4}, "row 1 ends at entry 1 (byte 40), expected 2 to 4");
  refused({0, 5, 2, 4}, "row 0 ends at entry 5 (byte 32), expected 0 to 4");
  refused({0, -1, 2, 4}, "row 0 ends at entry -1 (byte 32), expected 0 to 4");
}

TEST_CASE("read_sparse_csr: columns out of range and weights that are none are refused by the byte") {
  REQUIRE_ERROR(FormatError, "entry 1 is in column 4 (byte 60), expected 0 or more and below 4",
                read_csr(Csr{.columns = {3, 4, 1, 2}}.bytes()));
  REQUIRE_ERROR(FormatError, "entry 3 is in column -1 (byte 68), expected 0 or more and below 4",
                read_csr(Csr{.columns = {3, 0, 1, -1}}.bytes()));
  const float infinity = std::numeric_limits<float>::infinity();
  REQUIRE_ERROR(FormatError, "entry 0 has weight nan (byte 72), expected finite and >= 0",
                read_csr(Csr{.weights = {std::nanf(""), 0.5f, 2.0f, 4.0f}}.bytes()));
  REQUIRE_ERROR(FormatError, "entry 1 has weight -0.5 (byte 76)",
                read_csr(Csr{.weights = {1.0f, -0.5f, 2.0f, 4.0f}}.bytes()));
  REQUIRE_ERROR(FormatError, "entry 3 has weight inf (byte 84)",
                read_csr(Csr{.weights = {1.0f, 0.5f, 2.0f, infinity}}.bytes()));
}

TEST_CASE("read_sparse_csr: damaged files give a matrix or an error, nothing else") {
  const std::string whole = Csr{}.bytes();
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    std::string bytes = whole;
    for (std::size_t flips = 1 + random() % 4; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    try {
      const RelevanceMatrix relevance = read_csr(bytes);
      REQUIRE(relevance.pair_count() <= 4);
    } catch (const Error&) {
    }
  }
}

TEST_CASE("read_sparse_csr: a missing file and a directory are IoErrors") {
  const test::TemporaryDirectory directory;
  REQUIRE_ERROR(IoError, "nowhere.csr: cannot be opened", io::read_sparse_csr(directory / "nowhere.csr"));
  REQUIRE_ERROR(IoError, "is not a regular file", io::read_sparse_csr(directory / ""));
}
