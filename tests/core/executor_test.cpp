#include "pefa/core/executor.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"

using namespace pefa;

namespace {

/// The smallest class that is an Executor.
struct ArchetypeExecutor {
  void run(std::size_t n, const LoopBody& body) {
    for (std::size_t i = 0; i < n; ++i) body(i);
  }
  static unsigned char concurrency() { return 1; }
};
static_assert(Executor<ArchetypeExecutor>);

struct WithoutConcurrency {
  void run(std::size_t n, const LoopBody& body);
};
struct WithoutBody {
  void run(std::size_t n);
  std::size_t concurrency();
};
struct ConcurrencyOfNothing {
  void run(std::size_t n, const LoopBody& body);
  void concurrency();
};
static_assert(!Executor<WithoutConcurrency> && !Executor<WithoutBody> && !Executor<ConcurrencyOfNothing>);
static_assert(!Executor<const ArchetypeExecutor>, "its run() is not const");
static_assert(Executor<ThreadExecutor> && Executor<const ThreadExecutor> && Executor<AnyExecutor>);

static_assert(std::is_convertible_v<ArchetypeExecutor&, AnyExecutor>);
static_assert(!std::is_constructible_v<AnyExecutor, ArchetypeExecutor>, "a temporary would dangle");
static_assert(!std::is_constructible_v<AnyExecutor, WithoutConcurrency&>);

/// A host's pool: counts its calls and runs backwards, which an executor may.
struct BackwardsHost {
  std::size_t runs = 0;
  std::size_t width = 3;
  void run(std::size_t n, const LoopBody& body) {
    ++runs;
    for (std::size_t i = n; i-- > 0;) body(i);
  }
  [[nodiscard]] std::size_t concurrency() const { return width; }
};

}  // namespace

TEST_CASE("ThreadExecutor: runs every index exactly once") {
  for (const std::size_t threads : {1U, 2U, 3U, 8U}) {
    for (const std::size_t n : {0U, 1U, 2U, 3U, 7U, 100U, 10'007U}) {
      std::vector<std::atomic<int>> calls(n);
      ThreadExecutor(threads).run(n, [&](std::size_t i) { calls.at(i).fetch_add(1); });
      INFO("threads " << threads << ", n " << n);
      REQUIRE(std::all_of(calls.begin(), calls.end(), [](const std::atomic<int>& count) { return count == 1; }));
    }
  }
}

TEST_CASE("ThreadExecutor: one thread runs in order on the calling thread") {
  std::vector<std::size_t> order;
  bool elsewhere = false;
  ThreadExecutor(1).run(1000, [&, caller = std::this_thread::get_id()](std::size_t i) {
    order.push_back(i);
    elsewhere = elsewhere || std::this_thread::get_id() != caller;
  });
  std::vector<std::size_t> expected(1000);
  std::iota(expected.begin(), expected.end(), std::size_t{0});
  REQUIRE(order == expected);
  REQUIRE_FALSE(elsewhere);
}

TEST_CASE("ThreadExecutor: as many threads work as it was given, and never more") {
  constexpr std::size_t threads = 3;
  std::mutex mutex;
  std::set<std::thread::id> seen;
  // The first three bodies wait for one another, so three threads must come.
  std::atomic<std::size_t> arrived{0};
  ThreadExecutor(threads).run(500, [&](std::size_t i) {
    if (i < threads) {
      arrived.fetch_add(1);
      while (arrived.load() < threads) std::this_thread::yield();
    }
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  REQUIRE(seen.size() == threads);
  REQUIRE(seen.contains(std::this_thread::get_id()));

  std::atomic<std::size_t> inside{0};
  std::atomic<std::size_t> most{0};
  ThreadExecutor(threads).run(100, [&](std::size_t) {
    const std::size_t now = inside.fetch_add(1) + 1;
    for (std::size_t before = most; before < now && !most.compare_exchange_weak(before, now);) continue;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // long enough for one thread too many to show
    inside.fetch_sub(1);
  });
  REQUIRE(most.load() <= threads);
}

TEST_CASE("ThreadExecutor: 0 threads means one a hardware thread, and at least one") {
  REQUIRE(ThreadExecutor().concurrency() == std::max(1U, std::thread::hardware_concurrency()));
  REQUIRE(ThreadExecutor(0).concurrency() == ThreadExecutor().concurrency());
  REQUIRE(ThreadExecutor(5).concurrency() == 5);
}

TEST_CASE("ThreadExecutor: what a body throws reaches the caller, whatever it is") {
  for (const std::size_t threads : {1U, 4U}) {
    const ThreadExecutor executor(threads);
    REQUIRE_ERROR(std::domain_error, "row 57", executor.run(100, [](std::size_t i) {
      if (i == 57) throw std::domain_error("row 57");
    }));
    REQUIRE_THROWS_AS(executor.run(100,
                                   [](std::size_t i) {
                                     if (i == 99) throw 42;
                                   }),
                      int);
    REQUIRE_THROWS_AS(executor.run(100, [](std::size_t) { throw std::domain_error("all of them"); }),
                      std::domain_error);
    std::atomic<std::size_t> calls{0};
    executor.run(100, [&](std::size_t) { calls.fetch_add(1); });  // it works on after an error
    REQUIRE(calls.load() == 100);
  }
}

TEST_CASE("ThreadExecutor: a body that throws stops the handing out of further indices") {
  std::size_t calls = 0;
  REQUIRE_THROWS(ThreadExecutor(1).run(100, [&](std::size_t i) {
    ++calls;
    if (i == 10) throw std::runtime_error("stop");
  }));
  REQUIRE(calls == 11);

  // Several threads: every body but the first waits for the failure, then takes long enough to see it.
  std::atomic<std::size_t> started{0};
  std::atomic<bool> thrown{false};
  REQUIRE_THROWS(ThreadExecutor(3).run(10'000, [&](std::size_t i) {
    started.fetch_add(1);
    if (i == 0) {
      thrown.store(true);
      throw std::runtime_error("stop");
    }
    while (!thrown.load()) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }));
  REQUIRE(started.load() < 10'000);
}

TEST_CASE("ThreadExecutor: has finished every body when it returns, also after an error") {
  std::atomic<int> inside{0};
  try {
    ThreadExecutor(4).run(1000, [&](std::size_t i) {
      inside.fetch_add(1);
      std::this_thread::yield();
      inside.fetch_sub(1);
      if (i == 20) throw std::runtime_error("stop");
    });
    FAIL("no error");
  } catch (const std::runtime_error&) {
    REQUIRE(inside.load() == 0);
  }
}

TEST_CASE("ThreadExecutor: loops nest") {
  std::atomic<std::size_t> calls{0};
  const ThreadExecutor executor(2);
  executor.run(5, [&](std::size_t) { executor.run(7, [&](std::size_t) { calls.fetch_add(1); }); });
  REQUIRE(calls.load() == 35);
}

TEST_CASE("AnyExecutor: a host's executor is used by reference, by its copies as well") {
  BackwardsHost host;
  const AnyExecutor any(host);
  const AnyExecutor copy = any;  // NOLINT(performance-unnecessary-copy-initialization): the copy is the subject
  std::vector<std::size_t> order;
  any.run(3, [&](std::size_t i) { order.push_back(i); });
  copy.run(2, [&](std::size_t i) { order.push_back(i); });
  REQUIRE(order == std::vector<std::size_t>{2, 1, 0, 1, 0});
  REQUIRE(host.runs == 2);
  REQUIRE(any.concurrency() == 3);
  host.width = 7;
  REQUIRE(copy.concurrency() == 7);
}

TEST_CASE("AnyExecutor: a copy of a mutable one is a copy, not an executor of an executor") {
  AnyExecutor original = AnyExecutor::serial();
  AnyExecutor copy(original);
  original = AnyExecutor(ThreadExecutor(5));
  REQUIRE(copy.concurrency() == 1);
  REQUIRE(original.concurrency() == 5);
}

TEST_CASE("AnyExecutor: a host that claims no concurrency still counts as one") {
  BackwardsHost host;
  host.width = 0;
  REQUIRE(AnyExecutor(host).concurrency() == 1);
}

TEST_CASE("AnyExecutor: takes the archetype and ThreadExecutors, constant ones too") {
  ArchetypeExecutor archetype;
  const ThreadExecutor constant(2);
  ThreadExecutor changeable(3);
  for (const AnyExecutor& any :
       {AnyExecutor(archetype), AnyExecutor(constant), AnyExecutor(changeable), AnyExecutor(), AnyExecutor::serial()}) {
    std::atomic<std::size_t> sum{0};
    any.run(10, [&](std::size_t i) { sum.fetch_add(i); });
    REQUIRE(sum.load() == 45);
  }
  REQUIRE(AnyExecutor(constant).concurrency() == 2);
  REQUIRE(AnyExecutor(changeable).concurrency() == 3);
  REQUIRE(AnyExecutor::serial().concurrency() == 1);
}

TEST_CASE("AnyExecutor: carries a body's exception") {
  BackwardsHost host;
  for (const AnyExecutor& any : {AnyExecutor(host), AnyExecutor(ThreadExecutor(3))}) {
    REQUIRE_ERROR(std::domain_error, "carried", any.run(10, [](std::size_t) { throw std::domain_error("carried"); }));
  }
}

TEST_CASE("for_each_block: cuts [0, n) into consecutive blocks, the last one ragged") {
  using Blocks = std::vector<std::pair<std::size_t, std::size_t>>;
  const auto blocks_of = [](std::size_t n, std::size_t block) {
    Blocks blocks;
    for_each_block(AnyExecutor::serial(), n, block,
                   [&](std::size_t begin, std::size_t end) { blocks.emplace_back(begin, end); });
    return blocks;
  };
  REQUIRE(blocks_of(10, 4) == Blocks{{0, 4}, {4, 8}, {8, 10}});
  REQUIRE(blocks_of(8, 4) == Blocks{{0, 4}, {4, 8}});
  REQUIRE(blocks_of(3, 4) == Blocks{{0, 3}});
  REQUIRE(blocks_of(3, 1) == Blocks{{0, 1}, {1, 2}, {2, 3}});
  REQUIRE(blocks_of(0, 4).empty());
}
