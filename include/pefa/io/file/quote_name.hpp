// pefa: what stands in a file, as a message shows it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace pefa::io::detail {

/// A name or a field out of a file, fit for a message: short, and without control characters.
[[nodiscard]] inline std::string quote_name(std::string_view name) {
  constexpr std::size_t most = 60;
  std::size_t length = std::min(name.size(), most);
  while (length < name.size() && length > 0 && (static_cast<unsigned char>(name[length]) & 0xC0) == 0x80) --length;
  std::string shown = "'" + std::string(name.substr(0, length)) + (length < name.size() ? "...'" : "'");
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return shown;
}

}  // namespace pefa::io::detail
