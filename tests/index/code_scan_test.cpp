#include "pefa/index/code_scan.hpp"

#include "catch.hpp"
#include "pefa/simd/kernels.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::BoundedCodes;
using pefa::detail::CandidateRows;
using pefa::detail::ScoreBounds;

namespace {

BoundedCodes encoded(const RowMajorMatrix& rows) {
  BoundedCodes codes(static_cast<std::size_t>(rows.rows()), static_cast<std::size_t>(rows.cols()));
  for (Eigen::Index i = 0; i < rows.rows(); ++i) codes.encode(static_cast<std::size_t>(i), rows.row(i).data());
  return codes;
}

}  // namespace

TEST_CASE("ScoreBounds: hold the exact score of every row between them, at any length") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  const float length = GENERATE(1e-43f, 1e-38f, 1e-6f, 1.0f, 3e4f, 3e35f);
  for (const Eigen::Index dim : {1, 7, 64, 300}) {
    const RowMajorMatrix rows = length * random_matrix(300, static_cast<std::size_t>(dim), 1, Normalize::none);
    RowMajorMatrix queries = random_matrix(20, static_cast<std::size_t>(dim), 2, Normalize::none);
    queries.row(3) *= 1e-30f;
    queries.row(4) *= 1e4f;
    const BoundedCodes row_codes = encoded(rows);
    const BoundedCodes query_codes = encoded(queries);
    const auto dot = simd::dot_kernel<float>();
    const auto squared = simd::squared_l2_kernel<float>();
    ScoreBounds bounds(metric);
    std::vector<float> lower(290);
    std::vector<float> upper(290);
    for (std::size_t q = 0; q < 20; ++q) {
      bounds.compute(query_codes, q, row_codes, 10, 290, lower.data(), upper.data());
      const float* query = queries.row(static_cast<Eigen::Index>(q)).data();
      for (std::size_t i = 0; i < 290; ++i) {
        const float* row = rows.row(static_cast<Eigen::Index>(i + 10)).data();
        const auto n = static_cast<std::size_t>(dim);
        const float exact = metric == Metric::inner_product ? dot(query, row, n, 1.0f) : -squared(query, row, n, 1.0f);
        if (exact != exact) continue;  // no number: in no order with anything
        REQUIRE(lower[i] <= exact);
        REQUIRE(exact <= upper[i]);
      }
    }
  }
}

TEST_CASE("ScoreBounds: are open where a kernel's sum may pass the range of float on its way") {
  const RowMajorMatrix row = RowMajorMatrix::Constant(1, 64, 1e19f);
  ScoreBounds bounds(Metric::inner_product);
  float lower = 0.0f;
  float upper = 0.0f;
  bounds.compute(encoded(row), 0, encoded(row), 0, 1, &lower, &upper);
  REQUIRE(lower == -std::numeric_limits<float>::infinity());
  REQUIRE(upper == std::numeric_limits<float>::infinity());
}

TEST_CASE("CandidateRows: keeps every row that may be among the best k, and drops what cannot") {
  CandidateRows candidates(2);
  const std::vector<float> lower{0.5f, 0.1f, 0.6f, 0.0f, 0.4f};
  const std::vector<float> upper{0.7f, 0.3f, 0.8f, 0.2f, 0.5f};
  candidates.offer(10, lower.data(), upper.data(), lower.size());
  std::vector<Row> rows;
  for (const Neighbor& candidate : candidates.take()) rows.push_back(candidate.row);
  REQUIRE(rows == std::vector<Row>{10, 12, 14});  // 14's upper bound equals the second lower bound
}

TEST_CASE("CandidateRows: fewer rows than k are all kept") {
  CandidateRows candidates(10);
  const std::vector<float> bounds{3.0f, 1.0f, 2.0f};
  candidates.offer(0, bounds.data(), bounds.data(), 3);
  REQUIRE(candidates.take().size() == 3);
}
