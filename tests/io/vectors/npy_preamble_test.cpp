#include "pefa/io/vectors/npy_preamble.hpp"

#include <string>
#include <vector>

#include "catch.hpp"

using namespace pefa;
using io::detail::npy_data_offset;
using io::detail::npy_element_count;
using io::detail::NpyDictionary;
using io::detail::parse_npy_dictionary;

// npy_header_test.cpp and npy_array_test.cpp have the damaged ones.

TEST_CASE("npy_data_offset: from a prefix, or from all of a shorter file") {
  using namespace std::string_literals;
  REQUIRE(npy_data_offset("\x93NUMPY\x01\x00\x76\x00"s, "x.npy") == 10 + 0x76);
  REQUIRE(npy_data_offset("\x93NUMPY\x01\x00\x76\x01{'"s, "x.npy") == 10 + 0x176);
  REQUIRE(npy_data_offset("\x93NUMPY\x02\x00\x76\x01\x00\x02"s, "x.npy") == 12 + 0x02000176);
  REQUIRE_ERROR(FormatError, "x.npy: is truncated: 10 bytes, expected a header of at least 12",
                npy_data_offset("\x93NUMPY\x03\x00\x76\x01"s, "x.npy"));
}

TEST_CASE("parse_npy_dictionary: what it says, whatever type and order") {
  using namespace std::string_literals;
  const std::string text = "{'descr': '>c16', 'fortran_order': True, 'shape': (2, 0, 7), }\n";
  std::string file = "\x93NUMPY\x01\x00"s;
  file.push_back(static_cast<char>(text.size()));
  file.push_back('\0');
  file += text;
  file += "elements";
  const NpyDictionary dictionary = parse_npy_dictionary(file, "x.npy");
  REQUIRE(dictionary.descr == ">c16");
  REQUIRE(dictionary.fortran_order);
  REQUIRE(dictionary.shape == std::vector<std::size_t>{2, 0, 7});
  REQUIRE(dictionary.data_offset == 10 + text.size());
}

TEST_CASE("npy_element_count: of the shape, where the file has room for just that") {
  const NpyDictionary dictionary{"<f4", false, {2, 3}, 64};
  REQUIRE(npy_element_count(dictionary, 4, 64 + 24, "x.npy") == 6);
  REQUIRE(npy_element_count({"<f4", false, {}, 64}, 4, 64 + 4, "x.npy") == 1);
  REQUIRE(npy_element_count({"|S0", false, {5}, 64}, 0, 64, "x.npy") == 5);
  REQUIRE_ERROR(FormatError, "x.npy: is truncated: expected 24 bytes of elements, 23 are left",
                npy_element_count(dictionary, 4, 64 + 23, "x.npy"));
  REQUIRE_ERROR(FormatError, "x.npy: has 1 bytes after its last element",
                npy_element_count(dictionary, 4, 64 + 25, "x.npy"));
}
