#include "pefa/adapter/row_changes.hpp"

#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

using Xs = PefaXs<float, FlatIndex<>>;
constexpr std::size_t n_passages = 40;
constexpr std::size_t n_queries = 90;
constexpr std::size_t dim = 12;

struct ChangingData {
  RowMajorMatrix passages = random_matrix(n_passages, dim, 1);
  RowMajorMatrix queries = random_matrix(n_queries, dim, 2);
  RelevanceMatrix relevance = random_relevance(n_queries, n_passages, 2, 3, 5);

  [[nodiscard]] EmbeddingView<float> p() const { return EmbeddingView<float>(passages); }
  [[nodiscard]] EmbeddingView<float> q() const { return EmbeddingView<float>(queries); }
};

Xs built_for_changes(const ChangingData& data, Whitened whitened, std::size_t balance) {
  return Xs::build(data.p(), data.q(), data.relevance,
                   {.lambda = 0.3f, .rule = FoldRule::least_squares, .whitened = whitened, .balance = balance});
}

}  // namespace

TEST_CASE("changes_since: the same data change nothing, whatever was fitted") {
  const ChangingData data;
  for (const Whitened whitened : {Whitened::none, Whitened::all}) {
    for (const std::size_t balance : {0U, 12U}) {
      const Xs xs = built_for_changes(data, whitened, balance);
      const RowChanges changes =
          changes_since(xs, io::RowIds(n_passages), data.p(), data.q(), data.relevance, io::RowIds(n_passages));
      REQUIRE(changes.changed.empty());
      REQUIRE(changes.gone.empty());
      REQUIRE(changes.rows.size() == n_passages);
    }
  }
}

TEST_CASE("changes_since: another passage, another pair and a new passage change their own rows alone") {
  ChangingData data;
  const Xs xs = built_for_changes(data, Whitened::none, 0);
  data.passages.row(4).swap(data.passages.row(5));
  RowMajorMatrix more(n_passages + 1, dim);
  more << data.passages, random_matrix(1, dim, 9);
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < n_queries; ++i) {
    const auto named = data.relevance.passages_of(QueryId(i));
    for (std::size_t e = 0; e < named.size(); ++e) {
      pairs.push_back({QueryId(i), PassageId(static_cast<Row>(named.columns[e])), named.weights[e]});
    }
  }
  pairs.push_back({QueryId(0), PassageId(38), 1.0f});  // had none
  const auto relevance = RelevanceMatrix::from_pairs(pairs, n_queries, n_passages + 1);
  const RowChanges changes = changes_since(xs, io::RowIds(n_passages), EmbeddingView<float>(more), data.q(), relevance,
                                           io::RowIds(n_passages + 1));
  REQUIRE(changes.changed == std::vector<Row>{4, 5, 38, 40});
  REQUIRE(changes.gone.empty());
}

TEST_CASE("changes_since: passages are told by their ids; those whose ids are no more are gone") {
  const ChangingData data;
  const Xs xs = built_for_changes(data, Whitened::none, 0);
  std::vector<std::string> ids;
  for (std::size_t j = 0; j < n_passages; ++j) ids.push_back("p" + std::to_string(j));
  const auto before = io::ExternalIds::from(ids);
  // The last passage takes the place of the first, which is left out.
  RowMajorMatrix passages = data.passages.topRows(n_passages - 1);
  passages.row(0) = data.passages.row(n_passages - 1);
  ids[0] = ids.back();
  ids.pop_back();
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < n_queries; ++i) {
    const auto named = data.relevance.passages_of(QueryId(i));
    for (std::size_t e = 0; e < named.size(); ++e) {
      if (named.columns[e] == 0) continue;
      pairs.push_back({QueryId(i), PassageId(static_cast<Row>(named.columns[e])), named.weights[e]});
    }
  }
  const auto relevance = RelevanceMatrix::from_pairs(pairs, n_queries, n_passages - 1);
  const auto after = io::ExternalIds::from(ids);
  const RowChanges changes = changes_since(xs, before, EmbeddingView<float>(passages), data.q(), relevance, after);
  REQUIRE(changes.changed.empty());
  REQUIRE(changes.gone == std::vector<std::string>{"p0"});
}

TEST_CASE("changes_since: what does not fit together is refused") {
  const ChangingData data;
  const Xs xs = built_for_changes(data, Whitened::none, 0);
  const auto table = io::ExternalIds::from(std::vector<std::string>{"a"});
  REQUIRE_ERROR(ValueError, "expected a table on both sides or on none",
                changes_since(xs, io::RowIds(n_passages), data.p(), data.q(), data.relevance, table));
  REQUIRE_ERROR(ShapeError, "40 and 39 ids, expected 40 and 40",
                changes_since(xs, io::RowIds(n_passages), data.p(), data.q(), data.relevance, io::RowIds(39)));
  const auto codes = PefaXs<float, QuantizedHnswIndex<>>::build(data.p(), data.q(), data.relevance,
                                                                {.lambda = 0.3f, .index = {.rows = Rows::drop}});
  REQUIRE_ERROR(
      ValueError, "the index keeps no rows (exact_rows is drop), expected one that does",
      changes_since(codes, io::RowIds(n_passages), data.p(), data.q(), data.relevance, io::RowIds(n_passages)));
  const RowMajorMatrix wide = random_matrix(n_passages, dim + 1, 1);
  REQUIRE_ERROR(ShapeError, "passages have dim 13, expected 12",
                changes_since(xs, io::RowIds(n_passages), EmbeddingView<float>(wide), data.q(), data.relevance,
                              io::RowIds(n_passages)));
}

TEST_CASE("fold_one: weights that are no numbers are refused, and one of 0 is no training query") {
  const ChangingData data;
  for (const FoldRule rule : {FoldRule::correlation, FoldRule::least_squares}) {
    const Xs xs = Xs::build(data.p(), data.q(), data.relevance, {.lambda = 0.3f, .rule = rule});
    const QueryView passage(data.passages.data(), dim);
    const EmbeddingView<float> one = data.q().slice(0, 1);
    for (const float weight :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1.0f}) {
      REQUIRE_ERROR(ValueError, "expected finite and at least 0",
                    xs.fold_one(passage, one, std::vector<float>{weight}));
    }
    REQUIRE(xs.fold_one(passage, one, std::vector<float>{0.0f}) == xs.fold_one(passage, data.q().slice(0, 0), {}));
  }
}
