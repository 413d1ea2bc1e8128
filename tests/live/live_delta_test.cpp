// What a delta finds, against all rows scored one by one; what a snapshot sees; and rows that no split can part.
#include "pefa/live/live_delta.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <map>
#include <random>
#include <vector>

#include "catch.hpp"
#include "pefa/core/top_k.hpp"
#include "support.hpp"

namespace pefa::live::detail {
namespace {

using DeltaRows = std::map<Row, std::vector<float>>;

/// Rows about a few centres, as embeddings lie; every seventh has a length of its own.
std::vector<float> drawn_row(std::mt19937& random, std::size_t dim, std::size_t n_centers) {
  std::normal_distribution<float> normal;
  std::mt19937 center(static_cast<std::uint32_t>(random() % n_centers));
  std::vector<float> row(dim);
  const float length = random() % 7 == 0 ? 3.0f : 1.0f;
  for (float& x : row) x = length * (normal(center) + 0.7f * normal(random));
  return row;
}

std::vector<Neighbor> found_by(const LiveDelta& delta, QueryView query, Metric metric, std::size_t k, bool is_all,
                               std::size_t* seen = nullptr) {
  TopK best(k);
  const std::size_t looked_at = delta.search(
      query, metric, -std::numeric_limits<float>::infinity(), is_all, [](Row) { return true; }, {}, best);
  if (seen != nullptr) *seen = looked_at;
  return best.take();
}

std::vector<Neighbor> exact(const DeltaRows& rows, QueryView query, Metric metric, std::size_t k) {
  TopK best(k);
  for (const auto& [row, values] : rows) best.push({row, delta_score(query, metric, values.data())});
  return best.take();
}

void require_same(const LiveDelta& delta, const DeltaRows& rows, QueryView query, bool is_all = false) {
  REQUIRE(delta.size() == rows.size());
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    const auto expected = exact(rows, query, metric, 10);
    const auto found = found_by(delta, query, metric, 10, is_all);
    REQUIRE(found.size() == expected.size());
    for (std::size_t r = 0; r < found.size(); ++r) {
      REQUIRE(found[r].row == expected[r].row);
      REQUIRE(found[r].score == expected[r].score);
    }
  }
}

/// Takes a row out, one time in so many, or gives it new values.
void change(std::mt19937& random, Row row, std::size_t one_in, std::size_t dim, std::size_t n_centers, LiveDelta& delta,
            DeltaRows& rows) {
  if (random() % one_in == 0) {
    delta.erase(row);
    rows.erase(row);
  } else {
    rows[row] = drawn_row(random, dim, n_centers);
    delta.put(row, rows[row]);
  }
}

TEST_CASE("LiveDelta: what a few thousand rows hold is found exactly, whatever came, changed and went") {
  std::mt19937 random(1);
  for (const std::size_t dim : {3UL, 64UL, 100UL}) {
    LiveDelta delta;
    DeltaRows rows;
    for (std::size_t step = 0; step < 3000; ++step) {
      change(random, static_cast<Row>(random() % 2000), 4, dim, 12, delta, rows);
      if (step % 100 != 0) continue;
      if (step % 300 == 0) (void)delta.snapshot();
      require_same(delta, rows, drawn_row(random, dim, 12));
    }
    for (Row row = 0; row < 2000; ++row) {
      const float* found = delta.find(row);
      REQUIRE((found != nullptr) == rows.contains(row));
      if (found != nullptr) REQUIRE(std::equal(rows[row].begin(), rows[row].end(), found));
    }
    for (Row row = 0; row < 2000; ++row) delta.erase(row);
    REQUIRE(delta.size() == 0);
    REQUIRE(found_by(delta, drawn_row(random, dim, 12), Metric::l2, 10, false).empty());
    rows = {{7, drawn_row(random, dim, 12)}};
    delta.put(7, rows[7]);
    require_same(delta, rows, drawn_row(random, dim, 12));
  }
}

TEST_CASE("LiveDelta: a snapshot stays as it is") {
  std::mt19937 random(2);
  LiveDelta delta;
  DeltaRows rows;
  std::vector<std::pair<LiveDelta, DeltaRows>> shown;
  for (std::size_t batch = 0; batch < 20; ++batch) {
    for (std::size_t i = 0; i < 150; ++i) {
      change(random, static_cast<Row>(random() % 1500), 5, 24, 5, delta, rows);
    }
    shown.emplace_back(delta.snapshot(), rows);
  }
  const std::vector<float> query = drawn_row(random, 24, 5);
  for (const auto& [snapshot, then] : shown) {
    require_same(snapshot, then, query);
    for (const auto& [row, values] : then) REQUIRE(std::equal(values.begin(), values.end(), snapshot.find(row)));
  }
}

TEST_CASE("LiveDelta: past some thousands of rows it looks at a part of them, and finds nearly all that counts") {
  std::mt19937 random(3);
  LiveDelta delta;
  DeltaRows rows;
  for (Row row = 0; row < 20'000; ++row) {
    rows[row] = drawn_row(random, 32, 200);
    delta.put(row, rows[row]);
  }
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    std::size_t hits = 0;
    for (std::size_t asked = 0; asked < 50; ++asked) {
      const std::vector<float> query = drawn_row(random, 32, 200);
      std::size_t seen = 0;
      const auto found = found_by(delta, query, metric, 10, false, &seen);
      REQUIRE(seen <= LiveDelta::scanned_rows + DeltaList::most);
      for (const Neighbor& neighbor : exact(rows, query, metric, 10)) {
        hits += static_cast<std::size_t>(std::count_if(
            found.begin(), found.end(), [&](const Neighbor& other) { return other.row == neighbor.row; }));
      }
    }
    REQUIRE(hits >= 480);
  }
  require_same(delta, rows, drawn_row(random, 32, 200), true);
}

TEST_CASE("LiveDelta: rows that come and go in turn leave nothing behind") {
  std::mt19937 random(5);
  LiveDelta delta;
  DeltaRows rows;
  for (Row row = 0; row < 6000; ++row) {
    rows[row] = drawn_row(random, 16, 40);
    delta.put(row, rows[row]);
    if (row >= 100) {
      delta.erase(row - 100);
      rows.erase(row - 100);
    }
    if (row % 500 == 0) (void)delta.snapshot();
    if (row % 250 == 0) require_same(delta, rows, drawn_row(random, 16, 40));
  }
  require_same(delta, rows, drawn_row(random, 16, 40));
}

TEST_CASE("LiveDelta: a limit ends a search, which says so") {
  std::mt19937 random(6);
  LiveDelta delta;
  for (Row row = 0; row < 200; ++row) delta.put(row, drawn_row(random, 16, 40));
  const std::atomic<bool> stop{true};
  IndexSearchStats stats;
  IndexSearchOptions options;
  options.limit.stop = &stop;
  options.stats = &stats;
  TopK best(10);
  const auto query = drawn_row(random, 16, 40);
  REQUIRE(delta.search(
              query, Metric::l2, -1e30f, false, [](Row) { return true; }, options, best) == 0);
  REQUIRE(stats.stopped);
}

TEST_CASE("LiveDelta: equal rows, zeros and rows past the range of float are found like any") {
  std::mt19937 random(4);
  LiveDelta delta;
  DeltaRows rows;
  const auto put = [&](Row row, std::vector<float> values) {
    rows[row] = std::move(values);
    delta.put(row, rows[row]);
  };
  for (Row row = 0; row < 600; ++row) put(row, std::vector<float>(16, 1.0f));
  for (Row row = 600; row < 900; ++row) put(row, std::vector<float>(16, 0.0f));
  for (Row row = 900; row < 1300; ++row) put(row, std::vector<float>(16, 1e-36f * static_cast<float>(row)));
  for (Row row = 1300; row < 1320; ++row) {
    std::vector<float> huge = drawn_row(random, 16, 3);
    for (float& x : huge) x *= 1e30f;
    put(row, huge);
  }
  for (int asked = 0; asked < 20; ++asked) require_same(delta, rows, drawn_row(random, 16, 3));
  require_same(delta, rows, std::vector<float>(16, 1e25f));
  require_same(delta, rows, std::vector<float>(16, -1e-30f));
}

}  // namespace
}  // namespace pefa::live::detail
