// How a command answers: a few lines for people on stdout, JSON for programs where --json asks.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "progress_bar.hpp"

namespace CLI {
class App;
}

namespace pefa::cli {

/// Writes JSON to a file, or to stdout where the path is "-". @throws IoError
void write_json(const std::string& path, const nlohmann::ordered_json& json);

/// "0.1.0": of this library.
[[nodiscard]] std::string version();

/// --json and --quiet, and answering by them.
class Output {
 public:
  void add_options(CLI::App& command);

  /// Prints a result: the text, and the JSON where it was asked for. Where that goes to stdout, it goes alone.
  void result(const std::string& text, const nlohmann::ordered_json& json) const;
  /// The same for a line that only says what was done: not printed with --quiet.
  void summary(const std::string& text, const nlohmann::ordered_json& json) const;

  [[nodiscard]] Verbosity verbosity() const noexcept { return quiet_ ? Verbosity::quiet : Verbosity::normal; }

 private:
  bool quiet_ = false;
  std::string json_;
};

}  // namespace pefa::cli
