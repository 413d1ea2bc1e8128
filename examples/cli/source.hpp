// Where eval, bench and search take a retriever from: an archive, or files and a spec to build from.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "data_files.hpp"
#include "pefa/adapter/any_retriever.hpp"
#include "search_arguments.hpp"
#include "spec_options.hpp"

namespace pefa::cli {

/// An archive that is open.
struct OpenArchive {
  std::string name;
  AnyRetriever retriever;
  std::size_t file_bytes = 0;
  std::size_t training_queries = 0;  ///< as its metadata say; 0: they do not

  /// What serving it takes: the mapped file, and what opening it put on the heap.
  [[nodiscard]] std::size_t index_bytes() const { return file_bytes + retriever.memory_bytes(); }
  [[nodiscard]] PassageSide passage_side() const {
    return {name, retriever.passage_count(), retriever.dim(), retriever.ids()};
  }
};

/// @throws pefa::Error  it cannot be read, or holds what this pefa does not know
[[nodiscard]] OpenArchive open_archive(const std::filesystem::path& path);

/// The options of eval and bench, and which of them make no sense together.
class Source {
 public:
  /// Adds the archive as an argument, and the options of passages, training files and method.
  void add_options(CLI::App& command);

  [[nodiscard]] bool is_archive() const noexcept { return !archive_.empty(); }

  /// @throws CLI::ValidationError  options that say how to build, too
  [[nodiscard]] OpenArchive open() const;
  /// --lambda and --neighbors, which an archive takes as arguments of each search.
  /// @throws ValueError  given, and it does not hold xl
  [[nodiscard]] SearchOptions with_overrides(SearchOptions options, const OpenArchive& archive) const;

  [[nodiscard]] RetrieverSpec spec() const { return method_.spec(); }
  [[nodiscard]] TrainingData read_training(const RetrieverSpec& spec) const {
    return method_.read_training(files_, spec);
  }
  [[nodiscard]] TrainingData read_training(const RetrieverSpec& spec, Training training) const {
    return method_.read_training(files_, spec, training);
  }
  /// The data files; those of the tests are the command's to add and to read.
  [[nodiscard]] DataFiles& files() noexcept { return files_; }
  [[nodiscard]] const DataFiles& files() const noexcept { return files_; }

 private:
  std::filesystem::path archive_;
  DataFiles files_;
  MethodOptions method_;
  std::vector<const CLI::Option*> build_options_;
  const CLI::Option* lambda_ = nullptr;
  const CLI::Option* neighbors_ = nullptr;
};

}  // namespace pefa::cli
