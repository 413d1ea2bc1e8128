#include "pefa/io/file/mapped_file.hpp"

#include <cstddef>
#include <filesystem>
#include <string>
#include <type_traits>
#include <utility>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::MappedFile;

static_assert(!std::is_copy_constructible_v<MappedFile> && std::is_nothrow_move_constructible_v<MappedFile>);

namespace {

std::string contents(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

}  // namespace

TEST_CASE("MappedFile: has the bytes of the file, at sizes around a page") {
  const test::TemporaryDirectory directory;
  for (const std::size_t size : {1U, 4095U, 4096U, 4097U, 100'000U}) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(i * 7));
    const MappedFile file(directory.write("file", bytes));
    REQUIRE(file.size() == size);
    REQUIRE(contents(file) == bytes);
  }
}

TEST_CASE("MappedFile: an empty file has no bytes") {
  const test::TemporaryDirectory directory;
  const MappedFile file(directory.write("empty", ""));
  REQUIRE(file.size() == 0);
}

TEST_CASE("MappedFile: a missing file and a directory are IoErrors that name them") {
  const test::TemporaryDirectory directory;
  REQUIRE_ERROR(IoError, "nowhere: cannot be opened", MappedFile(directory / "nowhere"));
  std::filesystem::create_directory(directory / "folder");
  REQUIRE_ERROR(IoError, "folder: is not a regular file", MappedFile(directory / "folder"));
  REQUIRE_ERROR(IoError, "cannot be opened", MappedFile(directory / std::string(300, 'x')));
}

TEST_CASE("MappedFile: the bytes stay where they are when it is moved") {
  const test::TemporaryDirectory directory;
  MappedFile first(directory.write("first", "first bytes"));
  const std::byte* data = first.data();
  MappedFile moved(std::move(first));
  REQUIRE(moved.data() == data);
  REQUIRE(contents(moved) == "first bytes");

  MappedFile other(directory.write("other", "other"));
  other = std::move(moved);
  REQUIRE(other.data() == data);
  REQUIRE(contents(other) == "first bytes");
}

#if PEFA_HAS_MMAP
TEST_CASE("MappedFile: a file that is removed or replaced meanwhile is still read") {
  const test::TemporaryDirectory directory;
  const MappedFile file(directory.write("file", "old bytes"));
  (void)directory.write("new", "something else");
  std::filesystem::rename(directory / "new", directory / "file");
  REQUIRE(contents(file) == "old bytes");
  std::filesystem::remove(directory / "file");
  REQUIRE(contents(file) == "old bytes");
}
#endif
