// --metric: what a tuner maximises.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "pefa/eval/tune_grid.hpp"

namespace pefa::cli {

/// "recall@10" as a metric and its cut-off. @throws CLI::ValidationError  it is no metric
inline std::pair<TuneMetric, std::size_t> metric_of(const std::string& text) {
  const std::size_t at = text.find('@');
  const auto metric = parse_enum<TuneMetric>(std::string_view(text).substr(0, at));
  std::size_t cutoff = 0;
  const char* end = text.data() + text.size();
  const bool is_cut = at != std::string::npos && std::from_chars(text.data() + at + 1, end, cutoff).ptr == end;
  if (metric && is_cut && cutoff > 0) return {*metric, cutoff};
  throw CLI::ValidationError("--metric", "'" + text + "' is no metric, expected recall@K, ndcg@K or mrr@K");
}

}  // namespace pefa::cli
