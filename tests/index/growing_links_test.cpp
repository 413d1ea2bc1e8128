#include "pefa/index/growing_links.hpp"

#include "catch.hpp"

using namespace pefa;
using pefa::detail::GrowingLinks;
using pefa::detail::PackedLists;

TEST_CASE("GrowingLinks: are packed as they stand, rows equal to an earlier one with a link to themselves and to it") {
  GrowingLinks links(4, 3);
  links.set(0, std::vector<Row>{1, 3});
  links.append(0, 2);
  links.set(1, std::vector<Row>{0});
  links.set(1, std::vector<Row>{2, 3});
  links.append(3, 1);
  const auto lists = [](const PackedLists& packed) {
    std::vector<std::vector<Row>> all;
    for (std::size_t i = 0; i < 4; ++i) all.emplace_back(packed.list(i).begin(), packed.list(i).end());
    return all;
  };
  REQUIRE(lists(links.packed({})) == std::vector<std::vector<Row>>{{1, 3, 2}, {2, 3}, {}, {1}});
  const std::vector<Row> first{0, 1, 0, 3};
  REQUIRE(lists(links.packed(first)) == std::vector<std::vector<Row>>{{1, 3, 2}, {2, 3}, {2, 0}, {1}});
}
