#include "pefa/io/file/output_file.hpp"

#if defined(__linux__)
#include <sys/resource.h>
#include <sys/stat.h>
#endif

#include <csignal>
#include <filesystem>
#include <ios>
#include <locale>
#include <string>
#include <thread>

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

#if defined(__linux__)
/// While one lives, no file can grow past so many bytes: as if the disk were full.
class LargestFile {
 public:
  explicit LargestFile(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit limit{bytes, before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  LargestFile(const LargestFile&) = delete;
  LargestFile& operator=(const LargestFile&) = delete;
  ~LargestFile() {
    (void)setrlimit(RLIMIT_FSIZE, &before_);
    (void)std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};
#endif

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
    file.stream().exceptions(std::ios::goodbit);
    file.stream().setstate(std::ios::badbit);
    REQUIRE_ERROR(IoError, "out: could not be written whole", file.commit());
  }
  REQUIRE(read_bytes(path) == "old");
  REQUIRE(directory.file_count() == 1);
}

#if defined(__linux__)
TEST_CASE("OutputFile: a disk that is full is an IoError where it is met, and leaves no .part") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  {
    const LargestFile limit(100'000);
    OutputFile file(path);
    REQUIRE_ERROR(IoError, "out: could not be written whole; is the disk full?",
                  file.stream() << std::string(1'000'000, 'x'));
    OutputFile small(path);
    small.stream() << std::string(150'000, 'x');  // less than is passed on at once
    REQUIRE_ERROR(IoError, "out: could not be written whole; is the disk full?", (small.commit(), 0));
  }
  REQUIRE(read_bytes(path) == "old");
  REQUIRE(directory.file_count() == 1);
}
#endif

TEST_CASE("OutputFile: asks between pieces whether to stop; stopped, it leaves the older file and no .part") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  const std::string large(5'000'000, 'x');
  const auto write = [&](std::size_t pieces, bool at_once) {
    std::size_t asked = 0;
    OutputFile file(path, [&asked, pieces] { return asked++ == pieces; });
    if (at_once) {
      file.stream().write(large.data(), static_cast<std::streamsize>(large.size()));
    } else {
      for (std::size_t i = 0; i < large.size() / 10; ++i) file.stream() << "xxxxxxxxx" << 1;
    }
    file.commit();
    return asked;
  };
  for (const bool at_once : {true, false}) {
    for (const std::size_t pieces : {0U, 1U, 7U}) {
      REQUIRE_ERROR(Cancelled, "out: stopped before it was whole", write(pieces, at_once));
      REQUIRE(read_bytes(path) == "old");
      REQUIRE(directory.file_count() == 1);
    }
  }
  REQUIRE(write(1000, true) > 10);
  REQUIRE(read_bytes(path) == large);
}

TEST_CASE("OutputFile: a small file may be stopped, too") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  {
    OutputFile file(path, [] { return true; });
    file.stream() << "new";
    REQUIRE_ERROR(Cancelled, "out: stopped", (file.commit(), 0));
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
  REQUIRE_ERROR(IoError, "out: cannot be opened for writing: No such file or directory",
                OutputFile(directory / "nowhere/out"));
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

#if defined(__linux__)
TEST_CASE("OutputFile: a pipe, or /dev/null, is written to and stays what it is") {
  OutputFile null("/dev/null");
  null.stream() << "gone";
  null.commit();
  REQUIRE(std::filesystem::is_character_file("/dev/null"));
  const test::TemporaryDirectory directory;
  const std::string pipe = (directory / "pipe").string();
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  std::thread reader([&] { REQUIRE(read_bytes(pipe) == "through"); });
  {
    OutputFile file(pipe);
    file.stream() << "through";
    file.commit();
  }
  reader.join();
  REQUIRE(directory.file_count() == 1);
}
#endif

#if defined(__unix__)
TEST_CASE("OutputFile: the new file has the old one's permissions") {
  const test::TemporaryDirectory directory;
  const auto path = directory.write("out", "old");
  constexpr auto mine = std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;
  std::filesystem::permissions(path, mine);
  OutputFile file(path);
  file.stream() << "new";
  file.commit();
  REQUIRE(std::filesystem::status(path).permissions() == mine);
  REQUIRE(read_bytes(path) == "new");
}

TEST_CASE("OutputFile: a symbolic link stays, and the file it leads to is written") {
  const test::TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "there");
  const auto target = directory.write("there/target", "old");
  std::filesystem::create_symlink(target, directory / "link");
  {
    OutputFile file(directory / "link");
    file.stream() << "new";
    REQUIRE(read_bytes(target) == "old");
    file.commit();
  }
  REQUIRE(std::filesystem::is_symlink(directory / "link"));
  REQUIRE(read_bytes(target) == "new");
}
#endif
