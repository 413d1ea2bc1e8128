// pefa: the products of a query's codes with those of rows, which may have heads and tails: of every row whole, or of
// those only whose heads promise enough.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/index/code_table.hpp"
#include "pefa/simd/code_kernels.hpp"

namespace pefa::detail {

/// What one thread's products need; reused, so that they do not allocate after the first.
struct CodeProductScratch {
  std::vector<std::int32_t> dots;
  std::vector<Row> promising;  ///< rows whose tails are read
  std::vector<std::int32_t> head_dots;
  std::vector<std::int32_t> tail_dots;
};

/// Of one table, which must outlive it. Const and safe from any number of threads, each with a scratch of its own.
class CodeProducts {
 public:
  explicit CodeProducts(const CodeTable& table) : table_(table), kernels_(simd::code_kernels()) {}

  /// With one row, by head and tail. @param codes  head block, then tail block
  [[nodiscard]] std::int32_t dot(const std::int8_t* codes, Row row) const noexcept {
    std::int32_t dot = kernels_.dot(codes, table_.heads() + row * table_.head_bytes(), table_.head_bytes());
    if (table_.is_split()) {
      dot += kernels_.dot(codes + table_.head_bytes(), table_.tails() + row * table_.tail_bytes(), table_.tail_bytes());
    }
    return dot;
  }

  /// The same with several; valid until the scratch is used again.
  [[nodiscard]] const std::int32_t* dots(const std::int8_t* codes, std::span<const Row> rows,
                                         CodeProductScratch& scratch) const {
    if (scratch.dots.size() < rows.size()) scratch.dots.resize(rows.size());
    head_dots(codes, rows, scratch.dots.data());
    if (table_.is_split()) {
      if (scratch.tail_dots.size() < rows.size()) scratch.tail_dots.resize(rows.size());
      tail_dots(codes, rows, scratch.tail_dots.data());
      for (std::size_t i = 0; i < rows.size(); ++i) scratch.dots[i] += scratch.tail_dots[i];
    }
    return scratch.dots.data();
  }

  /// Calls take(row, score) for those of some rows whose scores may pass, in their order; all where there are no tails.
  /// @param allowance  standard deviations of the unread tail that a head's score may lack
  /// @param score_of   (std::int32_t dot, Row row, const CodeTable::Terms& terms): its score
  /// @param passes     (float score): whether a row of that score is of use
  template <class ScoreOf, class Passes, class Take>
  void for_promising(const CodedQuery& query, std::span<const Row> rows, float allowance, CodeProductScratch& scratch,
                     const ScoreOf& score_of, const Passes& passes, const Take& take) const {
    if (scratch.head_dots.size() < rows.size()) {
      for (auto* dots : {&scratch.head_dots, &scratch.tail_dots}) dots->resize(rows.size());
      scratch.promising.resize(rows.size());
    }
    const std::int8_t* codes = query.codes.data();
    std::int32_t* heads = scratch.head_dots.data();
    head_dots(codes, rows, heads);
    if (!table_.is_split()) {
      for (std::size_t i = 0; i < rows.size(); ++i) take(rows[i], score_of(heads[i], rows[i], table_.terms(rows[i])));
      return;
    }
    std::size_t count = 0;  // at most i, so that what is kept overwrites what was read
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const CodeTable::Terms terms = table_.terms(rows[i]);
      const float score = score_of(heads[i], rows[i], terms);
      const bool promises = passes(score + allowance * query.tail_deviation * terms.tail);
      scratch.promising[count] = rows[i];
      heads[count] = heads[i];
      count += promises ? 1U : 0U;
    }
    const std::span<const Row> promising(scratch.promising.data(), count);
    tail_dots(codes, promising, scratch.tail_dots.data());
    for (std::size_t i = 0; i < count; ++i) {
      const Row row = promising[i];
      take(row, score_of(heads[i] + scratch.tail_dots[i], row, table_.terms(row)));
    }
  }

  /// Asks for the memory of some rows' heads.
  void prefetch(std::span<const Row> rows) const noexcept {
    for (const Row row : rows) {
      const std::int8_t* head = table_.heads() + row * table_.head_bytes();
      for (std::size_t line = 0; line < table_.head_bytes(); line += 64) __builtin_prefetch(head + line);
    }
  }

 private:
  void head_dots(const std::int8_t* codes, std::span<const Row> rows, std::int32_t* dots) const noexcept {
    kernels_.dot_rows(codes, table_.heads(), table_.head_bytes(), rows.data(), rows.size(), dots);
  }
  void tail_dots(const std::int8_t* codes, std::span<const Row> rows, std::int32_t* dots) const noexcept {
    kernels_.dot_rows(codes + table_.head_bytes(), table_.tails(), table_.tail_bytes(), rows.data(), rows.size(), dots);
  }

  const CodeTable& table_;
  simd::CodeKernels kernels_;
};

}  // namespace pefa::detail
