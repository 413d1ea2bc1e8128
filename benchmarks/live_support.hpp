// What the programs that measure a live retriever share: rows and pairs of a data set, and their events.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "bench_support.hpp"
#include "pefa/live/live_retriever.hpp"

namespace pefa::bench {

/// The rows that are used, and the pairs between them.
struct LiveData {
  EmbeddingStore<float> passages;
  EmbeddingStore<float> queries;
  EmbeddingStore<float> tests;
  std::vector<RelevancePair> pairs;
};

[[nodiscard]] inline EmbeddingStore<float> first_rows(const EmbeddingStore<float>& rows, std::size_t n) {
  return EmbeddingStore<float>::from(rows.view().slice(0, std::min(n, rows.size())));
}

[[nodiscard]] inline LiveData read_first(const std::string& folder, std::size_t n_passages, std::size_t n_queries) {
  DataSet all = DataSet::read(folder);
  LiveData data{
      first_rows(all.passages, n_passages), first_rows(all.train_queries, n_queries), std::move(all.test_queries), {}};
  for (Row i = 0; i < data.queries.size(); ++i) {
    const auto entries = all.train_relevance.passages_of(QueryId(i));
    for (std::size_t e = 0; e < entries.size(); ++e) {
      const auto passage = static_cast<Row>(entries.columns[e]);
      if (passage < data.passages.size()) data.pairs.push_back({QueryId(i), PassageId(passage), entries.weights[e]});
    }
  }
  return data;
}

[[nodiscard]] inline std::string passage_id(std::size_t row) {
  return "p" + std::to_string(row);
}
[[nodiscard]] inline std::string query_id(std::size_t row) {
  return "q" + std::to_string(row);
}

[[nodiscard]] inline std::vector<float> row_of(const EmbeddingStore<float>& rows, std::size_t i) {
  return {rows.row(i), rows.row(i) + rows.dim()};
}

/// Applies events in batches. @return  seconds of each batch
inline std::vector<double> apply(live::LiveRetriever& retriever, std::vector<live::Event> events,
                                 std::size_t batch_size) {
  std::vector<double> seconds;
  for (std::size_t begin = 0; begin < events.size(); begin += batch_size) {
    live::Batch batch;
    const std::size_t end = std::min(events.size(), begin + batch_size);
    std::move(events.begin() + static_cast<std::ptrdiff_t>(begin), events.begin() + static_cast<std::ptrdiff_t>(end),
              std::back_inserter(batch.events));
    const auto start = Clock::now();
    for (const live::ItemResult& result : retriever.apply(batch)) {
      if (result.status == live::ItemStatus::refused) throw Error("refused: " + result.reason);
    }
    seconds.push_back(seconds_since(start));
  }
  return seconds;
}

}  // namespace pefa::bench
