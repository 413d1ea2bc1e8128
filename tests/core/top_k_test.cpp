#include "pefa/core/top_k.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

#include "catch.hpp"

using namespace pefa;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

std::vector<Neighbor> full_sort(std::vector<Neighbor> all, std::size_t k) {
  std::sort(all.begin(), all.end(), ranks_before);
  all.resize(std::min(k, all.size()));
  return all;
}

std::vector<Neighbor> selected(TopK& top, const std::vector<Neighbor>& all) {
  for (const Neighbor& candidate : all) top.push(candidate);
  return top.take();
}

/// `n` rows, their scores drawn from `distinct` values; few of them means many ties.
std::vector<Neighbor> candidates(std::size_t n, unsigned distinct, std::mt19937& random) {
  std::vector<Neighbor> all;
  for (Row row = 0; row < n; ++row) all.push_back({row, static_cast<float>(random() % distinct) - 2.0f});
  return all;
}

}  // namespace

TEST_CASE("TopK: equals a full sort for every size, k, order of pushes and number of ties") {
  std::mt19937 random(1);
  for (const std::size_t n : {0U, 1U, 2U, 3U, 7U, 64U, 65U, 500U, 3000U}) {
    for (const std::size_t k : {0U, 1U, 2U, 3U, 10U, 63U, 64U, 65U, 499U, 500U, 5000U}) {
      for (const unsigned distinct : {1U, 3U, 50U, 1'000'000U}) {
        std::vector<Neighbor> all = candidates(n, distinct, random);
        const std::vector<Neighbor> expected = full_sort(all, k);
        INFO("n " << n << ", k " << k << ", distinct scores " << distinct);
        TopK top(k);
        REQUIRE(selected(top, all) == expected);  // ascending rows

        std::reverse(all.begin(), all.end());
        REQUIRE(selected(top, all) == expected);

        std::shuffle(all.begin(), all.end(), random);
        REQUIRE(selected(top, all) == expected);

        std::sort(all.begin(), all.end(), ranks_before);  // best first: everything after the first k is refused
        REQUIRE(selected(top, all) == expected);

        std::reverse(all.begin(), all.end());  // worst first: everything enters
        REQUIRE(selected(top, all) == expected);
      }
    }
  }
}

TEST_CASE("TopK: fewer candidates than k come back all, best first") {
  TopK top(10);
  REQUIRE(selected(top, {{4, 1.0f}, {2, 3.0f}, {3, 1.0f}}) == std::vector<Neighbor>{{2, 3.0f}, {3, 1.0f}, {4, 1.0f}});
}

TEST_CASE("TopK: k = 0 keeps nothing") {
  TopK top(0);
  REQUIRE(selected(top, {{0, 1.0f}, {1, infinity}}).empty());
}

TEST_CASE("TopK: a k past every size keeps everything") {
  // 2k wraps to 0 for the first of them.
  for (const std::size_t k :
       {std::numeric_limits<std::size_t>::max() / 2 + 1, std::numeric_limits<std::size_t>::max()}) {
    TopK top(k);
    REQUIRE(selected(top, {{0, 1.0f}, {1, 3.0f}, {2, 2.0f}}) == std::vector<Neighbor>{{1, 3.0f}, {2, 2.0f}, {0, 1.0f}});
  }
}

TEST_CASE("TopK: take leaves it empty, with no floor, and ready for reuse") {
  TopK top(2);
  const std::vector<Neighbor> first = selected(top, {{0, 9.0f}, {1, 8.0f}, {2, 7.0f}, {3, 6.0f}, {4, 5.0f}});
  REQUIRE(first == std::vector<Neighbor>{{0, 9.0f}, {1, 8.0f}});
  REQUIRE(top.floor() == -infinity);
  REQUIRE(top.take().empty());
  REQUIRE(selected(top, {{7, -3.0f}, {6, -4.0f}}) == std::vector<Neighbor>{{7, -3.0f}, {6, -4.0f}});
}

TEST_CASE("TopK: scores of minus infinity are kept where nothing better comes") {
  TopK top(3);
  std::vector<Neighbor> all;
  for (Row row = 0; row < 20; ++row) all.push_back({19 - row, -infinity});
  REQUIRE(selected(top, all) == std::vector<Neighbor>{{0, -infinity}, {1, -infinity}, {2, -infinity}});

  all.push_back({50, -1.0f});
  REQUIRE(selected(top, all) == std::vector<Neighbor>{{50, -1.0f}, {0, -infinity}, {1, -infinity}});
}

TEST_CASE("TopK::floor: rises to the k-th best seen, and skipping what is below it changes nothing") {
  std::mt19937 random(2);
  const std::vector<Neighbor> all = candidates(2000, 100, random);
  TopK top(10);
  REQUIRE(top.floor() == -infinity);
  std::size_t skipped = 0;
  for (const Neighbor& candidate : all) {
    if (candidate.score < top.floor()) {
      ++skipped;
    } else {
      top.push(candidate);
    }
  }
  REQUIRE(skipped > 1000);
  REQUIRE(top.floor() <= full_sort(all, 10).back().score);
  REQUIRE(top.take() == full_sort(all, 10));
}

TEST_CASE("keep_best: the best k, best first, ties by ascending row; all of them where there are fewer") {
  const std::vector<Neighbor> all{{4, 1.0f}, {2, 3.0f}, {9, 1.0f}, {1, 2.0f}, {0, 1.0f}};
  std::vector<Neighbor> some = all;
  keep_best(some, 3);
  REQUIRE(some == std::vector<Neighbor>{{2, 3.0f}, {1, 2.0f}, {0, 1.0f}});
  some = all;
  keep_best(some, 10);
  REQUIRE(some == std::vector<Neighbor>{{2, 3.0f}, {1, 2.0f}, {0, 1.0f}, {4, 1.0f}, {9, 1.0f}});
  keep_best(some, 0);
  REQUIRE(some.empty());
}
