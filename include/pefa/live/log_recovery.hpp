// pefa: what a log holds after a crash: every batch that was acknowledged, or a clear refusal.
//
// A power cut leaves a part of what was not synced: the tail of the last segment. Each record names the last batch that
// was on the disk before it. So where a record is bad, one after it that names that batch or a later one proves damage
// to what was on the disk; where there is none, the tail was never acknowledged and does not count.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/archive/checksum.hpp"
#include "pefa/live/file_system.hpp"
#include "pefa/live/log_format.hpp"
#include "pefa/live/log_reader.hpp"

namespace pefa::live {

/// Takes a batch of a log that is replayed.
using ReplayBatch = std::function<void(const LogBatch& batch)>;

/// What was found in a log.
struct LogRecovery {
  LogPosition last;                ///< after the last batch that it holds
  std::uint64_t batches = 0;       ///< that were replayed
  std::uint64_t sealed = 0;        ///< the last batch that is surely on the disk
  std::uint64_t last_segment = 0;  ///< the number of the last segment's first batch
  LogTail torn;                    ///< what is no record at the end; bytes is 0 where there is nothing

  /// In a sentence: "12 batches replayed, up to 40; …".
  [[nodiscard]] std::string text() const {
    std::string sentence = pefa::detail::join_message(batches, " batches replayed, up to ", last.sequence);
    if (torn.bytes > 0) {
      sentence += pefa::detail::join_message("; cut ", torn.bytes, " bytes that were never acknowledged, from offset ",
                                             torn.offset, " of ", torn.segment.string(), ": ", torn.reason);
    }
    return sentence;
  }
};

namespace detail {

/// The offset of a record after `offset` that says that batch `expected` or a later one was on the disk before it.
[[nodiscard]] inline std::optional<std::uint64_t> record_after_damage(FileSystem& files,
                                                                      const std::filesystem::path& path,
                                                                      std::uint64_t identity, std::uint64_t offset,
                                                                      std::uint64_t expected) {
  BlockReader segment(files.open(path));
  if (!segment.is_open()) return std::nullopt;
  for (offset += 8;; offset += 8) {
    const auto bytes = segment.at(offset, sizeof(RecordHeader));
    if (bytes.size() < sizeof(RecordHeader)) return std::nullopt;
    const auto header = header_at<RecordHeader>(bytes);
    if (header.is_valid(identity) && header.durable >= expected && header.first > expected) return offset;
  }
}

/// Whether what a reader ended at is a tail that was never acknowledged; looks at all that follows.
/// @param torn, expected  the reader's tail(), and the batch after its end()  @throws FormatError  it is damage
inline void require_no_damage(FileSystem& files, std::uint64_t identity, const LogTail& torn, std::uint64_t expected) {
  if (torn.reason.empty()) return;
  const auto later = record_after_damage(files, torn.segment, identity, torn.offset, expected);
  if (!later) return;
  pefa::detail::fail<FormatError>(torn.segment.string(), ": damaged at offset ", torn.offset, ", batch ", expected,
                                  ": ", torn.reason, "; it was on the disk, as the record at offset ", *later,
                                  " says: restore a backup");
}

/// Records of one segment, as they lie there, and the place before them.
struct Records {
  LogPosition before;
  std::vector<std::byte> bytes;
};

/// The records of the batches after `sealed` up to `last`, whole and in one history; `last` must be a record's end.
/// @throws FormatError  they are not
[[nodiscard]] inline Records records_between(FileSystem& files, const std::filesystem::path& path,
                                             std::uint64_t identity, std::uint64_t sealed, LogPosition last) {
  const auto refuse = [&](const char* why) {
    pefa::detail::fail<FormatError>(path.string(), ": batches ", sealed + 1, " to ", last.sequence,
                                    " cannot be read again: ", why);
  };
  BlockReader segment(files.open(path));
  if (!segment.is_open()) refuse("the file is gone");
  const auto head = segment.at(0, sizeof(SegmentHeader));
  if (head.size() < sizeof(SegmentHeader)) refuse("its header is cut");
  const auto segment_header = header_at<SegmentHeader>(head);
  LogPosition place{segment_header.first - 1, segment_header.chain};
  Records records{place, {}};
  std::vector<std::span<const std::byte>> batches;
  for (std::uint64_t offset = sizeof(SegmentHeader); place.sequence < last.sequence;) {
    const auto bytes = segment.at(offset, sizeof(RecordHeader));
    if (bytes.size() < sizeof(RecordHeader)) refuse("the file ends before");
    const auto header = header_at<RecordHeader>(bytes);
    if (!header.is_valid(identity) || header.first != place.sequence + 1) refuse("a record is damaged");
    if (header.batches > 0 && header.last() > sealed) {
      const auto record = segment.at(offset, static_cast<std::size_t>(header.record_bytes()));
      if (record.size() < header.record_bytes()) refuse("the file ends in a record");
      const auto payload = record.subspan(sizeof header);
      if (io::checksum(payload) != header.payload_checksum || !split_payload(payload, header.batches, batches)) {
        refuse("a record is damaged");
      }
      records.bytes.insert(records.bytes.end(), record.begin(), record.end());
    }
    place = {header.last(), header.chain};
    if (place.sequence <= sealed) records.before = place;
    offset += header.record_bytes();
  }
  if (place != last) refuse("they are of another history");
  return records;
}

}  // namespace detail

/// Replays a log after a place, in order, and says what it holds; changes nothing on the disk.
/// @param replay  takes each batch; may be empty. What it throws goes on to the caller
/// @throws FormatError  damage, with the file and the offset; or the log ends before `after`
/// @throws LogGone  it begins behind `after`  @throws IoError  a file cannot be read
[[nodiscard]] inline LogRecovery recover_log(FileSystem& files, const std::filesystem::path& directory,
                                             std::uint64_t identity, LogPosition after, const ReplayBatch& replay) {
  LogReader reader(files, directory, identity, after, Follow::written);
  LogRecovery found;
  while (const auto batch = reader.next()) {
    ++found.batches;
    if (replay) replay(*batch);
  }
  found.last = reader.position();
  found.sealed = reader.sealed();
  found.last_segment = reader.segment_first();
  found.torn = reader.tail();
  detail::require_no_damage(files, identity, found.torn, reader.end().sequence + 1);
  if (reader.end().sequence < found.last.sequence) {
    pefa::detail::fail<FormatError>(directory.string(), ": the log ends at batch ", reader.end().sequence,
                                    ", expected at least ", found.last.sequence, ": restore a backup");
  }
  return found;
}

}  // namespace pefa::live
