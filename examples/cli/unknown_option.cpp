#include "unknown_option.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstddef>

namespace pefa::cli {
namespace {

/// Letters to insert, delete, change or swap with their neighbour until one text is the other. O(a.size() · b.size()).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> edits(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        edits[i][j] = i + j;
        continue;
      }
      const std::size_t changed = edits[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      edits[i][j] = std::min({edits[i - 1][j] + 1, edits[i][j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        edits[i][j] = std::min(edits[i][j], edits[i - 2][j - 2] + 1);
      }
    }
  }
  return edits[a.size()][b.size()];
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

const CLI::App* find_subcommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (each->get_name() == name) return each;
  }
  return nullptr;
}

/// Whether an argument is written as an option: "--x" or "-x", not "-" or "-0.1".
bool is_option(const std::string& argument) {
  return argument.size() > 1 && argument[0] == '-' &&
         (argument[1] == '-' || std::isalpha(static_cast<unsigned char>(argument[1])) != 0);
}

}  // namespace

std::string similar_name(std::string_view typed, const std::vector<std::string>& names) {
  std::string best;
  for (const std::string& name : names) {
    const bool is_start = typed.size() > 4 && name.starts_with(typed);
    if (is_start && (best.empty() || name.size() < best.size())) best = name;
  }
  std::size_t least = std::min<std::size_t>(2, typed.size() / 4) + 1;
  for (const std::string& name : names) {
    const std::size_t distance = edit_distance(typed, name);
    if (distance < least) {
      least = distance;
      best = name;
    }
  }
  return best;
}

std::optional<UnknownOption> find_unknown_option(const CLI::App& app, std::span<const std::string> arguments) {
  const CLI::App* command = &app;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") return std::nullopt;
    if (!is_option(argument)) {
      const CLI::App* inner = find_subcommand(*command, argument);
      if (inner == nullptr && command == &app) return std::nullopt;
      if (inner != nullptr) command = inner;
      continue;
    }
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const CLI::Option* option = command->get_option_no_throw(name);
    if (option == nullptr) {
      const std::string similar = similar_name(name, option_names(*command));
      return UnknownOption{i, "unknown option " + name + (similar.empty() ? "" : ", did you mean " + similar + "?")};
    }
    if (option == command->get_help_ptr()) return std::nullopt;
    if (equals == std::string::npos) {  // its values may look like options: --out -x
      i += static_cast<std::size_t>(
          std::max(0, std::min(option->get_type_size_min(), option->get_items_expected_min())));
    }
  }
  return std::nullopt;
}

}  // namespace pefa::cli
