// pefa: a retriever that learns while it serves: clicks, new passages and removals show in the next search, and a merge
// fits and builds anew while searches and writers go on.
//
// What a live answer is: everything fitted (W, the solve's M, hubness, axes of codes) is frozen from one merge to the
// next; an answer is the retriever's equation with those fits and the current P, Q and Y.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "pefa/adapter/any_retriever.hpp"
#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/adapter/search_options.hpp"
#include "pefa/core/error.hpp"
#include "pefa/core/progress.hpp"
#include "pefa/live/event.hpp"
#include "pefa/live/live_epoch.hpp"
#include "pefa/live/live_image.hpp"
#include "pefa/live/live_model.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/live_view.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::live {

/// How a live retriever is made.
struct LiveParams {
  std::size_t dim = 0;            ///< of every vector; at least 1
  RetrieverSpec spec{};           ///< erm, xs or xl, not condensed; cold passages as they are or as the paper has them
  CountingParams counting{};      ///< how events are counted
  double merge_share = 0.1;       ///< a merge is due when so many of the rows changed,
  std::size_t merge_rows = 2000;  ///< and at least so many
};

/// What a live retriever holds, and how far it is from its fits.
struct LiveStats {
  std::uint64_t epoch = 0;           ///< merges so far
  std::uint64_t sequence = 0;        ///< batches applied
  std::string cursor{};              ///< of the last batch that had one
  std::size_t passages = 0;          ///< that can be found
  std::size_t training_queries = 0;  ///< known
  std::size_t voting_queries = 0;    ///< those with a pair
  std::size_t pairs = 0;             ///< of Y
  std::size_t parked = 0;            ///< pairs that wait for an id
  std::size_t delta_rows = 0;        ///< scanned by every search
  std::size_t hidden_rows = 0;       ///< of the indexes, of what changed or is gone
  double changed_share = 0.0;        ///< drift: weight of pairs that came or went since the fit, over all there is
  double trace_change = 0.0;         ///< drift: tr(QᵀQ)/n over what it was at the fit, less 1
  bool is_merge_due = false;         ///< see LiveRetriever::merge_due()
};

/// A live retriever in memory. Writers and searches may call from any number of threads; searches wait for nobody.
class LiveRetriever {
 public:
  /// Empty. @throws ShapeError  dim is 0  @throws ValueError  a spec that a live retriever cannot be
  explicit LiveRetriever(const LiveParams& params) : params_(checked(params)) {
    detail::LiveImage nothing = detail::no_image(params.dim);
    start(build_model(std::move(nothing), 0, {}));
  }

  LiveRetriever(const LiveRetriever&) = delete;
  LiveRetriever& operator=(const LiveRetriever&) = delete;

  /// Applies a batch: when this returns, searches see all of it. What events a state refuses, the results say.
  /// @return  one result an event
  /// @throws ValueError  an event that is wrong in itself; nothing is applied
  std::vector<ItemResult> apply(const Batch& batch) {
    validate(batch);
    std::vector<ItemResult> results;
    std::shared_ptr<const detail::LiveSnapshot> shown;
    {
      const std::lock_guard lock(writing_);
      if (is_merging_) since_merge_.push_back(std::make_shared<const Batch>(batch));
      results = model_->apply(batch);
      shown = model_->snapshot();
    }
    show(std::move(shown));
    return results;
  }

  /// Everything as it is now.
  [[nodiscard]] LiveView view() const {
    const std::lock_guard lock(showing_);
    return LiveView(shown_);
  }

  /// The best k passages by the host's ids: see LiveView::search.
  [[nodiscard]] std::vector<IdHit<>> search(QueryView query, std::size_t k, const SearchOptions& options = {}) const {
    return view().search(query, k, options);
  }
  /// The same among some: see LiveView::search_filtered. @param admits  a PassagePredicate or EpochPassages
  template <class Admits>
  [[nodiscard]] std::vector<IdHit<>> search_filtered(QueryView query, std::size_t k, const Admits& admits,
                                                     const SearchOptions& options = {}) const {
    return view().search_filtered(query, k, admits, options);
  }

  /// Fits and builds anew from what is there, on the caller's threads; searches and writers go on, and what they write
  /// meanwhile is kept. One merge at a time: a second caller waits.
  /// @throws Cancelled  and whatever the build throws: all is as it was
  void merge(const BuildOptions& options = {}) {
    const std::lock_guard one(merging_);
    std::shared_ptr<const detail::LiveSnapshot> from;
    detail::LiveImage image;
    {
      const std::lock_guard lock(writing_);
      from = model_->snapshot();
      image.parked = model_->state().parked();
      image.time = model_->state().time();
      image.landmark = model_->landmark();
      since_merge_.clear();
      is_merging_ = true;
    }
    try {
      const double factor = detail::decay_factor(params_.counting.half_life, image.landmark, image.time);
      detail::fill_image(*from, params_.dim, factor, image);
      image.landmark = image.time;
      const std::uint64_t number = from->epoch->number() + 1;
      from = nullptr;
      std::unique_ptr<detail::LiveModel> model = build_model(std::move(image), number, options);
      // Writers wait for the last round alone, which is short unless they outrun this thread.
      for (int round = 0; round < 8 && replay(*model); ++round) {
      }
      finish(std::move(model));
    } catch (...) {
      const std::lock_guard lock(writing_);
      is_merging_ = false;
      since_merge_.clear();
      throw;
    }
  }

  /// Whether so much changed since the last merge that searches pay for it, or there is something to fit to at last.
  [[nodiscard]] bool merge_due() const { return stats().is_merge_due; }

  /// What it holds.
  [[nodiscard]] LiveStats stats() const {
    const std::lock_guard lock(writing_);
    const detail::LiveCounts& counts = model_->state().counts();
    LiveStats stats{.epoch = model_->epoch()->number(),
                    .sequence = model_->sequence(),
                    .cursor = model_->cursor(),
                    .passages = counts.passages,
                    .training_queries = counts.queries,
                    .voting_queries = counts.served,
                    .pairs = counts.pairs,
                    .parked = counts.parked,
                    .delta_rows = model_->delta_rows(),
                    .hidden_rows = model_->hidden_rows(),
                    .trace_change = model_->trace_change()};
    const double weight = std::max(counts.weight, counts.changed_weight);
    if (weight > 0.0) stats.changed_share = counts.changed_weight / weight;
    const std::size_t rows = counts.passages + (params_.spec.method == Method::xl ? counts.served : 0);
    const auto share = static_cast<std::size_t>(params_.merge_share * static_cast<double>(rows));
    const bool has_news = counts.served > 0 && counts.passages > 0 && params_.spec.method != Method::erm;
    stats.is_merge_due =
        stats.delta_rows + stats.hidden_rows >= std::max({share, params_.merge_rows, std::size_t{1}}) ||
        (has_news && !model_->epoch()->is_fitted());
    return stats;
  }

  /// What it was made with.
  [[nodiscard]] const LiveParams& params() const noexcept { return params_; }

 private:
  [[nodiscard]] static const LiveParams& checked(const LiveParams& params) {
    if (params.dim == 0) pefa::detail::fail<ShapeError>("LiveRetriever: dim is 0, expected at least 1");
    detail::require_live_spec(params.spec, "LiveRetriever");
    return params;
  }

  [[nodiscard]] std::unique_ptr<detail::LiveModel> build_model(detail::LiveImage image, std::uint64_t number,
                                                               const BuildOptions& options) const {
    auto epoch = std::make_shared<const detail::LiveEpoch>(
        detail::LiveEpoch::build(params_.spec, number, image.passages, image.served_queries(),
                                 image.relevance(params_.counting.weighting), options));
    return std::make_unique<detail::LiveModel>(std::move(epoch), image, params_.dim, params_.counting);
  }

  void start(std::unique_ptr<detail::LiveModel> model) {
    model_ = std::move(model);
    shown_ = model_->snapshot();
  }

  /// Applies what came since the merge began, or since the last call. @return  whether there was anything
  [[nodiscard]] bool replay(detail::LiveModel& model) {
    std::vector<std::shared_ptr<const Batch>> batches;
    {
      const std::lock_guard lock(writing_);
      batches.swap(since_merge_);
    }
    for (const auto& batch : batches) (void)model.apply(*batch);
    return !batches.empty();
  }

  /// Puts the new model in the old one's place.
  void finish(std::unique_ptr<detail::LiveModel> model) {
    std::shared_ptr<const detail::LiveSnapshot> shown;
    {
      const std::lock_guard lock(writing_);
      for (const auto& batch : since_merge_) (void)model->apply(*batch);
      since_merge_.clear();
      is_merging_ = false;
      model_.swap(model);
      shown = model_->snapshot();
    }
    show(std::move(shown));
  }

  /// Lets searches see a snapshot, unless they see a later one.
  void show(std::shared_ptr<const detail::LiveSnapshot> shown) {
    const std::lock_guard lock(showing_);
    const bool is_later = shown->sequence > shown_->sequence ||
                          (shown->sequence == shown_->sequence && shown->epoch->number() > shown_->epoch->number());
    if (is_later) shown_.swap(shown);  // the old one goes when the lock is off, with its last reader
  }

  LiveParams params_;
  mutable std::mutex writing_;  // the model, and what came since a merge began
  std::unique_ptr<detail::LiveModel> model_;
  std::vector<std::shared_ptr<const Batch>> since_merge_;
  bool is_merging_ = false;
  std::mutex merging_;          // one merge at a time
  mutable std::mutex showing_;  // held for the copy of a pointer
  std::shared_ptr<const detail::LiveSnapshot> shown_;
};

}  // namespace pefa::live

namespace pefa {
using live::LiveRetriever;
}  // namespace pefa
