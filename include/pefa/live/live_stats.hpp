// pefa: what a live retriever holds, and how far it is from its fits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/live/live_epoch.hpp"
#include "pefa/live/live_model.hpp"
#include "pefa/live/live_params.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/live_retirement.hpp"

namespace pefa::live {

/// What a live retriever holds, and how far it is from its fits.
struct LiveStats {
  std::uint64_t epoch = 0;           ///< see LiveView::epoch()
  std::uint64_t sequence = 0;        ///< batches applied
  std::uint64_t base_sequence = 0;   ///< those of them that the base holds
  std::string cursor{};              ///< of the last batch that had one
  std::size_t passages = 0;          ///< that can be found
  std::size_t training_queries = 0;  ///< known
  std::size_t voting_queries = 0;    ///< those with a pair
  std::size_t pairs = 0;             ///< of Y
  std::size_t parked = 0;            ///< pairs that wait for an id
  std::size_t delta_rows = 0;        ///< beside the indexes: new or changed
  std::size_t hidden_rows = 0;       ///< of the indexes, of what changed or is gone
  double changed_share = 0.0;        ///< drift: weight of pairs that came or went since the fit, over all there is
  double trace_change = 0.0;         ///< drift: tr(QᵀQ)/n over what it was at the fit, less 1
  bool is_merge_due = false;         ///< see LiveRetriever::merge_due()
};

namespace detail {

/// Of a model as it is.
[[nodiscard]] inline LiveStats stats_of(const LiveModel& model, const LiveParams& params) {
  const LiveCounts& counts = model.state().counts();
  LiveStats stats{.epoch = model.epoch()->number(),
                  .sequence = model.sequence(),
                  .base_sequence = model.base_sequence(),
                  .cursor = model.cursor(),
                  .passages = counts.passages,
                  .training_queries = counts.queries,
                  .voting_queries = counts.served,
                  .pairs = counts.pairs,
                  .parked = model.state().waiting().size(),
                  .delta_rows = model.delta_rows(),
                  .hidden_rows = model.hidden_rows(),
                  .trace_change = model.trace_change()};
  const double weight = std::max(counts.weight, counts.changed_weight);
  if (weight > 0.0) stats.changed_share = counts.changed_weight / weight;
  const std::size_t rows = counts.passages + (params.spec.method == Method::xl ? counts.served : 0);
  const auto share = static_cast<std::size_t>(params.merge_share * static_cast<double>(rows));
  const bool has_news = counts.served > 0 && counts.passages > 0 && params.spec.method != Method::erm;
  stats.is_merge_due = stats.delta_rows + stats.hidden_rows >= std::max({share, params.merge_rows, std::size_t{1}}) ||
                       (has_news && !model.epoch()->is_fitted()) || is_retirement_due(counts.queries, params.counting);
  return stats;
}

}  // namespace detail
}  // namespace pefa::live
