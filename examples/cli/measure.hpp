// Building and evaluating one retriever, with progress: what `eval` does once and `compare` for every row.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "conditions.hpp"
#include "data_files.hpp"
#include "output.hpp"
#include "pefa/adapter/any_retriever.hpp"
#include "report.hpp"
#include "source.hpp"

namespace CLI {
class App;
}

namespace pefa::cli {

/// What was measured, and the retriever it was measured on.
struct Outcome {
  Measured measured;
  AnyRetriever retriever;
};

/// A retriever that was built, and how long that took.
struct Built {
  AnyRetriever retriever;
  double seconds = 0.0;
  std::size_t index_bytes = 0;  ///< of all that a search reads, the rows of `data` among it
};

/// Builds with a progress bar; a signal stops it. What is built may read the rows of `data` in place. @throws Cancelled
[[nodiscard]] Built build_with_progress(const RetrieverSpec& spec, const TrainingData& data, std::size_t threads,
                                        Verbosity verbosity);

/// Adds --threads.
void add_threads_option(CLI::App& command, std::size_t& threads);

/// How to measure, whatever is measured.
class Measurement {
 public:
  /// Adds --top-k, --recall-at, --threads, --quiet and --json.
  void add_options(CLI::App& command);

  /// @param admitted  the passages that are searched, and of the relevant ones those that count; nullptr: all
  /// @throws pefa::ValueError  a cut-off past --top-k
  [[nodiscard]] Outcome run(const RetrieverSpec& spec, const TrainingData& training, const TestData& test,
                            const SearchOptions& search = {}, const Admitted* admitted = nullptr) const;
  [[nodiscard]] Measured run(const OpenArchive& archive, const SearchOptions& search, const TestData& test,
                             const Admitted* admitted = nullptr) const;

  /// A run that is there already. @param name  what it is called
  [[nodiscard]] Measured run(const std::string& name, const std::vector<std::vector<Hit>>& results,
                             const RelevanceMatrix& truth, std::size_t judgements_skipped) const;

  /// Before anything takes long. @throws pefa::ValueError  a cut-off past --top-k
  void require_cutoffs() const { (void)recall_cutoffs(); }
  [[nodiscard]] std::size_t top_k() const noexcept { return top_k_; }
  [[nodiscard]] std::size_t threads() const noexcept { return threads_; }
  [[nodiscard]] const Output& output() const noexcept { return output_; }

 private:
  [[nodiscard]] std::vector<std::size_t> recall_cutoffs() const;
  [[nodiscard]] EvaluateOptions options() const;
  [[nodiscard]] EvaluationReport evaluate(const AnyRetriever& retriever, const SearchOptions& search,
                                          const TestData& test, const Admitted* admitted) const;

  std::size_t top_k_ = 100;
  std::vector<std::size_t> recall_at_;
  std::size_t threads_ = 0;
  Output output_;
};

}  // namespace pefa::cli
