#include "pefa/live/write_ahead_log.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "live/log_tools.hpp"
#include "live/simulated_disk.hpp"
#include "pefa/live/posix_file_system.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::live;
using test::as_batch;
using test::batch_text;
using test::Batches;
using test::is_prefix;
using test::log_identity;
using test::Reopened;
using test::reopened;
using test::replayed;
using test::SimulatedDisk;

namespace {

constexpr LogPosition beginning{0, log_identity};

std::unique_ptr<WriteAheadLog> create(FileSystem& files, const std::filesystem::path& directory,
                                      const LogOptions& options = {}) {
  return WriteAheadLog::create(files, directory, log_identity, beginning, options);
}

LogPosition append_all(WriteAheadLog& log, const Batches& batches) {
  std::vector<std::span<const std::byte>> spans;
  for (const std::string& batch : batches) spans.push_back(as_batch(batch));
  return log.append_group(spans);
}

/// A log that is written to, cut off and opened again, and what it must hold.
struct Story {
  SimulatedDisk disk;
  LogOptions options;
  std::mt19937 random;
  std::uint64_t attempt = 0;
  Batches submitted;      ///< in their order; the last ones may have failed
  std::size_t acked = 0;  ///< of them
  Batches followed;       ///< what a follower of sealed records got
  LogPosition follower = beginning;

  Story(unsigned seed, LogOptions with) : disk(seed), options(with), random(seed) { disk.make_directory("/log"); }

  void follow() {
    LogReader reader(disk, "/log", log_identity, follower);
    while (const auto batch = reader.next()) {
      followed.push_back(test::text_of(batch->bytes));
      follower = batch->position;
    }
  }

  /// Some random steps; throws what the disk makes them throw.
  void write(WriteAheadLog& log) {
    for (std::size_t steps = 4 + random() % 12; steps > 0; --steps) {
      const auto dice = random() % 12;
      if (dice == 0) {
        (void)log.rotate();
      } else if (dice == 1) {
        (void)log.seal();
      } else if (dice == 2) {
        acked = std::max<std::size_t>(acked, log.sync().sequence);
      } else if (dice == 3) {
        follow();
      } else {
        Batches batches;
        for (std::size_t n = 1 + random() % 3; n > 0; --n) {
          batches.push_back(batch_text(submitted.size() + batches.size() + 1, ++attempt));
        }
        submitted.insert(submitted.end(), batches.begin(), batches.end());
        (void)append_all(log, batches);
        if (options.sync_interval.count() == 0) acked = submitted.size();
      }
    }
  }

  /// Opens the log, with the power going now and then, and checks what it holds.
  std::unique_ptr<WriteAheadLog> open() {
    for (;;) {
      try {
        if (random() % 3 == 0) disk.faults.cut_at = 1 + random() % 20;
        const bool is_new = live::detail::segments_in(disk, "/log").empty();
        if (is_new) {
          REQUIRE(acked == 0);
          submitted.clear();
          auto log = create(disk, "/log", options);
          disk.heal();
          return log;
        }
        Reopened found = reopened(disk, "/log", options);
        disk.heal();
        REQUIRE(found.batches.size() >= acked);
        REQUIRE(is_prefix(found.batches, submitted));
        REQUIRE(is_prefix(followed, found.batches));
        submitted = found.batches;
        acked = submitted.size();  // open() has put all of them on the disk
        return std::move(found.log);
      } catch (const test::PowerCut&) {
        random() % 2 == 0 ? disk.cut_power() : disk.kill_process();
      }
    }
  }
};

}  // namespace

TEST_CASE("WriteAheadLog: batches come back in their order, over segments and after reopening") {
  SimulatedDisk disk;
  disk.make_directory("/log");
  Batches all;
  {
    const auto log = create(disk, "/log", {.segment_bytes = 1000});
    for (std::uint64_t i = 1; i <= 40; ++i) {
      all.push_back(batch_text(i));
      REQUIRE(log->append(as_batch(all.back())) == i);
    }
    REQUIRE(log->position().sequence == 40);
    REQUIRE(log->synced() == log->position());
    REQUIRE(log->usage().segments > 3);
    REQUIRE(log->usage().segments == disk.list("/log").size());
  }
  for (int round = 0; round < 3; ++round) {
    Reopened found = reopened(disk, "/log", {.segment_bytes = 1000});
    REQUIRE(found.batches == all);
    REQUIRE(found.recovery.last.sequence == all.size());
    REQUIRE(found.recovery.torn.bytes == 0);
    all.push_back(batch_text(all.size() + 1));
    REQUIRE(found.log->append(as_batch(all.back())) == all.size());
    all.emplace_back();  // a batch of no bytes is a batch
    REQUIRE(found.log->append({}) == all.size());
    std::uint64_t bytes = 0;
    for (const auto& entry : disk.list("/log")) bytes += entry.size;
    REQUIRE(found.log->usage().bytes == bytes);
  }
  REQUIRE_ERROR(ValueError, "/log has a log already", create(disk, "/log"));
}

TEST_CASE("WriteAheadLog: replays what comes after a place, and refuses a place of another history") {
  SimulatedDisk disk;
  disk.make_directory("/log");
  Batches all;
  std::vector<LogPosition> places{beginning};
  const auto log = create(disk, "/log", {.segment_bytes = 600});
  for (std::uint64_t group = 0; group < 10; ++group) {
    const Batches batches{batch_text(3 * group + 1), batch_text(3 * group + 2), batch_text(3 * group + 3)};
    LogPosition place = log->position();
    for (const std::string& batch : batches) {
      all.push_back(batch);
      place = {place.sequence + 1, live::detail::chain_after(place.chain, as_batch(batch))};
      places.push_back(place);
    }
    REQUIRE(append_all(*log, batches) == place);
  }
  for (std::size_t i = 0; i < places.size(); ++i) {  // between two groups and within one
    REQUIRE(replayed(disk, "/log", places[i]) == Batches(all.begin() + static_cast<std::ptrdiff_t>(i), all.end()));
    LogPosition other = places[i];
    other.chain ^= 1;
    if (i > 0) REQUIRE_ERROR(FormatError, "is of another history", replayed(disk, "/log", other));
  }
  REQUIRE_ERROR(FormatError, "the log ends at batch 30, expected at least 31", replayed(disk, "/log", {31, 5}));
  log->cut(log->rotate().sequence);
  REQUIRE(disk.list("/log").size() == 1);
  REQUIRE_ERROR(LogGone, "/log: the log begins at batch 31, and batch 30 is in a base by now",
                replayed(disk, "/log", places[29]));
  REQUIRE(replayed(disk, "/log", places[30]).empty());
}

TEST_CASE("WriteAheadLog: cut at every record and every byte of the last one, a prefix comes back and is told") {
  SimulatedDisk source;
  source.make_directory("/log");
  Batches all;
  std::vector<std::size_t> ends{sizeof(live::detail::SegmentHeader)};
  const std::filesystem::path file = "/log/00000000000000000001.log";
  {
    const auto log = create(source, "/log");
    for (std::uint64_t i = 1; i <= 12; ++i) {
      all.push_back(batch_text(i));
      (void)log->append(as_batch(all.back()));
      ends.push_back(source.contents(file).size());
    }
  }
  const std::vector<std::byte> whole = source.contents(file);
  std::set<std::size_t> sizes(ends.begin(), ends.end());
  for (std::size_t size = ends[ends.size() - 2]; size <= whole.size(); ++size) sizes.insert(size);
  for (const std::size_t size : sizes) {
    SimulatedDisk disk;
    disk.make_directory("/log");
    disk.put(file, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    const auto records = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), size) - ends.begin() - 1);
    Reopened found = reopened(disk, "/log");
    REQUIRE(found.batches == Batches(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(records)));
    REQUIRE(found.recovery.torn.bytes == size - ends[records]);
    REQUIRE(found.recovery.torn.offset == ends[records]);
    REQUIRE(found.recovery.torn.reason.empty() == (size == ends[records]));
    (void)found.log->append(as_batch("next"));
    found.batches.emplace_back("next");
    disk.cut_power();
    REQUIRE(replayed(disk, "/log") == found.batches);
  }
  SimulatedDisk disk;
  disk.make_directory("/log");
  disk.put(file, {whole.begin(), whole.end() - 1});
  const std::string text = reopened(disk, "/log").recovery.text();
  REQUIRE(text.find("11 batches replayed, up to 11; cut ") == 0);
  REQUIRE(text.find("00000000000000000001.log: the file ends in a record") != std::string::npos);
}

TEST_CASE("WriteAheadLog: every bit flip in sealed records is refused with its offset") {
  SimulatedDisk disk;
  disk.make_directory("/log");
  {
    const auto log = create(disk, "/log", {.segment_bytes = 400});
    for (std::uint64_t i = 1; i <= 9; ++i) (void)log->append(as_batch(std::to_string(i) + std::string(i * 5, 'x')));
    (void)log->append_group({});
    (void)log->seal();
  }
  const Batches all = replayed(disk, "/log");
  REQUIRE(all.size() == 9);
  const auto entries = disk.list("/log");
  REQUIRE(entries.size() >= 3);
  for (const auto& entry : entries) {
    const std::filesystem::path file = "/log/" + entry.name;
    std::vector<std::byte>& bytes = disk.contents(file);
    const bool is_last = entry.name == entries.back().name;
    const std::size_t sealed = bytes.size() - (is_last ? sizeof(live::detail::RecordHeader) : 0);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      const auto bit = static_cast<std::byte>(1U << (at * 7 % 8));
      for (const auto change :
           at < 64 || at % 16 == 0 ? std::vector<std::byte>{bit, std::byte{0xFF}} : std::vector<std::byte>{bit}) {
        bytes[at] ^= change;
        if (at < sealed) {
          REQUIRE_ERROR(FormatError, file.string(), replayed(disk, "/log"));
        } else {
          REQUIRE(replayed(disk, "/log") == all);  // it only said that all were on the disk
        }
        bytes[at] ^= change;
      }
    }
  }
  REQUIRE(replayed(disk, "/log") == all);
}

TEST_CASE("WriteAheadLog: a segment that is missing, of another log, or of another version is refused") {
  SimulatedDisk disk;
  disk.make_directory("/log");
  const auto log = create(disk, "/log");
  for (std::uint64_t i = 1; i <= 9; ++i) {
    (void)log->append(as_batch(batch_text(i)));
    if (i % 3 == 0) (void)log->rotate();
  }
  const std::filesystem::path middle = "/log/00000000000000000004.log";
  const std::vector<std::byte> bytes = disk.contents(middle);
  disk.remove(middle);
  REQUIRE_ERROR(FormatError, "damaged at offset", replayed(disk, "/log"));
  REQUIRE_ERROR(FormatError, "batch 4: records are missing", replayed(disk, "/log"));
  disk.put(middle, bytes);
  REQUIRE(replayed(disk, "/log").size() == 9);
  REQUIRE_ERROR(FormatError, "a segment of another folder's log", recover_log(disk, "/log", 7, {0, 7}, {}));
  const auto change = [&](auto&& apply) {
    auto header = live::detail::header_at<live::detail::SegmentHeader>(bytes);
    apply(header);
    header.checksum = header.expected_checksum();
    auto& to = disk.contents(middle);
    std::copy_n(std::as_bytes(std::span(&header, 1)).begin(), sizeof header, to.begin());
  };
  change([](auto& header) { header.version = 2; });
  REQUIRE_ERROR(FormatError, "a log of format version 2, this pefa reads 1", replayed(disk, "/log"));
  change([](auto& header) { header.first = 5; });
  REQUIRE_ERROR(FormatError, "its first batch is not the one of its name", replayed(disk, "/log"));
  change([](auto& header) { header.chain ^= 1; });
  REQUIRE_ERROR(FormatError, "is of another history", replayed(disk, "/log"));
  change([](auto&) {});
  REQUIRE(replayed(disk, "/log").size() == 9);
}

TEST_CASE("WriteAheadLog: whenever the power goes, what comes back is a prefix with every acknowledged batch") {
  std::size_t lost = 0;
  for (const int interval : {0, 3'600'000}) {  // on the disk before each answer, and when asked
    for (unsigned seed = 0; seed < 300; ++seed) {
      Story story(seed, {.segment_bytes = 700, .sync_interval = std::chrono::milliseconds(interval)});
      for (int round = 0; round < 6; ++round) {
        const auto log = story.open();
        story.disk.faults.cut_at = 1 + story.random() % 40;
        try {
          story.write(*log);
          (void)log->sync();
          story.acked = story.submitted.size();
          if (round % 2 == 0) story.disk.cut_power();
          if (round % 2 == 1) story.disk.kill_process();
        } catch (const test::PowerCut&) {  // or only the process dies, and what was not synced is still in memory
          story.random() % 2 == 0 ? story.disk.cut_power() : story.disk.kill_process();
          ++lost;
        }
        story.disk.heal();
      }
      const auto log = story.open();
      (void)log->seal();
      story.follow();
      REQUIRE(story.followed == story.submitted);
    }
  }
  REQUIRE(lost > 500);
}

TEST_CASE("WriteAheadLog: whichever call fails, it is told, and after reopen() all that was acknowledged is there") {
  for (const bool takes_effect : {false, true}) {
    for (const int interval : {0, 3'600'000}) {
      for (unsigned seed = 0; seed < 150; ++seed) {
        Story story(seed, {.segment_bytes = 700, .sync_interval = std::chrono::milliseconds(interval)});
        auto log = story.open();
        story.write(*log);
        story.disk.heal();
        story.disk.faults.fail_from = 1 + story.random() % 20;
        story.disk.faults.fail_until = story.disk.faults.fail_from + 1 + story.random() % 3;
        story.disk.faults.takes_effect = takes_effect;
        story.disk.faults.reason = seed % 2 == 0 ? "No space left on device" : "Input/output error";
        story.disk.faults.largest_write = seed % 3 == 0 ? 10 : test::Faults::never;
        for (int i = 0; i < 8; ++i) {
          try {
            story.write(*log);
          } catch (const IoError& error) {
            REQUIRE(std::string(error.what()).find(story.disk.faults.reason) != std::string::npos);
          }
          if (log->failure().empty()) continue;
          REQUIRE_ERROR(IoError, "writes have stopped, reopen() it", log->append(as_batch("x")));
          story.acked = std::max<std::size_t>(story.acked, log->synced().sequence);
          try {
            log->reopen();
            REQUIRE(log->failure().empty());
            story.submitted.resize(log->position().sequence);  // what failed is gone, what was acknowledged is not
            REQUIRE(story.submitted.size() >= story.acked);
            story.acked = story.submitted.size();
            REQUIRE(replayed(story.disk, "/log") == story.submitted);
          } catch (const IoError&) {  // another call that fails
          }
        }
        story.disk.heal();
        log.reset();
        if (seed % 2 == 0) story.disk.cut_power();
        log = story.open();
        (void)log->append(as_batch("more"));
        story.submitted.emplace_back("more");
        REQUIRE(replayed(story.disk, "/log") == story.submitted);
      }
    }
  }
}

TEST_CASE("WriteAheadLog: a damaged log is refused and not touched") {
  SimulatedDisk disk;
  disk.make_directory("/log");
  {
    const auto log = create(disk, "/log");
    for (std::uint64_t i = 1; i <= 3; ++i) (void)log->append(as_batch(batch_text(i)));
  }
  const std::filesystem::path file = "/log/00000000000000000001.log";
  disk.contents(file)[sizeof(live::detail::SegmentHeader) + 60] ^= std::byte{1};
  const auto before = disk.contents(file);
  REQUIRE_ERROR(FormatError,
                "damaged at offset 64, batch 1: a record's payload has a wrong checksum; it was on the disk",
                reopened(disk, "/log"));
  REQUIRE(disk.list("/log").size() == 1);
  REQUIRE(disk.contents(file) == before);
}

TEST_CASE("WriteAheadLog: near the quota writes wait, past it they are refused, and a cut makes room") {
  SimulatedDisk disk;
  disk.make_directory("/log");
  const auto log = create(
      disk, "/log",
      {.segment_bytes = 2000, .quota_bytes = 20'000, .high_water = 0.5, .slowest = std::chrono::milliseconds(2)});
  const std::string batch(500, 'x');
  std::size_t accepted = 0;
  try {
    for (; accepted < 100; ++accepted) (void)log->append(as_batch(batch));
  } catch (const LogFull& full) {
    const std::string message = full.what();
    REQUIRE(message.find("of a quota of 20000, and 568 more do not fit: merge, or raise the quota") !=
            std::string::npos);
  }
  REQUIRE(accepted > 25);
  REQUIRE(accepted < 40);
  REQUIRE(log->usage().bytes <= 20'000);
  REQUIRE(log->failure().empty());
  log->cut(log->rotate().sequence);
  REQUIRE(log->append(as_batch(batch)) == accepted + 1);
  REQUIRE(replayed(disk, "/log", log->position()).empty());
  REQUIRE_ERROR(ValueError, "high_water is 0, expected in (0, 1]", reopened(disk, "/log", {.high_water = 0.0}));
}

TEST_CASE("WriteAheadLog: a batch too large is refused before anything is written") {
  SimulatedDisk disk;
  disk.make_directory("/log");
  const auto log = create(disk, "/log");
  const std::size_t calls = disk.calls();
  static const std::byte none{};
  const std::span<const std::byte> huge(&none, max_batch_bytes + 1);  // nobody reads it
  REQUIRE_ERROR(ValueError, "a batch of 268435457 bytes, expected up to 268435456", log->append(huge));
  REQUIRE(disk.calls() == calls);
}

TEST_CASE("WriteAheadLog: threads append together, on the disk, while others follow") {
  const test::TemporaryDirectory directory;
  constexpr std::size_t n_threads = 4;
  constexpr std::size_t each = 50;
  const auto log = create(posix_file_system(), directory / "", {.segment_bytes = 4000});
  std::vector<std::vector<std::uint64_t>> numbers(n_threads);
  std::vector<std::thread> threads;
  std::size_t followed = 0;
  for (std::size_t t = 0; t < n_threads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < each; ++i) {
        numbers[t].push_back(log->append(as_batch(std::to_string(t) + " " + std::to_string(i))));
      }
    });
  }
  threads.emplace_back([&] {
    LogReader reader(posix_file_system(), directory / "", log_identity, beginning);
    while (followed < n_threads * each) {
      if (reader.next()) {
        ++followed;
      } else {
        (void)log->seal();
      }
    }
  });
  for (std::thread& thread : threads) thread.join();
  REQUIRE(followed == n_threads * each);
  const Batches all = replayed(posix_file_system(), directory / "");
  REQUIRE(all.size() == n_threads * each);
  for (std::size_t t = 0; t < n_threads; ++t) {
    REQUIRE(std::is_sorted(numbers[t].begin(), numbers[t].end()));
    for (std::size_t i = 0; i < each; ++i) {
      REQUIRE(all[numbers[t][i] - 1] == std::to_string(t) + " " + std::to_string(i));
    }
  }
}
