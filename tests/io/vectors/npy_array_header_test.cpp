#include "pefa/io/vectors/npy_array_header.hpp"

#include <cstddef>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::NpyElement;

namespace {

/// A .npy file by hand: this dictionary, then `data` zero bytes.
std::string array_file(const std::string& dictionary, std::size_t data = 0, unsigned version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes.push_back(static_cast<char>(version));
  bytes.push_back('\0');
  for (unsigned i = 0; i < (version == 1 ? 2U : 4U); ++i) {
    bytes.push_back(static_cast<char>(dictionary.size() >> (8 * i) & 0xFF));
  }
  return bytes + dictionary + std::string(data, '\0');
}

io::NpyArrayHeader parse_array(const std::string& bytes) {
  return io::parse_npy_array_header(bytes, bytes.size(), "x.npy");
}

std::string of_type(const std::string& descr) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (2,), }\n";
}

}  // namespace

TEST_CASE("parse_npy_array_header: every simple element type") {
  const auto element = [](const std::string& descr, std::size_t bytes) {
    return parse_array(array_file(of_type(descr), bytes)).element;
  };
  REQUIRE(element("<i8", 16) == NpyElement{'i', 8});
  REQUIRE(element("<i4", 8) == NpyElement{'i', 4});
  REQUIRE(element("|i1", 2) == NpyElement{'i', 1});
  REQUIRE(element("<u2", 4) == NpyElement{'u', 2});
  REQUIRE(element("|b1", 2) == NpyElement{'b', 1});
  REQUIRE(element("<f2", 4) == NpyElement{'f', 2});
  REQUIRE(element("=f8", 16) == NpyElement{'f', 8});
  REQUIRE(element("|S3", 6) == NpyElement{'S', 3});
  REQUIRE(element("<U3", 24) == NpyElement{'U', 12});
  REQUIRE(io::name(NpyElement{'i', 8}) == "i8");
  REQUIRE(io::name(NpyElement{'U', 12}) == "U3");
}

TEST_CASE("parse_npy_array_header: shapes of any dimensions, keys in any order, every version") {
  for (const unsigned version : {1U, 2U, 3U}) {
    const std::string dictionary = "{\"shape\": (2, 3), 'fortran_order': True, 'descr': '<i4'}   \n";
    const io::NpyArrayHeader header = parse_array(array_file(dictionary, 24, version));
    REQUIRE(header.shape == std::vector<std::size_t>{2, 3});
    REQUIRE(header.fortran_order);
    REQUIRE(header.count == 6);
    REQUIRE(header.data_offset == (version == 1 ? 10 : 12) + dictionary.size());
  }
  const std::string scalar = "{'descr': '|S3', 'fortran_order': False, 'shape': ()}";
  REQUIRE(parse_array(array_file(scalar, 3)).shape.empty());
  REQUIRE(parse_array(array_file(scalar, 3)).count == 1);
  REQUIRE(parse_array(array_file("{'descr': '<i8', 'fortran_order': False, 'shape': (0, 7)}")).count == 0);
}

TEST_CASE("parse_npy_array_header: types it does not know are refused by name") {
  const auto refused = [](const std::string& descr, const std::string& what) {
    INFO(descr);
    REQUIRE_ERROR(FormatError, "x.npy: " + what, parse_array(array_file(of_type(descr), 16)));
  };
  for (const char* descr : {"<c8", "|O", "<i3", "<f16", "|b2", "<M8[ns]", "<i8x", "<i", "", "<", "<U9999", "<f1"}) {
    refused(descr, std::string("has elements of type '") + descr + "', expected");
  }
  refused(">i8", "is big-endian ('>i8'), expected little-endian");
  REQUIRE_ERROR(FormatError, "holds records, expected one element type",
                parse_array(array_file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}")));
}

TEST_CASE("parse_npy_array_header: damaged headers are refused with what is wrong") {
  const auto refused = [](const std::string& dictionary, const std::string& what) {
    INFO(dictionary);
    REQUIRE_ERROR(FormatError, "x.npy: " + what, parse_array(array_file(dictionary, 16)));
  };
  refused("'descr': '<i8'                ", "has a damaged header: expected '{' at byte 0");
  refused("{'fortran_order': False, 'shape': (2,)}", "has a header without 'descr'");
  refused("{'descr': '<i8', 'shape': (2,)}", "has a header without 'fortran_order'");
  refused("{'descr': '<i8', 'fortran_order': False}", "has a header without 'shape'");
  refused("{'descr': '<i8', 'fortran_order': None, 'shape': (2,)}",
          "has a damaged header: fortran_order is neither True nor False");
  refused("{'descr': '<i8, 'fortran_order': False}", "has a damaged header: expected '}'");
  refused("{'descr': '<i8", "has a damaged header: expected a string at byte 10");
  refused("{'size': 7}", "has the unknown key 'size' in its header");
  refused("{'descr': '<i8', 'fortran_order': False, 'shape': (-2,)}", "has a damaged header: expected an extent");
  refused("{'descr': '<i8', 'fortran_order': False, 'shape': (2;)}", "has a damaged header: expected ')'");
  refused("{'descr': '<i8', 'fortran_order': False, 'shape': (2,)} x", "has a damaged header: expected its end");
  refused("{'descr': '<i8', 'fortran_order': False, 'shape': (18446744073709551616,)}", "has a damaged header");
  refused("{'descr': '<i8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
          "declares a shape that overflows memory");
  std::string many = "{'descr': '<i8', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < 33; ++i) many += "1, ";
  refused(many + ")}", "has a damaged header: expected an extent");
}

TEST_CASE("parse_npy_array_header: cut off at any byte, too long, or of another format") {
  const std::string whole = array_file(of_type("<i8"), 16);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    REQUIRE_ERROR(FormatError, "x.npy: ", parse_array(whole.substr(0, size)));
  }
  REQUIRE_ERROR(FormatError, "has 1 bytes after its last element", parse_array(whole + "x"));
  REQUIRE_ERROR(FormatError, "is not a .npy file", parse_array("PK\x03\x04 and so on and on"));
  REQUIRE_ERROR(FormatError, "has .npy version 4.0, expected 1 to 3", parse_array(array_file(of_type("<i8"), 16, 4)));
  REQUIRE_ERROR(FormatError, "is truncated: its header takes 4294967295 bytes, 4 are left",
                parse_array(std::string("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF    ", 16)));
}

TEST_CASE("parse_npy_array_header: damaged bytes give a header or an error, nothing else") {
  const std::string whole = array_file(of_type("<i8"), 16);
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole;
    bytes[random() % bytes.size()] = static_cast<char>(random());
    try {
      const io::NpyArrayHeader header = parse_array(bytes);
      REQUIRE(header.data_offset + header.data_bytes() == bytes.size());
    } catch (const FormatError&) {
    }
  }
}

TEST_CASE("npy_array_header: NumPy's own text, padded to 64 bytes, and read back") {
  const std::string header = io::npy_array_header("<i8", {3});
  REQUIRE(header.size() == 128);
  REQUIRE(header.substr(10, 58) == "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), } ");
  REQUIRE(header.back() == '\n');
  REQUIRE(parse_array(header + std::string(24, '\0')).shape == std::vector<std::size_t>{3});
  REQUIRE(parse_array(io::npy_array_header("|S3", {}) + "csr").shape.empty());
  REQUIRE(parse_array(io::npy_array_header("<f4", {2, 0})).shape == std::vector<std::size_t>{2, 0});
}
