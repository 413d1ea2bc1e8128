// What does it cost to learn while serving? Writes a second, in bursts and beside merges; searches beside a merge;
// recall while passages come and go; the reading of a log.
//
// Loads the first rows of a data set through events, which is timed as it goes, and merges. Of xs and xl, 98 % of the
// first ten hits must be those of a retriever that was built of the same rows, before a search's time is printed; erm
// is held against nothing. Of each kind of write a burst is timed, batch by batch, each acknowledged on the disk of
// --folder.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "bench_support.hpp"
#include "pefa/adapter/any_retriever_impl.hpp"
#include "pefa/core/enum_names.hpp"
#include "pefa/eval/statistics.hpp"
#include "pefa/live/live_retriever.hpp"

namespace {

using namespace pefa;
using bench::Clock;
using bench::seconds_since;

struct Options {
  std::string data;
  std::string folder = "/tmp/pefa_bench_live";
  std::string method = "xl";
  std::size_t passages = 30'000;
  std::size_t queries = 30'000;
  std::size_t batch = 1000;
  std::size_t churn_rounds = 20;
};

/// The rows that are used, and the pairs between them.
struct Data {
  EmbeddingStore<float> passages;
  EmbeddingStore<float> queries;
  EmbeddingStore<float> tests;
  std::vector<RelevancePair> pairs;
};

EmbeddingStore<float> first_rows(const EmbeddingStore<float>& rows, std::size_t n) {
  return EmbeddingStore<float>::from(rows.view().slice(0, std::min(n, rows.size())));
}

Data read(const Options& options) {
  bench::DataSet all = bench::DataSet::read(options.data);
  Data data{first_rows(all.passages, options.passages),
            first_rows(all.train_queries, options.queries),
            std::move(all.test_queries),
            {}};
  for (Row i = 0; i < data.queries.size(); ++i) {
    const auto entries = all.train_relevance.passages_of(QueryId(i));
    for (std::size_t e = 0; e < entries.size(); ++e) {
      const auto passage = static_cast<Row>(entries.columns[e]);
      if (passage < data.passages.size()) data.pairs.push_back({QueryId(i), PassageId(passage), entries.weights[e]});
    }
  }
  return data;
}

std::string passage_id(std::size_t row) {
  return "p" + std::to_string(row);
}
std::string query_id(std::size_t row) {
  return "q" + std::to_string(row);
}

std::vector<float> row_of(const EmbeddingStore<float>& rows, std::size_t i) {
  return {rows.row(i), rows.row(i) + rows.dim()};
}

/// Applies events in batches. @return  seconds of each batch
std::vector<double> apply(live::LiveRetriever& retriever, std::vector<live::Event> events, std::size_t batch_size) {
  std::vector<double> seconds;
  for (std::size_t begin = 0; begin < events.size(); begin += batch_size) {
    live::Batch batch;
    const std::size_t end = std::min(events.size(), begin + batch_size);
    std::move(events.begin() + static_cast<std::ptrdiff_t>(begin), events.begin() + static_cast<std::ptrdiff_t>(end),
              std::back_inserter(batch.events));
    const auto start = Clock::now();
    for (const live::ItemResult& result : retriever.apply(batch)) {
      if (result.status == live::ItemStatus::refused) throw Error("refused: " + result.reason);
    }
    seconds.push_back(seconds_since(start));
  }
  return seconds;
}

void report(const char* what, std::size_t events, const std::vector<double>& seconds) {
  const double total = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  std::printf("%-34s %8.0f a second, batch p50 %7.2f ms, p99 %7.2f ms\n", what, static_cast<double>(events) / total,
              1e3 * percentile(seconds, 0.5), 1e3 * percentile(seconds, 0.99));
}

/// Milliseconds of searches that come at a fixed rate, waiting included, until `is_over` or so many.
std::vector<double> open_loop(const live::LiveRetriever& retriever, const EmbeddingStore<float>& tests,
                              double per_second, std::size_t most, const std::atomic<bool>& is_over) {
  std::vector<double> milliseconds;
  const auto start = Clock::now();
  for (std::size_t i = 0; i < most && !is_over; ++i) {
    const auto due = start + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(static_cast<double>(i) / per_second));
    std::this_thread::sleep_until(due);
    (void)retriever.search({tests.row(i % tests.size()), tests.dim()}, 10);
    milliseconds.push_back(1e3 * seconds_since(due));
  }
  return milliseconds;
}

/// Times a retriever that was built and a live one in turn.
/// @throws Error  they agree on less than 98 % of the first ten hits
void compare(const live::LiveRetriever& retriever, const AnyRetriever& plain, const EmbeddingStore<float>& tests) {
  const std::size_t n_tests = std::min<std::size_t>(500, tests.size());
  std::size_t same = 0;
  std::vector<double> live_ms;
  std::vector<double> plain_ms;
  for (std::size_t round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < n_tests; ++i) {
      const QueryView query(tests.row(i), tests.dim());
      auto start = Clock::now();
      const auto expected = plain.search(query, 10);
      plain_ms.push_back(1e3 * seconds_since(start));
      start = Clock::now();
      const auto found = retriever.search(query, 10);
      live_ms.push_back(1e3 * seconds_since(start));
      for (std::size_t r = 0; r < found.size() && round == 0; ++r) {
        same += found[r].id == passage_id(expected[r].passage.row()) ? 1U : 0U;
      }
    }
  }
  std::printf("answers of the retriever that is built at once: %zu of %zu\n", same, 10 * n_tests);
  if (10 * same < 98 * n_tests) throw Error("the live retriever answers otherwise");
  std::printf("search, idle: plain p50 %.3f ms, live p50 %.3f ms, ratio %.3f\n", percentile(plain_ms, 0.5),
              percentile(live_ms, 0.5), percentile(live_ms, 0.5) / percentile(plain_ms, 0.5));
}

void run(const Options& options) {
  const Data data = read(options);
  live::LiveParams params{.dim = data.passages.dim()};
  params.spec.method = *parse_enum<Method>(options.method);
  std::filesystem::remove_all(options.folder);
  auto retriever = live::LiveRetriever::create(options.folder, params);
  std::printf("%zu passages, %zu training queries, %zu pairs, dim %zu, %s, batches of %zu\n", data.passages.size(),
              data.queries.size(), data.pairs.size(), data.passages.dim(), options.method.c_str(), options.batch);

  std::vector<live::Event> events;
  for (std::size_t j = 0; j < data.passages.size(); ++j) {
    events.push_back(live::UpsertPassage{passage_id(j), row_of(data.passages, j)});
  }
  report("load: passages", data.passages.size(), apply(*retriever, std::move(events), options.batch));
  events.clear();
  for (std::size_t i = 0; i < data.queries.size(); ++i) {
    events.push_back(live::UpsertQuery{query_id(i), row_of(data.queries, i)});
  }
  report("load: training queries", data.queries.size(), apply(*retriever, std::move(events), options.batch));
  events.clear();
  for (const RelevancePair& pair : data.pairs) {
    events.push_back(live::AddPair{query_id(pair.query.row()), passage_id(pair.passage.row()), pair.weight});
  }
  report("load: pairs", data.pairs.size(), apply(*retriever, std::move(events), options.batch));
  auto start = Clock::now();
  retriever.reset();
  retriever = live::LiveRetriever::open(options.folder);
  std::printf(
      "replay of the whole log: %.2f s, %.0f events a second\n", seconds_since(start),
      static_cast<double>(data.passages.size() + data.queries.size() + data.pairs.size()) / seconds_since(start));
  start = Clock::now();
  retriever->merge();
  std::printf("merge: %.1f s\n", seconds_since(start));

  // Queries without a pair have no part in a live retriever's fits and votes.
  EmbeddingStore<float> voting(data.queries.dim());
  std::vector<RelevancePair> pairs;  // theirs come ascending by query
  for (std::size_t i = 0; i < data.pairs.size(); ++i) {
    if (i == 0 || data.pairs[i].query != data.pairs[i - 1].query) {
      voting.append(row_of(data.queries, data.pairs[i].query.row()));
    }
    pairs.push_back({QueryId(static_cast<Row>(voting.size() - 1)), data.pairs[i].passage, data.pairs[i].weight});
  }
  const auto relevance = RelevanceMatrix::from_pairs(pairs, voting.size(), data.passages.size());
  if (params.spec.method != Method::erm) {
    compare(*retriever, build(params.spec, data.passages.view(), voting.view(), relevance), data.tests);
  }

  std::mt19937 random(1);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  std::vector<double> syncs;
  for (int i = 0; i < 50; ++i) {
    live::Batch one{{live::AddPair{query_id(0), passage_id(0), 1.0f}}, {}};
    start = Clock::now();
    (void)retriever->apply(one);
    syncs.push_back(seconds_since(start));
  }
  std::printf("one pair, acknowledged: p50 %.2f ms\n", 1e3 * percentile(syncs, 0.5));
  const std::size_t burst = 20 * options.batch;
  for (std::size_t i = 0; i < burst; ++i) {
    events.push_back(
        live::AddPair{query_id(below(data.queries.size())), passage_id(below(data.passages.size())), 1.0f});
  }
  report("burst: pairs to known queries", burst, apply(*retriever, std::move(events), options.batch));
  events.clear();
  const std::size_t few = std::min(burst / 10, data.queries.size());
  for (std::size_t i = 0; i < few; ++i) {
    events.push_back(live::UpsertQuery{"new" + std::to_string(i), row_of(data.queries, below(data.queries.size()))});
    events.push_back(live::AddPair{"new" + std::to_string(i), passage_id(below(data.passages.size())), 1.0f});
  }
  report("burst: new queries with a pair", few, apply(*retriever, std::move(events), options.batch));
  events.clear();
  for (std::size_t i = 0; i < few; ++i) {
    const std::size_t j = below(data.passages.size());
    events.push_back(live::UpsertPassage{passage_id(j), row_of(data.passages, j)});
  }
  report("burst: changed passages", few, apply(*retriever, std::move(events), options.batch));
  const auto stats = retriever->stats();
  const std::size_t n_tests = std::min<std::size_t>(500, data.tests.size());
  std::vector<double> delta_ms;
  for (std::size_t i = 0; i < n_tests; ++i) {
    start = Clock::now();
    (void)retriever->search({data.tests.row(i), data.tests.dim()}, 10);
    delta_ms.push_back(1e3 * seconds_since(start));
  }
  std::printf("search with %zu rows in the deltas, %zu hidden: p50 %.3f ms\n", stats.delta_rows, stats.hidden_rows,
              percentile(delta_ms, 0.5));

  // Searches at 30 % of what one core does, idle, beside a busy loop and beside a merge.
  const double rate = 0.3 * 1e3 / percentile(delta_ms, 0.5);
  std::atomic<bool> never{false};
  const auto idle = open_loop(*retriever, data.tests, rate, 1000, never);
  std::atomic<bool> is_over{false};
  std::thread busy([&] {
    volatile std::size_t count = 0;
    while (!is_over) count = count + 1;
  });
  const auto beside_loop = open_loop(*retriever, data.tests, rate, 1000, never);
  is_over = true;
  busy.join();
  std::atomic<bool> is_merged{false};
  std::thread merger([&] {
    retriever->merge({AnyExecutor::serial(), {}});
    is_merged = true;
  });
  const auto beside_merge = open_loop(*retriever, data.tests, rate, 1'000'000, is_merged);
  merger.join();
  std::printf("search at %.0f a second: p99 idle %.2f ms, beside a busy loop %.2f ms, beside a merge %.2f ms (%zu)\n",
              rate, percentile(idle, 0.99), percentile(beside_loop, 0.99), percentile(beside_merge, 0.99),
              beside_merge.size());

  std::filesystem::remove_all(options.folder);
}

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
void churn(const Options& options) {
  const Data data = read(options);
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
  for (std::size_t round = 0; round < options.churn_rounds; ++round) {
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
              options.churn_rounds, merges, before / static_cast<double>(merges), after / static_cast<double>(merges),
              worst);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("What learning while serving costs");
  app.add_option("--data", options.data, "the folder that examples/encode made")->required();
  app.add_option("--folder", options.folder, "made anew, for the live folder")->capture_default_str();
  app.add_option("--method", options.method, "erm, xs or xl")->capture_default_str();
  app.add_option("--passages", options.passages, "how many")->capture_default_str();
  app.add_option("--queries", options.queries, "training queries, how many")->capture_default_str();
  app.add_option("--batch", options.batch, "events a batch")->capture_default_str();
  app.add_option("--churn", options.churn_rounds, "rounds of 2 % removed and added again")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
    churn(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_live: %s\n", error.what());
    return 1;
  }
  return 0;
}
