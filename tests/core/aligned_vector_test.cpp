#include "pefa/core/aligned_vector.hpp"

#include <algorithm>
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

TEST_CASE("AlignedAllocator: allocators are interchangeable, across element types too") {
  REQUIRE(detail::AlignedAllocator<float>() == detail::AlignedAllocator<float>());
  REQUIRE(detail::AlignedAllocator<float>() == detail::AlignedAllocator<double>());
}

TEST_CASE("AlignedAllocator: a size whose bytes overflow is refused, not wrapped") {
  detail::AlignedAllocator<double> allocator;
  const std::size_t wraps_to_zero_bytes = std::numeric_limits<std::size_t>::max() / sizeof(double) + 1;
  REQUIRE_THROWS_AS(allocator.allocate(wraps_to_zero_bytes), std::bad_array_new_length);
}

TEST_CASE("AlignedVector: elements start at zero, on a huge page where they are many") {
  const detail::AlignedVector<std::int32_t> many(std::size_t{1} << 23);  // 32 MiB
  REQUIRE(reinterpret_cast<std::uintptr_t>(many.data()) % detail::huge_page == 0);
  REQUIRE(std::all_of(many.begin(), many.end(), [](std::int32_t x) { return x == 0; }));
}

TEST_CASE("UnsetVector: values that are named are set") {
  const detail::UnsetVector<std::int32_t> sevens(1000, 7);
  REQUIRE(sevens.front() == 7);
  REQUIRE(sevens.back() == 7);
  detail::UnsetVector<std::int32_t> few(3, 1);
  few.resize(1000, 2);
  REQUIRE(few[2] == 1);
  REQUIRE(few[999] == 2);
  few.assign(2000, 0);
  REQUIRE(few[1999] == 0);
}
