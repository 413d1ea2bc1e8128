// pefa: several TREC runs over the same queries and passages, as whoever fuses or compares them needs them: with one
// table of queries and one of passages for all. A single run is trec_run.hpp's.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "pefa/core/ids.hpp"
#include "pefa/io/ids/external_ids.hpp"
#include "pefa/io/results/trec_run.hpp"

namespace pefa::io {

/// Runs as they stand in files, by the rows of common tables.
struct TrecRuns {
  ExternalIds queries;                                 ///< of any run, in ascending order; see read_trec_runs()
  ExternalIds passages;                                ///< so too
  std::vector<std::vector<std::vector<Hit>>> results;  ///< [n_runs][queries.size()], best first; empty where a run has
                                                       ///< no line of a query
};

namespace detail {

/// A row number as written by hand or by program: no sign, no leading zero.
[[nodiscard]] inline std::optional<std::uint64_t> plain_number(std::string_view id) noexcept {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc{} || end != id.data() + id.size() || (id.size() > 1 && id[0] == '0')) return std::nullopt;
  return number;
}

/// Numbers by value, then all else by its bytes.
[[nodiscard]] inline bool id_before(std::string_view a, std::string_view b) noexcept {
  const auto first = plain_number(a);
  const auto second = plain_number(b);
  if (first && second) return *first < *second;
  if (first.has_value() != second.has_value()) return first.has_value();
  return a < b;
}

/// All ids of the tables, each once, ascending.
[[nodiscard]] inline ExternalIds merge_ids(std::span<const ExternalIds* const> tables) {
  std::vector<std::string_view> ids;
  for (const ExternalIds* table : tables) {
    for (std::size_t row = 0; row < table->size(); ++row) ids.push_back((*table)[row]);
  }
  std::sort(ids.begin(), ids.end(), id_before);
  ExternalIds merged;
  for (const std::string_view id : ids) (void)merged.insert(id);
  merged.shrink_to_fit();
  return merged;
}

}  // namespace detail

/// Reads runs and gives them common ids: all that any of them or `more` has, numbers in ascending order first, then
/// other ids by their bytes. So rows do not depend on the order of the files or of their lines.
///
/// @param more_queries   ids that are to have a row although no run may have them: those of judgements
/// @param more_passages  so too
/// @throws as read_trec_run(path)
[[nodiscard]] inline TrecRuns read_trec_runs(std::span<const std::filesystem::path> paths,
                                             const ExternalIds& more_queries = {},
                                             const ExternalIds& more_passages = {}) {
  std::vector<TrecRun> runs;
  runs.reserve(paths.size());
  for (const std::filesystem::path& path : paths) runs.push_back(read_trec_run(path));

  std::vector<const ExternalIds*> queries{&more_queries};
  std::vector<const ExternalIds*> passages{&more_passages};
  for (const TrecRun& run : runs) {
    queries.push_back(&run.queries);
    passages.push_back(&run.passages);
  }
  TrecRuns common{detail::merge_ids(queries), detail::merge_ids(passages), {}};
  for (TrecRun& run : runs) {
    std::vector<std::vector<Hit>>& results = common.results.emplace_back(common.queries.size());
    for (std::size_t query = 0; query < run.results.size(); ++query) {
      for (Hit& hit : run.results[query]) {
        hit.passage = PassageId(*common.passages.find(run.passages[hit.passage.row()]));
      }
      results[*common.queries.find(run.queries[query])] = std::move(run.results[query]);
    }
  }
  return common;
}

}  // namespace pefa::io
