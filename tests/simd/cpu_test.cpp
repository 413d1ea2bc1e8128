#include "pefa/simd/cpu.hpp"

#include <string>

#include "catch.hpp"
#include "pefa/simd/kernels.hpp"

using namespace pefa;

namespace {

/// Puts the level back that the other tests expect.
struct KeepLevel {
  KeepLevel() = default;
  KeepLevel(const KeepLevel&) = delete;
  KeepLevel& operator=(const KeepLevel&) = delete;
  ~KeepLevel() { simd::use_level(before); }
  simd::Level before = simd::level();
};

}  // namespace

TEST_CASE("simd::name: every level has one") {
  REQUIRE(std::string(simd::name(simd::Level::scalar)) == "scalar");
  REQUIRE(std::string(simd::name(simd::Level::avx2)) == "avx2");
  REQUIRE(std::string(simd::name(simd::Level::avx512)) == "avx512");
}

TEST_CASE("simd::level: is the best one until another is chosen") {
  REQUIRE(simd::level() == simd::best_level());
}

TEST_CASE("simd::use_level: the kernels looked up next are of the level chosen") {
  const KeepLevel keep;
  for (const simd::Level level : {simd::Level::scalar, simd::Level::avx2, simd::Level::avx512}) {
    if (level > simd::best_level()) {
      WARN("skipped: this CPU does not run " << simd::name(level));
      continue;
    }
    simd::use_level(level);
    REQUIRE(simd::level() == level);
    REQUIRE(simd::dot_kernel<float>() == simd::kernel_of<simd::Sum::product, float>(level));
    REQUIRE(simd::squared_l2_kernel<float>() == simd::kernel_of<simd::Sum::squared_difference, float>(level));
  }
}

TEST_CASE("simd::use_level: a level beyond the CPU is refused and the one in use stays") {
  const KeepLevel keep;
  if (simd::best_level() == simd::Level::avx512) {
    WARN("skipped: this CPU runs every level");
    return;
  }
  simd::use_level(simd::Level::scalar);
  const std::string best = simd::name(simd::best_level());
  REQUIRE_ERROR(ValueError, "simd::use_level: this CPU runs up to " + best + ", asked for avx512",
                simd::use_level(simd::Level::avx512));
  REQUIRE(simd::level() == simd::Level::scalar);
}
