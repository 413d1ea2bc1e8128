#include "pefa/live/live_retriever.hpp"

#include "catch.hpp"
#include "live_operations.hpp"

namespace pefa::test {
namespace {

/// Random batches, searches between them, a merge now and then.
void check_model(const LiveCase& checked, unsigned seed, std::size_t operations) {
  LiveEvents events(seed);
  LiveOracle oracle(checked.spec, checked.counting);
  live::LiveRetriever retriever({.dim = live_dim, .spec = checked.spec, .counting = checked.counting});
  for (std::size_t done = 0; done < operations;) {
    const live::Batch batch = events.batch(9);
    const auto results = retriever.apply(batch);
    REQUIRE(results.size() == batch.events.size());
    for (const live::Event& event : batch.events) oracle.apply(event);
    done += batch.events.size();
    INFO(checked.name << ", seed " << seed << ", after " << done << " operations");
    const auto stats = retriever.stats();
    REQUIRE(stats.passages == oracle.passages());
    REQUIRE(stats.training_queries == oracle.queries());
    REQUIRE(stats.pairs == oracle.pairs());
    REQUIRE(stats.parked == oracle.parked());
    if (events.below(40) == 0) {
      retriever.merge({AnyExecutor::serial(), {}});
      oracle.fit();
      REQUIRE(retriever.stats().delta_rows == 0);
    }
    const live::LiveView view = retriever.view();
    REQUIRE(view.cursor() == batch.cursor);
    if (events.below(3) == 0) require_answer(view, oracle, events.vector(), 1 + events.below(12));
  }
}

TEST_CASE("LiveRetriever: after any events and merges the answers are the dense oracle's") {
  for (const LiveCase& checked : live_cases()) check_model(checked, 7, 900);
}

TEST_CASE("LiveRetriever: the oracle's answers, the long form", "[.long]") {
  for (unsigned seed = 1; seed <= 14; ++seed) {
    for (const LiveCase& checked : live_cases()) check_model(checked, seed, 1100);
  }
}

}  // namespace
}  // namespace pefa::test
