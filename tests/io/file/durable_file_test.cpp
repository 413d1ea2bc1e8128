#include "pefa/io/file/durable_file.hpp"

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "io/file/faulty_calls.hpp"
#include "support.hpp"

using namespace pefa;
using io::DurableFile;
using test::read_bytes;
using test::TemporaryDirectory;

static_assert(!std::is_copy_constructible_v<DurableFile>);

namespace {

std::span<const std::byte> to_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string pattern(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text.push_back(static_cast<char>('a' + i % 23));
  return text;
}

}  // namespace

TEST_CASE("DurableFile: the file appears whole at commit, and no .part stays") {
  const TemporaryDirectory directory;
  {
    DurableFile file(directory / "out");
    file.write(to_bytes("new"));
    REQUIRE_FALSE(std::filesystem::exists(directory / "out"));
    file.commit();
    REQUIRE(read_bytes(directory / "out") == "new");
  }
  REQUIRE(read_bytes(directory / "out") == "new");
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("DurableFile: abandoned, it leaves the older file and no .part") {
  const TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  {
    DurableFile file(path);
    file.write(to_bytes(pattern(1'000'000)));
    REQUIRE(directory.file_count() == 2);
    REQUIRE(read_bytes(path) == "old");
  }
  REQUIRE(read_bytes(path) == "old");
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("DurableFile: writes of every size arrive in order, around its buffer's size too") {
  const TemporaryDirectory directory;
  const std::string text = pattern(3'000'000);
  DurableFile file(directory / "out");
  std::size_t at = 0;
  const auto write = [&](std::size_t size) {
    file.write(to_bytes(text).subspan(at, size));
    at += size;
  };
  for (const std::size_t size : {1U, 0U, 100U, 262'043U, 1U, 262'144U, 7U, 262'145U, 1'000'000U, 3U}) write(size);
  write(text.size() - at);
  file.commit();
  REQUIRE(read_bytes(directory / "out") == text);
}

TEST_CASE("DurableFile: a directory, a folder that is not there and a name too long are IoErrors") {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "folder");
  REQUIRE_ERROR(IoError, "folder: is a directory, expected a file", DurableFile(directory / "folder"));
  REQUIRE_ERROR(IoError, "out: ", DurableFile(directory / "nowhere/out"));
  REQUIRE_ERROR(IoError, "cannot be opened", DurableFile(directory / std::string(300, 'x')));
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("DurableFile: a rename that fails is an IoError and leaves no .part") {
  const TemporaryDirectory directory;
  {
    DurableFile file(directory / "out");
    file.write(to_bytes("new"));
    std::filesystem::create_directory(directory / "out");
    REQUIRE_ERROR(IoError, "out: ", (file.commit(), 0));
  }
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("DurableFile: two writers of one path do not meet; the last to commit wins") {
  const TemporaryDirectory directory;
  DurableFile first(directory / "out");
  DurableFile second(directory / "out");
  first.write(to_bytes("first"));
  second.write(to_bytes("second, longer"));
  second.commit();
  first.commit();
  REQUIRE(read_bytes(directory / "out") == "first");
  REQUIRE(directory.file_count() == 1);
}

#if PEFA_HAS_FSYNC

using test::Disk;
using test::FaultyCalls;
using test::FaultyFile;

TEST_CASE("DurableFile: a bare name is written in the working directory") {
  const TemporaryDirectory directory;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory / "");
  {
    DurableFile file("out");
    file.write(to_bytes("new"));
    file.commit();
  }
  std::filesystem::current_path(before);
  REQUIRE(read_bytes(directory / "out") == "new");
}

TEST_CASE("DurableFile: the new file has the permissions of the one it replaces") {
  namespace fs = std::filesystem;
  const TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  for (const auto permissions : {fs::perms::owner_read | fs::perms::owner_write, fs::perms(0664), fs::perms(0444)}) {
    fs::permissions(path, permissions);
    DurableFile file(path);
    file.write(to_bytes("new"));
    file.commit();
    REQUIRE(fs::status(path).permissions() == permissions);
  }
}

TEST_CASE("DurableFile: the file is flushed before it is renamed, and the directory after") {
  const TemporaryDirectory directory;
  Disk disk;
  {
    FaultyFile file(directory / "out", FaultyCalls(disk));
    file.write(to_bytes("new"));
    file.commit();
  }
  const std::vector<std::string> expected{"open directory", "open file", "write",          "sync file",
                                          "close file",     "rename",    "sync directory", "close directory"};
  REQUIRE(disk.log == expected);
}

TEST_CASE("DurableFile: a call that fails is an IoError with the reason; the older file stays, and no .part") {
  const TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  for (const std::string call : {"open directory", "open file", "write", "sync file", "close file", "rename"}) {
    Disk disk;
    disk.refuses = call;
    INFO(call);
    REQUIRE_ERROR(IoError, "out: ", [&] {
      FaultyFile file(path, FaultyCalls(disk));
      file.write(to_bytes("new"));
      file.commit();
      return 0;
    }());
    REQUIRE(disk.log.back() != "sync directory");
    REQUIRE(read_bytes(path) == "old");
    REQUIRE(directory.file_count() == 1);
  }
}

TEST_CASE("DurableFile: a disk that is full after any byte leaves the older file and no .part") {
  const TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  const std::string text = pattern(40);
  for (std::size_t room = 0; room <= text.size(); ++room) {
    Disk disk;
    disk.room = room;
    {
      FaultyFile file(path, FaultyCalls(disk));
      file.write(to_bytes(text));
      if (room < text.size()) {
        REQUIRE_ERROR(IoError, "out: cannot be written: No space left on device", (file.commit(), 0));
      } else {
        file.commit();
      }
    }
    REQUIRE(read_bytes(path) == (room < text.size() ? "old" : text));
    REQUIRE(directory.file_count() == 1);
  }
}

TEST_CASE("DurableFile: short writes and interrupted calls are carried on with") {
  const TemporaryDirectory directory;
  Disk disk;
  disk.largest_write = 3;
  disk.interruptions = 2;
  FaultyFile file(directory / "out", FaultyCalls(disk));
  file.write(to_bytes("all of this"));
  file.commit();
  REQUIRE(disk.interruptions == 0);
  REQUIRE(read_bytes(directory / "out") == "all of this");
}

TEST_CASE("DurableFile: a system that takes no bytes is an IoError, not a wait for ever") {
  const TemporaryDirectory directory;
  Disk disk;
  disk.largest_write = 0;
  FaultyFile file(directory / "out", FaultyCalls(disk));
  file.write(to_bytes("new"));
  REQUIRE_ERROR(IoError, "out: cannot be written: the system takes no bytes", (file.commit(), 0));
}

TEST_CASE("DurableFile: a directory that fails to flush is told apart: the new file is in place") {
  const TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  Disk disk;
  disk.refuses = "sync directory";
  {
    FaultyFile file(path, FaultyCalls(disk));
    file.write(to_bytes("new"));
    REQUIRE_ERROR(IoError, "out: is in place, but its directory cannot be flushed", (file.commit(), 0));
  }
  REQUIRE(read_bytes(path) == "new");
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("DurableFile: a file system that has nothing to flush for a directory is fine") {
  const TemporaryDirectory directory;
  Disk disk;
  disk.refuses = "sync directory";
  disk.reason = EINVAL;
  FaultyFile file(directory / "out", FaultyCalls(disk));
  file.write(to_bytes("new"));
  file.commit();
  REQUIRE(read_bytes(directory / "out") == "new");
}

#endif

#if defined(__linux__)
TEST_CASE("DurableFile: a device is not replaced") {
  REQUIRE_ERROR(IoError, "/dev/null: is no regular file, expected one or none", DurableFile("/dev/null"));
}
#endif
