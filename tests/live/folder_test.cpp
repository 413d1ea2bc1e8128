#include "pefa/live/folder.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "live/folder_tools.hpp"
#include "live/simulated_disk.hpp"
#include "pefa/live/posix_file_system.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::live;
using test::as_batch;
using test::batch_text;
using test::Batches;
using test::Host;
using test::is_prefix;
using test::SimulatedDisk;

namespace {

/// Whether some file under a directory has these bytes in it.
bool holds(FileSystem& files, const std::filesystem::path& path, const std::string& text) {
  for (const DirectoryEntry& entry : files.list(path)) {
    if (entry.is_directory) {
      if (holds(files, path / entry.name, text)) return true;
    } else if (test::text_of(*read_file(files, path / entry.name, 1U << 30)).find(text) != std::string::npos) {
      return true;
    }
  }
  return false;
}

std::vector<std::uint64_t> numbers(const Manifest& manifest) {
  std::vector<std::uint64_t> bases;
  for (const Base& base : manifest.bases) bases.push_back(base.number);
  return bases;
}

/// Random steps of a host; throws what the disk makes it throw. `submitted` has what may come back, `acked` what must.
void live_on(Host& host, std::mt19937& random, Batches& submitted, std::size_t& acked, std::uint64_t& attempt) {
  for (std::size_t steps = 2 + random() % 8; steps > 0; --steps) {
    const auto dice = random() % 8;
    if (dice == 0) {
      (void)host.merge({.keep = random() % 3});
    } else if (dice == 1 && host.folder->manifest().bases.size() > 1) {
      (void)host.folder->rollback();
    } else if (dice == 2) {
      host.folder->close();
    } else {
      submitted.push_back(batch_text(submitted.size() + 1, ++attempt));
      host.append(submitted.back());
      acked = submitted.size();
    }
  }
}

}  // namespace

TEST_CASE("LiveFolder: a new one has no base; batches come back before and after merges") {
  SimulatedDisk disk;
  {
    Host host = Host::create(disk, "/folder");
    REQUIRE_FALSE(host.folder->current());
    host.append("a");
  }
  Batches expected{"a"};
  for (std::uint64_t round = 1; round <= 4; ++round) {
    Host host = Host::open(disk, "/folder");
    REQUIRE(host.state == expected);
    host.append("b" + std::to_string(round));
    const Base base = host.merge({.note = "round " + std::to_string(round)});
    REQUIRE(base.number == round);
    REQUIRE(base.position.sequence == 2 * round);
    REQUIRE(host.folder->current() == base);
    host.append("c" + std::to_string(round));
    expected = host.state;
    const Manifest manifest = host.folder->manifest();
    REQUIRE(manifest == read_manifest(disk, "/folder"));
    REQUIRE(manifest.bases.size() == std::min<std::uint64_t>(2, round));
    REQUIRE(manifest.bases.back().note == "round " + std::to_string(round));
    REQUIRE(verify_folder(disk, "/folder").last == host.folder->log().position());
  }
  REQUIRE(Host::open(disk, "/folder").recovery.batches == 1);
  REQUIRE(disk.list("/folder").size() == 5);  // base-3, base-4, lock, log, manifest
}

TEST_CASE("LiveFolder::rollback: an older base is current, no event is lost, and it can be undone") {
  SimulatedDisk disk;
  Batches expected;
  {
    Host host = Host::create(disk, "/folder", {.keep_bases = 3});
    REQUIRE_ERROR(ValueError, "LiveFolder::rollback: /folder keeps 0 bases, expected two", host.folder->rollback());
    for (const char* batch : {"a", "b", "c"}) {
      host.append(batch);
      (void)host.merge();
    }
    host.append("d");
    expected = host.state;
    REQUIRE(host.folder->rollback(1).number == 1);
    REQUIRE(numbers(host.folder->manifest()) == std::vector<std::uint64_t>{2, 3, 1});
    REQUIRE_ERROR(ValueError, "LiveFolder::rollback: /folder keeps no base 4", host.folder->rollback(4));
  }
  {
    Host host = Host::open(disk, "/folder", {.keep_bases = 2});
    REQUIRE(host.state == expected);
    REQUIRE(host.recovery.batches == 3);
    REQUIRE(host.folder->rollback().number == 3);
    REQUIRE(host.folder->rollback().number == 1);
    host.append("e");
    (void)host.merge();
    REQUIRE(numbers(host.folder->manifest()) == std::vector<std::uint64_t>{1, 4});
    expected = host.state;
    REQUIRE(host.folder->rollback().number == 1);
  }
  Host host = Host::open(disk, "/folder");
  REQUIRE(host.state == expected);
  REQUIRE(host.recovery.batches == 4);
}

TEST_CASE("LiveFolder::publish: keeping one base leaves no byte of what came before it") {
  SimulatedDisk disk;
  Host host = Host::create(disk, "/folder", {.log = {.segment_bytes = 500}});
  host.append("an innocent one");
  (void)host.merge();
  host.append("the secret");
  (void)host.merge();
  host.state = {"an innocent one"};  // forgotten: the next base is built without it
  host.append("forget");
  (void)host.merge();
  REQUIRE(holds(disk, "/folder", "the secret"));  // base 2 and the log from there on are still kept
  (void)host.merge({.keep = 1});
  REQUIRE_FALSE(holds(disk, "/folder", "the secret"));
  REQUIRE(holds(disk, "/folder", "innocent"));
  REQUIRE(host.folder->log().usage().segments == 1);
}

TEST_CASE("LiveFolder: one writes at a time; others read") {
  SimulatedDisk disk;
  Host host = Host::create(disk, "/folder");
  host.append("a");
  REQUIRE_ERROR(IoError, "/folder: is open for writing already, here or in another process",
                LiveFolder::open(disk, "/folder"));
  REQUIRE(read_manifest(disk, "/folder") == host.folder->manifest());
  REQUIRE(verify_folder(disk, "/folder").batches == 1);
}

TEST_CASE("LiveFolder::create: refuses what is there, and takes over what an unfinished one left") {
  SimulatedDisk disk;
  { (void)LiveFolder::create(disk, "/folder"); }
  REQUIRE_ERROR(ValueError, "LiveFolder::create: /folder is a live folder already",
                LiveFolder::create(disk, "/folder"));
  disk.make_directory("/other");
  disk.put("/other/file", {});
  REQUIRE_ERROR(ValueError, "/other is not empty", LiveFolder::create(disk, "/other"));
  REQUIRE_ERROR(IoError, "/none: is no live folder", LiveFolder::open(disk, "/none"));
  REQUIRE_ERROR(IoError, "/other: is no live folder", LiveFolder::open(disk, "/other"));
  Host host = Host::create(disk, "/full");
  host.append("a");
  host.folder.reset();
  disk.remove("/full/manifest");
  REQUIRE_ERROR(ValueError, "/full has a log, and no manifest: restore a backup", LiveFolder::create(disk, "/full"));
  std::size_t calls = 0;
  {
    SimulatedDisk counted;
    (void)LiveFolder::create(counted, "/folder");
    calls = counted.calls();
  }
  for (std::size_t call = 1; call <= calls; ++call) {
    for (unsigned seed = 0; seed < 10; ++seed) {
      SimulatedDisk cut(seed);
      cut.faults.cut_at = call;
      REQUIRE_THROWS_AS(LiveFolder::create(cut, "/folder"), test::PowerCut);
      seed % 2 == 0 ? cut.cut_power() : cut.kill_process();
      try {
        (void)LiveFolder::create(cut, "/folder");
      } catch (const ValueError&) {  // it was made
      }
      REQUIRE(Host::open(cut, "/folder").state.empty());
      cut.cut_power();
      REQUIRE(Host::open(cut, "/folder").state.empty());
    }
  }
}

TEST_CASE("LiveFolder::publish: a file name that is none, a note of two lines and a place past the log are refused") {
  SimulatedDisk disk;
  Host host = Host::create(disk, "/folder");
  host.append("a");
  const auto publish = [&](const std::string& name, const PublishOptions& options, LogPosition at) {
    auto stage = host.folder->stage(at);
    disk.create(stage.path() / name)->append(as_batch("x"));
    return host.folder->publish(std::move(stage), options);
  };
  REQUIRE_ERROR(ValueError, "'a b' is no name for a file of a base", publish("a b", {}, {}));
  REQUIRE_ERROR(ValueError, "the note must be one line", publish("a", {.note = "a\nb"}, {}));
  REQUIRE_ERROR(ValueError, "the base is of batch 2, and the log ends at 1", publish("a", {}, {2, 0}));
  REQUIRE(host.folder->manifest().bases.empty());
  REQUIRE(disk.list("/folder").size() == 3);  // no stage is left
  REQUIRE(publish("a", {}, {}).number == 4);
}

TEST_CASE("LiveFolder: damage to a base, a missing file and a missing log are told by verify_folder()") {
  SimulatedDisk disk;
  Host host = Host::create(disk, "/folder");
  for (const char* batch : {"a", "b"}) {
    host.append(batch);
    (void)host.merge();
  }
  REQUIRE(verify_folder(disk, "/folder").batches == 1);  // after the oldest base
  auto& bytes = disk.contents("/folder/base-2/batches");
  bytes[0] ^= std::byte{1};
  REQUIRE_ERROR(FormatError, "/folder/base-2/batches: damaged", verify_folder(disk, "/folder"));
  bytes[0] ^= std::byte{1};
  bytes.push_back(std::byte{0});
  REQUIRE_ERROR(FormatError, "/folder/base-2/batches: damaged", verify_folder(disk, "/folder"));
  bytes.pop_back();
  disk.remove("/folder/base-1/more");
  REQUIRE_ERROR(FormatError, "/folder/base-1/more: is missing: restore a backup", verify_folder(disk, "/folder"));
  host.folder.reset();
  disk.remove("/folder/log/00000000000000000002.log");
  REQUIRE(Host::open(disk, "/folder").state == Batches{"a", "b"});  // base 2 has all
  const auto folder = LiveFolder::open(disk, "/folder");
  (void)folder->rollback();
  REQUIRE_ERROR(FormatError, "/folder: the log does not go on from the base: restore a backup", folder->recover({}));
}

TEST_CASE("LiveFolder: whenever the power goes or the process dies, base and log hold every acknowledged batch") {
  std::size_t cuts = 0;
  std::size_t merged = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    SimulatedDisk disk(seed);
    std::mt19937 random(seed);
    Batches submitted;
    std::size_t acked = 0;
    std::uint64_t attempt = 0;
    const FolderOptions options{.log = {.segment_bytes = 900}, .keep_bases = 1 + seed % 3};
    (void)LiveFolder::create(disk, "/folder", options);
    for (int round = 0; round < 5; ++round) {
      disk.faults.cut_at = 1 + random() % (round == 4 ? 10'000 : 120);
      try {
        Host host = Host::open(disk, "/folder", options);
        REQUIRE(host.state.size() >= acked);
        REQUIRE(is_prefix(host.state, submitted));
        submitted = host.state;
        acked = submitted.size();
        merged += host.folder->manifest().bases.size();
        live_on(host, random, submitted, acked, attempt);
      } catch (const test::PowerCut&) {
        ++cuts;
      }
      random() % 2 == 0 ? disk.cut_power() : disk.kill_process();
    }
    Host host = Host::open(disk, "/folder", options);
    REQUIRE(host.state.size() >= acked);
    REQUIRE(is_prefix(host.state, submitted));
    (void)verify_folder(disk, "/folder");
  }
  REQUIRE(cuts > 800);
  REQUIRE(merged > 400);
}

TEST_CASE("LiveFolder: whichever call fails, it is told, and base and log hold every acknowledged batch") {
  std::size_t told = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    SimulatedDisk disk(seed);
    std::mt19937 random(seed);
    Batches submitted;
    std::size_t acked = 0;
    std::uint64_t attempt = 0;
    const FolderOptions options{.log = {.segment_bytes = 900}, .keep_bases = 1 + seed % 3};
    (void)LiveFolder::create(disk, "/folder", options);
    for (int round = 0; round < 3; ++round) {
      disk.heal();
      disk.faults.fail_from = 1 + random() % 80;
      disk.faults.fail_until = disk.faults.fail_from + 1 + random() % 4;
      disk.faults.takes_effect = seed % 4 == 0;
      disk.faults.largest_write = seed % 3 == 0 ? 20 : test::Faults::never;
      try {
        Host host = Host::open(disk, "/folder", options);
        REQUIRE(host.state.size() >= acked);
        REQUIRE(is_prefix(host.state, submitted));
        submitted = host.state;
        acked = submitted.size();
        for (int part = 0; part < 4; ++part) {
          try {
            live_on(host, random, submitted, acked, attempt);
          } catch (const IoError&) {
            ++told;
          }
          if (host.folder->log().failure().empty()) continue;
          host.folder->log().reopen();
          submitted.resize(host.folder->log().position().sequence);
          REQUIRE(host.state == submitted);  // what it serves is what it has
        }
      } catch (const IoError&) {
        ++told;
      }
      if (random() % 2 == 0) disk.cut_power();
    }
    disk.heal();
    Host host = Host::open(disk, "/folder", options);
    REQUIRE(host.state.size() >= acked);
    REQUIRE(is_prefix(host.state, submitted));
    (void)verify_folder(disk, "/folder");
  }
  REQUIRE(told > 400);
}

// 20 rounds; by hand 200: PEFA_KILL_ROUNDS=200 pefa_tests "LiveFolder: killed*"
TEST_CASE("LiveFolder: killed while it writes and merges, it loses nothing that was acknowledged") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path path = directory / "folder";
  FileSystem& files = posix_file_system();
  void* const memory =
      ::mmap(nullptr, sizeof(std::atomic<std::uint64_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  auto* const acked = new (memory) std::atomic<std::uint64_t>(0);
  const FolderOptions options{.log = {.segment_bytes = 2000}};
  (void)LiveFolder::create(files, path, options);
  const char* const wanted = std::getenv("PEFA_KILL_ROUNDS");
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 20;
  std::mt19937 random(7);
  std::uint64_t before = 0;
  for (int round = 0; round < rounds; ++round) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        Host host = Host::open(files, path, options);
        for (std::uint64_t number = host.state.size() + 1;; ++number) {
          host.append(batch_text(number));
          acked->store(number);
          if (number % 16 == 0) (void)host.merge({.keep = 1 + number / 16 % 2});
        }
      } catch (...) {
        ::_exit(1);
      }
    }
    const std::uint64_t enough = acked->load() + 1 + random() % 60;
    if (round % 4 == 0) ::usleep(static_cast<useconds_t>(random() % 30'000));  // while it opens, on a fast machine
    for (int i = 0; round % 4 != 0 && i < 50'000 && acked->load() < enough; ++i) ::usleep(100);
    ::usleep(static_cast<useconds_t>(random() % 500));
    REQUIRE(::kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    (void)verify_folder(files, path);
    const Host host = Host::open(files, path, options);
    REQUIRE(host.state.size() >= acked->load());
    REQUIRE(host.state.size() <= acked->load() + 1);
    for (std::uint64_t number = 1; number <= host.state.size(); ++number) {
      REQUIRE(host.state[number - 1] == batch_text(number));
    }
    before = std::max(before, acked->load());
    acked->store(host.state.size());
  }
  REQUIRE(before > 32);
  ::munmap(memory, sizeof(std::atomic<std::uint64_t>));
}
