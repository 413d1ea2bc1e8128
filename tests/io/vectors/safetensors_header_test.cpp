#include "pefa/io/vectors/safetensors_header.hpp"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "catch.hpp"

using namespace pefa;

namespace {

std::string header_file(const std::string& header, const std::string& data = {}) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header + data;
}

io::SafetensorsHeader parse(const std::string& file) {
  return io::parse_safetensors_header(reinterpret_cast<const std::byte*>(file.data()), file.size(), "x");
}

/// A tensor's entry, of type U8.
std::string header_entry(const std::string& name, const std::string& shape, const std::string& offsets) {
  return '"' + name + R"(":{"dtype":"U8","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

void refused(const std::string& header, const std::string& data, const std::string& what) {
  REQUIRE_ERROR(FormatError, "x: " + what, parse(header_file(header, data)));
}

}  // namespace

TEST_CASE("parse_safetensors_header: tensors in the order of their bytes, metadata passed over") {
  const std::string header =
      R"({"b":{"dtype":"F32","shape":[2,3,4],"data_offsets":[2,98]},)"
      R"("__metadata__":{"format":"pt","a":"b"},"a":{"shape":[2],"data_offsets":[0,2],"dtype":"I8"},)"
      R"("s":{"dtype":"F4","shape":[],"data_offsets":[98,98]}})";
  REQUIRE_ERROR(FormatError, "x: tensor 's' has 0 bytes, expected 1 elements of type F4",
                parse(header_file(header, std::string(98, 'x'))));
  const std::string good = header.substr(0, header.find(",\"s\"")) + "}  ";
  const io::SafetensorsHeader parsed = parse(header_file(good, std::string(98, 'x')));
  REQUIRE(parsed.data_offset == 8 + good.size());
  REQUIRE(parsed.tensors.size() == 2);
  REQUIRE(parsed.tensors[0].name == "a");
  REQUIRE(std::string(parsed.tensors[0].type.name) == "I8");
  REQUIRE(parsed.tensors[0].rank == 1);
  REQUIRE(parsed.tensors[0].shape[0] == 2);
  REQUIRE(parsed.tensors[1].name == "b");
  REQUIRE(parsed.tensors[1].type.bits == 32);
  REQUIRE(parsed.tensors[1].rank == 3);
  REQUIRE(parsed.tensors[1].shape[1] == 3);
  REQUIRE(parsed.tensors[1].element_count == 24);
  REQUIRE(parsed.tensors[1].begin == 2);
  REQUIRE(parsed.tensors[1].end == 98);
}

TEST_CASE("parse_safetensors_header: no tensors, empty tensors and elements of less than a byte") {
  REQUIRE(parse(header_file("{}")).tensors.empty());
  REQUIRE(parse(header_file(R"({"__metadata__":{}})")).tensors.empty());
  const std::string empty = "{" + header_entry("b", "[2]", "[0,2]") + "," + header_entry("a", "[3,0]", "[0,0]") + "}";
  REQUIRE(parse(header_file(empty, "xx")).tensors[0].name == "a");
  REQUIRE(parse(header_file(R"({"a":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}})", "xxx")).tensors.size() == 1);
}

TEST_CASE("parse_safetensors_header: a length that is not the file's is refused") {
  REQUIRE_ERROR(FormatError, "x: is truncated: 0 bytes, expected at least the 8 of its header's length", parse(""));
  REQUIRE_ERROR(FormatError, "x: is truncated: 7 bytes", parse("1234567"));
  REQUIRE_ERROR(FormatError, "x: is truncated: its header takes 2 bytes, 1 are left",
                parse(header_file("{}").substr(0, 9)));
  REQUIRE_ERROR(FormatError, "x: declares a header of 18446744073709551615 bytes, expected at most 100000000",
                parse(std::string(8, '\xFF') + "{}"));
  REQUIRE_ERROR(FormatError, "x: declares a header of 100000001 bytes",
                parse(std::string("\x01\xE1\xF5\x05\0\0\0\0{}", 10)));
  refused("", "{}", "is not a safetensors file: its header does not start with '{'");
  refused(" {}", "", "is not a safetensors file");
}

TEST_CASE("parse_safetensors_header: what is not JSON is refused with its byte") {
  refused("{", "", "its header is not JSON at byte 2 of it");
  refused("{}x", "", "its header is not JSON at byte 3 of it");
  refused(std::string("{}\0", 3), "", "its header is not JSON at byte 3 of it");
  refused("{\"a\xFF\":1}", "", "its header is not JSON at byte 4 of it");
  refused(R"({"a":1e999})", "", "its header is not JSON");
}

TEST_CASE("parse_safetensors_header: JSON of another form is refused with what should be there") {
  refused(R"({"a":1})", "", "tensor 'a' has a number where there should be an object");
  refused(R"({"a":[]})", "", "tensor 'a' has an array where there should be an object");
  refused(R"({"a":null})", "", "tensor 'a' has null where there should be an object");
  refused(R"({"a":true})", "", "tensor 'a' has a truth value where there should be an object");
  refused(R"({"a":{}})", "", "tensor 'a' has no 'dtype'");
  refused(R"({"a":{"dtype":"U8"}})", "", "tensor 'a' has no 'shape'");
  refused(R"({"a":{"dtype":"U8","shape":[]}})", "", "tensor 'a' has no 'data_offsets'");
  refused(R"({"a":{"dtype":1}})", "", "tensor 'a' has a number where there should be a string as dtype");
  refused(R"({"a":{"dtype":"F33"}})", "", "tensor 'a' has the unknown dtype 'F33'");
  refused(R"({"a":{"dtype":"U8","dtype":"U8"}})", "", "tensor 'a' has two keys 'dtype'");
  refused(R"({"a":{"colour":1}})", "", "tensor 'a' has the unknown key 'colour'");
  refused(R"({"a":{"shape":1}})", "", "tensor 'a' has a number where there should be an array as shape");
  refused(R"({"a":{"shape":{}}})", "", "tensor 'a' has an object where there should be an array as shape");
  refused(R"({"a":{"shape":[-1]}})", "",
          "tensor 'a' has a negative number where there should be extents >= 0 in shape");
  refused(R"({"a":{"shape":[1.0]}})", "", "tensor 'a' has a number that is not a whole one of 64 bits");
  refused(R"({"a":{"shape":[18446744073709551616]}})", "",
          "tensor 'a' has a number that is not a whole one of 64 bits");
  refused(R"({"a":{"shape":[[1]]}})", "", "tensor 'a' has an array where there should be extents >= 0 in shape");
  refused(R"({"a":{"shape":["1"]}})", "", "tensor 'a' has a string where there should be extents >= 0 in shape");
  refused(R"({"a":{"shape":[4294967296,4294967296]}})", "", "tensor 'a' has a shape that overflows 64 bits");
  refused(R"({"a":{"data_offsets":[1]}})", "", "tensor 'a' has 1 data_offsets, expected 2");
  refused(R"({"a":{"data_offsets":[1,2,3]}})", "", "tensor 'a' has more than two data_offsets");
  refused(R"({"a":{"data_offsets":"1"}})", "",
          "tensor 'a' has a string where there should be an array as data_offsets");
  refused(R"({"__metadata__":1})", "",
          "its header has a number where there should be an object of strings as __metadata__");
  refused(R"({"__metadata__":{"a":{}}})", "",
          "its header has an object where there should be a string in __metadata__");
  refused(R"({"__metadata__":{},"__metadata__":{}})", "", "its header has two keys '__metadata__'");
}

TEST_CASE("parse_safetensors_header: tensors that overlap, leave gaps, or are not their shape are refused") {
  const auto two = [](const char* first, const char* second) {
    return "{" + header_entry("a", "[2]", first) + "," + header_entry("b", "[2]", second) + "}";
  };
  REQUIRE_NOTHROW(parse(header_file(two("[0,2]", "[2,4]"), "1234")));
  REQUIRE_NOTHROW(parse(header_file(two("[2,4]", "[0,2]"), "1234")));
  refused(two("[0,2]", "[0,2]"), "12",
          "tensor 'b' has data_offsets [0, 2], expected them to start at 2 and to end by 2");
  refused(two("[0,2]", "[1,3]"), "123", "tensor 'b' has data_offsets [1, 3], expected them to start at 2");
  refused(two("[0,2]", "[3,5]"), "12345", "tensor 'b' has data_offsets [3, 5], expected them to start at 2");
  refused(two("[0,2]", "[2,4]"), "123",
          "tensor 'b' has data_offsets [2, 4], expected them to start at 2 and to end by 3");
  refused(two("[0,2]", "[2,1]"), "1234", "tensor 'b' has data_offsets [2, 1]");
  refused(two("[0,2]", "[2,4]"), "12345", "has 1 bytes after its last tensor");
  refused(two("[0,2]", "[2,5]"), "12345", "tensor 'b' has 3 bytes, expected 2 elements of type U8");
  refused(two("[0,2]", "[2,18446744073709551615]"), "1234", "tensor 'b' has data_offsets [2, 18446744073709551615]");
  refused("{" + header_entry("a", "[1]", "[0,1]") + "," + header_entry("a", "[1]", "[1,2]") + "}", "12",
          "has two tensors of the name 'a'");
  refused(R"({"a":{"dtype":"F64","shape":[288230376151711744],"data_offsets":[0,0]}})", "",
          "tensor 'a' has 0 bytes, expected 288230376151711744 elements of type F64");  // times 64 bits: 2^64
  refused("{}", "x", "has 1 bytes after its last tensor");
}

TEST_CASE("parse_safetensors_header: nesting that goes on for ever stops at once") {
  refused("{\"a\":" + std::string(1'000'000, '['), "", "tensor 'a' has an array where there should be an object");
  refused(R"({"a":{"shape":)" + std::string(1'000'000, '['), "",
          "tensor 'a' has an array where there should be extents");
}

TEST_CASE("quote_name: names fit for a message") {
  REQUIRE(io::detail::quote_name("a b") == "'a b'");
  REQUIRE(io::detail::quote_name("a\x1B[2J\n") == "'a?[2J?'");
  REQUIRE(io::detail::quote_name("\x7F") == "'?'");
  REQUIRE(io::detail::quote_name(std::string(60, 'x')) == "'" + std::string(60, 'x') + "'");
  REQUIRE(io::detail::quote_name(std::string(61, 'x')) == "'" + std::string(60, 'x') + "...'");
  const std::string umlauts = std::string(59, 'x') + "\xC3\xA4\xC3\xA4";
  REQUIRE(io::detail::quote_name(umlauts) == "'" + std::string(59, 'x') + "...'");  // not half a letter
}

TEST_CASE("parse_safetensors_header: a header cut or changed at any byte is read or refused with a FormatError") {
  const std::string header = "{" + header_entry("a", "[2,1]", "[0,2]") + R"(,"__metadata__":{"k":"v"},)" +
                             header_entry("b", "[2]", "[2,4]") + "}";
  const std::string whole = header_file(header, "1234");
  REQUIRE_NOTHROW(parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO("cut to " << size);
    REQUIRE_ERROR(FormatError, "x: ", parse(whole.substr(0, size)));
  }
  std::mt19937 random(1);
  for (std::size_t i = 0; i < 5000; ++i) {
    std::string changed = whole;
    changed[random() % changed.size()] = static_cast<char>(random() % 256);
    try {
      (void)parse(changed);
    } catch (const FormatError&) {
    }
  }
}
