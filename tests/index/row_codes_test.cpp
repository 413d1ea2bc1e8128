#include "pefa/index/row_codes.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::encode_row;

TEST_CASE("encode_row: every element is within half a step of its code") {
  const RowMajorMatrix rows = random_matrix(20, 70, 1, Normalize::none);
  std::vector<std::int8_t> codes(128, 99);
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    const float scale = encode_row(rows.row(i).data(), 70, codes.data());
    REQUIRE(scale == Approx(rows.row(i).cwiseAbs().maxCoeff() / 127.0f));
    for (std::size_t d = 0; d < 70; ++d) {
      REQUIRE(std::abs(scale * static_cast<float>(codes[d]) - rows(i, static_cast<Eigen::Index>(d))) <=
              0.5001f * scale);
    }
    REQUIRE(codes[70] == 99);
  }
}

TEST_CASE("encode_row: rows of zeros and of numbers too small to invert become zeros") {
  std::vector<std::int8_t> codes(10, 99);
  for (const float value : {0.0f, 1e-38f, 1e-45f}) {
    const std::vector<float> row(10, value);
    REQUIRE(encode_row(row.data(), 10, codes.data()) == 0.0f);
    REQUIRE(codes == std::vector<std::int8_t>(10, 0));
  }
}
