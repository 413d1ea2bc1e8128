#include "pefa/live/manifest.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "live/simulated_disk.hpp"

using namespace pefa;
using namespace pefa::live;

namespace {

Manifest example() {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  return {0x0F1E2D3C4B5A6978U,
          7,
          {{3, {1200, 0xA1B2C3D4E5F60718U}, "method xs, \"λ\" 0.1", {{"a-1_B.pefa", 8413, 5}, {"z", most, most}}},
           {2, {0, 1}, "", {}}}};
}

/// The text with another body, and the checksum that it should have.
std::string signed_text(const std::string& body) {
  return body + "checksum " + live::detail::hex(live::detail::checksum_of(body)) + "\n";
}

}  // namespace

TEST_CASE("live::Manifest: comes back from its text, and the text is the one that the header shows") {
  for (const Manifest& manifest : {Manifest{}, Manifest{1, 2, {}}, example()}) {
    REQUIRE(decode_manifest(encode(manifest)) == manifest);
  }
  const std::string body =
      "pefa-live 1\nidentity 0f1e2d3c4b5a6978\ngeneration 7\nbase 3 1200 a1b2c3d4e5f60718\nnote method xs, \"λ\" 0.1\n"
      "file 8413 0000000000000005 a-1_B.pefa\nfile 18446744073709551615 ffffffffffffffff z\nbase 2 0 "
      "0000000000000001\n";
  REQUIRE(encode(example()) == signed_text(body));
  REQUIRE(example().current()->number == 2);
  REQUIRE(Manifest{}.current() == nullptr);
}

TEST_CASE("live::decode_manifest: every changed byte and every cut is refused") {
  const std::string text = encode(example());
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const int change : {1, 4, 32, 128}) {
      std::string changed = text;
      changed[at] = static_cast<char>(changed[at] ^ change);
      REQUIRE_THROWS_AS(decode_manifest(changed), FormatError);
    }
    REQUIRE_THROWS_AS(decode_manifest(text.substr(0, at)), FormatError);
  }
  REQUIRE_THROWS_AS(decode_manifest(text + "\n"), FormatError);
}

TEST_CASE("live::decode_manifest: what is signed and not written so is refused, and the line is named") {
  const std::string head = "pefa-live 1\nidentity 0f1e2d3c4b5a6978\ngeneration 7\n";
  const auto decode = [](const std::string& body) { return decode_manifest(signed_text(body), "m"); };
  REQUIRE(decode(head).generation == 7);
  REQUIRE_ERROR(FormatError, "m, line 2: expected identity", decode("pefa-live 1\nidentitz 1\n"));
  REQUIRE_ERROR(FormatError, "m, line 4: expected checksum ", decode(head + "bases 1\n"));
  REQUIRE_ERROR(FormatError, "m, line 4: expected a number", decode(head + "base x 1 1\n"));
  REQUIRE_ERROR(FormatError, "m, line 4: expected a number", decode(head + "base 99999999999999999999 1 1\n"));
  REQUIRE_ERROR(FormatError, "is not written as a manifest is", decode(head + "base 01 1 0000000000000001\n"));
  REQUIRE_ERROR(FormatError, "is not written as a manifest is", decode(head + "base 1 1 1\n"));
  REQUIRE_ERROR(FormatError, "is not written as a manifest is", decode(head + "base 1 1 0000000000000001\nnote \n"));
  const std::string base = "base 1 1 0000000000000001\n";
  for (const char* name : {"", ".", "..", "../x", "a/b", ".hidden", "a b", "a\tb"}) {
    REQUIRE_ERROR(FormatError, "expected before it the name of a file",
                  decode(head + base + "file 1 0000000000000001 " + name + "\n"));
  }
  REQUIRE_ERROR(FormatError, "two bases have the number 1", decode(head + base + base));
  REQUIRE_ERROR(FormatError, "is no manifest of a live folder", decode_manifest("hello"));
  REQUIRE_ERROR(FormatError, "of another format version, this pefa reads 1", decode_manifest("pefa-live 2\n"));
}

TEST_CASE("live::read_manifest: a folder without one is told from one with a damaged one") {
  test::SimulatedDisk disk;
  disk.make_directory("/folder");
  REQUIRE_ERROR(IoError, "/folder: is no live folder: it has no file 'manifest'", read_manifest(disk, "/folder"));
  const std::string text = encode(example());
  const auto bytes = std::as_bytes(std::span(text));
  disk.put("/folder/manifest", {bytes.begin(), bytes.end()});
  REQUIRE(read_manifest(disk, "/folder") == example());
  disk.contents("/folder/manifest")[30] ^= std::byte{1};
  REQUIRE_ERROR(FormatError, "/folder/manifest: damaged: its checksum is wrong", read_manifest(disk, "/folder"));
}
