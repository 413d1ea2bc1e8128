// Building and evaluating one method, with progress: what `eval` does once and `compare` does for every method.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "progress_bar.hpp"
#include "report.hpp"

namespace CLI {
class App;
}

namespace pefa::cli {

/// What was measured, and the retriever it was measured on.
struct Outcome {
  Measured measured;
  AnyRetriever retriever;
};

/// How to measure, whatever the method.
class Measurement {
 public:
  /// Adds the options of XL, XS and the index to `method`, and --top-k, --recall-at, --threads, --quiet and --json.
  void add_options(CLI::App& command, Method& method);

  /// @throws pefa::ValueError  a cut-off past --top-k
  [[nodiscard]] Outcome run(const Method& method, const TrainingData& training, const TestData& test) const;

  /// Where --json asked the result to go; empty where it did not.
  [[nodiscard]] const std::string& json_path() const noexcept { return json_; }

 private:
  [[nodiscard]] std::vector<std::size_t> recall_cutoffs() const;

  std::size_t top_k_ = 100;
  std::vector<std::size_t> recall_at_;
  std::size_t threads_ = 0;
  bool quiet_ = false;
  std::string json_;
};

}  // namespace pefa::cli
