#include "pefa/live/file_system.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "live/simulated_disk.hpp"

using namespace pefa;
using namespace pefa::live;
using test::Faults;
using test::SimulatedDisk;

namespace {

std::vector<std::byte> contents(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string text_of(SimulatedDisk& disk, const std::filesystem::path& path) {
  const auto bytes = read_file(disk, path, 1'000'000);
  return bytes ? std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()) : "none";
}

}  // namespace

TEST_CASE("live::replace_file: cut at any call, the file is the old one or the new one") {
  const std::string old_text(300, 'o');
  const std::string new_text(500, 'n');
  std::size_t calls = 0;
  {
    SimulatedDisk disk;
    replace_file(disk, "/file", contents(new_text));
    calls = disk.calls();
  }
  REQUIRE(calls >= 6);
  std::set<std::string> seen;
  for (std::size_t call = 1; call <= calls; ++call) {
    for (unsigned seed = 0; seed < 50; ++seed) {
      SimulatedDisk disk(seed);
      disk.put("/file", contents(old_text));
      disk.faults.cut_at = call;
      REQUIRE_THROWS_AS(replace_file(disk, "/file", contents(new_text)), test::PowerCut);
      disk.cut_power();
      const std::string left = text_of(disk, "/file");
      REQUIRE((left == old_text || left == new_text));
      seen.insert(left);
      replace_file(disk, "/file", contents(new_text));  // a .part that was left does not hinder
      disk.cut_power();
      REQUIRE(text_of(disk, "/file") == new_text);
    }
  }
  REQUIRE(seen.size() == 2);
}

TEST_CASE("live::replace_file: a call that fails is told, and the file is the old one or the new one") {
  for (const bool takes_effect : {false, true}) {
    for (std::size_t call = 1; call <= 6; ++call) {
      SimulatedDisk disk;
      disk.put("/file", contents("old"));
      disk.faults.fail_from = call;
      disk.faults.takes_effect = takes_effect;
      REQUIRE_ERROR(IoError, "Input/output error", replace_file(disk, "/file", contents("new")));
      disk.heal();
      const std::string left = text_of(disk, "/file");
      REQUIRE((left == "old" || left == "new"));
    }
  }
}

TEST_CASE("live::replace_file: short writes are carried on, a full disk is told") {
  SimulatedDisk disk;
  disk.faults.largest_write = 7;
  const std::string text(1000, 'x');
  replace_file(disk, "/file", contents(text));
  REQUIRE(text_of(disk, "/file") == text);
  disk.faults.room = 100;
  REQUIRE_ERROR(IoError, "No space left", replace_file(disk, "/file", contents("y" + text)));
  disk.heal();
  REQUIRE(text_of(disk, "/file") == text);
}

TEST_CASE("live::read_file: nothing where there is no file, and never more than asked for") {
  SimulatedDisk disk;
  REQUIRE(read_file(disk, "/file", 10) == std::nullopt);
  disk.put("/file", contents("12345"));
  REQUIRE(read_file(disk, "/file", 5) == contents("12345"));
  REQUIRE_ERROR(FormatError, "/file: has 5 bytes, expected up to 4", read_file(disk, "/file", 4));
  disk.put("/empty", {});
  REQUIRE(read_file(disk, "/empty", 0)->empty());
}

TEST_CASE("live::copy_bytes: a part of a file, and an error where it ends before") {
  SimulatedDisk disk;
  std::string text;
  for (int i = 0; i < 3'000'000; ++i) text.push_back(static_cast<char>('a' + i % 26));
  disk.put("/from", contents(text));
  const auto from = disk.open("/from");
  copy_bytes(*from, 5, 2'500'000, *disk.create("/to"));
  REQUIRE(read_file(disk, "/to", 3'000'000) == contents(text.substr(5, 2'499'995)));
  copy_bytes(*from, 5, 5, *disk.create("/none"));
  REQUIRE(text_of(disk, "/none").empty());
  REQUIRE_ERROR(IoError, "ends at byte 3000000", copy_bytes(*from, 0, 3'000'001, *disk.create("/more")));
}

TEST_CASE("live::remove_tree: a directory and all that is in it") {
  SimulatedDisk disk;
  disk.create_directory("/a");
  disk.create_directory("/a/b");
  disk.put("/a/b/file", contents("x"));
  disk.put("/a/file", contents("x"));
  remove_tree(disk, "/a", true);
  REQUIRE(disk.list("/").empty());
  remove_tree(disk, "/nothing", false);
}

TEST_CASE("SimulatedDisk: loses what was not synced, now and then, and never what was") {
  std::set<std::string> seen;
  for (unsigned seed = 0; seed < 200; ++seed) {
    SimulatedDisk disk(seed);
    const auto file = disk.create("/file");
    file->append(contents(std::string(200, 'a')));
    file->sync();
    disk.sync_directory("/");
    file->append(contents(std::string(200, 'b')));
    disk.cut_power();
    const std::string left = text_of(disk, "/file");
    REQUIRE(left.substr(0, 200) == std::string(200, 'a'));
    seen.insert(left);
  }
  REQUIRE(seen.size() > 10);
  REQUIRE(seen.count(std::string(200, 'a') + std::string(200, 'b')) == 1);
  REQUIRE(seen.count(std::string(200, 'a')) == 1);
}

TEST_CASE("SimulatedDisk: after a sync that failed, one that succeeds does not bring the pages back") {
  bool lost = false;
  for (unsigned seed = 0; seed < 50; ++seed) {
    SimulatedDisk disk(seed);
    const auto file = disk.create("/file");
    disk.sync_directory("/");
    file->append(contents("text"));
    disk.faults.fail_from = disk.calls() + 1;
    REQUIRE_THROWS_AS(file->sync(), IoError);
    disk.heal();
    file->sync();
    REQUIRE(text_of(disk, "/file") == "text");
    disk.cut_power();
    lost = lost || text_of(disk, "/file") != "text";
  }
  REQUIRE(lost);
}
