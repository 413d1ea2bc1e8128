#include "pefa/adapter/any_retriever_impl.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/archive/archive_tools.hpp"
#include "oracle.hpp"
#include "pefa/adapter/spec_text.hpp"
#include "pefa/io/vectors/npy.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

using Results = std::vector<std::vector<Hit>>;

template <class R>
Results results_of(const R& retriever, const RowMajorMatrix& queries, std::size_t k = 10) {
  Results found;
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    found.push_back(retriever.search(QueryView(queries.row(q).data(), retriever.dim()), k));
  }
  return found;
}

Bytes saved_any(const AnyRetriever& retriever, const SaveOptions& options = {}) {
  std::ostringstream out;
  retriever.save(out, options);
  return as_bytes(out.str());
}

constexpr IndexSpec small(IndexKind kind) {
  return {.kind = kind, .m = 4, .ef_construction = 30, .ef_search = 20};
}

AnyRetriever built(const RetrieverSpec& spec, const Problem& problem) {
  return build(spec, problem.passages, problem.queries, problem.relevance, {AnyExecutor::serial()});
}

RetrieverSpec with_index(RetrieverSpec spec, IndexKind kind) {
  spec.index = small(kind);
  spec.query_index = small(kind);
  return spec;
}

/// Every method with what it can vary, over one kind of index.
std::vector<RetrieverSpec> every_spec(IndexKind kind) {
  std::vector<RetrieverSpec> all{{.method = Method::erm, .lambda = 1.0f}};
  for (const ColdPassage cold : {ColdPassage::paper, ColdPassage::erm, ColdPassage::borrowed}) {
    for (const PseudoNorm norm : {PseudoNorm::unit, PseudoNorm::passage}) {
      all.push_back({.method = Method::xs, .lambda = 0.3f, .cold = cold, .norm = norm});
      all.push_back({.method = Method::xs_multi, .lambda = 0.3f, .cold = cold, .norm = norm, .max_centroids = 3});
      all.push_back({.lambda = 0.3f, .neighbors = 4, .fold = 0.4f, .cold = cold, .norm = norm});
    }
  }
  for (const GateSpec gate : {GateSpec{GateKind::mean}, GateSpec{GateKind::sum}, GateSpec{GateKind::softmax, 0.2f}}) {
    for (const KnnSimilarity similarity : {KnnSimilarity::inner_product, KnnSimilarity::cosine, KnnSimilarity::l2}) {
      all.push_back({.lambda = 0.2f, .neighbors = 5, .gate = gate, .similarity = similarity});
    }
  }
  all.push_back({.neighbors = 5, .gate = {.kind = GateKind::local, .bandwidth = 0.3f, .ridge = 0.7f}});
  for (const Whitened whitened : {Whitened::none, Whitened::queries, Whitened::all}) {
    RetrieverSpec spec{.neighbors = 5, .rule = FoldRule::correlation, .balance = 6, .whitened = whitened};
    spec.whitening = {.scatter = Scatter::both, .shrinkage = 0.7f, .rank = 11};
    all.push_back(spec);
    spec.method = whitened == Whitened::all ? Method::xs_multi : Method::xs;
    spec.rule = FoldRule::least_squares;
    spec.least_squares = {0.4f, 0.0f};
    spec.whitened = whitened == Whitened::queries ? Whitened::none : whitened;
    all.push_back(spec);
  }
  all.push_back({.neighbors = 5, .passage_candidates = 40, .missing_erm_score = MissingErmScore::zero});
  all.push_back({.neighbors = 5, .knn_scale = 2.0f, .condense = 0.3f});
  for (RetrieverSpec& spec : all) spec = with_index(spec, kind);
  if (kind != IndexKind::quantized) return all;
  for (const std::size_t place : {std::size_t{0}, std::size_t{3}, all.size() - 1}) {  // without rows
    RetrieverSpec spec = all[place];
    spec.index.exact_rows = spec.query_index.exact_rows = ExactRows::drop;
    all.push_back(spec);
  }
  return all;
}

/// What a spec comes back as: fields that its method does not have are as they are by default.
RetrieverSpec as_told(const RetrieverSpec& spec) {
  RetrieverSpec told{.method = spec.method, .lambda = spec.lambda, .index = spec.index};
  if (spec.index.kind == IndexKind::flat) told.index = {.kind = IndexKind::flat};
  if (spec.method == Method::erm) return told;
  told.cold = spec.cold;
  told.norm = spec.norm;
  told.rule = spec.rule;
  told.least_squares = spec.least_squares;
  told.balance = spec.balance;
  told.whitened = spec.whitened == Whitened::all ? Whitened::all : Whitened::none;
  if (told.whitened == Whitened::all) told.whitening = spec.whitening;
  if (spec.method == Method::xs) return told;
  if (spec.method == Method::xs_multi) {
    told.max_centroids = spec.max_centroids;
    told.queries_per_centroid = spec.queries_per_centroid;
    told.shrinkage = spec.shrinkage;
    return told;
  }
  RetrieverSpec xl = spec;
  xl.index = told.index;
  if (spec.similarity == KnnSimilarity::l2) xl.hubness = 0.0f;
  if (spec.whitened == Whitened::none) xl.whitening = {};
  xl.query_index = spec.query_index.kind == IndexKind::flat ? IndexSpec{.kind = IndexKind::flat} : spec.query_index;
  return xl;
}

/// The typed retriever that opens an archive answers as the one that is open.
template <class Index>
Results by_type(const RetrieverSpec& spec, const io::ArchiveReader& reader, const RowMajorMatrix& queries) {
  switch (spec.method) {
    case Method::erm: return results_of(ErmRetriever<float, Index>::open(reader), queries);
    case Method::xs: return results_of(PefaXs<float, Index>::open(reader), queries);
    case Method::xs_multi: return results_of(PefaXsMulti<float, Index>::open(reader), queries);
    case Method::xl: break;
  }
  return results_of(PefaXl<float, Index, Index, AnyGate>::open(reader), queries);
}

}  // namespace

TEMPLATE_TEST_CASE("open: whatever build() can make, equal to the typed retriever to the bit", "", FlatIndex<>,
                   HnswIndex, QuantizedHnswIndex<>) {
  const Problem problem;
  const IndexKind kind = std::same_as<TestType, FlatIndex<>> ? IndexKind::flat
                         : std::same_as<TestType, HnswIndex> ? IndexKind::hnsw
                                                             : IndexKind::quantized;
  for (const RetrieverSpec& spec : every_spec(kind)) {
    INFO(describe(spec));
    const AnyRetriever retriever = built(spec, problem);
    const Results expected = results_of(retriever, problem.tests);
    const Bytes bytes = saved_any(retriever);
    const io::ArchiveReader reader = open_bytes(bytes);
    const AnyRetriever opened = open(reader);
    REQUIRE(results_of(opened, problem.tests) == expected);
    REQUIRE(by_type<TestType>(spec, reader, problem.tests) == expected);
    REQUIRE(opened.search_batch(EmbeddingView<float>(problem.tests), 10) == expected);
    REQUIRE(as_told(opened.spec()) == as_told(spec));
    REQUIRE(as_told(retriever.spec()) == as_told(spec));
    REQUIRE(opened.dim() == retriever.dim());
    REQUIRE(opened.passage_count() == static_cast<std::size_t>(problem.passages.rows()));
    REQUIRE(saved_any(opened) == bytes);
  }
}

TEST_CASE("open: every kind of archive that earlier versions wrote, with the answers they gave") {
  // Of version 2 there are partitions from before vectors were turned, and a graph without rows.
  const auto [name, expected_archives] = GENERATE(std::pair("archives_v1", 17), std::pair("archives_v2", 3));
  const std::filesystem::path data = shipped_data() / "../../tests/data";
  const auto queries = io::read_npy<float>(data / "archives_v1/T.npy");
  int archives = 0;
  for (const auto& entry : std::filesystem::directory_iterator(data / name)) {
    if (entry.path().extension() != ".pefa") continue;
    ++archives;
    INFO(entry.path().filename());
    const AnyRetriever retriever = open(entry.path(), Verify::full);
    std::ifstream lines(std::filesystem::path(entry.path()).replace_extension(".jsonl"));
    for (Row q = 0; q < queries.size(); ++q) {
      std::string line;
      REQUIRE(std::getline(lines, line));
      const nlohmann::json expected = nlohmann::json::parse(line)["hits"];
      const auto found = retriever.search_ids(QueryView(queries.row(q), queries.dim()), expected.size());
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        REQUIRE(found[i].id == expected[i]["passage"].get<std::string>());
        REQUIRE(found[i].score == Approx(expected[i]["score"].get<float>()).epsilon(1e-5));
      }
    }
  }
  REQUIRE(archives == expected_archives);
}

TEST_CASE("open: rows of every element type") {
  const Problem problem;
  const auto through_archive = [&](auto scalar) {
    using Scalar = decltype(scalar);
    const auto rows = EmbeddingStore<Scalar>::from(EmbeddingView<float>(problem.passages));
    for (const IndexKind kind : {IndexKind::flat, IndexKind::quantized, IndexKind::hnsw}) {
      const AnyRetriever retriever =
          build({.method = Method::erm, .index = small(kind)}, rows, {AnyExecutor::serial()});
      REQUIRE(results_of(open(open_bytes(saved_any(retriever))), problem.tests) ==
              results_of(retriever, problem.tests));
    }
  };
  through_archive(float{});
  through_archive(double{});
  through_archive(Eigen::half{});
  through_archive(Eigen::bfloat16{});
  through_archive(std::int8_t{});
}

TEST_CASE("open: what is no retriever is refused, and what was flipped on the disk where every byte is read") {
  io::ArchiveWriter other;
  other.metadata().add("retriever", "colbert");
  std::ostringstream out;
  other.write(out);
  REQUIRE_ERROR(FormatError, "holds a retriever 'colbert', this pefa knows erm, xs, xl and xs_multi",
                open(open_bytes(as_bytes(out.str()))));

  const Problem problem;
  const TemporaryDirectory folder;
  const auto path = folder / "x.pefa";
  built(with_index({.method = Method::xs}, IndexKind::flat), problem).save(path);
  std::string bytes = read_bytes(path);
  bytes[256] = static_cast<char>(bytes[256] ^ 1);
  (void)folder.write("x.pefa", bytes);
  REQUIRE(open(path).passage_count() == static_cast<std::size_t>(problem.passages.rows()));
  REQUIRE_ERROR(FormatError, "is damaged", open(path, Verify::full));
}

TEST_CASE("AnyRetriever: ids come with the hits, as text or as numbers, and stay with the archive") {
  const Problem problem;
  const AnyRetriever plain = built(with_index({.method = Method::erm}, IndexKind::flat), problem);
  const QueryView query(problem.tests.row(0).data(), plain.dim());
  const Row best = plain.search(query, 1)[0].passage.row();
  REQUIRE(!plain.has_ids());
  REQUIRE(plain.ids() == nullptr);
  REQUIRE(plain.search_ids(query, 1)[0].id == std::to_string(best));
  REQUIRE(plain.search_ids<std::int64_t>(query, 1)[0].id == best);
  REQUIRE_ERROR(ValueError, "has no ids; give them with with_ids()", plain.find("7"));

  io::ExternalIds texts;
  io::ExternalIds numbers;
  for (Eigen::Index j = 0; j < problem.passages.rows(); ++j) {
    texts.insert("p-" + std::to_string(j));
    numbers.insert(std::to_string(9'000'000'000'000 + j));
  }
  const Bytes archive = saved_any(plain.with_ids(texts));  // its rows are read in place
  const AnyRetriever named = open(open_bytes(archive));
  REQUIRE(named.search_ids(query, 1)[0].id == "p-" + std::to_string(best));
  REQUIRE(named.search_ids(query, 3)[0].score == plain.search(query, 3)[0].score);
  REQUIRE(named.find("p-3") == PassageId(3));
  REQUIRE(!named.find("q"));
  REQUIRE(plain.with_ids(texts).memory_bytes() > plain.memory_bytes());
  REQUIRE_ERROR(ValueError, "is 'p-" + std::to_string(best) + "', expected a decimal number of 64 bits",
                named.search_ids<std::int64_t>(query, 1));
  REQUIRE(open(open_bytes(saved_any(plain.with_ids(numbers)))).search_ids<std::int64_t>(query, 1)[0].id ==
          9'000'000'000'000 + static_cast<std::int64_t>(best));
  REQUIRE_ERROR(ShapeError, "id_of: passage 5000, expected below", named.id_of(PassageId(5000)));

  const std::vector<std::string> some{"p-3", "p-" + std::to_string(best), "p-3"};
  const PassageSet set = named.passages_of(some);
  REQUIRE(set.size() == 2);
  REQUIRE(named.search_ids_filtered(query, 5, set)[0].id == "p-" + std::to_string(best));
  REQUIRE(named.search_ids_filtered(query, 5, set).size() == 2);
  REQUIRE(named.search_ids_filtered(query, 1, ~set)[0].id ==
          named.search_ids(query, 3)[named.search_ids(query, 2)[1].id == "p-3" ? 2 : 1].id);
  const std::vector<std::string> unknown{"p-3", "q"};
  REQUIRE_ERROR(ValueError, "AnyRetriever::passages_of: no passage has the id 'q'", named.passages_of(unknown));

  io::ExternalIds few;
  few.insert("a");
  REQUIRE_ERROR(ShapeError, "with_ids: 1 ids for " + std::to_string(plain.passage_count()) + " passages, expected one",
                plain.with_ids(few));
}

TEST_CASE("AnyRetriever: holds a typed retriever, its search into a buffer and a host's own class") {
  const Problem problem;
  const auto typed = PefaXl<float, FlatIndex<>>::build(problem.passages, problem.queries, problem.relevance,
                                                       {.lambda = 0.2f, .neighbors = 7});
  const Results expected = results_of(typed, problem.tests);
  const AnyRetriever held(PefaXl<float, FlatIndex<>>::build(problem.passages, problem.queries, problem.relevance,
                                                            {.lambda = 0.2f, .neighbors = 7}));
  static_assert(Retriever<AnyRetriever>);
  REQUIRE(results_of(held, problem.tests) == expected);
  REQUIRE(held.spec().gate == GateSpec{GateKind::mean});
  REQUIRE(held.spec().neighbors == 7);
  REQUIRE(held.spec().index.kind == IndexKind::flat);
  const QueryView query(problem.tests.row(0).data(), held.dim());
  std::vector<Hit> buffer(10);
  REQUIRE(held.search(query, buffer) == 10);
  REQUIRE(buffer == expected[0]);
  REQUIRE(results_of(AnyRetriever(held), problem.tests) == expected);  // a copy, not one inside another
  const PassageSet odd(RowSet::where(held.passage_count(), [](Row row) { return row % 2 == 1; }));
  REQUIRE(held.search_filtered(query, 10, odd) == typed.search_filtered(query, 10, odd));
  REQUIRE(held.exact_search_filtered(query, 10, odd) == held.search_filtered(query, 10, odd));
  REQUIRE(held.search_filtered_batch(problem.tests, 10, odd)[0] == held.search_filtered(query, 10, odd));

  struct Own {  // answers with the first k rows
    std::vector<Hit> search(QueryView, std::size_t k, const SearchOptions&) const {
      std::vector<Hit> hits;
      for (Row row = 0; row < std::min<std::size_t>(k, 3); ++row) hits.push_back({PassageId(row), 1.0f});
      return hits;
    }
    std::vector<std::vector<Hit>> search_batch(const EmbeddingView<float>& queries, std::size_t k,
                                               const SearchOptions& options, const AnyExecutor&) const {
      return std::vector<std::vector<Hit>>(queries.size(), search({}, k, options));
    }
    std::size_t passage_count() const { return 3; }
    std::size_t dim() const { return 8; }
    std::size_t memory_bytes() const { return 0; }
  };
  const AnyRetriever own{Own{}};
  REQUIRE(own.search(query, 2).size() == 2);
  REQUIRE(own.search(query, buffer) == 3);
  REQUIRE(own.spec().index.kind == IndexKind::custom);
  std::ostringstream out;
  REQUIRE_ERROR(Error, "AnyRetriever::save: the retriever it holds, a type of the host's own, has no save",
                own.save(out));
  REQUIRE_ERROR(Error, "AnyRetriever::search_filtered: the retriever it holds cannot filter",
                own.search_filtered(query, 2, PassageSet(RowSet::all(3))));
}

TEST_CASE("build: an automatic index of few rows is flat, of dropped rows partitioned, and told so") {
  const Problem problem;
  const AnyRetriever retriever = built({}, problem);
  REQUIRE(retriever.spec().method == Method::xl);
  REQUIRE(retriever.spec().index.kind == IndexKind::flat);
  REQUIRE(retriever.spec().query_index.kind == IndexKind::flat);
  const AnyRetriever dropped = built({.index = {.exact_rows = ExactRows::drop}}, problem);
  REQUIRE(dropped.spec().index.kind == IndexKind::partitioned);
  REQUIRE(dropped.spec().index.exact_rows == ExactRows::drop);
}

TEST_CASE("build: many least-squares rows under an automatic index are balanced, with the same answers") {
  const std::size_t n = IndexSpec::flat_rows + 1;
  const RowMajorMatrix passages = random_matrix(n, 6, 1);
  const RowMajorMatrix queries = random_matrix(40, 6, 2);
  const RelevanceMatrix relevance = random_relevance(40, n, 3, 3);
  RetrieverSpec spec{.method = Method::xs, .index = {.m = 16, .ef_construction = 40, .ef_search = 400}};
  const AnyRetriever balanced = build(spec, passages, queries, relevance);
  REQUIRE(balanced.spec().balance == 6);
  REQUIRE(balanced.spec().index.kind != IndexKind::automatic);
  spec.index.kind = IndexKind::flat;
  const AnyRetriever exact = build(spec, passages, queries, relevance);
  REQUIRE(exact.spec().balance == 0);
  const RowMajorMatrix tests = random_matrix(10, 6, 4);
  for (Eigen::Index q = 0; q < tests.rows(); ++q) {
    const QueryView query(tests.row(q).data(), 6);
    const auto found = balanced.exact_search(query, 10);
    const auto expected = exact.search(query, 10);
    for (std::size_t i = 0; i < 10; ++i) REQUIRE(found[i].score == Approx(expected[i].score).margin(1e-4));
  }
  spec.index.kind = IndexKind::automatic;
  spec.rule = FoldRule::correlation;
  REQUIRE(build(spec, passages, queries, relevance).spec().balance == 0);
  spec.rule = FoldRule::least_squares;
  spec.lambda = 1.0f;  // the plain model, to the bit
  REQUIRE(build(spec, passages, queries, relevance).spec().balance == 0);
}

TEST_CASE("build: stores passed by && are taken over, rows that are borrowed are not copied") {
  const Problem problem;
  auto passages = EmbeddingStore<float>::from(problem.passages);
  const float* first = passages.row(0);
  const auto bytes = passages.memory_bytes();
  const RetrieverSpec spec = with_index({.method = Method::erm}, IndexKind::flat);
  REQUIRE(build(spec, passages).memory_bytes() >= bytes);
  REQUIRE(build(spec, passages, {}, Rows::borrow).memory_bytes() < bytes);
  const AnyRetriever taken = build(spec, std::move(passages));
  REQUIRE(taken.memory_bytes() >= bytes);
  REQUIRE(first != nullptr);
}

TEST_CASE("build: a spec that cannot be built is refused, naming the field") {
  const Problem problem;
  REQUIRE_ERROR(ValueError, "build: lambda is 1.1, expected 0 to 1", built({.lambda = 1.1f}, problem));
  REQUIRE_ERROR(ValueError, "build: fold is -1, expected 0 to 1", built({.fold = -1.0f}, problem));
  REQUIRE_ERROR(ValueError, "build: condense is 2, expected 0 to 1", built({.condense = 2.0f}, problem));
  REQUIRE_ERROR(ValueError, "neighbors is 0, expected at least 1", built({.neighbors = 0}, problem));
  REQUIRE_ERROR(ValueError, "an index of kind custom is a host's own",
                built({.index = {.kind = IndexKind::custom}}, problem));
  REQUIRE_ERROR(ValueError, "build: the method is xl, which learns from training queries",
                build(RetrieverSpec{}, problem.passages));
  REQUIRE_ERROR(ValueError, "m is 1, expected 2 to 1024", built({.index = {.kind = IndexKind::hnsw, .m = 1}}, problem));
}
