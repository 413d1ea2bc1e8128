#include "pefa/io/archive/metadata.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace pefa;
using io::ArchiveMetadata;

namespace {

constexpr auto most_integer = std::numeric_limits<std::int64_t>::max();

ArchiveMetadata decoded(const std::string& bytes) {
  return ArchiveMetadata::decoded(std::as_bytes(std::span(bytes)), "x.pefa");
}

/// An item of the encoding, its lengths as they should be.
std::string item(int kind, const std::string& key, const std::string& value) {
  std::string bytes{static_cast<char>(kind), static_cast<char>(key.size()), 0, 0};
  for (unsigned shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(value.size() >> shift & 0xFF));
  return bytes + key + value;
}

}  // namespace

TEST_CASE("ArchiveMetadata: values come back from their encoding as they were, to the bit") {
  ArchiveMetadata metadata;
  metadata.add("method", "xl");
  metadata.add("lambda", 0.1F);
  metadata.add("tau", -0.0);
  metadata.add("nan", std::numeric_limits<double>::quiet_NaN());
  metadata.add("k", 16);
  metadata.add("least", std::numeric_limits<std::int64_t>::min());
  metadata.add("most", std::size_t{9'223'372'036'854'775'807U});
  metadata.add("empty", std::string());
  metadata.add("zero", std::string("a\0b", 3));

  const std::vector<std::byte> bytes = metadata.encoded();
  REQUIRE(bytes.size() == metadata.encoded_size());
  const auto read = ArchiveMetadata::decoded(bytes, "x.pefa");
  REQUIRE(read.encoded() == bytes);
  REQUIRE(read.values().size() == 9);
  REQUIRE(read.text("method") == "xl");
  REQUIRE(read.real("lambda") == static_cast<double>(0.1F));
  REQUIRE(std::signbit(read.real("tau")));
  REQUIRE(std::isnan(read.real("nan")));
  REQUIRE(read.integer("k") == 16);
  REQUIRE(read.integer("least") == std::numeric_limits<std::int64_t>::min());
  REQUIRE(read.integer("most") == most_integer);
  REQUIRE(read.text("empty").empty());
  REQUIRE(read.text("zero").size() == 3);
}

TEST_CASE("ArchiveMetadata: none is no bytes") {
  REQUIRE(ArchiveMetadata().encoded().empty());
  REQUIRE(decoded("").values().empty());
}

TEST_CASE("ArchiveMetadata: the encoding is the one that archive_format.hpp documents") {
  ArchiveMetadata metadata;
  metadata.add("k", 258);
  metadata.add("metric", "ip");
  const std::string expected = item(1, "k", std::string("\x02\x01\0\0\0\0\0\0", 8)) + item(3, "metric", "ip");
  const std::vector<std::byte> bytes = metadata.encoded();
  REQUIRE(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == expected);
}

TEST_CASE("ArchiveMetadata: what is absent, of another kind or out of range says archive, key and expectation") {
  ArchiveMetadata metadata("x.pefa");
  metadata.add("k", 16);
  metadata.add("lambda", 1.5);
  metadata.add("metric", "ip");
  metadata.add("nan", std::numeric_limits<double>::quiet_NaN());
  metadata.add("minus", -1);
  REQUIRE_ERROR(FormatError, "x.pefa: has no metadata 'dim', expected an integer", metadata.integer("dim"));
  REQUIRE_ERROR(FormatError, "x.pefa: has no metadata 'dim', expected a real number", metadata.real("dim", 0, 1));
  REQUIRE_ERROR(FormatError, "x.pefa: metadata 'k' is an integer, expected a real number", metadata.real("k"));
  REQUIRE_ERROR(FormatError, "x.pefa: metadata 'lambda' is a real number, expected text", metadata.text("lambda"));
  REQUIRE_ERROR(FormatError, "x.pefa: metadata 'metric' is text, expected an integer", metadata.find_integer("metric"));
  REQUIRE_ERROR(FormatError, "x.pefa: metadata 'k' is 16, expected 17 to 32", metadata.integer("k", 17, 32));
  REQUIRE_ERROR(FormatError, "x.pefa: metadata 'k' is 16, expected 0 to 15", metadata.count("k", 15));
  REQUIRE_ERROR(FormatError, "x.pefa: metadata 'minus' is -1, expected 0 to 9", metadata.count("minus", 9));
  REQUIRE_ERROR(FormatError, "x.pefa: metadata 'lambda' is 1.5, expected 0 to 1", metadata.real("lambda", 0, 1));
  REQUIRE_ERROR(FormatError, "x.pefa: metadata 'nan' is nan, expected 0 to 1", metadata.real("nan", 0, 1));
  REQUIRE(metadata.integer("k", 16, 16) == 16);
  REQUIRE(metadata.count("k", std::numeric_limits<std::size_t>::max()) == 16);
  REQUIRE_FALSE(metadata.find_integer("dim").has_value());
  REQUIRE_FALSE(metadata.find_real("dim").has_value());
  REQUIRE_FALSE(metadata.find_text("dim").has_value());
  REQUIRE(metadata.find_text("metric") == "ip");
}

TEST_CASE("ArchiveMetadata: add refuses keys twice, keys that are none, integers past 64 signed bits, and too much") {
  ArchiveMetadata metadata;
  metadata.add("k", 1);
  REQUIRE_ERROR(ValueError, "metadata 'k' is there already", (metadata.add("k", 2.0), 0));
  REQUIRE_ERROR(ValueError, "metadata key 'a b': expected 1 to 48 of", (metadata.add("a b", 1), 0));
  REQUIRE_ERROR(ValueError, "metadata key '': expected 1 to 48 of", (metadata.add("", 1), 0));
  REQUIRE_ERROR(ValueError, "metadata 'n' is 18446744073709551615, expected at most 2^63 - 1",
                (metadata.add("n", std::numeric_limits<std::uint64_t>::max()), 0));
  const std::size_t left = (1U << 20) - metadata.encoded_size() - 8 - 4;
  REQUIRE_ERROR(ValueError, "metadata 'text' makes more than 1048576 bytes of metadata; store it as a section",
                (metadata.add("text", std::string(left + 1, 'x')), 0));
  REQUIRE(metadata.values().size() == 1);
  metadata.add("text", std::string(left, 'x'));
  REQUIRE(ArchiveMetadata::decoded(metadata.encoded(), "x").values().size() == 2);
}

TEST_CASE("ArchiveMetadata: an encoding that is cut off anywhere is refused, or ends between two items") {
  const std::string first = item(1, "k", std::string(8, '\1'));
  const std::string whole = first + item(3, "metric", "ip");
  for (std::size_t size = 1; size < whole.size(); ++size) {
    if (size == first.size()) continue;
    REQUIRE_ERROR(FormatError, "of the metadata is cut off", decoded(whole.substr(0, size)));
  }
  REQUIRE(decoded(whole).values().size() == 2);
}

TEST_CASE("ArchiveMetadata: a hostile encoding is refused, with the item's place") {
  const std::string good = item(3, "a", "text");
  REQUIRE_ERROR(FormatError, "x.pefa: the metadata item at byte 13 of the metadata has the key of an earlier one",
                decoded(good + good));
  REQUIRE_ERROR(FormatError, "at byte 13 of the metadata has no valid key", decoded(good + item(3, "b c", "")));
  REQUIRE_ERROR(FormatError, "at byte 0 of the metadata has no valid key", decoded(item(3, "", "")));
  REQUIRE_ERROR(FormatError, "at byte 0 of the metadata has no valid key", decoded(item(3, std::string(49, 'a'), "")));
  REQUIRE_ERROR(FormatError, "at byte 0 of the metadata is of no known kind", decoded(item(0, "a", "12345678")));
  REQUIRE_ERROR(FormatError, "at byte 0 of the metadata is of no known kind", decoded(item(4, "a", "12345678")));
  REQUIRE_ERROR(FormatError, "is a number of other than 8 bytes", decoded(item(1, "a", "1234567")));
  REQUIRE_ERROR(FormatError, "is a number of other than 8 bytes", decoded(item(2, "a", "123456789")));
  std::string huge = good;
  for (std::size_t i = 4; i < 8; ++i) huge[i] = '\xFF';
  REQUIRE_ERROR(FormatError, "at byte 0 of the metadata is cut off", decoded(huge));
}
