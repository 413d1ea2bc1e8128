#include "pefa/store/embedding_store.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

template <class Scalar>
std::vector<float> decoded(const EmbeddingStore<Scalar>& store, std::size_t row) {
  std::vector<float> values(store.dim());
  store.view().decode(row, values.data());
  return values;
}

double norm(const std::vector<float>& values) {
  double sum = 0.0;
  for (const float x : values) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

/// How far a stored element may be from the float it was made of, in a row whose largest element is `largest`.
template <class Scalar>
float element_error(float value, float largest) {
  if constexpr (std::is_same_v<Scalar, std::int8_t>) return largest / 127.0f * 0.50001f;  // half a step of the code
  if constexpr (std::is_same_v<Scalar, Eigen::half>) return std::abs(value) * 0x1p-11f + 0x1p-25f;
  if constexpr (std::is_same_v<Scalar, Eigen::bfloat16>) return std::abs(value) * 0x1p-8f;
  return 0.0f;
}

}  // namespace

TEMPLATE_TEST_CASE("EmbeddingStore::from: keeps every row as its element type can", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  const RowMajorMatrix matrix = test::random_matrix(20, 33, 1, Normalize::none);
  const auto store = EmbeddingStore<TestType>::from(matrix);
  REQUIRE(store.size() == 20);
  REQUIRE(store.dim() == 33);
  REQUIRE_FALSE(store.empty());
  for (std::size_t i = 0; i < store.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    const float largest = matrix.row(row).cwiseAbs().maxCoeff();
    const std::vector<float> values = decoded(store, i);
    for (std::size_t d = 0; d < store.dim(); ++d) {
      const float expected = matrix(row, static_cast<Eigen::Index>(d));
      INFO("row " << i << ", element " << d);
      REQUIRE(std::abs(values[d] - expected) <= element_error<TestType>(expected, largest));
    }
  }
}

TEMPLATE_TEST_CASE("EmbeddingStore: the first row is on a 64-byte boundary and the rows are packed", "", float, double,
                   Eigen::half, Eigen::bfloat16, std::int8_t) {
  const RowMajorMatrix matrix = test::random_matrix(1, 5, 2);
  EmbeddingStore<TestType> store(5);
  for (std::size_t i = 0; i < 200; ++i) {
    store.append(EmbeddingView<float>(matrix));
    if (reinterpret_cast<std::uintptr_t>(store.row(0)) % 64 != 0) FAIL("misaligned at size " << store.size());
  }
  REQUIRE(store.row(7) == store.row(0) + 35);
  REQUIRE(store.view().stride() == 5);
  REQUIRE(store.view().data() == store.row(0));
}

TEMPLATE_TEST_CASE("EmbeddingStore::append: rows of every type, one after the other", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  const RowMajorMatrix matrix = test::random_matrix(3, 4, 3);
  const auto source = EmbeddingStore<TestType>::from(matrix);
  auto store = EmbeddingStore<float>::from(matrix);
  store.append(source.view());
  REQUIRE(store.size() == 6);
  for (std::size_t i = 0; i < 3; ++i) {
    REQUIRE(decoded(store, 3 + i) == decoded(source, i));
    REQUIRE(decoded(store, i) == std::vector<float>(matrix.row(static_cast<Eigen::Index>(i)).data(),
                                                    matrix.row(static_cast<Eigen::Index>(i)).data() + 4));
  }
}

TEST_CASE("EmbeddingStore::append: one vector at a time, and strided rows") {
  const RowMajorMatrix matrix = test::random_matrix(4, 9, 4);
  EmbeddingStore<float> store(3);
  store.append(EmbeddingView<float>(matrix.middleCols(2, 3)));
  store.append(std::span<const float>(matrix.data(), 3));
  REQUIRE(store.size() == 5);
  for (Eigen::Index i = 0; i < 4; ++i) {
    for (Eigen::Index d = 0; d < 3; ++d) REQUIRE(store.row(static_cast<std::size_t>(i))[d] == matrix(i, 2 + d));
  }
  for (std::size_t d = 0; d < 3; ++d) REQUIRE(store.row(4)[d] == matrix.data()[d]);
}

TEST_CASE("EmbeddingStore::append: rows that come one by one are not copied again for each of them") {
  const RowMajorMatrix matrix = test::random_matrix(1, 8, 5);
  EmbeddingStore<std::int8_t> store(8);
  std::size_t moves = 0;
  for (std::size_t i = 0; i < 10'000; ++i) {
    const std::int8_t* before = store.row(0);
    store.append(EmbeddingView<float>(matrix));
    moves += store.row(0) == before ? 0U : 1U;
  }
  REQUIRE(moves < 100);
}

TEMPLATE_TEST_CASE("EmbeddingStore::append: a NaN row is refused by its number and the store keeps what it had", "",
                   float, double, Eigen::half, Eigen::bfloat16, std::int8_t) {
  const RowMajorMatrix good = test::random_matrix(4, 6, 6);
  auto store = EmbeddingStore<TestType>::from(good);
  const std::vector<float> last = decoded(store, 3);

  RowMajorMatrix bad = test::random_matrix(10, 6, 7);
  bad(8, 5) = not_a_number;
  REQUIRE_ERROR(ValueError, "EmbeddingStore::append: row 8 has a NaN or infinite element",
                store.append(EmbeddingView<float>(bad)));
  bad(8, 5) = std::numeric_limits<float>::infinity();
  REQUIRE_ERROR(ValueError, "EmbeddingStore::append: row 8 has a NaN or infinite element",
                store.append(EmbeddingView<float>(bad), Normalize::unit, RowCheck::finite));
  bad.row(8).setZero();
  REQUIRE_ERROR(ValueError, "EmbeddingStore::append: row 8 is a zero vector", store.append(EmbeddingView<float>(bad)));

  REQUIRE(store.size() == 4);
  REQUIRE(store.view().size() == 4);
  REQUIRE(decoded(store, 3) == last);
  store.append(EmbeddingView<float>(good));  // and goes on from there
  REQUIRE(store.size() == 8);
  REQUIRE(decoded(store, 7) == last);
}

TEST_CASE("EmbeddingStore::append: a row outside the range of a half is refused, never stored as infinity or zero") {
  auto store = EmbeddingStore<Eigen::half>::from(test::random_matrix(3, 2, 8));
  RowMajorMatrix rows = RowMajorMatrix::Ones(4, 2);
  rows(2, 1) = 70000.0f;
  REQUIRE_ERROR(ValueError, "EmbeddingStore::append, as float16: row 2 has a NaN or infinite element",
                store.append(EmbeddingView<float>(rows)));
  rows.row(2).setConstant(1e-9f);
  REQUIRE_ERROR(ValueError, "EmbeddingStore::append, as float16: row 2 is a zero vector",
                store.append(EmbeddingView<float>(rows)));
  REQUIRE(store.size() == 3);
  store.append(EmbeddingView<float>(rows), Normalize::unit);  // of unit length it fits
  REQUIRE(store.size() == 7);
  REQUIRE(decoded(store, 5)[0] == Approx(std::sqrt(0.5)).epsilon(1e-3));
}

TEST_CASE("EmbeddingStore::append: a row outside the range of bfloat16 or of int8 scales is refused") {
  const std::vector<float> huge = {std::numeric_limits<float>::max()};  // rounds up to infinity
  EmbeddingStore<Eigen::bfloat16> brain(1);
  REQUIRE_ERROR(ValueError, "EmbeddingStore::append, as bfloat16: row 0 has a NaN or infinite element",
                brain.append(std::span<const float>(huge)));
  const std::vector<float> tiny = {std::numeric_limits<float>::denorm_min()};  // its scale, a 127th, is no float
  EmbeddingStore<std::int8_t> codes(1);
  REQUIRE_ERROR(ValueError, "EmbeddingStore::append, as int8: row 0 is a zero vector",
                codes.append(std::span<const float>(tiny)));
  REQUIRE(brain.empty());
  REQUIRE(codes.empty());
}

TEST_CASE("EmbeddingStore::append: another dim is refused with both") {
  EmbeddingStore<float> store(4);
  const RowMajorMatrix matrix = test::random_matrix(2, 3, 9);
  REQUIRE_ERROR(ShapeError, "EmbeddingStore::append: rows have dim 3, the store has dim 4",
                store.append(EmbeddingView<float>(matrix)));
  REQUIRE_ERROR(ShapeError, "rows have dim 3", store.append(std::span<const float>(matrix.data(), 3)));
  REQUIRE(store.empty());
}

TEST_CASE("EmbeddingStore: dim 0 is refused") {
  REQUIRE_ERROR(ShapeError, "EmbeddingStore: dim is 0, expected at least 1", EmbeddingStore<float>(0));
}

TEMPLATE_TEST_CASE("EmbeddingStore: Normalize::unit divides by the norm, once", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  RowMajorMatrix matrix = test::random_matrix(10, 48, 10, Normalize::none);
  matrix.row(4) *= 1000.0f;
  const auto store = EmbeddingStore<TestType>::from(matrix, Normalize::unit);
  const RowMajorMatrix expected = matrix.rowwise().normalized();
  for (std::size_t i = 0; i < store.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    const float largest = expected.row(row).cwiseAbs().maxCoeff();
    const std::vector<float> values = decoded(store, i);
    for (std::size_t d = 0; d < store.dim(); ++d) {
      const float x = expected(row, static_cast<Eigen::Index>(d));
      // The oracle normalises in float: a few units of 2^-24 on top of what the element type costs.
      REQUIRE(std::abs(values[d] - x) <= element_error<TestType>(x, largest) + 1e-6f);
    }
  }
}

TEST_CASE("EmbeddingStore: without Normalize::unit the lengths stay, in every path") {
  const RowMajorMatrix matrix = 3.0f * test::random_matrix(2, 16, 11);
  REQUIRE(norm(decoded(EmbeddingStore<float>::from(matrix), 0)) == Approx(3.0).epsilon(1e-5));
  REQUIRE(norm(decoded(EmbeddingStore<double>::from(matrix), 1)) == Approx(3.0).epsilon(1e-5));
  REQUIRE(norm(decoded(EmbeddingStore<std::int8_t>::from(matrix), 1)) == Approx(3.0).epsilon(1e-2));
}

TEMPLATE_TEST_CASE("EmbeddingStore: rows at the ends of float's range come to unit length", "", float, double,
                   Eigen::half, Eigen::bfloat16, std::int8_t) {
  for (const float size : {1e-43f, 1e-40f, 1e-20f, 1.0f, 1e20f, 3e38f}) {
    std::vector<float> values(16, size);
    values[3] = -size;
    EmbeddingStore<TestType> store(16);
    store.append(std::span<const float>(values), Normalize::unit);
    const std::vector<float> unit = decoded(store, 0);
    INFO("elements of size " << size);
    REQUIRE(norm(unit) == Approx(1.0).epsilon(1e-3));
    REQUIRE(unit[3] == -unit[0]);
  }
}

TEST_CASE("EmbeddingStore: int8 codes of tiny rows are right before they are scaled") {
  const std::vector<float> values = {1e-38f, -0.5e-38f, 0.0f};  // 127 / 1e-38 is past float
  EmbeddingStore<std::int8_t> store(3);
  store.append(std::span<const float>(values));
  REQUIRE(static_cast<int>(store.row(0)[0]) == 127);
  REQUIRE(std::abs(static_cast<int>(store.row(0)[1]) + 64) <= 1);  // -63.5, give or take its rounding as a subnormal
  REQUIRE(static_cast<int>(store.row(0)[2]) == 0);
}

TEMPLATE_TEST_CASE("EmbeddingStore: RowCheck::finite lets zero rows pass, normalised or not", "", float, double,
                   Eigen::half, Eigen::bfloat16, std::int8_t) {
  RowMajorMatrix matrix = test::random_matrix(3, 5, 12);
  matrix.row(1).setZero();
  const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> doubles = matrix.cast<double>();
  for (const Normalize normalize : {Normalize::none, Normalize::unit}) {
    REQUIRE(decoded(EmbeddingStore<TestType>::from(matrix, normalize, RowCheck::finite), 1) ==
            std::vector<float>(5, 0.0f));
    REQUIRE(decoded(EmbeddingStore<TestType>::from(doubles, normalize, RowCheck::finite), 1) ==
            std::vector<float>(5, 0.0f));
  }
  REQUIRE_ERROR(ValueError, "row 1 is a zero vector", EmbeddingStore<TestType>::from(matrix));
}

TEST_CASE("EmbeddingStore: int8 codes are off by half a scale at most, and the largest element is 127") {
  for (const float size : {1e-3f, 1.0f, 1e4f}) {
    const RowMajorMatrix matrix = size * test::random_matrix(50, 64, 13, Normalize::none);
    const auto store = EmbeddingStore<std::int8_t>::from(matrix);
    for (std::size_t i = 0; i < store.size(); ++i) {
      const auto row = static_cast<Eigen::Index>(i);
      const float scale = store.view().scale(i);
      REQUIRE(scale == Approx(matrix.row(row).cwiseAbs().maxCoeff() / 127.0f).epsilon(1e-6));
      int largest = 0;
      double worst = 0.0;
      for (std::size_t d = 0; d < store.dim(); ++d) {
        const int code = store.row(i)[d];
        largest = std::max(largest, std::abs(code));
        const double x = static_cast<double>(scale) * code;
        worst = std::max(worst, std::abs(x - static_cast<double>(matrix(row, static_cast<Eigen::Index>(d)))));
      }
      REQUIRE(largest == 127);
      // The scale itself is rounded to a float: 127 codes of 2^-24 each are 8e-6 of it.
      REQUIRE(worst <= static_cast<double>(scale) * (0.5 + 1e-5));
    }
  }
}

TEST_CASE("EmbeddingStore: int8 rows keep their codes and scales; unit length goes into the scale") {
  const std::vector<std::int8_t> codes = {3, 4, 0, -128};
  const std::vector<float> scales = {2.0f, 0.25f};
  const EmbeddingView<std::int8_t> view(codes.data(), 2, 2, scales.data());
  const auto kept = EmbeddingStore<std::int8_t>::from(view);
  const auto unit = EmbeddingStore<std::int8_t>::from(view, Normalize::unit);
  for (const auto* store : {&kept, &unit}) {
    REQUIRE(std::equal(codes.begin(), codes.end(), store->row(0)));
  }
  REQUIRE(kept.view().scale(0) == 2.0f);
  REQUIRE(kept.view().scale(1) == 0.25f);
  REQUIRE(unit.view().scale(0) == Approx(0.2));
  REQUIRE(unit.view().scale(1) == Approx(1.0 / 128.0));
}

TEST_CASE("EmbeddingStore: a view of a slice and a conversion read in place") {
  const auto store = EmbeddingStore<float>::from(test::random_matrix(5, 3, 14));
  const EmbeddingView<float> view = store;
  REQUIRE(view.data() == store.row(0));
  REQUIRE(view.slice(2, 4).row(1) == store.row(3));
}

TEST_CASE("EmbeddingStore::from: rows of another store's slice") {
  const auto store = EmbeddingStore<float>::from(test::random_matrix(5, 3, 15));
  const auto copy = EmbeddingStore<float>::from(store.view().slice(1, 3));
  REQUIRE(copy.size() == 2);
  REQUIRE(decoded(copy, 1) == decoded(store, 2));
  REQUIRE(copy.row(0) != store.row(1));
}

TEST_CASE("EmbeddingStore: copies own their rows") {
  auto store = EmbeddingStore<float>::from(test::random_matrix(2, 3, 16));
  const EmbeddingStore<float> copy = store;
  const float before = copy.row(1)[2];
  store.mutable_row(1)[2] = 42.0f;
  REQUIRE(copy.row(1)[2] == before);
  REQUIRE(store.row(1)[2] == 42.0f);
}

TEST_CASE("EmbeddingStore::zeros: rows to fill") {
  auto store = EmbeddingStore<float>::zeros(3, 4);
  REQUIRE(store.size() == 3);
  REQUIRE(decoded(store, 2) == std::vector<float>(4, 0.0f));
  store.mutable_row(2)[0] = 5.0f;
  REQUIRE(store.view().row(2)[0] == 5.0f);

  auto codes = EmbeddingStore<std::int8_t>::zeros(2, 2);
  codes.mutable_row(1)[1] = 10;
  REQUIRE(codes.view().scale(1) == 1.0f);
  codes.mutable_scales()[1] = 0.5f;
  REQUIRE(decoded(codes, 1) == std::vector<float>{0.0f, 5.0f});
}

TEST_CASE("EmbeddingStore::for_overwrite: rows that the caller sets, on a huge page where they are many") {
  auto store = EmbeddingStore<float>::for_overwrite(3, 4);
  REQUIRE(store.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) std::fill_n(store.mutable_row(i), 4, static_cast<float>(i));
  REQUIRE(decoded(store, 2) == std::vector<float>(4, 2.0f));
  const auto codes = EmbeddingStore<std::int8_t>::for_overwrite(2, 2);
  REQUIRE(codes.view().scale(1) == 1.0f);
  REQUIRE_THROWS_AS(EmbeddingStore<float>::for_overwrite(2, 0), ShapeError);

  const auto large = EmbeddingStore<float>::for_overwrite(std::size_t{1} << 14, 512);  // 32 MiB, never touched
  REQUIRE(reinterpret_cast<std::uintptr_t>(large.row(0)) % pefa::detail::huge_page == 0);
}

TEST_CASE("EmbeddingStore::reserve: the rows that come do not move those that are there") {
  const RowMajorMatrix matrix = test::random_matrix(1, 4, 17);
  EmbeddingStore<float> store(4);
  store.reserve(100);
  store.append(EmbeddingView<float>(matrix));
  const float* first = store.row(0);
  for (std::size_t i = 1; i < 100; ++i) store.append(EmbeddingView<float>(matrix));
  REQUIRE(store.row(0) == first);
}

TEMPLATE_TEST_CASE("EmbeddingStore::memory_bytes: the elements, and the scales of int8", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  const std::size_t row_bytes = 32 * sizeof(TestType) + (has_row_scales<TestType> ? sizeof(float) : 0);
  const auto store = EmbeddingStore<TestType>::from(test::random_matrix(100, 32, 18));
  REQUIRE(store.memory_bytes() == 100 * row_bytes);  // made in one piece: no room to spare
  EmbeddingStore<TestType> growing(32);
  REQUIRE(growing.memory_bytes() == 0);
  for (std::size_t i = 0; i < 4; ++i) growing.append(store.view());
  REQUIRE(growing.memory_bytes() >= 400 * row_bytes);
  REQUIRE(growing.memory_bytes() <= 800 * row_bytes);
}

TEMPLATE_TEST_CASE("EmbeddingStore::append: its own rows may be appended, whole or in part", "", float, std::int8_t) {
  const RowMajorMatrix rows = test::random_matrix(5, 3, 1);
  auto store = EmbeddingStore<TestType>::from(rows);
  const auto expected = EmbeddingStore<TestType>::from(rows);
  store.append(store.view());
  store.append(store.view().slice(3, 5));
  REQUIRE(store.size() == 12);
  for (std::size_t i = 0; i < store.size(); ++i) {
    const std::size_t source = i < 10 ? i % 5 : i - 7;
    REQUIRE(std::equal(store.row(i), store.row(i) + 3, expected.row(source)));
    REQUIRE(store.view().scale(i) == expected.view().scale(source));
  }
}

TEST_CASE("EmbeddingStore: what was moved from is empty, and may be filled again") {
  EmbeddingStore<float> store(2);
  store.append(std::vector<float>{1.0f, 2.0f});
  const EmbeddingStore<float> moved = std::move(store);
  REQUIRE(moved.size() == 1);
  store = EmbeddingStore<float>(2);
  store.append(std::vector<float>{3.0f, 4.0f});
  REQUIRE(store.size() == 1);
  EmbeddingStore<float> other = std::move(store);
  REQUIRE(store.size() == 0);  // NOLINT(bugprone-use-after-move): that is what is asked
  store.append(std::vector<float>{5.0f, 6.0f});
  REQUIRE(store.size() == 1);
  REQUIRE(store.row(0)[1] == 6.0f);
}
