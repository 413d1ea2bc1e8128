// The power goes while a live retriever writes, merges and goes back: what it acknowledged is there afterwards, in
// bases that are real archives, and it answers as if nothing had happened.
#include <cstddef>
#include <filesystem>
#include <memory>
#include <random>
#include <vector>

#include "catch.hpp"
#include "live/mapped_disk.hpp"
#include "live_operations.hpp"

namespace pefa::test {
namespace {

using live::Batch;
using live::LiveRetriever;

/// What was submitted in this order, and how much of it must come back.
struct Account {
  std::vector<Batch> submitted;
  std::size_t acknowledged = 0;
};

/// Random steps until the power goes, or not.
void live_on(LiveRetriever& retriever, LiveEvents& events, Account& account) {
  for (std::size_t steps = 3 + events.below(12); steps > 0; --steps) {
    const std::size_t dice = events.below(10);
    if (dice < 2) {
      retriever.merge(one_thread);
    } else if (dice == 2 && retriever.folder()->manifest().bases.size() > 1) {
      retriever.rollback();
    } else {
      account.submitted.push_back(events.batch(12));
      (void)retriever.apply(account.submitted.back());
      account.acknowledged = account.submitted.size();
    }
  }
}

/// @return  how often the power went
std::size_t check_power_cuts(const LiveCase& checked, unsigned seed) {
  const TemporaryDirectory directory;
  const std::filesystem::path root = std::filesystem::absolute(directory / "disk");
  std::filesystem::create_directory(root);
  MappedDisk disk(root, seed);
  std::mt19937 random(seed);
  LiveEvents events(seed, 20, 40);
  Account account;
  std::size_t cuts = 0;
  const live::LiveParams params{.dim = live_dim, .spec = checked.spec, .counting = checked.counting};
  const live::FolderOptions options{.log = {.segment_bytes = 4000}, .keep_bases = 1 + seed % 3};
  (void)LiveRetriever::create(root / "live", params, options, disk);
  const auto reopened = [&] {
    auto retriever = LiveRetriever::open(root / "live", options, disk, nullptr, Verify::full);
    const std::size_t kept = retriever->view().sequence();
    REQUIRE(kept >= account.acknowledged);
    REQUIRE(kept <= account.submitted.size());
    account.submitted.resize(kept);
    account.acknowledged = kept;
    if (kept > 0) REQUIRE(retriever->view().cursor() == account.submitted.back().cursor);
    return retriever;
  };
  for (int round = 0; round < 5; ++round) {
    disk.faults().cut_at = 1 + random() % 160;
    try {
      const auto retriever = reopened();
      live_on(*retriever, events, account);
    } catch (const PowerCut&) {
      ++cuts;
    }
    random() % 3 != 0 ? disk.cut_power() : disk.kill_process();
  }
  disk.heal();
  const auto retriever = reopened();
  LiveOracle oracle(checked.spec, checked.counting);
  for (const Batch& batch : account.submitted) {
    for (const live::Event& event : batch.events) oracle.apply(event);
  }
  REQUIRE(retriever->stats().passages == oracle.passages());
  REQUIRE(retriever->stats().training_queries == oracle.queries());
  REQUIRE(retriever->stats().pairs == oracle.pairs());
  retriever->merge(one_thread);
  oracle.fit();
  for (int i = 0; i < 5; ++i) require_answer(retriever->view(), oracle, events.vector(), 6);
  (void)live::verify_folder(disk, root / "live");
  return cuts;
}

TEST_CASE("LiveRetriever: whenever the power goes or the process dies, the folder holds every acknowledged batch") {
  std::size_t cuts = 0;
  for (const LiveCase& checked : live_cases()) {
    if (checked.counting.half_life > 0.0) continue;  // there it matters when a merge was
    for (unsigned seed = 0; seed < 6; ++seed) {
      INFO(checked.name << ", seed " << seed);
      cuts += check_power_cuts(checked, seed);
    }
  }
  REQUIRE(cuts > 60);
}

}  // namespace
}  // namespace pefa::test
