#include "pefa/io/relevance/xmc_text.hpp"

#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::PointFeatures;

namespace {

io::LabelledPoints xmc_points(const std::string& text, PointFeatures features = PointFeatures::keep) {
  const test::TemporaryDirectory directory;
  return io::read_xmc(directory.write("test.xmc", text), features);
}

/// The bytes that write_xmc() makes.
template <class... Arguments>
std::string written_xmc(const Arguments&... arguments) {
  const test::TemporaryDirectory directory;
  io::write_xmc(directory / "test.xmc", arguments...);
  return test::read_bytes(directory / "test.xmc");
}

}  // namespace

TEST_CASE("read_xmc: labels are Y, features are a sparse matrix, both counted from 0") {
  const io::LabelledPoints points = xmc_points("3 4 5\r\n0,4 0:0.5 3:-2\r\n2 1:1e-3\n1,0 2:7");
  RowMajorMatrix labels = RowMajorMatrix::Zero(3, 5);
  labels(0, 0) = labels(0, 4) = labels(1, 2) = labels(2, 0) = labels(2, 1) = 1.0f;
  RowMajorMatrix features = RowMajorMatrix::Zero(3, 4);
  features(0, 0) = 0.5f;
  features(0, 3) = -2.0f;
  features(1, 1) = 1e-3f;
  features(2, 2) = 7.0f;
  REQUIRE(test::dense(points.labels) == labels);
  REQUIRE(RowMajorMatrix(points.features) == features);
}

TEST_CASE("read_xmc: features are left out where they are not wanted, and checked all the same") {
  const io::LabelledPoints points = xmc_points("1 4 5\n0,4 0:0.5 3:-2\n", PointFeatures::skip);
  REQUIRE(points.labels.pair_count() == 2);
  REQUIRE(points.features.size() == 0);
  REQUIRE_ERROR(FormatError, "feature 4 is out of range", xmc_points("1 4 5\n0 4:1\n", PointFeatures::skip));
}

TEST_CASE("read_xmc: points without labels, without features, without either") {
  const io::LabelledPoints points = xmc_points("6 3 3\n 0:1 2:2\n1:1\n0,2\n\n \n2 \n");
  REQUIRE(points.labels.row_counts() == std::vector<std::size_t>{0, 0, 2, 0, 0, 1});
  REQUIRE(points.features.nonZeros() == 3);
  REQUIRE(points.features.coeff(1, 1) == 1.0f);
  REQUIRE(xmc_points("0 3 3\n").labels.rows() == 0);
  REQUIRE(xmc_points("1 0 0\n\n").labels.cols() == 0);
}

TEST_CASE("read_xmc: features of a point in any order, a label twice counts once") {
  const io::LabelledPoints points = xmc_points("1 4 5\n3,1,3 3:3 0:1 2:0\n");
  REQUIRE(points.labels.pair_count() == 2);
  REQUIRE(points.labels.passages_of(QueryId(0)).weights[1] == 1.0f);
  REQUIRE(points.features.coeff(0, 3) == 3.0f);
  REQUIRE(points.features.coeff(0, 0) == 1.0f);
  REQUIRE(points.features.nonZeros() == 3);  // an explicit 0 stays
}

TEST_CASE("read_xmc: a bad header is refused") {
  REQUIRE_ERROR(FormatError, "test.xmc: is empty, expected points, features and labels", xmc_points(""));
  REQUIRE_ERROR(FormatError, "test.xmc:1: has 2 fields, expected a header of 3: points, features, labels",
                xmc_points("2 3\n0 1:1\n"));
  REQUIRE_ERROR(FormatError, "test.xmc:1: has 0 fields", xmc_points("\n2 3 4\n"));
  REQUIRE_ERROR(FormatError, "test.xmc:1: expected number of points, got '-1'", xmc_points("-1 3 4\n"));
  REQUIRE_ERROR(FormatError, "test.xmc:1: number of features is 2147483647, expected at most 2147483646",
                xmc_points("1 2147483647 4\n0\n"));
  REQUIRE_ERROR(FormatError, "test.xmc:1: number of labels is 99999999999999999999, expected at most",
                xmc_points("1 3 99999999999999999999\n0\n"));
}

TEST_CASE("read_xmc: another number of points than the header's is refused, and takes no memory") {
  REQUIRE_ERROR(FormatError, "test.xmc: ends after 1 points, its header says 2", xmc_points("2 3 4\n0 1:1\n"));
  REQUIRE_ERROR(FormatError, "test.xmc: ends after 1 points, its header says 2147483646",
                xmc_points("2147483646 3 4\n0 1:1\n"));
  REQUIRE_ERROR(FormatError, "test.xmc:4: is one point more than the 1 of the header",
                xmc_points("1 3 4\n0 1:1\n\n0 1:1\n"));
  REQUIRE(xmc_points("1 3 4\n0 1:1\n\n\n").labels.rows() == 1);
}

TEST_CASE("read_xmc: a bad point is refused by its line with what is wrong") {
  const auto refused = [](const std::string& line, const std::string& what) {
    INFO(line);
    REQUIRE_ERROR(FormatError, "test.xmc:3: " + what, xmc_points("3 4 5\n0 1:1\n" + line + "\n1 1:1\n"));
  };
  refused("5 0:1", "label 5 is out of range, expected below 5 (labels count from 0)");
  refused("-1 0:1", "expected label, got '-1'");
  refused("99999999999999999999 0:1", "label is 99999999999999999999, expected at most");
  refused("1,,2 0:1", "expected label, got ''");
  refused("1, 0:1", "expected label, got ''");
  refused(",1 0:1", "expected label, got ''");
  refused("1.0 0:1", "expected label, got '1.0'");
  refused("1, 2 0:1", "expected label, got ''");
  refused(" 1,2 0:1", "expected a feature:value, got '1,2'");
  refused("1 2", "expected a feature:value, got '2'");
  refused("1 4:1", "feature 4 is out of range, expected below 4 (features count from 0)");
  refused("1 :1", "expected feature, got ''");
  refused("1 x:1", "expected feature, got 'x'");
  refused("1 1:", "expected a value, got '1:'");
  refused("1 1:one", "expected a value, got '1:one'");
  refused("1 1:1:1", "expected a value, got '1:1:1'");
  refused("1 1:nan", "'1:nan' is not a finite 32-bit value");
  refused("1 1:-inf", "'1:-inf' is not a finite 32-bit value");
  refused("1 1:1e39", "'1:1e39' is not a finite 32-bit value");
  refused("1 2:1 1:1 2:3", "has feature 2 twice");
}

TEST_CASE("write_xmc: read_xmc brings labels and features back") {
  const test::TemporaryDirectory directory;
  const RelevanceMatrix labels = test::random_relevance(20, 9, 3, 1, 4).binary();
  io::write_xmc(directory / "x.xmc", labels);
  REQUIRE(test::dense(io::read_xmc(directory / "x.xmc").labels) == test::dense(labels));

  RowMajorMatrix dense = test::random_matrix(20, 7, 2, Normalize::none);
  dense.row(3).setZero();
  const io::FeatureMatrix features = dense.sparseView();
  io::write_xmc(directory / "x.xmc", labels, features);
  const io::LabelledPoints back = io::read_xmc(directory / "x.xmc", PointFeatures::keep);
  REQUIRE(test::dense(back.labels) == test::dense(labels));
  REQUIRE(RowMajorMatrix(back.features) == dense);
}

TEST_CASE("write_xmc: the text is the repository's") {
  const std::vector<RelevancePair> pairs = {{QueryId(0), PassageId(2)}, {QueryId(0), PassageId(0)}};
  const RelevanceMatrix labels = RelevanceMatrix::from_pairs(pairs, 2, 3);
  REQUIRE(written_xmc(labels) == "2 0 3\n0,2\n\n");
  io::FeatureMatrix features(2, 4);
  features.insert(1, 3) = 0.5f;
  REQUIRE(written_xmc(labels, features) == "2 4 3\n0,2\n 3:0.5\n");
}

TEST_CASE("write_xmc: what the format cannot hold is refused, and no file appears") {
  const test::TemporaryDirectory directory;
  const std::vector<RelevancePair> pairs = {{QueryId(1), PassageId(2), 2.0f}};
  const RelevanceMatrix weighted = RelevanceMatrix::from_pairs(pairs, 2, 3);
  REQUIRE_ERROR(ValueError, "x.xmc: query row 1, passage row 2 has weight 2, expected 1",
                io::write_xmc(directory / "x.xmc", weighted));
  REQUIRE_ERROR(ShapeError, "features have 3 rows, labels have 2",
                io::write_xmc(directory / "x.xmc", weighted.binary(), io::FeatureMatrix(3, 1)));
  io::FeatureMatrix features(2, 4);
  features.insert(1, 3) = std::numeric_limits<float>::quiet_NaN();
  REQUIRE_ERROR(ValueError, "feature 3 of row 1 is nan, expected a finite value",
                io::write_xmc(directory / "x.xmc", weighted.binary(), features));
  REQUIRE(directory.file_count() == 0);
}
