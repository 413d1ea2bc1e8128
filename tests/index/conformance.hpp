// What every AnnIndex promises, as one set of checks that each index's tests run.
#pragma once

#include <Eigen/Core>

#include <atomic>
#include <chrono>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/index/flat_index.hpp"
#include "support.hpp"

namespace pefa::test {

/// Checks `Index` built with `params` over random rows. @param least_recall  of the exact top 10, on average
template <class Index>
void check_index_conforms(const typename Index::Params& params, double least_recall, std::size_t dim = 24) {
  constexpr std::size_t n = 600;
  const RowMajorMatrix rows = random_matrix(n, dim, 7);
  const RowMajorMatrix queries = random_matrix(50, dim, 8);
  const Index index = Index::build(EmbeddingView<float>(rows), params, {AnyExecutor::serial()});
  const auto exact = FlatIndex<>::build(EmbeddingView<float>(rows), {.metric = index.metric()});
  const auto query = [&](Eigen::Index i) { return QueryView(queries.row(i).data(), dim); };

  SECTION("it has the size and dim of its rows") {
    REQUIRE(index.size() == n);
    REQUIRE(index.dim() == dim);
    REQUIRE(index.memory_bytes() >= n * dim);  // one byte an element at the very least
  }
  SECTION("results are sorted, unique, in range, and their scores are the rows' own") {
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const std::vector<Neighbor> found = index.search(query(q), 10, {});
      REQUIRE(found.size() == 10);
      std::vector<bool> seen(n);
      for (std::size_t i = 0; i < found.size(); ++i) {
        REQUIRE(found[i].row < n);
        REQUIRE_FALSE(seen[found[i].row]);
        seen[found[i].row] = true;
        if (i > 0) REQUIRE(ranks_before(found[i - 1], found[i]));
        REQUIRE(found[i].score == Approx(exact.score(query(q), found[i].row)).margin(1e-5));
      }
    }
  }
  SECTION("it finds the exact neighbours as well as it claims") {
    double recall = 0.0;
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      recall += ann_recall(index.search(query(q), 10, {}), exact.search(query(q), 10));
    }
    REQUIRE(recall / static_cast<double>(queries.rows()) >= least_recall);
  }
  SECTION("a larger k extends the results of a smaller one where the beam is the same") {
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const std::vector<Neighbor> few = index.search(query(q), 5, {.ef = 200});
      const std::vector<Neighbor> more = index.search(query(q), 50, {.ef = 200});
      REQUIRE(std::equal(few.begin(), few.end(), more.begin()));
    }
  }
  SECTION("more than there is gives all there is, or fewer, never padding") {
    const std::vector<Neighbor> all = index.search(query(0), 10 * n, {.ef = 10 * n});
    REQUIRE(all.size() <= n);
    REQUIRE(all.size() >= n * 99 / 100);
  }
  SECTION("an ef below k is raised to k, an absurd one costs nothing but time") {
    REQUIRE(index.search(query(0), 40, {.ef = 1}).size() == 40);
    REQUIRE(index.search(query(0), 1, {.ef = std::numeric_limits<std::size_t>::max()}).size() == 1);
  }
  SECTION("a batch gives what single searches give") {
    const auto batch = search_batch(index, EmbeddingView<float>(queries), 10, {}, ThreadExecutor(2));
    for (Eigen::Index q = 0; q < queries.rows(); ++q) {
      const std::vector<Neighbor> single = index.search(query(q), 10, {});
      const std::vector<Neighbor>& batched = batch[static_cast<std::size_t>(q)];
      REQUIRE(batched.size() == single.size());
      REQUIRE(ann_recall(batched, single) == 1.0);
      for (std::size_t i = 0; i < single.size(); ++i) {
        REQUIRE(batched[i].score == Approx(single[i].score).margin(1e-5));
      }
    }
  }
  SECTION("searches from several threads at once give what one thread gets") {
    std::vector<std::vector<Neighbor>> expected;
    for (Eigen::Index q = 0; q < queries.rows(); ++q) expected.push_back(index.search(query(q), 10, {}));
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (std::size_t t = 0; t < wrong.size(); ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t q = 0; q < expected.size(); ++q) {
          const std::vector<Neighbor> found = index.search(query(static_cast<Eigen::Index>(q)), 10, {});
          if (found != expected[q]) ++wrong[t];
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(wrong == std::vector<int>(wrong.size(), 0));
  }
  SECTION("a search that is told to stop answers with what it has found") {
    const std::atomic<bool> stop{true};
    IndexSearchStats stats;
    const IndexSearchOptions stopping{.ef = n, .limit = {.stop = &stop}, .stats = &stats};
    const std::vector<Neighbor> found = index.search(query(0), 10, stopping);
    REQUIRE(stats.stopped);
    REQUIRE(stats.distances < n);
    REQUIRE(found.size() == 10);
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (i > 0) REQUIRE(ranks_before(found[i - 1], found[i]));
      REQUIRE(found[i].score == index.score(query(0), found[i].row));
    }
    const IndexSearchOptions late{.ef = n, .limit = SearchLimit::within(-std::chrono::seconds(1)), .stats = &stats};
    stats = {};
    REQUIRE(index.search(query(0), 10, late) == found);
    REQUIRE(stats.stopped);
  }
  SECTION("a limit that is not reached changes nothing") {
    const std::atomic<bool> go{false};
    const SearchLimit limit{.deadline = SearchLimit::Clock::now() + std::chrono::hours(1), .stop = &go};
    IndexSearchStats stats;
    REQUIRE(index.search(query(0), 10, {.limit = limit, .stats = &stats}) == index.search(query(0), 10, {}));
    REQUIRE_FALSE(stats.stopped);
  }
  SECTION("a batch adds up what its queries took, from any number of threads") {
    for (const std::size_t count : {std::size_t{7}, std::size_t{50}, std::size_t{150}}) {
      const RowMajorMatrix many = queries.replicate(3, 1).topRows(static_cast<Eigen::Index>(count));
      IndexSearchStats singles;
      for (Eigen::Index q = 0; q < many.rows(); ++q) {
        (void)index.search({many.row(q).data(), dim}, 10, {.stats = &singles});
      }
      REQUIRE(singles.distances > count);
      IndexSearchStats batch;
      batch.hops = 5;  // what was there stays
      (void)search_batch(index, EmbeddingView<float>(many), 10, {.stats = &batch}, ThreadExecutor(4));
      REQUIRE(batch.distances == singles.distances);
      REQUIRE(batch.hops == singles.hops + 5);
      REQUIRE_FALSE(batch.stopped);
    }
  }
  SECTION("a batch past its limit says so, and what it gives is sorted and the rows' own") {
    const RowMajorMatrix many = queries.replicate(3, 1);
    for (const Eigen::Index count : {Eigen::Index{3}, Eigen::Index{150}}) {
      IndexSearchStats stats;
      const IndexSearchOptions late{.limit = SearchLimit::within(-std::chrono::seconds(1)), .stats = &stats};
      const RowMajorMatrix asking = many.topRows(count);
      const auto batch = search_batch(index, EmbeddingView<float>(asking), 10, late, ThreadExecutor(2));
      REQUIRE(stats.stopped);
      REQUIRE(batch.size() == static_cast<std::size_t>(count));
      for (std::size_t q = 0; q < batch.size(); ++q) {
        for (std::size_t i = 0; i < batch[q].size(); ++i) {
          if (i > 0) REQUIRE(ranks_before(batch[q][i - 1], batch[q][i]));
          REQUIRE(batch[q][i].score ==
                  index.score({asking.row(static_cast<Eigen::Index>(q)).data(), dim}, batch[q][i].row));
        }
      }
    }
  }
  SECTION("moving it moves its rows") {
    const std::vector<Neighbor> expected = index.search(query(0), 10, {});
    Index first = Index::build(EmbeddingView<float>(rows), params, {AnyExecutor::serial()});
    const Index second = std::move(first);
    REQUIRE(second.search(query(0), 10, {}) == expected);
  }
  SECTION("one row is an index too") {
    const RowMajorMatrix one = rows.topRows(1);
    const Index small = Index::build(EmbeddingView<float>(one), params, {});
    const std::vector<Neighbor> found = small.search(query(0), 3, {});
    REQUIRE(found.size() == 1);
    REQUIRE(found[0].row == 0);
  }
  SECTION("rows of one element are an index too") {
    RowMajorMatrix narrow(40, 1);
    for (Eigen::Index i = 0; i < 40; ++i) narrow(i, 0) = static_cast<float>(i);
    const Index small = Index::build(EmbeddingView<float>(narrow), params, {AnyExecutor::serial()});
    const std::vector<Neighbor> found = small.search(std::vector<float>{50.0f}, 3, {});
    REQUIRE(found.size() == 3);
    for (Row i = 0; i < 3; ++i) REQUIRE(found[i].row == 39 - i);  // the nearest and the longest alike
  }
  SECTION("rows and queries of any length give sorted scores, each the row's own, and no NaN") {
    for (const float length : {1e-38f, 1e-30f, 1e18f, 1e19f, 1e30f, 1e38f}) {
      for (const float query_length : {1.0f, length}) {
        const RowMajorMatrix scaled = length * rows.topRows(200);
        const RowMajorMatrix asking = query_length * queries.topRows(5);
        const Index extreme = Index::build(EmbeddingView<float>(scaled), params, {AnyExecutor::serial()});
        const auto batch = search_batch(extreme, EmbeddingView<float>(asking), 10);
        for (std::size_t q = 0; q < batch.size(); ++q) {
          const QueryView one(asking.row(static_cast<Eigen::Index>(q)).data(), dim);
          const std::vector<Neighbor> found = extreme.search(one, 10, {});
          REQUIRE(batch[q] == found);
          REQUIRE(found.size() <= 10);
          for (std::size_t i = 0; i < found.size(); ++i) {
            REQUIRE(found[i].score == extreme.score(one, found[i].row));
            if (i > 0) REQUIRE(ranks_before(found[i - 1], found[i]));
          }
        }
      }
    }
  }
  SECTION("thousands of equal rows are all found alike") {
    RowMajorMatrix same(2000, static_cast<Eigen::Index>(dim));
    same.rowwise() = rows.row(0);
    const Index tied = Index::build(EmbeddingView<float>(same), params, {AnyExecutor::serial()});
    for (const std::size_t k : {std::size_t{10}, std::size_t{500}}) {
      const std::vector<Neighbor> found = tied.search(query(0), k, {});
      REQUIRE(found.size() == k);
      for (std::size_t i = 1; i < k; ++i) REQUIRE(ranks_before(found[i - 1], found[i]));
    }
  }
  SECTION("equal scores order by ascending row") {
    RowMajorMatrix same(5, static_cast<Eigen::Index>(dim));
    same.rowwise() = rows.row(0);
    const Index tied = Index::build(EmbeddingView<float>(same), params, {AnyExecutor::serial()});
    const std::vector<Neighbor> found = tied.search(query(0), 5, {});
    for (Row i = 0; i < found.size(); ++i) REQUIRE(found[i].row == i);
  }
  SECTION("wrong queries and rows are refused") {
    REQUIRE_ERROR(ShapeError, "query has dim " + std::to_string(dim - 1) + ", expected " + std::to_string(dim),
                  index.search(query(0).first(dim - 1), 10, {}));
    REQUIRE_ERROR(ValueError, "k is 0", index.search(query(0), 0, {}));
    std::vector<float> bad(dim, 1.0f);
    bad[3] = std::numeric_limits<float>::quiet_NaN();
    REQUIRE_ERROR(ValueError, "NaN or infinite", index.search(bad, 10, {}));
    bad[3] = std::numeric_limits<float>::infinity();
    REQUIRE_ERROR(ValueError, "NaN or infinite", index.search(bad, 10, {}));
    REQUIRE_ERROR(ValueError, "no rows", Index::build(EmbeddingView<float>(rows).slice(0, 0), params, {}));
    RowMajorMatrix broken = rows;
    broken(17, 3) = std::numeric_limits<float>::quiet_NaN();
    REQUIRE_ERROR(ValueError, "row 17", Index::build(EmbeddingView<float>(broken), params, {}));
    REQUIRE_ERROR(ShapeError, "row 600", index.score(query(0), static_cast<Row>(n)));
    REQUIRE_ERROR(ShapeError, "query has dim " + std::to_string(dim - 1), index.score(query(0).first(dim - 1), 0));
  }
  SECTION("several rows score as each alone does, to the bit") {
    std::vector<Row> several;
    for (Row i = 0; i < 150; ++i) several.push_back((i * 37) % n);
    several.push_back(several.front());  // in any order, and twice
    std::vector<float> scores(several.size());
    index.score_rows(query(1), several, scores);
    for (std::size_t i = 0; i < several.size(); ++i) REQUIRE(scores[i] == index.score(query(1), several[i]));
    index.score_rows(query(1), {}, {});
    REQUIRE_ERROR(ShapeError, "room for 150 scores, expected 151",
                  index.score_rows(query(1), several, std::span(scores).first(150)));
    several[7] = static_cast<Row>(n);
    REQUIRE_ERROR(ShapeError, "row 600", index.score_rows(query(1), several, scores));
    REQUIRE_ERROR(ShapeError, "query has dim", index.score_rows(query(1).first(dim - 1), {}, {}));
  }
  SECTION("a build reports its progress and can be stopped") {
    std::size_t last = 0;
    std::size_t all = 0;
    const Progress count = [&](std::size_t done, std::size_t total) {
      REQUIRE(done >= last);
      REQUIRE((all == 0 || total == all));
      last = done;
      all = total;
      return ProgressAction::proceed;
    };
    (void)Index::build(EmbeddingView<float>(rows), params, {ThreadExecutor(2), count});
    REQUIRE(all >= n);
    REQUIRE(last == all);
    const Progress stop = [](std::size_t, std::size_t) { return ProgressAction::stop; };
    REQUIRE_ERROR(Cancelled, "stopped", Index::build(EmbeddingView<float>(rows), params, {ThreadExecutor(2), stop}));
  }
}

}  // namespace pefa::test
