#include "pefa/core/huge_buffer.hpp"

#include <cstdint>
#include <new>

#include "catch.hpp"

using pefa::detail::HugeBuffer;

TEST_CASE("HugeBuffer: elements start at zero, on a cache line, or on a huge page where they are many") {
  const HugeBuffer<float> small(1000);
  const HugeBuffer<float> large(std::size_t{1} << 23);
  REQUIRE(reinterpret_cast<std::uintptr_t>(small.data()) % 64 == 0);
  REQUIRE(reinterpret_cast<std::uintptr_t>(large.data()) % (std::size_t{1} << 21) == 0);
  for (std::size_t i = 0; i < small.size(); ++i) REQUIRE(small[i] == 0.0f);
  REQUIRE(large[large.size() - 1] == 0.0f);
  REQUIRE(small.bytes() == 4000);
}

TEST_CASE("HugeBuffer: moving hands the block on") {
  HugeBuffer<int> first(3);
  first[2] = 7;
  const int* block = first.data();
  HugeBuffer<int> second = std::move(first);
  REQUIRE(second.data() == block);
  REQUIRE(second[2] == 7);
  HugeBuffer<int> third;
  REQUIRE(third.bytes() == 0);
  third = std::move(second);
  REQUIRE(third.data() == block);
}

TEST_CASE("HugeBuffer: a size that overflows is refused, not wrapped") {
  REQUIRE_THROWS_AS(HugeBuffer<float>(static_cast<std::size_t>(-1) / 2), std::bad_array_new_length);
}
