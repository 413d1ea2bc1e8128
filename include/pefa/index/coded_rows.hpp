// pefa: the rows of a code table compared with each other: what a graph is built by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "pefa/core/aligned_vector.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/index/code_products.hpp"
#include "pefa/index/code_table.hpp"

namespace pefa::detail {

/// Squared distances between rows as their codes have them, ‖x − y‖². Where rows are lifted (lift.hpp), the lifting
/// coordinates count as one more dimension. Const and safe from any number of threads.
class CodedRows {
 public:
  /// What a thread needs to compare; reused.
  struct Scratch {
    AlignedVector<std::int8_t> codes;
    CodeProductScratch products;
  };

  /// @param lifts  a coordinate a row; empty: none. It and the table must outlive the rows
  /// @param terms  what each row adds to the product of its codes with another's when rows near that are looked for;
  /// empty: −‖x‖²/2, which makes them the nearest by distance
  CodedRows(const CodeTable& table, std::span<const float> lifts, const AnyExecutor& executor,
            std::vector<float> terms = {})
      : table_(table), lifts_(lifts), terms_(std::move(terms)), squares_(table.size()), products_(table) {
    for_each_block(executor, table.size(), 1024, [&](std::size_t begin, std::size_t end) {
      AlignedVector<std::int8_t> codes(table_.code_bytes());
      for (std::size_t i = begin; i < end; ++i) {
        const auto row = static_cast<Row>(i);
        table_.copy_codes(row, codes.data());
        const float scale = table_.terms(row).scale;
        const auto dot = static_cast<float>(products_.dot(codes.data(), row));
        squares_[i] = dot * (scale * scale) + lift(row) * lift(row);
      }
    });
  }

  [[nodiscard]] const CodeTable& table() const noexcept { return table_; }
  [[nodiscard]] std::size_t size() const noexcept { return squares_.size(); }
  /// ‖x‖².
  [[nodiscard]] float square(Row row) const noexcept { return squares_[row]; }
  /// What the row adds to its score in a search.
  [[nodiscard]] float term(Row row) const noexcept { return terms_.empty() ? -0.5f * squares_[row] : terms_[row]; }
  /// ‖x − y‖² of a row x and a row y that a search for x scored.
  [[nodiscard]] float distance_of(Row x, Row y, float score) const noexcept {
    return rankable(square(x) + square(y) - 2.0f * (score - term(y)));
  }
  /// The lifting coordinate, or 0.
  [[nodiscard]] float lift(Row row) const noexcept { return lifts_.empty() ? 0.0f : lifts_[row]; }

  /// The distances from one row to others; −infinity where they are not numbers. @param distances  one a row
  void distances(Row from, std::span<const Row> to, Scratch& scratch, float* distances) const {
    if (to.empty()) return;
    scratch.codes.resize(table_.code_bytes());
    table_.copy_codes(from, scratch.codes.data());
    const std::int32_t* dots = products_.dots(scratch.codes.data(), to, scratch.products);
    const float scale = table_.terms(from).scale;
    for (std::size_t i = 0; i < to.size(); ++i) {
      const float product = static_cast<float>(dots[i]) * (scale * table_.terms(to[i]).scale);
      distances[i] = rankable(square(from) + square(to[i]) - 2.0f * (product + lift(from) * lift(to[i])));
    }
  }

 private:
  const CodeTable& table_;
  std::span<const float> lifts_;
  std::vector<float> terms_;
  std::vector<float> squares_;
  CodeProducts products_;
};

}  // namespace pefa::detail
