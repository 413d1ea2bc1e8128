#include "pefa/live/group_commit.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"

using namespace pefa;
using live::GroupCommit;

TEST_CASE("GroupCommit: every item is committed once, never two groups at once, one thread's in its order") {
  constexpr int n_threads = 4;
  constexpr int each = 200;
  GroupCommit<int> queue;
  std::vector<int> committed;  // no lock: commits do not overlap
  std::size_t groups = 0;
  std::atomic<int> running{0};
  std::atomic<bool> overlapped{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < n_threads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        int item = t * each + i;
        queue.run(item, [&](std::span<int* const> group) {
          if (running.fetch_add(1) != 0) overlapped = true;
          for (int* const one : group) {
            committed.push_back(*one);
            *one = -*one - 1;
          }
          ++groups;
          running.fetch_sub(1);
        });
        if (item != -(t * each + i) - 1) overlapped = true;  // it returned before its item was committed
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE_FALSE(overlapped);
  REQUIRE(committed.size() == n_threads * each);
  REQUIRE(groups <= committed.size());
  std::vector<int> last(n_threads, -1);
  for (const int item : committed) {
    int& before = last[static_cast<std::size_t>(item / each)];
    REQUIRE(item % each == before + 1);
    ++before;
  }
}

TEST_CASE("GroupCommit: who comes while a group is committed is in the next one, all together") {
  GroupCommit<int> queue;
  std::atomic<bool> started{false};
  std::atomic<bool> go_on{false};
  std::atomic<std::size_t> largest{0};
  std::vector<std::thread> threads;
  const auto commit = [&](std::span<int* const> group) {
    if (group.size() > largest) largest = group.size();
    started = true;
    while (!go_on) std::this_thread::yield();
  };
  int first = 0;
  threads.emplace_back([&] { queue.run(first, commit); });
  while (!started) std::this_thread::yield();
  std::vector<int> others(3);
  std::atomic<int> called{0};
  for (int& item : others) {
    threads.emplace_back([&] {
      ++called;
      queue.run(item, commit);
    });
  }
  while (called < 3) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // until they wait
  go_on = true;
  for (std::thread& thread : threads) thread.join();
  REQUIRE(largest == 3);
}

TEST_CASE("GroupCommit: what a commit throws reaches every caller of its group, and the next one goes on") {
  GroupCommit<int> queue;
  int item = 0;
  REQUIRE_ERROR(std::runtime_error, "disk",
                queue.run(item, [](std::span<int* const>) { throw std::runtime_error("disk"); }));
  queue.run(item, [](std::span<int* const> group) { *group[0] = 7; });
  REQUIRE(item == 7);
}
