#include "pefa/index/residual_codes.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

#include "catch.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::CodedQuery;
using pefa::detail::CodeTable;
using pefa::detail::DecodedQuery;
using pefa::detail::ResidualCodes;

namespace {

ResidualCodes residuals_of(const RowMajorMatrix& rows, const CodeTable& codes) {
  const Progress progress;
  ProgressMeter meter(progress, static_cast<std::size_t>(rows.rows()), "test");
  return ResidualCodes(EmbeddingView<float>(rows), codes, AnyExecutor{}, meter);
}

std::vector<Row> every_row(const RowMajorMatrix& rows) {
  std::vector<Row> all;
  for (Eigen::Index i = 0; i < rows.rows(); ++i) all.push_back(static_cast<Row>(i));
  return all;
}

}  // namespace

TEST_CASE("ResidualCodes: scores and rows are near the exact ones, for every form of codes") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  const auto [dim, split] =
      GENERATE(std::pair(std::size_t{37}, CodeSplit::never), std::pair(std::size_t{150}, CodeSplit::always),
               std::pair(std::size_t{151}, CodeSplit::never), std::pair(std::size_t{800}, CodeSplit::always));
  RowMajorMatrix rows = random_matrix(300, dim, 1);
  rows.array() += 0.02f;  // with a mean that counts
  const RowMajorMatrix queries = random_matrix(5, dim, 2);
  const CodeTable codes(EmbeddingView<float>(rows), metric, split, AnyExecutor{});
  REQUIRE(codes.is_split() == (split == CodeSplit::always));
  const ResidualCodes residuals = residuals_of(rows, codes);
  const std::vector<Row> all = every_row(rows);
  std::vector<float> scores(all.size());
  DecodedQuery form;
  double error = 0.0;
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    const QueryView query(queries.row(q).data(), dim);
    residuals.prepare(query, codes, nullptr, form);
    residuals.scores(codes, all, form, scores.data());
    for (const Row row : all) {
      const float exact = metric == Metric::inner_product ? rows.row(row).dot(queries.row(q))
                                                          : -(rows.row(row) - queries.row(q)).squaredNorm();
      REQUIRE(scores[row] == Approx(exact).margin(1e-3));
      error += static_cast<double>(std::abs(scores[row] - exact));
      float alone = 0.0f;
      residuals.scores(codes, {&row, 1}, form, &alone);
      REQUIRE(alone == scores[row]);  // to the bit
    }
    CodedQuery walked;
    codes.encode(query, walked);
    residuals.prepare(query, codes, &walked, form);
    std::vector<float> again(all.size());
    residuals.scores(codes, all, form, again.data());
    REQUIRE(again == scores);
  }
  REQUIRE(error / static_cast<double>(queries.rows()) / static_cast<double>(all.size()) < 2e-4);

  RowMajorMatrix by_codes;
  std::vector<float> decoded(dim);
  for (const Row row : {Row{0}, Row{299}}) {
    codes.decode(row, row + 1, codes.decoded_axes(), by_codes);
    residuals.decode(row, codes, decoded.data());
    float largest = 0.0f;
    for (std::size_t d = 0; d < dim; ++d) {
      largest = std::max(largest, std::abs(by_codes.data()[d] - rows(row, static_cast<Eigen::Index>(d))));
    }
    REQUIRE(largest > 0.0f);
    for (std::size_t d = 0; d < dim; ++d) {
      REQUIRE(std::abs(decoded[d] - rows(row, static_cast<Eigen::Index>(d))) <= largest / 2.0f);
    }
  }
}

TEST_CASE("ResidualCodes: an L2 score is never above 0, and no rows give no scores") {
  const RowMajorMatrix rows = random_matrix(100, 24, 3);
  const CodeTable codes(EmbeddingView<float>(rows), Metric::l2, CodeSplit::never, AnyExecutor{});
  const ResidualCodes residuals = residuals_of(rows, codes);
  DecodedQuery form;
  for (Row row = 0; row < 100; ++row) {
    const QueryView query(rows.row(row).data(), 24);
    residuals.prepare(query, codes, nullptr, form);
    float score = 1.0f;
    residuals.scores(codes, {&row, 1}, form, &score);
    REQUIRE(score <= 0.0f);
    REQUIRE(score > -1e-3f);
    residuals.scores(codes, {}, form, nullptr);
  }
  REQUIRE(ResidualCodes().empty());
  REQUIRE_FALSE(residuals.empty());
  REQUIRE(residuals.memory_bytes() == 100 * (32 + 4));
}
