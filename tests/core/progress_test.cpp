#include "pefa/core/progress.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"

using namespace pefa;

namespace {

using Reports = std::vector<std::pair<std::size_t, std::size_t>>;

Progress recorder(Reports& reports) {
  return [&reports](std::size_t done, std::size_t total) {
    reports.emplace_back(done, total);
    return ProgressAction::proceed;
  };
}

}  // namespace

TEST_CASE("ProgressMeter: reports rise, and the last one has done == total, once") {
  for (const std::size_t total : {1U, 2U, 7U, 99U, 100U, 101U, 1000U, 12'345U}) {
    Reports reports;
    const Progress progress = recorder(reports);
    ProgressMeter meter(progress, total, "Test");
    for (std::size_t i = 0; i < total; ++i) meter.add(1);
    INFO("total " << total);
    REQUIRE_FALSE(reports.empty());
    REQUIRE(reports.back() == std::pair(total, total));
    for (std::size_t i = 1; i < reports.size(); ++i) REQUIRE(reports[i - 1].first < reports[i].first);
    REQUIRE(reports.size() <= 102);  // about one a percent, and the end
    REQUIRE(reports.size() >= std::min<std::size_t>(total, 100));
  }
}

TEST_CASE("ProgressMeter: items may come in lumps, and none at all is no report") {
  Reports reports;
  const Progress progress = recorder(reports);
  ProgressMeter meter(progress, 1000, "Test");
  meter.add(0);
  REQUIRE(reports.empty());
  meter.add(600);
  meter.add(1);  // less than a percent since the last report
  meter.add(399);
  REQUIRE(reports == Reports{{600, 1000}, {1000, 1000}});
}

TEST_CASE("ProgressMeter: a long step is reported, and can be stopped, several times a second") {
  Reports reports;
  const Progress progress = recorder(reports);
  ProgressMeter meter(progress, 10'000, "Test");
  meter.poll();
  REQUIRE(reports.empty());  // nothing is late yet
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  meter.poll();
  meter.poll();
  REQUIRE(reports == Reports{{0, 10'000}});
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  meter.add(1);  // less than a percent
  REQUIRE(reports == Reports{{0, 10'000}, {1, 10'000}});
  const Progress stop = [](std::size_t, std::size_t) { return ProgressAction::stop; };
  ProgressMeter stopped(stop, 10, "Test");
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  REQUIRE_THROWS_AS(stopped.poll(), Cancelled);
  REQUIRE_THROWS_AS(stopped.poll(), Cancelled);  // and again, not to be late
}

TEST_CASE("ProgressMeter: without a callback it does nothing") {
  const Progress none;
  ProgressMeter meter(none, 10, "Test");
  REQUIRE_NOTHROW(meter.add(10));
}

TEST_CASE("ProgressMeter: stop throws Cancelled that says who and how far, and the callback is not asked again") {
  std::size_t asked = 0;
  const Progress progress = [&](std::size_t done, std::size_t) {
    ++asked;
    return done >= 3 ? ProgressAction::stop : ProgressAction::proceed;
  };
  ProgressMeter meter(progress, 10, "PefaXs::build");
  meter.add(1);
  meter.add(1);
  REQUIRE_ERROR(Cancelled, "PefaXs::build: stopped by its progress callback after 3 of 10", meter.add(1));
  REQUIRE_ERROR(Cancelled, "PefaXs::build: stopped by its progress callback after 4 of 10", meter.add(1));
  REQUIRE(asked == 3);
}

TEST_CASE("ProgressMeter: from several threads the callback is never entered twice at once and sees the end") {
  std::atomic<int> inside{0};
  bool overlapped = false;
  Reports reports;
  const Progress progress = [&](std::size_t done, std::size_t total) {
    if (inside.fetch_add(1) != 0) overlapped = true;
    std::this_thread::sleep_for(std::chrono::microseconds(200));  // long enough for another thread to come in
    reports.emplace_back(done, total);
    inside.fetch_sub(1);
    return ProgressAction::proceed;
  };
  ProgressMeter meter(progress, 5000, "Test");
  ThreadExecutor(4).run(5000, [&](std::size_t) { meter.add(1); });
  REQUIRE_FALSE(overlapped);
  REQUIRE(reports.back() == std::pair<std::size_t, std::size_t>(5000, 5000));
  for (std::size_t i = 1; i < reports.size(); ++i) REQUIRE(reports[i - 1].first < reports[i].first);
}

TEST_CASE("ProgressMeter: a stop among several threads ends the whole loop with Cancelled") {
  std::atomic<std::size_t> items{0};
  const Progress progress = [](std::size_t done, std::size_t) {
    return done >= 100 ? ProgressAction::stop : ProgressAction::proceed;
  };
  ProgressMeter meter(progress, 100'000, "HnswIndex::build");
  REQUIRE_ERROR(Cancelled, "HnswIndex::build: stopped by its progress callback after ",
                ThreadExecutor(4).run(100'000, [&](std::size_t) {
                  items.fetch_add(1);
                  meter.add(1);
                }));
  // The first report at or past 100 is at 1001; each of the four threads fails on its next item at the latest.
  REQUIRE(items.load() >= 1001);
  REQUIRE(items.load() <= 1001 + 4);
}
