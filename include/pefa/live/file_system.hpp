// pefa: the few things that a log and a folder ask of a file system, as an interface, so that tests can cut its power.
//
// posix_file_system.hpp is the real one. Nothing here promises more than POSIX does: what was written is on the disk
// after sync(), a new, renamed or removed name after sync_directory(), and until then any part of it may be lost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pefa/core/error.hpp"

namespace pefa::live {

/// A new file, written from its beginning to its end. Not for several threads at once.
class AppendFile {
 public:
  AppendFile() = default;
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  virtual ~AppendFile() = default;

  /// Takes bytes from the front of `bytes`, which are not none: how many, at least one.
  /// @throws IoError  it took none
  [[nodiscard]] virtual std::size_t write_some(std::span<const std::byte> bytes) = 0;

  /// Puts what was written on the disk. After a failure nobody knows what of it is there, and a second call that
  /// succeeds does not tell: the file is to be given up.  @throws IoError  it failed
  virtual void sync() = 0;

  /// Takes all of `bytes`. @throws IoError  it took only a part, or none
  void append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) bytes = bytes.subspan(write_some(bytes));
  }
};

/// A file to read, which may grow meanwhile. Safe from several threads.
class ReadFile {
 public:
  ReadFile() = default;
  ReadFile(const ReadFile&) = delete;
  ReadFile& operator=(const ReadFile&) = delete;
  virtual ~ReadFile() = default;

  /// Fills the front of `into` with the bytes from `offset` on: how many; none where the file ends before.
  /// @throws IoError  they cannot be read
  [[nodiscard]] virtual std::size_t read_some(std::uint64_t offset, std::span<std::byte> into) const = 0;

  /// Its bytes now. @throws IoError  nobody says
  [[nodiscard]] virtual std::uint64_t size() const = 0;

  /// Fills `into`, or as much of it as the file has from `offset` on: how many bytes. @throws IoError  as read_some()
  [[nodiscard]] std::size_t read(std::uint64_t offset, std::span<std::byte> into) const {
    std::size_t done = 0;
    while (done < into.size()) {
      const std::size_t got = read_some(offset + done, into.subspan(done));
      if (got == 0) break;
      done += got;
    }
    return done;
  }
};

/// A lock that lasts as long as this object, or as the process.
class FileLock {
 public:
  FileLock() = default;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  virtual ~FileLock() = default;
};

/// What a directory holds under one name.
struct DirectoryEntry {
  std::string name;           ///< in its directory
  bool is_directory = false;  ///< else a file
  std::uint64_t size = 0;     ///< bytes of a file
};

/// A file system. Safe from several threads, on different paths.
class FileSystem {
 public:
  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem() = default;

  /// Makes a file. @throws IoError  there is one, or it cannot be made
  [[nodiscard]] virtual std::unique_ptr<AppendFile> create(const std::filesystem::path& path) = 0;
  /// Opens a file; null where there is none. @throws IoError  it is there and cannot be opened
  [[nodiscard]] virtual std::unique_ptr<ReadFile> open(const std::filesystem::path& path) = 0;
  /// Puts a file that somebody else has written on the disk. @throws IoError  it cannot
  virtual void sync_file(const std::filesystem::path& path) = 0;
  /// Gives a file or directory another name, and takes the file away that had it. @throws IoError  it cannot
  virtual void rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  /// Removes a file or an empty directory; whether there was one. @throws IoError  it is there and cannot be removed
  virtual bool remove(const std::filesystem::path& path) = 0;
  /// What a directory holds, ascending by name. @throws IoError  it cannot be read
  [[nodiscard]] virtual std::vector<DirectoryEntry> list(const std::filesystem::path& path) = 0;
  /// Makes a directory; whether there was none. @throws IoError  it cannot
  virtual bool create_directory(const std::filesystem::path& path) = 0;
  /// Puts the names in a directory on the disk. @throws IoError  it cannot
  virtual void sync_directory(const std::filesystem::path& path) = 0;
  /// Locks a file, which is made where there is none; null where somebody has it locked. @throws IoError  it cannot
  [[nodiscard]] virtual std::unique_ptr<FileLock> lock(const std::filesystem::path& path) = 0;
};

/// A path whose last part is its name: "data/live" of "data/live/".
[[nodiscard]] inline std::filesystem::path without_slash(const std::filesystem::path& path) {
  return path.has_filename() || !path.has_relative_path() ? path : path.parent_path();
}

/// The directory that a name is in, as sync_directory() takes it.
[[nodiscard]] inline std::filesystem::path directory_of(const std::filesystem::path& path) {
  const std::filesystem::path parent = without_slash(path).parent_path();
  return parent.empty() ? std::filesystem::path(".") : parent;
}

/// All bytes of a file, or nothing where there is none. @throws IoError  it cannot be read
/// @throws FormatError  it has more than `most` bytes
[[nodiscard]] inline std::optional<std::vector<std::byte>> read_file(FileSystem& files,
                                                                     const std::filesystem::path& path,
                                                                     std::uint64_t most) {
  const std::unique_ptr<ReadFile> file = files.open(path);
  if (!file) return std::nullopt;
  const std::uint64_t size = file->size();
  if (size > most) {
    pefa::detail::fail<FormatError>(path.string(), ": has ", size, " bytes, expected up to ", most);
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  bytes.resize(file->read(0, bytes));
  return bytes;
}

/// Puts a file of these bytes at `path`, on the disk, by way of "<path>.part": until it returns, `path` is whole, as it
/// was or as it will be.
/// @throws IoError  something failed; nobody knows which of the two the disk holds
inline void replace_file(FileSystem& files, const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::filesystem::path part = path;
  part += ".part";
  files.remove(part);
  {
    const std::unique_ptr<AppendFile> file = files.create(part);
    file->append(bytes);
    file->sync();
  }
  files.rename(part, path);
  files.sync_directory(directory_of(path));
}

/// Writes the bytes of [begin, end) of a file to another, a block at a time. @throws IoError  either refuses, or the
/// file ends before
inline void copy_bytes(const ReadFile& from, std::uint64_t begin, std::uint64_t end, AppendFile& to) {
  std::vector<std::byte> block(static_cast<std::size_t>(std::min<std::uint64_t>(end - begin, 1U << 20)));
  while (begin < end) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(end - begin, block.size()));
    const std::size_t got = from.read(begin, std::span(block).first(wanted));
    if (got < wanted)
      pefa::detail::fail<IoError>("live: a file to copy ends at byte ", begin + got, ", expected ", end);
    to.append(std::span(block).first(wanted));
    begin += wanted;
  }
}

/// Removes a file or a directory with all that is in it; nothing where there is none. Follows no symbolic links.
/// @throws IoError  it cannot
inline void remove_tree(FileSystem& files, const std::filesystem::path& path, bool is_directory) {
  if (is_directory) {
    for (const DirectoryEntry& entry : files.list(path)) remove_tree(files, path / entry.name, entry.is_directory);
  }
  files.remove(path);
}

}  // namespace pefa::live
