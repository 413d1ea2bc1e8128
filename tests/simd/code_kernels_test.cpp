#include "pefa/simd/code_kernels.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/core/aligned_vector.hpp"
#include "simd/kernel_support.hpp"

using namespace pefa;
using namespace pefa::simd;

namespace {

struct Family {
  std::string label;
  CodeKernels kernels;
};

/// Every family that this CPU runs, the scalar one first.
std::vector<Family> families() {
  std::vector<Family> all;
  for (const Level level : test::levels_here()) all.push_back({name(level), code_kernels_of(level, false)});
  if (has_vnni()) all.push_back({"vnni", code_kernels_of(Level::avx512, true)});
  if (has_dotprod()) all.push_back({"dotprod", code_kernels_of(Level::neon, true)});
  return all;
}

pefa::detail::AlignedVector<std::int8_t> random_codes(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  pefa::detail::AlignedVector<std::int8_t> codes(n);
  for (std::int8_t& code : codes) code = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  return codes;
}

std::int64_t exact(const std::int8_t* a, const std::int8_t* b, std::size_t n) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<std::int64_t>(a[i]) * b[i];
  return sum;
}

}  // namespace

TEST_CASE("padded_code_dim: the next multiple of a block") {
  REQUIRE(padded_code_dim(1) == 64);
  REQUIRE(padded_code_dim(64) == 64);
  REQUIRE(padded_code_dim(65) == 128);
  REQUIRE(padded_code_dim(512) == 512);
}

TEST_CASE("code kernels: every family gives the exact integer at every length") {
  for (const Family& family : families()) {
    for (std::size_t n = 64; n <= 1536; n += 64) {
      const auto a = random_codes(n + 1, static_cast<unsigned>(n));
      const auto b = random_codes(n + 1, static_cast<unsigned>(n + 1));
      INFO(family.label << ", n = " << n);
      REQUIRE(family.kernels.dot(a.data(), b.data(), n) == exact(a.data(), b.data(), n));
      REQUIRE(family.kernels.dot(a.data() + 1, b.data() + 1, n) == exact(a.data() + 1, b.data() + 1, n));  // unaligned
    }
  }
}

TEST_CASE("code kernels: the extremes do not saturate, and a long row does not overflow") {
  const std::size_t n = std::size_t{1} << 17;
  for (const int x : {127, -127}) {
    for (const int y : {127, -127}) {
      const pefa::detail::AlignedVector<std::int8_t> a(n, static_cast<std::int8_t>(x));
      const pefa::detail::AlignedVector<std::int8_t> b(n, static_cast<std::int8_t>(y));
      for (const Family& family : families()) {
        INFO(family.label);
        REQUIRE(family.kernels.dot(a.data(), b.data(), n) == exact(a.data(), b.data(), n));
      }
    }
  }
}

TEST_CASE("code kernels: a batch gives what single products give, in the order of the rows") {
  const std::vector<Row> rows{7, 0, 49, 7, 13, 21, 3, 48, 1, 2, 30};
  for (const std::size_t n : {64U, 192U, 512U, 768U}) {
    const auto table = random_codes(50 * n + 1, 5);
    const auto query = random_codes(n + 1, 6);
    for (const Family& family : families()) {
      for (const std::size_t offset : {0U, 1U}) {  // aligned, and not
        const std::int8_t* q = query.data() + offset;
        const std::int8_t* t = table.data() + offset;
        for (std::size_t count = 0; count <= rows.size(); ++count) {
          std::vector<std::int32_t> dots(rows.size(), -1);
          family.kernels.dot_rows(q, t, n, rows.data(), count, dots.data());
          INFO(family.label << ", n = " << n << ", " << count << " rows");
          for (std::size_t i = 0; i < count; ++i) REQUIRE(dots[i] == exact(q, t + rows[i] * n, n));
          for (std::size_t i = count; i < dots.size(); ++i) REQUIRE(dots[i] == -1);
        }
      }
    }
  }
}

TEST_CASE("code kernels: a batch of long rows of extremes does not saturate or overflow") {
  const std::size_t n = std::size_t{1} << 17;
  const std::vector<Row> rows{0, 1, 1, 0, 1};
  for (const int x : {127, -127}) {
    const pefa::detail::AlignedVector<std::int8_t> query(n, static_cast<std::int8_t>(x));
    pefa::detail::AlignedVector<std::int8_t> table(2 * n, std::int8_t{127});
    std::fill(table.begin() + static_cast<std::ptrdiff_t>(n), table.end(), std::int8_t{-127});
    for (const Family& family : families()) {
      INFO(family.label);
      std::vector<std::int32_t> dots(rows.size());
      family.kernels.dot_rows(query.data(), table.data(), n, rows.data(), rows.size(), dots.data());
      for (std::size_t i = 0; i < rows.size(); ++i)
        REQUIRE(dots[i] == exact(query.data(), table.data() + rows[i] * n, n));
    }
  }
}

TEST_CASE("code kernels: the query may be a row of the table, and nothing past the table is read") {
  const std::size_t n = 128;
  const auto codes = random_codes(6 * n, 7);
  const test::AtPageEnd<std::int8_t> table(std::vector<std::int8_t>(codes.begin(), codes.end()));
  const std::vector<Row> rows{5, 0, 5, 4, 3, 5, 2};
  for (const Family& family : families()) {
    for (std::size_t row = 0; row < 6; ++row) {
      const std::int8_t* query = table.data() + row * n;
      std::vector<std::int32_t> dots(rows.size());
      family.kernels.dot_rows(query, table.data(), n, rows.data(), rows.size(), dots.data());
      for (std::size_t i = 0; i < rows.size(); ++i) REQUIRE(dots[i] == exact(query, table.data() + rows[i] * n, n));
    }
  }
}
