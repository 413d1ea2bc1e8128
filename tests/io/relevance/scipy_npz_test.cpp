#include "pefa/io/relevance/scipy_npz.hpp"

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::NpzCompression;

namespace {

using Members = std::map<std::string, std::string>;

template <class Value>
std::string array(const std::vector<Value>& values, const std::string& descr) {
  return io::npy_array_header(descr, {values.size()}) +
         std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value));
}
std::string i8(const std::vector<std::int64_t>& values) {
  return array(values, "<i8");
}
std::string i4(const std::vector<std::int32_t>& values) {
  return array(values, "<i4");
}
std::string f4(const std::vector<float>& values) {
  return array(values, "<f4");
}
std::string format(const std::string& name) {
  return io::npy_array_header("|S" + std::to_string(name.size()), {}) + name;
}

/// [[0, 2, 0.5], [0, 0, 0], [3, 0, 0], [0, 0, 1]], as csr, csc and coo.
RowMajorMatrix example() {
  RowMajorMatrix matrix = RowMajorMatrix::Zero(4, 3);
  matrix(0, 1) = 2.0f;
  matrix(0, 2) = 0.5f;
  matrix(2, 0) = 3.0f;
  matrix(3, 2) = 1.0f;
  return matrix;
}
Members small_csr() {
  return {{"format.npy", format("csr")},
          {"shape.npy", i8({4, 3})},
          {"indptr.npy", i4({0, 2, 2, 3, 4})},
          {"indices.npy", i4({2, 1, 0, 2})},
          {"data.npy", f4({0.5f, 2.0f, 3.0f, 1.0f})}};
}
Members small_csc() {
  return {{"format.npy", format("csc")},
          {"shape.npy", i8({4, 3})},
          {"indptr.npy", i8({0, 1, 2, 4})},
          {"indices.npy", i8({2, 0, 3, 0})},
          {"data.npy", f4({3.0f, 2.0f, 1.0f, 0.5f})}};
}
Members small_coo() {
  return {{"format.npy", format("coo")},
          {"shape.npy", i8({4, 3})},
          {"row.npy", i4({3, 0, 2, 0})},
          {"col.npy", i4({2, 1, 0, 2})},
          {"data.npy", f4({1.0f, 2.0f, 3.0f, 0.5f})}};
}
Members with(Members members, const std::string& name, const std::string& bytes) {
  members[name] = bytes;
  return members;
}

void write(const std::filesystem::path& path, const Members& members, bool deflate) {
  io::detail::ZipWriter archive(path);
  for (const auto& [name, bytes] : members) archive.add(name.c_str(), bytes, "", deflate);
  archive.commit();
}

RelevanceMatrix read_members(const Members& members, DuplicatePolicy duplicates = DuplicatePolicy::sum,
                             const io::NpzLimits& limits = {}) {
  const test::TemporaryDirectory directory;
  write(directory / "test.npz", members, true);
  return io::read_scipy_npz(directory / "test.npz", duplicates, limits);
}

/// A file that was not there before: some file systems flush to disk what is written over another file.
std::filesystem::path anew(const test::TemporaryDirectory& directory, const std::string& name,
                           const std::string& bytes) {
  std::filesystem::remove(directory / name);
  return directory.write(name, bytes);
}

void require_refused(const Members& members, const std::string& what) {
  INFO(what);
  REQUIRE_ERROR(FormatError, what, read_members(members));
}

}  // namespace

TEST_CASE("read_scipy_npz: CSR, CSC and COO, stored and deflated") {
  const test::TemporaryDirectory directory;
  for (const Members& members : {small_csr(), small_csc(), small_coo()}) {
    for (const bool deflate : {false, true}) {
      write(directory / "test.npz", members, deflate);
      REQUIRE(test::dense(io::read_scipy_npz(directory / "test.npz")) == example());
    }
  }
}

TEMPLATE_TEST_CASE("read_scipy_npz: integers of every width and floats as values", "", std::int8_t, std::int16_t,
                   std::int32_t, std::int64_t, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t, float,
                   double) {
  const char kind = std::is_floating_point_v<TestType> ? 'f' : std::is_signed_v<TestType> ? 'i' : 'u';
  const std::string descr = "<" + std::string(1, kind) + std::to_string(sizeof(TestType));
  const std::vector<TestType> values = {1, 2, 3, 100};
  const RelevanceMatrix relevance = read_members(with(small_csr(), "data.npy", array(values, descr)));
  RowMajorMatrix expected = RowMajorMatrix::Zero(4, 3);
  expected(0, 2) = 1.0f;
  expected(0, 1) = 2.0f;
  expected(2, 0) = 3.0f;
  expected(3, 2) = 100.0f;
  REQUIRE(test::dense(relevance) == expected);
}

TEST_CASE("read_scipy_npz: bools are ones, zeros are left out, the format's name may be text") {
  const std::string bools = io::npy_array_header("|b1", {4}) + std::string("\1\1\0\1", 4);
  REQUIRE(read_members(with(small_csr(), "data.npy", bools)).pair_count() == 3);
  const std::string utf32 = io::npy_array_header("<U3", {}) + std::string("c\0\0\0s\0\0\0r\0\0\0", 12);
  REQUIRE(test::dense(read_members(with(small_csr(), "format.npy", utf32))) == example());
  Members newer = small_csr();
  newer["_is_array.npy"] = io::npy_array_header("|b1", {}) + std::string(1, '\1');
  REQUIRE(test::dense(read_members(newer)) == example());
}

TEST_CASE("read_scipy_npz: entries of one place follow the policy") {
  const Members twice = with(small_csr(), "indices.npy", i4({2, 2, 0, 2}));
  REQUIRE(read_members(twice).passages_of(QueryId(0)).weights[0] == 2.5f);
  REQUIRE(read_members(twice, DuplicatePolicy::last).passages_of(QueryId(0)).weights[0] == 2.0f);
}

TEST_CASE("read_scipy_npz: matrices without rows, columns or entries") {
  const Members none =
      with(with(with(with(small_csr(), "shape.npy", i8({0, 0})), "indptr.npy", i4({0})), "indices.npy", i4({})),
           "data.npy", f4({}));
  REQUIRE(read_members(none).rows() == 0);
  const Members blank = with(with(with(small_coo(), "row.npy", i4({})), "col.npy", i4({})), "data.npy", f4({}));
  REQUIRE(read_members(blank).rows() == 4);
}

TEST_CASE("read_scipy_npz: more entries than a buffer holds") {
  const RelevanceMatrix relevance = test::random_relevance(700, 3000, 9, 1, 5).row_normalized();
  const test::TemporaryDirectory directory;
  for (const NpzCompression compression : {NpzCompression::stored, NpzCompression::deflated}) {
    io::write_scipy_npz(directory / "x.npz", relevance, compression);
    const RelevanceMatrix back = io::read_scipy_npz(directory / "x.npz");
    REQUIRE(back.rows() == 700);
    REQUIRE(back.cols() == 3000);
    REQUIRE((back.sparse() - relevance.sparse()).norm() == 0.0f);
    REQUIRE(back.pair_count() == relevance.pair_count());
  }
}

TEST_CASE("read_scipy_npz: another format or a missing member is refused") {
  require_refused(with(small_csr(), "format.npy", format("bsr")),
                  "test.npz: is a matrix in format 'bsr', expected csr, csc or coo");
  require_refused(with(small_csr(), "format.npy", i8({1})), "test.npz:format.npy: is not the name of a sparse format");
  for (const char* member : {"format.npy", "shape.npy", "indptr.npy", "indices.npy", "data.npy"}) {
    Members members = small_csr();
    members.erase(member);
    require_refused(members, std::string("test.npz: has no member ") + member);
  }
  Members members = small_coo();
  members.erase("col.npy");
  require_refused(members, "test.npz: has no member col.npy");
}

TEST_CASE("read_scipy_npz: arrays that disagree or have the wrong type are refused by name") {
  require_refused(with(small_csr(), "indptr.npy", i4({0, 2, 2, 4})), "indptr.npy: has 4 elements, expected 5");
  require_refused(with(small_csr(), "indices.npy", i4({2, 1, 0})),
                  "indices.npy: has 3 elements, expected 4, as data.npy has");
  require_refused(with(small_coo(), "row.npy", i4({3})), "row.npy: has 1 elements, expected 4");
  require_refused(with(small_coo(), "col.npy", i4({3})), "col.npy: has 1 elements, expected 4");
  require_refused(with(small_csr(), "shape.npy", i8({4, 3, 1})),
                  "shape.npy: has 3 elements, expected 2, rows and columns");
  require_refused(with(small_csr(), "indices.npy", f4({2, 1, 0, 2})),
                  "indices.npy: has elements of type f4, expected i4 or i8");
  require_refused(with(small_csr(), "data.npy", io::npy_array_header("|S1", {4}) + "1111"),
                  "data.npy: has elements of type S1, expected integers");
  require_refused(with(small_csr(), "data.npy", io::npy_array_header("<f2", {4}) + "11111111"),
                  "data.npy: has elements of type f2");
  require_refused(with(small_csr(), "data.npy", io::npy_array_header("<i4", {2, 2}) + std::string(16, '\0')),
                  "data.npy: has 2 dimensions, expected 1");
  require_refused(with(small_csr(), "data.npy", "1111"), "data.npy: is 4 bytes long, expected a .npy file");
  require_refused(with(small_csr(), "data.npy", f4({1, 1, 1, 1}).substr(0, 143)),
                  "data.npy: is truncated: expected 16 bytes of elements, 15 are left");
  require_refused(with(small_csr(), "data.npy", std::string("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF    ", 16)),
                  "data.npy: has a .npy header of 4294967307 bytes, expected 12 to 16");
}

TEST_CASE("read_scipy_npz: indices out of range are refused by their element") {
  require_refused(with(small_csr(), "indices.npy", i4({2, 3, 0, 2})),
                  "indices.npy: element 1 is 3, expected at least 0 and below 3");
  require_refused(with(small_csr(), "indices.npy", i4({2, 1, 0, -1})),
                  "indices.npy: element 3 is -1, expected at least 0");
  require_refused(with(small_csc(), "indices.npy", i8({2, 0, 4, 0})),
                  "indices.npy: element 2 is 4, expected at least 0 and below 4");
  require_refused(with(small_coo(), "row.npy", i8({3, 0, 4294967296, 0})),
                  "row.npy: element 2 is 4294967296, expected");
  require_refused(with(small_coo(), "col.npy", i4({3, 1, 0, 2})),
                  "col.npy: element 0 is 3, expected at least 0 and below 3");
  require_refused(with(small_csr(), "indptr.npy", i4({1, 2, 2, 3, 4})),
                  "indptr.npy: element 0 is 1, expected at least 0 and below 1");
  require_refused(with(small_csr(), "indptr.npy", i4({0, 2, 1, 3, 4})),
                  "indptr.npy: element 2 is 1, expected at least 2 and below 5");
  require_refused(with(small_csr(), "indptr.npy", i4({0, 2, 2, 3, 5})),
                  "indptr.npy: element 4 is 5, expected at least 3 and below 5");
  require_refused(with(small_csr(), "indptr.npy", i4({0, 2, 2, 3, 3})),
                  "indptr.npy: ends at entry 3, expected 4, as data.npy has");
}

TEST_CASE("read_scipy_npz: values that are no weights are refused by their element") {
  const float infinity = std::numeric_limits<float>::infinity();
  require_refused(with(small_csr(), "data.npy", f4({1, std::nanf(""), 1, 1})),
                  "data.npy: element 1 is nan, expected finite and >= 0");
  require_refused(with(small_csr(), "data.npy", f4({1, 1, infinity, 1})), "data.npy: element 2 is inf");
  require_refused(with(small_coo(), "data.npy", f4({1, 1, 1, -0.5f})), "data.npy: element 3 is -0.5");
  require_refused(with(small_csr(), "data.npy", i8({-1, 1, 1, 1})), "data.npy: element 0 is -1");
  require_refused(with(small_csr(), "data.npy", array(std::vector<double>{1, 1, 1e39, 1}, "<f8")),
                  "data.npy: element 2 is 1e+39");
}

TEST_CASE("read_scipy_npz: hostile shapes are refused before they take memory") {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  require_refused(with(small_coo(), "shape.npy", i8({2147483646, 3})), "test.npz: claims 2147483646 rows in ");
  require_refused(with(small_csc(), "shape.npy", i8({2147483646, 3})), "test.npz: claims 2147483646 rows in ");
  require_refused(with(small_csr(), "shape.npy", i8({2147483646, 3})),
                  "indptr.npy: has 5 elements, expected 2147483647");
  require_refused(with(small_coo(), "shape.npy", i8({most, 3})),
                  "shape.npy: element 0 is 9223372036854775807, expected");
  require_refused(with(small_coo(), "shape.npy", i8({-4, 3})), "shape.npy: element 0 is -4, expected at least 0");
  require_refused(with(small_coo(), "shape.npy", i8({4, 2147483647})), "shape.npy: element 1 is 2147483647, expected");
}

TEST_CASE("read_scipy_npz: an archive may not inflate past its limit, nor past what deflate can do") {
  const Members zeros = with(with(with(small_coo(), "row.npy", i4(std::vector<std::int32_t>(100000))), "col.npy",
                                  i4(std::vector<std::int32_t>(100000))),
                             "data.npy", f4(std::vector<float>(100000)));
  REQUIRE(read_members(zeros).pair_count() == 0);
  REQUIRE_ERROR(FormatError, "data.npy: inflates to 400128 bytes, which takes the archive past the 1000000 allowed",
                read_members(zeros, DuplicatePolicy::sum, {.inflated_bytes = 1000000}));

  // The inflated size of data.npy in the central directory, raised to what its bytes cannot hold.
  const test::TemporaryDirectory directory;
  write(directory / "x.npz", small_csr(), true);
  std::string bytes = test::read_bytes(directory / "x.npz");
  const std::size_t entry = bytes.rfind("PK\x01\x02", bytes.rfind("data.npy"));
  bytes[entry + 24 + 3] = '\x70';
  REQUIRE_ERROR(FormatError, "data.npy: claims 18790", io::read_scipy_npz(directory.write("x.npz", bytes)));
}

TEST_CASE("read_scipy_npz: a file cut off at any byte is refused, and so is what is no archive") {
  const test::TemporaryDirectory directory;
  for (const NpzCompression compression : {NpzCompression::stored, NpzCompression::deflated}) {
    io::write_scipy_npz(directory / "x.npz", test::random_relevance(2, 3, 2, 1), compression);
    const std::string whole = test::read_bytes(directory / "x.npz");
    for (std::size_t size = 0; size < whole.size(); ++size) {
      REQUIRE_ERROR(FormatError, "y.npz: is not a whole ZIP archive",
                    io::read_scipy_npz(anew(directory, "y.npz", whole.substr(0, size))));
    }
  }
  REQUIRE_ERROR(FormatError, "y.npz: is not a whole ZIP archive of 9 bytes",
                io::read_scipy_npz(directory.write("y.npz", "0\t0\t1\n1\t1")));
}

TEST_CASE("read_scipy_npz: a changed element is found by the member's checksum") {
  const test::TemporaryDirectory directory;
  io::write_scipy_npz(directory / "x.npz", test::random_relevance(2, 3, 2, 1), NpzCompression::stored);
  std::string bytes = test::read_bytes(directory / "x.npz");
  const std::size_t data = bytes.find("{'descr': '<f4'");
  bytes[bytes.find('\n', data) + 2] ^= 1;  // the low bits of a weight
  REQUIRE_ERROR(FormatError, "x.npz:data.npy: ", io::read_scipy_npz(directory.write("x.npz", bytes)));
}

TEST_CASE("read_scipy_npz: damaged archives give a matrix or an error, nothing else") {
  const test::TemporaryDirectory directory;
  std::mt19937 random(1);
  for (const bool deflate : {false, true}) {
    write(directory / "x.npz", deflate ? small_coo() : small_csc(), deflate);
    const std::string whole = test::read_bytes(directory / "x.npz");
    for (int i = 0; i < 500; ++i) {
      std::string bytes = whole;
      for (std::size_t n = 1 + random() % 3; n > 0; --n) bytes[random() % bytes.size()] = static_cast<char>(random());
      try {
        const RelevanceMatrix relevance = io::read_scipy_npz(anew(directory, "y.npz", bytes));
        REQUIRE(relevance.pair_count() <= 4);
      } catch (const Error&) {
      }
    }
  }
}

TEST_CASE("read_scipy_npz: a missing file and a directory are IoErrors") {
  const test::TemporaryDirectory directory;
  REQUIRE_ERROR(IoError, "nowhere.npz: cannot be opened", io::read_scipy_npz(directory / "nowhere.npz"));
  REQUIRE_ERROR(IoError, "is a directory", io::read_scipy_npz(directory / ""));
}

TEST_CASE("write_scipy_npz: the same Y gives the same bytes, whenever") {
  const test::TemporaryDirectory directory;
  const RelevanceMatrix relevance = test::random_relevance(20, 30, 2, 1);
  io::write_scipy_npz(directory / "x.npz", relevance);
  io::write_scipy_npz(directory / "y.npz", relevance);
  REQUIRE(test::read_bytes(directory / "x.npz") == test::read_bytes(directory / "y.npz"));
}

TEST_CASE("write_scipy_npz: replaces a file, leaves none beside it, and is an IoError where it cannot be written") {
  const test::TemporaryDirectory directory;
  const RelevanceMatrix relevance = test::random_relevance(20, 30, 2, 1);
  (void)directory.write("x.npz", "something else");
  io::write_scipy_npz(directory / "x.npz", relevance);
  REQUIRE(test::dense(io::read_scipy_npz(directory / "x.npz")) == test::dense(relevance));
  REQUIRE(directory.file_count() == 1);
  REQUIRE_ERROR(IoError, "x.npz: ", io::write_scipy_npz(directory / "nowhere/x.npz", relevance));
  REQUIRE_ERROR(IoError, "is a directory", io::write_scipy_npz(directory / "", relevance));
}
