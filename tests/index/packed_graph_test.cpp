#include "pefa/index/packed_graph.hpp"

#include <algorithm>

#include "catch.hpp"

using pefa::detail::PackedLists;

TEST_CASE("PackedLists: lists of every length, empty ones too, keep their items") {
  PackedLists lists({2, 0, 3});
  std::copy_n(std::vector<std::uint32_t>{5, 6}.begin(), 2, lists.mutable_list(0).begin());
  std::copy_n(std::vector<std::uint32_t>{7, 8, 9}.begin(), 3, lists.mutable_list(2).begin());
  REQUIRE(lists.list(0)[1] == 6);
  REQUIRE(lists.list(1).empty());
  REQUIRE(std::vector<std::uint32_t>(lists.list(2).begin(), lists.list(2).end()) ==
          std::vector<std::uint32_t>{7, 8, 9});
}
