// How the commands say what they measured: a table for people, JSON for programs.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "any_retriever.hpp"
#include "data_files.hpp"
#include "pefa/eval/evaluate.hpp"

namespace pefa::cli {

/// One method built and evaluated.
struct Measured {
  Method method;
  EvaluationReport report;
  double build_seconds = 0.0;
  std::size_t index_bytes = 0;
};

/// A row a method, with 95 % intervals under the first line of the metrics.
[[nodiscard]] std::string to_table(const std::vector<Measured>& measured);

/// The documented keys of `pefa eval --json`.
[[nodiscard]] nlohmann::ordered_json to_json(const Measured& measured);

/// Writes JSON to a file, or to stdout where the path is "-".
void write_json(const std::string& path, const nlohmann::ordered_json& json);

}  // namespace pefa::cli
