// Whose rows a retriever reads: the caller's where it is told to borrow them, its own wherever it is given a store.
#include <utility>

#include "catch.hpp"
#include "host_index.hpp"
#include "oracle.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/adapter/pefa_xl.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/pefa_xs_multi.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

using Store = EmbeddingStore<float>;

/// FlatIndex as a host might write it: it borrows where it is told to, and cannot take a store over.
class HostIndex : public HostIndexOver<HostIndex> {
 public:
  using HostIndexOver::HostIndexOver;
};
static_assert(AnnIndex<HostIndex> && !pefa::detail::TakesStore<HostIndex, float>);

constexpr FlatParams borrowing{.rows = Rows::borrow};

}  // namespace

TEST_CASE("ErmRetriever::build: takes over a store passed by &&, even where rows are to be borrowed") {
  const Problem p;
  auto store = Store::from(p.passages);
  const float* rows = store.row(0);
  const auto flat = ErmRetriever<float, FlatIndex<>>::build(std::move(store), {.index = borrowing});
  REQUIRE(flat.index().rows().row(0) == rows);
  REQUIRE(flat.index().params().rows == Rows::copy);
  REQUIRE(flat.memory_bytes() > 0);
  const auto quantized =
      ErmRetriever<float, QuantizedHnswIndex<>>::build(Store::from(p.passages), {.index = {.rows = Rows::borrow}});
  const auto host = ErmRetriever<float, HostIndex>::build(Store::from(p.passages), {.index = borrowing});
  const auto hnsw = ErmRetriever<>::build(Store::from(p.passages));
  for (Eigen::Index t = 0; t < p.tests.rows(); ++t) {
    const auto expected = flat.search(p.test(t), 10);
    REQUIRE(quantized.search(p.test(t), 10) == expected);
    REQUIRE(host.search(p.test(t), 10) == expected);
    REQUIRE(hnsw.search(p.test(t), 10) == expected);
  }
}

TEST_CASE("ErmRetriever::build: borrows the rows of a store that stays the caller's") {
  const Problem p;
  const auto store = Store::from(p.passages);
  const auto erm = ErmRetriever<float, FlatIndex<>>::build(store, {.index = borrowing});
  REQUIRE(erm.index().rows().row(0) == store.row(0));
  REQUIRE(erm.memory_bytes() == 0);
}

TEST_CASE("PefaXl::build: takes over stores passed by &&, on either side, whatever rows says") {
  const Problem p;
  using Xl = PefaXl<float, FlatIndex<>>;
  const auto expected = Xl::build(p.passages, p.queries, p.relevance);
  const Xl::Params params{.passage_index = borrowing, .query_index = borrowing};
  auto passages = Store::from(p.passages);
  auto queries = Store::from(p.queries);
  const float* passage_rows = passages.row(0);
  const float* query_rows = queries.row(0);
  const auto taken = Xl::build(std::move(passages), std::move(queries), p.relevance, params);
  REQUIRE(taken.passage_index().rows().row(0) == passage_rows);
  REQUIRE(taken.query_index().rows().row(0) == query_rows);
  const auto half_taken = Xl::build(p.passages, Store::from(p.queries), p.relevance, params);
  const auto host = PefaXl<float, HostIndex>::build(Store::from(p.passages), Store::from(p.queries), p.relevance,
                                                    {.passage_index = borrowing, .query_index = borrowing});
  const auto cosine = Xl::build(Store::from(p.passages), Store::from(p.queries), p.relevance,
                                {.similarity = KnnSimilarity::cosine, .query_index = borrowing});
  const auto folded =
      PefaXl<float, HostIndex, FlatIndex<>>::build(Store::from(p.passages), Store::from(p.queries), p.relevance,
                                                   {.fold = {.lambda = 0.5f}, .passage_index = borrowing});
  const auto folded_flat = Xl::build(p.passages, p.queries, p.relevance, {.fold = {.lambda = 0.5f}});
  for (Eigen::Index t = 0; t < p.tests.rows(); ++t) {
    const auto want = expected.search(p.test(t), 10);
    REQUIRE(taken.search(p.test(t), 10) == want);
    REQUIRE(half_taken.search(p.test(t), 10) == want);
    REQUIRE(host.search(p.test(t), 10) == want);
    REQUIRE(cosine.search(p.test(t), 10).size() == 10);
    REQUIRE(folded.search(p.test(t), 10) == folded_flat.search(p.test(t), 10));
  }
}

TEST_CASE("PefaXl::build: over an index that cannot score its rows a store that it takes over is their only copy") {
  const Problem p;
  auto passages = Store::from(p.passages);
  const float* rows = passages.row(0);
  const auto xl = PefaXl<float, HostIndex>::build(std::move(passages), Store::from(p.queries), p.relevance,
                                                  {.passage_index = borrowing});
  REQUIRE(xl.passage_index().flat().rows().row(0) == rows);
}

TEST_CASE("PefaXs, PefaXsMulti: build of temporary stores as of views") {
  const Problem p;
  using Xs = PefaXs<float, HostIndex>;
  using Multi = PefaXsMulti<float, HostIndex>;
  const auto xs = Xs::build(Store::from(p.passages), Store::from(p.queries), p.relevance, {.index = borrowing});
  const auto multi = Multi::build(Store::from(p.passages), Store::from(p.queries), p.relevance, {.index = borrowing});
  for (Eigen::Index t = 0; t < p.tests.rows(); ++t) {
    REQUIRE(xs.search(p.test(t), 10) == Xs::build(p.passages, p.queries, p.relevance).search(p.test(t), 10));
    REQUIRE(multi.search(p.test(t), 10) == Multi::build(p.passages, p.queries, p.relevance).search(p.test(t), 10));
  }
}
