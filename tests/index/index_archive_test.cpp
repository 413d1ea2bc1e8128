#include "pefa/index/index_archive.hpp"

#include <cmath>
#include <limits>
#include <optional>

#include "catch.hpp"
#include "index/saved_index.hpp"
#include "io/archive/archive_tools.hpp"
#include "pefa/index/flat_index_archive.hpp"
#include "pefa/index/hnsw_index_archive.hpp"
#include "pefa/index/quantized_hnsw_index_archive.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

template <class Index>
void require_round_trip(const Index& index) {
  const Bytes bytes = saved(index);
  const Index opened = Index::open(open_bytes(bytes), "rows.");
  require_same_results(index, opened);
  REQUIRE(saved(opened) == bytes);  // what was opened is saved as it was
}

constexpr HnswParams small_graph{.m = 4, .ef_construction = 30};

}  // namespace

TEMPLATE_TEST_CASE("FlatIndex: opens as it was saved, for every element type and metric", "", float, double,
                   Eigen::half, Eigen::bfloat16, std::int8_t) {
  const auto rows = EmbeddingStore<TestType>::from(random_matrix(150, 33, 1));
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    require_round_trip(FlatIndex<TestType>::build(rows, {.metric = metric}));
  }
}

TEMPLATE_TEST_CASE("QuantizedHnswIndex: opens as it was saved, for every element type and metric", "", float, double,
                   Eigen::half, Eigen::bfloat16, std::int8_t) {
  const auto rows = EmbeddingStore<TestType>::from(random_matrix(300, 90, 2));
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    for (const CodeSplit split : {CodeSplit::never, CodeSplit::always}) {
      HnswParams graph = small_graph;
      graph.metric = metric;
      require_round_trip(QuantizedHnswIndex<TestType>::build(rows.view(), {.graph = graph, .split = split}));
      const auto without_rows =
          QuantizedHnswIndex<TestType>::build(rows.view(), {.graph = graph, .rows = Rows::drop, .split = split});
      require_round_trip(without_rows);
      REQUIRE_FALSE(open_bytes(saved(without_rows)).contains("rows.rows"));
      const auto opened = QuantizedHnswIndex<TestType>::open(open_bytes(saved(without_rows)), "rows.");
      REQUIRE(opened.params().rows == Rows::drop);
    }
  }
}

TEST_CASE("HnswIndex: opens as it was saved, for every metric and lift") {
  RowMajorMatrix rows = random_matrix(400, 15, 3);
  rows.topRows(100) *= 1.5f;
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    for (const Lift lift : {Lift::never, Lift::when_uneven}) {
      require_round_trip(HnswIndex::build(EmbeddingView<float>(rows),
                                          {.m = 3, .ef_construction = 30, .metric = metric, .lift = lift}));
    }
  }
}

TEST_CASE("indexes of one row, which have no links, are saved and opened") {
  const RowMajorMatrix rows = random_matrix(1, 5, 4);
  require_round_trip(FlatIndex<>::build(EmbeddingView<float>(rows)));
  require_round_trip(HnswIndex::build(EmbeddingView<float>(rows)));
  require_round_trip(QuantizedHnswIndex<>::build(EmbeddingView<float>(rows)));
}

TEST_CASE("the parameters come back, those of 64 bits too") {
  const RowMajorMatrix rows = random_matrix(20, 5, 5);
  const QuantizedHnswParams params{.graph = {.m = 5,
                                             .ef_construction = 17,
                                             .ef_search = std::numeric_limits<std::size_t>::max(),
                                             .lift = Lift::when_uneven,
                                             .seed = std::numeric_limits<std::size_t>::max()},
                                   .split = CodeSplit::never,
                                   .refine = Refine::never,
                                   .rerank = 3};
  const Bytes bytes = saved(QuantizedHnswIndex<>::build(EmbeddingView<float>(rows), params));
  const auto opened = QuantizedHnswIndex<>::open(open_bytes(bytes), "rows.").params();
  REQUIRE(opened.graph.m == 5);
  REQUIRE(opened.graph.ef_construction == 17);
  REQUIRE(opened.graph.ef_search == std::numeric_limits<std::int64_t>::max());  // more than rows, as before
  REQUIRE(opened.graph.lift == Lift::when_uneven);
  REQUIRE(opened.graph.seed == params.graph.seed);
  REQUIRE(opened.split == CodeSplit::never);
  REQUIRE(opened.refine == Refine::never);
  REQUIRE(opened.rerank == 3);
}

TEST_CASE("borrowed rows are saved, packed, whatever their stride was") {
  const RowMajorMatrix wide = random_matrix(120, 40, 6);
  const EmbeddingView<float> rows(wide.data(), 120, 30, 40, nullptr);
  std::optional<Bytes> flat;
  std::optional<Bytes> quantized;
  {
    const auto index = FlatIndex<>::build(rows, {.rows = Rows::borrow});
    require_round_trip(index);
    flat = saved(index);
    const auto graph = QuantizedHnswIndex<>::build(rows, {.graph = small_graph, .rows = Rows::borrow});
    require_round_trip(graph);
    quantized = saved(graph);
  }
  const RowMajorMatrix packed = wide.leftCols(30);
  require_same_results(FlatIndex<>::build(EmbeddingView<float>(packed)), FlatIndex<>::open(open_bytes(*flat), "rows."));
}

TEMPLATE_TEST_CASE("an opened index reads in place, keeps the archive, and outlives the reader", "", FlatIndex<>,
                   HnswIndex, QuantizedHnswIndex<>) {
  const RowMajorMatrix rows = random_matrix(300, 70, 7);
  const auto build = [&] { return TestType::build(EmbeddingView<float>(rows), {}, {AnyExecutor::serial()}); };
  const TestType index = build();
  auto bytes = std::make_shared<Bytes>(saved(index));
  const std::weak_ptr<const void> alive = bytes;
  {
    auto reader = std::make_optional(io::ArchiveReader::over(*bytes, bytes, "x.pefa"));
    bytes.reset();
    TestType first = TestType::open(*reader, "rows.");
    TestType second = TestType::open(*reader, "rows.");
    reader.reset();
    REQUIRE(first.memory_bytes() < index.memory_bytes() / 4);  // links and rows stay where they are
    TestType moved(std::move(first));
    require_same_results(index, moved);
    second = build();  // lets go of the archive
    moved = std::move(second);
    REQUIRE(alive.expired());
    require_same_results(index, moved);
  }
}

TEST_CASE("an index of another kind or element type is refused, naming both") {
  const RowMajorMatrix rows = random_matrix(30, 5, 8);
  const Bytes bytes = saved(FlatIndex<>::build(EmbeddingView<float>(rows)));
  const io::ArchiveReader reader = open_bytes(bytes);
  REQUIRE_ERROR(FormatError, "x.pefa: 'rows.' is a flat index of float32, asked to open it as hnsw of float32",
                HnswIndex::open(reader, "rows."));
  REQUIRE_ERROR(FormatError, "asked to open it as quantized_hnsw of float32",
                QuantizedHnswIndex<>::open(reader, "rows."));
  REQUIRE_ERROR(FormatError, "is a flat index of float32, asked to open it as flat of int8",
                FlatIndex<std::int8_t>::open(reader, "rows."));
  REQUIRE_ERROR(FormatError, "has no metadata 'queries.index'", FlatIndex<>::open(reader, "queries."));
}

TEST_CASE("FlatIndex::open: counts that do not fit and scales that are not finite are refused") {
  const auto codes = EmbeddingStore<std::int8_t>::from(random_matrix(30, 5, 9));
  const Bytes whole = saved(FlatIndex<std::int8_t>::build(codes));
  REQUIRE_ERROR(
      FormatError, "x.pefa: section 'rows.scales' has a NaN or infinite element",
      (open_patched<FlatIndex<std::int8_t>>(whole, "rows.scales", 29, std::numeric_limits<float>::infinity())));
  for (const auto& [size, dim, expected] : std::vector<std::tuple<std::int64_t, std::int64_t, std::string>>{
           {31, 5, "section 'rows.rows' holds 150 elements, expected 155"},
           {30, 6, "section 'rows.rows' holds 150 elements, expected 180"},
           {15, 10, "section 'rows.scales' holds 30 elements, expected 15"},
           {0, 5, "metadata 'rows.size' is 0, expected 1 to 4294967295"},
           {-1, 5, "metadata 'rows.size' is -1"},
           {30, 0, "metadata 'rows.dim' is 0"},
           {std::int64_t{1} << 32, 5, "metadata 'rows.size' is 4294967296"},
           {4'294'967'295, 2'147'483'647, "expected 9223372030412324865"}}) {
    io::ArchiveWriter writer;
    writer.metadata().add("rows.index", "flat");
    writer.metadata().add("rows.scalar", "int8");
    writer.metadata().add("rows.metric", "l2");
    writer.metadata().add("rows.size", size);
    writer.metadata().add("rows.dim", dim);
    writer.add("rows.rows", std::vector<std::int8_t>(150));
    writer.add("rows.scales", std::vector<float>(30));
    std::stringstream stream;
    writer.write(stream);
    REQUIRE_ERROR(FormatError, expected,
                  FlatIndex<std::int8_t>::open(io::ArchiveReader::read(stream, "x.pefa"), "rows."));
  }
}

TEST_CASE("QuantizedHnswIndex::open: links, starts and levels that lead nowhere are refused") {
  using Index = QuantizedHnswIndex<>;
  const RowMajorMatrix rows = random_matrix(200, 70, 10);
  const Bytes whole = saved(
      Index::build(EmbeddingView<float>(rows), {.graph = {.m = 2, .ef_construction = 30}, .split = CodeSplit::always}));
  const auto open = [&](const std::string& key, std::size_t i, auto value) {
    return open_patched<Index>(whole, key, i, value);
  };
  REQUIRE(open("rows.links.items", 17, std::uint32_t{199}).size() == 200);
  REQUIRE_ERROR(FormatError, "x.pefa: section 'rows.links.items': element 17 is 200, expected below 200",
                open("rows.links.items", 17, std::uint32_t{200}));
  REQUIRE_ERROR(FormatError, "section 'rows.links.starts': expected ascending numbers from 0 to",
                open("rows.links.starts", 0, std::uint64_t{1}));
  REQUIRE_ERROR(FormatError, "section 'rows.links.starts'", open("rows.links.starts", 1, ~std::uint64_t{0}));
  REQUIRE_ERROR(FormatError, "section 'rows.links.starts'", open("rows.links.starts", 200, std::uint64_t{0}));
  REQUIRE_ERROR(FormatError, "section 'rows.level1.rows': element 0 is 200", open("rows.level1.rows", 0, 200U));
  REQUIRE_ERROR(FormatError, "section 'rows.level1.down': element 0 is 200", open("rows.level1.down", 0, 200U));
  REQUIRE_ERROR(FormatError, "section 'rows.level2.down': element 0 is 199", open("rows.level2.down", 0, 199U));
  REQUIRE_ERROR(FormatError, "section 'rows.level1.links.items': element 0 is 199",
                open("rows.level1.links.items", 0, 199U));
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (const char* key : {"rows.mean", "rows.tail_shares", "rows.rotation_scales"}) {
    REQUIRE_ERROR(FormatError, std::string("section '") + key + "' has a NaN", open(key, 1, nan));
  }
  const Bytes without_rows =
      saved(Index::build(EmbeddingView<float>(rows), {.graph = small_graph, .rows = Rows::drop}));
  REQUIRE_ERROR(FormatError, "section 'rows.residual_scales' has a NaN",
                open_patched<Index>(without_rows, "rows.residual_scales", 199, nan));
  const Index huge = open_patched<Index>(without_rows, "rows.residual_scales", 199, std::numeric_limits<float>::max());
  for (const Neighbor& each : huge.search({rows.data(), 70}, 200)) REQUIRE_FALSE(std::isnan(each.score));
}

TEMPLATE_TEST_CASE("rows and terms that are NaN or infinite end no search in a crash or a loop", "", FlatIndex<>,
                   HnswIndex, QuantizedHnswIndex<>) {
  const RowMajorMatrix rows = random_matrix(300, 70, 11);
  const Bytes whole = saved(TestType::build(EmbeddingView<float>(rows)));
  const std::vector<float> query(70, 0.1f);
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                             std::numeric_limits<float>::max()}) {
    Bytes bytes = whole;
    const io::ArchiveReader reader = open_bytes(whole);
    for (const io::ArchiveSection& section : reader.sections()) {
      const auto offset = static_cast<std::size_t>(section.offset);
      const std::size_t words = static_cast<std::size_t>(section.byte_size()) / sizeof poison;
      if (section.key == "rows.rows") {
        for (std::size_t i = 0; i < words; i += 3) patch(bytes, offset + 4 * i, poison);
      } else if (section.key == "rows.heads") {  // the terms end a block
        for (std::size_t i = 13; i < words; i += 2) patch(bytes, offset + 4 * i, poison);
      } else if (section.key == "rows.graph") {
        const std::size_t node = words / 300;
        for (std::size_t i = 0; i < 300; i += 2) patch(bytes, offset + 4 * (i * node + node - 10), poison);
      }
    }
    const TestType opened = TestType::open(open_bytes(bytes), "rows.");
    REQUIRE(opened.search(query, 300).size() <= 300);
    REQUIRE(opened.search(query, 20).size() == 20);
    (void)search_batch(opened, EmbeddingView<float>(random_matrix(9, 70, 12)), 50);
  }
}
