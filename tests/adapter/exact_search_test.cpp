#include "pefa/adapter/exact_search.hpp"

#include "catch.hpp"
#include "oracle.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

constexpr std::size_t poor = 1;  // a beam too narrow to find what there is

template <class Over>
void require_exact(const Problem& problem, const Over& over) {
  const auto flat = over(static_cast<FlatIndex<>*>(nullptr));
  const auto hnsw = over(static_cast<HnswIndex*>(nullptr));
  const auto quantized = over(static_cast<QuantizedHnswIndex<>*>(nullptr));
  for (Eigen::Index t = 0; t < problem.tests.rows(); ++t) {
    const QueryView query = problem.test(t);
    const auto expected = flat.search(query, 20);
    REQUIRE(exact_search(flat, query, 20) == expected);
    for (const auto& hits : {exact_search(hnsw, query, 20, {.ef = poor, .query_ef = poor}),
                             exact_search(quantized, query, 20, {.ef = poor, .query_ef = poor})}) {
      REQUIRE(hits.size() == expected.size());
      for (std::size_t i = 0; i < hits.size(); ++i) REQUIRE(hits[i].score == Approx(expected[i].score).margin(2e-6));
    }
  }
}

}  // namespace

TEST_CASE("exact_search: is what every retriever finds over FlatIndex, whatever its own index and beam") {
  const Problem p;
  const BuildOptions serial{AnyExecutor::serial()};
  require_exact(p, [&]<class Index>(Index*) { return ErmRetriever<float, Index>::build(p.passages, {}, serial); });
  require_exact(p, [&]<class Index>(Index*) {
    return PefaXs<float, Index>::build(p.passages, p.queries, p.relevance, {.lambda = 0.3f}, serial);
  });
  require_exact(p, [&]<class Index>(Index*) {
    return PefaXsMulti<float, Index>::build(p.passages, p.queries, p.relevance, {.centroids = {.lambda = 0.3f}},
                                            serial);
  });
  for (const float lambda : {0.0f, 0.3f, 1.0f}) {
    for (const MissingErmScore missing : {MissingErmScore::exact, MissingErmScore::zero}) {
      require_exact(p, [&]<class Index>(Index*) {
        return PefaXl<float, Index, Index, SoftmaxGate>::build(
            p.passages, p.queries, p.relevance,
            {.lambda = lambda, .neighbors = 9, .passage_candidates = 30, .missing_erm_score = missing}, serial);
      });
    }
  }
}

TEST_CASE("exact_search: lambda and neighbors of the call count, and calls out of range are refused") {
  const Problem p;
  const auto xl = PefaXl<float, FlatIndex<>>::build(p.passages, p.queries, p.relevance);
  const SearchOptions options{.neighbors = 5, .lambda = 0.2f};
  REQUIRE(exact_search(xl, p.test(0), 10, options) == xl.search(p.test(0), 10, options));
  REQUIRE(exact_search(xl, p.test(0), 1000).size() == 90);
  REQUIRE_ERROR(ValueError, "exact_search: k is 0", exact_search(xl, p.test(0), 0));
  REQUIRE_ERROR(ShapeError, "exact_search: query has dim 7, expected 20", exact_search(xl, p.test(0).first(7), 3));
  REQUIRE_ERROR(ValueError, "exact_search: query is a zero vector", exact_search(xl, std::vector<float>(20), 3));
  REQUIRE_ERROR(ValueError, "exact_search: lambda is 2", exact_search(xl, p.test(0), 3, {.lambda = 2.0f}));
  const auto xs = PefaXs<float, FlatIndex<>>::build(p.passages, p.queries, p.relevance);
  REQUIRE_ERROR(ValueError, "exact_search: lambda is 0.25, but 0.2 is folded",
                exact_search(xs, p.test(0), 3, {.lambda = 0.25f}));
}
