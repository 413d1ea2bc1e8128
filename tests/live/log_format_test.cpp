#include "pefa/live/log_format.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "catch.hpp"
#include "live/log_tools.hpp"

using namespace pefa;
using namespace pefa::live::detail;
using live::LogPosition;

TEST_CASE("live::segment_name: 20 digits and .log, and back") {
  REQUIRE(segment_name(1) == "00000000000000000001.log");
  REQUIRE(segment_name(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615.log");
  for (const std::uint64_t first : {std::uint64_t{1}, std::uint64_t{1'000'000}, std::uint64_t{1} << 63U}) {
    REQUIRE(segment_first(segment_name(first)) == first);
  }
  for (const char* name :
       {"", "1.log", "00000000000000000000.log", "0000000000000000000a.log", "18446744073709551616.log",
        "00000000000000000001.log.part", "-0000000000000000001.log", "00000000000000000001.txt"}) {
    REQUIRE_FALSE(segment_first(name));
  }
}

TEST_CASE("live::append_record: a record is a multiple of 8 bytes, and holds its batches") {
  std::vector<std::byte> bytes;
  LogPosition at{4, 77};
  const std::string first = "batch";
  const std::string second;
  const std::vector<std::span<const std::byte>> batches{test::as_batch(first), test::as_batch(second)};
  append_record(bytes, batches, 9, 3, at);
  const auto header = header_at<RecordHeader>(bytes);
  REQUIRE(header.is_valid(9));
  REQUIRE_FALSE(header.is_valid(8));
  REQUIRE((header.first == 5 && header.batches == 2 && header.last() == 6 && header.durable == 3));
  REQUIRE(header.record_bytes() == bytes.size());
  REQUIRE(bytes.size() == sizeof(RecordHeader) + 16);  // 4 + 5 + 4, and 3 zeros
  REQUIRE(at == LogPosition{6, chain_after(chain_after(77, batches[0]), batches[1])});
  REQUIRE(header.chain == at.chain);
  std::vector<std::span<const std::byte>> split;
  REQUIRE(split_payload(std::span<const std::byte>(bytes).subspan(sizeof header), 2, split));
  REQUIRE(test::text_of(split.at(0)) == "batch");
  REQUIRE(split.at(1).empty());
}

TEST_CASE("live::split_payload: sizes that do not fit, and bytes left over, are refused") {
  std::vector<std::span<const std::byte>> split;
  const auto payload = [](std::initializer_list<int> values) {
    std::vector<std::byte> bytes;
    for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
    return bytes;
  };
  REQUIRE(split_payload({}, 0, split));
  REQUIRE(split_payload(payload({1, 0, 0, 0, 9, 0, 0, 0}), 1, split));
  REQUIRE_FALSE(split_payload(payload({1, 0, 0, 0, 9, 0, 0, 1}), 1, split));
  REQUIRE_FALSE(split_payload(payload({5, 0, 0, 0, 9, 0, 0, 0}), 1, split));
  REQUIRE_FALSE(split_payload(payload({255, 255, 255, 255, 9, 0, 0, 0}), 1, split));
  REQUIRE_FALSE(split_payload(payload({1, 0, 0, 0, 9, 0, 0, 0}), 2, split));
  REQUIRE_FALSE(split_payload(payload({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), 1, split));
}
