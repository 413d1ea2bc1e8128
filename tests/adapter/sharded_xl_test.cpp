#include "pefa/adapter/sharded_xl.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/adapter/erm_retriever.hpp"
#include "pefa/index/flat_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

using Xl = PefaXl<float, FlatIndex<>, FlatIndex<>, AnyGate>;
constexpr std::size_t passage_total = 90;
constexpr std::size_t query_total = 120;
constexpr std::size_t dimensions = 10;

struct ShardedData {
  RowMajorMatrix passages = random_matrix(passage_total, dimensions, 1);
  RowMajorMatrix queries = random_matrix(query_total, dimensions, 2);
  RowMajorMatrix tests = random_matrix(30, dimensions, 3);
  RelevanceMatrix relevance = random_relevance(query_total, passage_total, 3, 4, 10);

  [[nodiscard]] QueryView test(std::size_t t) const {
    return {tests.row(static_cast<Eigen::Index>(t)).data(), dimensions};
  }
};

struct Shard {
  Xl xl;
  ShardRows rows;
};

/// The passages [begin, end), with the training queries that are about any of them.
Shard shard_of(const ShardedData& data, const Xl::Params& params, Row begin, Row end) {
  ShardRows rows{begin, {}};
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < query_total; ++i) {
    const auto named = data.relevance.passages_of(QueryId(i));
    bool is_mine = false;
    for (std::size_t e = 0; e < named.size(); ++e) {
      const auto passage = static_cast<Row>(named.columns[e]);
      if (passage < begin || passage >= end) continue;
      is_mine = true;
      pairs.push_back({QueryId(static_cast<Row>(rows.queries.size())), PassageId(passage - begin), named.weights[e]});
    }
    if (is_mine) rows.queries.push_back(i);
  }
  RowMajorMatrix queries(static_cast<Eigen::Index>(rows.queries.size()), dimensions);
  for (std::size_t i = 0; i < rows.queries.size(); ++i) {
    queries.row(static_cast<Eigen::Index>(i)) = data.queries.row(rows.queries[i]);
  }
  const RowMajorMatrix passages = data.passages.middleRows(begin, end - begin);
  return {Xl::build(passages, queries, RelevanceMatrix::from_pairs(pairs, rows.queries.size(), end - begin), params),
          rows};
}

std::vector<Hit> search_shards(const std::vector<Shard>& shards, QueryView query, std::size_t k,
                               const SearchOptions& options = {}) {
  std::vector<std::vector<Neighbor>> nearest;
  for (const Shard& shard : shards) {
    nearest.push_back(nearest_in_shard(shard.xl, shard.rows, query, options.neighbors, options));
  }
  const std::size_t neighbors = options.neighbors == 0 ? shards[0].xl.params().neighbors : options.neighbors;
  const Voters voters = weigh_voters(shards[0].xl, query, merge_nearest(nearest, neighbors));
  std::vector<std::vector<Hit>> hits;
  for (const Shard& shard : shards) hits.push_back(hits_in_shard(shard.xl, shard.rows, query, voters, k, options));
  return merge_hits(hits, k);
}

}  // namespace

TEST_CASE("PEFA-XL over shards: what one retriever over all of it finds, to the bit") {
  const ShardedData data;
  for (const AnyGate& gate : {AnyGate(MeanGate{}), AnyGate(SumGate{}), AnyGate(SoftmaxGate(0.1f))}) {
    for (const KnnSimilarity similarity : {KnnSimilarity::inner_product, KnnSimilarity::cosine, KnnSimilarity::l2}) {
      for (const float fold : {1.0f, 0.4f}) {
        Xl::Params params{.lambda = 0.3f, .neighbors = 12, .gate = gate, .similarity = similarity};
        params.fold.lambda = fold;
        if (similarity == KnnSimilarity::l2) params.query_index.metric = Metric::l2;
        const Xl whole = Xl::build(data.passages, data.queries, data.relevance, params);
        std::vector<Shard> shards;
        shards.push_back(shard_of(data, params, 0, 20));
        shards.push_back(shard_of(data, params, 20, 71));
        shards.push_back(shard_of(data, params, 71, passage_total));
        for (std::size_t t = 0; t < 30; ++t) {
          REQUIRE(search_shards(shards, data.test(t), 15) == whole.search(data.test(t), 15));
          const SearchOptions options{.neighbors = 5, .lambda = 0.8f};
          REQUIRE(search_shards(shards, data.test(t), 200, options) == whole.search(data.test(t), 200, options));
        }
      }
    }
  }
}

TEST_CASE("merge_hits: shards of the plain model give its own answers") {
  const ShardedData data;
  const auto whole = ErmRetriever<float, FlatIndex<>>::build(data.passages);
  const auto left = ErmRetriever<float, FlatIndex<>>::build(RowMajorMatrix(data.passages.topRows(40)));
  const auto right = ErmRetriever<float, FlatIndex<>>::build(RowMajorMatrix(data.passages.bottomRows(50)));
  for (std::size_t t = 0; t < 30; ++t) {
    std::vector<std::vector<Hit>> hits{left.search(data.test(t), 12), right.search(data.test(t), 12)};
    number_hits(hits[1], 40);
    REQUIRE(merge_hits(hits, 12) == whole.search(data.test(t), 12));
  }
  REQUIRE(merge_hits({}, 3).empty());
}

TEST_CASE("merge_hits and merge_nearest: ties by ascending row, each training query once") {
  const std::vector<std::vector<Hit>> hits{{{PassageId(5), 1.0f}}, {{PassageId(2), 1.0f}, {PassageId(9), 0.5f}}};
  REQUIRE(merge_hits(hits, 2) == std::vector<Hit>{{PassageId(2), 1.0f}, {PassageId(5), 1.0f}});
  const std::vector<std::vector<Neighbor>> nearest{{{7, 0.9f}, {3, 0.5f}}, {{7, 0.9f}, {1, 0.5f}}};
  REQUIRE(merge_nearest(nearest, 2) == std::vector<Neighbor>{{7, 0.9f}, {1, 0.5f}});
  REQUIRE(merge_nearest(nearest, 9).size() == 3);
}

TEST_CASE("require_shardable: what cannot be merged is refused, and said") {
  const ShardedData data;
  const auto refused = [&](const Xl::Params& params, const std::string& text) {
    const Xl xl = Xl::build(data.passages, data.queries, data.relevance, params);
    REQUIRE_ERROR(ValueError, text, (require_shardable(xl), 0));
    const ShardRows rows{0, std::vector<Row>(query_total)};
    REQUIRE_ERROR(ValueError, text, nearest_in_shard(xl, rows, data.test(0)));
    REQUIRE_ERROR(ValueError, text, hits_in_shard(xl, rows, data.test(0), {}, 5));
  };
  Xl::Params params;
  params.whitened = Whitened::queries;
  refused(params, "a whitening");
  params = {};
  params.fold = {.lambda = 0.5f, .rule = FoldRule::least_squares};
  refused(params, "least squares");
  params = {};
  params.hubness = 0.5f;
  refused(params, "hubness");
  params = {};
  params.condense = 0.9f;
  refused(params, "condensed training queries");
  params = {};
  params.gate = LocalRegressionGate();
  refused(params, "vectors of the neighbours");
  params = {};
  params.missing_erm_score = MissingErmScore::zero;
  refused(params, "missing_erm_score is zero");
  params = {};
  params.fold = {.lambda = 0.5f, .cold = ColdPassage::borrowed};
  refused(params, "cold passages borrow");
  const Xl xl = Xl::build(data.passages, data.queries, data.relevance, {});
  REQUIRE_ERROR(ShapeError, "3 rows, expected 120", nearest_in_shard(xl, {0, {1, 2, 3}}, data.test(0)));
}

TEST_CASE("hits_in_shard: lambda 0 is refused, as passages without votes would come in another order") {
  const ShardedData data;
  const Xl xl = Xl::build(data.passages, data.queries, data.relevance, {});
  const ShardRows rows{0, std::vector<Row>(query_total)};
  REQUIRE_ERROR(ValueError, "lambda is 0, expected above 0",
                hits_in_shard(xl, rows, data.test(0), {}, 5, {.lambda = 0.0f}));
}
