#include "pefa/store/relevance_matrix.hpp"

#include <Eigen/SparseCore>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

RelevancePair pair(Row query, Row passage, float weight = 1.0f) {
  return {QueryId(query), PassageId(passage), weight};
}

using Dense = RowMajorMatrix;

Dense dense(std::initializer_list<std::initializer_list<float>> rows) {
  return Dense(rows);
}

bool identical(const RelevanceMatrix& a, const RelevanceMatrix& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols() || a.pair_count() != b.pair_count()) return false;
  const auto& x = a.sparse();
  const auto& y = b.sparse();
  return std::equal(x.outerIndexPtr(), x.outerIndexPtr() + a.rows() + 1, y.outerIndexPtr()) &&
         std::equal(x.innerIndexPtr(), x.innerIndexPtr() + x.nonZeros(), y.innerIndexPtr()) &&
         std::equal(x.valuePtr(), x.valuePtr() + x.nonZeros(), y.valuePtr());
}

}  // namespace

TEST_CASE("RelevanceMatrix::from_pairs: the order of distinct pairs does not matter") {
  std::mt19937 random(1);
  std::vector<RelevancePair> pairs;
  Dense expected = Dense::Zero(30, 40);
  for (Row q = 0; q < 30; ++q) {
    for (Row p = 0; p < 40; ++p) {
      if (random() % 5 != 0) continue;
      pairs.push_back(pair(q, p, static_cast<float>(1 + random() % 9)));
      expected(q, p) = pairs.back().weight;
    }
  }
  const auto sorted = RelevanceMatrix::from_pairs(pairs, 30, 40);
  REQUIRE(test::dense(sorted) == expected);
  REQUIRE(sorted.pair_count() == pairs.size());
  for (int repeat = 0; repeat < 5; ++repeat) {
    std::shuffle(pairs.begin(), pairs.end(), random);
    REQUIRE(identical(RelevanceMatrix::from_pairs(pairs, 30, 40), sorted));
  }
}

TEST_CASE("RelevanceMatrix::from_pairs: passages that no pair speaks of take no memory") {
  const std::vector<RelevancePair> pairs{
      {QueryId(1), PassageId(2'000'000'000)}, {QueryId(0), PassageId(7)}, {QueryId(1), PassageId(3), 2.0f}};
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 2, 2'147'483'646);
  REQUIRE(relevance.passages_of(QueryId(0)).columns[0] == 7);
  REQUIRE(relevance.passages_of(QueryId(1)).columns[0] == 3);
  REQUIRE(relevance.passages_of(QueryId(1)).columns[1] == 2'000'000'000);
}

TEST_CASE("RelevanceMatrix::passages_of: ascending passages and their weights") {
  const std::vector<RelevancePair> pairs = {pair(1, 5, 2.0f), pair(1, 0, 3.0f), pair(1, 3), pair(0, 4)};
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 3, 6);
  const auto entries = relevance.passages_of(QueryId(1));
  REQUIRE(std::vector<std::int32_t>(entries.columns.begin(), entries.columns.end()) ==
          std::vector<std::int32_t>{0, 3, 5});
  REQUIRE(std::vector<float>(entries.weights.begin(), entries.weights.end()) == std::vector<float>{3.0f, 1.0f, 2.0f});
  REQUIRE(relevance.passages_of(QueryId(2)).size() == 0);
}

TEST_CASE("RelevanceMatrix::from_pairs: duplicates come to what the policy says") {
  const std::vector<RelevancePair> pairs = {pair(0, 1, 2.0f), pair(1, 1, 9.0f), pair(0, 1, 5.0f), pair(0, 1, 3.0f)};
  const auto weight = [&](DuplicatePolicy policy) {
    const auto relevance = RelevanceMatrix::from_pairs(pairs, 2, 2, policy);
    REQUIRE(relevance.pair_count() == 2);
    REQUIRE(relevance.passages_of(QueryId(1)).weights[0] == 9.0f);
    return relevance.passages_of(QueryId(0)).weights[0];
  };
  REQUIRE(weight(DuplicatePolicy::sum) == 10.0f);
  REQUIRE(weight(DuplicatePolicy::max) == 5.0f);
  REQUIRE(weight(DuplicatePolicy::last) == 3.0f);
  REQUIRE(RelevanceMatrix::from_pairs(pairs, 2, 2).passages_of(QueryId(0)).weights[0] == 10.0f);
}

TEST_CASE("RelevanceMatrix::from_pairs: the last of many duplicates is the one that came last") {
  std::mt19937 random(9);
  std::vector<RelevancePair> pairs;
  Dense expected = Dense::Zero(4, 5);
  for (int i = 1; i <= 2000; ++i) {
    pairs.push_back(pair(static_cast<Row>(random() % 4), static_cast<Row>(random() % 5), static_cast<float>(i)));
    expected(pairs.back().query.row(), pairs.back().passage.row()) = pairs.back().weight;
  }
  REQUIRE(test::dense(RelevanceMatrix::from_pairs(pairs, 4, 5, DuplicatePolicy::last)) == expected);
}

TEST_CASE("RelevanceMatrix::from_pairs: weights of zero are left out, once the policy has had its say") {
  const std::vector<RelevancePair> zeros = {pair(0, 0, 0.0f), pair(0, 1, -0.0f), pair(1, 1, 2.0f)};
  REQUIRE(RelevanceMatrix::from_pairs(zeros, 2, 2).pair_count() == 1);

  const std::vector<RelevancePair> revoked = {pair(0, 0, 2.0f), pair(0, 0, 0.0f)};
  REQUIRE(RelevanceMatrix::from_pairs(revoked, 1, 1, DuplicatePolicy::last).pair_count() == 0);
  REQUIRE(RelevanceMatrix::from_pairs(revoked, 1, 1, DuplicatePolicy::max).pair_count() == 1);
  REQUIRE(RelevanceMatrix::from_pairs(revoked, 1, 1, DuplicatePolicy::sum).pair_count() == 1);
}

TEST_CASE("RelevanceMatrix::from_pairs: an id past the end is refused with the pair's position") {
  const std::vector<RelevancePair> bad_query = {pair(0, 0), pair(0, 1), pair(2, 1)};
  REQUIRE_ERROR(ShapeError, "RelevanceMatrix: pair 2 has query 2, expected below 2",
                RelevanceMatrix::from_pairs(bad_query, 2, 3));
  const std::vector<RelevancePair> bad_passage = {pair(0, 0), pair(1, 3)};
  REQUIRE_ERROR(ShapeError, "RelevanceMatrix: pair 1 has passage 3, expected below 3",
                RelevanceMatrix::from_pairs(bad_passage, 2, 3));
  const std::vector<RelevancePair> one = {pair(0, 0)};
  REQUIRE_ERROR(ShapeError, "pair 0 has query 0, expected below 0", RelevanceMatrix::from_pairs(one, 0, 3));
}

TEST_CASE("RelevanceMatrix::from_pairs: a weight that is negative or not finite is refused with its position") {
  const auto with = [](float weight) {
    const std::vector<RelevancePair> pairs = {pair(0, 0), pair(1, 2, weight)};
    return RelevanceMatrix::from_pairs(pairs, 2, 3);
  };
  REQUIRE_ERROR(ValueError, "RelevanceMatrix: pair 1 (query 1, passage 2) has weight -0.5, expected finite and >= 0",
                with(-0.5f));
  REQUIRE_ERROR(ValueError, "pair 1 (query 1, passage 2) has weight nan",
                with(std::numeric_limits<float>::quiet_NaN()));
  REQUIRE_ERROR(ValueError, "pair 1 (query 1, passage 2) has weight inf", with(std::numeric_limits<float>::infinity()));
  REQUIRE_ERROR(ValueError, "pair 1 (query 1, passage 2) has weight -inf",
                with(-std::numeric_limits<float>::infinity()));
}

TEST_CASE("RelevanceMatrix::from_pairs: duplicates that add up past float are refused, never stored as infinity") {
  constexpr float largest = std::numeric_limits<float>::max();
  const std::vector<RelevancePair> pairs = {pair(0, 0), pair(1, 2, largest), pair(1, 2, largest)};
  REQUIRE_ERROR(ValueError, "RelevanceMatrix: the weights of query 1, passage 2 add up to more than a float holds",
                RelevanceMatrix::from_pairs(pairs, 2, 3));
  REQUIRE(RelevanceMatrix::from_pairs(pairs, 2, 3, DuplicatePolicy::max).passages_of(QueryId(1)).weights[0] == largest);
}

TEST_CASE("RelevanceMatrix::from_pairs: more rows than an index counts are refused") {
  REQUIRE_ERROR(ShapeError, "RelevanceMatrix: 2147483647 queries, 3 passages, 0 pairs; expected at most 2147483646",
                RelevanceMatrix::from_pairs({}, 2'147'483'647, 3));
  REQUIRE_ERROR(ShapeError, "4000000000 passages", RelevanceMatrix::from_pairs({}, 3, 4'000'000'000));
}

TEST_CASE("RelevanceMatrix::from_pairs: no pairs, no queries or no passages are fine") {
  const auto empty = RelevanceMatrix::from_pairs({}, 3, 4);
  REQUIRE(empty.pair_count() == 0);
  REQUIRE(empty.transposed().rows() == 4);
  REQUIRE(empty.passages_of(QueryId(2)).size() == 0);
  REQUIRE(empty.queries_of(PassageId(3)).size() == 0);
  REQUIRE(RelevanceMatrix::from_pairs({}, 0, 4).rows() == 0);
  REQUIRE(RelevanceMatrix::from_pairs({}, 0, 0).statistics().pairs == 0);
  REQUIRE(RelevanceMatrix::from_pairs({}, 4, 0).row_counts() == std::vector<std::size_t>(4));
}

TEMPLATE_TEST_CASE("RelevanceMatrix::from_eigen: any order and weight type, explicit zeros left out", "",
                   (Eigen::SparseMatrix<float, Eigen::RowMajor>), (Eigen::SparseMatrix<float, Eigen::ColMajor>),
                   (Eigen::SparseMatrix<double, Eigen::RowMajor>),
                   (Eigen::SparseMatrix<double, Eigen::ColMajor, std::int64_t>)) {
  using Weight = typename TestType::Scalar;
  TestType matrix(3, 4);
  matrix.insert(2, 0) = Weight(2.5);
  matrix.insert(0, 3) = Weight(1);
  matrix.insert(1, 1) = Weight(0);
  matrix.insert(0, 1) = Weight(4);
  const Dense expected = dense({{0, 4, 0, 1}, {0, 0, 0, 0}, {2.5f, 0, 0, 0}});
  const auto loose = RelevanceMatrix::from_eigen(matrix);
  REQUIRE(test::dense(loose) == expected);
  REQUIRE(loose.pair_count() == 3);
  matrix.makeCompressed();
  REQUIRE(identical(RelevanceMatrix::from_eigen(matrix), loose));

  matrix.coeffRef(2, 0) = Weight(-1);
  REQUIRE_ERROR(ValueError, "(query 2, passage 0) has weight -1", RelevanceMatrix::from_eigen(matrix));
  matrix.coeffRef(2, 0) = std::numeric_limits<Weight>::quiet_NaN();
  REQUIRE_ERROR(ValueError, "(query 2, passage 0) has weight nan", RelevanceMatrix::from_eigen(matrix));
}

TEST_CASE("RelevanceMatrix::from_eigen: a weight too small for a float stays above zero") {
  Eigen::SparseMatrix<double> matrix(1, 2);
  matrix.insert(0, 1) = 1e-46;
  matrix.insert(0, 0) = 0.0;
  const auto relevance = RelevanceMatrix::from_eigen(matrix);
  REQUIRE(relevance.pair_count() == 1);
  REQUIRE(relevance.passages_of(QueryId(0)).weights[0] > 0.0f);
}

TEST_CASE("RelevanceMatrix::from_eigen: a double past float is refused") {
  Eigen::SparseMatrix<double> matrix(1, 1);
  matrix.insert(0, 0) = 1e300;
  REQUIRE_ERROR(ValueError, "pair 0 (query 0, passage 0) has weight inf", RelevanceMatrix::from_eigen(matrix));
}

TEST_CASE("RelevanceMatrix::stack: sources one below the other") {
  const auto top = test::random_relevance(5, 8, 3, 1);
  const auto none = RelevanceMatrix::from_pairs({}, 2, 8);
  const auto bottom = test::random_relevance(4, 8, 2, 2);
  const std::vector<RelevanceMatrix> sources = {top, none, bottom};
  const auto stacked = RelevanceMatrix::stack(sources);
  REQUIRE(stacked.rows() == 11);
  REQUIRE(stacked.pair_count() == top.pair_count() + bottom.pair_count());
  Dense expected(11, 8);
  expected << test::dense(top), test::dense(none), test::dense(bottom);
  REQUIRE(test::dense(stacked) == expected);
  REQUIRE(Dense(stacked.transposed()) == expected.transpose());
  REQUIRE(identical(RelevanceMatrix::stack(std::vector{top}), top));
}

TEST_CASE("RelevanceMatrix::stack: no sources, or other passages, are refused") {
  REQUIRE_ERROR(ShapeError, "RelevanceMatrix::stack: no sources, expected at least 1", RelevanceMatrix::stack({}));
  const std::vector<RelevanceMatrix> sources = {RelevanceMatrix::from_pairs({}, 2, 8),
                                                RelevanceMatrix::from_pairs({}, 2, 8),
                                                RelevanceMatrix::from_pairs({}, 2, 9)};
  REQUIRE_ERROR(ShapeError, "RelevanceMatrix::stack: source 2 has 9 passages, source 0 has 8",
                RelevanceMatrix::stack(sources));
}

TEST_CASE("RelevanceMatrix: the transforms change weights, keep places and leave the original alone") {
  const std::vector<RelevancePair> pairs = {pair(0, 0, 1.0f), pair(0, 2, 3.0f), pair(2, 1, 7.0f)};
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 3, 3);
  (void)relevance.transposed();  // a transform must not inherit it
  REQUIRE(test::dense(relevance.binary()) == dense({{1, 0, 1}, {0, 0, 0}, {0, 1, 0}}));
  REQUIRE(test::dense(relevance.log1p())
              .isApprox(dense({{std::log(2.0f), 0, std::log(4.0f)}, {0, 0, 0}, {0, std::log(8.0f), 0}})));
  REQUIRE(test::dense(relevance.row_normalized()).isApprox(dense({{0.25f, 0, 0.75f}, {0, 0, 0}, {0, 1, 0}})));
  REQUIRE(relevance.binary().queries_of(PassageId(2)).weights[0] == 1.0f);
  REQUIRE(test::dense(relevance) == dense({{1, 0, 3}, {0, 0, 0}, {0, 7, 0}}));
}

TEST_CASE("RelevanceMatrix: row_normalized rows add up to one, where there are any") {
  const auto normalized = test::random_relevance(50, 30, 6, 3).row_normalized();
  const Dense matrix = test::dense(normalized);
  for (Eigen::Index row = 0; row < matrix.rows(); ++row) REQUIRE(matrix.row(row).sum() == Approx(1.0f));
}

TEST_CASE("RelevanceMatrix: counts and statistics are those of the dense matrix") {
  const auto relevance = test::random_relevance(40, 60, 4, 4, 7);
  const Dense matrix = test::dense(relevance);
  std::vector<std::size_t> rows;
  std::vector<std::size_t> columns;
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    rows.push_back(static_cast<std::size_t>((matrix.row(i).array() > 0.0f).count()));
  }
  for (Eigen::Index j = 0; j < matrix.cols(); ++j) {
    columns.push_back(static_cast<std::size_t>((matrix.col(j).array() > 0.0f).count()));
  }
  REQUIRE(relevance.row_counts() == rows);
  REQUIRE(relevance.column_counts() == columns);
  const RelevanceStatistics statistics = relevance.statistics();
  REQUIRE(statistics.queries == 40);
  REQUIRE(statistics.passages == 60);
  REQUIRE(statistics.pairs == relevance.pair_count());
  REQUIRE(statistics.queries_without_passages == 0);
  REQUIRE(statistics.passages_without_queries >= 7);
  REQUIRE(statistics.passages_without_queries ==
          static_cast<std::size_t>(std::count(columns.begin(), columns.end(), std::size_t{0})));
  REQUIRE(RelevanceMatrix::from_pairs({}, 3, 4).statistics().queries_without_passages == 3);
}

TEST_CASE("RelevanceMatrix::transposed: is the transpose, row by row in ascending order") {
  const auto relevance = test::random_relevance(40, 25, 5, 5);
  REQUIRE(Dense(relevance.transposed()) == test::dense(relevance).transpose());
  const Dense matrix = test::dense(relevance);
  for (Row p = 0; p < 25; ++p) {
    const auto entries = relevance.queries_of(PassageId(p));
    REQUIRE(std::is_sorted(entries.columns.begin(), entries.columns.end()));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      REQUIRE(entries.weights[i] == matrix(entries.columns[i], static_cast<Eigen::Index>(p)));
    }
  }
}

TEST_CASE("RelevanceMatrix::transposed: several threads that ask at once get the same, whole one") {
  for (int repeat = 0; repeat < 20; ++repeat) {
    const auto relevance = test::random_relevance(200, 100, 5, 6);
    const Dense expected = test::dense(relevance).transpose();
    std::vector<const RelevanceMatrix::Sparse*> seen(6);
    std::vector<char> correct(6, 0);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < seen.size(); ++t) {
      threads.emplace_back([&, t] {
        const RelevanceMatrix copy = relevance;  // NOLINT(performance-unnecessary-copy-initialization)
        seen[t] = t % 2 == 0 ? &relevance.transposed() : &copy.transposed();
        correct[t] = Dense(*seen[t]) == expected ? 1 : 0;
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(seen == std::vector<const RelevanceMatrix::Sparse*>(6, &relevance.transposed()));
    REQUIRE(correct == std::vector<char>(6, 1));
  }
}

TEST_CASE("RelevanceMatrix: copies share the transpose, also after the original is gone") {
  const auto make = [] {
    const auto original = test::random_relevance(20, 10, 3, 7);
    RelevanceMatrix copy = original;
    REQUIRE(&copy.transposed() == &original.transposed());
    return copy;
  };
  const RelevanceMatrix copy = make();
  REQUIRE(Dense(copy.transposed()) == test::dense(copy).transpose());
}

TEST_CASE("RelevanceMatrix::memory_bytes: an entry is eight bytes, and the transpose counts once it is made") {
  const auto relevance = test::random_relevance(1000, 500, 10, 8);
  const std::size_t entries = relevance.pair_count() * 8;
  const std::size_t before = relevance.memory_bytes();
  REQUIRE(before >= entries + 1001 * 4);
  REQUIRE(before <= 2 * entries + 1001 * 4 + 1000);
  (void)relevance.transposed();
  REQUIRE(relevance.memory_bytes() >= before + entries + 501 * 4);
}

TEST_CASE("RelevanceMatrix::from_pairs: clicks add up past the integers that a float counts") {
  std::vector<RelevancePair> pairs(3, {QueryId(0), PassageId(0), 1.0f});
  pairs[0].weight = 16777216.0f;
  const auto relevance = RelevanceMatrix::from_pairs(pairs, 1, 1);
  REQUIRE(relevance.passages_of(QueryId(0)).weights[0] == 16777218.0f);
}

TEST_CASE("RelevanceMatrix::row_normalized: a share too small for a float stays above zero") {
  const std::vector<RelevancePair> pairs{{QueryId(0), PassageId(0), 1e-38f}, {QueryId(0), PassageId(1), 1e30f}};
  const auto shares = RelevanceMatrix::from_pairs(pairs, 1, 2).row_normalized();
  REQUIRE(shares.passages_of(QueryId(0)).weights[0] > 0.0f);
}

TEST_CASE("RelevanceMatrix::from_compressed: is what sparse() gave, or refuses what that cannot give") {
  const RelevanceMatrix y = test::random_relevance(20, 15, 3, 91);
  const auto& sparse = y.sparse();
  using Ints = std::vector<std::int32_t>;
  const Ints starts(sparse.outerIndexPtr(), sparse.outerIndexPtr() + 21);
  const Ints passages(sparse.innerIndexPtr(), sparse.innerIndexPtr() + y.pair_count());
  const std::vector<float> weights(sparse.valuePtr(), sparse.valuePtr() + y.pair_count());
  const auto copy = RelevanceMatrix::from_compressed(starts, passages, weights, 15);
  REQUIRE(test::dense(copy) == test::dense(y));
  REQUIRE(RelevanceMatrix::from_compressed(Ints{0}, Ints{}, {}, 5).rows() == 0);

  const auto make = [](const Ints& row_starts, const Ints& columns, std::vector<float> values) {
    return RelevanceMatrix::from_compressed(row_starts, columns, values, 4);
  };
  REQUIRE(make({0, 1, 3}, {3, 0, 2}, {1, 1, 1}).pair_count() == 3);
  REQUIRE_ERROR(ShapeError, "2 weights for 3 pairs", make({0, 1, 3}, {3, 0, 2}, {1, 1}));
  for (const Ints& bad : {Ints{}, Ints{0}, Ints{1, 3}, Ints{0, 2}, Ints{0, 4}, Ints{0, 4, 3}, Ints{0, -1, 3}}) {
    REQUIRE_ERROR(ShapeError, "the starts of the rows are not ascending from 0 to 3", make(bad, {3, 0, 2}, {1, 1, 1}));
  }
  REQUIRE_ERROR(ShapeError, "query 1 has passage 4 after 0", make({0, 1, 3}, {3, 0, 4}, {1, 1, 1}));
  REQUIRE_ERROR(ShapeError, "query 0 has passage -1 after -1", make({0, 1, 3}, {-1, 0, 3}, {1, 1, 1}));
  REQUIRE_ERROR(ShapeError, "query 1 has passage 2 after 2", make({0, 1, 3}, {3, 2, 2}, {1, 1, 1}));
  for (const float bad :
       {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    REQUIRE_ERROR(ValueError, "query 1, passage 0 has weight", make({0, 1, 3}, {3, 0, 2}, {1, bad, 1}));
  }
}
