// A folder that is written by one and searched by another: whole batches, in their order, over merges and rollbacks.
#include "pefa/live/live_follower.hpp"

#include <atomic>
#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "live_operations.hpp"
#include "pefa/live/live_retriever.hpp"

namespace pefa::test {
namespace {

using live::Batch;
using live::Follow;
using live::LiveFollower;
using live::LiveRetriever;

TEST_CASE("LiveFollower: answers as the writer does, over merges, rollbacks, restarts and forgetting") {
  for (const LiveCase& checked : live_cases()) {
    INFO(checked.name);
    const TemporaryDirectory directory;
    const auto path = directory / "live";
    LiveEvents events(5);
    auto writer =
        LiveRetriever::create(path, {.dim = live_dim, .spec = checked.spec, .counting = checked.counting}, unsynced());
    const auto follower = LiveFollower::open(path);
    REQUIRE(follower->params() == writer->params());
    std::size_t n_merges = 0;
    for (int round = 0; round < 40; ++round) {
      const Batch batch = events.batch(12);
      (void)writer->apply(batch);
      const std::size_t what = events.below(10);
      if (what == 0) {
        writer->merge(one_thread);
        ++n_merges;
      } else if (what == 1 && writer->folder()->manifest().bases.size() > 1) {
        writer->rollback();
      } else if (what == 2) {
        writer.reset();
        writer = LiveRetriever::open(path, unsynced());
      }
      if (events.below(3) == 0) continue;  // falls behind
      REQUIRE(follower->catch_up());
      REQUIRE_FALSE(follower->catch_up());
      REQUIRE(follower->view().sequence() == writer->view().sequence());
      REQUIRE(follower->view().cursor() == batch.cursor);
      REQUIRE(follower->view().epoch() == writer->view().epoch());
      const auto stats = follower->stats();
      REQUIRE(stats.pairs == writer->stats().pairs);
      REQUIRE(stats.delta_rows == writer->stats().delta_rows);
      const std::vector<float> query = events.vector();
      REQUIRE(follower->search(query, 10) == writer->search(query, 10));
      const auto red = [](std::string_view, std::string_view tags) { return tags == "red"; };
      REQUIRE(follower->search_filtered(query, 5, red) == writer->search_filtered(query, 5, red));
    }
    REQUIRE(n_merges > 0);
  }
}

TEST_CASE("LiveFollower: sealed batches alone, where they are to be shipped") {
  const TemporaryDirectory directory;
  const auto writer = LiveRetriever::create(directory / "live", {.dim = live_dim}, unsynced());
  const auto follower = LiveFollower::open(directory / "live", Follow::sealed);
  LiveEvents events(6);
  (void)writer->apply({{live::UpsertPassage{"a", events.vector()}}});
  REQUIRE_FALSE(follower->catch_up());
  REQUIRE(follower->view().passage_count() == 0);
  writer->sync();
  (void)writer->apply({{live::UpsertPassage{"b", events.vector()}}});  // says that the first one is on the disk
  REQUIRE(follower->catch_up());
  REQUIRE(follower->view().passage_count() == 1);
}

TEST_CASE("LiveFollower: no folder, no base and a damaged log are told; what was seen stays") {
  const TemporaryDirectory directory;
  REQUIRE_ERROR(IoError, "is no live folder", LiveFollower::open(directory / "live"));
  {
    const auto folder = live::LiveFolder::create(live::posix_file_system(), directory / "bare");
    REQUIRE_ERROR(FormatError, "has no base yet", LiveFollower::open(directory / "bare"));
  }
  const auto path = directory / "live";
  auto writer = LiveRetriever::create(path, {.dim = live_dim}, unsynced());
  LiveEvents events(7);
  (void)writer->apply({{live::UpsertPassage{"a", events.vector()}}, "first"});
  const auto follower = LiveFollower::open(path);
  (void)writer->apply({{live::UpsertPassage{"b", events.vector()}}, "second"});
  (void)writer->apply({{live::UpsertPassage{"c", events.vector()}}, "third"});
  writer->sync();
  (void)writer->apply({{live::UpsertPassage{"d", events.vector()}}, "fourth"});
  writer.reset();
  std::filesystem::path segment;
  for (const auto& entry : std::filesystem::directory_iterator(path / "log")) segment = entry.path();
  const auto size = std::filesystem::file_size(segment);
  std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(size / 2));
  file.put('\x55').put('\x2a');
  file.close();
  REQUIRE_ERROR(FormatError, "it was on the disk", follower->catch_up());
  REQUIRE(follower->view().cursor() == "first");
  REQUIRE_ERROR(FormatError, "it was on the disk", LiveFollower::open(path));
  REQUIRE(follower->search(events.vector(), 5).size() == follower->view().passage_count());
}

TEST_CASE("LiveFollower: catches up and searches beside writers and merges") {
  const TemporaryDirectory directory;
  const auto path = directory / "live";
  const auto writer = LiveRetriever::create(path, {.dim = live_dim}, unsynced());
  std::atomic<bool> is_over{false};
  std::thread writing([&] {
    LiveEvents events(8);
    for (int round = 0; round < 60; ++round) {
      const auto vector = events.vector();
      const std::string twin = std::to_string(round % 9);
      (void)writer->apply({{live::UpsertPassage{"a" + twin, vector}, live::UpsertPassage{"b" + twin, vector},
                            live::UpsertQuery{"q" + twin, events.vector()}, live::AddPair{"q" + twin, "a" + twin}}});
      if (round % 15 == 14) writer->merge(one_thread);
    }
    is_over = true;
  });
  const auto follower = LiveFollower::open(path);
  std::atomic<bool> is_whole{true};
  std::thread searching([&] {
    LiveEvents events(9);
    while (!is_over) {
      const live::LiveView view = follower->view();
      if (view.passage_count() % 2 != 0) is_whole = false;
      if (view.search(events.vector(), 30).size() != view.passage_count()) is_whole = false;
    }
  });
  while (!is_over) (void)follower->catch_up();
  writing.join();
  searching.join();
  (void)follower->catch_up();
  REQUIRE(is_whole);
  REQUIRE(follower->view().sequence() == writer->view().sequence());
  LiveEvents events(10);
  for (int asked = 0; asked < 10; ++asked) {
    const auto query = events.vector();
    REQUIRE(follower->search(query, 20) == writer->search(query, 20));
  }
}

}  // namespace
}  // namespace pefa::test
