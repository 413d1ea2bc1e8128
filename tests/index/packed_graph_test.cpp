#include "pefa/index/packed_graph.hpp"

#include <algorithm>
#include <set>

#include "catch.hpp"
#include "pefa/index/hnsw_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::PackedGraph;
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

TEST_CASE("PackedGraph: has hnswlib's links, by row, whatever order the rows went in") {
  const RowMajorMatrix rows = random_matrix(700, 12, 1);
  const auto index = HnswIndex::build(EmbeddingView<float>(rows), {.m = 4, .ef_construction = 40}, {ThreadExecutor(3)});
  const auto& graph = index.graph();
  const PackedGraph packed(graph);
  for (hnswlib::tableint node = 0; node < 700; ++node) {
    auto* list = graph.get_linklist0(node);
    std::multiset<Row> expected;
    const auto* links = reinterpret_cast<const hnswlib::tableint*>(list + 1);
    for (std::size_t l = 0; l < graph.getListCount(list); ++l) {
      expected.insert(static_cast<Row>(graph.getExternalLabel(links[l])));
    }
    const auto got = packed.bottom().list(graph.getExternalLabel(node));
    REQUIRE(std::multiset<Row>(got.begin(), got.end()) == expected);
  }

  REQUIRE(packed.upper().size() == static_cast<std::size_t>(graph.maxlevel_));
  for (std::size_t l = 0; l < packed.upper().size(); ++l) {
    const auto& level = packed.upper()[l];
    REQUIRE(std::is_sorted(level.rows.begin(), level.rows.end()));
    for (std::size_t i = 0; i < level.rows.size(); ++i) {
      const Row below = l == 0 ? level.down[i] : packed.upper()[l - 1].rows[level.down[i]];
      REQUIRE(below == level.rows[i]);
      for (const std::uint32_t link : level.links.list(i)) REQUIRE(link < level.rows.size());
    }
  }
  const auto& top = packed.upper().back();
  REQUIRE(top.rows[packed.entry()] == graph.getExternalLabel(graph.enterpoint_node_));
}
