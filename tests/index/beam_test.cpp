#include "pefa/index/beam.hpp"

#include <algorithm>
#include <random>

#include "catch.hpp"

using namespace pefa;
using pefa::detail::Beam;
using pefa::detail::SeenRows;

TEST_CASE("Beam: holds the best of what was offered, sorted") {
  std::mt19937 random(1);
  for (const std::size_t width : {std::size_t{1}, std::size_t{7}, std::size_t{64}}) {
    Beam beam;
    beam.reset(width);
    std::vector<float> scores;
    for (Row row = 0; row < 300; ++row) {
      const auto score = static_cast<float>(random() % 100000);
      scores.push_back(score);
      if (beam.admits(score)) beam.insert(row, score);
    }
    std::sort(scores.begin(), scores.end(), std::greater<>());
    REQUIRE(beam.size() == width);
    for (std::size_t i = 0; i < width; ++i) REQUIRE(beam[i].score == scores[i]);
  }
}

TEST_CASE("Beam: every candidate is expanded once, the best unexpanded one first, whenever it came") {
  Beam beam;
  beam.reset(4);
  beam.insert(10, 1.0f);
  beam.insert(11, 3.0f);
  REQUIRE(beam.peek()->row() == 11);
  REQUIRE(beam.expand_next()->row() == 11);
  beam.insert(12, 5.0f);  // better than what was expanded
  beam.insert(13, 2.0f);
  REQUIRE(beam.expand_next()->row() == 12);
  REQUIRE(beam.expand_next()->row() == 13);
  REQUIRE(beam.expand_next()->row() == 10);
  REQUIRE(beam.expand_next() == nullptr);
  REQUIRE(beam.peek() == nullptr);
  REQUIRE_FALSE(beam.admits(1.0f));
  REQUIRE(beam.admits(1.5f));
  beam.insert(14, 1.5f);  // 10 leaves
  REQUIRE(beam.expand_next()->row() == 14);
  beam.reset(2);
  REQUIRE(beam.size() == 0);
  REQUIRE(beam.expand_next() == nullptr);
}

TEST_CASE("Beam: rows up to its limit come back whole") {
  Beam beam;
  beam.reset(1);
  const auto largest = static_cast<Row>(Beam::row_limit - 1);
  beam.insert(largest, 0.0f);
  REQUIRE(beam.expand_next()->row() == largest);
  REQUIRE(beam[0].row() == largest);
}

TEST_CASE("SeenRows: lists each row once, until it is cleared") {
  SeenRows seen(1000);
  const std::vector<Row> first{1, 63, 64, 999, 63};
  const auto fresh = seen.insert(first);
  REQUIRE(std::vector<Row>(fresh.begin(), fresh.end()) == std::vector<Row>{1, 63, 64, 999});
  const std::vector<Row> second{64, 65, 1};
  const auto fresher = seen.insert(second);
  REQUIRE(std::vector<Row>(fresher.begin(), fresher.end()) == std::vector<Row>{65});
  seen.clear();
  REQUIRE(seen.insert(first).size() == 4);
}
