// pefa: what the values of an enum are called in archives, in JSON, on the command line and in messages: one table
// each.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace pefa {

/// The names of an enum's values, in the order of the values, which count from 0. Specialised beside each enum.
template <class E>
inline constexpr std::array<const char*, 0> enum_names{};

/// An enum whose values have names.
template <class E>
concept NamedEnum = std::is_enum_v<E> &&(enum_names<E>.size() > 0);

/// The name of a value; "unknown" where it is none of them.
template <NamedEnum E>
[[nodiscard]] constexpr const char* name(E value) noexcept {
  const auto i = static_cast<std::size_t>(value);
  return i < enum_names<E>.size() ? enum_names<E>[i] : "unknown";
}

/// The value of that name, if there is one.
template <NamedEnum E>
[[nodiscard]] constexpr std::optional<E> parse_enum(std::string_view text) noexcept {
  for (std::size_t i = 0; i < enum_names<E>.size(); ++i) {
    if (text == enum_names<E>[i]) return static_cast<E>(i);
  }
  return std::nullopt;
}

/// "paper, erm, borrowed": for messages.
template <NamedEnum E>
[[nodiscard]] std::string list_names() {
  std::string list;
  for (const char* each : enum_names<E>) {
    if (!list.empty()) list += ", ";
    list += each;
  }
  return list;
}

}  // namespace pefa
