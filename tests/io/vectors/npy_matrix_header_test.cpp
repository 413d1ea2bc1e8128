#include "pefa/io/vectors/npy_matrix_header.hpp"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"

using namespace pefa;
using io::NpyHeader;
using io::NpyType;
using Shape = std::vector<std::size_t>;

namespace {

/// A .npy file by hand: `length` is what it claims of its header, the header's size unless told otherwise.
std::string matrix_file(const std::string& header, std::size_t data_bytes, unsigned version = 1,
                        std::int64_t length = -1) {
  const auto size = static_cast<std::uint64_t>(length < 0 ? static_cast<std::int64_t>(header.size()) : length);
  std::string bytes = "\x93NUMPY";
  bytes.push_back(static_cast<char>(version));
  bytes.push_back('\0');
  for (unsigned i = 0; i < (version == 1 ? 2U : 4U); ++i) bytes.push_back(static_cast<char>(size >> (8 * i) & 0xFF));
  return bytes + header + std::string(data_bytes, '\0');
}

NpyHeader parse_matrix(const std::string& bytes) {
  // A copy of exactly this size, so that a read past its end is caught by a sanitizer.
  std::vector<std::byte> exact(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) exact[i] = static_cast<std::byte>(bytes[i]);
  return io::parse_npy_header(exact.data(), exact.size(), "x.npy");
}

std::string dictionary(const std::string& descr, const std::string& order, const std::string& shape) {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

void require_header_refused(const std::string& bytes, const std::string& what) {
  REQUIRE_ERROR(FormatError, "x.npy: " + what, parse_matrix(bytes));
}

void require_refused_header(const std::string& header, const std::string& what) {
  INFO(header);
  require_header_refused(matrix_file(header, 24), what);
}

}  // namespace

TEST_CASE("parse_npy_header: what NumPy writes, in every version and type") {
  for (const unsigned version : {1U, 2U, 3U}) {
    const std::string header = dictionary("'<f4'", "False", "(2, 3)");
    const NpyHeader parsed = parse_matrix(matrix_file(header, 24, version));
    REQUIRE(parsed.type == NpyType::float32);
    REQUIRE(parsed.shape == Shape{2, 3});
    REQUIRE(parsed.data_offset == header.size() + (version == 1 ? 10 : 12));
    REQUIRE(parsed.element_count() == 6);
  }
  REQUIRE(parse_matrix(matrix_file(dictionary("'<f2'", "False", "(2, 3)"), 12)).type == NpyType::float16);
  REQUIRE(parse_matrix(matrix_file(dictionary("'<f8'", "False", "(2, 3)"), 48)).type == NpyType::float64);
  REQUIRE(parse_matrix(matrix_file(dictionary("'|i1'", "False", "(2, 3)"), 6)).type == NpyType::int8);
}

TEST_CASE("parse_npy_header: size and name of every type") {
  REQUIRE(io::size_of(NpyType::float16) == 2);
  REQUIRE(io::size_of(NpyType::float32) == 4);
  REQUIRE(io::size_of(NpyType::float64) == 8);
  REQUIRE(io::size_of(NpyType::int8) == 1);
  REQUIRE(std::string(io::name(NpyType::float16)) == "float16");
  REQUIRE(std::string(io::name(NpyType::float32)) == "float32");
  REQUIRE(std::string(io::name(NpyType::float64)) == "float64");
  REQUIRE(std::string(io::name(NpyType::int8)) == "int8");
}

TEST_CASE("parse_npy_header: any number of dimensions, zero rows included") {
  const auto shape = [](const std::string& text, std::size_t elements) {
    return parse_matrix(matrix_file(dictionary("'<f4'", "False", text), elements * 4)).shape;
  };
  REQUIRE(shape("()", 1) == Shape{});
  REQUIRE(shape("(6,)", 6) == Shape{6});
  REQUIRE(shape("(1, 2, 3)", 6) == Shape{1, 2, 3});
  REQUIRE(shape("(0, 3)", 0) == Shape{0, 3});
}

TEST_CASE("parse_npy_header: keys in another order, double quotes, odd spaces and no newline are the same dictionary") {
  for (const std::string header : {
           "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}\n",
           "{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (2, 3)}\n",
           "{'descr':'<f4','fortran_order':False,'shape':(2,3)}\n",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
           "  { 'descr' : '<f4' ,\t'fortran_order' : False ,\n 'shape' : ( 2 , 3 , ) , }     \n",
           "{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3), }\n",
       }) {
    INFO(header);
    const NpyHeader parsed = parse_matrix(matrix_file(header, 24));
    REQUIRE(parsed.type == NpyType::float32);
    REQUIRE(parsed.shape == Shape{2, 3});
  }
}

TEST_CASE("parse_npy_header: a file that is not .npy is refused") {
  require_header_refused("", "is empty, expected a .npy file");
  require_header_refused("\x93NUMP", "is not a .npy file: it does not start with \\x93NUMPY");
  require_header_refused("PK\x03\x04 this is a zip file", "is not a .npy file");
  require_header_refused(" " + matrix_file(dictionary("'<f4'", "False", "(2, 3)"), 24), "is not a .npy file");
  REQUIRE_ERROR(FormatError, "is empty", io::parse_npy_header(nullptr, 0, "x.npy"));
}

TEST_CASE("parse_npy_header: a version of no known NumPy is refused with what it is") {
  const std::string header = dictionary("'<f4'", "False", "(2, 3)");
  require_header_refused(matrix_file(header, 24, 9), "has .npy version 9.0, expected 1 to 3");
  require_header_refused(matrix_file(header, 24, 0), "has .npy version 0.0, expected 1 to 3");
  require_header_refused(matrix_file(header, 24, 255), "has .npy version 255.0, expected 1 to 3");
}

TEST_CASE("parse_npy_header: a truncated header is refused with how much is left") {
  const std::string whole = matrix_file(dictionary("'<f4'", "False", "(2, 3)"), 24);
  require_header_refused(whole.substr(0, 6), "is truncated: 6 bytes, expected a header of at least 10");
  require_header_refused(whole.substr(0, 9), "is truncated: 9 bytes, expected a header of at least 10");
  require_header_refused(matrix_file("", 0, 2).substr(0, 11),
                         "is truncated: 11 bytes, expected a header of at least 12");
  const std::string header = dictionary("'<f4'", "False", "(2, 3)");
  require_header_refused(whole.substr(0, 40),
                         "is truncated: its header takes " + std::to_string(header.size()) + " bytes, 30 are left");
}

TEST_CASE("parse_npy_header: a huge header length is refused, not read") {
  const std::string header = dictionary("'<f4'", "False", "(2, 3)");
  const std::string left = " bytes, " + std::to_string(header.size() + 24) + " are left";
  require_header_refused(matrix_file(header, 24, 1, 0xFFFF), "is truncated: its header takes 65535" + left);
  require_header_refused(matrix_file(header, 24, 2, 0xFFFFFFFF), "is truncated: its header takes 4294967295" + left);
  require_header_refused(matrix_file(header, 24, 3, 0x80000000), "is truncated: its header takes 2147483648" + left);
}

TEST_CASE("parse_npy_header: too few or too many bytes of elements are refused with how many") {
  const std::string header = dictionary("'<f4'", "False", "(2, 3)");
  require_header_refused(matrix_file(header, 23), "is truncated: expected 24 bytes of elements, 23 are left");
  require_header_refused(matrix_file(header, 0), "is truncated: expected 24 bytes of elements, 0 are left");
  require_header_refused(matrix_file(header, 25), "has 1 bytes after its last element");
  require_header_refused(matrix_file(dictionary("'<f4'", "False", "(0, 3)"), 4), "has 4 bytes after its last element");
}

TEST_CASE("parse_npy_header: another layout or element type is refused with the way out") {
  require_refused_header(dictionary("'<f4'", "True", "(2, 3)"),
                         "is in Fortran order, expected C order; save it with numpy.ascontiguousarray");
  require_refused_header(dictionary("'<f4'", "Maybe", "(2, 3)"),
                         "has a damaged header: fortran_order is neither True nor False");
  require_refused_header(dictionary("'<f4'", "", "(2, 3)"), "has a damaged header: fortran_order");
  require_refused_header(dictionary("'>f4'", "False", "(2, 3)"),
                         "is big-endian ('>f4'), expected little-endian; save it with astype('<f4')");
  for (const std::string type : {"<i4", "|b1", "|u1", "<u2", "<c8", "<f16", "|S3", "<U3", "|O", "<M8[ns]", "f4", "|f4",
                                 "!f4", "<", "", "float32", ">i4"}) {
    require_refused_header(dictionary("'" + type + "'", "False", "(2, 3)"),
                           "has elements of type '" + type + "', expected float16 ('<f2'), float32 ('<f4')");
  }
  require_refused_header(dictionary("[('a', '<f4'), ('b', '<i4')]", "False", "(2,)"),
                         "holds records, expected one element type");
}

TEST_CASE("parse_npy_header: a shape that overflows memory is refused") {
  for (const std::string shape : {"(4294967296, 4294967296)", "(18446744073709551615, 2)", "(18446744073709551615,)",
                                  "(4611686018427387904, 1)", "(65536, 65536, 65536, 65536)"}) {
    require_refused_header(dictionary("'<f4'", "False", shape), "declares a shape that overflows memory");
  }
  require_refused_header(dictionary("'|i1'", "False", "(18446744073709551615,)"),
                         "is truncated: expected 18446744073709551615 bytes of elements, 24 are left");
}

TEST_CASE("parse_npy_header: garbage in the shape is refused") {
  for (const std::string shape : {"(-2, 3)", "(two, 3)", "(2.0, 3)", "(,)", "(2,, 3)", "(2 3)", "(2, 3", "2, 3",
                                  "[2, 3]", "'(2, 3)'", "None", "(0x2, 3)", "(2, 18446744073709551616)", "("}) {
    require_refused_header(dictionary("'<f4'", "False", shape), "has a damaged header: expected ");
  }
}

TEST_CASE("parse_npy_header: missing and unknown keys are refused by name") {
  require_refused_header("{'fortran_order': False, 'shape': (2, 3), }\n", "has a header without 'descr'");
  require_refused_header("{'descr': '<f4', 'shape': (2, 3), }\n", "has a header without 'fortran_order'");
  require_refused_header("{'descr': '<f4', 'fortran_order': False, }\n", "has a header without 'shape'");
  require_refused_header("{}\n", "has a header without 'descr'");
  require_refused_header("{'descr': '<f4', 'order': 'C', 'shape': (2, 3), }\n", "has the unknown key 'order'");
}

TEST_CASE("parse_npy_header: a header that is no dictionary is refused") {
  for (const std::string header :
       {"", "\n", "{", "{'descr", "{'descr'", "{'descr':", "{'descr': ", "{'descr': '<f4", "{'descr': '<f4'",
        "{'descr': '<f4',", "{descr: '<f4'}", "['descr']", "{'descr' '<f4'}", "{'descr': '<f4' 'shape': (2, 3)}",
        "{'descr': <f4}", "{'descr': \"<f4'}", "{,}", "{'fortran_order': F"}) {
    require_refused_header(header, "has a damaged header: ");
  }
  require_header_refused(matrix_file(std::string(64, '\0'), 24),
                         "has a damaged header: expected '{' at byte 0 of its dictionary");
}

TEST_CASE("parse_npy_header: every single-byte change is read or refused, never worse") {
  const std::string whole = matrix_file(dictionary("'<f4'", "False", "(2, 3)"), 24);
  const std::size_t header_bytes = whole.size() - 24;
  std::size_t refused = 0;
  std::size_t total = 0;
  for (std::size_t at = 0; at < header_bytes; ++at) {
    for (unsigned value = 0; value < 256; value += 5) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      ++total;
      try {
        const NpyHeader header = parse_matrix(changed);
        const std::size_t data = header.element_count() * io::size_of(header.type);
        if (header.data_offset + data != changed.size()) FAIL("a header past its file: byte " << at << " = " << value);
      } catch (const FormatError&) {
        ++refused;
      }
    }
  }
  REQUIRE(refused > total * 3 / 4);
  REQUIRE(refused < total);
}
