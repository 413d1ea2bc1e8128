#include "pefa/adapter/retriever_archive.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <random>
#include <sstream>
#include <type_traits>

#include "catch.hpp"
#include "io/archive/archive_tools.hpp"
#include "oracle.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/index/flat_index_archive.hpp"
#include "pefa/index/quantized_hnsw_index_archive.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

template <class R>
Bytes saved(const R& retriever, const SaveOptions& options = {}) {
  std::ostringstream out;
  retriever.save(out, options);
  return as_bytes(out.str());
}

template <class R>
std::vector<std::vector<Hit>> results(const R& retriever, const RowMajorMatrix& queries) {
  std::vector<std::vector<Hit>> hits;
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    hits.push_back(retriever.search({queries.row(q).data(), static_cast<std::size_t>(queries.cols())}, 10));
  }
  return hits;
}

/// Through a file, a stream and memory: the same results to the bit, one by one and in a batch, and the same archive.
template <class R>
void require_round_trip(const R& retriever, const RowMajorMatrix& queries) {
  const TemporaryDirectory folder;
  const auto path = folder / "x.pefa";
  retriever.save(path);
  retriever.save(path);  // over an existing one
  REQUIRE(folder.file_count() == 1);
  const Bytes bytes = saved(retriever);
  REQUIRE(as_bytes(read_bytes(path)) == bytes);
  std::istringstream in(read_bytes(path), std::ios::binary);
  for (const R& opened : {R::open(path), R::open(io::ArchiveReader::read(in)), R::open(open_bytes(bytes))}) {
    REQUIRE(opened.passage_count() == retriever.passage_count());
    REQUIRE(opened.dim() == retriever.dim());
    REQUIRE(results(opened, queries) == results(retriever, queries));
    REQUIRE(opened.search_batch(EmbeddingView<float>(queries), 25) ==
            retriever.search_batch(EmbeddingView<float>(queries), 25));
    REQUIRE(saved(opened) == bytes);
  }
}

constexpr HnswParams small_graph{.m = 4, .ef_construction = 30};

using QuantizedXl = PefaXl<float, QuantizedHnswIndex<>, HnswIndex, AnyGate>;

/// An archive with every kind of section: both graphs, split codes, upper levels, relevance.
QuantizedXl small_xl() {
  const RowMajorMatrix passages = random_matrix(60, 68, 31);
  const RowMajorMatrix queries = random_matrix(50, 68, 32);
  return QuantizedXl::build(EmbeddingView<float>(passages), EmbeddingView<float>(queries),
                            random_relevance(50, 60, 2, 33),
                            {.neighbors = 5,
                             .gate = SoftmaxGate(0.5f),
                             .passage_index = {.graph = {.m = 2, .ef_construction = 20}, .split = CodeSplit::always},
                             .query_index = {.m = 2, .ef_construction = 20}},
                            {AnyExecutor::serial()});
}

}  // namespace

TEMPLATE_TEST_CASE("retrievers open as they were saved, over every index", "", FlatIndex<>, HnswIndex,
                   QuantizedHnswIndex<>) {
  const Problem problem;
  require_round_trip(ErmRetriever<float, TestType>::build(problem.passages), problem.tests);
  require_round_trip(PefaXs<float, TestType>::build(problem.passages, problem.queries, problem.relevance,
                                                    {.lambda = 0.3f, .cold = ColdPassage::erm}),
                     problem.tests);
  require_round_trip(
      PefaXl<float, TestType>::build(problem.passages, problem.queries, problem.relevance, {.lambda = 0.2f}),
      problem.tests);
  require_round_trip(PefaXsMulti<float, TestType>::build(problem.passages, problem.queries, problem.relevance,
                                                         {.centroids = {.queries_per_centroid = 1}}),
                     problem.tests);
}

TEMPLATE_TEST_CASE("PefaXl: over PEFA-XS vectors it opens as it was saved, fold and all", "", FlatIndex<>, HnswIndex,
                   QuantizedHnswIndex<>) {
  const Problem problem;
  using Xl = PefaXl<float, TestType>;
  const auto build = [&](const PassageFold& fold) {
    return Xl::build(problem.passages, problem.queries, problem.relevance, {.lambda = 0.4f, .fold = fold},
                     {AnyExecutor::serial()});
  };
  const Xl folded = build({.lambda = 0.25f, .cold = ColdPassage::borrowed, .norm = PseudoNorm::passage});
  REQUIRE(results(folded, problem.tests) != results(build({}), problem.tests));
  require_round_trip(folded, problem.tests);
  const Bytes bytes = saved(folded);
  const PassageFold fold = Xl::open(open_bytes(bytes)).params().fold;
  REQUIRE(fold.lambda == 0.25f);
  REQUIRE(fold.cold == ColdPassage::borrowed);
  REQUIRE(fold.norm == PseudoNorm::passage);
  REQUIRE(open_bytes(bytes).metadata().real("fold_lambda") == 0.25);
}

TEMPLATE_TEST_CASE("PefaXl: opens as it was saved, for other element types", "", Eigen::half, std::int8_t) {
  const Problem problem;
  const auto passages = EmbeddingStore<TestType>::from(problem.passages);
  const auto queries = EmbeddingStore<TestType>::from(problem.queries);
  require_round_trip(PefaXl<TestType, QuantizedHnswIndex<TestType>, FlatIndex<TestType>>::build(
                         passages.view(), queries.view(), problem.relevance),
                     problem.tests);
}

TEST_CASE("PefaXl: every parameter comes back") {
  const Problem problem;
  using Xl = PefaXl<float, FlatIndex<>, FlatIndex<>, AnyGate>;
  const auto xl = Xl::build(problem.passages, problem.queries, problem.relevance,
                            {.lambda = 0.1f,
                             .neighbors = 7,
                             .gate = SoftmaxGate(0.25f),
                             .similarity = KnnSimilarity::l2,
                             .knn_scale = 1.5f,
                             .passage_candidates = 40,
                             .missing_erm_score = MissingErmScore::zero,
                             .query_index = {.metric = Metric::l2}});
  require_round_trip(xl, problem.tests);
  const Bytes bytes = saved(xl);
  const io::ArchiveReader reader = open_bytes(bytes);
  const auto params = Xl::open(reader).params();
  REQUIRE(params.lambda == 0.1f);
  REQUIRE(params.neighbors == 7);
  REQUIRE(params.similarity == KnnSimilarity::l2);
  REQUIRE(params.knn_scale == 1.5f);
  REQUIRE(params.passage_candidates == 40);
  REQUIRE(params.missing_erm_score == MissingErmScore::zero);
  REQUIRE(params.query_index.metric == Metric::l2);
  const io::ArchiveMetadata& metadata = reader.metadata();
  REQUIRE(metadata.text("retriever") == "xl");
  REQUIRE(metadata.text("gate") == "softmax");
  REQUIRE(metadata.real("temperature") == 0.25);
  REQUIRE(metadata.text("passages.index") == "flat");
  REQUIRE(metadata.text("passages.scalar") == "float32");
  REQUIRE(metadata.text("queries.metric") == "l2");
  REQUIRE(metadata.integer("passages") == 90);
  REQUIRE(metadata.integer("training_queries") == 140);
  REQUIRE(metadata.integer("pairs") == static_cast<std::int64_t>(problem.relevance.pair_count()));
  REQUIRE_ERROR(FormatError,
                "x.pefa: holds an xl retriever over flat of float32, training queries over flat of float32, gate "
                "softmax; asked to open it as an xl retriever over flat of float32, training queries over flat of "
                "float32, gate mean. pefa::open(path) opens it whatever it holds, as does "
                "PefaXl<float, FlatIndex<>, FlatIndex<>, SoftmaxGate>::open(path)",
                (PefaXl<float, FlatIndex<>>::open(reader)));
  REQUIRE((PefaXl<float, FlatIndex<>, FlatIndex<>, SoftmaxGate>::open(reader).params().gate.temperature()) == 0.25f);
}

TEST_CASE("PefaXs, PefaXsMulti: lambda and the treatment of cold passages come back") {
  const Problem problem;
  const auto xs =
      PefaXs<float, FlatIndex<>>::build(problem.passages, problem.queries, problem.relevance,
                                        {.lambda = 0.7f, .cold = ColdPassage::erm, .norm = PseudoNorm::passage});
  const Bytes bytes = saved(xs);
  const auto opened = PefaXs<float, FlatIndex<>>::open(open_bytes(bytes));
  REQUIRE(opened.lambda() == 0.7f);
  REQUIRE(opened.cold() == ColdPassage::erm);
  REQUIRE(opened.norm() == PseudoNorm::passage);
  REQUIRE(open_bytes(bytes).metadata().text("cold") == "erm");
  using Multi = PefaXsMulti<float, FlatIndex<>>;
  const auto multi = Multi::build(problem.passages, problem.queries, problem.relevance,
                                  {.centroids = {.lambda = 0.4f, .max_centroids = 3, .shrinkage = 0.25f}});
  const Bytes multi_bytes = saved(multi);
  const auto multi_opened = Multi::open(open_bytes(multi_bytes));
  REQUIRE(multi_opened.lambda() == 0.4f);
  REQUIRE(multi_opened.centroids().max_centroids == 3);
  REQUIRE(multi_opened.centroids().shrinkage == 0.25f);
  REQUIRE(multi_opened.passages() == multi.passages());
}

TEST_CASE("save: external ids are kept beside any retriever, one a passage") {
  const Problem problem;
  const auto erm = ErmRetriever<float, FlatIndex<>>::build(problem.passages);
  io::ExternalIds ids;
  for (int i = 0; i < 90; ++i) ids.insert("product-" + std::to_string(i));
  const Bytes bytes = saved(erm, {.passage_ids = &ids});
  const io::ArchiveReader reader = open_bytes(bytes);
  REQUIRE(io::read_passage_ids(reader) == ids);
  REQUIRE((results(ErmRetriever<float, FlatIndex<>>::open(reader), problem.tests)) == results(erm, problem.tests));
  REQUIRE_FALSE(io::read_passage_ids(open_bytes(saved(erm))).has_value());
  ids.insert("one more");
  REQUIRE_ERROR(ShapeError, "save: 91 passage ids for 90 passages", saved(erm, {.passage_ids = &ids}));
}

TEST_CASE("save: a host's notes stand beside what the retriever says, and cannot replace it") {
  const Problem problem;
  const auto erm = ErmRetriever<float, FlatIndex<>>::build(problem.passages);
  io::ArchiveMetadata notes;
  notes.add("encoder", "of mine");
  notes.add("condense", 0.5f);
  const Bytes bytes = saved(erm, {.notes = &notes});
  const io::ArchiveReader reader = open_bytes(bytes);
  REQUIRE(reader.metadata().text("encoder") == "of mine");
  REQUIRE(reader.metadata().real("condense") == 0.5);
  REQUIRE((results(ErmRetriever<float, FlatIndex<>>::open(reader), problem.tests)) == results(erm, problem.tests));
  io::ArchiveMetadata forged;
  forged.add("retriever", "xs");
  REQUIRE_ERROR(ValueError, "metadata 'retriever' is there already", saved(erm, {.notes = &forged}));
}

TEST_CASE("save: reports bytes; stopped, it leaves the old archive") {
  const Problem problem;
  const auto erm = ErmRetriever<float, FlatIndex<>>::build(problem.passages);
  const TemporaryDirectory folder;
  const auto path = folder.write("x.pefa", "old");
  const auto stop = [](std::size_t, std::size_t) { return ProgressAction::stop; };
  REQUIRE_ERROR(Cancelled, "stopped", (erm.save(path, {.progress = stop}), 0));
  REQUIRE(read_bytes(path) == "old");
  REQUIRE(folder.file_count() == 1);
}

TEST_CASE("open: an archive of another retriever, or another index, is refused, naming both") {
  const Problem problem;
  const auto build_xl = [&] {
    return PefaXl<float, QuantizedHnswIndex<>, FlatIndex<>>::build(problem.passages, problem.queries, problem.relevance,
                                                                   {.passage_index = {.graph = small_graph}});
  };
  const Bytes bytes = saved(build_xl());
  const io::ArchiveReader reader = open_bytes(bytes);
  const std::string holds =
      "x.pefa: holds an xl retriever over quantized_hnsw of float32, training queries over flat of float32, gate mean; "
      "asked to open it as an ";
  const std::string ways =
      ". pefa::open(path) opens it whatever it holds, as does "
      "PefaXl<float, QuantizedHnswIndex<>, FlatIndex<>, MeanGate>::open(path)";
  REQUIRE_ERROR(FormatError, holds + "xs retriever over hnsw of float32" + ways, PefaXs<>::open(reader));
  REQUIRE_ERROR(FormatError, holds + "erm retriever over hnsw of float32" + ways, ErmRetriever<>::open(reader));
  REQUIRE_ERROR(FormatError, holds + "xs_multi retriever over hnsw of float32" + ways, PefaXsMulti<>::open(reader));
  REQUIRE_ERROR(FormatError,
                holds + "xl retriever over hnsw of float32, training queries over hnsw of float32, gate mean" + ways,
                PefaXl<>::open(reader));
  REQUIRE_ERROR(FormatError, "asked to open it as an xl retriever over quantized_hnsw of float16",
                (PefaXl<Eigen::half, QuantizedHnswIndex<Eigen::half>, FlatIndex<Eigen::half>>::open(reader)));
  REQUIRE((PefaXl<float, QuantizedHnswIndex<>, FlatIndex<>, AnyGate>::open(reader).passage_count()) == 90);
}

TEST_CASE("open: a file that was replaced or removed, and one opened twice, serve on") {
  const Problem problem;
  const TemporaryDirectory folder;
  const auto path = folder / "x.pefa";
  using Xs = PefaXs<float, QuantizedHnswIndex<>>;
  const auto build = [&](float lambda) {
    return Xs::build(problem.passages, problem.queries, problem.relevance,
                     {.lambda = lambda, .index = {.graph = small_graph}}, {AnyExecutor::serial()});
  };
  build(0.5f).save(path);
  const Xs first = Xs::open(path);
  const Xs second = Xs::open(path);
  build(0.1f).save(path);
  std::filesystem::remove(path);
  REQUIRE(results(first, problem.tests) == results(build(0.5f), problem.tests));
  REQUIRE(results(second, problem.tests) == results(first, problem.tests));
}

TEST_CASE("open: Verify::full finds a row that was flipped on disk, which opening alone does not read") {
  const Problem problem;
  const TemporaryDirectory folder;
  const auto path = folder / "x.pefa";
  const auto check = [&](const auto& retriever) {
    using R = std::remove_cvref_t<decltype(retriever)>;
    retriever.save(path);
    REQUIRE_NOTHROW(R::open(path, Verify::full));
    std::string bytes = read_bytes(path);
    const io::ArchiveReader reader = io::ArchiveReader::open(path);
    const auto rows = std::ranges::find(reader.sections(), "passages.rows", &io::ArchiveSection::key);
    bytes[static_cast<std::size_t>(rows->offset) + 1] ^= 1;
    const auto flipped = folder.write("flipped.pefa", bytes);
    REQUIRE_NOTHROW(R::open(flipped));
    REQUIRE_ERROR(FormatError, "section 'passages.rows'", R::open(flipped, Verify::full));
    REQUIRE_ERROR(FormatError, "is damaged (checksum)", R::open(flipped.string(), Verify::full));
  };
  check(ErmRetriever<float, FlatIndex<>>::build(problem.passages));
  check(PefaXs<float, FlatIndex<>>::build(problem.passages, problem.queries, problem.relevance));
  check(PefaXsMulti<float, FlatIndex<>>::build(problem.passages, problem.queries, problem.relevance));
  check(PefaXl<float, FlatIndex<>>::build(problem.passages, problem.queries, problem.relevance));
}

TEST_CASE("open: archives kept from an earlier version still open, and answer") {
  const std::string kept = PEFA_SHIPPED_DATA "/../../tests/fuzz/corpus/retriever_archive/";
  const auto answers = [](const auto& retriever) {
    const std::vector<float> query(retriever.dim(), 0.25f);
    return !retriever.search(query, 3).empty();
  };
  REQUIRE(answers(ErmRetriever<float, FlatIndex<>>::open(kept + "erm_flat.pefa")));
  REQUIRE(answers(ErmRetriever<std::int8_t, FlatIndex<std::int8_t>>::open(kept + "erm_flat_int8.pefa")));
  REQUIRE(answers(PefaXs<>::open(kept + "xs_hnsw.pefa")));
  REQUIRE(answers(PefaXsMulti<float, QuantizedHnswIndex<>>::open(kept + "xs_multi_quantized.pefa")));
  REQUIRE(answers(QuantizedXl::open(kept + "xl_softmax.pefa")));
  REQUIRE(answers(QuantizedXl::open(kept + "xl_folded_split.pefa")));
}

TEST_CASE("open: an archive cut short anywhere is refused") {
  const Bytes whole = saved(small_xl());
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 97) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    REQUIRE_THROWS_AS(QuantizedXl::open(open_bytes(cut)), FormatError);
  }
}

namespace {

/// A host's own index, and its own gate.
struct UnsavableIndex {
  using Params = FlatParams;
  static UnsavableIndex build(const EmbeddingView<float>& rows, const Params& params, const BuildOptions& options) {
    return {FlatIndex<>::build(rows, params, options)};
  }
  [[nodiscard]] std::vector<Neighbor> search(QueryView query, std::size_t k, const IndexSearchOptions& options) const {
    return flat.search(query, k, options);
  }
  [[nodiscard]] std::size_t size() const { return flat.size(); }
  [[nodiscard]] std::size_t dim() const { return flat.dim(); }
  [[nodiscard]] Metric metric() const { return flat.metric(); }
  [[nodiscard]] std::size_t memory_bytes() const { return flat.memory_bytes(); }
  FlatIndex<> flat;
};
static_assert(AnnIndex<UnsavableIndex> && !ArchivableIndex<UnsavableIndex>);

struct HostGate {
  void operator()(std::span<const float>, std::span<float> weights) const {
    for (float& w : weights) w = 0.5f;
  }
};

template <class R>
concept Saves = requires(const R& retriever, std::ostream& out) {
  retriever.save(out);
};
template <class R>
concept Opens = requires(const io::ArchiveReader& reader) {
  R::open(reader);
};

template <class R>
inline constexpr bool archives = Saves<R>&& Opens<R>;
static_assert(archives<ErmRetriever<>> && archives<PefaXs<>> && archives<PefaXl<>> && archives<PefaXsMulti<>>);
static_assert(!Saves<ErmRetriever<float, UnsavableIndex>> && !Opens<ErmRetriever<float, UnsavableIndex>>);
static_assert(!Saves<PefaXs<float, UnsavableIndex>> && !Opens<PefaXsMulti<float, UnsavableIndex>>);
static_assert(!Saves<PefaXl<float, HnswIndex, UnsavableIndex>> && !Opens<PefaXl<float, HnswIndex, UnsavableIndex>>);
static_assert(!Saves<PefaXl<float, HnswIndex, HnswIndex, HostGate>>);

}  // namespace

TEST_CASE("a retriever over a host's own index or gate searches as ever, and has no save") {
  const Problem problem;
  const auto xl = PefaXl<float, UnsavableIndex, UnsavableIndex, HostGate>::build(problem.passages, problem.queries,
                                                                                 problem.relevance);
  REQUIRE(xl.search(problem.test(0), 3).size() == 3);
}

TEST_CASE("PefaXl: 10,000 seeded mutations of its archive are found, or change nothing") {
  const Bytes whole = saved(small_xl());
  const RowMajorMatrix queries = random_matrix(2, 68, 34);
  const auto expected = results(QuantizedXl::open(open_bytes(whole)), queries);
  std::mt19937 random(40'000);
  const auto below = [&random](std::size_t size) { return static_cast<std::size_t>(random() % size); };
  std::size_t opened = 0;
  Bytes bytes;
  for (int i = 0; i < 10'000; ++i) {
    bytes = whole;
    for (std::size_t left = 1 + below(4); left > 0; --left) {
      if (below(20) == 0) bytes.resize(1 + below(bytes.size()));
      bytes[below(bytes.size())] = static_cast<std::byte>(random() & 0xFF);
    }
    try {
      const io::ArchiveReader reader = open_bytes(bytes);
      const QuantizedXl xl = QuantizedXl::open(reader);
      ++opened;
      const auto found = results(xl, queries);
      reader.verify();
      REQUIRE(found == expected);
    } catch (const FormatError&) {
    }
  }
  REQUIRE(opened > 1000);  // most of the bytes are rows and codes, which opening does not look at
}

TEST_CASE("PefaXl: 10,000 forged archives are refused, or open and search without harm") {
  const Bytes whole = saved(small_xl());
  const io::ArchiveReader reader = open_bytes(whole);
  const RowMajorMatrix queries = random_matrix(2, 68, 35);
  const std::size_t directory = directory_of(whole);
  std::mt19937 random(50'000);
  const std::uint32_t edges[] = {0,      1,      2,          49,         50,         59,         60,        255,
                                 65'535, 65'536, 0x7FC00000, 0x7F800000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
  std::size_t opened = 0;
  std::size_t refused = 0;
  Bytes bytes;
  for (int i = 0; i < 10'000; ++i) {
    bytes = whole;
    for (std::size_t left = 1 + random() % 3; left > 0; --left) {
      if (random() % 4 == 0) {  // the directory: counts, types, metadata
        bytes[directory + random() % (whole.size() - directory - 8)] = static_cast<std::byte>(random() & 0xFF);
        continue;
      }
      const io::ArchiveSection& section = reader.sections()[random() % reader.sections().size()];  // however small
      const auto words = static_cast<std::size_t>(section.byte_size() / 4);
      if (words == 0) continue;
      const std::uint32_t value = random() % 4 == 0 ? static_cast<std::uint32_t>(random()) : edges[random() % 15];
      patch(bytes, static_cast<std::size_t>(section.offset) + 4 * (random() % words), value);
    }
    sign(bytes);
    try {
      const QuantizedXl xl = QuantizedXl::open(open_bytes(bytes));
      if (xl.dim() == 68) (void)results(xl, queries);
      ++opened;
    } catch (const Error&) {
      ++refused;
    }
  }
  REQUIRE(opened > 1000);
  REQUIRE(refused > 1000);
}
