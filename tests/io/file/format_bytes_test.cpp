#include "pefa/io/file/format_bytes.hpp"

#include <string>
#include <string_view>

#include "catch.hpp"

using namespace std::string_view_literals;
using pefa::io::detail::format_of_bytes;

namespace {

/// What format_of_bytes says of a file of `size` bytes, "none" for nothing.
std::string format_of(std::string_view start, std::uint64_t size = 1000) {
  const char* format = format_of_bytes(start, size);
  return format == nullptr ? "none" : format;
}

}  // namespace

TEST_CASE("format_of_bytes: npy, pefa, zip and safetensors are told by their first bytes") {
  REQUIRE(format_of("\x93NUMPY\x01\x00"sv) == "npy");
  REQUIRE(format_of("\x93PEFA\r\n\x1a\x04\x03\x02\x01"sv) == "pefa");
  REQUIRE(format_of("PK\x03\x04..."sv) == "zip");
  REQUIRE(format_of("\x40\0\0\0\0\0\0\0{\"a\""sv) == "safetensors");
}

TEST_CASE("format_of_bytes: of anything else nothing is said") {
  REQUIRE(format_of("") == "none");
  REQUIRE(format_of("\x93NUMP"sv) == "none");
  REQUIRE(format_of("0\t1\n2\t3\n") == "none");
  REQUIRE(format_of("\x40\0\0\0\0\0\0\0"sv, 8) == "none");
  REQUIRE(format_of("\x40\0\0\0\0\0\0\0["sv) == "none");
  REQUIRE(format_of("\x40\0\0\0\0\0\0\0{"sv, 71) == "none");  // a header that the file has no room for
  REQUIRE(format_of("\x40\0\0\0\0\0\0\0{"sv, 72) == "safetensors");
  REQUIRE(format_of("\x01\0\0\0\0\0\0\0{"sv) == "none");  // "{" alone is no object
}
