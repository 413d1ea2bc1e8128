// Options whose values are those of an enum, by the names that it has everywhere.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "pefa/core/enum_names.hpp"
#include "pefa/index/index_spec.hpp"

namespace pefa::cli {

/// The names that an option takes: all but an index of the host's own, which no command line can name.
template <NamedEnum E>
std::vector<std::string> choices() {
  std::vector<std::string> names(enum_names<E>.begin(), enum_names<E>.end());
  if constexpr (std::is_same_v<E, IndexKind>) names.pop_back();
  return names;
}
static_assert(std::string_view(enum_names<IndexKind>.back()) == "custom");

/// Adds an option for a value, an enum by its names, and shows the value as its default.
template <class T>
CLI::Option* add_value(CLI::App& command, const char* option, const char* help, T& value) {
  if constexpr (NamedEnum<T>) {
    const auto set = [&value](const std::string& text) { value = *parse_enum<T>(text); };
    return command.add_option_function<std::string>(option, set, help)
        ->check(CLI::IsMember(choices<T>()))
        ->default_str(pefa::name(value));
  } else {
    return command.add_option(option, value, help)->capture_default_str();
  }
}

}  // namespace pefa::cli
