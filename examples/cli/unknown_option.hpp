// The first option of a command line that no command has, and what may have been meant.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace pefa::cli {

/// One of the names that is like what was typed: the same with a letter or two wrong, or cut short. Empty: none is.
[[nodiscard]] std::string similar_name(std::string_view typed, const std::vector<std::string>& names);

/// An option that is not there.
struct UnknownOption {
  std::size_t place = 0;  ///< among the arguments
  std::string message;
};

/// The first option that the app, or the subcommand that it is given to, does not have; nothing where --help asks.
///
/// CLI11 reports unknown options last, when missing ones have been complained of already: they are looked for before.
/// @param arguments  without the program's name
[[nodiscard]] std::optional<UnknownOption> find_unknown_option(const CLI::App& app,
                                                               std::span<const std::string> arguments);

}  // namespace pefa::cli
