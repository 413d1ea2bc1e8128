// pefa: a file that appears whole or not at all, whatever becomes of the process: written under a temporary name beside
// its own, renamed at the end. It is not synced: durable_file.hpp has what outlives a power cut. Writing one may be
// stopped.
#pragma once

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <ios>
#include <locale>
#include <ostream>
#include <random>
#include <streambuf>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"

namespace pefa::io {

/// Asked between two pieces of a file that is being written, from the thread that writes; true ends it: the writer
/// throws Cancelled, and an older file stays as it was. It must not throw.
using StopCheck = std::function<bool()>;

namespace detail {

/// Passes bytes on to a file, a piece at a time, and throws where a stream would only be told that it is bad.
class OutputBuffer final : public std::streambuf {
 public:
  OutputBuffer(std::string name, StopCheck stop)
      : name_(std::move(name)), stop_(std::move(stop)), piece_(std::size_t{1} << 18) {
    setp(piece_.data(), piece_.data() + piece_.size());
  }

  [[nodiscard]] bool open(const std::filesystem::path& path) {
    return file_.open(path, std::ios::out | std::ios::binary | std::ios::trunc) != nullptr;
  }
  [[nodiscard]] bool close() { return file_.close() != nullptr; }

  [[noreturn]] void refuse() const {
    pefa::detail::fail<IoError>(name_, ": could not be written whole; is the disk full?");
  }

 protected:
  int_type overflow(int_type next) override {
    pass_on();
    if (!traits_type::eq_int_type(next, traits_type::eof())) sputc(traits_type::to_char_type(next));
    return traits_type::not_eof(next);
  }
  int sync() override {
    pass_on();
    if (file_.pubsync() != 0) refuse();
    return 0;
  }

 private:
  void pass_on() {
    if (pptr() == pbase()) return;  // flushed before: what comes then is commit(), of perhaps one of two files
    if (stop_ && stop_()) pefa::detail::fail<Cancelled>(name_, ": stopped before it was whole");
    const std::streamsize size = pptr() - pbase();
    if (file_.sputn(pbase(), size) != size) refuse();
    setp(piece_.data(), piece_.data() + piece_.size());
  }

  std::string name_;
  StopCheck stop_;
  std::vector<char> piece_;
  std::filebuf file_;
};

}  // namespace detail

/// Writes `path` through a file of a name of its own beside it; until commit() an older file of that name stays as it
/// was. Its stream throws IoError where the disk is full, and Cancelled where `stop` says so. The new file takes the
/// old one's permissions; a symbolic link stays, and the file it leads to is written. What is there and no file, a pipe
/// or /dev/null, is written to as it is.
class OutputFile {
 public:
  /// @throws IoError  the file cannot be opened for writing
  explicit OutputFile(std::filesystem::path path, StopCheck stop = {})
      : path_(std::move(path)), part_(path_), buffer_(path_.string(), std::move(stop)) {
    std::error_code ignored;  // what is wrong with the path, opening it will tell
    const std::filesystem::file_status there = std::filesystem::status(path_, ignored);
    if (std::filesystem::is_directory(there)) {
      pefa::detail::fail<IoError>(path_.string(), ": is a directory, expected a file");
    }
    const bool has_old = std::filesystem::is_regular_file(there);
    is_replaced_ = !std::filesystem::exists(there) || has_old;
    if (is_replaced_) {
      if (has_old && std::filesystem::is_symlink(path_, ignored)) part_ = std::filesystem::canonical(path_, ignored);
      place_ = part_;
      part_ += '.';
      part_ += std::to_string(std::random_device{}());  // two writers of one path do not meet
      part_ += ".part";
    }
    out_.imbue(std::locale::classic());  // no host's thousands separators in a file
    out_.exceptions(std::ios::badbit);   // lets through what the buffer throws
    errno = 0;
    if (!buffer_.open(part_)) {
      const int reason = errno;  // of the system call beneath, where that sets it
      pefa::detail::fail<IoError>(path_.string(), ": cannot be opened for writing", reason != 0 ? ": " : "",
                                  reason != 0 ? std::generic_category().message(reason) : "");
    }
    if (has_old) std::filesystem::permissions(part_, there.permissions(), ignored);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() {
    if (committed_) return;
    (void)buffer_.close();
    std::error_code ignored;
    if (is_replaced_) std::filesystem::remove(part_, ignored);
  }

  /// What to write to; numbers come in the classic locale.
  [[nodiscard]] std::ostream& stream() noexcept { return out_; }

  /// Puts the file in its place. @throws IoError  the bytes could not all be written  @throws Cancelled
  void commit() {
    out_.flush();
    if (!out_ || !buffer_.close()) buffer_.refuse();
    std::error_code error;
    if (is_replaced_) std::filesystem::rename(part_, place_, error);
    if (error) pefa::detail::fail<IoError>(path_.string(), ": ", error.message());
    committed_ = true;
  }

 private:
  std::filesystem::path path_;
  std::filesystem::path part_;
  std::filesystem::path place_;  // where it goes
  detail::OutputBuffer buffer_;
  std::ostream out_{&buffer_};
  bool is_replaced_ = true;
  bool committed_ = false;
};

}  // namespace pefa::io
