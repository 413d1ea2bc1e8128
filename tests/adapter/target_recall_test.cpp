#include "pefa/adapter/target_recall.hpp"

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <vector>

#include "catch.hpp"
#include "pefa/adapter/any_retriever_impl.hpp"
#include "pefa/adapter/retriever_spec_json.hpp"
#include "pefa/io/archive/reader.hpp"
#include "pefa/live/live_epoch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

/// Enough passages and training queries that a narrow beam misses some.
struct LargeProblem {
  RowMajorMatrix passages = random_matrix(3000, 24, 31);
  RowMajorMatrix queries = random_matrix(2000, 24, 32);
  RelevanceMatrix relevance = random_relevance(2000, 3000, 2, 33, 0);
};

RetrieverSpec with_target(Method method, IndexKind kind, float target) {
  RetrieverSpec spec{.method = method, .neighbors = 20};
  spec.index = {.kind = kind, .m = 6, .ef_construction = 30, .target_recall = target};
  spec.query_index = spec.index;
  return spec;
}

/// The share of the exact answers of the training queries that are found.
double found_share(const AnyRetriever& retriever, const LargeProblem& problem) {
  constexpr std::size_t k = 100;
  std::size_t found = 0;
  std::size_t asked = 0;
  for (Eigen::Index q = 0; q < problem.queries.rows(); q += 20, ++asked) {
    const QueryView query(problem.queries.row(q).data(), 24);
    const auto exact = retriever.exact_search(query, k);
    for (const Hit& hit : retriever.search(query, k)) found += hit.score >= exact.back().score ? 1U : 0U;
  }
  return static_cast<double>(found) / static_cast<double>(k * asked);
}

}  // namespace

TEST_CASE("build: meets the recall that is asked for, and the archive keeps it") {
  const LargeProblem problem;
  const Method method = GENERATE(Method::erm, Method::xs, Method::xs_multi, Method::xl);
  const IndexKind kind = GENERATE(IndexKind::hnsw, IndexKind::quantized, IndexKind::partitioned);
  const auto build_with = [&](float target) {
    return build(with_target(method, kind, target), problem.passages, problem.queries, problem.relevance,
                 {AnyExecutor::serial()});
  };
  const AnyRetriever narrow = build_with(0.5f);
  const AnyRetriever wide = build_with(0.97f);
  CAPTURE(name(method), name(kind), narrow.spec().index.ef_search, wide.spec().index.ef_search);
  REQUIRE(wide.spec().index.target_recall == 0.97f);
  REQUIRE(wide.spec().index.ef_search >= narrow.spec().index.ef_search);
  REQUIRE(wide.spec().index.ef_search < (kind == IndexKind::partitioned ? 300 : 1000));
  REQUIRE(found_share(wide, problem) > 0.95);
  if (method == Method::xl) {
    REQUIRE(wide.spec().query_index.target_recall == 0.97f);
    REQUIRE(wide.spec().query_index.ef_search >= 20);
  }

  std::ostringstream out;
  wide.save(out);
  std::istringstream in(out.str());
  const auto reader = io::ArchiveReader::read(in);
  REQUIRE(reader.metadata().real("passages.measured_recall") >= 0.97);
  REQUIRE(open(reader).spec().index == wide.spec().index);
  if (method == Method::xl) REQUIRE(open(reader).spec().query_index == wide.spec().query_index);
  REQUIRE(spec_from_json(to_json(wide.spec())).index == wide.spec().index);
}

TEST_CASE("build: without training queries the target is met for points between passages; flat needs no width") {
  const RowMajorMatrix passages = random_matrix(3000, 24, 31);
  const auto erm = build(with_target(Method::erm, IndexKind::quantized, 0.9f), passages);
  REQUIRE(erm.spec().index.ef_search != IndexSpec{}.ef_search);
  const auto flat = build(with_target(Method::erm, IndexKind::flat, 0.9f), passages);
  REQUIRE(flat.spec().index.target_recall == 0.9f);
  const auto index = AnyIndex::build(EmbeddingView<float>(passages),
                                     {.index = {.kind = IndexKind::partitioned, .target_recall = 0.9f}});
  REQUIRE(index.choice().measured_recall >= 0.9);
  REQUIRE(index.spec().target_recall == 0.9f);
}

TEST_CASE("build: the progress of measuring is part of the whole, and a target out of range is refused") {
  const RowMajorMatrix passages = random_matrix(500, 24, 31);
  const auto spec = with_target(Method::erm, IndexKind::quantized, 0.9f);
  std::vector<double> told;
  const Progress progress = [&](std::size_t done, std::size_t total) {
    told.push_back(static_cast<double>(done) / static_cast<double>(total));
    return ProgressAction::proceed;
  };
  (void)build(spec, passages, {{}, progress});
  REQUIRE(std::is_sorted(told.begin(), told.end()));
  REQUIRE(std::count(told.begin(), told.end(), 1.0) == 1);

  const auto with = [&](float target) { return with_target(Method::erm, IndexKind::quantized, target); };
  REQUIRE_ERROR(ValueError, "target_recall is 1.5, expected 0 to 1", build(with(1.5f), passages));
  REQUIRE_ERROR(ValueError, "target_recall is -0.5",
                AnyIndex::build(EmbeddingView<float>(passages), {.index = with(-0.5f).index}));
}

TEST_CASE("LiveEpoch::build: meets the recall that is asked for as build() does") {
  LargeProblem problem;
  const auto kept = [](const RowMajorMatrix& rows) {
    return live::detail::KeptRows::of(EmbeddingStore<float>::from(EmbeddingView<float>(rows), Normalize::none));
  };
  for (const Method method : {Method::xs, Method::xl}) {
    const RetrieverSpec spec = with_target(method, IndexKind::quantized, 0.9f);
    const auto epoch = live::detail::LiveEpoch::build(spec, 1, kept(problem.passages), kept(problem.queries),
                                                      RelevanceMatrix(problem.relevance), {AnyExecutor::serial()});
    const AnyRetriever plain =
        build(spec, problem.passages, problem.queries, problem.relevance, {AnyExecutor::serial()});
    REQUIRE(epoch.passage_index()->spec() == plain.spec().index);
    if (method == Method::xl) REQUIRE(epoch.query_index()->spec() == plain.spec().query_index);
  }
}
