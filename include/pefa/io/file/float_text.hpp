// pefa: a float32 as decimal text that brings it back, read as a float or as a double that is then rounded.
#pragma once

#include <array>
#include <charconv>
#include <string>

namespace pefa::io::detail {

/// Nine significant digits at most, in the "C" locale. The shortest text is not enough: read as a double first, it may
/// round to the float beside.
[[nodiscard]] inline std::string float_text(float value) {
  std::array<char, 32> digits;
  const auto written =
      std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::general, 9);
  return {digits.data(), written.ptr};
}

}  // namespace pefa::io::detail
