#include "pefa/index/link_choice.hpp"

#include <algorithm>
#include <array>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::CodedRows;
using pefa::detail::CodeTable;
using pefa::detail::LinkCandidate;
using pefa::detail::LinkChoice;

namespace {

std::vector<Row> rows_of(const std::vector<LinkCandidate>& candidates) {
  std::vector<Row> rows;
  for (const LinkCandidate& each : candidates) rows.push_back(each.row);
  return rows;
}

/// The rule, one pair at a time.
std::vector<Row> expected_links(const CodedRows& rows, Row node, float alpha, std::size_t most) {
  CodedRows::Scratch scratch;
  const auto distance = [&](Row a, Row b) {
    float value = 0.0f;
    rows.distances(a, {&b, 1}, scratch, &value);
    return value;
  };
  std::vector<LinkCandidate> all;
  for (Row row = 0; row < rows.size(); ++row) {
    if (row != node) all.push_back({distance(node, row), row});
  }
  std::sort(all.begin(), all.end());
  std::vector<Row> kept;
  for (const LinkCandidate& each : all) {
    const bool stood_for = std::any_of(kept.begin(), kept.end(),
                                       [&](Row link) { return alpha * distance(link, each.row) < each.distance; });
    if (!stood_for && kept.size() < most) kept.push_back(each.row);
  }
  return kept;
}

}  // namespace

TEST_CASE("LinkChoice: on a line the nearest on either side stand for all behind them") {
  RowMajorMatrix rows(7, 2);
  rows << -3, 1, -2, 1, -1, 1, 0, 1, 1, 1, 2, 1, 3.5f, 1;
  const CodeTable table(EmbeddingView<float>(rows), Metric::l2, CodeSplit::never, AnyExecutor::serial());
  const CodedRows coded(table, {}, AnyExecutor::serial());
  LinkChoice choice(coded, 1.0f);
  std::vector<LinkCandidate> candidates;
  choice.weigh(3, std::vector<Row>{6, 5, 4, 2, 1, 0}, candidates);
  choice.choose(candidates, 10);
  std::vector<Row> links = rows_of(candidates);
  std::sort(links.begin(), links.end());
  REQUIRE(links == std::vector<Row>{2, 4});
}

TEST_CASE("LinkChoice: chooses what the rule does pair by pair, whatever the order of the candidates") {
  const float alpha = GENERATE(1.0f, 1.2f);
  const CodeSplit split = GENERATE(CodeSplit::never, CodeSplit::always);
  const RowMajorMatrix rows = random_matrix(300, 80, 3);
  const CodeTable table(EmbeddingView<float>(rows), Metric::inner_product, split, AnyExecutor::serial());
  const std::vector<float> lifts(300, 0.5f);
  const CodedRows coded(table, lifts, AnyExecutor::serial());
  LinkChoice choice(coded, alpha);
  for (const std::size_t most : {std::size_t{3}, std::size_t{300}}) {
    std::vector<Row> others;
    for (Row row = 300; row-- > 0;) {
      if (row != 17) others.push_back(row);
    }
    std::vector<LinkCandidate> candidates;
    choice.weigh(17, others, candidates);
    choice.choose(candidates, most);
    REQUIRE(rows_of(candidates) == expected_links(coded, 17, alpha, most));
  }
}

TEST_CASE("CodedRows: distances are those of the rows within the codes' error, lifted or not") {
  const RowMajorMatrix rows = random_matrix(100, 96, 5);
  const CodeSplit split = GENERATE(CodeSplit::never, CodeSplit::always);
  const CodeTable table(EmbeddingView<float>(rows), Metric::inner_product, split, AnyExecutor::serial());
  std::vector<float> lifts(100);
  for (std::size_t i = 0; i < 100; ++i) lifts[i] = static_cast<float>(i) / 50.0f;
  const CodedRows plain(table, {}, AnyExecutor::serial());
  const CodedRows lifted(table, lifts, AnyExecutor::serial());
  CodedRows::Scratch scratch;
  std::array<float, 2> found{};
  const std::vector<Row> to{7, 90};
  for (Row from = 0; from < 100; from += 9) {
    plain.distances(from, to, scratch, found.data());
    for (std::size_t i = 0; i < 2; ++i) {
      const float expected = (rows.row(from) - rows.row(to[i])).squaredNorm();
      REQUIRE(found[i] == Approx(expected).epsilon(0.03).margin(0.1));
    }
    const std::array<float, 2> before = found;
    lifted.distances(from, to, scratch, found.data());
    for (std::size_t i = 0; i < 2; ++i) {
      const float apart = lifts[from] - lifts[to[i]];
      REQUIRE(found[i] == Approx(before[i] + apart * apart).margin(0.001));
    }
  }
  plain.distances(0, {}, scratch, nullptr);  // no rows, no distances
}
