#include "pefa/io/relevance/relevance_file.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::ExternalIds;
using io::IndexBase;
using io::RelevanceFormat;
using enum io::RelevanceFormat;

namespace {

/// The formats that this build reads.
std::vector<RelevanceFormat> formats() {
#if defined(PEFA_HAS_LIBZIP) && PEFA_HAS_LIBZIP
  return {tsv, qrels, beir, csr, xmc, libsvm, npz};
#else
  return {tsv, qrels, beir, csr, xmc, libsvm};
#endif
}

}  // namespace

TEST_CASE("read_relevance: what write_relevance wrote, by extension and by name, in every format") {
  const test::TemporaryDirectory directory;
  const RelevanceMatrix relevance = test::random_relevance(6, 9, 2, 1, 3).binary();
  for (const RelevanceFormat format : formats()) {
    INFO(name(format));
    const auto path = directory / (std::string("y.") + name(format));
    io::write_relevance(path, relevance);
    REQUIRE(test::dense(io::read_relevance(path, 6, 9)) == test::dense(relevance));
    io::write_relevance(directory / "y", relevance, format);
    REQUIRE(test::read_bytes(directory / "y") == test::read_bytes(path));
    REQUIRE(test::dense(io::read_relevance(directory / "y", 6, 9, format)) == test::dense(relevance));
  }
}

TEST_CASE("read_relevance: a matrix that knows its shape needs no numbers, and keeps to those that are given") {
  const test::TemporaryDirectory directory;
  const std::vector<RelevancePair> pairs = {{QueryId(0), PassageId(1)}, {QueryId(2), PassageId(3)}};
  const RelevanceMatrix relevance = RelevanceMatrix::from_pairs(pairs, 3, 4);
  for (const RelevanceFormat format : formats()) {
    INFO(name(format));
    const auto path = directory / (std::string("y.") + name(format));
    io::write_relevance(path, relevance);
    if (format == tsv || format == qrels || format == beir) {
      REQUIRE_ERROR(ValueError, "does not say how many queries and passages there are", io::read_relevance(path));
      REQUIRE(io::read_relevance(path, 7, 8).cols() == 8);
    } else {
      REQUIRE(test::dense(io::read_relevance(path)) == test::dense(relevance));
      REQUIRE_ERROR(ShapeError, "expected 2 queries x 4 passages", io::read_relevance(path, 2, 4));
      if (format != libsvm) {
        REQUIRE_ERROR(ShapeError, "is a 3 x 4 matrix, expected 3 queries x 5 passages", io::read_relevance(path, 3, 5));
        REQUIRE_ERROR(ShapeError, "expected 4 queries x 3 passages; it would fit the other way round: are queries and",
                      io::read_relevance(path, 4, 3));
      }
    }
  }
  REQUIRE(io::read_relevance(directory / "y.libsvm", 3, 8).cols() == 8);  // it says how many labels occur, no more
  REQUIRE_ERROR(FormatError, "label 3 is out of range", io::read_relevance(directory / "y.libsvm", 3, 3));
  REQUIRE(io::read_relevance(directory.write("z.svm", "1,4\n"), 1, 4, std::nullopt, IndexBase::one).cols() == 4);
  REQUIRE(io::read_relevance(directory / "z.svm", std::nullopt, IndexBase::one).cols() == 4);
}

TEST_CASE("read_relevance: external ids where the format has ids") {
  const test::TemporaryDirectory directory;
  const ExternalIds queries = ExternalIds::from(std::vector<std::string>{"a", "b"});
  const ExternalIds passages = ExternalIds::from(std::vector<std::string>{"x", "y", "z"});
  RowMajorMatrix expected = RowMajorMatrix::Zero(2, 3);
  expected(1, 2) = 1.0f;
  const auto read = [&](const std::string& file, const std::string& text, io::UnknownId unknown = io::UnknownId::skip) {
    return io::read_relevance(directory.write(file, text), queries, passages, std::nullopt, unknown);
  };
  for (const auto& [file, text] : {std::pair("y.tsv", "b\tz\nc\tz\n"), std::pair("y.qrels", "b 0 z 1\nc 0 z 1\n"),
                                   std::pair("y.beir", "query-id\tcorpus-id\tscore\nb\tz\t1\nc\tz\t1\n")}) {
    const io::Judgements judgements = read(file, text);
    REQUIRE(test::dense(judgements.relevance) == expected);
    REQUIRE(judgements.unknown_queries == 1);
    REQUIRE_ERROR(FormatError, "query 'c' is none of the 2 known ids", read(file, text, io::UnknownId::refuse));
  }
  REQUIRE(test::dense(read("y.xmc", "2 0 3\n\n2\n").relevance) == expected);
  REQUIRE_ERROR(ShapeError, "expected 2 queries x 3 passages", read("y.xmc", "1 0 3\n2\n"));
}

TEST_CASE("read_relevance: a file of another format is named by what it is") {
  const test::TemporaryDirectory directory;
  for (const RelevanceFormat format : {tsv, qrels, beir, csr, xmc, libsvm}) {
    INFO(name(format));
    const auto npy = directory.write(std::string("y.") + name(format), "\x93NUMPY.................");
    REQUIRE_ERROR(io::WrongFormat, std::string(": it is a .npy file, not .") + name(format),
                  io::read_relevance(npy, 6, 9));
  }
}

TEST_CASE("parse_relevance_format, relevance_format_of: names and extensions, or the list of them") {
  for (const RelevanceFormat format : {tsv, qrels, beir, npz, csr, xmc, libsvm}) {
    REQUIRE(io::parse_relevance_format(name(format)) == format);
    REQUIRE(io::relevance_format_of(std::string("a.b/y.") + name(format)) == format);
  }
  REQUIRE(io::relevance_format_of("y.svm") == libsvm);
  REQUIRE(io::relevance_format_of("y.svmlight") == libsvm);
  REQUIRE_ERROR(ValueError, "relevance format 'parquet' is unknown, expected tsv, qrels, beir, npz, csr, xmc or libsvm",
                io::parse_relevance_format("parquet"));
  for (const char* path : {"y.txt", "y", "tsv", "y."}) {
    REQUIRE_ERROR(ValueError,
                  "names no relevance format, expected .tsv, .qrels, .beir, .npz, .csr, .xmc, .libsvm or .svm",
                  io::relevance_format_of(path));
  }
  REQUIRE_ERROR(ValueError, "names no relevance format", io::read_relevance("y.txt", 1, 1));
  REQUIRE_ERROR(ValueError, "names no relevance format",
                io::write_relevance("y.txt", test::random_relevance(1, 1, 1, 1)));
}

#if !defined(PEFA_HAS_LIBZIP) || !PEFA_HAS_LIBZIP
TEST_CASE("read_relevance, write_relevance: .npz is refused by name where there is no libzip") {
  REQUIRE_ERROR(ValueError, "y.npz: .npz files need libzip", io::read_relevance("y.npz", 1, 1));
  REQUIRE_ERROR(ValueError, "y.npz: .npz files need libzip",
                io::write_relevance("y.npz", test::random_relevance(1, 1, 1, 1)));
}
#endif

TEST_CASE("write_relevance: stopped, it leaves the older file in every format") {
  const test::TemporaryDirectory directory;
  const RelevanceMatrix relevance = test::random_relevance(6, 9, 2, 1).binary();
  for (const RelevanceFormat format : formats()) {
    INFO(name(format));
    const auto path = directory.write("x", "old");
    REQUIRE_ERROR(Cancelled, "x: stopped", (io::write_relevance(path, relevance, format, [] { return true; }), 0));
    REQUIRE(test::read_bytes(path) == "old");
    REQUIRE(directory.file_count() == 1);
  }
}
