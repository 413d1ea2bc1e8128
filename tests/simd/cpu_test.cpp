#include "pefa/simd/cpu.hpp"

#include <string>

#include "catch.hpp"
#include "pefa/simd/kernels.hpp"
#include "simd/kernel_support.hpp"

using namespace pefa;
using simd::Level;

namespace {

/// Puts the level back that the other tests expect.
struct KeepLevel {
  KeepLevel() = default;
  KeepLevel(const KeepLevel&) = delete;
  KeepLevel& operator=(const KeepLevel&) = delete;
  ~KeepLevel() { simd::use_level(before); }
  Level before = simd::level();
};

}  // namespace

TEST_CASE("simd::name: every level has one") {
  REQUIRE(std::string(simd::name(Level::scalar)) == "scalar");
  REQUIRE(std::string(simd::name(Level::avx2)) == "avx2");
  REQUIRE(std::string(simd::name(Level::avx512)) == "avx512");
  REQUIRE(std::string(simd::name(Level::neon)) == "neon");
}

TEST_CASE("simd::runs: scalar and the best level always, and no level of another architecture") {
  REQUIRE(simd::runs(Level::scalar));
  REQUIRE(simd::runs(simd::best_level()));
  REQUIRE_FALSE((simd::runs(Level::neon) && simd::runs(Level::avx2)));
  if (simd::runs(Level::avx512)) REQUIRE(simd::runs(Level::avx2));

  std::string untested;
  for (const Level level : simd::all_levels) untested += simd::runs(level) ? "" : std::string(" ") + simd::name(level);
  if (!simd::has_vnni()) untested += " vnni";
  if (!simd::has_dotprod()) untested += " dotprod";
  WARN("kernels that this CPU cannot test:" << untested);
}

TEST_CASE("simd: the extensions come with their level only") {
  if (simd::has_vnni()) REQUIRE(simd::best_level() == Level::avx512);
  if (simd::has_dotprod()) REQUIRE(simd::best_level() == Level::neon);
}

TEST_CASE("simd::level: is the best one until another is chosen") {
  REQUIRE(simd::level() == simd::best_level());
}

TEST_CASE("simd::use_level: the kernels looked up next are of the level chosen") {
  const KeepLevel keep;
  for (const Level level : test::levels_here()) {
    simd::use_level(level);
    REQUIRE(simd::level() == level);
    REQUIRE(simd::dot_kernel<float>() == simd::kernel_of<simd::Sum::product, float>(level));
    REQUIRE(simd::squared_l2_kernel<float>() == simd::kernel_of<simd::Sum::squared_difference, float>(level));
    REQUIRE(simd::dot_rows_kernel<float>() == simd::rows_kernel_of<simd::Sum::product, float>(level));
    REQUIRE(simd::squared_l2_rows_kernel<float>() == simd::rows_kernel_of<simd::Sum::squared_difference, float>(level));
  }
}

TEST_CASE("simd::use_level: a level this CPU does not run is refused and the one in use stays") {
  const KeepLevel keep;
  simd::use_level(Level::scalar);
  const std::string best = simd::name(simd::best_level());
  for (const Level level : simd::all_levels) {
    if (simd::runs(level)) continue;
    REQUIRE_ERROR(
        ValueError,
        "simd::use_level: this CPU does not run " + std::string(simd::name(level)) + ", its best level is " + best,
        simd::use_level(level));
    REQUIRE(simd::level() == Level::scalar);
  }
}
