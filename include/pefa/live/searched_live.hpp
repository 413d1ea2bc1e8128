// pefa: what a live retriever and a follower have in common: a view that is replaced as they go on, and searches of it.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "pefa/adapter/retriever_archive.hpp"
#include "pefa/adapter/search_options.hpp"
#include "pefa/live/live_view.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::live {

/// Searches of what is shown; safe from any number of threads, and waiting for nobody.
class SearchedLive {
 public:
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

 protected:
  SearchedLive() = default;
  ~SearchedLive() = default;

  /// Lets searches see another snapshot.
  void show(std::shared_ptr<const detail::LiveSnapshot> shown) {
    const std::lock_guard lock(showing_);
    shown_.swap(shown);  // the old one goes when the lock is off, with its last reader
  }

  /// The same, unless they see a later one.
  void show_later(std::shared_ptr<const detail::LiveSnapshot> shown) {
    const std::lock_guard lock(showing_);
    const bool is_later = shown->sequence > shown_->sequence ||
                          (shown->sequence == shown_->sequence && shown->epoch->number() > shown_->epoch->number());
    if (is_later) shown_.swap(shown);
  }

 private:
  mutable std::mutex showing_;  // held for the copy of a pointer
  std::shared_ptr<const detail::LiveSnapshot> shown_;
};

}  // namespace pefa::live
