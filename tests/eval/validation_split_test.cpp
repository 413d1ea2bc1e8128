#include "pefa/eval/validation_split.hpp"

#include <set>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;

namespace {

using Folds = std::vector<std::vector<QueryId>>;

Folds split(const RowMajorMatrix& queries, const RelevanceMatrix& relevance, const ValidationOptions& options) {
  return split_validation(EmbeddingView<float>(queries), relevance, options);
}

/// All held-out queries; requires that folds ascend, are not empty and share none.
std::set<QueryId> held_out(const Folds& folds) {
  std::set<QueryId> all;
  for (const auto& fold : folds) {
    REQUIRE_FALSE(fold.empty());
    REQUIRE(std::is_sorted(fold.begin(), fold.end()));
    for (const QueryId query : fold) REQUIRE(all.insert(query).second);
  }
  return all;
}

/// Every third query has no passages.
RelevanceMatrix with_gaps(std::size_t n_queries) {
  std::vector<RelevancePair> pairs;
  for (Row q = 0; q < n_queries; ++q) {
    if (q % 3 != 0) pairs.push_back({QueryId(q), PassageId(q % 7), 1.0f});
  }
  return RelevanceMatrix::from_pairs(pairs, n_queries, 7);
}

std::vector<RelevancePair> each_its_own(Row n) {
  std::vector<RelevancePair> pairs;
  for (Row q = 0; q < n; ++q) pairs.push_back({QueryId(q), PassageId(q), 1.0f});
  return pairs;
}

}  // namespace

TEST_CASE("split_validation: folds cover every query with passages once, in nearly equal parts") {
  const RowMajorMatrix queries = random_matrix(300, 6, 1);
  const Folds folds = split(queries, with_gaps(300), {.folds = 7});
  REQUIRE(folds.size() == 7);
  const std::set<QueryId> all = held_out(folds);
  REQUIRE(all.size() == 200);
  for (const QueryId query : all) REQUIRE(query.row() % 3 != 0);
  for (const auto& fold : folds) REQUIRE((fold.size() == 28 || fold.size() == 29));
}

TEST_CASE("split_validation: by default more queries where passages are few") {
  REQUIRE(pefa::detail::affordable_queries(77) == 6000);
  REQUIRE(pefa::detail::affordable_queries(150) == 3333);
  REQUIRE(pefa::detail::affordable_queries(117'659) == 2000);
  const RowMajorMatrix queries = random_matrix(3000, 4, 1);
  REQUIRE(held_out(split(queries, random_relevance(3000, 50, 1, 2), {})).size() == 3000);
  REQUIRE(held_out(split(queries, random_relevance(3000, 500, 1, 2), {})).size() == 2000);
}

TEST_CASE("split_validation: one fold holds out a share, and max_queries bounds both") {
  const RowMajorMatrix queries = random_matrix(300, 6, 1);
  const RelevanceMatrix relevance = with_gaps(300);
  REQUIRE(held_out(split(queries, relevance, {.folds = 1, .holdout = 0.25})).size() == 50);
  REQUIRE(held_out(split(queries, relevance, {.folds = 1, .holdout = 0.25, .max_queries = 30})).size() == 30);
  const Folds folds = split(queries, relevance, {.folds = 3, .max_queries = 31});
  REQUIRE(folds.size() == 3);
  REQUIRE(held_out(folds).size() == 31);
}

TEST_CASE("split_validation: the seed decides the split, and the sample is not the head of the file") {
  const RowMajorMatrix queries = random_matrix(300, 6, 1);
  const RelevanceMatrix relevance = with_gaps(300);
  const ValidationOptions options{.folds = 2, .max_queries = 40, .seed = 9};
  REQUIRE(split(queries, relevance, options) == split(queries, relevance, options));
  REQUIRE(split(queries, relevance, options) != split(queries, relevance, {.folds = 2, .max_queries = 40, .seed = 8}));
  double mean = 0.0;
  for (const QueryId query : held_out(split(queries, relevance, options))) mean += query.row() / 40.0;
  REQUIRE(mean == Approx(150.0).margin(45.0));
}

TEST_CASE("split_validation: queries with the same vector are held out together unless asked otherwise") {
  RowMajorMatrix queries = random_matrix(120, 6, 1);
  for (Eigen::Index q = 1; q < 120; q += 2) queries.row(q) = queries.row(q - 1);  // 60 pairs of twins
  const RelevanceMatrix relevance = random_relevance(120, 10, 1, 2);
  const Folds together = split(queries, relevance, {.folds = 4, .max_queries = 61});
  REQUIRE(held_out(together).size() == 60);  // the 31st pair does not fit
  for (const auto& fold : together) {
    for (const QueryId query : fold) {
      REQUIRE(std::binary_search(fold.begin(), fold.end(), QueryId(query.row() ^ 1U)));
    }
  }
  const Folds apart = split(queries, relevance, {.folds = 4, .duplicates = DuplicateQueries::apart});
  REQUIRE(held_out(apart).size() == 120);
  std::size_t parted = 0;
  for (const auto& fold : apart) {
    for (const QueryId query : fold) parted += !std::binary_search(fold.begin(), fold.end(), QueryId(query.row() ^ 1U));
  }
  REQUIRE(parted > 0);
}

TEST_CASE("split_validation: what a passage has alone is held out like others, or kept") {
  const RowMajorMatrix queries = random_matrix(100, 6, 1);
  std::vector<RelevancePair> pairs;  // passage 0 has 40 queries, passages 1 … 60 one each, the last two 20 together
  for (Row q = 0; q < 100; ++q) pairs.push_back({QueryId(q), PassageId(q < 40 ? 0 : q - 39), 1.0f});
  for (Row q = 80; q < 100; ++q) pairs.push_back({QueryId(q), PassageId(61 + q % 2), 1.0f});
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 100, 63);

  const Folds all = split(queries, relevance, {.folds = 4});
  REQUIRE(held_out(all).size() == 100);
  REQUIRE(count_cold(relevance, all) == 60);

  // Queries 80 … 99 have a passage with others and one alone: they are kept, too.
  const Folds warm = split(queries, relevance, {.folds = 4, .lone = LoneQueries::kept});
  const std::set<QueryId> held = held_out(warm);
  REQUIRE(held.size() == 39);
  for (const QueryId query : held) REQUIRE(query.row() < 40);
  REQUIRE(count_cold(relevance, warm) == 0);

  const Folds few = split(queries, relevance, {.folds = 2, .max_queries = 20, .lone = LoneQueries::kept});
  REQUIRE(held_out(few).size() == 20);
}

TEST_CASE("split_validation: a passage keeps a query through all folds, twins or not") {
  RowMajorMatrix queries = random_matrix(60, 6, 1);
  for (Eigen::Index q = 1; q < 60; q += 2) queries.row(q) = queries.row(q - 1);  // twins share a passage: 15 of four
  std::vector<RelevancePair> pairs;
  for (Row q = 0; q < 60; ++q) pairs.push_back({QueryId(q), PassageId(q / 4), 1.0f});
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 60, 15);
  const Folds together = split(queries, relevance, {.folds = 3, .lone = LoneQueries::kept});
  REQUIRE(held_out(together).size() == 30);
  const Folds apart =
      split(queries, relevance, {.folds = 3, .duplicates = DuplicateQueries::apart, .lone = LoneQueries::kept});
  REQUIRE(held_out(apart).size() == 45);
}

TEST_CASE("split_validation: int8 rows are the same where codes and scales are") {
  const std::vector<std::int8_t> codes(40 * 2, 3);
  std::vector<float> scales(40, 1.0f);
  for (std::size_t i = 0; i < 20; ++i) scales[i] = static_cast<float>(i + 2);  // 20 distinct, then 20 of one kind
  const EmbeddingView<std::int8_t> queries(codes.data(), 40, 2, scales.data());
  const auto folds = split_validation(queries, random_relevance(40, 5, 1, 2), {.folds = 2});
  REQUIRE(held_out(folds).size() == 40);
  for (const auto& fold : folds) {
    const auto twins = std::count_if(fold.begin(), fold.end(), [](QueryId query) { return query.row() >= 20; });
    REQUIRE((twins == 0 || twins == 20));
  }
}

TEST_CASE("split_validation: options and data that cannot work are refused") {
  const RowMajorMatrix queries = random_matrix(30, 6, 1);
  const RelevanceMatrix relevance = with_gaps(30);
  REQUIRE_ERROR(ShapeError, "relevance has 31 rows, queries has 30", split(queries, with_gaps(31), {}));
  REQUIRE_ERROR(ValueError, "folds is 0", split(queries, relevance, {.folds = 0}));
  REQUIRE_ERROR(ValueError, "holdout is 0,", split(queries, relevance, {.folds = 1, .holdout = 0.0}));
  REQUIRE_ERROR(ValueError, "holdout is 1,", split(queries, relevance, {.folds = 1, .holdout = 1.0}));
  REQUIRE_ERROR(ValueError, "holdout is nan", split(queries, relevance, {.folds = 1, .holdout = std::nan("")}));
  REQUIRE_ERROR(ValueError, "max_queries is 9, expected at least 10", split(queries, relevance, {.max_queries = 9}));
  REQUIRE_ERROR(ValueError, "4 queries to score, expected at least 10; of 30 training queries 20 have passages",
                split(queries, relevance, {.folds = 1, .holdout = 0.2}));
  REQUIRE_ERROR(ValueError, "folds is 21, expected at most 20", split(queries, relevance, {.folds = 21}));
  REQUIRE_ERROR(ValueError, "0 queries to score", split(queries, RelevanceMatrix::from_pairs({}, 30, 7), {}));
  const RowMajorMatrix same = RowMajorMatrix::Ones(30, 6);
  REQUIRE_ERROR(ValueError,
                "0 queries to score, expected at least 10; of 30 training queries 30 have passages, 30 "
                "distinct; those that a passage has alone are kept",
                split(queries, RelevanceMatrix::from_pairs(each_its_own(30), 30, 30), {.lone = LoneQueries::kept}));
  REQUIRE_ERROR(ValueError, "20 have passages, 1 distinct", split(same, relevance, {.max_queries = 15}));
  REQUIRE_ERROR(ValueError, "holding out 20 queries leaves no pair to train on", split(same, relevance, {}));
}

TEST_CASE("without_queries: empties the rows of the held-out queries and keeps all else") {
  const RelevanceMatrix relevance = random_relevance(20, 9, 3, 4);
  const std::vector<QueryId> removed{QueryId(0), QueryId(7), QueryId(19)};
  const RelevanceMatrix kept = without_queries(relevance, removed);
  RowMajorMatrix expected = dense(relevance);
  for (const QueryId query : removed) expected.row(query.row()).setZero();
  REQUIRE(dense(kept) == expected);
  REQUIRE_ERROR(ShapeError, "query 20, expected below 20", without_queries(relevance, {QueryId(20)}));
  REQUIRE(other_queries(5, {QueryId(1), QueryId(3)}) == std::vector<QueryId>{QueryId(0), QueryId(2), QueryId(4)});
}
