#include "pefa/io/archive/checksum.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "support.hpp"

using namespace pefa;
using io::Checksum;
using io::checksum;

namespace {

std::string seeded_bytes(std::size_t size) {
  std::mt19937 random(11);
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(random() & 0xFF));
  return bytes;
}

/// The buffer that xxHash's own sanity checks hash the beginnings of: byte i is the top byte of
/// 0x9E3779B1 · 0x9E3779B185EBCA8D^i, mod 2^64.
std::string sanity_buffer(std::size_t size) {
  std::string bytes;
  std::uint64_t generator = 0x9E3779B1U;
  for (std::size_t i = 0; i < size; ++i, generator *= 0x9E3779B185EBCA8DU) {
    bytes.push_back(static_cast<char>(generator >> 56));
  }
  return bytes;
}

}  // namespace

TEST_CASE("checksum: is XXH64, by the published values") {
  REQUIRE(checksum(pefa::test::byte_span("")) == 0xEF46DB3751D8E999U);
  REQUIRE(checksum(pefa::test::byte_span("a")) == 0xD24EC4F1A98C6E5BU);
  REQUIRE(checksum(pefa::test::byte_span("abc")) == 0x44BC2CF5AD770999U);

  constexpr std::uint64_t seed = 0x9E3779B1U;
  const std::string buffer = sanity_buffer(222);
  const auto first = [&buffer](std::size_t size) { return pefa::test::byte_span(buffer).first(size); };
  REQUIRE(checksum(first(0), seed) == 0xAC75FDA2929B17EFU);
  REQUIRE(checksum(first(1)) == 0xE934A84ADB052768U);
  REQUIRE(checksum(first(1), seed) == 0x5014607643A9B4C3U);
  REQUIRE(checksum(first(4)) == 0x9136A0DCA57457EEU);
  REQUIRE(checksum(first(14)) == 0x8282DCC4994E35C8U);
  REQUIRE(checksum(first(14), seed) == 0xC3BD6BF63DEB6DF0U);
  REQUIRE(checksum(first(222)) == 0xB641AE8CB691C174U);
  REQUIRE(checksum(first(222), seed) == 0x20CB8AB7AE10C14AU);
}

TEST_CASE("Checksum: pieces of any size give what the whole gives") {
  const std::string text = seeded_bytes(1000);
  const auto all = pefa::test::byte_span(text);
  for (const std::size_t piece : {1U, 3U, 8U, 31U, 32U, 33U, 64U, 100U, 999U}) {
    Checksum sum(7);
    for (std::size_t at = 0; at < all.size(); at += piece) {
      sum.update(all.subspan(at, std::min(piece, all.size() - at)));
      sum.update({});
      REQUIRE(sum.value() == checksum(all.first(std::min(at + piece, all.size())), 7));
    }
  }
}

TEST_CASE("checksum: every length and every flipped bit gives another value") {
  std::string text = seeded_bytes(100);
  const std::uint64_t whole = checksum(pefa::test::byte_span(text));
  for (std::size_t size = 0; size < text.size(); ++size)
    REQUIRE(checksum(pefa::test::byte_span(text).first(size)) != whole);
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    const char before = text[bit / 8];
    text[bit / 8] = static_cast<char>(before ^ (1 << bit % 8));
    REQUIRE(checksum(pefa::test::byte_span(text)) != whole);
    text[bit / 8] = before;
  }
}

TEST_CASE("checksum: does not depend on where in memory the bytes are") {
  const std::string text = seeded_bytes(333);
  for (std::size_t shift = 0; shift < 9; ++shift) {
    const std::string shifted = std::string(shift, 'x') + text;
    REQUIRE(checksum(pefa::test::byte_span(shifted).subspan(shift)) == checksum(pefa::test::byte_span(text)));
  }
}
