// pefa: walking rows of a table given by number, each fetched into the cache while those before it are at work.
//
// A walk over random rows waits for memory. Several rows at once, their next ones fetched a cache line at a time
// between the products, keep more lines in flight than one row after the other.
#pragma once

#include <algorithm>
#include <cstddef>

#include "pefa/core/ids.hpp"
#include "pefa/simd/scalar_kernels.hpp"

namespace pefa::simd::detail {

inline constexpr std::size_t cache_line = 64;

/// Fetches `bytes` bytes from p on.
inline void fetch(const void* p, std::size_t bytes) noexcept {
  for (std::size_t at = 0; at < bytes; at += cache_line) __builtin_prefetch(static_cast<const char*>(p) + at);
}

/// As many rows are summed at once on x86; with two, fewer lines are in flight and more of a miss shows.
inline constexpr std::size_t group_rows = 4;

/// n rows to be summed at once, and those to fetch meanwhile.
template <class Scalar, std::size_t n>
struct RowGroup {
  const Scalar* row[n];
  const Scalar* next[n];

  /// The rows from `first` on, which has n of them; the last group fetches what is left.
  RowGroup(const Scalar* table, std::size_t stride, const Row* rows, std::size_t first, std::size_t count) noexcept {
    for (std::size_t k = 0; k < n; ++k) {
      row[k] = table + rows[first + k] * stride;
      next[k] = table + rows[std::min(first + n + k, count - 1)] * stride;
    }
  }

  explicit RowGroup(const Scalar* one) noexcept : row{one}, next{one} {}
};

template <class Scalar>
void fetch_rows(const Scalar* table, std::size_t stride, std::size_t dim, const Row* rows, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) fetch(table + rows[i] * stride, dim * sizeof(Scalar));
}

/// What the elements of a row are multiplied with: 1 unless they are codes, whose table may come without scales.
template <class Scalar>
[[nodiscard]] float row_scale([[maybe_unused]] const float* scales, [[maybe_unused]] Row row) noexcept {
  if constexpr (is_coded<Scalar>) return scales == nullptr ? 1.0f : scales[row];
  return 1.0f;
}

/// sums(query, group, dim, scales, out) for group_rows rows at a time, and one(query, row, dim, scale) for those left
/// over.
template <class Scalar, auto sums, auto one>
void grouped_rows(const float* query, const Scalar* table, std::size_t stride, std::size_t dim, const Row* rows,
                  std::size_t count, const float* scales, float* out) noexcept {
  constexpr std::size_t n = group_rows;
  const auto scale = [scales, rows](std::size_t i) { return row_scale<Scalar>(scales, rows[i]); };
  fetch_rows(table, stride, dim, rows, std::min(n, count));
  std::size_t i = 0;
  for (; i + n <= count; i += n) {
    float group_scales[n];
    for (std::size_t k = 0; k < n; ++k) group_scales[k] = scale(i + k);
    sums(query, RowGroup<Scalar, n>(table, stride, rows, i, count), dim, group_scales, out + i);
  }
  for (; i < count; ++i) out[i] = one(query, table + rows[i] * stride, dim, scale(i));
}

/// one(query, row, dim, scale) for every row, the next one fetched meanwhile.
template <class Scalar, auto one>
void single_rows(const float* query, const Scalar* table, std::size_t stride, std::size_t dim, const Row* rows,
                 std::size_t count, const float* scales, float* out) noexcept {
  fetch_rows(table, stride, dim, rows, std::min<std::size_t>(1, count));
  for (std::size_t i = 0; i < count; ++i) {
    if (i + 1 < count) fetch_rows(table, stride, dim, rows + i + 1, 1);
    out[i] = one(query, table + rows[i] * stride, dim, row_scale<Scalar>(scales, rows[i]));
  }
}

}  // namespace pefa::simd::detail
