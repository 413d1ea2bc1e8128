// pefa: how much of a hub each training query is: near to many others, and so a neighbour that says little.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "pefa/adapter/fit_params.hpp"
#include "pefa/adapter/policies.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

namespace detail {

/// `size` of the rows [0, n), ascending: those whose numbers hash lowest (SplitMix64). Another row changes one at most.
[[nodiscard]] inline std::vector<Row> seeded_sample(std::size_t n, std::size_t size, std::uint64_t seed) {
  std::vector<std::pair<std::uint64_t, Row>> hashed(n);
  for (std::size_t i = 0; i < n; ++i) {
    std::uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    hashed[i] = {z ^ (z >> 31), static_cast<Row>(i)};
  }
  const auto kept = static_cast<std::ptrdiff_t>(std::min(n, size));
  std::nth_element(hashed.begin(), hashed.begin() + std::max<std::ptrdiff_t>(0, kept - 1), hashed.end());
  std::vector<Row> sample;
  for (auto it = hashed.begin(); it != hashed.begin() + kept; ++it) sample.push_back(it->second);
  std::sort(sample.begin(), sample.end());
  return sample;
}

/// The mean of the scores, of one at least: r of a query whose nearest these are.
[[nodiscard]] inline float mean_score(std::span<const Neighbor> nearest) {
  double sum = 0.0;
  for (const Neighbor& neighbor : nearest) sum += static_cast<double>(neighbor.score);
  return static_cast<float>(sum / static_cast<double>(nearest.size()));
}

}  // namespace detail

/// r(q): the mean similarity of a query to its nearest others among some training queries, the local scaling of Conneau
/// et al. (ICLR 2018). Neighbours are then ranked by s_i − β·r_i.
///
/// Similarity is the inner product, meant for rows of unit length (the whitened ones). Immutable: safe to use from
/// several threads. Keeps the sample, 4·sample_size·dim bytes.
class Hubness {
 public:
  /// @param queries  Q [n_train_queries x dim], finite
  /// @throws ValueError  no queries, nearest is 0, a sample of fewer than 2
  template <class Scalar>
  [[nodiscard]] static Hubness fit(const EmbeddingView<Scalar>& queries, const HubnessParams& params = {}) {
    if (queries.empty()) detail::fail<ValueError>("Hubness::fit: no training queries, expected at least 1");
    if (params.nearest == 0 || params.sample_size < 2) {
      detail::fail<ValueError>("Hubness::fit: the nearest ", params.nearest, " of a sample of ", params.sample_size,
                               ", expected at least 1 and 2");
    }
    std::vector<Row> sample = detail::seeded_sample(queries.size(), params.sample_size, params.seed);
    auto rows = EmbeddingStore<float>::for_overwrite(sample.size(), queries.dim());
    for (std::size_t i = 0; i < sample.size(); ++i) queries.decode(sample[i], rows.mutable_row(i));
    return Hubness(FlatIndex<float>::build(std::move(rows), {}, {AnyExecutor::serial(), {}}), std::move(sample),
                   params);
  }

  [[nodiscard]] const std::vector<Row>& sample() const noexcept { return sample_; }  ///< ascending rows of Q

  /// r of a query that is none of the training queries. O(sample_size · dim).
  [[nodiscard]] float of(QueryView query) const {
    return mean(index_.search(query, params_.nearest), std::numeric_limits<Row>::max());
  }

  /// r_i of every training query, itself left out; 0 where there is no other. [n_train_queries]
  /// @param queries  the rows that were fitted on
  /// O(n_train_queries · sample_size · dim). The same bits for any number of threads.
  template <class Scalar>
  [[nodiscard]] std::vector<float> of_all(const EmbeddingView<Scalar>& queries,
                                          const BuildOptions& options = {}) const {
    ProgressMeter meter(options.progress, queries.size(), "Hubness::of_all");
    std::vector<float> result(queries.size());
    for (std::size_t begin = 0; begin < queries.size(); begin += chunk) {
      const std::size_t size = std::min(chunk, queries.size() - begin);
      auto asking = EmbeddingStore<float>::for_overwrite(size, queries.dim());
      for (std::size_t i = 0; i < size; ++i) queries.decode(begin + i, asking.mutable_row(i));
      const auto nearest = index_.search_batch(asking.view(), params_.nearest + 1, {}, options.executor);
      for (std::size_t i = 0; i < size; ++i) result[begin + i] = mean(nearest[i], static_cast<Row>(begin + i));
      meter.add(size);
    }
    return result;
  }

 private:
  static constexpr std::size_t chunk = 4096;

  Hubness(FlatIndex<float> index, std::vector<Row> sample, const HubnessParams& params)
      : params_(params), sample_(std::move(sample)), index_(std::move(index)) {}

  /// The mean of the best scores, one of which is the query's own where it is in the sample. Where copies of it rank
  /// before it, it may not be among `found`: then the last stands for it, which has the same score.
  [[nodiscard]] float mean(const std::vector<Neighbor>& found, Row self) const {
    double sum = 0.0;
    std::size_t count = 0;
    for (const Neighbor& neighbor : found) {
      if (count == params_.nearest) break;
      if (sample_[neighbor.row] == self) continue;
      sum += static_cast<double>(neighbor.score);
      ++count;
    }
    return count == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(count));
  }

  HubnessParams params_;
  std::vector<Row> sample_;
  FlatIndex<float> index_;  // over the sampled rows
};

namespace detail {

/// What ranks neighbours beside their similarity.
struct HubOffsets {
  std::vector<float> offsets{};  ///< β·(r_i − r̄) of every training query, which the scores of its index lack; or none
  float mean = 0.0f;             ///< r̄
};

/// r_i of every training query less their mean, and that mean. A number that is the same for all changes no ranking.
template <class Scalar>
[[nodiscard]] HubOffsets centred_hubness(const EmbeddingView<Scalar>& queries, const BuildOptions& options) {
  HubOffsets hubness{Hubness::fit(queries).of_all(queries, options)};
  double sum = 0.0;
  for (const float r : hubness.offsets) sum += static_cast<double>(r);
  hubness.mean = static_cast<float>(sum / static_cast<double>(queries.size()));
  for (float& r : hubness.offsets) r -= hubness.mean;
  return hubness;
}

/// Training queries with one more element, [q_i; −β·(r_i − r̄)]: asked with [q̂; 1], an index ranks by s_i − β·r_i,
/// exactly as far as it is exact. A number that is the same for all, r̄, changes no ranking, and keeps the element small
/// beside the others. Directions for KnnSimilarity::cosine.
template <class Scalar>
[[nodiscard]] EmbeddingStore<float> append_hubness(const EmbeddingView<Scalar>& queries, KnnSimilarity similarity,
                                                   float beta, HubOffsets& hubness, const BuildOptions& options) {
  const Normalize normalize = similarity == KnnSimilarity::cosine ? Normalize::unit : Normalize::none;
  const auto rows = EmbeddingStore<float>::from(queries, normalize);
  hubness = centred_hubness(rows.view(), options);
  for (float& r : hubness.offsets) r *= beta;
  auto extended = EmbeddingStore<float>::for_overwrite(rows.size(), rows.dim() + 1);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    float* out = extended.mutable_row(i);
    std::copy_n(rows.row(i), rows.dim(), out);
    out[rows.dim()] = -hubness.offsets[i];
  }
  return extended;
}

}  // namespace detail
}  // namespace pefa
