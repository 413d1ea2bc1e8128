#include "pefa/live/event_encoding.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "catch.hpp"
#include "live/random_batch.hpp"

using namespace pefa;
using namespace pefa::live;
using test::random_batch;

namespace {

using Bytes = std::vector<std::byte>;

/// One event of each kind.
Batch every_kind() {
  return {{UpsertPassage{"passage", {1.5f, -0.0f, std::numeric_limits<float>::max()}, "colour=red", -1},
           RemovePassage{"7", std::numeric_limits<std::int64_t>::min()},
           UpsertQuery{std::string("nul\0inside", 10), {0.25f}, "owner", 3}, UpsertQuery{"q", {1.0f}, "", 4},
           AddPair{"query", "passage", 0.5f, std::numeric_limits<std::int64_t>::max()}, RetractPair{"q", "p", 6},
           ForgetQuery{"q", 7}, ForgetOwner{"owner", 8}, RetireQuery{"q", 9}},
          "kafka:42"};
}

}  // namespace

TEST_CASE("live::encode: every kind of event comes back as it went in") {
  for (const Batch& batch : {Batch{}, Batch{{}, "only a cursor"}, every_kind()}) {
    REQUIRE(decode_batch(encode(batch)) == batch);
  }
  for (unsigned seed = 0; seed < 200; ++seed) {
    const Batch batch = random_batch(seed);
    REQUIRE(decode_batch(encode(batch)) == batch);
  }
}

TEST_CASE("live::encode: the bytes are the ones of the header's table") {
  const Bytes bytes = encode({{AddPair{"q", "pp", 1.0f, 258}}, "c"});
  const std::vector<int> expected{1, 1, 0, 0, 0, 'c', 1,   0, 0, 0,   4,   2, 1, 0,    0,
                                  0, 0, 0, 0, 1, 0,   'q', 2, 0, 'p', 'p', 0, 0, 0x80, 0x3F};
  REQUIRE(bytes.size() == expected.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) REQUIRE(std::to_integer<int>(bytes[i]) == expected[i]);
}

TEST_CASE("live::encode: appends, and leaves what is there where it refuses") {
  Bytes bytes{std::byte{7}};
  REQUIRE_THROWS_AS(encode({{ForgetQuery{""}}, ""}, bytes), ValueError);
  REQUIRE(bytes == Bytes{std::byte{7}});
  encode(every_kind(), bytes);
  REQUIRE(decode_batch(std::span(bytes).subspan(1)) == every_kind());
}

TEST_CASE("live::decode_batch: every cut and every byte too many is a FormatError") {
  const Bytes whole = encode(every_kind());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    REQUIRE_THROWS_AS(decode_batch(cut), FormatError);
  }
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  REQUIRE_ERROR(FormatError, "a.log: batch of events, before byte", decode_batch(longer, "a.log"));
  REQUIRE_ERROR(FormatError, "bytes follow its last event", decode_batch(longer));
}

TEST_CASE("live::decode_batch: whatever it accepts is what encode() writes") {
  const Bytes whole = encode(every_kind());
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes changed = whole;
      changed[i] ^= static_cast<std::byte>(1U << bit);
      try {
        const Batch batch = decode_batch(changed);
        REQUIRE(encode(batch) == changed);
        ++accepted;
      } catch (const FormatError&) {
      }
    }
  }
  REQUIRE(accepted > 0);
}

TEST_CASE("live::decode_batch: sizes far past the bytes ask for no memory") {
  const auto with_count = [](std::uint32_t count) {
    Bytes bytes = encode({{ForgetQuery{"q"}}, ""});
    std::copy_n(reinterpret_cast<const std::byte*>(&count), sizeof count, bytes.begin() + 5);
    return bytes;
  };
  REQUIRE_ERROR(FormatError, "too short for its number of events", decode_batch(with_count(0xFFFF'FFFF)));
  REQUIRE_ERROR(FormatError, "bytes follow its last event", decode_batch(with_count(0)));
  Bytes bytes = encode({{UpsertPassage{"p", {1.0f}}}, ""});
  const std::uint32_t dim = 1U << 20;
  std::copy_n(reinterpret_cast<const std::byte*>(&dim), sizeof dim, bytes.end() - 8);
  REQUIRE_ERROR(FormatError, "it ends too early", decode_batch(bytes));
  bytes[0] = std::byte{2};
  REQUIRE_ERROR(FormatError, "its version is not 1", decode_batch(bytes));
}
