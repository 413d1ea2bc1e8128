// What must be refused by a host that compiles with -ffast-math, under which comparisons with NaN mean nothing. A
// program of its own: the flag is for every line of it, the library's included.
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "pefa/adapter/gate.hpp"
#include "pefa/adapter/shrunk_matrix.hpp"
#include "pefa/core/finite.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/share.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/index_archive.hpp"
#include "pefa/io/relevance/pairs.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

#ifndef __FAST_MATH__
#error "compile this with -ffast-math"
#endif

namespace {

/// NaN and infinities, from their bits, so that the compiler does not know them.
float hidden(std::uint32_t bits) {
  volatile std::uint32_t unseen = bits;
  return std::bit_cast<float>(std::uint32_t{unseen});
}
float nan() {
  return hidden(0x7FC0'0000U);
}
float infinity() {
  return hidden(0x7F80'0000U);
}
float minus_infinity() {
  return hidden(0xFF80'0000U);
}

}  // namespace

TEST_CASE("-ffast-math: finite numbers are told from others") {
  for (const float x : {nan(), infinity(), minus_infinity(), hidden(0x7F80'0001U)}) {
    REQUIRE_FALSE(detail::is_finite(x));
    REQUIRE_FALSE(detail::is_finite(static_cast<double>(x)));
  }
  for (const float x : {0.0f, -1.0f, 1e-45f, std::numeric_limits<float>::max()}) {
    REQUIRE(detail::is_finite(x));
    REQUIRE(detail::is_finite(static_cast<double>(x)));
  }
}

TEST_CASE("-ffast-math: a score that is no number ranks as -infinity") {
  REQUIRE(std::bit_cast<std::uint32_t>(detail::rankable(nan())) == 0xFF80'0000U);
  REQUIRE(detail::rankable(hidden(0x3F80'0000U)) == 1.0f);
}

TEST_CASE("-ffast-math: a query with a NaN or infinite element is refused") {
  const auto index = FlatIndex<>::build(EmbeddingView<float>(random_matrix(20, 40, 1)));
  for (const float bad : {nan(), infinity(), minus_infinity()}) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{17}, std::size_t{39}}) {
      std::vector<float> query(40, 0.5f);
      query[at] = bad;
      REQUIRE_ERROR(ValueError, "query has a NaN or infinite element", index.search(query, 3));
    }
  }
}

TEST_CASE("-ffast-math: rows with a NaN or infinite element are refused") {
  for (const float bad : {nan(), infinity(), minus_infinity()}) {
    for (const Eigen::Index at : {0, 5, 39}) {
      RowMajorMatrix rows = random_matrix(20, 40, 2);
      rows(3, at) = bad;
      REQUIRE_ERROR(ValueError, "row 3 has a NaN or infinite element", FlatIndex<>::build(EmbeddingView<float>(rows)));
      REQUIRE_ERROR(ValueError, "row 3", EmbeddingStore<float>::from(rows));
    }
  }
}

TEST_CASE("-ffast-math: rows of double past the range of float are refused") {
  std::vector<double> values(8, 1.0);
  values[6] = 1e300;
  REQUIRE_ERROR(ValueError, "row 1 has a NaN or infinite element",
                FlatIndex<double>::build(EmbeddingView<double>(values.data(), 2, 4)));
}

TEST_CASE("-ffast-math: parameters that are not finite are refused") {
  for (const float bad : {nan(), infinity(), minus_infinity()}) {
    REQUIRE_ERROR(ValueError, "lambda is", detail::require_share(bad, "lambda", "here"));
    REQUIRE_ERROR(ValueError, "shrinkage is", detail::require_shrinkage(bad, "here"));
    REQUIRE_ERROR(ValueError, "temperature", SoftmaxGate{bad});
  }
}

TEST_CASE("-ffast-math: weights of a file that are not finite are refused") {
  const TemporaryDirectory here;
  for (const char* weight : {"nan", "inf", "-inf"}) {
    const auto path = here.write("pairs.tsv", std::string("0\t1\t1\n1\t0\t") + weight + "\n");
    REQUIRE_ERROR(FormatError, "expected finite and >= 0", (void)io::read_pairs(path.string(), 2, 2));
  }
}
