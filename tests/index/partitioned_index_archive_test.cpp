#include "pefa/index/partitioned_index_archive.hpp"

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "catch.hpp"
#include "index/saved_index.hpp"
#include "io/archive/archive_tools.hpp"
#include "pefa/index/archivable_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

static_assert(ArchivableIndex<PartitionedIndex<float>>);

namespace {

using Index = PartitionedIndex<>;

/// @param correlate  whether coordinates have to do with each other, so that vectors are turned to axes
Index build_lists(Rows rows_kept, Metric metric, Spill spill, std::size_t size = 400, bool correlate = false) {
  RowMajorMatrix rows = random_matrix(size, 30, 1);
  if (correlate) {
    for (Eigen::Index d = 1; d < rows.cols(); ++d) rows.col(d) += 0.8f * rows.col(d - 1);
  }
  return Index::build(EmbeddingView<float>(rows),
                      {.metric = metric, .rows = rows_kept, .lists = 12, .spill = spill, .ef_search = 40});
}

}  // namespace

TEST_CASE("PartitionedIndex: opens as it was saved, with rows or without, for every metric and spill") {
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    for (const Spill spill : {Spill::never, Spill::once}) {
      for (const Rows rows : {Rows::copy, Rows::drop}) {
        const bool correlate = GENERATE(false, true);
        const Index index = build_lists(rows, metric, spill, 400, correlate);
        const Bytes bytes = saved(index);
        REQUIRE(open_bytes(bytes).contains("rows.axes") == correlate);
        REQUIRE(open_bytes(bytes).contains("rows.order") != correlate);
        const Index opened = Index::open(open_bytes(bytes), "rows.");
        require_same_results(index, opened);
        REQUIRE(saved(opened) == bytes);  // what was opened is saved as it was
        REQUIRE(opened.params().rows == rows);
        REQUIRE(opened.params().spill == spill);
        REQUIRE(opened.params().lists == 12);
        REQUIRE(opened.params().ef_search == 40);
        REQUIRE(opened.memory_bytes() < index.memory_bytes());
      }
    }
  }
}

TEMPLATE_TEST_CASE("PartitionedIndex: rows of other element types are saved with it", "", Eigen::half, std::int8_t) {
  const auto rows = EmbeddingStore<TestType>::from(random_matrix(100, 20, 2));
  const auto index = PartitionedIndex<TestType>::build(rows.view(), {.rows = Rows::borrow});
  const Bytes bytes = saved(index);
  const auto opened = PartitionedIndex<TestType>::open(open_bytes(bytes), "rows.");
  const std::vector<float> query(20, 0.2f);
  REQUIRE(opened.search(query, 30) == index.search(query, 30));
}

TEST_CASE("PartitionedIndex: an opened index keeps the archive and outlives the reader") {
  const Index index = build_lists(Rows::copy, Metric::inner_product, Spill::never);
  auto bytes = std::make_shared<Bytes>(saved(index));
  const std::weak_ptr<const void> alive = bytes;
  {
    auto reader = std::make_unique<io::ArchiveReader>(io::ArchiveReader::over(*bytes, bytes, "x.pefa"));
    bytes.reset();
    Index opened = Index::open(*reader, "rows.");
    reader.reset();
    const Index moved(std::move(opened));
    require_same_results(index, moved);
  }
  REQUIRE(alive.expired());
}

TEST_CASE("PartitionedIndex::open: places, lists and probes that lead nowhere are refused") {
  const Bytes whole = saved(build_lists(Rows::copy, Metric::l2, Spill::never, 400));
  const auto open = [&](const std::string& key, std::size_t i, auto value) {
    return open_patched<Index>(whole, key, i, value);
  };
  const Row none = std::numeric_limits<Row>::max();
  REQUIRE(open("rows.lists.rows", 3, none).size() == 400);  // a row that is gone
  REQUIRE_ERROR(FormatError, "section 'rows.lists.rows': element 3 is 400, expected below 400",
                open("rows.lists.rows", 3, Row{400}));
  REQUIRE_ERROR(FormatError, "no row more than 1 times", [&] {
    const Index index = Index::open(open_bytes(whole), "rows.");
    const Row second = open_bytes(whole).section<Row>("rows.lists.rows")[1];
    return open("rows.lists.rows", 0, second);
  }());
  REQUIRE_ERROR(FormatError, "section 'rows.lists.starts': expected ascending numbers from 0 to",
                open("rows.lists.starts", 0, std::uint64_t{1}));
  REQUIRE_ERROR(FormatError, "section 'rows.lists.starts'", open("rows.lists.starts", 1, ~std::uint64_t{0}));
  REQUIRE_ERROR(FormatError, "section 'rows.lists.starts'", open("rows.lists.starts", 12, std::uint64_t{0}));
  REQUIRE_ERROR(FormatError, "section 'rows.list_of': element 399 is 12, expected below 12",
                open("rows.list_of", 399, std::uint32_t{12}));
  REQUIRE_ERROR(FormatError, "section 'rows.probes': numbers 0 to 2", open("rows.probes", 0, std::uint32_t{0}));
  REQUIRE_ERROR(FormatError, "section 'rows.probes': numbers 3 to 5", open("rows.probes", 4, std::uint32_t{0}));
  REQUIRE_ERROR(FormatError, "unit' is not above 0", open("rows.unit", 0, 0.0f));
  REQUIRE_ERROR(FormatError, "code_scale' is below 0", open("rows.code_scale", 0, -1.0f));
  REQUIRE_ERROR(FormatError, "section 'rows.order' is no order of 30 coordinates",
                open("rows.order", 0, std::uint32_t{30}));
  REQUIRE_ERROR(FormatError, "section 'rows.order' is no order of 30 coordinates",
                open("rows.order", 0, open_bytes(whole).section<std::uint32_t>("rows.order")[1]));
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (const char* key : {"rows.unit", "rows.spread", "rows.center_scales", "rows.code_scale", "rows.lift_levels",
                          "rows.center_lifts", "rows.code_scales", "rows.lifts"}) {
    REQUIRE_ERROR(FormatError, std::string("section '") + key + "' has a NaN", open(key, 0, nan));
  }
}

TEST_CASE("PartitionedIndex: values that are NaN, infinite or huge end no search in a crash") {
  const std::vector<float> query(30, 0.1f);
  const std::vector<float> zeros(30, 0.0f);
  for (const Rows rows : {Rows::copy, Rows::drop}) {
    const Bytes whole = saved(build_lists(rows, Metric::l2, Spill::once, 400, true));
    for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::max()}) {
      Bytes bytes = whole;
      const io::ArchiveReader reader = open_bytes(whole);
      for (const io::ArchiveSection& section : reader.sections()) {
        const std::string& key = section.key;
        const bool any = key == "rows.rows";
        const bool finite = key == "rows.center_scales" || key == "rows.center_lifts" || key == "rows.lift_levels" ||
                            key == "rows.spread" || key == "rows.axis_scales" || key == "rows.unit" ||
                            key == "rows.code_scale" || key == "rows.code_scales" || key == "rows.lifts";
        if (!any && !(finite && poison == std::numeric_limits<float>::max())) continue;
        const std::size_t words = static_cast<std::size_t>(section.byte_size()) / sizeof poison;
        for (std::size_t i = 0; i < words; i += any ? 3 : 1) {
          patch(bytes, static_cast<std::size_t>(section.offset) + 4 * i, poison);
        }
      }
      const Index opened = Index::open(open_bytes(bytes), "rows.");
      for (const auto& each : {query, zeros}) {
        REQUIRE(opened.search(each, 400).size() <= 400);
        REQUIRE(opened.search(each, 20).size() == 20);
      }
      (void)search_batch(opened, EmbeddingView<float>(random_matrix(9, 30, 12)), 50);
    }
  }
}

TEST_CASE("PartitionedIndex::open: another kind is refused, naming both") {
  const Bytes bytes = saved(build_lists(Rows::copy, Metric::inner_product, Spill::never));
  REQUIRE_ERROR(FormatError, "is a partitioned index of float32, asked to open it as partitioned of int8",
                PartitionedIndex<std::int8_t>::open(open_bytes(bytes), "rows."));
}
