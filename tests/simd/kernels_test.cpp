#include "pefa/simd/kernels.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <type_traits>
#include <vector>

#include "catch.hpp"

using namespace pefa;
using simd::Level;
using simd::Sum;

namespace {

std::vector<Level> levels_here() {
  std::vector<Level> levels;
  for (const Level level : {Level::scalar, Level::avx2, Level::avx512}) {
    if (level <= simd::best_level()) {
      levels.push_back(level);
    } else {
      WARN("skipped: this CPU does not run " << simd::name(level));
    }
  }
  return levels;
}

std::vector<std::size_t> dims() {
  std::vector<std::size_t> all;
  for (std::size_t dim = 1; dim <= 130; ++dim) all.push_back(dim);
  all.insert(all.end(), {384, 512, 768, 1000, 1536});
  return all;
}

/// Of magnitude 0.5 to 1.5, so that an element that is left out or counted twice shows.
float draw(std::mt19937& random) {
  std::uniform_real_distribution<float> magnitude(0.5f, 1.5f);
  const float value = magnitude(random);
  return random() % 2 == 0 ? value : -value;
}

template <class Scalar>
Scalar draw_element(std::mt19937& random) {
  if constexpr (std::is_same_v<Scalar, std::int8_t>) {
    return static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  } else {
    return static_cast<Scalar>(draw(random));
  }
}

struct Reference {
  double value = 0.0;      ///< the sum in double
  double magnitude = 0.0;  ///< Σ|q·x|, or Σ(|q| + |x|)²: what rounding errors are relative to
};

template <Sum sum, class Scalar>
Reference reference(const float* query, const Scalar* row, std::size_t dim, float scale) {
  Reference total;
  for (std::size_t i = 0; i < dim; ++i) {
    const auto q = static_cast<double>(query[i]);
    double x =
        std::is_same_v<Scalar, double> ? static_cast<double>(row[i]) : static_cast<double>(static_cast<float>(row[i]));
    if (std::is_same_v<Scalar, std::int8_t>) x *= static_cast<double>(scale);
    total.value += sum == Sum::product ? q * x : (q - x) * (q - x);
    total.magnitude += sum == Sum::product ? std::abs(q * x) : std::pow(std::abs(q) + std::abs(x), 2);
  }
  return total;
}

template <Sum sum, class Scalar>
void require_close_to_reference() {
  std::mt19937 random(3);
  const float scale = 0.013f;
  for (const Level level : levels_here()) {
    const simd::Kernel<Scalar> kernel = simd::kernel_of<sum, Scalar>(level);
    double worst = 0.0;
    std::size_t worst_dim = 0;
    for (const std::size_t dim : dims()) {
      for (const std::size_t offset : {0U, 1U, 2U, 3U, 5U}) {  // elements off the allocation's alignment
        std::vector<float> query(dim + offset);
        std::vector<Scalar> row(dim + offset);
        for (float& value : query) value = draw(random);
        for (Scalar& value : row) value = draw_element<Scalar>(random);
        const auto got = static_cast<double>(kernel(query.data() + offset, row.data() + offset, dim, scale));
        const Reference expected = reference<sum>(query.data() + offset, row.data() + offset, dim, scale);
        // Every kernel sums in 8 lanes or more, so a term passes through at most dim / 8 additions, a tail and the
        // sum of the lanes; 20 covers both and the few roundings of the term itself. Each rounds by half an ulp,
        // 2^-24 of a partial sum that Σ|terms| bounds. A term that is missing would be 1 / dim of it.
        const double roundings = static_cast<double>(dim) / 8.0 + 20.0;
        const double error = std::abs(got - expected.value) / (roundings * 0x1p-24 * expected.magnitude);
        if (error > worst) {
          worst = error;
          worst_dim = dim;
        }
      }
    }
    INFO(simd::name(level) << ": the worst error is " << worst << " of the bound, at dim " << worst_dim);
    REQUIRE(worst <= 1.0);
  }
}

/// Small integers: every partial sum is a float, so that no order of summation may differ in a bit.
template <Sum sum, class Scalar>
void require_exact_on_integers() {
  std::mt19937 random(4);
  const float scale = 0.5f;
  const auto integer = [&] { return static_cast<float>(static_cast<int>(random() % 7) - 3); };
  for (const Level level : levels_here()) {
    const simd::Kernel<Scalar> kernel = simd::kernel_of<sum, Scalar>(level);
    for (const std::size_t dim : dims()) {
      std::vector<float> query(dim);
      std::vector<Scalar> row(dim);
      for (float& value : query) value = integer();
      for (Scalar& value : row) value = static_cast<Scalar>(integer());
      const auto expected = static_cast<float>(reference<sum>(query.data(), row.data(), dim, scale).value);
      INFO(simd::name(level) << ", dim " << dim);
      REQUIRE(kernel(query.data(), row.data(), dim, scale) == expected);
    }
  }
}

/// Every 16-bit pattern in every lane of the vectors: the conversions are right for subnormals and infinities as well.
template <class Scalar>
void require_every_value_converts() {
  for (const Level level : levels_here()) {
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

TEMPLATE_TEST_CASE("kernels: products are within rounding of a double-precision sum, at every level", "", float, double,
                   Eigen::half, Eigen::bfloat16, std::int8_t) {
  require_close_to_reference<Sum::product, TestType>();
}

TEMPLATE_TEST_CASE("kernels: squared differences are within rounding of a double-precision sum, at every level", "",
                   float, double, Eigen::half, Eigen::bfloat16, std::int8_t) {
  require_close_to_reference<Sum::squared_difference, TestType>();
}

TEMPLATE_TEST_CASE("kernels: sums of small integers are exact, at every level", "", float, double, Eigen::half,
                   Eigen::bfloat16, std::int8_t) {
  require_exact_on_integers<Sum::product, TestType>();
  require_exact_on_integers<Sum::squared_difference, TestType>();
}

TEMPLATE_TEST_CASE("kernels: every half and bfloat16 is read as its value, at every level", "", Eigen::half,
                   Eigen::bfloat16) {
  require_every_value_converts<TestType>();
}

TEST_CASE("kernels: every int8 code is read as its value, at every level") {
  for (const Level level : levels_here()) {
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
  for (const Level level : levels_here()) {
    REQUIRE(simd::kernel_of<Sum::product, double>(level)(query.data(), row.data(), 5, 1.0f) == 3.0f);
  }
}

TEST_CASE("kernels: the scale is for int8 rows only") {
  const std::vector<float> values(40, 2.0f);
  for (const Level level : levels_here()) {
    REQUIRE(simd::kernel_of<Sum::product, float>(level)(values.data(), values.data(), 40, 99.0f) == 160.0f);
    REQUIRE(simd::kernel_of<Sum::squared_difference, float>(level)(values.data(), values.data(), 40, 99.0f) == 0.0f);
  }
}
