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

TEST_CASE("FineCodes: two rows of codes are within a 32,000th of the largest element, and padded with zeros") {
  const RowMajorMatrix rows = random_matrix(20, 70, 2, Normalize::none);
  pefa::detail::FineCodes fine;
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    fine.encode(rows.row(i).data(), 70, 128);
    const float largest = rows.row(i).cwiseAbs().maxCoeff();
    for (std::size_t d = 0; d < 128; ++d) {
      const float expected = d < 70 ? rows(i, static_cast<Eigen::Index>(d)) : 0.0f;
      REQUIRE(std::abs(fine.product(fine.high[d], fine.low[d]) - expected) <= largest / 32'000.0f);
    }
    REQUIRE((fine.high[100] == 0 && fine.low[100] == 0));
  }
}
