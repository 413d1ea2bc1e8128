// The options that say which retriever to build: they fill a RetrieverSpec.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data_files.hpp"
#include "pefa/adapter/retriever_spec.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace pefa::cli {

/// Options that set one field of a spec each. What was given is told from what was not: it goes over a spec from
/// elsewhere, and is refused where it means nothing.
class SpecOptions {
 public:
  /// Adds --method, --lambda and --gate.
  void add_method(CLI::App& command);
  /// Adds the parameters that all methods but the plain model have, and those of XL.
  void add_adapter(CLI::App& command);
  /// Adds --lambda, --cold, --norm and the fitted parts: all that the vectors of XS depend on.
  void add_folding(CLI::App& command);
  /// Adds those of XS with several vectors a passage.
  void add_multi(CLI::App& command);
  /// Adds --index, whose parameters hold for both sides of XL, and --query-index.
  void add_index(CLI::App& command);

  /// The spec with those of the given options that mean something to it.
  [[nodiscard]] RetrieverSpec over(RetrieverSpec spec) const;

  /// The spec with those of the given options of add_index() alone.
  [[nodiscard]] RetrieverSpec index_over(RetrieverSpec spec) const;

  /// @throws CLI::ValidationError  an option was given that means nothing to the spec
  void require_fit(const RetrieverSpec& spec) const { require_fit(std::span(&spec, 1)); }
  /// The same of an option that means nothing to any of some specs, which are one at least.
  void require_fit(std::span<const RetrieverSpec> specs) const;

 private:
  /// Why an option means nothing to a spec: "is for --method xl, not xs"; empty where it does not.
  using Misfit = std::string (*)(const RetrieverSpec& spec);

  struct Field {
    const CLI::Option* option;
    std::function<void(RetrieverSpec&)> set;
    Misfit misfit;
  };

  [[nodiscard]] static RetrieverSpec over(std::span<const Field> fields, RetrieverSpec spec);
  void add_lambda(CLI::App& command);
  void add_cold(CLI::App& command);
  /// Adds least squares, the whitened space and the balanced rows.
  void add_fits(CLI::App& command);
  /// @param get  the field of a spec
  template <class Get>
  CLI::Option* add(CLI::App& command, const char* option, const char* help, Misfit misfit, Get get);

  RetrieverSpec given_;  // with the defaults where nothing was
  std::vector<Field> fields_;
  std::size_t first_index_field_ = 0;
};

/// A retriever named on the command line, or by the file that `pefa tune --json` wrote.
class MethodOptions {
 public:
  /// Adds --method, --tuned and all parameters.
  void add_options(CLI::App& command);

  /// @throws CLI::ValidationError  an option that the method does not have
  /// @throws pefa::Error  the tuned file cannot be read
  [[nodiscard]] RetrieverSpec spec() const;

  /// The training files that the spec needs. Says on stderr where --neighbors asks for more than there are.
  /// @throws pefa::Error  they cannot be read, or are not those that the tuned file is of
  [[nodiscard]] TrainingData read_training(const DataFiles& files, const RetrieverSpec& spec) const {
    return read_training(files, spec, spec.method == Method::erm ? Training::unused : Training::used);
  }
  /// The same, whether the spec needs the training queries or not.
  [[nodiscard]] TrainingData read_training(const DataFiles& files, const RetrieverSpec& spec, Training training) const;

 private:
  SpecOptions options_;
  std::filesystem::path tuned_;
  bool tuned_anyway_ = false;
  const CLI::Option* neighbors_ = nullptr;
};

/// Says on stderr where more training queries are asked for than there are. @param training_queries  0: nobody knows
void warn_of_neighbors(std::size_t asked, std::size_t training_queries);

/// Excludes the options that a tuned file decides, those that the command has of them.
void exclude_tuned(CLI::App& command, CLI::Option& tuned);

/// Adds --tuned-anyway.
void add_tuned_anyway_option(CLI::App& command, bool& anyway);

}  // namespace pefa::cli
