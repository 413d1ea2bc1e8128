// pefa: the bytes of a write-ahead log. It numbers what hosts submit, its batches, from 1 on, without a gap.
//
// A log is files, its segments, each named by the 20 digits of its first batch's number and ".log". All numbers are
// little-endian. A segment is a header of 64 bytes and records, of which each starts at a multiple of 8:
//
//   Segment header                                    Record header
//   0   8  magic: 93 50 45 46 41 4C 4F 47             0   4  mark: 50 52 45 43
//   8   4  format version: 1                          4   4  bytes of the payload, with its zeros
//  12   4  zero                                       8   8  number of its first batch
//  16   8  identity of the log, drawn once           16   4  its batches; 0: it only tells what is on the disk
//  24   8  number of the first batch                 20   4  zero
//  32   8  chain before that batch                   24   8  number of the last batch that was on the disk before it
//  40   8  number of the last batch that was on      32   8  XXH64 (seed 0) of the payload
//          the disk when it was put in place         40   8  chain after its last batch
//  48   8  zero                                      48   8  XXH64 of bytes 0 to 47, its seed the identity
//  56   8  XXH64 (seed 0) of bytes 0 to 55           Payload: for each batch a u32, its bytes, and the bytes; then
//                                                    zeros to a multiple of 8
//
// A segment ends where the next one begins: records of it that have numbers from there on were never acknowledged, and
// what follows the last of its records counts no more.
//
// The chain after a batch is the XXH64 of its bytes, its seed the chain before it; before the first it is the identity.
// So a place in a log, a number and a chain, tells one history from any other.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "pefa/io/archive/checksum.hpp"

namespace pefa::live {

/// A place in a log: after a batch.
struct LogPosition {
  std::uint64_t sequence = 0;  ///< the batch's number; 0: before the first
  std::uint64_t chain = 0;     ///< of all batches up to it; at 0 the log's identity

  /// Whether both places are the same one of the same history.
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

inline constexpr std::size_t max_batch_bytes = std::size_t{1} << 28;  ///< that a log takes as one batch

namespace detail {

inline constexpr std::array<unsigned char, 8> segment_magic{0x93, 'P', 'E', 'F', 'A', 'L', 'O', 'G'};
inline constexpr std::array<unsigned char, 4> record_mark{'P', 'R', 'E', 'C'};
inline constexpr std::string_view segment_suffix = ".log";

struct SegmentHeader {
  std::array<unsigned char, 8> magic = segment_magic;
  std::uint32_t version = 1;
  std::uint32_t zero = 0;
  std::uint64_t identity = 0;
  std::uint64_t first = 0;
  std::uint64_t chain = 0;
  std::uint64_t durable = 0;
  std::uint64_t reserved = 0;
  std::uint64_t checksum = 0;

  [[nodiscard]] std::uint64_t expected_checksum() const noexcept {
    return io::checksum(std::as_bytes(std::span(this, 1)).first(offsetof(SegmentHeader, checksum)));
  }
};

struct RecordHeader {
  std::array<unsigned char, 4> mark = record_mark;
  std::uint32_t payload_bytes = 0;
  std::uint64_t first = 0;
  std::uint32_t batches = 0;
  std::uint32_t zero = 0;
  std::uint64_t durable = 0;
  std::uint64_t payload_checksum = 0;
  std::uint64_t chain = 0;
  std::uint64_t checksum = 0;

  [[nodiscard]] std::uint64_t expected_checksum(std::uint64_t identity) const noexcept {
    return io::checksum(std::as_bytes(std::span(this, 1)).first(offsetof(RecordHeader, checksum)), identity);
  }
  /// Whether somebody who knew the identity wrote it.
  [[nodiscard]] bool is_valid(std::uint64_t identity) const noexcept {
    return mark == record_mark && checksum == expected_checksum(identity);
  }
  /// The number of the last batch.
  [[nodiscard]] std::uint64_t last() const noexcept { return first + batches - 1; }
  /// Bytes of the whole record.
  [[nodiscard]] std::uint64_t record_bytes() const noexcept { return sizeof(RecordHeader) + payload_bytes; }
};

static_assert(sizeof(SegmentHeader) == 64 && std::has_unique_object_representations_v<SegmentHeader>);
static_assert(sizeof(RecordHeader) == 56 && std::has_unique_object_representations_v<RecordHeader>);

[[nodiscard]] inline std::uint64_t chain_after(std::uint64_t chain, std::span<const std::byte> batch) noexcept {
  return io::checksum(batch, chain);
}

template <class Header>
[[nodiscard]] Header header_at(std::span<const std::byte> bytes) noexcept {
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

[[nodiscard]] inline std::string segment_name(std::uint64_t first) {
  std::string digits = std::to_string(first);
  return std::string(20 - digits.size(), '0') + digits + std::string(segment_suffix);
}

/// The number of its first batch, where a name is a segment's.
[[nodiscard]] inline std::optional<std::uint64_t> segment_first(std::string_view name) {
  if (name.size() != 20 + segment_suffix.size() || !name.ends_with(segment_suffix)) return std::nullopt;
  std::uint64_t first = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 20, first);
  if (error != std::errc() || end != name.data() + 20 || first == 0) return std::nullopt;
  return first;
}

/// Appends a record of these batches to `out`; the chain and the numbers go on in `at`.
inline void append_record(std::vector<std::byte>& out, std::span<const std::span<const std::byte>> batches,
                          std::uint64_t identity, std::uint64_t durable, LogPosition& at) {
  RecordHeader header;
  header.first = at.sequence + 1;
  header.batches = static_cast<std::uint32_t>(batches.size());
  header.durable = durable;
  const std::size_t begin = out.size();
  out.resize(begin + sizeof header);
  for (const std::span<const std::byte> batch : batches) {
    const auto size = static_cast<std::uint32_t>(batch.size());
    const auto size_bytes = std::as_bytes(std::span(&size, 1));
    out.insert(out.end(), size_bytes.begin(), size_bytes.end());
    out.insert(out.end(), batch.begin(), batch.end());
    at = {at.sequence + 1, chain_after(at.chain, batch)};
  }
  out.resize((out.size() - begin - sizeof header + 7) / 8 * 8 + begin + sizeof header);
  const auto payload = std::span<const std::byte>(out).subspan(begin + sizeof header);
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  header.payload_checksum = io::checksum(payload);
  header.chain = at.chain;
  header.checksum = header.expected_checksum(identity);
  std::memcpy(out.data() + begin, &header, sizeof header);
}

/// The batches of a payload whose checksum is right, each borrowed from it; false where they are not as many as the
/// header says, or bytes are left that are not zeros.
[[nodiscard]] inline bool split_payload(std::span<const std::byte> payload, std::uint32_t count,
                                        std::vector<std::span<const std::byte>>& batches) {
  batches.clear();
  for (; count > 0; --count) {
    std::uint32_t size = 0;
    if (payload.size() < sizeof size) return false;
    std::memcpy(&size, payload.data(), sizeof size);
    payload = payload.subspan(sizeof size);
    if (payload.size() < size) return false;
    batches.push_back(payload.first(size));
    payload = payload.subspan(size);
  }
  return payload.size() < 8 &&
         std::all_of(payload.begin(), payload.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace detail
}  // namespace pefa::live
