// pefa: the beam width that a recall asks for: measured by searches beside the exact answers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/core/share.hpp"
#include "pefa/core/top_k.hpp"
#include "pefa/index/ann_index.hpp"
#include "pefa/index/filtered_search.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa {

/// A beam width, and what searches find with it.
struct MeasuredEf {
  std::size_t ef = 0;   ///< the beam width
  double recall = 0.0;  ///< the share of the exact best k that they find, the mean over the queries
};

namespace detail {

/// The score of the last of the exact best k of each query.
template <ScoringIndex Index>
[[nodiscard]] std::vector<float> exact_last_scores(const Index& index, const EmbeddingView<float>& queries,
                                                   std::size_t k, const AnyExecutor& executor) {
  constexpr std::size_t block = 256;          // rows that stay in the cache
  constexpr std::size_t queries_at_once = 8;  // while so many are asked
  std::vector<float> last(queries.size());
  for_each_block(executor, queries.size(), queries_at_once, [&](std::size_t begin, std::size_t end) {
    std::vector<TopK> best(end - begin, TopK(k));
    std::vector<Row> rows(block);
    std::vector<float> scores(block);
    for (std::size_t first = 0; first < index.size(); first += block) {
      const std::size_t count = std::min(block, index.size() - first);
      std::iota(rows.begin(), rows.end(), static_cast<Row>(first));
      for (std::size_t q = begin; q < end; ++q) {
        score_rows(index, QueryView(queries.row(q), queries.dim()), std::span<const Row>(rows.data(), count),
                   std::span<float>(scores.data(), count));
        for (std::size_t i = 0; i < count; ++i) best[q - begin].push({rows[i], scores[i]});
      }
    }
    for (std::size_t q = begin; q < end; ++q) last[q] = best[q - begin].take().back().score;
  });
  return last;
}

/// The mean and its standard error.
struct MeanRecall {
  double mean;
  double error;
};

/// What searches of this beam width find. An equal score is as good: which of two equal rows is found says nothing.
template <class Index>
[[nodiscard]] MeanRecall recall_at_ef(const Index& index, const EmbeddingView<float>& queries, std::size_t k,
                                      std::size_t ef, std::span<const float> last, const AnyExecutor& executor) {
  const auto found = search_batch(index, queries, k, {.ef = ef}, executor);
  double sum = 0.0;
  double squares = 0.0;
  for (std::size_t q = 0; q < found.size(); ++q) {
    const auto right =
        std::count_if(found[q].begin(), found[q].end(), [&](const Neighbor& each) { return each.score >= last[q]; });
    const double recall = static_cast<double>(right) / static_cast<double>(k);
    sum += recall;
    squares += recall * recall;
  }
  const auto n = static_cast<double>(found.size());
  const double variance = std::max(0.0, squares / n - sum / n * (sum / n));
  return {sum / n, std::sqrt(variance / n)};
}

}  // namespace detail

/// The least beam width, to within a twentieth, whose searches find this share of the exact best k: the mean over the
/// queries, less its standard error. Where no width up to 16,384 does, the widest, with what it finds.
///
/// Queries that resemble those to come make it true for these; some hundreds of them suffice. The same for any number
/// of threads.
/// @param queries  as the index is asked with them [n_queries x dim], at least 1
/// @param k        at least 1; of an index with fewer rows, all
/// @param target   the share, 0 to 1
/// @throws ShapeError, ValueError  as search()  @throws Cancelled
/// O(n_queries · rows · dim), and some ten searches a query.
template <ScoringIndex Index>
[[nodiscard]] MeasuredEf ef_for_recall(const Index& index, const EmbeddingView<float>& queries, std::size_t k,
                                       double target, const BuildOptions& options = {}) {
  constexpr const char* who = "ef_for_recall";
  constexpr std::size_t widest = 16'384;
  constexpr std::size_t steps = 16;  // as many at most, the exact answers counted for one
  detail::require_share(target, "target_recall", who);
  if (queries.empty()) detail::fail<ValueError>(who, ": no queries, expected at least 1");
  if (k == 0) detail::fail<ValueError>(who, ": k is 0, expected at least 1");
  k = std::min<std::size_t>(k, index.size());
  ProgressMeter meter(options.progress, steps, who);
  std::size_t taken = 0;
  const auto step = [&] {
    if (taken < steps - 1) meter.add(1);
    ++taken;
  };
  const std::vector<float> last = detail::exact_last_scores(index, queries, k, options.executor);
  step();
  const auto measure = [&](std::size_t ef) {
    const detail::MeanRecall found = detail::recall_at_ef(index, queries, k, ef, last, options.executor);
    step();
    return found;
  };
  const auto suffices = [&](const detail::MeanRecall& found) { return found.mean - found.error >= target; };

  std::size_t low = 0;  // the widest that does not suffice
  std::size_t high = k;
  detail::MeanRecall found = measure(high);
  while (!suffices(found) && high < std::min<std::size_t>(widest, index.size())) {
    low = high;
    high = std::min({2 * high, widest, std::size_t{index.size()}});
    found = measure(high);
  }
  while (low > 0 && suffices(found) && high - low > std::max<std::size_t>(1, high / 20)) {
    const std::size_t middle = low + (high - low) / 2;
    const detail::MeanRecall between = measure(middle);
    if (suffices(between)) {
      high = middle;
      found = between;
    } else {
      low = middle;
    }
  }
  meter.add(steps - std::min(taken, steps - 1));
  return {high, found.mean};
}

}  // namespace pefa
