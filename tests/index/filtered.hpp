// What the tests of filtered searches share: clustered rows, sets of every size, and the obvious answer: every admitted
// row scored.
#pragma once

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/eval/metrics.hpp"
#include "pefa/index/filtered_search.hpp"
#include "pefa/index/flat_index.hpp"
#include "support.hpp"

namespace pefa::test {

inline constexpr std::size_t clustered_size = 3000;
inline constexpr std::size_t clustered_dim = 24;

/// Rows in clusters, so that a filter by cluster has to do with the query.
struct Clustered {
  RowMajorMatrix rows = random_matrix(clustered_size, clustered_dim, 7, Normalize::none);
  RowMajorMatrix queries = random_matrix(20, clustered_dim, 8);
  Clustered() {
    const RowMajorMatrix centres = 2.0f * random_matrix(12, clustered_dim, 9);
    for (Eigen::Index i = 0; i < rows.rows(); ++i) rows.row(i) = 0.3f * rows.row(i) + centres.row(i % 12);
    rows.rowwise().normalize();
  }
  [[nodiscard]] QueryView query(Eigen::Index q) const { return {queries.row(q).data(), clustered_dim}; }
};

inline RowSet random_set(std::size_t universe, double share, unsigned seed) {
  std::mt19937 random(seed);
  std::bernoulli_distribution in(share);
  return RowSet::where(universe, [&](Row) { return in(random); });
}

/// Every admitted row scored, and sorted.
inline std::vector<Neighbor> best_admitted(const FlatIndex<>& flat, QueryView query, std::size_t k, const RowSet& set) {
  std::vector<Neighbor> all;
  for (const Row row : set.rows()) all.push_back({row, flat.score(query, row)});
  std::sort(all.begin(), all.end(), ranks_before);
  all.resize(std::min(k, all.size()));
  return all;
}

/// Sets of every size; those last that are of clusters, and so have to do with the query.
inline std::vector<RowSet> sets_of(std::size_t universe) {
  std::vector<RowSet> sets{RowSet::none(universe)};
  unsigned seed = 40;
  for (const double share : {0.001, 0.004, 0.02, 0.1, 0.5, 0.9, 0.99}) {
    sets.push_back(random_set(universe, share, ++seed));
  }
  for (const Row cluster : {0U, 3U, 7U}) {
    sets.push_back(RowSet::where(universe, [&](Row row) { return row % 12 == cluster; }));
    sets.push_back(~sets.back());
  }
  return sets;
}

/// Holds an index against the oracle. @param exact  whether it is to find the same rows, or `least` of them
template <class Index>
void check_filtered(const Index& index, const FlatIndex<>& flat, const Clustered& data, bool exact,
                    double least = 0.97) {
  for (const RowSet& set : sets_of(index.size())) {
    double recall = 0.0;
    for (Eigen::Index q = 0; q < data.queries.rows(); ++q) {
      const auto expected = best_admitted(flat, data.query(q), 10, set);
      const auto found = search_filtered(index, data.query(q), 10, set);
      INFO(set.size() << " admitted, query " << q);
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        REQUIRE(set.contains(found[i].row));
        REQUIRE(found[i].score == Approx(flat.score(data.query(q), found[i].row)).margin(1e-5));
        if (i > 0) REQUIRE(ranks_before(found[i - 1], found[i]));
      }
      if (exact || set.size() <= index.size() / 100) {
        for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i].row == expected[i].row);
      }
      recall += ann_recall(found, expected);
      const auto by_predicate = [&](Row row) { return set.contains(row); };
      const auto asked = search_filtered(index, data.query(q), 10, by_predicate);
      REQUIRE(asked.size() == expected.size());
      for (const Neighbor& each : asked) REQUIRE(set.contains(each.row));
    }
    INFO(set.size() << " admitted");
    if (!set.empty()) REQUIRE(recall / static_cast<double>(data.queries.rows()) >= least);
    const auto batch = search_filtered_batch(index, EmbeddingView<float>(data.queries), 10, set, {}, ThreadExecutor(2));
    for (Eigen::Index q = 0; q < data.queries.rows(); ++q) {
      REQUIRE(batch[static_cast<std::size_t>(q)] == search_filtered(index, data.query(q), 10, set));
    }
  }
}

/// What is the same whatever the index.
template <class Index>
void check_edges(const Index& index, const Clustered& data) {
  const QueryView query = data.query(0);
  const std::size_t size = index.size();
  const auto all = [](Row) { return true; };
  REQUIRE(search_filtered(index, query, 10, RowSet::all(size)) == index.search(query, 10, {}));
  REQUIRE(search_filtered(index, query, 10, RowFilter()) == index.search(query, 10, {}));
  REQUIRE(search_filtered(index, query, 10, all).size() == 10);
  REQUIRE(search_filtered(index, query, 10, RowSet::none(size)).empty());
  REQUIRE(search_filtered(index, query, 10, [](Row) { return false; }).empty());
  REQUIRE(search_filtered_batch(index, EmbeddingView<float>(data.queries), 10, RowSet::all(size)) ==
          search_batch(index, EmbeddingView<float>(data.queries), 10));
  const std::string both = "the filter is a set of 7 rows, expected " + std::to_string(size);
  REQUIRE_ERROR(ShapeError, both, search_filtered(index, query, 10, RowSet::all(7)));
  REQUIRE_ERROR(ShapeError, both, search_filtered_batch(index, EmbeddingView<float>(data.queries), 10, RowSet::all(7)));
  const RowSet half = RowSet::of_ranges(std::vector<RowRange>{{0, static_cast<Row>(size / 2)}}, size);
  for (const RowSet& set : {half, RowSet::none(size)}) {
    REQUIRE_ERROR(ValueError, "k is 0", search_filtered(index, query, 0, set));
    REQUIRE_ERROR(ShapeError, "query has dim 23, expected 24", search_filtered(index, query.first(23), 10, set));
    std::vector<float> bad(clustered_dim, 1.0f);
    bad[3] = std::numeric_limits<float>::quiet_NaN();
    REQUIRE_ERROR(ValueError, "NaN or infinite", search_filtered(index, bad, 10, set));
  }
  REQUIRE(search_filtered(index, query, 10 * size, half).size() == size / 2);  // all there are
  IndexSearchStats stats;
  (void)search_filtered(index, query, 10, half, {.stats = &stats});
  REQUIRE(stats.distances > 0);
  REQUIRE_FALSE(stats.stopped);
}

}  // namespace pefa::test
