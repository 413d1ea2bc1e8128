#include "pefa/core/memory_block.hpp"

#include <array>

#include "catch.hpp"

using pefa::detail::MemoryBlock;

TEST_CASE("MemoryBlock: its own elements start at zero, are filled, and move with it") {
  MemoryBlock<int> first(3);
  REQUIRE(first[2] == 0);
  first.mutable_data()[2] = 7;
  REQUIRE(first.memory_bytes() == 12);
  const int* const there = first.data();
  MemoryBlock<int> second(std::move(first));
  REQUIRE(first.size() == 0);  // NOLINT(bugprone-use-after-move): empty is promised
  REQUIRE(second.data() == there);
  REQUIRE(second[2] == 7);
}

TEST_CASE("MemoryBlock: another's elements are read in place, kept alive, and not counted") {
  auto owner = std::make_shared<const std::array<int, 3>>(std::array{1, 2, 3});
  const std::weak_ptr<const void> alive = owner;
  MemoryBlock<int> block(std::span<const int>(*owner), owner);
  REQUIRE(block.data() == owner->data());
  owner.reset();
  REQUIRE(block[1] == 2);
  REQUIRE(block.memory_bytes() == 0);
  REQUIRE(block.mutable_data() == nullptr);
  MemoryBlock<int> moved(std::move(block));
  REQUIRE(moved.size() == 3);
  REQUIRE_FALSE(alive.expired());
  MemoryBlock<int> other(1);
  moved = std::move(other);
  REQUIRE(alive.expired());
}
