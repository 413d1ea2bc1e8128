#include "pefa/store/embedding_view.hpp"

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

using View = EmbeddingView<float>;

// What would need a copy, or would be read wrongly in place, does not compile.
static_assert(std::is_constructible_v<View, const RowMajorMatrix&>);
static_assert(!std::is_constructible_v<View, const Eigen::MatrixXf&>, "column-major");
static_assert(!std::is_constructible_v<View, const Eigen::VectorXf&>, "a column");
static_assert(!std::is_constructible_v<View, decltype(std::declval<const Eigen::MatrixXf&>().row(0))>,
              "a row of a column-major matrix: its elements are apart");
static_assert(!std::is_constructible_v<View, decltype(std::declval<const RowMajorMatrix&>().col(0))>, "a column");
static_assert(!std::is_constructible_v<
                  View, const Eigen::Map<const RowMajorMatrix, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>&>,
              "elements apart");
static_assert(!std::is_constructible_v<EmbeddingView<double>, const RowMajorMatrix&>, "another element type");

}  // namespace

TEST_CASE("EmbeddingView: over a row-major matrix nothing is copied") {
  const RowMajorMatrix matrix = test::random_matrix(5, 7, 1);
  const View view = matrix;
  REQUIRE(view.size() == 5);
  REQUIRE(view.dim() == 7);
  REQUIRE(view.stride() == 7);
  REQUIRE(view.data() == matrix.data());
  REQUIRE(view.row(3) == matrix.data() + 21);
  REQUIRE(view.scales() == nullptr);
  REQUIRE(view.scale(2) == 1.0f);
  REQUIRE_FALSE(view.empty());
}

TEST_CASE("EmbeddingView: a block of rows, of columns, a Map and a Ref are read in place") {
  const RowMajorMatrix matrix = test::random_matrix(6, 10, 2);
  const auto require_same = [](const View& view, const auto& block, const float* first, std::size_t stride) {
    REQUIRE(view.data() == first);
    REQUIRE(view.stride() == stride);
    REQUIRE(view.size() == static_cast<std::size_t>(block.rows()));
    REQUIRE(view.dim() == static_cast<std::size_t>(block.cols()));
    for (Eigen::Index i = 0; i < block.rows(); ++i) {
      for (Eigen::Index d = 0; d < block.cols(); ++d) {
        REQUIRE(view.row(static_cast<std::size_t>(i))[d] == block(i, d));
      }
    }
  };
  require_same(matrix.middleRows(2, 3), matrix.middleRows(2, 3), matrix.data() + 20, 10);
  require_same(matrix.middleCols(4, 5), matrix.middleCols(4, 5), matrix.data() + 4, 10);
  require_same(matrix.block(1, 3, 4, 2), matrix.block(1, 3, 4, 2), matrix.data() + 13, 10);
  require_same(matrix.row(4), matrix.row(4), matrix.data() + 40, 10);

  const Eigen::Map<const RowMajorMatrix> map(matrix.data(), 3, 20);
  require_same(map, map, matrix.data(), 20);
  const Eigen::Map<const RowMajorMatrix, 0, Eigen::OuterStride<>> apart(matrix.data(), 3, 7, Eigen::OuterStride<>(20));
  require_same(apart, apart, matrix.data(), 20);
  const Eigen::Ref<const RowMajorMatrix> reference(matrix);
  require_same(reference, reference, matrix.data(), 10);

  const Eigen::RowVectorXf vector = matrix.row(0);
  require_same(vector, vector, vector.data(), 10);
}

TEST_CASE("EmbeddingView: a flat span is whole rows or refused") {
  const std::vector<float> values(12, 1.0f);
  const View view(std::span<const float>(values), 4);
  REQUIRE(view.size() == 3);
  REQUIRE(view.data() == values.data());
  REQUIRE_ERROR(ShapeError, "EmbeddingView: 12 values are not whole rows of dim 5",
                View(std::span<const float>(values), 5));
  REQUIRE_ERROR(ShapeError, "EmbeddingView: 12 values are not whole rows of dim 13",
                View(std::span<const float>(values), 13));
  REQUIRE_ERROR(ShapeError, "EmbeddingView: dim is 0", View(std::span<const float>(values), 0));
  REQUIRE(View(std::span<const float>(), 4).empty());
}

TEST_CASE("EmbeddingView: a shape that cannot be is refused with what it was") {
  const std::vector<float> values(12, 1.0f);
  const std::size_t too_many = std::size_t{std::numeric_limits<Row>::max()} + 1;
  REQUIRE_ERROR(ShapeError, "EmbeddingView: dim is 0, expected at least 1", View(values.data(), 3, 0));
  REQUIRE_ERROR(ShapeError, "EmbeddingView: stride is 3, expected at least dim = 4",
                View(values.data(), 3, 4, 3, nullptr));
  REQUIRE_ERROR(ShapeError, "EmbeddingView: 4294967296 rows, expected at most 4294967295",
                View(values.data(), too_many, 1));
  REQUIRE_ERROR(ShapeError, "EmbeddingView: 3 rows over a null pointer", View(nullptr, 3, 4));
  REQUIRE_NOTHROW(View(nullptr, 0, 4));
  REQUIRE_ERROR(ShapeError, "EmbeddingView: dim is 0", View(RowMajorMatrix(3, 0)));
}

TEST_CASE("EmbeddingView: int8 rows need scales, and decode multiplies by them") {
  const std::vector<std::int8_t> codes = {1, -2, 127, -128};
  const std::vector<float> scales = {0.5f, 2.0f};
  REQUIRE_ERROR(ShapeError, "EmbeddingView: int8 rows need one scale a row",
                EmbeddingView<std::int8_t>(codes.data(), 2, 2));
  const EmbeddingView<std::int8_t> view(codes.data(), 2, 2, scales.data());
  REQUIRE(view.scale(1) == 2.0f);
  float row[2];
  view.decode(0, row);
  REQUIRE(row[0] == 0.5f);
  REQUIRE(row[1] == -1.0f);
  view.decode(1, row);
  REQUIRE(row[0] == 254.0f);
  REQUIRE(row[1] == -256.0f);
}

TEMPLATE_TEST_CASE("EmbeddingView::decode: writes a row as floats, whatever the stride", "", float, double, Eigen::half,
                   Eigen::bfloat16) {
  std::vector<TestType> values;
  for (int i = 0; i < 12; ++i) values.push_back(TestType(static_cast<float>(i) - 3.5f));
  const EmbeddingView<TestType> view(values.data(), 3, 2, 4, nullptr);
  for (std::size_t i = 0; i < 3; ++i) {
    float row[2];
    view.decode(i, row);
    REQUIRE(row[0] == static_cast<float>(4 * i) - 3.5f);
    REQUIRE(row[1] == static_cast<float>(4 * i) - 2.5f);
  }
}

TEST_CASE("EmbeddingView::slice: rows [begin, end) in place, with their stride and scales") {
  const RowMajorMatrix matrix = test::random_matrix(6, 10, 3);
  const View view = matrix.middleCols(1, 4);
  const View middle = view.slice(2, 5);
  REQUIRE(middle.size() == 3);
  REQUIRE(middle.stride() == 10);
  REQUIRE(middle.row(0) == view.row(2));
  REQUIRE(middle.slice(1, 2).row(0) == view.row(3));
  REQUIRE(view.slice(6, 6).empty());

  const std::vector<std::int8_t> codes(6, 1);
  const std::vector<float> scales = {1.0f, 2.0f, 3.0f};
  REQUIRE(EmbeddingView<std::int8_t>(codes.data(), 3, 2, scales.data()).slice(1, 3).scale(1) == 3.0f);
}

TEST_CASE("EmbeddingView::slice: rows that are not there are refused") {
  const RowMajorMatrix matrix = test::random_matrix(6, 10, 3);
  const View view = matrix;
  REQUIRE_ERROR(ShapeError, "EmbeddingView::slice: rows [2, 7) of 6", view.slice(2, 7));
  REQUIRE_ERROR(ShapeError, "EmbeddingView::slice: rows [3, 2) of 6", view.slice(3, 2));
}

TEST_CASE("EmbeddingView: the default one is empty") {
  const View view;
  REQUIRE(view.empty());
  REQUIRE(view.dim() == 0);
  REQUIRE_NOTHROW(require_valid_rows(view, RowCheck::finite_non_zero, "Test"));
}

TEMPLATE_TEST_CASE("require_valid_rows: names the first row that is not finite, or zero", "", float, double,
                   Eigen::half, Eigen::bfloat16) {
  const auto with = [](float value) {
    std::vector<TestType> values(20, TestType(1.0f));
    for (std::size_t d = 0; d < 4; ++d) values[8 + d] = TestType(0.0f);
    values[11] = TestType(value);
    return values;
  };
  const auto check = [](const std::vector<TestType>& values, RowCheck kind) {
    require_valid_rows(EmbeddingView<TestType>(values.data(), 5, 4), kind, "Test::build: passages");
  };
  constexpr float infinity = std::numeric_limits<float>::infinity();
  REQUIRE_NOTHROW(check(with(1.0f), RowCheck::finite_non_zero));
  for (const RowCheck kind : {RowCheck::finite, RowCheck::finite_non_zero}) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity}) {
      REQUIRE_ERROR(ValueError, "Test::build: passages: row 2 has a NaN or infinite element", check(with(bad), kind));
    }
  }
  REQUIRE_ERROR(ValueError, "Test::build: passages: row 2 is a zero vector",
                check(with(-0.0f), RowCheck::finite_non_zero));
  REQUIRE_NOTHROW(check(with(0.0f), RowCheck::finite));
}

TEST_CASE("require_valid_rows: the largest and the smallest floats are fine") {
  const std::vector<float> values = {std::numeric_limits<float>::max(), std::numeric_limits<float>::max(),
                                     std::numeric_limits<float>::denorm_min(), 0.0f};
  REQUIRE_NOTHROW(require_valid_rows(View(values.data(), 2, 2), RowCheck::finite_non_zero, "Test"));
}

TEST_CASE("require_valid_rows: doubles outside the range of float32 are refused") {
  const std::vector<double> values = {1.0, 1e300};
  REQUIRE_ERROR(ValueError, "row 1 has a NaN or infinite element",
                require_valid_rows(EmbeddingView<double>(values.data(), 2, 1), RowCheck::finite, "Test"));
}

TEST_CASE("require_valid_rows: a bad scale makes a bad row") {
  const std::vector<std::int8_t> codes = {1, 1, 1};
  const auto check = [&](float scale) {
    const std::vector<float> scales = {1.0f, scale, 1.0f};
    require_valid_rows(EmbeddingView<std::int8_t>(codes.data(), 3, 1, scales.data()), RowCheck::finite_non_zero,
                       "Test");
  };
  REQUIRE_NOTHROW(check(1.0f));
  REQUIRE_ERROR(ValueError, "row 1 has a NaN", check(std::numeric_limits<float>::quiet_NaN()));
  REQUIRE_ERROR(ValueError, "row 1 has a NaN", check(std::numeric_limits<float>::infinity()));
  REQUIRE_ERROR(ValueError, "row 1 is a zero vector", check(0.0f));
}
