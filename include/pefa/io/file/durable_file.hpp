// pefa: a file that survives crashes: after commit() the new one is on the disk, whole; before that, the old one is.
//
// Bytes go to a temporary file in the same directory, which is flushed to the disk (fsync), renamed over the old file,
// and made permanent by flushing the directory. Where there is no POSIX, the replacement is as whole but not flushed.
#pragma once

#include "pefa/core/error.hpp"
#include "pefa/io/file/byte_sink.hpp"
#include "pefa/io/file/replaceable.hpp"

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>
#define PEFA_HAS_FSYNC 1
#else
#include <filesystem>
#include <span>

#include "pefa/io/file/output_file.hpp"
#define PEFA_HAS_FSYNC 0
#endif

namespace pefa::io {

#if PEFA_HAS_FSYNC

/// The system calls of a durable file; each answers as its namesake does, with errno. Tests replace them to fail.
struct PosixCalls {
  /// open() with O_CLOEXEC; a new file gets mode 0666, less the umask.
  [[nodiscard]] int open(const std::filesystem::path& path, int flags) noexcept {
    return ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  }
  /// write().
  [[nodiscard]] std::ptrdiff_t write(int descriptor, const std::byte* bytes, std::size_t size) noexcept {
    return ::write(descriptor, bytes, size);
  }
  /// fsync(), or F_FULLFSYNC where there is one.
  [[nodiscard]] int sync(int descriptor) noexcept {
#if defined(F_FULLFSYNC)
    if (::fcntl(descriptor, F_FULLFSYNC) == 0)
      return 0;  // on Apple's systems fsync leaves the data in the drive's cache
#endif
    return ::fsync(descriptor);
  }
  /// close().
  [[nodiscard]] int close(int descriptor) noexcept {
    return ::close(descriptor);
  }
  /// rename().
  [[nodiscard]] int rename(const std::filesystem::path& from, const std::filesystem::path& to) noexcept {
    return std::rename(from.c_str(), to.c_str());
  }
};

namespace detail {

/// What a system call answers that no signal interrupted.
template <class Call>
[[nodiscard]] auto retried(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// @throws IoError  what could not be done with a file, and why by errno
[[noreturn]] [[gnu::cold]] inline void fail_with_errno(const std::filesystem::path& path, const char* what) {
  const int reason = errno;
  pefa::detail::fail<IoError>(path.string(), ": ", what, ": ", std::generic_category().message(reason));
}

}  // namespace detail

/// Writes `path` through a temporary file "<path>.<number>.part" beside it. Destroyed without commit(), it removes that
/// file and the old one stays as it was; a killed process leaves the temporary file behind, and the old one as it was.
///
/// The new file takes the old one's permissions. A symbolic link at `path` is replaced, not followed.
template <class Calls = PosixCalls>
class BasicDurableFile final : public ByteSink {
 public:
  /// @throws IoError  `path` is a directory or a device, or its directory cannot be opened or written to
  explicit BasicDurableFile(std::filesystem::path path, Calls calls = {})
      : BasicDurableFile(Closed{}, std::move(path), std::move(calls)) {
    open();  // the object is whole by now: where this throws, the destructor closes what is open
  }
  ~BasicDurableFile() override {
    if (file_ >= 0) (void)calls_.close(file_);
    if (directory_ >= 0) (void)calls_.close(directory_);
    if (!part_exists_) return;
    std::error_code ignored;
    std::filesystem::remove(part_, ignored);
  }

  void write(std::span<const std::byte> bytes) override {
    if (buffer_.size() + bytes.size() > buffer_size) {
      flush();
      if (bytes.size() > buffer_size) return write_through(bytes);
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }

  /// Puts the file in its place, on the disk.
  /// @throws IoError  something failed and the old file is still there; or, if the message says so, the new one is in
  /// place but a power failure could still bring back the old one
  void commit() {
    flush();
    if (detail::retried([&] { return calls_.sync(file_); }) != 0) {
      detail::fail_with_errno(path_, "cannot be flushed to the disk");
    }
    if (calls_.close(std::exchange(file_, -1)) != 0) detail::fail_with_errno(path_, "cannot be closed");
    if (calls_.rename(part_, path_) != 0) detail::fail_with_errno(path_, "cannot be put in place");
    part_exists_ = false;
    // EINVAL: a file system that has nothing to flush for a directory.
    if (detail::retried([&] { return calls_.sync(directory_); }) != 0 && errno != EINVAL) {
      detail::fail_with_errno(path_, "is in place, but its directory cannot be flushed to the disk");
    }
  }

 private:
  static constexpr std::size_t buffer_size = std::size_t{1} << 18;
  static constexpr std::size_t largest_write = std::size_t{1} << 30;  // some systems refuse or cut 2 GiB and more

  struct Closed {};
  BasicDurableFile(Closed, std::filesystem::path path, Calls calls)
      : path_(std::move(path)), part_(path_), calls_(std::move(calls)) {
    part_ += '.';
    part_ += std::to_string(std::random_device{}());  // two writers of one path do not meet
    part_ += ".part";
    buffer_.reserve(buffer_size);
  }

  void open() {
    detail::require_replaceable(path_);
    const std::filesystem::path parent = path_.has_parent_path() ? path_.parent_path() : ".";
    directory_ = calls_.open(parent, O_RDONLY | O_DIRECTORY);
    if (directory_ < 0) detail::fail_with_errno(path_, "its directory cannot be opened");
    file_ = calls_.open(part_, O_WRONLY | O_CREAT | O_EXCL);
    if (file_ < 0) detail::fail_with_errno(path_, "cannot be opened for writing");
    part_exists_ = true;
    keep_permissions();
  }

  void keep_permissions() {
    struct stat old {};
    struct stat made {};
    if (::stat(path_.c_str(), &old) != 0 || ::fstat(file_, &made) != 0) return;
    if (((old.st_mode ^ made.st_mode) & 0777) != 0 && ::fchmod(file_, old.st_mode & 0777) != 0) {
      detail::fail_with_errno(path_, "cannot take the permissions of the file it replaces");
    }
  }

  void flush() {
    write_through(buffer_);
    buffer_.clear();
  }

  void write_through(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto written =
          detail::retried([&] { return calls_.write(file_, bytes.data(), std::min(bytes.size(), largest_write)); });
      if (written < 0) detail::fail_with_errno(path_, "cannot be written");
      if (written == 0) pefa::detail::fail<IoError>(path_.string(), ": cannot be written: the system takes no bytes");
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  std::filesystem::path path_;
  std::filesystem::path part_;
  Calls calls_;
  int directory_ = -1;
  int file_ = -1;
  bool part_exists_ = false;
  std::vector<std::byte> buffer_;  ///< joins small writes; larger ones go past it
};

/// On the system's own calls.
using DurableFile = BasicDurableFile<>;

#else

/// Writes `path` under a temporary name and renames it; this system gives no way to flush it to the disk.
class DurableFile final : public ByteSink {
 public:
  /// @throws IoError  the file cannot be opened for writing
  explicit DurableFile(const std::filesystem::path& path) : file_(path), stream_(file_.stream()) {}

  void write(std::span<const std::byte> bytes) override { stream_.write(bytes); }
  /// Puts the file in its place. @throws IoError  it could not be written
  void commit() { file_.commit(); }

 private:
  OutputFile file_;
  StreamSink stream_;
};

#endif

}  // namespace pefa::io
