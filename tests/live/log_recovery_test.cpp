#include "pefa/live/log_recovery.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "catch.hpp"
#include "live/log_tools.hpp"
#include "live/simulated_disk.hpp"

using namespace pefa;
using namespace pefa::live;
using test::as_batch;
using test::log_identity;
using test::SimulatedDisk;

namespace {

/// Batches "1", "2" … in one segment, a record each.
void write(SimulatedDisk& disk, int count, std::chrono::milliseconds sync_interval = {}) {
  disk.make_directory("/log");
  const auto log = WriteAheadLog::create(disk, "/log", log_identity, {}, {.sync_interval = sync_interval});
  for (int i = 1; i <= count; ++i) (void)log->append(as_batch(std::to_string(i)));
}

constexpr const char* segment = "/log/00000000000000000001.log";
constexpr std::size_t record = sizeof(live::detail::RecordHeader) + 8;

}  // namespace

TEST_CASE("live::recover_log: a bad record is a torn tail until one after it says that it was on the disk") {
  SimulatedDisk disk;
  write(disk, 3);
  auto& bytes = disk.contents(segment);
  const auto whole = bytes;
  const auto damage = [&](std::size_t number) {
    bytes = whole;
    bytes[sizeof(live::detail::SegmentHeader) + (number - 1) * record + 60] ^= std::byte{1};
  };
  damage(3);
  LogRecovery found;
  REQUIRE(test::replayed(disk, "/log", {}, &found) == test::Batches{"1", "2"});
  REQUIRE(found.text() ==
          "2 batches replayed, up to 2; cut 64 bytes that were never acknowledged, from offset 192 of " +
              std::string(segment) + ": a record's payload has a wrong checksum");
  damage(1);
  REQUIRE_ERROR(
      FormatError,
      "/log/00000000000000000001.log: damaged at offset 64, batch 1: a record's payload has a wrong checksum; "
      "it was on the disk, as the record at offset 128 says: restore a backup",
      test::replayed(disk, "/log"));
}

TEST_CASE("live::recover_log: with nothing synced, a record after a bad one proves nothing") {
  SimulatedDisk disk;
  write(disk, 3, std::chrono::hours(1));
  disk.contents(segment)[sizeof(live::detail::SegmentHeader) + 60] ^= std::byte{1};
  REQUIRE(test::replayed(disk, "/log").empty());
}

TEST_CASE("live::recover_log: a whole record of another history is not taken") {
  SimulatedDisk disk;
  write(disk, 3);
  SimulatedDisk other;
  other.make_directory("/log");
  const auto log = WriteAheadLog::create(other, "/log", log_identity, {});
  for (const char* text : {"x", "y", "z"}) (void)log->append(as_batch(text));
  auto& bytes = disk.contents(segment);
  const auto& from = other.contents(segment);
  const auto last = static_cast<std::ptrdiff_t>(bytes.size() - record);
  std::copy(from.begin() + last, from.end(), bytes.begin() + last);
  LogRecovery found;
  REQUIRE(test::replayed(disk, "/log", {}, &found) == test::Batches{"1", "2"});
  REQUIRE(found.torn.reason == "a record does not continue the one before it");
}

TEST_CASE("live::recover_log: a record that was forged without the log's identity is no proof") {
  SimulatedDisk disk;
  write(disk, 1);
  std::vector<std::byte> forged;
  LogPosition at{10, 0};
  live::detail::append_record(forged, {}, log_identity + 1, 10, at);
  auto& bytes = disk.contents(segment);
  bytes.resize(bytes.size() + 8);
  bytes.insert(bytes.end(), forged.begin(), forged.end());
  LogRecovery found;
  REQUIRE(test::replayed(disk, "/log", {}, &found) == test::Batches{"1"});
  REQUIRE(found.torn.bytes == 8 + forged.size());
}

TEST_CASE("live::recover_log: what the replay throws goes on, and an empty replay counts") {
  SimulatedDisk disk;
  write(disk, 3);
  REQUIRE_ERROR(ValueError, "stop",
                recover_log(disk, "/log", log_identity, {}, [](const LogBatch&) { throw ValueError("stop"); }));
  REQUIRE(recover_log(disk, "/log", log_identity, {}, {}).batches == 3);
  REQUIRE_ERROR(IoError, "/none: No such file", recover_log(disk, "/none", log_identity, {}, {}));
  disk.make_directory("/empty");
  REQUIRE_ERROR(LogGone, "/empty: the log begins nowhere", recover_log(disk, "/empty", log_identity, {}, {}));
}
