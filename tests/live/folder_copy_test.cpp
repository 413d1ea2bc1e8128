#include "pefa/live/folder_copy.hpp"

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "live/folder_tools.hpp"
#include "live/simulated_disk.hpp"
#include "pefa/live/posix_file_system.hpp"
#include "support.hpp"

using namespace pefa;
using namespace pefa::live;
using test::batch_text;
using test::Batches;
using test::Host;
using test::SimulatedDisk;

TEST_CASE("live::backup_folder: a copy of what there is, that opens and restores") {
  for (const bool with_base : {false, true}) {
    SimulatedDisk disk;
    Host host = Host::create(disk, "/folder", {.log = {.segment_bytes = 300}});
    for (std::uint64_t i = 1; i <= 10; ++i) {
      host.append(batch_text(i));
      if (with_base && i % 4 == 0) (void)host.merge();
    }
    const Batches then = host.state;
    REQUIRE(backup_folder(disk, *host.folder, "/backup") == host.folder->log().position());
    host.append("later");
    disk.cut_power();  // the copy is on the disk
    const LogRecovery found = restore_folder(disk, "/backup", "/restored");
    REQUIRE(found.last.sequence == 10);
    REQUIRE(found.batches == (with_base ? 2 : 10));
    disk.cut_power();
    for (const char* path : {"/restored", "/backup"}) {
      REQUIRE(verify_folder(disk, path).last == found.last);
      Host copy = Host::open(disk, path);
      REQUIRE(copy.state == then);
      copy.append("on");
    }
    REQUIRE(Host::open(disk, "/restored").state.back() == "on");
  }
}

TEST_CASE("live::restore_folder: every byte of a backup is checked, and nothing is left where it is refused") {
  SimulatedDisk disk;
  Host host = Host::create(disk, "/folder");
  host.append("a");
  (void)host.merge();
  for (const char* batch : {"b", "c"}) host.append(batch);
  (void)backup_folder(disk, *host.folder, "/backup");
  const std::vector<std::filesystem::path> paths{"/backup/manifest", "/backup/base-1/batches", "/backup/base-1/more",
                                                 "/backup/log/00000000000000000002.log"};
  for (const auto& path : paths) {
    auto& bytes = disk.contents(path);
    const bool is_log = path.extension() == ".log";
    const std::size_t sealed = bytes.size() - (is_log ? sizeof(live::detail::RecordHeader) : 0);
    for (std::size_t at = 0; at < sealed; at += 3) {
      bytes[at] ^= std::byte{4};
      REQUIRE_THROWS_AS(restore_folder(disk, "/backup", "/restored"), FormatError);
      bytes[at] ^= std::byte{4};
      bool is_there = false;
      for (const auto& entry : disk.list("/")) is_there = is_there || entry.name == "restored";
      REQUIRE_FALSE(is_there);
    }
  }
  REQUIRE(restore_folder(disk, "/backup", "/restored").batches == 2);
  REQUIRE_ERROR(ValueError, "live: /restored is there already, and not an empty directory",
                restore_folder(disk, "/backup", "/restored"));
  REQUIRE_ERROR(ValueError, "is there already", backup_folder(disk, *host.folder, "/backup"));
  REQUIRE_ERROR(IoError, "/none: is no live folder", restore_folder(disk, "/none", "/new"));
  disk.make_directory("/empty");
  REQUIRE(restore_folder(disk, "/backup", "/empty").batches == 2);
}

TEST_CASE("live::backup_folder: what stands in the place of its half-made copy is not removed unless it is one") {
  SimulatedDisk disk;
  Host host = Host::create(disk, "/folder");
  host.append(batch_text(1));
  disk.create_directory("/backup.part");
  (void)disk.create("/backup.part/letters.txt");
  REQUIRE_ERROR(ValueError, "/backup.part is there, and is not what an earlier attempt left",
                backup_folder(disk, *host.folder, "/backup"));
  disk.remove("/backup.part/letters.txt");
  disk.create_directory("/backup.part/base-1");
  (void)backup_folder(disk, *host.folder, "/backup");
  REQUIRE(restore_folder(disk, "/backup", "/restored").batches == 1);
}

TEST_CASE("live::backup_folder: cut or refused at any call, it is there whole or not at all") {
  std::size_t whole = 0;
  std::size_t none = 0;
  for (std::size_t call = 1; call <= 60; ++call) {
    for (unsigned seed = 0; seed < 6; ++seed) {
      SimulatedDisk disk(seed);
      Host host = Host::create(disk, "/folder");
      host.append("a");
      (void)host.merge();
      host.append("b");
      disk.heal();
      (seed % 2 == 0 ? disk.faults.cut_at : disk.faults.fail_from) = call;
      try {
        (void)backup_folder(disk, *host.folder, "/backup");
      } catch (const test::PowerCut&) {
      } catch (const IoError&) {
      }
      disk.cut_power();
      bool is_there = false;
      for (const auto& entry : disk.list("/")) is_there = is_there || entry.name == "backup";
      ++(is_there ? whole : none);
      if (is_there) REQUIRE(Host::open(disk, "/backup").state == Batches{"a", "b"});
      host.folder.reset();
      host = Host::open(disk, "/folder");
      REQUIRE(host.state == Batches{"a", "b"});
      if (!is_there) (void)backup_folder(disk, *host.folder, "/backup");
      REQUIRE(verify_folder(disk, "/backup").last == host.folder->log().position());
    }
  }
  REQUIRE(whole > 0);
  REQUIRE(none > 100);
}

TEST_CASE("live::backup_folder: while others write and merge, it has a prefix with all that was there before") {
  const test::TemporaryDirectory directory;
  FileSystem& files = posix_file_system();
  Host host = Host::create(files, directory / "folder", {.log = {.segment_bytes = 1000}});
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> written{0};
  std::thread writer([&] {
    for (std::uint64_t i = 1; !stop; ++i) {
      host.append(batch_text(i));
      written = i;
      if (i % 20 == 0) (void)host.merge({.keep = 1});
    }
  });
  for (int round = 0; round < 5; ++round) {
    const std::size_t before = written;
    const std::filesystem::path path = directory / ("backup" + std::to_string(round));
    const LogPosition end = backup_folder(files, *host.folder, path);
    REQUIRE(end.sequence >= before);
    const Host copy = Host::open(files, path);
    REQUIRE(copy.state.size() == end.sequence);
    for (std::uint64_t i = 1; i <= end.sequence; ++i) REQUIRE(copy.state[i - 1] == batch_text(i));
  }
  stop = true;
  writer.join();
}
