// How eval and compare say what they measured: a table for people, JSON for programs.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pefa/adapter/retriever_spec.hpp"
#include "pefa/eval/evaluate.hpp"

namespace pefa::cli {

/// One retriever evaluated, or one run.
struct Measured {
  RetrieverSpec spec;  ///< as it was built, with the arguments of the searches
  EvaluationReport report;
  std::optional<double> build_seconds;  ///< none where an archive was opened
  std::size_t index_bytes = 0;
  std::size_t judgements_skipped = 0;  ///< of the training and the test files
  std::string run{};                   ///< what a run is called; empty: it is a retriever
};

/// A row each, with 95 % intervals beside the metrics. @param queries  what they were measured on
[[nodiscard]] std::string to_table(const std::vector<Measured>& measured, const std::string& queries = "test queries");

/// The documented keys of `pefa eval --json`.
[[nodiscard]] nlohmann::ordered_json to_json(const Measured& measured);

}  // namespace pefa::cli
