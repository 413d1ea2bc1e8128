#include "pefa/simd/nibble_scan.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "catch.hpp"
#include "simd/kernel_support.hpp"

using namespace pefa::simd;
using pefa::test::AtPageEnd;
using pefa::test::levels_here;

namespace {

std::vector<std::uint8_t> random_bytes(std::size_t n, unsigned limit, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(n);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random() % limit);
  return bytes;
}

/// The sum of one row, from what the layout says of single codes.
unsigned sum_of(const std::uint8_t* block, const std::uint8_t* tables, std::size_t codes, std::size_t row) {
  unsigned sum = 0;
  for (std::size_t code = 0; code < codes; ++code) {
    const unsigned byte = block[nibble_byte(row, code)];
    sum += tables[table_start(code) + (code % 2 == 0 ? byte % 16 : byte / 16)];
  }
  return sum;
}

/// Both copies of every table.
std::vector<std::uint8_t> random_tables(std::size_t quads, unsigned limit, unsigned seed) {
  std::vector<std::uint8_t> tables = random_bytes(quads * quad_table_bytes, limit, seed);
  for (std::size_t code = 0; code < quads * quad_codes; ++code) {
    std::copy_n(tables.data() + table_start(code), nibble_values, tables.data() + table_start(code) + nibble_values);
  }
  return tables;
}

}  // namespace

TEST_CASE("table_start: the copies of all tables fill the quads, none twice") {
  std::vector<int> used(3 * quad_table_bytes);
  for (std::size_t code = 0; code < 12; ++code) {
    for (std::size_t i = 0; i < 2 * nibble_values; ++i) ++used[table_start(code) + i];
  }
  REQUIRE(used == std::vector<int>(used.size(), 1));
}

TEST_CASE("nibble scans: every family gives the exact sums and the rows at or above the floor") {
  for (const Level level : levels_here()) {
    const NibbleScan scan = nibble_scan_of(level);
    for (const std::size_t quads : {1U, 2U, 3U, 32U, 33U, 64U}) {
      for (std::size_t blocks = 0; blocks <= 9; ++blocks) {
        INFO(name(level) << ", " << quads << " quads, " << blocks << " blocks");
        const auto codes = random_bytes(blocks * quads * quad_bytes, 256, static_cast<unsigned>(quads));
        const auto tables = random_tables(quads, largest_entry + 1, static_cast<unsigned>(quads + 1));
        const AtPageEnd<std::uint8_t> codes_there(codes);
        const AtPageEnd<std::uint8_t> tables_there(tables);
        const auto floor = static_cast<std::uint16_t>(quads * quad_codes * largest_entry / 2);
        std::vector<std::uint16_t> sums(blocks * nibble_rows);
        std::vector<std::uint32_t> above(blocks);
        scan(codes_there.data(), tables_there.data(), quads, blocks, floor, sums.data(), above.data());
        for (std::size_t i = 0; i < sums.size(); ++i) {
          const std::size_t block = i / nibble_rows;
          const unsigned expected =
              sum_of(codes.data() + block * quads * quad_bytes, tables.data(), quads * quad_codes, i % nibble_rows);
          REQUIRE(sums[i] == expected);
          REQUIRE((above[block] >> (i % nibble_rows) & 1U) == (expected >= floor ? 1U : 0U));
        }
      }
    }
  }
}

TEST_CASE("nibble scans: the largest sums there can be do not wrap, and are at or above any floor") {
  for (const Level level : levels_here()) {
    INFO(name(level));
    constexpr std::size_t quads = most_nibbles / quad_codes;
    const auto codes = random_bytes(2 * quads * quad_bytes, 256, 3);
    const std::vector<std::uint8_t> tables(quads * quad_table_bytes, largest_entry);
    std::vector<std::uint16_t> sums(2 * nibble_rows);
    std::vector<std::uint32_t> above(2);
    constexpr auto largest = static_cast<std::uint16_t>(most_nibbles * largest_entry);
    nibble_scan_of(level)(codes.data(), tables.data(), quads, 2, largest, sums.data(), above.data());
    REQUIRE(sums == std::vector<std::uint16_t>(sums.size(), largest));
    REQUIRE(above == std::vector<std::uint32_t>(2, 0xFFFF'FFFFU));
    nibble_scan_of(level)(codes.data(), tables.data(), quads, 2, largest + 1, sums.data(), above.data());
    REQUIRE(above == std::vector<std::uint32_t>(2, 0U));
  }
}
