#include "pefa/core/aligned_vector.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#include "catch.hpp"

using namespace pefa;

namespace {

bool on_cache_line(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p) % 64 == 0;
}

}  // namespace

TEMPLATE_TEST_CASE("AlignedVector: the first element stays on a 64-byte boundary as it grows, is copied and moved", "",
                   std::int8_t, std::uint16_t, float, double) {
  detail::AlignedVector<TestType> values;
  for (std::size_t i = 0; i < 3000; ++i) {
    values.push_back(static_cast<TestType>(i % 100));
    if (!on_cache_line(values.data())) FAIL("misaligned at size " << values.size());
  }
  const detail::AlignedVector<TestType> copy = values;
  REQUIRE(on_cache_line(copy.data()));
  REQUIRE(copy == values);

  const TestType* before = values.data();
  const detail::AlignedVector<TestType> moved = std::move(values);
  REQUIRE(moved.data() == before);
  REQUIRE(moved[2999] == static_cast<TestType>(99));
}

TEST_CASE("CacheLineAllocator: allocators are interchangeable, across element types too") {
  REQUIRE(detail::CacheLineAllocator<float>() == detail::CacheLineAllocator<float>());
  REQUIRE(detail::CacheLineAllocator<float>() == detail::CacheLineAllocator<double>());
}

TEST_CASE("CacheLineAllocator: a size whose bytes overflow is refused, not wrapped") {
  detail::CacheLineAllocator<double> allocator;
  const std::size_t wraps_to_zero_bytes = std::numeric_limits<std::size_t>::max() / sizeof(double) + 1;
  REQUIRE_THROWS_AS(allocator.allocate(wraps_to_zero_bytes), std::bad_array_new_length);
}
