// pefa: saying of a file what it is, where it was asked to be read as something else.
//
// Nothing here is decided by a file's name: format_bytes.hpp has the formats that can be told.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <string_view>
#include <system_error>

#include "pefa/core/error.hpp"
#include "pefa/io/file/format_bytes.hpp"

namespace pefa::io {

/// A file is whole, but in another format than it was read as.
class WrongFormat : public FormatError {
 public:
  /// @param format  the name of the format that it is in; a literal
  WrongFormat(const std::string& message, const char* format) : FormatError(message), format_(format) {}

  /// "npy", "safetensors", "pefa", "zip" or "beir".
  [[nodiscard]] const char* format() const noexcept { return format_; }

 private:
  const char* format_;
};

namespace detail {

/// The format of a file, or nullptr; that also where it cannot be read.
[[nodiscard]] inline const char* format_of_file(const std::filesystem::path& path) {
  std::array<char, 16> start{};
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return nullptr;
  std::ifstream in(path, std::ios::binary);
  in.read(start.data(), start.size());
  const auto count = static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0));
  const auto size = std::filesystem::file_size(path, error);
  return error ? nullptr : format_of_bytes({start.data(), count}, size);
}

/// Runs `read`; where the file is not what was asked for, says what it is. @param asked  the name of a format
template <class Read>
[[nodiscard]] auto naming_wrong_format(const std::filesystem::path& path, std::string_view asked, const Read& read) {
  try {
    return read();
  } catch (const WrongFormat&) {
    throw;
  } catch (const FormatError&) {
    const char* format = format_of_file(path);
    if (format == nullptr || asked == format || (asked == "npz" && format == std::string_view("zip"))) throw;
    throw WrongFormat(pefa::detail::join_message(path.string(), ": it is ", describe_format(format), ", not .", asked),
                      format);
  }
}

}  // namespace detail
}  // namespace pefa::io
