#include "pefa/index/code_table.hpp"

#include "catch.hpp"
#include "index/saved_index.hpp"
#include "io/archive/archive_tools.hpp"
#include "pefa/index/quantized_hnsw_index.hpp"
#include "pefa/index/quantized_hnsw_index_archive.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::test;
using pefa::detail::CodedQuery;
using pefa::detail::CodeTable;

namespace {

/// Rows most of whose variance lies in a few directions, as in real embeddings, and away from the origin.
RowMajorMatrix uneven_rows(std::size_t n, std::size_t dim, unsigned seed) {
  RowMajorMatrix rows = random_matrix(n, dim, seed, Normalize::none);
  for (Eigen::Index d = 0; d < rows.cols(); ++d) rows.col(d) *= std::exp(-0.05f * static_cast<float>(d));
  rows.col(0).array() += 3.0f;
  const RowMajorMatrix turn = random_matrix(dim, dim, seed + 1);
  RowMajorMatrix turned = rows * turn;
  turned.rowwise().normalize();
  return turned;
}

/// Longer ones, past the dim up to which all axes are found: 40 directions and a little of everything.
RowMajorMatrix long_rows(std::size_t n, std::size_t dim, unsigned seed) {
  RowMajorMatrix inner = random_matrix(n, 40, seed, Normalize::none);
  for (Eigen::Index d = 0; d < 40; ++d) inner.col(d) *= std::exp(-0.05f * static_cast<float>(d));
  RowMajorMatrix rows = inner * random_matrix(40, dim, 99);
  rows += 2.0f * random_matrix(n, dim, seed + 1);
  rows.array() += 0.1f;
  rows.rowwise().normalize();
  return rows;
}

/// The score of a row by its codes, head and tail.
float code_score(const CodeTable& table, const CodedQuery& query, Row row) {
  std::vector<std::int8_t> codes(table.code_bytes());
  table.copy_codes(row, codes.data());
  std::int32_t dot = 0;
  for (std::size_t i = 0; i < codes.size(); ++i) dot += std::int32_t{codes[i]} * std::int32_t{query.codes[i]};
  return static_cast<float>(dot) * (query.scale * table.terms(row).scale) + table.terms(row).offset;
}

}  // namespace

TEST_CASE("CodeTable: scores by codes differ from the exact ones by a constant of the query and little else") {
  const Metric metric = GENERATE(Metric::inner_product, Metric::l2);
  const CodeSplit split = GENERATE(CodeSplit::never, CodeSplit::always);
  const std::size_t dim = GENERATE(std::size_t{150}, std::size_t{800});
  const RowMajorMatrix rows = dim == 150 ? uneven_rows(400, dim, 1) : long_rows(400, dim, 1);
  const RowMajorMatrix queries = dim == 150 ? uneven_rows(10, dim, 1) : long_rows(10, dim, 3);
  const CodeTable table(EmbeddingView<float>(rows), metric, split, AnyExecutor{});
  REQUIRE(table.is_split() == (split == CodeSplit::always));
  CodedQuery query;
  for (Eigen::Index q = 0; q < queries.rows(); ++q) {
    table.encode({queries.row(q).data(), dim}, query);
    double sum = 0.0;
    double squares = 0.0;
    for (Row row = 0; row < 400; ++row) {
      const float product = rows.row(row).dot(queries.row(q));
      const float exact = metric == Metric::inner_product ? product : 2.0f * product - rows.row(row).squaredNorm();
      const double difference = static_cast<double>(code_score(table, query, row) - exact);
      sum += difference;
      squares += difference * difference;
    }
    const double deviation = std::sqrt(std::max(0.0, squares / 400.0 - sum * sum / 160'000.0));
    REQUIRE(deviation < 0.006);
  }
}

TEST_CASE("CodeTable: the tail's deviation says how far heads alone are off") {
  const std::size_t dim = GENERATE(std::size_t{150}, std::size_t{800});
  const RowMajorMatrix rows = dim == 150 ? uneven_rows(2000, dim, 3) : long_rows(2000, dim, 3);
  const CodeTable table(EmbeddingView<float>(rows), Metric::inner_product, CodeSplit::always, AnyExecutor{});
  CodedQuery query;
  double ratio = 0.0;
  for (Eigen::Index q = 0; q < 20; ++q) {
    table.encode({rows.row(q).data(), dim}, query);
    double squares = 0.0;
    for (Row row = 100; row < 2000; ++row) {
      std::int32_t dot = 0;
      for (std::size_t i = 0; i < table.tail_bytes(); ++i) {
        dot += std::int32_t{table.tails()[row * table.tail_bytes() + i]} *
               std::int32_t{query.codes[table.head_bytes() + i]};
      }
      const float left_out = static_cast<float>(dot) * query.scale * table.terms(row).scale;
      squares += std::pow(static_cast<double>(left_out / (query.tail_deviation * table.terms(row).tail)), 2.0);
    }
    ratio += std::sqrt(squares / 1900.0) / 20.0;
  }
  REQUIRE(ratio == Approx(1.0).epsilon(0.25));
}

TEST_CASE("CodeTable: splits by itself only where rows are many and a short head holds most of their variance") {
  const auto is_split = [](const RowMajorMatrix& rows) {
    return CodeTable(EmbeddingView<float>(rows), Metric::inner_product, CodeSplit::automatic, AnyExecutor{}).is_split();
  };
  REQUIRE(is_split(uneven_rows(1000, 200, 5)));
  REQUIRE_FALSE(is_split(uneven_rows(300, 200, 5)));     // too few rows to learn 200 axes from
  REQUIRE_FALSE(is_split(random_matrix(1000, 200, 6)));  // the same variance everywhere
  REQUIRE_FALSE(is_split(uneven_rows(1000, 40, 7)));     // short anyway
  REQUIRE(is_split(long_rows(3300, 800, 5)));
  REQUIRE_FALSE(is_split(long_rows(3000, 800, 5)));
  REQUIRE_FALSE(is_split(random_matrix(3300, 800, 6)));
}

TEST_CASE("CodeTable: rows whose squares are past the range of float have no axes and stay whole") {
  const std::size_t dim = GENERATE(std::size_t{100}, std::size_t{800});
  const RowMajorMatrix rows = 1e30f * (dim == 100 ? uneven_rows(500, dim, 9) : long_rows(500, dim, 9));
  const CodeTable table(EmbeddingView<float>(rows), Metric::inner_product, CodeSplit::always, AnyExecutor{});
  REQUIRE_FALSE(table.is_split());
}

TEST_CASE("CodeTable::encode: a row as a query has its own codes, and a deviation near that of the row itself") {
  const std::size_t dim = GENERATE(std::size_t{100}, std::size_t{800});
  const RowMajorMatrix rows = dim == 100 ? uneven_rows(500, dim, 8) : long_rows(500, dim, 8);
  const CodeTable table(EmbeddingView<float>(rows), Metric::inner_product, CodeSplit::always, AnyExecutor{});
  CodedQuery query;
  std::vector<std::int8_t> codes(table.code_bytes());
  for (Row i = 0; i < 500; i += 50) {
    table.encode(i, query);
    table.copy_codes(i, codes.data());
    REQUIRE(std::equal(codes.begin(), codes.end(), query.codes.begin(), query.codes.end()));
    REQUIRE(query.scale == table.terms(i).scale);
    REQUIRE(query.tail_deviation >= 0.0f);
    REQUIRE(query.tail_deviation <= table.terms(i).tail * 1.05f);
  }
}

TEST_CASE("CodeTable: is the same for any number of threads") {
  const std::size_t dim = GENERATE(std::size_t{100}, std::size_t{800});
  const RowMajorMatrix rows = dim == 100 ? uneven_rows(1000, dim, 9) : long_rows(1000, dim, 9);
  const EmbeddingView<float> view(rows);
  const CodeTable one(view, Metric::inner_product, CodeSplit::always, AnyExecutor::serial());
  const CodeTable two(view, Metric::inner_product, CodeSplit::always, ThreadExecutor(2));
  REQUIRE(std::equal(one.heads(), one.heads() + 1000 * one.head_bytes(), two.heads()));
  REQUIRE(std::equal(one.tails(), one.tails() + 1000 * one.tail_bytes(), two.tails()));
}

TEST_CASE("CodeTable::encode: a query of zeros has codes and deviations of zero") {
  const RowMajorMatrix rows = uneven_rows(100, 100, 10);
  const CodeTable table(EmbeddingView<float>(rows), Metric::inner_product, CodeSplit::always, AnyExecutor{});
  CodedQuery query;
  table.encode(std::vector<float>(100, 0.0f), query);
  REQUIRE(query.scale == 0.0f);
  REQUIRE(query.tail_deviation == 0.0f);
  REQUIRE(std::all_of(query.codes.begin(), query.codes.end(), [](std::int8_t code) { return code == 0; }));
}

TEST_CASE("CodeTable: long rows keep the head's axes alone, in an archive too") {
  const RowMajorMatrix rows = long_rows(300, 900, 11);
  const auto index = QuantizedHnswIndex<>::build(EmbeddingView<float>(rows), {.split = CodeSplit::always});
  const Bytes bytes = saved(index);
  const io::ArchiveReader reader = open_bytes(bytes);
  const auto head_dim = static_cast<std::size_t>(reader.metadata().integer("rows.head_dim"));
  REQUIRE(head_dim < 300);
  REQUIRE(reader.section<std::int8_t>("rows.rotation").size() == head_dim * 960);
  const auto opened = QuantizedHnswIndex<>::open(reader, "rows.");
  for (Eigen::Index q = 0; q < 20; ++q) {
    const QueryView query(rows.row(q).data(), 900);
    REQUIRE(opened.search(query, 10) == index.search(query, 10));
    REQUIRE(opened.search(query, 10)[0].row == static_cast<Row>(q));
  }
}

TEST_CASE("CodeTable: a build is stopped while the axes are sought") {
  const RowMajorMatrix rows = long_rows(6200, 1500, 12);
  const Progress stop = [](std::size_t, std::size_t) { return ProgressAction::stop; };
  REQUIRE_ERROR(Cancelled, "QuantizedHnswIndex::build: stopped by its progress callback after 0 of 6200",
                QuantizedHnswIndex<>::build(EmbeddingView<float>(rows), {}, {ThreadExecutor(2), stop}));
}
