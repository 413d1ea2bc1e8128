#include "pefa/simd/kernels.hpp"

#include <Eigen/Core>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "catch.hpp"
#include "simd/kernel_support.hpp"

using namespace pefa;
using simd::Level;
using simd::Sum;
using test::Magnitude;

namespace {

template <Sum sum, class Scalar>
void require_close_to_reference(Magnitude magnitude) {
  std::mt19937 random(3);
  const float scale = test::scale_of(magnitude);
  for (const Level level : test::levels_here()) {
    const simd::Kernel<Scalar> kernel = simd::kernel_of<sum, Scalar>(level);
    double worst = 0.0;
    std::size_t worst_dim = 0;
    for (const std::size_t dim : test::dims()) {
      for (const std::size_t offset : {0U, 1U, 2U, 3U, 5U}) {  // elements off the allocation's alignment
        std::vector<float> query(dim + offset);
        for (float& value : query) value = test::draw_query(random, magnitude);
        const std::vector<Scalar> row = test::draw_many<Scalar>(dim + offset, random, magnitude);
        const auto got = static_cast<double>(kernel(query.data() + offset, row.data() + offset, dim, scale));
        const auto expected = test::reference<sum>(query.data() + offset, row.data() + offset, dim, scale);
        const double error = std::abs(got - expected.value) / expected.bound(dim);
        if (!(error <= worst)) {
          worst = error;
          worst_dim = dim;
        }
      }
    }
    INFO(simd::name(level) << ": the worst error is " << worst << " of the bound, at dim " << worst_dim);
    REQUIRE(worst <= 1.0);
  }
}

template <class Scalar>
void require_close_to_reference() {
  for (const Magnitude magnitude : {Magnitude::ordinary, Magnitude::large, Magnitude::tiny}) {
    require_close_to_reference<Sum::product, Scalar>(magnitude);
    require_close_to_reference<Sum::squared_difference, Scalar>(magnitude);
  }
}

/// Small integers: every partial sum is a float, so that no order of summation may differ in a bit.
template <Sum sum, class Scalar>
void require_exact_on_integers() {
  std::mt19937 random(4);
  const float scale = 0.5f;
  const auto integer = [&] { return static_cast<float>(static_cast<int>(random() % 7) - 3); };
  for (const Level level : test::levels_here()) {
    const simd::Kernel<Scalar> kernel = simd::kernel_of<sum, Scalar>(level);
    for (const std::size_t dim : test::dims()) {
      std::vector<float> query(dim);
      std::vector<Scalar> row(dim);
      for (float& value : query) value = integer();
      for (Scalar& value : row) value = static_cast<Scalar>(integer());
      const auto expected = static_cast<float>(test::reference<sum>(query.data(), row.data(), dim, scale).value);
      INFO(simd::name(level) << ", dim " << dim);
      REQUIRE(kernel(query.data(), row.data(), dim, scale) == expected);
    }
  }
}

/// Every 16-bit pattern in every lane of the vectors: the conversions are right for subnormals and infinities as well.
template <class Scalar>
void require_every_value_converts() {
  for (const Level level : test::levels_here()) {
    const simd::Kernel<Scalar> kernel = simd::kernel_of<Sum::product, Scalar>(level);
    const std::vector<float> ones(64, 1.0f);
    std::vector<Scalar> row(64, Scalar(0.0f));
    std::size_t wrong = 0;
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      const auto pattern = static_cast<std::uint16_t>(bits);
      Scalar& lane = row[(bits * 31) % 64];
      std::memcpy(static_cast<void*>(&lane), &pattern, sizeof pattern);
      const auto expected = static_cast<float>(lane);
      const float got = kernel(ones.data(), row.data(), 64, 1.0f);
      wrong += got == expected || (std::isnan(got) && std::isnan(expected)) ? 0U : 1U;
      lane = Scalar(0.0f);
    }
    INFO(simd::name(level));
    REQUIRE(wrong == 0);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("kernels: within rounding of a double-precision sum, at every level", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  require_close_to_reference<TestType>();
}

TEMPLATE_TEST_CASE("kernels: sums of small integers are exact, at every level", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  require_exact_on_integers<Sum::product, TestType>();
  require_exact_on_integers<Sum::squared_difference, TestType>();
}

TEMPLATE_TEST_CASE("kernels: nothing is read past the end of a query or a row", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  std::mt19937 random(5);
  for (const std::size_t dim : test::dims()) {
    const test::AtPageEnd<float> query(test::draw_many<float>(dim, random));
    const test::AtPageEnd<TestType> row(test::draw_many<TestType>(dim, random));
    for (const Level level : test::levels_here()) {
      REQUIRE(std::isfinite(simd::kernel_of<Sum::product, TestType>(level)(query.data(), row.data(), dim, 1.0f)));
      REQUIRE(std::isfinite(
          simd::kernel_of<Sum::squared_difference, TestType>(level)(query.data(), row.data(), dim, 1.0f)));
    }
  }
}

TEMPLATE_TEST_CASE("kernels: every half and bfloat16 is read as its value, at every level", "", Eigen::half,
                   Eigen::bfloat16) {
  require_every_value_converts<TestType>();
}

TEST_CASE("kernels: every int8 code is read as its value, at every level") {
  for (const Level level : test::levels_here()) {
    const simd::Kernel<std::int8_t> kernel = simd::kernel_of<Sum::product, std::int8_t>(level);
    const std::vector<float> ones(64, 1.0f);
    for (int code = -128; code <= 127; ++code) {
      const std::vector<std::int8_t> row(64, static_cast<std::int8_t>(code));
      REQUIRE(kernel(ones.data(), row.data(), 64, 0.25f) == static_cast<float>(16 * code));
    }
  }
}

TEST_CASE("kernels: rows of double are summed in double") {
  // In float, 1e8 + 1 is 1e8: only a double sum has the 3 left over.
  const std::vector<float> query = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
  const std::vector<double> row = {1e8, 1.0, 1.0, 1.0, -1e8};
  for (const Level level : test::levels_here()) {
    REQUIRE(simd::kernel_of<Sum::product, double>(level)(query.data(), row.data(), 5, 1.0f) == 3.0f);
  }
}

TEST_CASE("kernels: the scale is for int8 rows only") {
  const std::vector<float> values(40, 2.0f);
  for (const Level level : test::levels_here()) {
    REQUIRE(simd::kernel_of<Sum::product, float>(level)(values.data(), values.data(), 40, 99.0f) == 160.0f);
    REQUIRE(simd::kernel_of<Sum::squared_difference, float>(level)(values.data(), values.data(), 40, 99.0f) == 0.0f);
  }
}
