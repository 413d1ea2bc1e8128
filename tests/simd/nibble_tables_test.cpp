#include "pefa/simd/nibble_tables.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "catch.hpp"
#include "simd/kernel_support.hpp"

using namespace pefa::simd;
using pefa::test::levels_here;

namespace {

std::vector<std::int8_t> random_sub_codes(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::int8_t> codes(n);
  for (std::int8_t& code : codes) code = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  return codes;
}

}  // namespace

TEST_CASE("centre products: every family gives the exact integers") {
  for (const Level level : levels_here()) {
    for (const std::size_t width : {4U, 8U, 12U, 100U}) {
      INFO(name(level) << ", width " << width);
      constexpr std::size_t subspaces = 7;
      auto query = random_sub_codes(subspaces * width, 1);
      auto centres = random_sub_codes(subspaces * width * nibble_values, 2);
      std::fill_n(query.begin(), width, std::int8_t{-127});  // as large as they get, in one subspace
      std::fill_n(centres.begin(), width * nibble_values, std::int8_t{127});
      std::vector<std::int32_t> products(subspaces * nibble_values);
      nibble_tables_of(level).products(query.data(), centres.data(), subspaces, width, products.data());
      for (std::size_t s = 0; s < subspaces; ++s) {
        for (std::size_t c = 0; c < nibble_values; ++c) {
          std::int32_t expected = 0;
          for (std::size_t d = 0; d < width; ++d) {
            expected += query[s * width + d] * centres[(s * width + d / 4 * 4) * nibble_values + 4 * c + d % 4];
          }
          REQUIRE(products[s * nibble_values + c] == expected);
        }
      }
    }
  }
}

TEST_CASE("cut tables: every family gives those of the scalar one, in six bits, twice") {
  std::mt19937 random(5);
  for (const std::int32_t limit : {1, 9, 1000, 129'032, 1 << 30}) {
    constexpr std::size_t subspaces = 13;
    std::vector<std::int32_t> products(subspaces * nibble_values);
    for (std::int32_t& each : products)
      each = static_cast<std::int32_t>(random() % static_cast<unsigned>(limit)) - limit / 2;
    const NibbleTables scalar = nibble_tables_of(Level::scalar);
    const std::int64_t range = scalar.range(products.data(), subspaces);
    const float factor = static_cast<float>(largest_entry) / static_cast<float>(std::max<std::int64_t>(range, 1));
    std::vector<std::uint8_t> expected(4 * quad_table_bytes);
    const std::int64_t floor = scalar.cut(products.data(), subspaces, factor, expected.data());
    REQUIRE(*std::max_element(expected.begin(), expected.end()) <= largest_entry);
    for (std::size_t s = 0; s < subspaces; ++s) {
      const std::uint8_t* table = expected.data() + table_start(s);
      REQUIRE(std::equal(table, table + nibble_values, table + nibble_values));
    }
    for (const Level level : levels_here()) {
      INFO(name(level) << ", limit " << limit);
      const NibbleTables tables = nibble_tables_of(level);
      REQUIRE(tables.range(products.data(), subspaces) == range);
      std::vector<std::uint8_t> cut(expected.size());
      REQUIRE(tables.cut(products.data(), subspaces, factor, cut.data()) == floor);
      REQUIRE(cut == expected);
    }
  }
}
