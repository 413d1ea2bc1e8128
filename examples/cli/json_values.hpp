// Parameters as the values of JSON: floats as people wrote them, null where one does not apply.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <nlohmann/json.hpp>
#include <type_traits>

namespace pefa::cli {

/// The double that a float32 was written as: 0.1, not 0.10000000149011612. The same float32 comes back from it.
[[nodiscard]] inline double decimal(float value) {
  std::array<char, 32> digits;
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  double read = 0.0;
  std::from_chars(digits.data(), written.ptr, read);
  return static_cast<float>(read) == value ? read : static_cast<double>(value);
}

/// The value where it applies, else null.
template <class T>
[[nodiscard]] nlohmann::ordered_json when(bool applies, const T& value) {
  if (!applies) return nullptr;
  if constexpr (std::same_as<T, float>) {
    return decimal(value);
  } else {
    return value;
  }
}

}  // namespace pefa::cli
