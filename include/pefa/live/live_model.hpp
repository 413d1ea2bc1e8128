// pefa: the writer's side of a live retriever: a state, the epoch it began with, and what changed since.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/adapter/passage_evidence.hpp"
#include "pefa/core/executor.hpp"
#include "pefa/core/ids.hpp"
#include "pefa/live/event.hpp"
#include "pefa/live/live_delta.hpp"
#include "pefa/live/live_epoch.hpp"
#include "pefa/live/live_image.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/live_state.hpp"
#include "pefa/live/live_view.hpp"
#include "pefa/live/persistent_array.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/embedding_view.hpp"

namespace pefa::live::detail {

/// Applies batches and shows what came of them. Not for concurrent use; what snapshot() returned is.
class LiveModel {
 public:
  /// From an epoch and the image that it was built from. @param dim  of vectors
  LiveModel(std::shared_ptr<const LiveEpoch> epoch, const LiveImage& image, std::size_t dim,
            const CountingParams& params)
      : epoch_(std::move(epoch)),
        state_(dim, params),
        base_sequence_(image.sequence),
        sequence_(image.sequence),
        cursor_(image.cursor) {
    for (std::size_t j = 0; j < image.passage_ids.size(); ++j) {
      state_.load(LivePassage{image.passage_ids[j], image.passage_tags[j], image.passages.row(j), {}});
    }
    for (std::size_t i = 0; i < image.query_ids.size(); ++i) state_.load(image.query(i));
    for (const AddPair& pair : image.parked) state_.load(pair);
    state_.set_time(image.time);
    (void)state_.take_changes();
    landmark_ = image.landmark;
    fitted_squares_ = state_.counts().squares;
    fitted_served_ = state_.counts().served;
  }

  /// Applies the events of a batch in their order. @param batch  as validate() lets pass  @return  one result an event
  std::vector<ItemResult> apply(const Batch& batch) {
    std::vector<ItemResult> results = absorb(batch);
    refresh();
    return results;
  }

  /// The same, but that the rows that searches see are made by refresh(), once for any number of batches.
  std::vector<ItemResult> absorb(const Batch& batch) {
    std::vector<ItemResult> results;
    results.reserve(batch.events.size());
    for (const Event& event : batch.events) results.push_back(state_.apply(event));
    ++sequence_;
    if (!batch.cursor.empty()) cursor_ = batch.cursor;
    return results;
  }

  /// Makes the rows of what changed since the last call; before snapshot(). The same rows for any number of threads.
  void refresh(const AnyExecutor& executor = AnyExecutor::serial()) {
    const LiveChanges changes = state_.take_changes();
    update_passages(changes.moved, executor);
    if (epoch_->folds()) {
      std::vector<Row> voted;
      std::set_difference(changes.voted.begin(), changes.voted.end(), changes.moved.begin(), changes.moved.end(),
                          std::back_inserter(voted));
      update_passages(voted, executor);
    }
    if (epoch_->votes()) update_queries(changes.queries);
  }

  /// What searches see from now on. O(1), but for the paths that the next batch copies.
  [[nodiscard]] std::shared_ptr<const LiveSnapshot> snapshot() {
    auto shown = std::make_shared<LiveSnapshot>();
    shown->epoch = epoch_;
    shown->dim = state_.dim();
    shown->passages = state_.passages().snapshot();
    shown->queries = state_.queries().snapshot();
    shown->passage_rows = state_.passage_rows();
    shown->hidden_passages = hidden_passages_.snapshot();
    shown->hidden_queries = hidden_queries_.snapshot();
    shown->passage_delta = passage_delta_.snapshot();
    shown->query_delta = query_delta_.snapshot();
    shown->counts = state_.counts();
    shown->sequence = sequence_;
    shown->cursor = cursor_;
    return shown;
  }

  /// What it knows of ids.
  [[nodiscard]] const LiveState& state() const noexcept { return state_; }
  /// What it began with.
  [[nodiscard]] const std::shared_ptr<const LiveEpoch>& epoch() const noexcept { return epoch_; }
  /// Batches applied.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }
  /// Those that the epoch was built from.
  [[nodiscard]] std::uint64_t base_sequence() const noexcept { return base_sequence_; }
  /// Of the last batch that had one.
  [[nodiscard]] const std::string& cursor() const noexcept { return cursor_; }
  /// Rows of both deltas.
  [[nodiscard]] std::size_t delta_rows() const noexcept { return passage_delta_.size() + query_delta_.size(); }
  /// Rows of the indexes that are hidden.
  [[nodiscard]] std::size_t hidden_rows() const noexcept { return hidden_passages_.size() + hidden_queries_.size(); }
  /// What the totals have decayed to.
  [[nodiscard]] std::int64_t landmark() const noexcept { return landmark_; }
  /// tr(QᵀQ)/n now over what it was at the fit, less 1.
  [[nodiscard]] double trace_change() const noexcept {
    if (fitted_served_ == 0 || state_.counts().served == 0) return 0.0;
    const double before = fitted_squares_ / static_cast<double>(fitted_served_);
    return state_.counts().squares / static_cast<double>(state_.counts().served) / before - 1.0;
  }

 private:
  /// Passages and what their rows are made of.
  struct Part {
    std::vector<Row> rows;
    std::vector<float> vectors;  // of their training queries, which follow each other
    std::vector<float> weights;  // of the same
    std::optional<EmbeddingStore<float>> made;
  };

  /// Some hundreds at a time, so that the fits are read once for all of them, and as many parts at once as there are
  /// threads.
  void update_passages(std::span<const Row> rows, const AnyExecutor& executor) {
    const std::size_t most_parts = executor.concurrency();
    std::vector<Part> parts(1);
    for (const Row row : rows) {
      const LiveState::Passage& passage = state_.passages()[row];
      if (row < epoch_->passage_rows()) hidden_passages_.set(row, true);
      if (passage == nullptr) {
        passage_delta_.erase(row);
        continue;
      }
      add_to(parts.back(), row, *passage);
      if (!is_full(parts.back())) continue;
      if (parts.size() == most_parts) {
        fold(parts, executor);
        parts.clear();
      }
      parts.emplace_back();
    }
    if (parts.back().rows.empty()) parts.pop_back();
    fold(parts, executor);
  }

  [[nodiscard]] static bool is_full(const Part& part) noexcept {
    constexpr std::size_t most_floats = std::size_t{1} << 22;
    return part.rows.size() == most_rows || part.vectors.size() > most_floats;
  }

  void add_to(Part& part, Row row, const LivePassage& passage) {
    part.rows.push_back(row);
    if (!epoch_->folds()) return;
    for (const Row query : passage.queries) {  // ascending, so that the sum is the build's
      const LiveQuery& record = *state_.queries()[query];
      part.vectors.insert(part.vectors.end(), record.vector.get(), record.vector.get() + state_.dim());
      part.weights.push_back(record.weights[record.find(row)]);
    }
  }

  /// Makes the rows of all parts, and puts them into the delta.
  void fold(std::vector<Part>& parts, const AnyExecutor& executor) {
    executor.run(parts.size(), [&](std::size_t i) { parts[i].made = folded(parts[i]); });
    for (const Part& part : parts) {
      for (std::size_t i = 0; i < part.rows.size(); ++i) {
        passage_delta_.put(part.rows[i], {part.made->row(i), part.made->dim()});
      }
    }
  }

  [[nodiscard]] EmbeddingStore<float> folded(const Part& part) {
    const std::size_t dim = state_.dim();
    std::vector<PassageEvidence> evidence;
    std::size_t begin = 0;
    for (const Row row : part.rows) {
      const LivePassage& passage = *state_.passages()[row];
      const std::size_t count = epoch_->folds() ? passage.queries.size() : 0;
      evidence.push_back({{passage.vector.get(), dim},
                          EmbeddingView<float>(part.vectors.data() + begin * dim, count, dim),
                          std::span<const float>(part.weights).subspan(begin, count)});
      begin += count;
    }
    return epoch_->passage_rows_of(evidence);
  }

  void update_queries(std::span<const Row> rows) {
    std::vector<Row> changed;
    std::vector<QueryView> vectors;
    const auto put = [&] {
      const EmbeddingStore<float> made = epoch_->query_rows_of(vectors);
      for (std::size_t i = 0; i < changed.size(); ++i) query_delta_.put(changed[i], {made.row(i), made.dim()});
      changed.clear();
      vectors.clear();
    };
    for (const Row row : rows) {
      const LiveState::Query& query = state_.queries()[row];
      const bool is_served = query != nullptr && !query->passages.empty();
      const bool is_as_built =
          is_served && row < epoch_->query_rows() && query->vector.get() == epoch_->queries().view.row(row);
      if (row < epoch_->query_rows()) hidden_queries_.set(row, !is_as_built);
      if (is_served && !is_as_built) {
        changed.push_back(row);
        vectors.emplace_back(query->vector.get(), state_.dim());
      } else {
        query_delta_.erase(row);
      }
      if (changed.size() == most_rows) put();
    }
    if (!changed.empty()) put();
  }

  static constexpr std::size_t most_rows = 512;  // that are made at a time

  std::shared_ptr<const LiveEpoch> epoch_;
  LiveState state_;
  PersistentRowSet hidden_passages_;
  PersistentRowSet hidden_queries_;
  LiveDelta passage_delta_;
  LiveDelta query_delta_;
  std::uint64_t base_sequence_ = 0;
  std::uint64_t sequence_ = 0;
  std::string cursor_;
  std::int64_t landmark_ = no_time;
  double fitted_squares_ = 0.0;
  std::size_t fitted_served_ = 0;
};

}  // namespace pefa::live::detail
