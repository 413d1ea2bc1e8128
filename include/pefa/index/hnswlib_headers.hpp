// pefa: the one place that includes hnswlib. Its warnings are not the host's business, so this header, and with it what
// it includes, counts as a system header to GCC and Clang however the host found it.
#pragma once

#if defined(__GNUC__)
#pragma GCC system_header
#endif

// hnswlib 0.6 defines functions and variables of external linkage in its headers, so that two units that include it do
// not link. Here they become local to each unit, as 0.7 and later have them. 0.8 is known by its stop_condition.h; a
// host without CMake on 0.7 defines PEFA_HNSWLIB_0_7. PORTABLE_ALIGN32 tells that the host has included hnswlib before
// us.
#if defined(__SSE__) && !defined(NO_MANUAL_VECTORIZATION) && !defined(_MSC_VER) && !defined(PORTABLE_ALIGN32) && \
    !defined(PEFA_HNSWLIB_0_7) && !__has_include(<hnswlib/stop_condition.h>)
#define PEFA_HNSWLIB_0_6_GLOBALS 1
#else
#define PEFA_HNSWLIB_0_6_GLOBALS 0
#endif

#if PEFA_HNSWLIB_0_6_GLOBALS
#include <cstdint>

// A function that was first declared static has internal linkage even where its definition does not say so.
static void cpuid(std::int32_t cpu_info[4], std::int32_t eax, std::int32_t ecx);
static std::uint64_t xgetbv(unsigned int index);
static bool AVXCapable();
static bool AVX512Capable();

// A variable cannot be declared so; it becomes a static member of a class without linkage.
namespace hnswlib {
namespace {
struct UnitLocal {
  using Function = float (*)(const void*, const void*, const void*);
  static Function inner_product_4;
  static Function inner_product_16;
  static Function inner_product_distance_4;
  static Function inner_product_distance_16;
  static Function l2_16;
};
}  // namespace
}  // namespace hnswlib
#define InnerProductSIMD4Ext UnitLocal::inner_product_4
#define InnerProductSIMD16Ext UnitLocal::inner_product_16
#define InnerProductDistanceSIMD4Ext UnitLocal::inner_product_distance_4
#define InnerProductDistanceSIMD16Ext UnitLocal::inner_product_distance_16
#define L2SqrSIMD16Ext UnitLocal::l2_16
#endif

#include <hnswlib/hnswlib.h>

#if PEFA_HNSWLIB_0_6_GLOBALS
#undef InnerProductSIMD4Ext
#undef InnerProductSIMD16Ext
#undef InnerProductDistanceSIMD4Ext
#undef InnerProductDistanceSIMD16Ext
#undef L2SqrSIMD16Ext
#endif
