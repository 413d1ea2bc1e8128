// pefa: a file that appears whole or not at all: written under a temporary name beside its own, renamed at the end.
#pragma once

#include <filesystem>
#include <fstream>
#include <locale>
#include <ostream>
#include <random>
#include <string>
#include <system_error>
#include <utility>

#include "pefa/core/error.hpp"

namespace pefa::io {

/// Writes `path` through a file of a name of its own beside it; until commit() an older file of that name stays as it
/// was.
class OutputFile {
 public:
  /// @throws IoError  the file cannot be opened for writing
  explicit OutputFile(std::filesystem::path path) : path_(std::move(path)), part_(path_) {
    part_ += '.';
    part_ += std::to_string(std::random_device{}());  // two writers of one path do not meet
    part_ += ".part";
    std::error_code ignored;  // what is wrong with the path, opening it will tell
    if (std::filesystem::is_directory(path_, ignored)) {
      pefa::detail::fail<IoError>(path_.string(), ": is a directory, expected a file");
    }
    out_.imbue(std::locale::classic());  // no host's thousands separators in a file
    out_.open(part_, std::ios::binary | std::ios::trunc);
    if (!out_) pefa::detail::fail<IoError>(path_.string(), ": cannot be opened for writing");
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() {
    if (committed_) return;
    out_.close();
    std::error_code ignored;
    std::filesystem::remove(part_, ignored);
  }

  [[nodiscard]] std::ostream& stream() noexcept { return out_; }

  /// Puts the file in its place. @throws IoError  the bytes could not all be written
  void commit() {
    out_.close();
    if (!out_) pefa::detail::fail<IoError>(path_.string(), ": could not be written whole; is the disk full?");
    std::error_code error;
    std::filesystem::rename(part_, path_, error);
    if (error) pefa::detail::fail<IoError>(path_.string(), ": ", error.message());
    committed_ = true;
  }

 private:
  std::filesystem::path path_;
  std::filesystem::path part_;
  std::ofstream out_;
  bool committed_ = false;
};

}  // namespace pefa::io
