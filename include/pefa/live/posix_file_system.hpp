// pefa: the file system of file_system.hpp on POSIX calls. There is none for Windows.
#pragma once

#if !defined(_WIN32)

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/file/durable_file.hpp"
#include "pefa/live/file_system.hpp"

namespace pefa::live {
namespace detail {

using io::detail::fail_with_errno;
using io::detail::retried;

/// An open file, closed with the object.
class Descriptor {
 public:
  Descriptor(std::filesystem::path path, int flags)
      : path_(std::move(path)), number_(retried([&] { return io::PosixCalls{}.open(path_, flags); })) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// To the disk: the bytes and the size, and where `whole` all else that is known of the file.
  void sync(bool whole) const {
    const int result = retried([&] {
#if defined(__linux__)
      if (!whole) return ::fdatasync(number_);
#endif
      return io::PosixCalls{}.sync(number_);
    });
    if (result == 0 || (whole && errno == EINVAL)) return;  // EINVAL: there is nothing to flush for a directory
    fail_with_errno(path_, "cannot be flushed to the disk");
  }

 private:
  std::filesystem::path path_;
  int number_;
};

class PosixAppendFile final : public AppendFile {
 public:
  explicit PosixAppendFile(const std::filesystem::path& path) : file_(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND) {
    if (!file_.is_open()) fail_with_errno(path, "cannot be made");
  }
  std::size_t write_some(std::span<const std::byte> bytes) override {
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1U << 30);  // some systems refuse 2 GiB and more
    const auto written = retried([&] { return ::write(file_.number(), bytes.data(), size); });
    if (written < 0) fail_with_errno(file_.path(), "cannot be written");
    if (written == 0) pefa::detail::fail<IoError>(file_.path().string(), ": cannot be written: it takes no bytes");
    return static_cast<std::size_t>(written);
  }
  void sync() override { file_.sync(false); }

 private:
  Descriptor file_;
};

class PosixReadFile final : public ReadFile {
 public:
  explicit PosixReadFile(const std::filesystem::path& path) : file_(path, O_RDONLY) {}

  [[nodiscard]] bool is_open() const noexcept { return file_.is_open(); }

  std::size_t read_some(std::uint64_t offset, std::span<std::byte> into) const override {
    const std::size_t size = std::min<std::size_t>(into.size(), 1U << 30);
    const auto got = retried([&] { return ::pread(file_.number(), into.data(), size, static_cast<::off_t>(offset)); });
    if (got < 0) fail_with_errno(file_.path(), "cannot be read");
    return static_cast<std::size_t>(got);
  }
  std::uint64_t size() const override {
    struct stat status {};
    if (::fstat(file_.number(), &status) != 0) fail_with_errno(file_.path(), "cannot be read");
    if (!S_ISREG(status.st_mode)) pefa::detail::fail<IoError>(file_.path().string(), ": is not a regular file");
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  Descriptor file_;
};

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(const std::filesystem::path& path) : file_(path, O_RDWR | O_CREAT) {
    if (!file_.is_open()) fail_with_errno(path, "cannot be opened");
  }
  /// Whether it could be locked.
  [[nodiscard]] bool take() const {
    if (retried([&] { return ::flock(file_.number(), LOCK_EX | LOCK_NB); }) == 0) return true;
    if (errno != EWOULDBLOCK) fail_with_errno(file_.path(), "cannot be locked");
    return false;
  }

 private:
  Descriptor file_;
};

}  // namespace detail

/// The file system of the machine.
class PosixFileSystem final : public FileSystem {
 public:
  std::unique_ptr<AppendFile> create(const std::filesystem::path& path) override {
    return std::make_unique<detail::PosixAppendFile>(path);
  }
  std::unique_ptr<ReadFile> open(const std::filesystem::path& path) override {
    auto file = std::make_unique<detail::PosixReadFile>(path);
    if (file->is_open()) return file;
    if (errno != ENOENT) detail::fail_with_errno(path, "cannot be opened");
    return nullptr;
  }
  void sync_file(const std::filesystem::path& path) override { sync(path, O_RDONLY); }
  void rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    if (std::rename(from.c_str(), to.c_str()) != 0) detail::fail_with_errno(to, "cannot be put in place");
  }
  bool remove(const std::filesystem::path& path) override {
    if (std::remove(path.c_str()) == 0) return true;
    if (errno != ENOENT) detail::fail_with_errno(path, "cannot be removed");
    return false;
  }
  std::vector<DirectoryEntry> list(const std::filesystem::path& path) override {
    std::vector<DirectoryEntry> entries;
    std::error_code failed;
    for (std::filesystem::directory_iterator each(path, failed), end; !failed && each != end; each.increment(failed)) {
      DirectoryEntry entry{each->path().filename().string(), false, 0};
      struct stat status {};
      if (::lstat(each->path().c_str(), &status) != 0) continue;  // removed meanwhile
      entry.is_directory = S_ISDIR(status.st_mode);
      if (S_ISREG(status.st_mode)) entry.size = static_cast<std::uint64_t>(status.st_size);
      entries.push_back(std::move(entry));
    }
    if (failed) pefa::detail::fail<IoError>(path.string(), ": cannot be listed: ", failed.message());
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
  }
  bool create_directory(const std::filesystem::path& path) override {
    if (::mkdir(path.c_str(), 0777) == 0) return true;
    if (errno != EEXIST) detail::fail_with_errno(path, "cannot be made");
    if (!std::filesystem::is_directory(path)) pefa::detail::fail<IoError>(path.string(), ": is not a directory");
    return false;
  }
  void sync_directory(const std::filesystem::path& path) override { sync(path, O_RDONLY | O_DIRECTORY); }
  std::unique_ptr<FileLock> lock(const std::filesystem::path& path) override {
    auto lock = std::make_unique<detail::PosixFileLock>(path);
    return lock->take() ? std::move(lock) : nullptr;
  }

 private:
  static void sync(const std::filesystem::path& path, int flags) {
    const detail::Descriptor file(path, flags);
    if (!file.is_open()) detail::fail_with_errno(path, "cannot be opened");
    file.sync(true);
  }
};

/// One for all who name none.
[[nodiscard]] inline FileSystem& posix_file_system() {
  static PosixFileSystem files;
  return files;
}

}  // namespace pefa::live

#endif
