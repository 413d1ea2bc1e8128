#include "pefa/live/posix_file_system.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::live;
using test::TemporaryDirectory;

TEST_CASE("PosixFileSystem: what is appended is read, while it grows") {
  const TemporaryDirectory directory;
  FileSystem& files = posix_file_system();
  const auto out = files.create(directory / "file");
  const auto in = files.open(directory / "file");
  REQUIRE(in->size() == 0);
  out->append(test::byte_span("hello "));
  out->append(test::byte_span("world"));
  out->sync();
  files.sync_directory(directory / "");
  REQUIRE(in->size() == 11);
  std::string text(20, '.');
  REQUIRE(in->read(6, std::as_writable_bytes(std::span(text))) == 5);
  REQUIRE(text.substr(0, 6) == "world.");
  REQUIRE(in->read(100, std::as_writable_bytes(std::span(text))) == 0);
  files.sync_file(directory / "file");
}

TEST_CASE("PosixFileSystem: a file that is there is not made again, one that is not is not opened") {
  const TemporaryDirectory directory;
  FileSystem& files = posix_file_system();
  (void)directory.write("file", "old");
  REQUIRE_ERROR(IoError, "file: cannot be made: File exists", files.create(directory / "file"));
  REQUIRE_ERROR(IoError, "cannot be made: No such file", files.create(directory / "none/file"));
  REQUIRE(files.open(directory / "none") == nullptr);
  REQUIRE_ERROR(IoError, "cannot be opened: Not a directory", files.open(directory / "file/file"));
  REQUIRE_ERROR(IoError, "is not a regular file", files.open(directory / "")->size());
}

TEST_CASE("PosixFileSystem: replace, list, remove") {
  const TemporaryDirectory directory;
  FileSystem& files = posix_file_system();
  replace_file(files, directory / "b", test::byte_span("1"));
  replace_file(files, directory / "b", test::byte_span("22"));
  REQUIRE(files.create_directory(directory / "a"));
  REQUIRE_FALSE(files.create_directory(directory / "a"));
  REQUIRE_ERROR(IoError, "is not a directory", files.create_directory(directory / "b"));
  REQUIRE_ERROR(IoError, "cannot be made", files.create_directory(directory / "c/d"));
  (void)directory.write("a/file", "x");
  const auto entries = files.list(directory / "");
  REQUIRE(entries.size() == 2);
  REQUIRE((entries[0].name == "a" && entries[0].is_directory));
  REQUIRE((entries[1].name == "b" && !entries[1].is_directory && entries[1].size == 2));
  REQUIRE_ERROR(IoError, "cannot be listed", files.list(directory / "none"));
  REQUIRE_ERROR(IoError, "cannot be removed", files.remove(directory / "a"));
  REQUIRE_ERROR(IoError, "cannot be put in place", files.rename(directory / "none", directory / "b"));
  remove_tree(files, directory / "a", true);
  REQUIRE(files.remove(directory / "b"));
  REQUIRE_FALSE(files.remove(directory / "b"));
  REQUIRE(directory.file_count() == 0);
}

TEST_CASE("PosixFileSystem: a lock is one's alone, and free again with its object") {
  const TemporaryDirectory directory;
  FileSystem& files = posix_file_system();
  auto lock = files.lock(directory / "lock");
  REQUIRE(lock != nullptr);
  REQUIRE(files.lock(directory / "lock") == nullptr);
  lock.reset();
  REQUIRE(files.lock(directory / "lock") != nullptr);
  REQUIRE_ERROR(IoError, "cannot be opened", files.lock(directory / "none/lock"));
}
