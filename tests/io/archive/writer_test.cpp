#include "pefa/io/archive/writer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <ostream>
#include <random>
#include <span>
#include <sstream>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/archive/archive_tools.hpp"
#include "io/file/faulty_calls.hpp"
#include "pefa/io/archive/reader.hpp"
#include "support.hpp"

#if PEFA_HAS_FSYNC
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>
#endif

using namespace pefa;
using io::ArchiveReader;
using io::ArchiveWriter;
using test::peek;
using test::read_bytes;
using test::TemporaryDirectory;

namespace {

std::string streamed(const ArchiveWriter& writer) {
  std::ostringstream out;
  writer.write(out);
  return out.str();
}

test::Bytes in_memory(const ArchiveWriter& writer) {
  io::MemorySink sink;
  writer.write(sink);
  return {sink.bytes().begin(), sink.bytes().end()};
}

std::string text_of(const test::Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const std::vector<std::uint16_t> three{1, 2, 3};

ArchiveWriter small_writer() {
  ArchiveWriter writer;
  writer.metadata().add("k", 16);
  writer.add("three", three);
  writer.add("none", std::vector<double>());
  return writer;
}

}  // namespace

TEST_CASE("ArchiveWriter: the bytes are where archive_format.hpp says") {
  const test::Bytes bytes = in_memory(small_writer());
  const std::size_t directory = 128;
  const std::size_t metadata = 8 + 1 + 8;
  REQUIRE(bytes.size() == directory + 2 * 80 + metadata + 8);

  REQUIRE(text_of(bytes).substr(0, 12) == std::string("\x93PEFA\r\n\x1A\x04\x03\x02\x01", 12));
  REQUIRE(peek<std::uint32_t>(bytes, 12) == 1);
  REQUIRE(peek<std::uint16_t>(bytes, 16) == PEFA_VERSION_MAJOR);
  REQUIRE(peek<std::uint16_t>(bytes, 18) == PEFA_VERSION_MINOR);
  REQUIRE(peek<std::uint16_t>(bytes, 20) == PEFA_VERSION_PATCH);
  REQUIRE(peek<std::uint16_t>(bytes, 22) == 0);
  REQUIRE(peek<std::uint64_t>(bytes, 24) == bytes.size());
  REQUIRE(peek<std::uint64_t>(bytes, 32) == directory);
  REQUIRE(peek<std::uint32_t>(bytes, 40) == 2);
  REQUIRE(peek<std::uint32_t>(bytes, 44) == metadata);
  REQUIRE(peek<std::uint64_t>(bytes, 48) == 0);
  const std::span<const std::byte> all(bytes);
  REQUIRE(peek<std::uint64_t>(bytes, 56) == io::checksum(all.first(56)));

  REQUIRE(text_of(bytes).substr(64, 64) == std::string("\1\0\2\0\3\0", 6) + std::string(58, '\0'));

  REQUIRE(text_of(bytes).substr(directory, 48) == "three" + std::string(43, '\0'));
  REQUIRE(peek<std::uint32_t>(bytes, directory + 48) == 4);  // uint16
  REQUIRE(peek<std::uint32_t>(bytes, directory + 52) == 2);
  REQUIRE(peek<std::uint64_t>(bytes, directory + 56) == 3);
  REQUIRE(peek<std::uint64_t>(bytes, directory + 64) == 64);
  REQUIRE(peek<std::uint64_t>(bytes, directory + 72) == io::checksum(all.subspan(64, 6)));
  REQUIRE(text_of(bytes).substr(directory + 80, 48) == "none" + std::string(44, '\0'));
  REQUIRE(peek<std::uint64_t>(bytes, directory + 80 + 56) == 0);
  REQUIRE(peek<std::uint64_t>(bytes, directory + 80 + 64) == 128);
  REQUIRE(peek<std::uint64_t>(bytes, directory + 80 + 72) == io::checksum({}));

  REQUIRE(text_of(bytes).substr(directory + 160, metadata) == std::string("\1\1\0\0\x08\0\0\0k\x10\0\0\0\0\0\0\0", 17));
  REQUIRE(peek<std::uint64_t>(bytes, bytes.size() - 8) == io::checksum(all.subspan(directory, 160 + metadata)));
}

TEST_CASE("ArchiveWriter: an archive of nothing is a header and an empty directory") {
  const test::Bytes bytes = in_memory(ArchiveWriter());
  REQUIRE(bytes.size() == 64 + 8);
  REQUIRE(test::open_bytes(bytes).sections().empty());
}

TEST_CASE("ArchiveWriter: a file, a stream and memory get the same bytes, each time") {
  const TemporaryDirectory directory;
  const ArchiveWriter writer = small_writer();
  writer.save(directory / "a.pefa");
  const std::string bytes = read_bytes(directory / "a.pefa");
  REQUIRE(streamed(writer) == bytes);
  REQUIRE(streamed(writer) == bytes);
  REQUIRE(text_of(in_memory(writer)) == bytes);
  REQUIRE(writer.byte_size() == bytes.size());
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("ArchiveWriter: sections of 1 MiB and more have their pages to themselves, smaller ones their cache lines") {
  const std::vector<std::uint8_t> page(1U << 20, 7);
  ArchiveWriter writer;
  writer.add("small", std::vector<char>{'x'});
  writer.add("large", page);
  writer.add("nearly", std::span(page).first(page.size() - 1));
  writer.add("again", page);
  const test::Bytes bytes = in_memory(writer);
  const ArchiveReader reader = test::open_bytes(bytes);
  const auto sections = reader.sections();
  REQUIRE(sections[0].offset == 64);
  REQUIRE(sections[1].offset == 4096);
  REQUIRE(sections[2].offset == 4096 + page.size());
  REQUIRE(sections[3].offset == 4096 + 2 * page.size());
}

TEST_CASE("ArchiveWriter: what is passed by reference is borrowed, a container passed as an rvalue is moved in") {
  std::vector<int> borrowed{1, 2};
  auto moved = std::make_unique<std::vector<int>>(std::vector<int>{3, 4});
  const int* data = moved->data();
  ArchiveWriter writer;
  writer.add("borrowed", borrowed);
  writer.add("span", std::span(borrowed).first(1));
  writer.add("moved", std::move(*moved));
  REQUIRE(moved->data() != data);
  moved.reset();
  borrowed[0] = 9;
  const test::Bytes bytes = in_memory(writer);
  const ArchiveReader reader = test::open_bytes(bytes);
  REQUIRE(reader.section<int>("borrowed")[0] == 9);
  REQUIRE(reader.section<int>("span")[0] == 9);
  REQUIRE(reader.section<int>("moved")[1] == 4);
}

TEST_CASE("ArchiveWriter: a produced section comes in any number of pieces, anew for each writing") {
  std::vector<float> rows(1000);
  std::iota(rows.begin(), rows.end(), 0.0F);
  int runs = 0;
  ArchiveWriter produced;
  produced.add_produced<float>("rows", rows.size(), [&](const ArchiveWriter::Put<float>& put) {
    ++runs;
    for (std::size_t i = 0; i < rows.size(); i += 50) put(std::span(rows).subspan(i, 50));
    put({});
  });
  ArchiveWriter whole;
  whole.add("rows", rows);
  REQUIRE(streamed(produced) == streamed(whole));
  REQUIRE(streamed(produced) == streamed(whole));
  REQUIRE(runs == 2);
}

TEST_CASE("ArchiveWriter: a producer that gives another count than announced is a ValueError") {
  const std::vector<int> numbers(5);
  const auto writer_of = [&numbers](std::uint64_t announced) {
    ArchiveWriter writer;
    writer.add_produced<int>("rows", announced, [&numbers](const ArchiveWriter::Put<int>& put) {
      put(numbers);
      put(numbers);
    });
    return writer;
  };
  REQUIRE(streamed(writer_of(10)).size() == 64 + 64 + 80 + 8);
  REQUIRE_ERROR(ValueError, "section 'rows' was announced with 9 elements, its producer gave more",
                streamed(writer_of(9)));
  REQUIRE_ERROR(ValueError, "section 'rows' was announced with 0 elements, its producer gave more",
                streamed(writer_of(0)));
  REQUIRE_ERROR(ValueError, "section 'rows' was announced with 11 elements, its producer gave fewer",
                streamed(writer_of(11)));
}

TEST_CASE("ArchiveWriter: keys twice, keys that are none, too many and too large sections are ValueErrors") {
  ArchiveWriter writer;
  const auto produce_nothing = [](const ArchiveWriter::Put<double>&) {};
  writer.add("a", three);
  REQUIRE_ERROR(ValueError, "section 'a' is there already", (writer.add("a", three), 0));
  REQUIRE_ERROR(ValueError, "section 'a' is there already", (writer.add_produced<double>("a", 0, produce_nothing), 0));
  REQUIRE_ERROR(ValueError, "section key '': expected 1 to 48 of", (writer.add("", three), 0));
  REQUIRE_ERROR(ValueError, "section key 'a b': expected", (writer.add("a b", three), 0));
  REQUIRE_ERROR(ValueError, "expected 1 to 48 of", (writer.add(std::string(49, 'a'), three), 0));
  constexpr std::uint64_t most = std::uint64_t{1} << 45;
  REQUIRE_ERROR(ValueError, "section 'b' has 35184372088833 elements of 8 bytes, expected at most 2^48 bytes",
                (writer.add_produced<double>("b", most + 1, produce_nothing), 0));
  REQUIRE_ERROR(ValueError, "section 'b' has 18446744073709551615 elements",
                (writer.add_produced<double>("b", std::numeric_limits<std::uint64_t>::max(), produce_nothing), 0));
  for (std::size_t i = 1; i < 4096; ++i) writer.add_produced<double>(std::to_string(i), most, produce_nothing);
  REQUIRE_ERROR(ValueError, "section 'last' is one more than 4096", (writer.add("last", three), 0));
  REQUIRE(writer.byte_size() > 4095 * (most * 8));  // the largest archive's size is no overflow
}

TEST_CASE("ArchiveWriter: progress counts bytes up to all of them, and stopping leaves the older archive") {
  const TemporaryDirectory directory;
  const auto path = directory.write("a.pefa", "old");
  const std::vector<char> large(5U << 20, 'x');
  ArchiveWriter writer;
  writer.add("large", large);
  std::size_t last = 0;
  writer.save(directory / "b.pefa", [&](std::size_t done, std::size_t total) {
    REQUIRE(done > last);
    REQUIRE(total == writer.byte_size());
    last = done;
    return ProgressAction::proceed;
  });
  REQUIRE(last == writer.byte_size());
  const auto stop_half_way = [](std::size_t done, std::size_t total) {
    return 2 * done > total ? ProgressAction::stop : ProgressAction::proceed;
  };
  REQUIRE_ERROR(Cancelled, "ArchiveWriter::write: stopped", (writer.save(path, stop_half_way), 0));
  REQUIRE(read_bytes(path) == "old");
  REQUIRE(directory.file_count() == 2);
}

TEST_CASE("ArchiveWriter: an exception of a producer reaches the caller and leaves the older archive") {
  const TemporaryDirectory directory;
  const auto path = directory.write("a.pefa", "old");
  ArchiveWriter writer;
  writer.add("three", three);
  writer.add_produced<int>("rows", 1, [](const ArchiveWriter::Put<int>&) { throw std::logic_error("no rows"); });
  REQUIRE_ERROR(std::logic_error, "no rows", (writer.save(path), 0));
  REQUIRE(read_bytes(path) == "old");
  REQUIRE(directory.file_count() == 1);
}

TEST_CASE("ArchiveWriter: a stream that fails at any byte is an IoError") {
  class Full : public std::streambuf {
   public:
    explicit Full(std::size_t room) : room_(room) {}
    std::streamsize xsputn(const char*, std::streamsize size) override {
      const std::size_t taken = std::min(room_, static_cast<std::size_t>(size));
      room_ -= taken;
      return static_cast<std::streamsize>(taken);
    }

   private:
    std::size_t room_;
  };
  const ArchiveWriter writer = small_writer();
  for (std::size_t room = 0; room <= writer.byte_size(); ++room) {
    Full buffer(room);
    std::ostream out(&buffer);
    if (room == writer.byte_size()) {
      writer.write(out);
    } else {
      REQUIRE_ERROR(IoError, "output stream: did not take all bytes", (writer.write(out), 0));
    }
  }
}

#if PEFA_HAS_FSYNC

namespace {

/// An archive whose every element is its generation's number.
ArchiveWriter generation_archive(std::uint32_t generation, std::size_t size) {
  ArchiveWriter writer;
  writer.metadata().add("generation", generation);
  writer.add("first", std::vector<std::uint32_t>(size, generation));
  writer.add("second", std::vector<std::uint32_t>(2 * size + 1, generation));
  return writer;
}

/// The generation in an archive that verifies and is of one piece.
std::uint32_t verified_generation(const std::filesystem::path& path) {
  const ArchiveReader reader = ArchiveReader::open(path);
  reader.verify();
  const auto generation = static_cast<std::uint32_t>(reader.metadata().integer("generation"));
  for (const char* key : {"first", "second"}) {
    for (const std::uint32_t element : reader.section<std::uint32_t>(key)) {
      if (element != generation) throw std::logic_error("two generations in one archive");
    }
  }
  return generation;
}

/// Runs `body` in a process of its own, which it does not leave.
template <class Body>
pid_t in_a_child(const Body& body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    body();
  } catch (const IoError&) {
    ::_exit(2);
  } catch (...) {
    ::_exit(3);
  }
  ::_exit(0);
}

int ended(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

TEST_CASE("ArchiveWriter: a disk that is full after any byte leaves the older archive, whole, and no .part") {
  const TemporaryDirectory directory;
  const auto path = directory / "a.pefa";
  generation_archive(1, 5).save(path);
  const ArchiveWriter writer = generation_archive(2, 5);
  for (std::size_t room = 0; room <= writer.byte_size(); ++room) {
    test::Disk disk;
    disk.room = room;
    const auto save = [&] {
      test::FaultyFile file(path, test::FaultyCalls(disk));
      writer.write(file);
      file.commit();
      return 0;
    };
    if (room < writer.byte_size()) {
      REQUIRE_ERROR(IoError, "a.pefa: cannot be written: No space left on device", save());
      REQUIRE(verified_generation(path) == 1);
    } else {
      save();
      REQUIRE(verified_generation(path) == 2);
    }
    REQUIRE(directory.file_count() == 1);
  }
}

TEST_CASE("ArchiveWriter: a real limit on the file's size is an IoError that leaves the older archive and no .part") {
  const TemporaryDirectory directory;
  const auto path = directory / "a.pefa";
  generation_archive(1, 5).save(path);
  const ArchiveWriter writer = generation_archive(2, 200'000);
  for (std::uint64_t room = 0; room < writer.byte_size(); room += writer.byte_size() / 7) {
    const pid_t child = in_a_child([&] {
      std::signal(SIGXFSZ, SIG_IGN);
      const struct rlimit limit { static_cast<rlim_t>(room), static_cast<rlim_t>(room) };
      if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(4);
      writer.save(path);
    });
    const int status = ended(child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 2);
    REQUIRE(verified_generation(path) == 1);
    REQUIRE(directory.file_count() == 1);
  }
}

TEST_CASE("ArchiveWriter: a process killed at a random moment of saving, 50 times, leaves a whole archive") {
  const TemporaryDirectory directory;
  const auto path = directory / "a.pefa";
  std::uint32_t generation = 1;
  generation_archive(generation, 5).save(path);
  std::mt19937 random(50);
  for (int kill = 0; kill < 50; ++kill) {
    const pid_t child = in_a_child([&] {
      for (std::uint32_t next = generation + 1;; ++next) generation_archive(next, 100'000).save(path);
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 25'000));
    REQUIRE(::kill(child, SIGKILL) == 0);
    const int status = ended(child);
    REQUIRE(WIFSIGNALED(status));
    const std::uint32_t now = verified_generation(path);
    REQUIRE(now >= generation);
    generation = now;
  }
}

#endif
