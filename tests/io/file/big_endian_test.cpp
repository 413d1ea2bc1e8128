#include "pefa/io/file/big_endian.hpp"

#include <cstdint>
#include <string>

#include "catch.hpp"

using namespace pefa::io::detail;

TEST_CASE("append_big_endian: the most significant byte comes first, behind what is there") {
  std::string out = "x";
  append_big_endian(out, std::uint16_t{0x01FE});
  append_big_endian(out, std::uint32_t{0x80000002});
  append_big_endian(out, std::uint64_t{0x0102030405060708});
  REQUIRE(out == std::string("x\x01\xFE\x80\0\0\x02\x01\x02\x03\x04\x05\x06\x07\x08", 15));
}

TEST_CASE("read_big_endian: what was appended comes back") {
  std::string out;
  append_big_endian(out, std::uint16_t{0xFE01});
  append_big_endian(out, std::uint32_t{0x80FF0002});
  append_big_endian(out, std::uint64_t{0xF1F2F3F405060708});
  REQUIRE(read_big_endian<std::uint16_t>(out.data()) == 0xFE01U);
  REQUIRE(read_big_endian<std::uint32_t>(out.data() + 2) == 0x80FF0002U);
  REQUIRE(read_big_endian<std::uint64_t>(out.data() + 6) == 0xF1F2F3F405060708U);
}
