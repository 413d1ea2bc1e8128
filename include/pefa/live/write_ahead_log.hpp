// pefa: a log that is on the disk before it answers: batches of bytes, numbered, in segments (log_format.hpp).
//
// One object writes a log; readers of other processes use log_reader.hpp. It never writes to a file again that a crash
// or a failure left: it goes on in a new segment, to which it copies what may not have reached the disk.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "pefa/core/error.hpp"
#include "pefa/live/file_system.hpp"
#include "pefa/live/group_commit.hpp"
#include "pefa/live/log_format.hpp"
#include "pefa/live/log_reader.hpp"
#include "pefa/live/log_recovery.hpp"

namespace pefa::live {

/// How a log is written.
struct LogOptions {
  std::uint64_t segment_bytes = std::uint64_t{1} << 26;  ///< a segment that has as many is followed by a new one
  std::uint64_t quota_bytes = std::numeric_limits<std::uint64_t>::max();  ///< of all segments; more is refused
  double high_water = 0.8;                     ///< the share of the quota from which on writes are slowed, in (0, 1]
  std::chrono::milliseconds slowest{50};       ///< what a write waits just below the quota
  std::chrono::milliseconds sync_interval{0};  ///< 0: on the disk before each answer; else at the first write after
                                               ///< as long, and a power cut takes back what came since
};

/// The log has reached its quota: a merge makes room, or the host raises it.
class LogFull : public IoError {
 public:
  using IoError::IoError;
};

/// What a log occupies.
struct LogUsage {
  std::uint64_t bytes = 0;     ///< of all segments
  std::uint64_t segments = 0;  ///< files
};

/// The writing end of a log. Safe from any number of threads.
///
/// After a write or a sync that failed nobody knows what of it is on the disk: the segment is dead, all writes are
/// refused until reopen(), and a batch whose append() threw may be there after a crash, or not.
class WriteAheadLog {
 public:
  /// Makes a log in a directory that has none, whose first batch comes after `begin`; {} for a new one.
  /// @throws ValueError  there is a log, or the options are out of range  @throws IoError  it cannot be made
  [[nodiscard]] static std::unique_ptr<WriteAheadLog> create(FileSystem& files, const std::filesystem::path& directory,
                                                             std::uint64_t identity, LogPosition begin,
                                                             const LogOptions& options = {}) {
    if (!detail::segments_in(files, directory).empty()) {
      pefa::detail::fail<ValueError>("WriteAheadLog::create: ", directory.string(), " has a log already");
    }
    std::unique_ptr<WriteAheadLog> log(new WriteAheadLog(files, directory, identity, options));
    if (begin.sequence == 0) begin.chain = identity;
    log->place_segment({begin, {}}, begin);
    return log;
  }

  /// Opens a log, replays it after a place, and leaves out a tail that was never acknowledged.
  /// @param recovery  what was found
  /// @throws  as recover_log(); then nothing on the disk has changed  @throws IoError  no new segment can be made
  [[nodiscard]] static std::unique_ptr<WriteAheadLog> open(FileSystem& files, const std::filesystem::path& directory,
                                                           std::uint64_t identity, LogPosition after,
                                                           const ReplayBatch& replay, LogRecovery& recovery,
                                                           const LogOptions& options = {}) {
    std::unique_ptr<WriteAheadLog> log(new WriteAheadLog(files, directory, identity, options));
    recovery = recover_log(files, directory, identity, after, replay);
    log->take_stock();
    const auto last = directory / detail::segment_name(recovery.last_segment);
    const std::uint64_t sealed = std::min(recovery.sealed, recovery.last.sequence);
    log->place_segment(detail::records_between(files, last, identity, sealed, recovery.last), recovery.last);
    return log;
  }

  WriteAheadLog(const WriteAheadLog&) = delete;
  WriteAheadLog& operator=(const WriteAheadLog&) = delete;

  /// @throws ValueError  more bytes than a log takes as one batch
  static void require_size(std::span<const std::byte> batch) {
    if (batch.size() <= max_batch_bytes) return;
    pefa::detail::fail<ValueError>("WriteAheadLog::append: a batch of ", batch.size(), " bytes, expected up to ",
                                   max_batch_bytes, ": submit several");
  }

  /// Adds a batch, together with what other threads add meanwhile; returns its number when it is acknowledged: on the
  /// disk, where sync_interval is 0.
  /// @throws LogFull  the quota is reached  @throws IoError  it failed now or before: see reopen()
  /// @throws ValueError  more than 2^28 bytes
  std::uint64_t append(std::span<const std::byte> batch) {
    require_size(batch);
    Waiting self{batch, 0};
    waiting_.run(self, [this](std::span<Waiting* const> group) {
      std::vector<std::span<const std::byte>> batches;
      batches.reserve(group.size());
      for (const Waiting* each : group) batches.push_back(each->batch);
      std::uint64_t sequence = append_group(batches).sequence - group.size();
      for (Waiting* each : group) each->sequence = ++sequence;
    });
    return self.sequence;
  }

  /// Adds batches in their order, all with one sync; returns the place after the last when all are acknowledged.
  /// @throws  as append(); then none is
  LogPosition append_group(std::span<const std::span<const std::byte>> batches) {
    std::uint64_t bytes = 0;
    for (const auto batch : batches) {
      require_size(batch);
      bytes += batch.size() + record_overhead;
    }
    std::this_thread::sleep_for(pause(bytes));
    const std::lock_guard lock(mutex_);
    check_alive();
    if (batches.empty()) return acknowledged_;
    LogPosition after = acknowledged_;
    const std::vector<std::byte> records = encoded(batches, after);
    guarded([&] {
      if (segment_bytes_ > sizeof(detail::SegmentHeader) && segment_bytes_ + records.size() > options_.segment_bytes) {
        start_segment();
      }
      write(records);
      if (Clock::now() - last_sync_ >= options_.sync_interval) {
        file_->sync();
        last_sync_ = Clock::now();
        synced_ = after;
      }
    });
    return acknowledged_ = after;
  }

  /// Puts on the disk what was acknowledged before. @throws IoError  as append()
  LogPosition sync() {
    const std::lock_guard lock(mutex_);
    check_alive();
    guarded([&] { sync_segment(); });
    return synced_;
  }

  /// sync(), and tells so in the log: followers see all, and the next open() copies nothing. @throws IoError  as
  /// append()
  LogPosition seal() {
    const std::lock_guard lock(mutex_);
    check_alive();
    if (sealed_ == acknowledged_) return synced_;
    LogPosition at = acknowledged_;
    std::vector<std::byte> record;
    detail::append_record(record, {}, identity_, at.sequence, at);
    guarded([&] {
      sync_segment();
      write(record);
      file_->sync();
      sealed_ = acknowledged_;
    });
    return synced_;
  }

  /// Goes on in a new segment, unless this one is empty: cut() can then remove all up to the place that it returns.
  /// @throws IoError  as append()
  LogPosition rotate() {
    const std::lock_guard lock(mutex_);
    check_alive();
    guarded([&] {
      if (segment_bytes_ > sizeof(detail::SegmentHeader)) start_segment();
    });
    return acknowledged_;
  }

  /// Removes the segments that hold nothing after a batch: for when a base that has it is on the disk. The one that is
  /// written to stays.  @throws IoError  one cannot be removed; what is left is a log
  void cut(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    bool removed = false;
    while (sealed_segments_.size() > 0) {
      const auto oldest = sealed_segments_.begin();
      const auto next = std::next(oldest);
      const std::uint64_t end = next == sealed_segments_.end() ? segment_first_ : next->first;
      if (end > sequence + 1) break;
      files_.remove(directory_ / detail::segment_name(oldest->first));
      used_ -= oldest->second;
      sealed_segments_.erase(oldest);
      removed = true;
    }
    if (removed) files_.sync_directory(directory_);
  }

  /// Goes on after a failure, in a new segment with all that was acknowledged and nothing else; does nothing where
  /// there was no failure.
  /// @throws IoError  it fails again  @throws FormatError  what was acknowledged and not synced cannot be read again
  void reopen() {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) return;
    const auto last = directory_ / detail::segment_name(segment_first_);
    auto records = synced_ == acknowledged_
                       ? detail::Records{synced_, {}}
                       : detail::records_between(files_, last, identity_, synced_.sequence, acknowledged_);
    place_segment(std::move(records), acknowledged_);
    failure_.clear();
  }

  /// Refuses writes until reopen(), for a reason that messages give.
  void stop(std::string reason) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = std::move(reason);
  }

  /// After the last batch that was acknowledged.
  [[nodiscard]] LogPosition position() const {
    const std::lock_guard lock(mutex_);
    return acknowledged_;
  }
  /// After the last batch that is surely on the disk.
  [[nodiscard]] LogPosition synced() const {
    const std::lock_guard lock(mutex_);
    return synced_;
  }
  /// Why writes are refused; empty while they are not.
  [[nodiscard]] std::string failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
  }
  /// Whether it is above its high-water mark, where writes wait.
  [[nodiscard]] bool is_high() const {
    const std::lock_guard lock(mutex_);
    return static_cast<double>(used_) > options_.high_water * static_cast<double>(options_.quota_bytes);
  }
  /// What it occupies.
  [[nodiscard]] LogUsage usage() const {
    const std::lock_guard lock(mutex_);
    return {used_, sealed_segments_.size() + 1};
  }
  /// Drawn once for a log; a reader needs it.
  [[nodiscard]] std::uint64_t identity() const noexcept { return identity_; }

 private:
  using Clock = std::chrono::steady_clock;

  static constexpr std::size_t record_overhead = sizeof(detail::RecordHeader) + 12;  ///< of a record of one batch
  static constexpr std::size_t largest_group_record = std::size_t{1} << 24;

  struct Waiting {
    std::span<const std::byte> batch;
    std::uint64_t sequence;
  };

  WriteAheadLog(FileSystem& files, std::filesystem::path directory, std::uint64_t identity, const LogOptions& options)
      : files_(files), directory_(std::move(directory)), identity_(identity), options_(options) {
    if (!(options.high_water > 0.0 && options.high_water <= 1.0)) {
      pefa::detail::fail<ValueError>("WriteAheadLog: high_water is ", options.high_water, ", expected in (0, 1]");
    }
  }

  void check_alive() const {
    if (failure_.empty()) return;
    pefa::detail::fail<IoError>("WriteAheadLog: writes have stopped, reopen() it: ", failure_);
  }

  /// How long a write of so many bytes waits. @throws LogFull  it would pass the quota
  [[nodiscard]] std::chrono::milliseconds pause(std::uint64_t bytes) const {
    const std::lock_guard lock(mutex_);
    if (bytes > options_.quota_bytes || used_ > options_.quota_bytes - bytes) {
      pefa::detail::fail<LogFull>("WriteAheadLog::append: the log has ", used_, " bytes of a quota of ",
                                  options_.quota_bytes, ", and ", bytes, " more do not fit: merge, or raise the quota");
    }
    const double quota = static_cast<double>(options_.quota_bytes);
    const double above = static_cast<double>(used_ + bytes) - options_.high_water * quota;
    if (above <= 0.0) return {};
    const double share = above / std::max(1.0, (1.0 - options_.high_water) * quota);
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(std::min(share, 1.0) * static_cast<double>(options_.slowest.count())));
  }

  /// Records of these batches, after `at`, which moves behind them.
  [[nodiscard]] std::vector<std::byte> encoded(std::span<const std::span<const std::byte>> batches,
                                               LogPosition& at) const {
    std::vector<std::byte> records;
    while (!batches.empty()) {
      std::size_t count = 1;
      std::size_t bytes = batches[0].size();
      while (count < batches.size() && bytes + batches[count].size() <= largest_group_record) {
        bytes += batches[count++].size();
      }
      detail::append_record(records, batches.first(count), identity_, synced_.sequence, at);
      batches = batches.subspan(count);
    }
    return records;
  }

  /// Does something to the disk; where it fails, the segment is dead.
  template <class Act>
  void guarded(const Act& act) {
    try {
      act();
    } catch (const std::exception& error) {
      failure_ = error.what();
      throw;
    } catch (...) {
      failure_ = "unknown";
      throw;
    }
  }

  void write(std::span<const std::byte> records) {
    file_->append(records);
    used_ += records.size();
    segment_bytes_ += records.size();
  }

  void sync_segment() {
    if (synced_ == acknowledged_) return;
    file_->sync();
    last_sync_ = Clock::now();
    synced_ = acknowledged_;
  }

  void start_segment() {
    sync_segment();
    place_segment({acknowledged_, {}}, acknowledged_);
  }

  /// Puts a new segment in place, with these records, up to the place `after`; it is the one that is written to.
  void place_segment(detail::Records records, LogPosition after) {
    detail::SegmentHeader header;
    header.identity = identity_;
    header.first = records.before.sequence + 1;
    header.chain = records.before.chain;
    header.durable = after.sequence;
    header.checksum = header.expected_checksum();
    const std::filesystem::path path = directory_ / detail::segment_name(header.first);
    std::filesystem::path part = path;
    part += ".part";
    files_.remove(part);
    std::unique_ptr<AppendFile> file = files_.create(part);
    file->append(std::as_bytes(std::span(&header, 1)));
    file->append(records.bytes);
    file->sync();
    files_.rename(part, path);
    files_.sync_directory(directory_);
    if (segment_first_ != 0 && segment_first_ != header.first) sealed_segments_[segment_first_] = segment_bytes_;
    if (segment_first_ == header.first) used_ -= segment_bytes_;
    file_ = std::move(file);
    segment_first_ = header.first;
    segment_bytes_ = sizeof header + records.bytes.size();
    used_ += segment_bytes_;
    acknowledged_ = synced_ = sealed_ = after;
    last_sync_ = Clock::now();
  }

  /// Counts the segments that are there, and removes what a crash left of others.
  void take_stock() {
    for (const DirectoryEntry& entry : files_.list(directory_)) {
      if (entry.name.ends_with(std::string(detail::segment_suffix) + ".part")) files_.remove(directory_ / entry.name);
    }
    for (const detail::SegmentFile& segment : detail::segments_in(files_, directory_)) {
      if (segment_first_ != 0) sealed_segments_[segment_first_] = segment_bytes_;
      segment_first_ = segment.first;
      segment_bytes_ = segment.bytes;
      used_ += segment.bytes;
    }
  }

  FileSystem& files_;
  std::filesystem::path directory_;
  std::uint64_t identity_;
  LogOptions options_;
  GroupCommit<Waiting> waiting_;
  mutable std::mutex mutex_;  ///< guards what follows
  std::unique_ptr<AppendFile> file_;
  std::uint64_t segment_first_ = 0;
  std::uint64_t segment_bytes_ = 0;
  std::map<std::uint64_t, std::uint64_t> sealed_segments_;  ///< the others: first batch and bytes
  std::uint64_t used_ = 0;                                  ///< bytes of all
  LogPosition acknowledged_;
  LogPosition synced_;
  LogPosition sealed_;  ///< the log itself says that all up to here is on the disk
  Clock::time_point last_sync_{};
  std::string failure_;
};

}  // namespace pefa::live
