// The files a command reads: passages, training queries with their pairs, test queries with theirs.
#pragma once

#include <filesystem>
#include <string>

#include "pefa/pefa.hpp"

namespace CLI {
class App;
}

namespace pefa::cli {

/// P, Q and Y in memory.
struct TrainingData {
  EmbeddingStore<float> passages;
  EmbeddingStore<float> queries;
  RelevanceMatrix relevance;
};

/// Held-out queries and what is relevant to them.
struct TestData {
  EmbeddingStore<float> queries;
  RelevanceMatrix truth;
};

/// The five paths, and reading them.
class DataFiles {
 public:
  /// Adds --passages, --train-queries, --train-relevance, --test-queries, --test-relevance and --normalize.
  void add_options(CLI::App& command);

  /// @throws pefa::Error  a file that cannot be read, or files that do not fit together; the message names them
  [[nodiscard]] TrainingData read_training() const;
  /// @param passages  their number and dim are what the test files must fit
  [[nodiscard]] TestData read_test(const EmbeddingStore<float>& passages) const;

 private:
  [[nodiscard]] Normalize normalize() const { return unit_ ? Normalize::unit : Normalize::none; }

  std::filesystem::path passages_;
  std::filesystem::path train_queries_;
  std::filesystem::path train_relevance_;
  std::filesystem::path test_queries_;
  std::filesystem::path test_relevance_;
  bool unit_ = false;
};

}  // namespace pefa::cli
