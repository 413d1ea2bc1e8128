// pefa: a block of queries against many rows, as tiles of matrix products that stay in the cache. tune()'s tool; a
// FlatIndex is the exact search of one query or a batch.
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/rankable.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/simd/score_panels.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

// A tile of scores, tile_queries x tile_rows floats, and the rows it is made of stay in the L2 cache.
inline constexpr std::size_t tile_queries = 64;
inline constexpr std::size_t tile_rows = 5 * simd::score_panel_width;

/// Offers rows first, first + 1, … with their scores. A run of rows that cannot enter costs one vectorised maximum.
inline void push_scores(TopK& best, const float* scores, std::size_t n, std::size_t first) {
  constexpr std::size_t run = 64;
  for (std::size_t begin = 0; begin < n; begin += run) {
    const std::size_t end = std::min(n, begin + run);
    const auto count = static_cast<Eigen::Index>(end - begin);
    if (Eigen::Map<const Eigen::ArrayXf>(scores + begin, count).maxCoeff() < best.floor()) continue;
    for (std::size_t i = begin; i < end; ++i) best.push({static_cast<Row>(first + i), scores[i]});
  }
}

/// The rows row_of(0), …, row_of(n - 1) as floats.
template <class Scalar, class RowOf>
void decode_rows(const EmbeddingView<Scalar>& rows, std::size_t n, const RowOf& row_of, RowMajorMatrix& decoded) {
  decoded.resize(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(rows.dim()));
  for (std::size_t i = 0; i < n; ++i) rows.decode(row_of(i), decoded.data() + i * rows.dim());
}

/// The queries as a block to be multiplied.
[[nodiscard]] inline simd::QueryBlock block_of(const RowMajorMatrix& queries) {
  return {queries.data(), static_cast<std::size_t>(queries.rows()), static_cast<std::size_t>(queries.cols())};
}

/// scores = the queries times n rows. [n_queries x n]
inline void multiply(simd::QueryBlock& queries, const float* rows, std::size_t n, RowMajorMatrix& scores) {
  scores.resize(static_cast<Eigen::Index>(queries.size()), static_cast<Eigen::Index>(n));
  queries.multiply(rows, n, scores.data());
}

/// Calls on_tile(first, scores) for the rows row_of(0), …, row_of(n - 1), tile after tile: scores is [n_queries x rows
/// of the tile], those of row_of(first), row_of(first + 1), …, as search would rank them.
template <class Scalar, class RowOf, class OnTile>
void for_each_tile(simd::QueryBlock& queries, const EmbeddingView<Scalar>& rows, std::size_t n, const RowOf& row_of,
                   const OnTile& on_tile) {
  RowMajorMatrix decoded;
  RowMajorMatrix scores;
  for (std::size_t first = 0; first < n; first += tile_rows) {
    decode_rows(
        rows, std::min(tile_rows, n - first), [&](std::size_t i) { return row_of(first + i); }, decoded);
    multiply(queries, decoded.data(), static_cast<std::size_t>(decoded.rows()), scores);
    for (float& score : std::span(scores.data(), static_cast<std::size_t>(scores.size()))) score = rankable(score);
    on_tile(first, scores);
  }
}

struct NoOneElse {
  void operator()(std::size_t, const RowMajorMatrix&) const {}
};

/// The best of those rows for each query, as positions: i for row_of(i).
/// @param best     by query, of the size wanted
/// @param on_tile  who else is to see the tiles
template <class Scalar, class RowOf, class OnTile = NoOneElse>
[[nodiscard]] std::vector<std::vector<Neighbor>> best_rows(simd::QueryBlock& queries, const EmbeddingView<Scalar>& rows,
                                                           std::size_t n, const RowOf& row_of, std::vector<TopK> best,
                                                           const OnTile& on_tile = {}) {
  for_each_tile(queries, rows, n, row_of, [&](std::size_t first, const RowMajorMatrix& scores) {
    const auto width = static_cast<std::size_t>(scores.cols());
    for (std::size_t q = 0; q < best.size(); ++q) push_scores(best[q], scores.data() + q * width, width, first);
    on_tile(first, scores);
  });
  std::vector<std::vector<Neighbor>> found;
  for (TopK& each : best) found.push_back(each.take());
  return found;
}

}  // namespace pefa::detail
