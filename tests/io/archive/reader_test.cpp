#include "pefa/io/archive/reader.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ios>
#include <istream>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <sstream>
#include <streambuf>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/archive/archive_tools.hpp"
#include "pefa/io/archive/writer.hpp"
#include "pefa/io/file/byte_sink.hpp"
#include "support.hpp"

using namespace pefa;
using io::ArchiveReader;
using io::ArchiveWriter;
using test::Bytes;
using test::everything_in;
using test::open_bytes;
using test::patch;
using test::sign;
using test::TemporaryDirectory;

namespace {

Bytes written(const ArchiveWriter& writer) {
  io::MemorySink sink;
  writer.write(sink);
  return {sink.bytes().begin(), sink.bytes().end()};
}

/// A few sections and values, about 700 bytes.
Bytes small_archive() {
  ArchiveWriter writer;
  writer.metadata().add("k", 16);
  writer.metadata().add("lambda", 0.1);
  writer.metadata().add("metric", "ip");
  writer.add("rows", std::vector<float>{1.0F, -2.0F, 3.5F});
  writer.add("none", std::vector<std::uint64_t>());
  writer.add("links", std::vector<std::uint32_t>(20, 7));
  return written(writer);
}

std::string as_text(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class T>
void require_same(const ArchiveReader& reader, const std::string& key, const std::vector<T>& expected) {
  INFO(key);
  const std::span<const T> elements = reader.section<T>(key, expected.size());
  REQUIRE(std::equal(elements.begin(), elements.end(), expected.begin(), expected.end()));
  REQUIRE(reinterpret_cast<std::uintptr_t>(elements.data()) % 64 == 0);
}

/// Opens, verifies, reads: what a careful host does with a file it does not know.
std::string read_with_care(const Bytes& bytes) {
  const ArchiveReader reader = open_bytes(bytes);
  reader.verify();
  return everything_in(reader);
}

/// read_with_care(), and what an error says instead; anything but a FormatError passes through.
std::pair<std::string, std::string> outcome(const Bytes& bytes) {
  try {
    return {read_with_care(bytes), ""};
  } catch (const FormatError& error) {
    return {"", error.what()};
  }
}

}  // namespace

TEST_CASE("ArchiveReader: every element type comes back to the bit, from a file, a stream and memory") {
  const TemporaryDirectory directory;
  const std::vector<std::int8_t> i8{-128, 0, 127};
  const std::vector<std::uint8_t> u8{0, 255};
  const std::vector<std::int16_t> i16{-32768, 32767};
  const std::vector<std::uint16_t> u16{65535};
  const std::vector<std::int32_t> i32{std::numeric_limits<std::int32_t>::min(), 1};
  const std::vector<std::uint32_t> u32{std::numeric_limits<std::uint32_t>::max(), 1};
  const std::vector<std::int64_t> i64{std::numeric_limits<std::int64_t>::min(), 1};
  const std::vector<std::uint64_t> u64{std::numeric_limits<std::uint64_t>::max(), 1};
  const std::vector<Eigen::half> f16{Eigen::half(0.1F), Eigen::half(-65504.0F)};
  const std::vector<Eigen::bfloat16> bf16{Eigen::bfloat16(0.1F), Eigen::bfloat16(3e38F)};
  const std::vector<float> f32{0.1F, -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::denorm_min()};
  const std::vector<double> f64{0.1, std::numeric_limits<double>::max()};
  const std::vector<char> text{'i', 'd', '\0'};
  const std::vector<float> large(1'000'003, 0.5F);
  ArchiveWriter writer;
  writer.add("i8", i8);
  writer.add("u8", u8);
  writer.add("i16", i16);
  writer.add("u16", u16);
  writer.add("i32", i32);
  writer.add("u32", u32);
  writer.add("i64", i64);
  writer.add("u64", u64);
  writer.add("f16", f16);
  writer.add("large", large);
  writer.add("bf16", bf16);
  writer.add("f32", f32);
  writer.add("f64", f64);
  writer.add("text", text);
  writer.add("none", std::vector<float>());
  writer.metadata().add("lambda", 0.3);
  writer.save(directory / "a.pefa");

  const auto require_all = [&](const ArchiveReader& reader) {
    require_same(reader, "i8", i8);
    require_same(reader, "u8", u8);
    require_same(reader, "i16", i16);
    require_same(reader, "u16", u16);
    require_same(reader, "i32", i32);
    require_same(reader, "u32", u32);
    require_same(reader, "i64", i64);
    require_same(reader, "u64", u64);
    require_same(reader, "f16", f16);
    require_same(reader, "bf16", bf16);
    require_same(reader, "f32", f32);
    require_same(reader, "f64", f64);
    require_same(reader, "text", text);
    require_same(reader, "large", large);
    require_same(reader, "none", std::vector<float>());
    REQUIRE(reader.metadata().real("lambda") == 0.3);
    REQUIRE(reader.sections().size() == 15);
    REQUIRE(reader.sections()[9].key == "large");
    REQUIRE(reader.byte_size() == writer.byte_size());
    reader.verify();
    for (const io::ArchiveSection& section : reader.sections()) reader.verify_section(section.key);
  };
  require_all(ArchiveReader::open(directory / "a.pefa"));
  std::ifstream in(directory / "a.pefa", std::ios::binary);
  require_all(ArchiveReader::read(in));
  require_all(open_bytes(written(writer)));
}

TEST_CASE("ArchiveReader: says what wrote the archive") {
  const Bytes bytes = small_archive();
  const ArchiveReader reader = open_bytes(bytes);
  REQUIRE(reader.name() == "x.pefa");
  REQUIRE(reader.format_version() == 1);
  REQUIRE(reader.library_version() == std::to_string(PEFA_VERSION_MAJOR) + "." + std::to_string(PEFA_VERSION_MINOR) +
                                          "." + std::to_string(PEFA_VERSION_PATCH));
}

TEST_CASE("ArchiveReader: a section that is absent, of another type or size says archive, key and expectation") {
  const Bytes bytes = small_archive();
  const ArchiveReader reader = open_bytes(bytes);
  REQUIRE_ERROR(FormatError, "x.pefa: has no section 'codes', expected one of int8",
                reader.section<std::int8_t>("codes"));
  REQUIRE_ERROR(FormatError, "x.pefa: section 'rows' holds float32, expected float64", reader.section<double>("rows"));
  REQUIRE_ERROR(FormatError, "x.pefa: section 'rows' holds float32, expected int32", reader.find_section<int>("rows"));
  REQUIRE_ERROR(FormatError, "x.pefa: section 'rows' holds 3 elements, expected 4", reader.section<float>("rows", 4));
  REQUIRE_ERROR(FormatError, "x.pefa: has no section 'codes'", (reader.verify_section("codes"), 0));
  REQUIRE_ERROR(FormatError, "x.pefa: has no metadata 'dim'", reader.metadata().integer("dim"));
  REQUIRE_FALSE(reader.find_section<float>("codes").has_value());
  REQUIRE(reader.find_section<float>("rows")->size() == 3);
  REQUIRE(reader.contains("none"));
  REQUIRE_FALSE(reader.contains("codes"));
}

TEST_CASE("ArchiveReader: spans live as long as the reader, a copy of it, or its owner") {
  const TemporaryDirectory directory;
  { std::ofstream(directory / "a.pefa", std::ios::binary) << as_text(small_archive()); }
  std::shared_ptr<const void> owner;
  std::span<const float> rows;
  {
    const ArchiveReader copy = ArchiveReader(ArchiveReader::open(directory / "a.pefa"));
    rows = copy.section<float>("rows");
    owner = copy.owner();
  }
  std::filesystem::remove(directory / "a.pefa");
  REQUIRE(rows[2] == 3.5F);

  const auto memory = std::make_shared<const Bytes>(small_archive());
  {
    const ArchiveReader reader = ArchiveReader::over(*memory, memory);
    REQUIRE(memory.use_count() > 1);
  }
  REQUIRE(memory.use_count() == 1);
}

TEST_CASE("ArchiveReader: an archive that is replaced by another save is served on") {
  const TemporaryDirectory directory;
  ArchiveWriter first;
  first.add("rows", std::vector<int>{1});
  first.save(directory / "a.pefa");
  const ArchiveReader old = ArchiveReader::open(directory / "a.pefa");
  ArchiveWriter second;
  second.add("rows", std::vector<int>{2, 2});
  second.save(directory / "a.pefa");
  old.verify();
  REQUIRE(old.section<int>("rows")[0] == 1);
  REQUIRE(ArchiveReader::open(directory / "a.pefa").section<int>("rows")[1] == 2);
}

TEST_CASE("ArchiveReader: two readers of one file, in threads, see the same") {
  const TemporaryDirectory directory;
  const auto path = directory.write("a.pefa", as_text(small_archive()));
  const ArchiveReader shared = ArchiveReader::open(path);
  std::vector<std::string> seen(4);
  {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      threads.emplace_back([&, i] {
        for (int round = 0; round < 50; ++round) {
          const ArchiveReader reader = i % 2 == 0 ? shared : ArchiveReader::open(path);
          reader.verify();
          seen[i] = everything_in(reader);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  for (const std::string& contents : seen) REQUIRE(contents == everything_in(shared));
}

TEST_CASE("ArchiveReader: memory that is not on a 64-byte boundary is a ValueError") {
  Bytes bytes(1);
  const Bytes archive = small_archive();
  bytes.insert(bytes.end(), archive.begin(), archive.end());
  REQUIRE_ERROR(ValueError, "x.pefa: expected on a 64-byte boundary",
                ArchiveReader::over(std::span<const std::byte>(bytes).subspan(1), nullptr, "x.pefa"));
}

TEST_CASE("ArchiveReader: reading leaves a stream behind the archive's last byte") {
  const std::string archive = as_text(small_archive());
  std::istringstream in(archive + archive + "rest");
  REQUIRE(everything_in(ArchiveReader::read(in)) == everything_in(ArchiveReader::read(in)));
  std::string rest;
  in >> rest;
  REQUIRE(rest == "rest");
}

TEST_CASE("ArchiveReader: streams that fail are IoErrors, those that end are cut off, told to throw or not") {
  struct Failing : std::streambuf {
    int_type underflow() override { throw std::ios_base::failure("disk on fire"); }
  };
  for (const std::ios_base::iostate thrown : {std::ios_base::goodbit, std::ios_base::badbit | std::ios_base::failbit}) {
    Failing buffer;
    std::istream failing(&buffer);
    failing.exceptions(thrown);
    REQUIRE_ERROR(IoError, "archive stream: cannot be read", ArchiveReader::read(failing));

    std::istringstream cut(as_text(small_archive()).substr(0, 300));
    cut.exceptions(thrown);
    REQUIRE_ERROR(FormatError, "archive stream: has 300 bytes, its header says", ArchiveReader::read(cut));
  }
  std::ifstream missing("/nowhere/at/all");
  REQUIRE_ERROR(IoError, "a.pefa: cannot be read; does it exist?", ArchiveReader::read(missing, "a.pefa"));
  REQUIRE_ERROR(IoError, "cannot be opened", ArchiveReader::open("/nowhere/at/all"));
}

TEST_CASE("ArchiveReader: other files are refused as such") {
  for (const std::string& text : {std::string(), std::string("\x93PEF"), std::string(1000, '\0'),
                                  "\x93NUMPY\x01" + std::string(60, ' '), std::string("queries\tpassages\n")}) {
    std::istringstream in(text);
    REQUIRE_ERROR(FormatError, "archive stream: is not a pefa archive", ArchiveReader::read(in));
    const TemporaryDirectory directory;
    REQUIRE_ERROR(FormatError, "a.pefa: is not a pefa archive", ArchiveReader::open(directory.write("a.pefa", text)));
  }
}

TEST_CASE("ArchiveReader: a later format version says both versions and what wrote it") {
  Bytes bytes = small_archive();
  patch(bytes, 12, std::uint32_t{7});
  patch(bytes, 16, std::uint16_t{3});
  patch(bytes, 18, std::uint16_t{2});
  patch(bytes, 20, std::uint16_t{1});
  // Not signed: a later version may put its checksum elsewhere.
  REQUIRE_ERROR(FormatError, "x.pefa: has format version 7, written by pefa 3.2.1; this pefa reads up to version 1",
                open_bytes(bytes));
  patch(bytes, 12, std::uint32_t{0});
  sign(bytes);
  REQUIRE_ERROR(FormatError, "x.pefa: has format version 0, expected 1", open_bytes(bytes));
}

TEST_CASE("ArchiveReader: the other byte order is told from damage") {
  Bytes bytes = small_archive();
  patch(bytes, 8, std::uint32_t{0x04030201});
  REQUIRE_ERROR(FormatError, "x.pefa: was written in the byte order of a big-endian machine", open_bytes(bytes));
  patch(bytes, 8, std::uint32_t{0x01020305});
  REQUIRE_ERROR(FormatError, "x.pefa: its endianness mark is damaged", open_bytes(bytes));
}

TEST_CASE("ArchiveReader: an archive cut off at any byte, or longer than it says, does not open") {
  const Bytes whole = small_archive();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const char* expected = size < 8 ? "x.pefa: is not a pefa archive" : "it is cut off";
    REQUIRE_ERROR(FormatError, expected, open_bytes(cut));
    std::istringstream in(as_text(cut));
    REQUIRE_ERROR(FormatError, expected, ArchiveReader::read(in, "x.pefa"));
  }
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  REQUIRE_ERROR(
      FormatError,
      "x.pefa: has " + std::to_string(longer.size()) + " bytes, its header says " + std::to_string(whole.size()),
      open_bytes(longer));
}

TEST_CASE("ArchiveReader: any flipped bit is found, at open or by verify, with the part that it is in") {
  Bytes bytes = small_archive();
  const std::string contents = read_with_care(bytes);
  const std::size_t directory = test::directory_of(bytes);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    const std::size_t at = bit / 8;
    bytes[at] ^= std::byte{1} << bit % 8;
    const std::string error = outcome(bytes).second;
    bytes[at] ^= std::byte{1} << bit % 8;
    const std::string expected = at < 8           ? "is not a pefa archive"
                                 : at < 12        ? "endianness"
                                 : at < 16        ? "version"
                                 : at < 64        ? "its header is damaged"
                                 : at < 64 + 12   ? "section 'rows', bytes 64 to 76, is damaged"
                                 : at < 128       ? "byte " + std::to_string(at) + ", between two sections"
                                 : at < 128 + 80  ? "section 'links', bytes 128 to 208, is damaged"
                                 : at < directory ? "byte " + std::to_string(at) + ", between two sections"
                                                  : "its directory is damaged";
    INFO("byte " << at << ", bit " << bit % 8 << ": " << error << "; expected: " << expected);
    const bool version_bit = at >= 12 && at < 16;
    REQUIRE((error.find(expected) != std::string::npos || (version_bit && error.find("header") != std::string::npos)));
  }
  REQUIRE(read_with_care(bytes) == contents);
}

TEST_CASE("ArchiveReader: 10,000 seeded mutations are found, or leave all contents as they were") {
  const Bytes whole = small_archive();
  const std::string contents = read_with_care(whole);
  std::mt19937 random(10'000);
  const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (int i = 0; i < 10'000; ++i) {
    Bytes bytes = whole;
    for (std::size_t left = 1 + below(8); left > 0; --left) {
      switch (below(4)) {
        case 0: bytes[below(bytes.size())] = static_cast<std::byte>(random() & 0xFF); break;
        case 1: bytes.resize(1 + below(bytes.size())); break;
        case 2: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size())), std::byte{0}); break;
        default: {  // a piece from elsewhere
          const std::size_t size = 1 + below(std::min<std::size_t>(bytes.size(), 80));
          const std::size_t from = below(bytes.size() - size + 1);
          const std::size_t to = below(bytes.size() - size + 1);
          std::copy_n(Bytes(bytes).begin() + static_cast<std::ptrdiff_t>(from), size,
                      bytes.begin() + static_cast<std::ptrdiff_t>(to));
        }
      }
    }
    const auto [read, error] = outcome(bytes);
    INFO("mutation " << i << ": " << error);
    REQUIRE((read == contents || !error.empty()));
    std::istringstream in(as_text(bytes));
    try {
      (void)ArchiveReader::read(in);
    } catch (const FormatError&) {  // the rule here is: nothing else
    }
  }
}

TEST_CASE("ArchiveReader: 10,000 mutations with their checksums made right open in bounds, or not at all") {
  const Bytes whole = small_archive();
  std::mt19937 random(20'000);
  std::size_t opened = 0;
  for (int i = 0; i < 10'000; ++i) {
    Bytes bytes = whole;
    const std::size_t directory = test::directory_of(whole);
    for (std::size_t left = 1 + random() % 3; left > 0; --left) {
      const bool in_header = random() % 4 == 0;
      const std::size_t at = in_header ? 24 + random() % 32 : directory + random() % (whole.size() - directory - 8);
      bytes[at] = static_cast<std::byte>(random() % 3 == 0 ? 0xFF : random() & 0xFF);
    }
    sign(bytes);
    try {
      const ArchiveReader reader = open_bytes(bytes);
      ++opened;
      (void)everything_in(reader);  // under a sanitizer this shows that the spans are in bounds
      reader.verify();
    } catch (const FormatError&) {
    }
  }
  REQUIRE(opened > 500);
}

TEST_CASE("ArchiveReader: hostile headers and directories are refused, with what is wrong and where") {
  const Bytes whole = small_archive();
  const std::size_t first = test::entry_of(whole, 0);
  const std::size_t third = test::entry_of(whole, 2);
  constexpr std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
  struct Attack {
    std::size_t offset;
    std::uint64_t value;
    std::size_t bytes;
    std::string expected;
  };
  const Attack attacks[] = {
      {24, huge, 8, "its header puts a directory of"},
      {24, 0, 8, "its header puts a directory of"},
      {32, huge, 8, "its header puts a directory of"},
      {32, 63, 8, "its header puts a directory of"},
      {32, 0, 8, "its header puts a directory of"},
      {40, 0xFFFFFFFF, 4, "has 4294967295 sections and"},
      {40, 4097, 4, "expected at most 4096 and 1048576"},
      {40, 4096, 4, "its header puts a directory of"},
      {40, 2, 4, "its header puts a directory of"},
      {44, 0xFFFFFFFF, 4, "4294967295 bytes of metadata"},
      {44, (1U << 20) + 1, 4, "1048577 bytes of metadata"},
      {44, 0, 4, "its header puts a directory of"},
      {first, 0, 1, "entry 0 of its directory has no valid key"},
      {first, '\n', 1, "entry 0 of its directory has no valid key"},
      {first + 47, 'x', 1, "entry 0 of its directory has no valid key"},
      {first + 48, 0, 4, "section 'rows' has elements of type 0 and 4 bytes"},
      {first + 48, 13, 4, "section 'rows' has elements of type 13 and 4 bytes"},
      {first + 52, 0, 4, "section 'rows' has elements of type 11 and 0 bytes"},
      {first + 52, 8, 4, "section 'rows' has elements of type 11 and 8 bytes"},
      {first + 56, huge, 8, "section 'rows' has 18446744073709551615 elements of 4 bytes at byte 64"},
      {first + 56, std::uint64_t{1} << 62, 8, "section 'rows' has 4611686018427387904 elements"},  // · 4 = 2^64
      {first + 56, 1000, 8, "section 'rows' has 1000 elements"},
      {first + 64, 0, 8, "at byte 0, expected a multiple of 64 and all within bytes 64 to"},
      {first + 64, 68, 8, "at byte 68, expected a multiple of 64"},
      {first + 64, huge - 63, 8, "at byte 18446744073709551552, expected"},
      {first + 64, 192, 8, "section 'none' has 0 elements of 8 bytes at byte 128, expected a multiple of 64 and all"},
      {third + 64, 64, 8, "section 'links' has 20 elements of 4 bytes at byte 64, expected"},
      {third + 56, 33, 8, "section 'links' has 33 elements"},
  };
  for (const Attack& attack : attacks) {
    Bytes bytes = whole;
    std::memcpy(bytes.data() + attack.offset, &attack.value, attack.bytes);
    sign(bytes);
    REQUIRE_ERROR(FormatError, attack.expected, open_bytes(bytes));
    std::istringstream in(as_text(bytes));
    REQUIRE_ERROR(FormatError, attack.expected, ArchiveReader::read(in));
  }
  Bytes twins = whole;
  std::memcpy(twins.data() + third, twins.data() + first, 48);
  sign(twins);
  REQUIRE_ERROR(FormatError, "x.pefa: has two sections 'rows'", open_bytes(twins));
  Bytes metadata = whole;
  metadata[first + 3 * 80] = std::byte{9};
  sign(metadata);
  REQUIRE_ERROR(FormatError, "x.pefa: the metadata item at byte 0 of the metadata is of no known kind",
                open_bytes(metadata));
}

TEST_CASE("ArchiveReader: a stream that claims 2^60 bytes takes memory for what arrives") {
  Bytes bytes(3U << 20);
  const Bytes header = small_archive();
  std::copy_n(header.begin(), 64, bytes.begin());
  constexpr std::uint64_t claimed = std::uint64_t{1} << 60;
  patch(bytes, 24, claimed);
  patch(bytes, 32, claimed - io::detail::directory_size(3, test::peek<std::uint32_t>(bytes, 44)));
  patch(bytes, 56, io::checksum(std::span<const std::byte>(bytes).first(56)));
  std::istringstream in(as_text(bytes));
  REQUIRE_ERROR(FormatError, "has 3145728 bytes, its header says 1152921504606846976: it is cut off",
                ArchiveReader::read(in));
}

TEST_CASE("ArchiveReader: what is no archive is named by what it is, where that can be told") {
  const test::TemporaryDirectory directory;
  REQUIRE_ERROR(FormatError, "a.pefa: is not a pefa archive, it is a .npy file",
                ArchiveReader::open(directory.write("a.pefa", "\x93NUMPY...........")));
  REQUIRE_ERROR(FormatError, "a.pefa: is not a pefa archive, it is a .zip or .npz file",
                ArchiveReader::open(directory.write("a.pefa", "PK\x03\x04")));
}

TEST_CASE("ArchiveReader: opening does not read the sections, verify does") {
  Bytes bytes = small_archive();
  bytes[64] ^= std::byte{1};
  const ArchiveReader reader = open_bytes(bytes);
  REQUIRE(reader.section<std::uint32_t>("links")[0] == 7);
  reader.verify_section("links");
  REQUIRE_ERROR(FormatError, "x.pefa: section 'rows', bytes 64 to 76, is damaged (checksum)", (reader.verify(), 0));
  REQUIRE_ERROR(FormatError, "section 'rows'", (reader.verify_section("rows"), 0));
}

TEST_CASE("ArchiveReader: verify reports all bytes, and can be stopped") {
  const Bytes bytes = small_archive();
  const ArchiveReader reader = open_bytes(bytes);
  std::size_t last = 0;
  reader.verify([&](std::size_t done, std::size_t total) {
    REQUIRE(total == bytes.size());
    last = done;
    return ProgressAction::proceed;
  });
  REQUIRE(last == bytes.size());
  const auto stop = [](std::size_t, std::size_t) { return ProgressAction::stop; };
  REQUIRE_ERROR(Cancelled, "ArchiveReader::verify: stopped", (reader.verify(stop), 0));
}
