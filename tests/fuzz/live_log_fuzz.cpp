// Segments of a log: as they came, and with checksums and chain made right. Whatever a log holds, it is read twice the
// same, opened for writing, and read again; only a FormatError or LogGone may refuse it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "live/log_tools.hpp"
#include "live/simulated_disk.hpp"
#include "pefa/core/error.hpp"
#include "pefa/io/archive/checksum.hpp"
#include "pefa/live/event_encoding.hpp"

namespace {

using namespace pefa;
using live::detail::RecordHeader;
using live::detail::SegmentHeader;

constexpr const char* segment = "/log/00000000000000000001.log";

template <class Header>
void put(std::vector<std::byte>& bytes, std::size_t at, const Header& header) {
  std::memcpy(bytes.data() + at, &header, sizeof header);
}

/// As one who knows the identity would write it, sizes and counts as they are.
void sign(std::vector<std::byte>& bytes) {
  if (bytes.size() < sizeof(SegmentHeader)) return;
  SegmentHeader head;
  head.identity = head.chain = test::log_identity;
  head.first = 1;
  head.checksum = head.expected_checksum();
  put(bytes, 0, head);
  live::LogPosition place{0, test::log_identity};
  std::vector<std::span<const std::byte>> batches;
  for (std::size_t at = sizeof head; bytes.size() - at >= sizeof(RecordHeader);) {
    auto record = live::detail::header_at<RecordHeader>(std::span<const std::byte>(bytes).subspan(at));
    record.mark = live::detail::record_mark;
    record.zero = 0;
    record.first = place.sequence + 1;
    record.durable = std::min(record.durable, place.sequence);
    const std::size_t left = bytes.size() - at - sizeof record;
    if (record.payload_bytes <= left) {
      const auto payload = std::span<const std::byte>(bytes).subspan(at + sizeof record, record.payload_bytes);
      record.payload_checksum = io::checksum(payload);
      if (record.batches < 1000 && live::detail::split_payload(payload, record.batches, batches)) {
        for (const auto batch : batches) {
          place = {place.sequence + 1, live::detail::chain_after(place.chain, batch)};
        }
        record.chain = place.chain;
      }
    }
    record.checksum = record.expected_checksum(test::log_identity);
    put(bytes, at, record);
    if (record.payload_bytes > left) return;
    at += static_cast<std::size_t>(record.record_bytes());
  }
}

std::optional<test::Batches> batches_of(test::SimulatedDisk& disk) {
  try {
    return test::replayed(disk, "/log");
  } catch (const FormatError&) {
  } catch (const live::LogGone&) {
  }
  return std::nullopt;
}

void replay_and_append(const std::vector<std::byte>& bytes) {
  test::SimulatedDisk disk;
  disk.make_directory("/log");
  disk.put(segment, bytes);
  auto before = batches_of(disk);
  if (before != batches_of(disk)) std::abort();
  if (!before) return;
  live::LogReader sealed(disk, "/log", test::log_identity, {});
  for (std::size_t i = 0;; ++i) {
    const auto batch = sealed.next();
    if (!batch) break;
    if (i >= before->size() || test::text_of(batch->bytes) != (*before)[i]) std::abort();
    try {
      const live::Batch events = live::decode_batch(batch->bytes);
      if (test::text_of(live::encode(events)) != (*before)[i]) std::abort();
    } catch (const FormatError&) {
    }
  }
  test::Reopened again = test::reopened(disk, "/log");
  if (again.batches != *before) std::abort();
  (void)again.log->append(test::as_batch("more"));
  before->emplace_back("more");
  disk.cut_power();
  if (batches_of(disk) != before) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin(), input.end());
  replay_and_append(bytes);
  sign(bytes);
  replay_and_append(bytes);
  return 0;
}
