#include "pefa/index/hnswlib_archive.hpp"

#include "catch.hpp"
#include "index/saved_index.hpp"
#include "io/archive/archive_tools.hpp"
#include "pefa/index/hnsw_index_archive.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

constexpr std::size_t n_rows = 200;
constexpr std::size_t row_dim = 6;
constexpr std::size_t m = 3;
constexpr std::size_t node_words = 1 + 2 * m + row_dim + 2;

HnswIndex small_index() {
  return HnswIndex::build(EmbeddingView<float>(random_matrix(n_rows, row_dim, 1)), {.m = m, .ef_construction = 30},
                          {AnyExecutor::serial()});
}

std::span<const std::byte> section(const Bytes& bytes, const std::string& key) {
  const io::ArchiveReader reader = open_bytes(bytes);
  for (const io::ArchiveSection& each : reader.sections()) {
    if (each.key == key) {
      return std::span(bytes).subspan(static_cast<std::size_t>(each.offset),
                                      static_cast<std::size_t>(each.byte_size()));
    }
  }
  FAIL("no section " << key);
  return {};
}

template <class T>
void open_with(Bytes bytes, const std::string& key, std::size_t i, T value) {
  const auto offset = static_cast<std::size_t>(section(bytes, key).data() - bytes.data());
  patch(bytes, offset + i * sizeof value, value);
  (void)HnswIndex::open(open_bytes(bytes), "rows.");
}

}  // namespace

TEST_CASE("save_graph: hnswlib's own memory is served from the archive, not from a copy") {
  const HnswIndex index = small_index();
  const Bytes bytes = saved(index);
  const HnswIndex opened = HnswIndex::open(open_bytes(bytes), "rows.");
  const auto& graph = opened.graph();
  REQUIRE(static_cast<const void*>(graph.data_level0_memory_) == section(bytes, "rows.graph").data());
  REQUIRE(graph.maxlevel_ == index.graph().maxlevel_);
  REQUIRE(graph.maxlevel_ > 1);
  REQUIRE(graph.enterpoint_node_ == index.graph().enterpoint_node_);
  REQUIRE(graph.element_levels_ == index.graph().element_levels_);
  REQUIRE(graph.M_ == m);
  REQUIRE(graph.size_links_per_element_ == index.graph().size_links_per_element_);
}

TEST_CASE("GraphOpener: counts, links, levels, labels and the entry are checked") {
  const HnswIndex index = small_index();
  const Bytes whole = saved(index);
  const auto& levels = index.graph().element_levels_;
  const auto flat_node = static_cast<std::uint32_t>(std::ranges::find(levels, 0) - levels.begin());
  const auto upper_node =
      static_cast<std::size_t>(std::ranges::find_if(levels, [](int level) { return level > 0; }) - levels.begin());
  constexpr std::size_t last = (n_rows - 1) * node_words;
  REQUIRE_ERROR(FormatError, "x.pefa: 'rows.': node 199 on level 0 has 7 links, expected at most 6",
                (open_with(whole, "rows.graph", last, 7U), 0));
  REQUIRE_ERROR(FormatError, "node 199 on level 0 has 65536 links",  // the bits of a deletion mark
                (open_with(whole, "rows.graph", last, 65'536U), 0));
  REQUIRE_ERROR(FormatError, "node 199 on level 0 has a link to 200",
                (open_with(whole, "rows.graph", last + 1, 200U), 0));
  REQUIRE_ERROR(FormatError, "section 'rows.graph': node 199 has label 200, expected each below 200 once",
                (open_with(whole, "rows.graph", last + node_words - 2, 200U), 0));
  REQUIRE_ERROR(FormatError, "node 199 has label 3, expected",
                (open_with(whole, "rows.graph", last + node_words - 2, 3U), 0));
  REQUIRE_ERROR(FormatError, "node 199 has label 4294967495",
                (open_with(whole, "rows.graph", last + node_words - 1, 1U), 0));
  const std::string first = "node " + std::to_string(upper_node) + " on level 1 ";
  REQUIRE_ERROR(FormatError, first + "has 4 links, expected at most 3", (open_with(whole, "rows.upper", 0, 4U), 0));
  REQUIRE_ERROR(FormatError, first + "has a link to 200", (open_with(whole, "rows.upper", 1, 200U), 0));
  REQUIRE_ERROR(FormatError, first + "has a link to " + std::to_string(flat_node),
                (open_with(whole, "rows.upper", 1, flat_node), 0));
  REQUIRE_ERROR(FormatError, "section 'rows.upper' holds",
                (open_with(whole, "rows.levels", flat_node, std::uint8_t{1}), 0));
}
