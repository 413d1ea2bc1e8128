// pefa: reads a log from any place in it, batch by batch, to replay it or to follow it while another process writes.
//
// It reads only, and never past what is there: a record that is not whole yet is waited for. It opens the segment anew
// where it comes to an end, so that nothing of a growing file is held on to.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/io/archive/checksum.hpp"
#include "pefa/live/file_system.hpp"
#include "pefa/live/log_format.hpp"

namespace pefa::live {

/// The log begins after the place that was asked for: the batches between are in a base by now.
class LogGone : public Error {
 public:
  using Error::Error;
};

/// Which batches a reader gives.
enum class Follow {
  sealed,  ///< those that are surely on the disk, as what follows them says: they may be shipped elsewhere
  written  ///< all that are there; the last ones a power cut could still take back
};

/// One batch of a log.
struct LogBatch {
  LogPosition position;              ///< after it
  std::span<const std::byte> bytes;  ///< as it was submitted; valid until the reader's next call
};

/// Where a reader stands in its files, and why it goes no further.
struct LogTail {
  std::filesystem::path segment;  ///< the file
  std::uint64_t offset = 0;       ///< of the byte after the last whole record
  std::uint64_t bytes = 0;        ///< of the file after that
  std::string reason{};           ///< why they are no record; empty: there are none
};

namespace detail {

/// A segment in a directory.
struct SegmentFile {
  std::uint64_t first = 0;  ///< the number of its first batch
  std::uint64_t bytes = 0;  ///< of the file
};

/// The segments of a directory, ascending.
[[nodiscard]] inline std::vector<SegmentFile> segments_in(FileSystem& files, const std::filesystem::path& directory) {
  std::vector<SegmentFile> segments;
  for (const DirectoryEntry& entry : files.list(directory)) {
    if (const auto first = segment_first(entry.name); first && !entry.is_directory) {
      segments.push_back({*first, entry.size});
    }
  }
  return segments;
}

/// Bytes of a file, read a block at a time.
class BlockReader {
 public:
  BlockReader() = default;
  explicit BlockReader(std::unique_ptr<ReadFile> file) : file_(std::move(file)) {}

  [[nodiscard]] bool is_open() const noexcept { return file_ != nullptr; }
  [[nodiscard]] std::uint64_t size() const { return file_->size(); }

  /// The bytes from `offset` on, `size` of them or as many as there are; valid until the next call.
  [[nodiscard]] std::span<const std::byte> at(std::uint64_t offset, std::size_t size) {
    if (offset < begin_ || offset + size > begin_ + held_) {
      begin_ = offset;
      held_ = 0;                 // whatever a failed read leaves
      if (size > block_bytes) {  // a claim, perhaps: no more memory than the file can fill
        const std::uint64_t end = file_->size();
        size = static_cast<std::size_t>(std::min<std::uint64_t>(size, end - std::min(end, offset)));
      }
      block_.resize(std::max(size, block_bytes));
      held_ = file_->read(offset, block_);
    }
    const auto skipped = static_cast<std::size_t>(offset - begin_);
    return std::span<const std::byte>(block_).subspan(skipped, std::min(size, held_ - skipped));
  }

 private:
  static constexpr std::size_t block_bytes = std::size_t{1} << 16;

  std::unique_ptr<ReadFile> file_;
  std::vector<std::byte> block_;
  std::uint64_t begin_ = 0;
  std::size_t held_ = 0;
};

}  // namespace detail

/// An iterator over the batches of a log, in their order. Not for several threads at once.
///
/// A follower keeps position() with what it has done and makes a reader from it the next time.
class LogReader {
 public:
  /// Stands after a place, {} for the beginning; opens nothing yet.
  LogReader(FileSystem& files, std::filesystem::path directory, std::uint64_t identity, LogPosition after,
            Follow follow = Follow::sealed)
      : files_(&files),
        directory_(std::move(directory)),
        identity_(identity),
        follow_(follow),
        position_(after.sequence == 0 ? LogPosition{0, identity} : after) {}

  /// The next batch, or nothing while there is none: asked again later, it may have come.
  /// @throws LogGone  the log was cut past this place: go on from a base
  /// @throws FormatError  damage, with file and offset; or another history than position() is of
  /// @throws IoError  a file cannot be read
  [[nodiscard]] std::optional<LogBatch> next() {
    bool looked = false;
    for (;;) {
      if (next_ < batches_.size()) return take_batch();
      if (segment_.is_open() && read_record()) {
        looked = false;
      } else if (looked) {
        if (limit_ != no_limit && tail_.sequence + 1 < limit_)
          refuse(reason_.empty() ? "records are missing" : reason_);
        return std::nullopt;
      } else {
        looked = !enter_segment();
      }
    }
  }

  /// After the last batch that was given.
  [[nodiscard]] LogPosition position() const noexcept { return position_; }

  /// Where its files end, once next() has given nothing. @throws IoError  the file cannot be read
  [[nodiscard]] LogTail tail() const {
    const std::uint64_t size = segment_.size();
    return {path(), offset_, size - std::min(size, offset_), reason_};
  }
  /// After the last record that was read or passed over: behind position() where the log ends before it.
  [[nodiscard]] LogPosition end() const noexcept { return tail_; }
  /// The last batch that is surely on the disk, as far as what was read says.
  [[nodiscard]] std::uint64_t sealed() const noexcept { return sealed_; }
  /// The number of the first batch of the segment it stands in.
  [[nodiscard]] std::uint64_t segment_first() const noexcept { return header_.first; }

 private:
  static constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

  [[nodiscard]] std::filesystem::path path() const { return directory_ / detail::segment_name(header_.first); }

  [[noreturn]] void refuse(std::string_view why) const {
    pefa::detail::fail<FormatError>(path().string(), ": damaged at offset ", offset_, ", batch ", tail_.sequence + 1,
                                    ": ", why);
  }

  /// Every place that is passed must be of the history that was asked for.
  void check_place(LogPosition place) const {
    if (place.sequence != position_.sequence || place.chain == position_.chain) return;
    pefa::detail::fail<FormatError>(path().string(), ": batch ", place.sequence,
                                    " is of another history than the place to go on from: take a base of this folder");
  }

  [[nodiscard]] LogBatch take_batch() {
    const std::span<const std::byte> bytes = batches_[next_++];
    position_ = {position_.sequence + 1, detail::chain_after(position_.chain, bytes)};
    return {position_, bytes};
  }

  /// Reads the record at offset_; false where there is none to give, with the reason where there are bytes.
  [[nodiscard]] bool read_record() {
    batches_.clear();
    next_ = 0;
    reason_.clear();
    if (tail_.sequence + 1 >= limit_) return false;
    const auto head = segment_.at(offset_, sizeof(detail::RecordHeader));
    if (head.empty()) return false;
    if (head.size() < sizeof(detail::RecordHeader)) return stop("the file ends in a record's header");
    const auto header = detail::header_at<detail::RecordHeader>(head);
    if (!header.is_valid(identity_)) return stop("a record's header has a wrong checksum");
    if (header.first != tail_.sequence + 1 || header.durable >= header.first || header.zero != 0) {
      return stop("a record is not the next one");
    }
    sealed_ = std::max(sealed_, header.durable);
    const LogPosition after{header.last(), header.chain};
    if (after.sequence <= position_.sequence && header.batches > 0) {  // its header tells enough
      pass(header, after);
      return true;
    }
    if (follow_ == Follow::sealed && after.sequence > sealed_) {
      look_ahead(header);
      if (after.sequence > sealed_) return false;
    }
    const auto record = segment_.at(offset_, static_cast<std::size_t>(header.record_bytes()));
    if (record.size() < header.record_bytes()) return stop("the file ends in a record");
    read_payload(header, record.subspan(sizeof header));
    if (!reason_.empty()) return false;
    pass(header, after);
    return true;
  }

  bool stop(std::string_view reason) {
    reason_ = reason;
    return false;
  }

  void pass(const detail::RecordHeader& header, LogPosition after) {
    tail_ = after;
    offset_ += header.record_bytes();
    check_place(tail_);
  }

  /// Splits a payload, and checks it against the chain; sets reason_ where it is wrong.
  void read_payload(const detail::RecordHeader& header, std::span<const std::byte> payload) {
    if (io::checksum(payload) != header.payload_checksum || !detail::split_payload(payload, header.batches, batches_)) {
      batches_.clear();
      reason_ = "a record's payload has a wrong checksum";
      return;
    }
    LogPosition place = tail_;
    for (const auto batch : batches_) {
      check_place(place);
      if (place.sequence < position_.sequence) ++next_;
      place = {place.sequence + 1, detail::chain_after(place.chain, batch)};
    }
    if (place.chain != header.chain) {
      batches_.clear();
      next_ = 0;
      reason_ = "a record does not continue the one before it";
    }
  }

  /// What the headers after a record say of it.
  void look_ahead(const detail::RecordHeader& from) {
    if (limit_ != no_limit) sealed_ = std::max(sealed_, limit_ - 1);
    std::uint64_t offset = offset_ + from.record_bytes();
    std::uint64_t expected = from.last() + 1;
    while (sealed_ < from.last()) {
      const auto bytes = segment_.at(offset, sizeof(detail::RecordHeader));
      if (bytes.size() < sizeof(detail::RecordHeader)) return;
      const auto header = detail::header_at<detail::RecordHeader>(bytes);
      if (!header.is_valid(identity_) || header.first != expected) return;
      sealed_ = std::max(sealed_, header.durable);
      offset += header.record_bytes();
      expected += header.batches;
    }
  }

  /// Opens the segment that has the next batch, anew where it is this one; whether it is another one.
  [[nodiscard]] bool enter_segment() {
    const bool is_first_time = !segment_.is_open();
    const std::uint64_t wanted = (is_first_time ? position_.sequence : tail_.sequence) + 1;
    const std::vector<detail::SegmentFile> segments = detail::segments_in(*files_, directory_);
    auto after = std::upper_bound(segments.begin(), segments.end(), wanted,
                                  [](std::uint64_t number, const auto& segment) { return number < segment.first; });
    if (after == segments.begin()) {
      pefa::detail::fail<LogGone>(directory_.string(), ": the log begins ",
                                  segments.empty() ? "nowhere" : "at batch " + std::to_string(segments.front().first),
                                  ", and batch ", wanted, " is in a base by now: take the base");
    }
    limit_ = after == segments.end() ? no_limit : after->first;
    const std::uint64_t first = std::prev(after)->first;
    const bool is_other = is_first_time || first != header_.first;
    const std::filesystem::path file = directory_ / detail::segment_name(first);
    detail::BlockReader opened(files_->open(file));
    if (!opened.is_open()) {
      pefa::detail::fail<LogGone>(file.string(), ": was cut meanwhile, and is in a base by now: take the base");
    }
    const detail::SegmentHeader header = checked_header(opened, file, first);
    segment_ = std::move(opened);
    if (!is_other) return false;
    header_ = header;
    offset_ = sizeof header;
    tail_ = {header.first - 1, header.chain};
    sealed_ = std::max({sealed_, header.durable, header.first - 1});
    check_place(tail_);
    return true;
  }

  [[nodiscard]] detail::SegmentHeader checked_header(detail::BlockReader& segment, const std::filesystem::path& file,
                                                     std::uint64_t first) const {
    const auto refuse_header = [&file](std::string_view why) {
      pefa::detail::fail<FormatError>(file.string(), ": damaged at offset 0: ", why);
    };
    const auto bytes = segment.at(0, sizeof(detail::SegmentHeader));
    if (bytes.size() < sizeof(detail::SegmentHeader)) refuse_header("the file ends in a segment's header");
    const auto header = detail::header_at<detail::SegmentHeader>(bytes);
    if (header.magic != detail::segment_magic) refuse_header("no segment of a log of pefa");
    if (header.version != 1) {
      pefa::detail::fail<FormatError>(file.string(), ": a log of format version ", header.version,
                                      ", this pefa reads 1");
    }
    if (header.checksum != header.expected_checksum()) refuse_header("the segment's header has a wrong checksum");
    if (header.identity != identity_) refuse_header("a segment of another folder's log");
    if (header.first != first) refuse_header("its first batch is not the one of its name");
    return header;
  }

  FileSystem* files_;
  std::filesystem::path directory_;
  std::uint64_t identity_;
  Follow follow_;
  LogPosition position_;
  detail::BlockReader segment_;
  detail::SegmentHeader header_{};
  std::uint64_t limit_ = no_limit;  ///< the first batch of the next segment
  std::uint64_t offset_ = 0;        ///< of the next record
  LogPosition tail_;                ///< before that record
  std::uint64_t sealed_ = 0;
  std::string reason_;
  std::vector<std::span<const std::byte>> batches_;  ///< of the record that was read last
  std::size_t next_ = 0;                             ///< of them
};

}  // namespace pefa::live
