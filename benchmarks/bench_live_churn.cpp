// What does an index lose while passages come and go? 2 % of them are removed and added again, round by round, with a
// merge when it is due, as Lucene's developers measure it; recall just before a merge is held against just after.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "live_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

struct ChurnOptions {
  std::string data;
  std::size_t passages = 30'000;
  std::size_t batch = 1000;
  std::size_t rounds = 100;
};

/// The share of the exact top 10 that a view finds.
double recall_of(const live::LiveView& view, const std::vector<std::set<std::string>>& exact,
                 const EmbeddingStore<float>& tests) {
  std::size_t found = 0;
  std::size_t expected = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    expected += exact[i].size();
    for (const auto& hit : view.search({tests.row(i), tests.dim()}, 10)) found += exact[i].contains(hit.id) ? 1U : 0U;
  }
  return static_cast<double>(found) / static_cast<double>(expected);
}

/// 2 % of the passages go and come back, round by round; a merge when it is due. What an index finds just before is
/// held against what it finds just after, both against an exact one.
void churn(const ChurnOptions& options) {
  const LiveData data = read_first(options.data, options.passages, 0);
  live::LiveParams params{.dim = data.passages.dim()};
  params.spec.method = Method::erm;
  live::LiveRetriever retriever(params);
  params.spec.index.kind = IndexKind::flat;
  live::LiveRetriever exact(params);
  std::mt19937 random(1);
  std::vector<live::Event> events;
  const auto send = [&] {
    (void)apply(exact, events, options.batch);
    (void)apply(retriever, std::move(events), options.batch);
    events.clear();
  };
  for (std::size_t j = 0; j < data.passages.size(); ++j) {
    events.push_back(live::UpsertPassage{passage_id(j), row_of(data.passages, j)});
  }
  send();
  retriever.merge();
  exact.merge();
  std::size_t merges = 0;
  double before = 0.0;
  double after = 0.0;
  double worst = 0.0;
  const std::size_t n_tests = std::min<std::size_t>(300, data.tests.size());
  for (std::size_t round = 0; round < options.rounds; ++round) {
    std::vector<live::Event> back;
    for (std::size_t i = 0; i < data.passages.size() / 50; ++i) {
      const std::size_t j = static_cast<std::size_t>(random()) % data.passages.size();
      events.push_back(live::RemovePassage{passage_id(j)});
      back.push_back(live::UpsertPassage{passage_id(j), row_of(data.passages, j)});
    }
    send();
    events = std::move(back);
    send();
    if (!retriever.merge_due()) continue;
    std::vector<std::set<std::string>> expected(n_tests);
    for (std::size_t i = 0; i < n_tests; ++i) {
      for (const auto& hit : exact.search({data.tests.row(i), data.tests.dim()}, 10)) expected[i].insert(hit.id);
    }
    const double live = recall_of(retriever.view(), expected, data.tests);
    retriever.merge();
    const double rebuilt = recall_of(retriever.view(), expected, data.tests);
    ++merges;
    before += live;
    after += rebuilt;
    worst = std::max(worst, rebuilt - live);
  }
  if (merges == 0) return;
  std::printf("churn: %zu rounds, %zu merges: recall@10 before a merge %.4f, after %.4f, worst loss %.4f\n",
              options.rounds, merges, before / static_cast<double>(merges), after / static_cast<double>(merges), worst);
}

}  // namespace

int main(int argc, char** argv) {
  ChurnOptions options;
  CLI::App app("What an index loses while passages come and go");
  app.add_option("--data", options.data, "the folder that examples/encode made")->required();
  app.add_option("--passages", options.passages, "how many")->capture_default_str();
  app.add_option("--batch", options.batch, "events a batch")->capture_default_str();
  app.add_option("--rounds", options.rounds, "of 2 % removed and added again")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    churn(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_live_churn: %s\n", error.what());
    return 1;
  }
  return 0;
}
