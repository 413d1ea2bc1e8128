// pefa: what may be replaced by a file that is written.
#pragma once

#include <filesystem>
#include <system_error>

#include "pefa/core/error.hpp"

namespace pefa::io::detail {

/// Refuses what another file must not take the place of: a device as /dev/null, a pipe, a directory.
/// @throws IoError  there is something at the path, and it is no regular file
inline void require_replaceable(const std::filesystem::path& path) {
  std::error_code ignored;  // what is wrong with the path, opening it will tell
  const std::filesystem::file_status there = std::filesystem::status(path, ignored);
  if (!std::filesystem::exists(there) || std::filesystem::is_regular_file(there)) return;
  pefa::detail::fail<IoError>(
      path.string(), ": is ",
      std::filesystem::is_directory(there) ? "a directory, expected a file" : "no regular file, expected one or none");
}

}  // namespace pefa::io::detail
