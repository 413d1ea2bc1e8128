#include "pefa/io/output_file.hpp"

#include <filesystem>
#include <ios>
#include <locale>
#include <string>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::OutputFile;
using test::read_bytes;

namespace {

struct Grouping : std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

}  // namespace

TEST_CASE("OutputFile: the file appears whole at commit, and no .part stays") {
  const test::TemporaryDirectory directory;
  {
    OutputFile file(directory / "out");
    file.stream() << "new " << 1;
    file.stream().flush();
    REQUIRE_FALSE(std::filesystem::exists(directory / "out"));
    file.commit();
    REQUIRE(read_bytes(directory / "out") == "new 1");
  }
  REQUIRE(read_bytes(directory / "out") == "new 1");
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("OutputFile: an older file stays until commit") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  OutputFile file(path);
  file.stream() << "new";
  file.stream().flush();
  REQUIRE(read_bytes(path) == "old");
  file.commit();
  REQUIRE(read_bytes(path) == "new");
}

TEST_CASE("OutputFile: abandoned, it leaves the older file and no .part") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  {
    OutputFile file(path);
    file.stream() << "half of the ";
    file.stream().flush();
    REQUIRE(directory.file_count() == 2);
  }
  REQUIRE(read_bytes(path) == "old");
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("OutputFile: bytes that could not be written fail the commit, and the older file stays") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  {
    OutputFile file(path);
    file.stream() << "new";
    file.stream().setstate(std::ios::badbit);  // as a full disk does
    REQUIRE_ERROR(IoError, "out: could not be written whole", file.commit());
  }
  REQUIRE(read_bytes(path) == "old");
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("OutputFile: a rename that fails is an IoError and leaves no .part") {
  const test::TemporaryDirectory directory;
  {
    OutputFile file(directory / "out");
    file.stream() << "new";
    std::filesystem::create_directory(directory / "out");
    REQUIRE_ERROR(IoError, "out: ", file.commit());
  }
  REQUIRE(std::filesystem::is_directory(directory / "out"));
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("OutputFile: a directory, a folder that is not there and a name too long are IoErrors") {
  const test::TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "folder");
  REQUIRE_ERROR(IoError, "folder: is a directory, expected a file", OutputFile(directory / "folder"));
  REQUIRE_ERROR(IoError, "out: cannot be opened for writing", OutputFile(directory / "nowhere/out"));
  REQUIRE_ERROR(IoError, "cannot be opened for writing", OutputFile(directory / std::string(300, 'x')));
}

TEST_CASE("OutputFile: numbers are written without a host's locale") {
  const test::TemporaryDirectory directory;
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  {
    OutputFile file(directory / "out");
    file.stream() << 1234567;
    file.commit();
  }
  std::locale::global(before);
  REQUIRE(read_bytes(directory / "out") == "1234567");
}

TEST_CASE("OutputFile: two writers of one path do not meet; the last to commit wins") {
  const test::TemporaryDirectory directory;
  OutputFile first(directory / "out");
  OutputFile second(directory / "out");
  first.stream() << "first";
  second.stream() << "second, longer";
  second.commit();
  first.commit();
  REQUIRE(read_bytes(directory / "out") == "first");
  REQUIRE(directory.file_count() == 1);
}
