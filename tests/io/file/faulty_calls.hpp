// A disk that fails where a test wants it to: the system calls of BasicDurableFile, counted, logged and refused.
#pragma once

#include "pefa/io/file/durable_file.hpp"

#if PEFA_HAS_FSYNC

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace pefa::test {

/// What goes wrong, and what happened.
struct Disk {
  std::size_t room = std::numeric_limits<std::size_t>::max();           ///< bytes until it is full
  std::size_t largest_write = std::numeric_limits<std::size_t>::max();  ///< longer writes are cut to this
  std::size_t interruptions = 0;                                        ///< how many calls a signal interrupts first
  std::string refuses;                                                  ///< the call that fails, by its name in the log
  int reason = EIO;                                                     ///< with this errno
  std::vector<std::string> log;
};

struct FaultyCalls : io::PosixCalls {
  explicit FaultyCalls(Disk& on) : disk(&on) {}

  [[nodiscard]] int open(const std::filesystem::path& path, int flags) {
    const bool is_directory = (flags & O_DIRECTORY) != 0;
    if (refuses(is_directory ? "open directory" : "open file")) return -1;
    const int descriptor = PosixCalls::open(path, flags);
    if (is_directory) directory = descriptor;
    return descriptor;
  }
  [[nodiscard]] std::ptrdiff_t write(int descriptor, const std::byte* bytes, std::size_t size) {
    if (interrupted() || refuses("write")) return -1;
    if (disk->room == 0) {
      errno = ENOSPC;
      return -1;
    }
    size = std::min({size, disk->room, disk->largest_write});
    disk->room -= size;
    return PosixCalls::write(descriptor, bytes, size);
  }
  [[nodiscard]] int sync(int descriptor) {
    if (interrupted() || refuses(descriptor == directory ? "sync directory" : "sync file")) return -1;
    return 0;
  }
  [[nodiscard]] int close(int descriptor) {
    const int result = PosixCalls::close(descriptor);
    return refuses(descriptor == directory ? "close directory" : "close file") ? -1 : result;
  }
  [[nodiscard]] int rename(const std::filesystem::path& from, const std::filesystem::path& to) {
    return refuses("rename") ? -1 : PosixCalls::rename(from, to);
  }

  Disk* disk;
  int directory = -1;

 private:
  [[nodiscard]] bool interrupted() const {
    if (disk->interruptions == 0) return false;
    --disk->interruptions;
    errno = EINTR;
    return true;
  }
  [[nodiscard]] bool refuses(const std::string& call) const {
    disk->log.push_back(call);
    if (call != disk->refuses) return false;
    errno = disk->reason;
    return true;
  }
};

using FaultyFile = io::BasicDurableFile<FaultyCalls>;

}  // namespace pefa::test

#endif
