#include "pefa/io/relevance/libsvm.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/io/relevance/relevance_file.hpp"
#include "support.hpp"

using namespace pefa;
using io::IndexBase;
using io::LibsvmLayout;
using io::PointFeatures;

namespace {

io::LabelledPoints read_points(const std::string& text, const LibsvmLayout& layout = {}) {
  const test::TemporaryDirectory directory;
  return io::read_libsvm(directory.write("test.svm", text), layout);
}

}  // namespace

TEST_CASE("read_libsvm: every line is a point; labels count from 0 and features from 1 unless told") {
  const io::LabelledPoints points = read_points("0,4 1:0.5 4:-2\n\n 2:1\r\n1", {.features = PointFeatures::keep});
  RowMajorMatrix labels = RowMajorMatrix::Zero(4, 5);
  labels(0, 0) = labels(0, 4) = labels(3, 1) = 1.0f;
  RowMajorMatrix features = RowMajorMatrix::Zero(4, 4);
  features(0, 0) = 0.5f;
  features(0, 3) = -2.0f;
  features(2, 1) = 1.0f;
  REQUIRE(test::dense(points.labels) == labels);
  REQUIRE(RowMajorMatrix(points.features) == features);
}

TEST_CASE("read_libsvm: labels from 1, features from 0, counts as given") {
  const io::LabelledPoints points = read_points("1,3,7 0:1\n", {.label_base = IndexBase::one,
                                                                .feature_base = IndexBase::zero,
                                                                .n_labels = 7,
                                                                .n_features = 9,
                                                                .features = PointFeatures::keep});
  REQUIRE(points.labels.cols() == 7);
  REQUIRE(points.labels.passages_of(QueryId(0)).columns[1] == 2);
  REQUIRE(points.features.cols() == 9);
  REQUIRE(points.features.coeff(0, 0) == 1.0f);
}

TEST_CASE("read_relevance: of LIBSVM's labels it tells the lowest, as they may count from 1") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("labels.libsvm", "3,1 1:1\n2 1:1\n");
  const auto read = [&](IndexBase base) {
    return io::read_relevance(path, io::RowIds(2), io::RowIds(4), std::nullopt, io::UnknownId::refuse, base);
  };
  REQUIRE(read(IndexBase::zero).lowest_passage == 1);
  REQUIRE(read(IndexBase::one).lowest_passage == 0);
}

TEST_CASE("read_libsvm: a label past all memory takes none") {
  REQUIRE(read_points("2147483645\n").labels.cols() == 2147483646);
}

TEST_CASE("read_libsvm: counts that are not given are the largest seen") {
  REQUIRE(read_points("0,4 1:1\n").labels.cols() == 5);
  REQUIRE(read_points("1,4 1:1\n", {.label_base = IndexBase::one}).labels.cols() == 4);
  REQUIRE(read_points(" 1:1\n").labels.cols() == 0);
  REQUIRE(read_points("0\n", {.features = PointFeatures::keep}).features.cols() == 0);
}

TEST_CASE("read_libsvm: a bad line is refused by its number with what is wrong") {
  const auto refused = [](const std::string& line, const std::string& what, const LibsvmLayout& layout = {}) {
    INFO(line);
    REQUIRE_ERROR(FormatError, "test.svm:2: " + what, read_points("1 1:1\n" + line + "\n", layout));
  };
  refused("5 1:1", "label 5 is out of range, expected below 5 (labels count from 0)", {.n_labels = 5});
  refused("6 1:1", "label 6 is out of range, expected below 6 (labels count from 1)",
          {.label_base = IndexBase::one, .n_labels = 5});
  refused("0 1:1", "label is 0, expected at least 1: labels count from 1", {.label_base = IndexBase::one});
  refused("1 0:1", "feature is 0, expected at least 1: features count from 1");
  refused("1 4:1", "feature 4 is out of range, expected below 4 (features count from 1)", {.n_features = 3});
  refused("2147483646 1:1", "label 2147483646 is out of range, expected below 2147483646");
  refused("18446744073709551615 1:1", "label is 18446744073709551615, expected at most");
  refused("1 2:1 2:1", "has feature 2 twice");
  refused("1 qid:1 2:1", "expected feature, got 'qid'");
  refused("1 2:1 # no", "expected a feature:value, got '#'");
  refused("1 2:nan", "'2:nan' is not a finite 32-bit value");
  REQUIRE_ERROR(FormatError, "test.svm: has no points, expected one a line", read_points(""));
  REQUIRE_ERROR(ShapeError, "asked to read 3000000000 labels", read_points("1\n", {.n_labels = 3000000000}));
}

TEST_CASE("write_libsvm: read_libsvm brings labels and features back, from either base") {
  const test::TemporaryDirectory directory;
  const RelevanceMatrix labels = test::random_relevance(20, 9, 3, 1, 4).binary();
  const RowMajorMatrix dense = test::random_matrix(20, 7, 2, Normalize::none);
  const io::FeatureMatrix features = dense.sparseView();
  for (const IndexBase base : {IndexBase::zero, IndexBase::one}) {
    const LibsvmLayout layout{.label_base = base, .feature_base = base, .n_labels = 9, .features = PointFeatures::keep};
    io::write_libsvm(directory / "x.svm", labels, features, layout);
    const io::LabelledPoints back = io::read_libsvm(directory / "x.svm", layout);
    REQUIRE(test::dense(back.labels) == test::dense(labels));
    REQUIRE(RowMajorMatrix(back.features) == dense);
    io::write_libsvm(directory / "x.svm", labels, layout);
    REQUIRE(test::dense(io::read_libsvm(directory / "x.svm", layout).labels) == test::dense(labels));
  }
}

TEST_CASE("write_libsvm: the text is LIBSVM's, and weights other than 1 are refused") {
  const test::TemporaryDirectory directory;
  const std::vector<RelevancePair> pairs = {{QueryId(0), PassageId(2)}, {QueryId(0), PassageId(0)}};
  io::FeatureMatrix features(2, 4);
  features.insert(0, 0) = 1.0f;
  features.insert(1, 3) = 0.5f;
  io::write_libsvm(directory / "x.svm", RelevanceMatrix::from_pairs(pairs, 2, 3), features);
  REQUIRE(test::read_bytes(directory / "x.svm") == "0,2 1:1\n 4:0.5\n");
  const std::vector<RelevancePair> weighted = {{QueryId(0), PassageId(0), 0.5f}};
  REQUIRE_ERROR(ValueError, "y.svm: query row 0, passage row 0 has weight 0.5, expected 1",
                io::write_libsvm(directory / "y.svm", RelevanceMatrix::from_pairs(weighted, 1, 1)));
}
