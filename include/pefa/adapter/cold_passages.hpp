// pefa: what passages without training queries would be asked, guessed from passages like them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::detail {

/// How many warm passages lend to a cold one; 3 are somewhat worse on measured data.
inline constexpr std::size_t lenders = 10;
/// Cold passages are taken in blocks of this many; a block's directions are the extra memory beside the warm ones.
inline constexpr std::size_t borrowing_block = 1024;

/// out = Π(row i) as floats.
template <class Scalar>
void direction(const EmbeddingView<Scalar>& rows, std::size_t i, float* out) {
  rows.decode(i, out);
  const double norm = std::sqrt(squared_norm(rows, i));
  for (std::size_t d = 0; d < rows.dim(); ++d) out[d] = static_cast<float>(static_cast<double>(out[d]) / norm);
}

/// Gives each cold passage a pseudo-embedding: its own direction, moved as those of its nearest warm passages are moved
/// by their queries: C_j = Π(Π(p_j) + mean over the 10 nearest warm w of (C_w − Π(p_w))).
///
/// @param counts      the number of training queries of each passage; at least one is above 0
/// @param aggregated  C [n_passages x dim]; the rows of warm passages are read, those of cold ones written
/// O(n_cold · n_warm · dim), an exact search. The same bits for any number of threads.
template <class Scalar>
void borrow_pseudo_embeddings(const EmbeddingView<Scalar>& passages, const std::vector<std::size_t>& counts,
                              EmbeddingStore<float>& aggregated, const BuildOptions& options) {
  const std::size_t dim = passages.dim();
  std::vector<std::size_t> warm;
  std::vector<std::size_t> cold;
  for (std::size_t j = 0; j < counts.size(); ++j) (counts[j] > 0 ? warm : cold).push_back(j);
  if (cold.empty()) return;
  auto directions = EmbeddingStore<float>::for_overwrite(warm.size(), dim);
  for (std::size_t w = 0; w < warm.size(); ++w) direction(passages, warm[w], directions.mutable_row(w));
  const auto index = FlatIndex<float>::build(std::move(directions), {}, {options.executor, {}});

  ProgressMeter meter(options.progress, cold.size(), "borrow_pseudo_embeddings");
  for (std::size_t begin = 0; begin < cold.size(); begin += borrowing_block) {
    const std::size_t size = std::min(borrowing_block, cold.size() - begin);
    auto asking = EmbeddingStore<float>::for_overwrite(size, dim);
    for (std::size_t i = 0; i < size; ++i) direction(passages, cold[begin + i], asking.mutable_row(i));
    const auto nearest = index.search_batch(asking.view(), lenders, {}, options.executor);
    options.executor.run(size, [&](std::size_t i) {
      std::vector<double> sum(dim, 0.0);
      for (const Neighbor& lender : nearest[i]) {
        const float* from = index.rows().row(lender.row);
        const float* to = aggregated.row(warm[lender.row]);
        for (std::size_t d = 0; d < dim; ++d) sum[d] += static_cast<double>(to[d]) - static_cast<double>(from[d]);
      }
      double squares = 0.0;
      for (std::size_t d = 0; d < dim; ++d) {
        sum[d] = static_cast<double>(asking.row(i)[d]) + sum[d] / static_cast<double>(nearest[i].size());
        squares += sum[d] * sum[d];
      }
      const double factor = squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0;
      float* out = aggregated.mutable_row(cold[begin + i]);
      for (std::size_t d = 0; d < dim; ++d) out[d] = static_cast<float>(sum[d] * factor);
    });
    meter.add(size);
  }
}

}  // namespace pefa::detail
