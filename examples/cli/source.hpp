// Where eval and bench take a retriever from: an archive, or files and a method to build from.
#pragma once

#include <filesystem>
#include <vector>

#include "any_retriever.hpp"
#include "data_files.hpp"
#include "method.hpp"

namespace pefa::cli {

/// The options of both, and which of them make no sense together.
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

  [[nodiscard]] Method method() const { return method_.method(); }
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
