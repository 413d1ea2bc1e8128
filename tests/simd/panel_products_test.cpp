#include "pefa/simd/panel_products.hpp"

#include <Eigen/Core>

#include <cstddef>
#include <cstring>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;

namespace {

simd::Panels panels_of(const RowMajorMatrix& matrix) {
  simd::Panels panels(static_cast<std::size_t>(matrix.rows()), static_cast<std::size_t>(matrix.cols()));
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    for (Eigen::Index j = 0; j < matrix.cols(); ++j) {
      panels(static_cast<std::size_t>(i), static_cast<std::size_t>(j)) = static_cast<double>(matrix(i, j));
    }
  }
  return panels;
}

}  // namespace

TEST_CASE("add_panel_product: adds the product of A transposed and B, for every family and any number of columns") {
  for (const simd::Level level : simd::all_levels) {
    if (!simd::runs(level)) continue;
    const auto kernel = simd::detail::panel_kernel(level);
    for (const std::size_t rows : {1U, 3U, 4U, 8U, 13U, 24U}) {
      for (const std::size_t steps : {1U, 7U, 300U}) {
        const RowMajorMatrix a = test::random_matrix(steps, rows, 1);
        const RowMajorMatrix b = test::random_matrix(steps, 20, 2);
        std::vector<double> left(a.data(), a.data() + a.size());
        const simd::Panels right = panels_of(b);
        std::vector<double> out(rows * simd::panel_width, 1.0);
        kernel(left.data(), rows, right.panel(0), steps, out.data(), rows);
        const Eigen::MatrixXd product = a.cast<double>().transpose() * b.cast<double>();
        for (std::size_t i = 0; i < rows; ++i) {
          for (std::size_t j = 0; j < simd::panel_width; ++j) {
            const double sum = j < 20 ? product(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) : 0.0;
            REQUIRE(out[i * simd::panel_width + j] == Approx(1.0 + sum).margin(1e-12));
          }
        }
      }
    }
  }
}

TEST_CASE("add_panel_product: no steps add nothing") {
  double out = 1.0;
  simd::add_panel_product(nullptr, 1, nullptr, 0, &out, 1);
  REQUIRE(out == 1.0);
}

TEST_CASE("add_panel_product: a row of the product has the same bits however many rows are made at once") {
  const RowMajorMatrix a = test::random_matrix(500, 19, 1);
  const simd::Panels b = panels_of(test::random_matrix(500, 24, 2));
  const std::vector<double> left(a.data(), a.data() + a.size());
  std::vector<double> together(19 * simd::panel_width, 0.0);
  simd::add_panel_product(left.data(), 19, b.panel(0), 500, together.data(), 19);
  for (std::size_t i = 0; i < 19; ++i) {
    std::vector<double> alone(simd::panel_width, 0.0);
    simd::add_panel_product(left.data() + i, 19, b.panel(0), 500, alone.data(), 1);
    REQUIRE(std::memcmp(alone.data(), together.data() + i * simd::panel_width, sizeof(double) * alone.size()) == 0);
  }
}
