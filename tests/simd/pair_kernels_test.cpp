#include "pefa/simd/pair_kernels.hpp"

#include <Eigen/Core>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "simd/kernel_support.hpp"

using namespace pefa;
using simd::Level;
using simd::Sum;
using test::Magnitude;

namespace {

template <class Scalar>
struct Family {
  std::string label;
  simd::PairKernel<Scalar> kernel;
  bool flushes_subnormals = false;
};

/// Every family this CPU runs, with and without what goes beyond its level.
template <Sum sum, class Scalar>
std::vector<Family<Scalar>> families() {
  std::vector<Family<Scalar>> all;
  for (const Level level : test::levels_here()) {
    all.push_back({simd::name(level), simd::pair_kernel_of<sum, Scalar>(level, false)});
  }
  if (simd::has_pair_extension<Scalar>()) {
    const bool flushes = std::is_same_v<Scalar, Eigen::bfloat16> && sum == Sum::product;
    all.push_back({std::string(simd::name(simd::best_level())) + " with its extension",
                   simd::pair_kernel_of<sum, Scalar>(simd::best_level(), true), flushes});
  }
  return all;
}

/// Two arrays whose products are of one magnitude: tiny ones are subnormal on one side.
template <class Scalar>
std::vector<Scalar> partner(std::size_t n, std::mt19937& random, Magnitude magnitude) {
  return test::draw_many<Scalar>(n, random, magnitude == Magnitude::tiny ? Magnitude::ordinary : magnitude);
}

template <Sum sum, class Scalar>
void require_close_to_reference(Magnitude magnitude) {
  std::mt19937 random(9);
  for (const Family<Scalar>& family : families<sum, Scalar>()) {
    for (const std::size_t dim : test::dims()) {
      for (const std::size_t offset : {0U, 1U, 3U}) {
        const std::vector<Scalar> a = partner<Scalar>(dim + offset, random, magnitude);
        const std::vector<Scalar> b = test::draw_many<Scalar>(dim + offset, random, magnitude);
        const auto expected = test::reference<sum>(a.data() + offset, b.data() + offset, dim, 1.0f);
        const auto got = static_cast<double>(family.kernel(a.data() + offset, b.data() + offset, dim));
        double bound = expected.bound(dim);
        // Each term loses at most an element or a sum below 2^-126, times a partner of at most 1.5.
        if (family.flushes_subnormals && magnitude == Magnitude::tiny)
          bound += 4.0 * 0x1p-126 * static_cast<double>(dim);
        INFO(family.label << ", dim " << dim << ", offset " << offset);
        REQUIRE(std::abs(got - expected.value) <= bound);
      }
    }
  }
}

std::int64_t exact(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<std::int64_t>(a[i]) * b[i];
  return sum;
}

template <Sum sum, class Scalar>
concept HasPairKernel = requires {
  simd::pair_kernel_of<sum, Scalar>(Level::scalar, false);
};

static_assert(HasPairKernel<Sum::product, std::int8_t>);
static_assert(HasPairKernel<Sum::squared_difference, Eigen::half>);
static_assert(!HasPairKernel<Sum::squared_difference, std::int8_t>);

}  // namespace

TEMPLATE_TEST_CASE("pair kernels: within rounding of a double-precision sum, in every family", "", float, double,
                   Eigen::half, Eigen::bfloat16) {
  for (const Magnitude magnitude : {Magnitude::ordinary, Magnitude::large, Magnitude::tiny}) {
    require_close_to_reference<Sum::product, TestType>(magnitude);
    require_close_to_reference<Sum::squared_difference, TestType>(magnitude);
  }
}

TEMPLATE_TEST_CASE("pair kernels: symmetric, and zero between a row and itself in place", "", float, double,
                   Eigen::half, Eigen::bfloat16) {
  std::mt19937 random(10);
  for (const std::size_t dim : test::dims()) {
    const std::vector<TestType> a = test::draw_many<TestType>(dim, random);
    const std::vector<TestType> b = test::draw_many<TestType>(dim, random);
    for (const auto& family : families<Sum::product, TestType>()) {
      REQUIRE(test::same_bits(family.kernel(a.data(), b.data(), dim), family.kernel(b.data(), a.data(), dim)));
    }
    for (const auto& family : families<Sum::squared_difference, TestType>()) {
      REQUIRE(family.kernel(a.data(), a.data(), dim) == 0.0f);
    }
  }
}

TEMPLATE_TEST_CASE("pair kernels: nothing is read past the end of a row", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  std::mt19937 random(11);
  for (const std::size_t dim : test::dims()) {
    const test::AtPageEnd<TestType> a(test::draw_many<TestType>(dim, random));
    const test::AtPageEnd<TestType> b(test::draw_many<TestType>(dim, random));
    for (const auto& family : families<Sum::product, TestType>()) {
      REQUIRE(std::isfinite(static_cast<double>(family.kernel(a.data(), b.data(), dim))));
    }
  }
}

TEST_CASE("pair kernels: int8 products are exact at every length and alignment, -128 included") {
  std::mt19937 random(12);
  for (const auto& family : families<Sum::product, std::int8_t>()) {
    for (const std::size_t dim : test::dims()) {
      for (const std::size_t offset : {0U, 1U, 3U, 8U, 31U}) {
        const auto a = test::draw_many<std::int8_t>(dim + offset, random);
        const auto b = test::draw_many<std::int8_t>(dim + offset, random);
        INFO(family.label << ", dim " << dim << ", offset " << offset);
        REQUIRE(family.kernel(a.data() + offset, b.data() + offset, dim) ==
                exact(a.data() + offset, b.data() + offset, dim));
        REQUIRE(family.kernel(a.data(), a.data(), dim) == exact(a.data(), a.data(), dim));
      }
    }
  }
}

TEST_CASE("pair kernels: the longest row of the largest int8 neither saturates nor overflows") {
  const std::size_t dim = (std::size_t{1} << 17) - 1;
  for (const int x : {-128, -127, 127}) {
    for (const int y : {-128, -127, 127}) {
      const std::vector<std::int8_t> a(dim, static_cast<std::int8_t>(x));
      const std::vector<std::int8_t> b(dim, static_cast<std::int8_t>(y));
      for (const auto& family : families<Sum::product, std::int8_t>()) {
        INFO(family.label << ", " << x << " times " << y);
        REQUIRE(family.kernel(a.data(), b.data(), dim) == exact(a.data(), b.data(), dim));
      }
    }
  }
}

TEST_CASE("pair kernels: subnormal bfloat16 count as zero with AVX512_BF16 and as themselves without") {
  const std::vector<Eigen::bfloat16> tiny(40, static_cast<Eigen::bfloat16>(0x1p-130f));
  const std::vector<Eigen::bfloat16> ones(40, static_cast<Eigen::bfloat16>(1.0f));
  for (const auto& family : families<Sum::product, Eigen::bfloat16>()) {
    INFO(family.label);
    REQUIRE(family.kernel(tiny.data(), ones.data(), 40) == (family.flushes_subnormals ? 0.0f : 40.0f * 0x1p-130f));
  }
}

TEST_CASE("pair kernels: the kernel in use is that of the level in use, with what the CPU has beyond it") {
  const Level level = simd::level();
  REQUIRE(simd::pair_dot_kernel<Eigen::half>() == simd::pair_kernel_of<Sum::product, Eigen::half>(level, false));
  REQUIRE(simd::pair_dot_kernel<Eigen::bfloat16>() ==
          simd::pair_kernel_of<Sum::product, Eigen::bfloat16>(level, simd::has_bf16()));
  REQUIRE(simd::pair_dot_kernel<std::int8_t>() ==
          simd::pair_kernel_of<Sum::product, std::int8_t>(level, simd::has_vnni() || simd::has_dotprod()));
  REQUIRE(simd::pair_squared_l2_kernel<float>() == simd::pair_kernel_of<Sum::squared_difference, float>(level, false));
}
