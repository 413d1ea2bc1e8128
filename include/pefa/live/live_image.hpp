// pefa: P, Q and Y with their ids in one piece: what a merge builds from, and what a base is written from and read to.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pefa/live/event.hpp"
#include "pefa/live/live_epoch.hpp"
#include "pefa/live/live_records.hpp"
#include "pefa/live/live_state.hpp"
#include "pefa/live/live_view.hpp"
#include "pefa/store/embedding_store.hpp"
#include "pefa/store/relevance_matrix.hpp"

namespace pefa::live::detail {

/// Before the first merge nothing has decayed.
inline constexpr std::int64_t no_time = std::numeric_limits<std::int64_t>::min();

/// A state without gaps: rows in the order of arrival, training queries that have a pair before those that have none.
struct LiveImage {
  KeptRows passages{};                      ///< P
  std::vector<std::string> passage_ids{};   ///< as many
  std::vector<std::string> passage_tags{};  ///< as many
  KeptRows queries{};                       ///< Q
  std::vector<std::string> query_ids{};     ///< as many
  std::vector<std::string> owners{};        ///< as many
  std::size_t served = 0;                   ///< training queries that have a pair
  std::vector<std::uint64_t> starts{};      ///< [queries + 1]: a query's pairs, as in RelevanceMatrix
  std::vector<std::int32_t> columns{};      ///< [pairs]
  std::vector<double> totals{};             ///< [pairs]
  std::vector<AddPair> parked{};            ///< pairs that wait
  std::int64_t time = 0;                    ///< the latest of an event
  std::int64_t landmark = no_time;          ///< the time that the totals have decayed to
  std::uint64_t sequence = 0;               ///< batches applied
  std::string cursor{};                     ///< of the last that had one

  /// The training queries that have a pair.
  [[nodiscard]] KeptRows served_queries() const {
    if (served == 0) return {EmbeddingView<float>(nullptr, 0, queries.view.dim()), queries.owner};
    return {queries.view.slice(0, served), queries.owner};
  }

  /// Training query i, with its pairs.
  [[nodiscard]] LiveQuery query(std::size_t i) const {
    const auto begin = static_cast<std::ptrdiff_t>(starts[i]);
    const auto end = static_cast<std::ptrdiff_t>(starts[i + 1]);
    return {query_ids[i],
            owners[i],
            queries.row(i),
            {columns.begin() + begin, columns.begin() + end},
            {totals.begin() + begin, totals.begin() + end},
            {}};
  }

  /// Y of the training queries that have a pair.
  [[nodiscard]] RelevanceMatrix relevance(Weighting weighting) const {
    std::vector<std::int32_t> row_starts{0};
    std::vector<float> weights;
    for (std::size_t i = 0; i < served; ++i) {
      LiveQuery record = query(i);
      reweigh(record, weighting);
      weights.insert(weights.end(), record.weights.begin(), record.weights.end());
      row_starts.push_back(static_cast<std::int32_t>(weights.size()));
    }
    return RelevanceMatrix::from_compressed(row_starts, columns, weights, passage_ids.size());
  }
};

/// What totals are multiplied with at a merge.
[[nodiscard]] inline double decay_factor(double half_life, std::int64_t landmark, std::int64_t time) {
  if (!(half_life > 0.0) || landmark == no_time || time <= landmark) return 1.0;
  return std::exp2(-(static_cast<double>(time) - static_cast<double>(landmark)) / half_life);
}

/// Fills in what a snapshot shows, without gaps; what it does not show is left. Totals are multiplied with `factor`.
inline void fill_image(const LiveSnapshot& shown, std::size_t dim, double factor, LiveImage& image) {
  std::vector<std::int32_t> row_of(shown.passage_rows, -1);
  auto passages = EmbeddingStore<float>::for_overwrite(shown.counts.passages, dim);
  shown.passages.for_each([&](std::size_t row, const LiveState::Passage& passage) {
    if (passage == nullptr) return;
    const std::size_t at = image.passage_ids.size();
    row_of[row] = static_cast<std::int32_t>(at);
    std::copy_n(passage->vector.get(), dim, passages.mutable_row(at));
    image.passage_ids.push_back(passage->id);
    image.passage_tags.push_back(passage->tags);
  });
  image.passages = KeptRows::of(std::move(passages));

  auto queries = EmbeddingStore<float>::for_overwrite(shown.counts.queries, dim);
  image.starts.push_back(0);
  const auto add = [&](const LiveQuery& query) {
    std::copy_n(query.vector.get(), dim, queries.mutable_row(image.query_ids.size()));
    image.query_ids.push_back(query.id);
    image.owners.push_back(query.owner);
    for (std::size_t i = 0; i < query.passages.size(); ++i) {
      image.columns.push_back(row_of[static_cast<std::size_t>(query.passages[i])]);
      // What was relevant stays so, be it ever so long ago.
      image.totals.push_back(std::max(query.totals[i] * factor, double{std::numeric_limits<float>::min()}));
    }
    image.starts.push_back(image.columns.size());
  };
  for (const bool has_pairs : {true, false}) {
    shown.queries.for_each([&](std::size_t, const LiveState::Query& query) {
      if (query != nullptr && query->passages.empty() != has_pairs) add(*query);
    });
    if (has_pairs) image.served = image.query_ids.size();
  }
  image.queries = KeptRows::of(std::move(queries));
  image.sequence = shown.sequence;
  image.cursor = shown.cursor;
}

/// Nothing, of vectors of `dim` elements.
[[nodiscard]] inline LiveImage no_image(std::size_t dim) {
  LiveImage image;
  image.passages = image.queries = KeptRows::of(EmbeddingStore<float>(dim));
  image.starts.push_back(0);
  return image;
}

}  // namespace pefa::live::detail
