#include "pefa/core/scratch_pool.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "catch.hpp"

using pefa::detail::ScratchPool;

namespace {

struct Counted {
  explicit Counted(std::atomic<int>& alive) : alive_(alive) { ++alive_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --alive_; }
  std::atomic<int>& alive_;
  std::atomic<bool> in_use{false};
};

}  // namespace

TEST_CASE("ScratchPool: what was returned is handed out again, and goes with the pool") {
  std::atomic<int> alive{0};
  {
    ScratchPool<Counted> pool;
    const auto make = [&] { return std::make_unique<Counted>(alive); };
    const Counted* first = nullptr;
    {
      const auto lease = pool.take(make);
      first = &*lease;
      const auto other = pool.take(make);
      REQUIRE(&*other != first);
    }
    REQUIRE(alive == 2);
    const auto again = pool.take(make);
    const auto both = pool.take(make);
    REQUIRE((&*again == first || &*both == first));
    REQUIRE(alive == 2);
  }
  REQUIRE(alive == 0);
}

TEST_CASE("ScratchPool: more leases than slots are made and dropped, none is shared") {
  std::atomic<int> alive{0};
  {
    ScratchPool<Counted> pool;
    const auto make = [&] { return std::make_unique<Counted>(alive); };
    {
      std::vector<std::unique_ptr<ScratchPool<Counted>::Lease>> leases;
      for (int i = 0; i < 100; ++i) {
        leases.emplace_back(new ScratchPool<Counted>::Lease(pool.take(make)));
        REQUIRE_FALSE((*leases.back())->in_use.exchange(true));
      }
      REQUIRE(alive == 100);
    }
    REQUIRE(alive == 64);
  }
  REQUIRE(alive == 0);
}

TEST_CASE("ScratchPool: no two threads hold the same object") {
  std::atomic<int> alive{0};
  std::atomic<int> shared{0};
  ScratchPool<Counted> pool;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        const auto lease = pool.take([&] { return std::make_unique<Counted>(alive); });
        if (lease->in_use.exchange(true)) ++shared;
        lease->in_use = false;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(shared == 0);
  REQUIRE(alive <= 8);
}
