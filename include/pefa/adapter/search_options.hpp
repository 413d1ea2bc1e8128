// pefa: the arguments of one search of a retriever, and what it took.
#pragma once

#include <cstddef>
#include <optional>

#include "pefa/core/search_control.hpp"

namespace pefa {

/// What a search of a retriever took, by side. A batch adds up what its queries took.
struct SearchStats {
  IndexSearchStats passages{};         ///< of the passage index
  IndexSearchStats queries{};          ///< PEFA-XL: of the index of training queries
  double passage_microseconds = 0.0;   ///< wall time on the passage index
  double query_microseconds = 0.0;     ///< PEFA-XL: wall time on the index of training queries
  double blending_microseconds = 0.0;  ///< PEFA-XL: votes, missing scores and the blend

  /// Adds up what two searches took.
  SearchStats& operator+=(const SearchStats& other) noexcept {
    passages += other.passages;
    queries += other.queries;
    passage_microseconds += other.passage_microseconds;
    query_microseconds += other.query_microseconds;
    blending_microseconds += other.blending_microseconds;
    return *this;
  }

  /// Whether a SearchLimit ended the search early.
  [[nodiscard]] bool stopped() const noexcept { return passages.stopped || queries.stopped; }
  /// Says that one left no time.
  void stop() noexcept { passages.stop(); }
};

/// Arguments of one search of a retriever.
struct SearchOptions {
  std::size_t ef = 0;         ///< beam width on the passage index; 0 means the index's default
  std::size_t rerank = 0;     ///< candidates that a quantised passage index rescores; 0 means the index's default
  std::size_t query_ef = 0;   ///< PEFA-XL: beam width on the index of training queries; 0 means that index's default
  std::size_t neighbors = 0;  ///< PEFA-XL: k, the training queries looked up; 0 means the k it was built with
  std::optional<float> lambda{};  ///< PEFA-XL: λ of this call; empty means the one it was built with
  SearchLimit limit{};            ///< when to give up and answer with what was found; see SearchStats::stopped()
  SearchStats* stats = nullptr;   ///< what the search took is added here; nullptr: nobody asks
};

}  // namespace pefa
