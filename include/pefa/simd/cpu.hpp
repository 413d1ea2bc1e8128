// pefa: which vector instructions this process may use. Asked once, at run time, so that a consumer needs no -march
// flag.
#pragma once

#include <array>
#include <atomic>

#include "pefa/core/error.hpp"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <cpuid.h>
#define PEFA_X86_KERNELS 1
#else
#define PEFA_X86_KERNELS 0
#endif

#if defined(__aarch64__) && defined(__ARM_NEON) && (defined(__GNUC__) || defined(__clang__))
#define PEFA_NEON_KERNELS 1
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#else
#define PEFA_NEON_KERNELS 0
#endif

namespace pefa::simd {

/// The families of kernels. A CPU runs scalar and those of its own architecture up to some level: see runs().
enum class Level { scalar, avx2, avx512, neon };

/// Every family, whether or not this CPU runs it.
inline constexpr std::array all_levels = {Level::scalar, Level::avx2, Level::avx512, Level::neon};

/// The name of a family: "avx2".
[[nodiscard]] constexpr const char* name(Level level) noexcept {
  switch (level) {
    case Level::scalar: return "scalar";
    case Level::avx2: return "avx2";
    case Level::avx512: return "avx512";
    case Level::neon: return "neon";
  }
  return "unknown";
}

#if PEFA_X86_KERNELS
namespace detail {
/// Half-precision conversions, asked of the CPU itself: Clang 14's __builtin_cpu_supports does not know them.
[[nodiscard]] inline bool has_f16c() noexcept {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
}  // namespace detail
#endif

/// The best family this CPU and its operating system run.
[[nodiscard]] inline Level best_level() noexcept {
#if PEFA_X86_KERNELS
  static const Level best = [] {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && detail::has_f16c();
    if (!avx2) return Level::scalar;
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    return avx512 ? Level::avx512 : Level::avx2;
  }();
  return best;
#elif PEFA_NEON_KERNELS
  return Level::neon;  // part of every 64-bit Arm CPU
#else
  return Level::scalar;
#endif
}

/// Whether this CPU runs a family: the scalar one always, avx2 where it runs avx512.
[[nodiscard]] inline bool runs(Level level) noexcept {
  return level == Level::scalar || level == best_level() || (level == Level::avx2 && best_level() == Level::avx512);
}

/// Whether this CPU has AVX-512's int8 products (VNNI), which not every CPU with AVX-512 has.
[[nodiscard]] inline bool has_vnni() noexcept {
#if PEFA_X86_KERNELS
  static const bool vnni = best_level() == Level::avx512 && __builtin_cpu_supports("avx512vnni");
  return vnni;
#else
  return false;
#endif
}

/// Whether this CPU has Arm's int8 products (the DotProd extension). Where the system cannot be asked, what the
/// compiler was told.
[[nodiscard]] inline bool has_dotprod() noexcept {
#if PEFA_NEON_KERNELS && defined(__ARM_FEATURE_DOTPROD)
  return true;
#elif PEFA_NEON_KERNELS && defined(__linux__) && defined(HWCAP_ASIMDDP)
  static const bool dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  return dotprod;
#else
  return false;
#endif
}

namespace detail {
inline std::atomic<Level>& selected_level() noexcept {
  static std::atomic<Level> level{best_level()};
  return level;
}
}  // namespace detail

/// The family in use: best_level() unless use_level() chose another.
[[nodiscard]] inline Level level() noexcept {
  return detail::selected_level().load(std::memory_order_relaxed);
}

/// Chooses a family for kernels looked up from now on, for tests and comparisons. An index keeps the kernel it was
/// built with. @throws ValueError  this CPU does not run it
inline void use_level(Level wanted) {
  if (!runs(wanted)) {
    pefa::detail::fail<ValueError>("simd::use_level: this CPU does not run ", name(wanted), ", its best level is ",
                                   name(best_level()));
  }
  detail::selected_level().store(wanted, std::memory_order_relaxed);
}

}  // namespace pefa::simd
