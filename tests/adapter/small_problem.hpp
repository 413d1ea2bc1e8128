// The problem that tests/reference/reference.py makes, and what it computed of it.
#pragma once

#include <Eigen/Core>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "pefa/store/relevance_matrix.hpp"
#include "support.hpp"

namespace pefa::test {

/// 60 passages, 200 training queries, 8 test queries in 16 dimensions. Passages 50 to 59 have no training query.
struct SmallProblem {
  static constexpr std::size_t dim = 16;
  RowMajorMatrix passages = unit(noise(1, 60));
  RowMajorMatrix queries = near(2, 200);
  RowMajorMatrix tests = near(3, 8);
  RelevanceMatrix relevance = make_relevance();

  [[nodiscard]] EmbeddingView<float> p() const { return EmbeddingView<float>(passages); }
  [[nodiscard]] EmbeddingView<float> q() const { return EmbeddingView<float>(queries); }
  [[nodiscard]] EmbeddingView<float> x() const { return EmbeddingView<float>(tests); }

 private:
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  [[nodiscard]] static Matrix noise(std::uint32_t stream, std::size_t rows) {
    Matrix result(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(dim));
    for (std::uint32_t i = 0; i < result.size(); ++i) {
      std::uint32_t k = i + (stream << 20);
      for (int round = 0; round < 2; ++round) k = (k ^ (k >> 16)) * 0x45D9F3BU;
      k ^= k >> 16;
      result.data()[i] = static_cast<double>(k >> 8) / 8388608.0 - 1.0;
    }
    return result;
  }
  [[nodiscard]] static RowMajorMatrix unit(Matrix rows) {
    rows.rowwise().normalize();
    return rows.cast<float>();
  }
  [[nodiscard]] RowMajorMatrix near(std::uint32_t stream, std::size_t rows) const {
    Matrix result = noise(stream, rows);
    for (Eigen::Index i = 0; i < result.rows(); ++i) result.row(i) += passages.row(i * 7 % 45).cast<double>();
    return unit(result);
  }
  [[nodiscard]] static RelevanceMatrix make_relevance() {
    std::vector<RelevancePair> pairs;
    for (Row i = 0; i < 200; ++i) {
      pairs.push_back({QueryId(i), PassageId(i * 7 % 45), 1.0f});
      if (i % 3 == 0) pairs.push_back({QueryId(i), PassageId(i * 11 % 50), 2.0f});
    }
    return RelevanceMatrix::from_pairs(pairs, 200, 60, DuplicatePolicy::last);
  }
};

/// What reference.py wrote.
inline const nlohmann::json& expected() {
  static const nlohmann::json all = nlohmann::json::parse(
      std::ifstream(std::filesystem::path(PEFA_SHIPPED_DATA) / "../../tests/reference/expected/small.json"));
  return all;
}

/// One of its matrices.
inline Eigen::MatrixXd matrix_of(const nlohmann::json& rows) {
  Eigen::MatrixXd result(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(rows.at(0).size()));
  for (Eigen::Index i = 0; i < result.rows(); ++i) {
    for (Eigen::Index j = 0; j < result.cols(); ++j) {
      result(i, j) = rows.at(static_cast<std::size_t>(i)).at(static_cast<std::size_t>(j)).get<double>();
    }
  }
  return result;
}

/// The rows of a store as doubles.
inline Eigen::MatrixXd matrix_of(const EmbeddingStore<float>& rows) {
  return Eigen::Map<const RowMajorMatrix>(rows.row(0), static_cast<Eigen::Index>(rows.size()),
                                          static_cast<Eigen::Index>(rows.dim()))
      .cast<double>();
}

/// Every step-th row.
inline Eigen::MatrixXd every(const Eigen::MatrixXd& rows, Eigen::Index step) {
  Eigen::MatrixXd result((rows.rows() + step - 1) / step, rows.cols());
  for (Eigen::Index i = 0; i < result.rows(); ++i) result.row(i) = rows.row(i * step);
  return result;
}

/// The largest difference of an element. @throws nothing; shapes are required to agree
inline double difference(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  REQUIRE(a.rows() == b.rows());
  REQUIRE(a.cols() == b.cols());
  return (a - b).cwiseAbs().maxCoeff();
}

}  // namespace pefa::test
