#include "pefa/eval/fuse.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "catch.hpp"

using namespace pefa;

namespace {

using List = std::vector<Hit>;

List list(const std::vector<std::pair<Row, float>>& pairs) {
  List hits;
  for (const auto& [row, score] : pairs) hits.push_back({PassageId(row), score});
  return hits;
}

std::vector<Row> rows(const List& hits) {
  std::vector<Row> found;
  for (const Hit& hit : hits) found.push_back(hit.passage.row());
  return found;
}

/// A random ranking of some of `n` passages; scores of few different values tie.
List random_list(std::mt19937& random, Row n, std::size_t size, int values) {
  std::vector<Row> order(n);
  for (Row row = 0; row < n; ++row) order[row] = row;
  std::shuffle(order.begin(), order.end(), random);
  List hits;
  for (std::size_t i = 0; i < size; ++i) {
    const int value = static_cast<int>(random() % static_cast<unsigned>(values));
    hits.push_back({PassageId(order[i]), static_cast<float>(value) / 7.0f - 3.0f});
  }
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
    return a.score > b.score || (a.score == b.score && a.passage < b.passage);
  });
  return hits;
}

/// Fusing as its definition reads, one passage of the collection after the other.
List oracle(const std::vector<List>& lists, const FuseParams& params, Row n) {
  List fused;
  for (Row row = 0; row < n; ++row) {
    double score = 0.0;
    bool is_found = false;
    for (std::size_t l = 0; l < lists.size(); ++l) {
      const double weight = params.weights.empty() ? 1.0 : params.weights[l];
      double sum = 0.0;
      for (const Hit& hit : lists[l]) sum += hit.score;
      const double count = static_cast<double>(lists[l].size());
      double variance = 0.0;
      for (const Hit& hit : lists[l]) variance += (hit.score - sum / count) * (hit.score - sum / count) / (count - 1);
      for (std::size_t i = 0; i < lists[l].size(); ++i) {
        if (lists[l][i].passage.row() != row) continue;
        is_found = is_found || weight > 0.0;
        const double s = lists[l][i].score;
        const double lowest = lists[l].back().score;
        const double highest = lists[l].front().score;
        const bool is_flat = lowest == highest;
        if (params.method == FuseMethod::rrf) score += weight / (params.rank_constant + static_cast<double>(i) + 1.0);
        if (params.method == FuseMethod::linear) score += is_flat ? weight : weight * (s - lowest) / (highest - lowest);
        if (params.method == FuseMethod::dbsf) {
          score += weight * (is_flat ? 0.5 : std::max(0.0, (s - sum / count) / (6.0 * std::sqrt(variance)) + 0.5));
        }
      }
    }
    if (is_found) fused.push_back({PassageId(row), static_cast<float>(score)});
  }
  std::stable_sort(fused.begin(), fused.end(), [](const Hit& a, const Hit& b) { return a.score > b.score; });
  if (params.top_k > 0 && fused.size() > params.top_k) fused.resize(params.top_k);
  return fused;
}

constexpr FuseMethod all_methods[] = {FuseMethod::rrf, FuseMethod::dbsf, FuseMethod::linear};

}  // namespace

TEST_CASE("fuse: equals the definition passage by passage, for lists of any length, weights and depth") {
  std::mt19937 random(1);
  constexpr Row n = 60;
  for (int round = 0; round < 300; ++round) {
    std::vector<List> lists;
    for (std::size_t l = 0; l < 2 + random() % 3; ++l) {
      lists.push_back(random_list(random, n, random() % 40, round % 3 == 0 ? 5 : 100'000));
    }
    for (const FuseMethod method : all_methods) {
      FuseParams params{.method = method, .rank_constant = round % 2 == 0 ? 60.0 : 0.0, .top_k = random() % 30};
      if (round % 4 > 0) {
        for (std::size_t l = 0; l < lists.size(); ++l) params.weights.push_back(0.25 * static_cast<double>(1 + l));
      }
      const List expected = oracle(lists, params, n);
      const List got = fuse(lists, params);
      REQUIRE(got.size() == expected.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        REQUIRE(got[i].score == Approx(expected[i].score).epsilon(1e-6).margin(1e-6));
        // Where rounding alone decides, either order is right.
        const bool is_clear = (i == 0 || expected[i - 1].score - expected[i].score > 1e-5f) &&
                              (i + 1 == got.size() || expected[i].score - expected[i + 1].score > 1e-5f);
        if (is_clear && i + 1 < got.size()) REQUIRE(got[i].passage == expected[i].passage);
        if (i > 0) {
          REQUIRE(ranks_before({got[i - 1].passage.row(), got[i - 1].score}, {got[i].passage.row(), got[i].score}));
        }
      }
    }
  }
}

TEST_CASE("fuse: reciprocal ranks add up as in the paper, and the scores do not matter") {
  const List a = list({{4, 9.0f}, {7, 8.0f}, {1, 0.5f}});
  const List b = list({{7, 0.3f}, {2, 0.2f}});
  const List fused = fuse({a, b});
  REQUIRE(rows(fused) == std::vector<Row>{7, 4, 2, 1});
  REQUIRE(fused[0].score == static_cast<float>(1.0 / 62 + 1.0 / 61));
  REQUIRE(fused[1].score == static_cast<float>(1.0 / 61));
  REQUIRE(fused[2].score == static_cast<float>(1.0 / 62));
  REQUIRE(fused[3].score == static_cast<float>(1.0 / 63));
}

TEST_CASE("fuse: linear is the weighted sum of scores between the lowest and the highest") {
  const List a = list({{0, 10.0f}, {1, 6.0f}, {2, 2.0f}});
  const List b = list({{2, 0.9f}, {3, 0.5f}});
  const List fused = fuse({a, b}, {.method = FuseMethod::linear, .weights = {0.25, 0.75}});
  REQUIRE(rows(fused) == std::vector<Row>{2, 0, 1, 3});
  REQUIRE(fused[0].score == 0.75f);
  REQUIRE(fused[1].score == 0.25f);
  REQUIRE(fused[2].score == 0.125f);
  REQUIRE(fused[3].score == 0.0f);  // the last of a list is in the result, with nothing
}

TEST_CASE("fuse: dbsf places scores between the mean minus and plus 3 standard deviations") {
  const List a = list({{0, 3.0f}, {1, 2.0f}, {2, 1.0f}});  // mean 2, s = 1: between -1 and 5
  const List fused = fuse({a, List{}}, {.method = FuseMethod::dbsf, .weights = {2.0, 1.0}});
  REQUIRE(rows(fused) == std::vector<Row>{0, 1, 2});
  REQUIRE(fused[0].score == Approx(2.0 * 4 / 6));
  REQUIRE(fused[1].score == Approx(2.0 * 3 / 6));
  REQUIRE(fused[2].score == Approx(2.0 * 2 / 6));

  List outlier;  // far above: past 1; far below: not below what a passage gets that is missing
  for (Row row = 0; row < 30; ++row)
    outlier.push_back({PassageId(row), row == 0 ? 1000.0f : row == 29 ? -1000.0f : 1.0f});
  const List stretched = fuse({outlier, list({{99, 1.0f}})}, {.method = FuseMethod::dbsf, .weights = {1.0, 1e-3}});
  REQUIRE(stretched.front().score > 1.0f);
  REQUIRE(stretched.back() == Hit{PassageId(29), 0.0f});
}

TEST_CASE("fuse: a passage that a list lacks gets nothing from it, whatever the sign of its scores") {
  const List a = list({{0, -1.0f}, {1, -2.0f}, {2, -3.0f}});
  const List b = list({{1, -7.0f}, {3, -8.0f}});
  for (const FuseMethod method : all_methods) {
    REQUIRE(rows(fuse({a, b}, {.method = method}))[0] == 1);
    REQUIRE(fuse({a, b}, {.method = method}).back().score >= 0.0f);
  }
}

TEST_CASE("fuse: equal scores order by ascending passage, whatever the order of the lists") {
  const List a = list({{9, 1.0f}, {3, 0.5f}});
  const List b = list({{3, 8.0f}, {9, 4.0f}});
  for (const FuseMethod method : all_methods) {
    REQUIRE(rows(fuse({a, b}, {.method = method})) == std::vector<Row>{3, 9});
    REQUIRE(rows(fuse({b, a}, {.method = method})) == std::vector<Row>{3, 9});
  }
  const List c = list({{5, 1.0f}, {2, 1.0f}});  // a tie within a list: its ranks count for rrf, its scores for the rest
  const List d = list({{8, 1.0f}});
  REQUIRE(rows(fuse({c, d}, {.method = FuseMethod::rrf})) == std::vector<Row>{5, 8, 2});
  REQUIRE(rows(fuse({c, d}, {.method = FuseMethod::linear})) == std::vector<Row>{2, 5, 8});
  REQUIRE(rows(fuse({c, d}, {.method = FuseMethod::dbsf})) == std::vector<Row>{2, 5, 8});
}

TEST_CASE("fuse: lists of one hit and of equal scores give 1 by linear and a half by dbsf") {
  const List one = list({{4, -2.5f}});
  const List equal = list({{4, 0.1f}, {5, 0.1f}, {6, 0.1f}});
  const List linear = fuse({one, equal}, {.method = FuseMethod::linear});
  REQUIRE(linear == List{{PassageId(4), 2.0f}, {PassageId(5), 1.0f}, {PassageId(6), 1.0f}});
  const List dbsf = fuse({one, equal}, {.method = FuseMethod::dbsf});
  REQUIRE(dbsf == List{{PassageId(4), 1.0f}, {PassageId(5), 0.5f}, {PassageId(6), 0.5f}});
}

TEST_CASE("fuse: empty lists give nothing, and nothing but empty lists no result") {
  const List a = list({{2, 1.0f}, {1, 0.5f}});
  for (const FuseMethod method : all_methods) {
    REQUIRE(rows(fuse({a, List{}, List{}}, {.method = method})) == std::vector<Row>{2, 1});
    REQUIRE(fuse({List{}, List{}}, {.method = method}).empty());
    REQUIRE(fuse(std::vector<List>{}, {.method = method}).empty());
  }
}

TEST_CASE("fuse: where one list alone has a weight, its ranking stays as it is, and the others' passages are out") {
  const List a = list({{7, 1.0f}, {3, 1.0f}, {5, std::nextafter(1.0f, 0.0f)}, {1, -1e30f}});
  const List b = list({{1, 5.0f}, {2, 4.0f}});
  for (const FuseMethod method : all_methods) {
    REQUIRE(rows(fuse({a, b}, {.method = method, .weights = {1.0, 0.0}})) == std::vector<Row>{7, 3, 5, 1});
    REQUIRE(rows(fuse({a, b}, {.method = method, .weights = {1.0, 0.0}, .top_k = 2})) == std::vector<Row>{7, 3});
    REQUIRE(rows(fuse({a, b}, {.method = method, .weights = {0.0, 0.3}})) == std::vector<Row>{1, 2});
    REQUIRE(rows(fuse({a, b, List{}}, {.method = method, .weights = {0.0, 1.0, 1.0}})) == std::vector<Row>{1, 2});
  }
}

TEST_CASE("fuse: the greatest floats and weights stay finite") {
  constexpr float most = std::numeric_limits<float>::max();
  const List a = list({{0, most}, {1, 0.0f}, {2, -most}});
  const List b = list({{2, 1e-45f}, {1, 0.0f}});
  for (const FuseMethod method : all_methods) {
    for (const Hit& hit : fuse({a, b}, {.method = method, .weights = {1e9, 1e9}})) REQUIRE(std::isfinite(hit.score));
  }
}

TEST_CASE("fuse: what cannot be fused is refused, whatever the method and the weight") {
  const List good = list({{0, 1.0f}, {1, 0.5f}});
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (const FuseMethod method : all_methods) {
    const auto refused = [&](const List& bad, const std::string& what) {
      REQUIRE_ERROR(ValueError, "fuse: list 1" + what, fuse({good, bad}, {.method = method, .weights = {1.0, 0.0}}));
    };
    refused(list({{0, std::nanf("")}}), ", hit 0 has score nan, expected a finite one");
    refused(list({{0, infinity}}), ", hit 0 has score inf");
    refused(list({{0, 1.0f}, {1, -infinity}}), ", hit 1 has score -inf");
    refused(list({{0, 1.0f}, {1, 2.0f}}), ", hit 1 has a higher score, 2, than the one before, 1; expected the best");
    refused(list({{3, 1.0f}, {4, 0.9f}, {3, 0.8f}}), " has passage 3 twice");
    const auto weights = [&](const std::vector<double>& values, const std::string& what) {
      REQUIRE_ERROR(ValueError, what, fuse({good, good}, {.method = method, .weights = values}));
    };
    weights({1.0, -0.1}, "the weight of list 1 is -0.1, expected 0 to 1e+09");
    weights({nan, 1.0}, "the weight of list 0 is nan");
    weights({1.0, 2e9}, "the weight of list 1 is 2e+09");
    weights({0.0, 0.0}, "all 2 weights are 0, expected one above 0");
    REQUIRE_ERROR(ShapeError, "3 weights for 2 lists, expected one each",
                  fuse({good, good}, {.method = method, .weights = {1, 1, 1}}));
    REQUIRE_ERROR(ValueError, "rank_constant is -1", fuse({good, good}, {.method = method, .rank_constant = -1.0}));
  }
}

TEST_CASE("fuse_runs: query by query, and only runs of as many") {
  const Run a = {list({{0, 1.0f}}), {}, list({{2, 1.0f}, {1, 0.5f}})};
  const Run b = {list({{1, 1.0f}}), list({{3, 1.0f}}), list({{1, 2.0f}})};
  const std::vector<Run> runs{a, b};
  const Run fused = fuse_runs(runs);
  REQUIRE(fused.size() == 3);
  for (std::size_t query = 0; query < 3; ++query) REQUIRE(fused[query] == fuse({a[query], b[query]}));
  REQUIRE(fuse_runs({}).empty());
  const std::vector<Run> uneven{a, {List{}}};
  REQUIRE_ERROR(ShapeError, "run 1 has 1 queries, run 0 has 3", fuse_runs(uneven));
}
