#include "pefa/simd/rows.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "catch.hpp"
#include "pefa/simd/kernels.hpp"
#include "simd/kernel_support.hpp"

using namespace pefa;
using simd::Level;
using simd::Sum;

namespace {

constexpr std::size_t table_rows = 13;
const std::vector<Row> some_rows{7, 0, 12, 7, 3, 11, 1, 0, 4, 12, 9};

/// How many of the first `count` sums differ in a bit from the single kernel's, or have their neighbours overwritten.
template <Sum sum, class Scalar>
std::size_t wrong_sums(Level level, const float* query, const Scalar* table, std::size_t stride, std::size_t dim,
                       std::size_t count, const float* scales) {
  std::vector<float> out(some_rows.size(), -42.0f);
  simd::rows_kernel_of<sum, Scalar>(level)(query, table, stride, dim, some_rows.data(), count, scales, out.data());
  const simd::Kernel<Scalar> kernel = simd::kernel_of<sum, Scalar>(level);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Row row = some_rows[i];
    const float scale = scales == nullptr ? 1.0f : scales[row];
    const float expected = i < count ? kernel(query, table + row * stride, dim, scale) : -42.0f;
    if (!test::same_bits(out[i], expected)) ++wrong;
  }
  return wrong;
}

template <Sum sum, class Scalar>
void require_the_single_kernels_bits() {
  std::mt19937 random(6);
  for (const std::size_t dim : test::dims()) {
    for (const std::size_t gap : {0U, 3U}) {
      const std::size_t stride = dim + gap;
      const std::vector<float> query = test::draw_many<float>(dim + 1, random);
      const std::vector<Scalar> table = test::draw_many<Scalar>(table_rows * stride + 1, random);
      const std::vector<float> scales = test::draw_many<float>(table_rows, random);
      for (const Level level : test::levels_here()) {
        INFO(simd::name(level) << ", dim " << dim << ", stride " << stride);
        const auto wrong = [&](std::size_t count, const float* factors, std::size_t offset) {
          return wrong_sums<sum>(level, query.data() + offset, table.data() + offset, stride, dim, count, factors);
        };
        REQUIRE(wrong(some_rows.size(), scales.data(), 0) == 0);
        REQUIRE(wrong(some_rows.size(), nullptr, 1) == 0);
        if (dim != 77) continue;
        for (std::size_t count = 0; count < some_rows.size(); ++count) REQUIRE(wrong(count, scales.data(), 0) == 0);
      }
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("rows: products are the single kernel's to the bit, at every level", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  require_the_single_kernels_bits<Sum::product, TestType>();
}

TEMPLATE_TEST_CASE("rows: squared differences are the single kernel's to the bit, at every level", "", float, double,
                   Eigen::half, Eigen::bfloat16, std::int8_t) {
  require_the_single_kernels_bits<Sum::squared_difference, TestType>();
}

TEST_CASE("rows: the query may be a row of the table") {
  std::mt19937 random(7);
  const std::size_t dim = 100;
  const std::vector<float> table = test::draw_many<float>(table_rows * dim, random);
  for (const Level level : test::levels_here()) {
    for (std::size_t row = 0; row < table_rows; ++row) {
      const float* query = table.data() + row * dim;
      REQUIRE(wrong_sums<Sum::product>(level, query, table.data(), dim, dim, some_rows.size(), nullptr) == 0);
      const Row self = static_cast<Row>(row);
      float distance = -1.0f;
      simd::rows_kernel_of<Sum::squared_difference, float>(level)(query, table.data(), dim, dim, &self, 1, nullptr,
                                                                  &distance);
      REQUIRE(distance == 0.0f);
    }
  }
}

TEMPLATE_TEST_CASE("rows: nothing is read past the end of the table", "", float, Eigen::half, Eigen::bfloat16,
                   std::int8_t) {
  std::mt19937 random(8);
  for (const std::size_t dim : test::dims()) {
    const test::AtPageEnd<float> query(test::draw_many<float>(dim, random));
    const test::AtPageEnd<TestType> table(test::draw_many<TestType>(table_rows * dim, random));
    for (const Level level : test::levels_here()) {
      const std::size_t count = some_rows.size();
      REQUIRE(wrong_sums<Sum::product>(level, query.data(), table.data(), dim, dim, count, nullptr) == 0);
      REQUIRE(wrong_sums<Sum::squared_difference>(level, query.data(), table.data(), dim, dim, count, nullptr) == 0);
    }
  }
}

TEST_CASE("rows: scales are left unread where the rows are not codes") {
  const std::vector<float> row(70, 0.5f);
  const std::vector<Row> rows(9, 0);
  for (const Level level : test::levels_here()) {
    std::vector<float> out(9, 0.0f);
    const auto* nowhere = reinterpret_cast<const float*>(alignof(float));
    simd::rows_kernel_of<Sum::product, float>(level)(row.data(), row.data(), 70, 70, rows.data(), 9, nowhere,
                                                     out.data());
    REQUIRE(out == std::vector<float>(9, 17.5f));
  }
}

TEST_CASE("rows: a table of one row and no rows at all") {
  const std::vector<float> row(70, 0.5f);
  const std::vector<Row> rows(9, 0);
  for (const Level level : test::levels_here()) {
    const auto kernel = simd::rows_kernel_of<Sum::product, float>(level);
    std::vector<float> out(9, 0.0f);
    kernel(row.data(), row.data(), 70, 70, rows.data(), 9, nullptr, out.data());
    REQUIRE(out == std::vector<float>(9, 17.5f));
    kernel(row.data(), nullptr, 70, 70, nullptr, 0, nullptr, nullptr);
  }
}
