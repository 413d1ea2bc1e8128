#include "pefa/live/persistent_array.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "catch.hpp"

namespace pefa::live::detail {
namespace {

TEST_CASE("PersistentArray: a snapshot stays as it was, whatever is written later") {
  std::mt19937 random(3);
  PersistentArray<int> array;
  std::map<std::size_t, int> expected;
  std::vector<std::pair<PersistentArray<int>, std::map<std::size_t, int>>> kept;
  for (int round = 0; round < 3000; ++round) {
    const std::size_t index = random() % (random() % 5 == 0 ? 70'000U : 40U);
    array.edit(index) = round;
    expected[index] = round;
    if (round % 50 == 0) kept.emplace_back(array.snapshot(), expected);
  }
  kept.emplace_back(array.snapshot(), expected);
  for (const auto& [snapshot, values] : kept) {
    for (const auto& [index, value] : values) REQUIRE(snapshot[index] == value);
    std::size_t before = 0;
    std::map<std::size_t, int> visited;
    snapshot.for_each([&](std::size_t index, int value) {
      REQUIRE((visited.empty() || index >= before));
      before = index;
      visited[index] = value;
    });
    for (const auto& [index, value] : visited) {
      const auto found = values.find(index);
      REQUIRE(value == (found == values.end() ? 0 : found->second));
    }
    for (const auto& [index, value] : values) REQUIRE(visited.at(index) == value);
  }
}

TEST_CASE("PersistentArray: what was never written is empty") {
  PersistentArray<int> array;
  REQUIRE(array[0] == 0);
  REQUIRE(array[1'000'000] == 0);
  array.edit(5) = 7;
  REQUIRE(array[5] == 7);
  REQUIRE(array[6] == 0);
  REQUIRE(array[32] == 0);
  array.edit(40'000'000) = 9;
  REQUIRE(array[5] == 7);
  REQUIRE(array[40'000'000] == 9);
  REQUIRE(array[39'999'999] == 0);
}

TEST_CASE("PersistentRowSet: counts its rows, and snapshots keep theirs") {
  std::mt19937 random(4);
  PersistentRowSet set;
  std::vector<bool> expected(3000);
  for (int round = 0; round < 4000; ++round) {
    const std::size_t row = random() % expected.size();
    expected[row] = random() % 2 == 0;
    set.set(row, expected[row]);
  }
  const PersistentRowSet snapshot = set.snapshot();
  for (std::size_t row = 0; row < expected.size(); ++row) set.set(row, false);
  REQUIRE(set.size() == 0);
  REQUIRE(snapshot.size() == static_cast<std::size_t>(std::count(expected.begin(), expected.end(), true)));
  for (std::size_t row = 0; row < expected.size(); ++row) REQUIRE(snapshot.contains(row) == expected[row]);
  REQUIRE_FALSE(snapshot.contains(1'000'000));
}

}  // namespace
}  // namespace pefa::live::detail
