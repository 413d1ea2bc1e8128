#include "pefa/store/scalar.hpp"

#include <Eigen/Core>

#include <cstdint>
#include <string>

#include "catch.hpp"

using namespace pefa;

static_assert(EmbeddingScalar<float> && EmbeddingScalar<double> && EmbeddingScalar<Eigen::half> &&
              EmbeddingScalar<Eigen::bfloat16> && EmbeddingScalar<std::int8_t>);
static_assert(!EmbeddingScalar<int> && !EmbeddingScalar<std::uint8_t> && !EmbeddingScalar<char> &&
              !EmbeddingScalar<long double> && !EmbeddingScalar<const float> && !EmbeddingScalar<float&>);
static_assert(has_row_scales<std::int8_t> && !has_row_scales<float> && !has_row_scales<Eigen::half>);

TEST_CASE("scalar_name: every element type has NumPy's name") {
  REQUIRE(std::string(scalar_name<float>()) == "float32");
  REQUIRE(std::string(scalar_name<double>()) == "float64");
  REQUIRE(std::string(scalar_name<Eigen::half>()) == "float16");
  REQUIRE(std::string(scalar_name<Eigen::bfloat16>()) == "bfloat16");
  REQUIRE(std::string(scalar_name<std::int8_t>()) == "int8");
}
