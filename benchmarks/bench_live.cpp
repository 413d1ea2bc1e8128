// What does it cost to learn while serving? Writes a second, in bursts and beside merges; searches beside a merge;
// memory; the reading of a log.
//
// Loads the first rows of a data set through events, which is timed as it goes, and merges. Of xs and xl, 98 % of the
// first ten hits must be those of a retriever that was built of the same rows, before a search's time is printed; erm
// is held against nothing. Every batch is acknowledged on the disk of --folder, whose own syncs are timed first.
#include <fcntl.h>
#include <unistd.h>

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "live_support.hpp"
#include "pefa/adapter/any_retriever_impl.hpp"
#include "pefa/core/enum_names.hpp"
#include "pefa/eval/statistics.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

struct LiveOptions {
  std::string data;
  std::string folder = "/tmp/pefa_bench_live";
  std::string method = "xl";
  std::size_t passages = 30'000;
  std::size_t queries = 30'000;
  std::size_t batch = 1000;
  double seconds = 3.0;
  bool compares = true;
};

[[nodiscard]] double median(const std::vector<double>& values) {
  return percentile(values, 0.5);
}

/// @param when, what  named together
void report(const char* when, const char* what, std::size_t events, const std::vector<double>& seconds) {
  const double total = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  std::printf("%-14s %-30s %8.0f a second, batch p50 %7.2f ms, p99 %7.2f ms\n", when, what,
              static_cast<double>(events) / total, 1e3 * median(seconds), 1e3 * percentile(seconds, 0.99));
}

/// Seconds that a block of 4 KiB takes to a file and to the disk.
[[nodiscard]] std::vector<double> sync_seconds(const std::string& folder) {
  const std::string path = folder + ".sync";
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  if (file < 0) throw Error(path + ": cannot be written");
  const std::vector<char> block(4096, 'x');
  std::vector<double> seconds;
  for (int i = 0; i < 200; ++i) {
    const auto start = Clock::now();
    if (::write(file, block.data(), block.size()) < 0 || ::fdatasync(file) != 0) throw Error(path + ": no sync");
    seconds.push_back(seconds_since(start));
  }
  ::close(file);
  std::filesystem::remove(path);
  return seconds;
}

/// MiB of this process that no file is behind, without what malloc keeps for later.
[[nodiscard]] double anonymous_mib() {
#if __has_include(<malloc.h>)
  malloc_trim(0);
#endif
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stod(line.substr(8)) / 1024.0;
  }
  return 0.0;
}

/// The files of the base that is served: P, Q, pairs and indexes.
[[nodiscard]] double base_mib(const live::LiveRetriever& retriever) {
  double bytes = 0.0;
  for (const auto& file : retriever.folder()->manifest().current()->files) bytes += static_cast<double>(file.bytes);
  return bytes / (1024.0 * 1024.0);
}

/// Milliseconds of searches that come at a fixed rate, waiting included, until `is_over` or so many.
[[nodiscard]] std::vector<double> open_loop(const live::LiveRetriever& retriever, const EmbeddingStore<float>& tests,
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

/// Makes batches of each kind of write, of rows that are known but for the new ones.
class Writes {
 public:
  Writes(const LiveData& data, std::size_t batch) : data_(&data), batch_(batch) {}

  struct Kind {
    const char* name;
    std::size_t (Writes::*add)(std::vector<live::Event>&);  ///< events that do one thing; how many things
  };
  static constexpr std::array<Kind, 4> kinds();

  /// So many things of a kind.
  [[nodiscard]] std::vector<live::Event> make(const Kind& kind, std::size_t count) {
    std::vector<live::Event> events;
    for (std::size_t done = 0; done < count;) done += (this->*kind.add)(events);
    return events;
  }
  [[nodiscard]] std::size_t batch() const noexcept { return batch_; }

 private:
  [[nodiscard]] std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_()) % n; }

  /// Of a query that has one already.
  std::size_t pair(std::vector<live::Event>& events) {
    const Row query = data_->pairs[below(data_->pairs.size())].query.row();
    events.emplace_back(live::AddPair{query_id(query), passage_id(below(data_->passages.size())), 1.0f});
    return 1;
  }
  std::size_t new_query(std::vector<live::Event>& events) {
    const std::string id = "new" + std::to_string(next_++);
    events.emplace_back(live::UpsertQuery{id, row_of(data_->queries, below(data_->queries.size()))});
    events.emplace_back(live::AddPair{id, passage_id(below(data_->passages.size())), 1.0f});
    return 1;
  }
  std::size_t changed_passage(std::vector<live::Event>& events) {
    events.emplace_back(live::UpsertPassage{passage_id(below(data_->passages.size())),
                                            row_of(data_->passages, below(data_->passages.size()))});
    return 1;
  }
  /// And comes back, so that there is always one to remove.
  std::size_t removed_passage(std::vector<live::Event>& events) {
    const std::size_t j = below(data_->passages.size());
    events.emplace_back(live::RemovePassage{passage_id(j)});
    events.emplace_back(live::UpsertPassage{passage_id(j), row_of(data_->passages, j)});
    return 2;
  }

  const LiveData* data_;
  std::size_t batch_;
  std::mt19937 random_{1};
  std::size_t next_ = 0;
};

constexpr std::array<Writes::Kind, 4> Writes::kinds() {
  return {{{"pairs to known queries", &Writes::pair},
           {"new queries with a pair", &Writes::new_query},
           {"changed passages", &Writes::changed_passage},
           {"passages removed, added again", &Writes::removed_passage}}};
}

/// How fast open() goes through pairs: a copy of the folder is opened without any after its base, and with some.
void time_replay(const live::LiveRetriever& retriever, const LiveOptions& options, std::vector<live::Event> pairs) {
  const std::string copy = options.folder + ".replay";
  std::filesystem::remove_all(copy);
  (void)retriever.backup(copy);
  const std::size_t count = pairs.size();
  const auto opened = [&](double& seconds) {
    const auto start = Clock::now();
    auto another = live::LiveRetriever::open(copy);
    seconds = seconds_since(start);
    return another;
  };
  double without = 0.0;
  double with = 0.0;
  (void)apply(*opened(without), std::move(pairs), options.batch);
  (void)opened(with);
  std::printf("replay of %zu pairs: %.2f s after the %.2f s of the base, %.0f a second\n", count, with - without,
              without, static_cast<double>(count) / (with - without));
  std::filesystem::remove_all(copy);
}

std::unique_ptr<live::LiveRetriever> load(const LiveOptions& options, const LiveData& data,
                                          const live::LiveParams& params) {
  std::filesystem::remove_all(options.folder);
  auto retriever = live::LiveRetriever::create(options.folder, params);
  std::vector<live::Event> events;
  const auto send = [&](const char* what, std::size_t count) {
    report("load", what, count, apply(*retriever, std::exchange(events, {}), options.batch));
  };
  for (std::size_t j = 0; j < data.passages.size(); ++j) {
    events.emplace_back(live::UpsertPassage{passage_id(j), row_of(data.passages, j)});
  }
  send("passages", data.passages.size());
  for (std::size_t i = 0; i < data.queries.size(); ++i) {
    events.emplace_back(live::UpsertQuery{query_id(i), row_of(data.queries, i)});
  }
  send("training queries", data.queries.size());
  for (const RelevancePair& pair : data.pairs) {
    events.emplace_back(live::AddPair{query_id(pair.query.row()), passage_id(pair.passage.row()), pair.weight});
  }
  send("pairs", data.pairs.size());
  auto start = Clock::now();
  retriever.reset();
  retriever = live::LiveRetriever::open(options.folder);
  const auto all = static_cast<double>(data.passages.size() + data.queries.size() + data.pairs.size());
  const double seconds = seconds_since(start);
  std::printf("replay of the whole log: %.2f s, %.0f events a second\n", seconds, all / seconds);
  start = Clock::now();
  retriever->merge();
  std::printf("merge: %.1f s\n", seconds_since(start));
  return retriever;
}

/// A retriever built at once of what the live one was told; queries without a pair have no part in it.
[[nodiscard]] AnyRetriever built(const LiveData& data, const RetrieverSpec& spec) {
  EmbeddingStore<float> voting(data.queries.dim());
  std::vector<RelevancePair> pairs;  // theirs come ascending by query
  for (std::size_t i = 0; i < data.pairs.size(); ++i) {
    if (i == 0 || data.pairs[i].query != data.pairs[i - 1].query) {
      voting.append(row_of(data.queries, data.pairs[i].query.row()));
    }
    pairs.push_back({QueryId(static_cast<Row>(voting.size() - 1)), data.pairs[i].passage, data.pairs[i].weight});
  }
  return build(spec, data.passages.view(), voting.view(),
               RelevanceMatrix::from_pairs(pairs, voting.size(), data.passages.size()));
}

/// Milliseconds of a search, one after the other.
[[nodiscard]] std::vector<double> search_ms(const live::LiveRetriever& retriever, const EmbeddingStore<float>& tests) {
  std::vector<double> milliseconds;
  for (std::size_t i = 0; i < std::min<std::size_t>(500, tests.size()); ++i) {
    const auto start = Clock::now();
    (void)retriever.search({tests.row(i), tests.dim()}, 10);
    milliseconds.push_back(1e3 * seconds_since(start));
  }
  return milliseconds;
}

/// Runs `beside` on a thread of its own while `act` runs; it is told when that is over.
template <class Act>
void beside(const std::function<void(const std::atomic<bool>&)>& other, const Act& act) {
  std::atomic<bool> is_over{false};
  std::thread thread([&] { other(is_over); });
  act();
  is_over = true;
  thread.join();
}

/// Searches at 30 % of what one core does, idle, beside a busy loop and beside a merge; and what a merge needs.
/// @param own_mib  of this program
void serve_beside_merge(live::LiveRetriever& retriever, const LiveData& data, double own_mib) {
  const double rate = 0.3 * 1e3 / median(search_ms(retriever, data.tests));
  const std::atomic<bool> never{false};
  const auto idle = open_loop(retriever, data.tests, rate, 1000, never);
  std::vector<double> by_loop;
  beside(
      [](const std::atomic<bool>& is_over) {
        volatile std::size_t count = 0;
        while (!is_over) count = count + 1;
      },
      [&] { by_loop = open_loop(retriever, data.tests, rate, 1000, never); });
  const double before = anonymous_mib() - own_mib;
  double most = before;
  std::atomic<bool> is_merged{false};
  std::vector<double> by_merge;
  beside(
      [&](const std::atomic<bool>&) {
        retriever.merge({AnyExecutor::serial(), {}});
        is_merged = true;
      },
      [&] {
        while (!is_merged) {
          const auto some = open_loop(retriever, data.tests, rate, 50, is_merged);
          by_merge.insert(by_merge.end(), some.begin(), some.end());
          most = std::max(most, anonymous_mib() - own_mib);
        }
      });
  std::printf("search at %.0f a second: p99 idle %.2f ms, beside a busy loop %.2f ms, beside a merge %.2f ms (%zu)\n",
              rate, percentile(idle, 0.99), percentile(by_loop, 0.99), percentile(by_merge, 0.99), by_merge.size());
  const double live = base_mib(retriever);
  std::printf("anonymous memory: %.0f MiB before that merge, %.0f in it, of %.0f MiB live data: %.2f, %.2f\n", before,
              most, live, before / live, most / live);
}

/// One merge after the other, on one thread.
void merge_until(live::LiveRetriever& retriever, const std::atomic<bool>& is_over) {
  const auto asked = [&](std::size_t, std::size_t) { return is_over ? ProgressAction::stop : ProgressAction::proceed; };
  try {
    while (!is_over) retriever.merge({AnyExecutor::serial(), asked});
  } catch (const Cancelled&) {
  }
}

void run(const LiveOptions& options) {
  const LiveData data = read_first(options.data, options.passages, options.queries);
  live::LiveParams params{.dim = data.passages.dim()};
  const auto method = parse_enum<Method>(options.method);
  if (!method) throw Error("--method " + options.method + ": expected erm, xs or xl");
  if (data.pairs.empty()) throw Error(options.data + ": its first rows have no pair between them; take more");
  params.spec.method = *method;
  std::printf("%s\n%zu passages, %zu training queries, %zu pairs, dim %zu, %s, batches of %zu\n", machine().c_str(),
              data.passages.size(), data.queries.size(), data.pairs.size(), data.passages.dim(), options.method.c_str(),
              options.batch);
  const std::vector<double> syncs = sync_seconds(options.folder);
  std::printf("this disk's sync of 4 KiB: p50 %.2f ms, p99 %.2f ms\n", 1e3 * median(syncs),
              1e3 * percentile(syncs, 0.99));
  const double own_mib = anonymous_mib();
  const auto retriever = load(options, data, params);
  if (params.spec.method != Method::erm && options.compares) compare(*retriever, built(data, params.spec), data.tests);
  std::printf("search: p50 %.3f ms\n", median(search_ms(*retriever, data.tests)));

  Writes writes(data, options.batch);
  time_replay(*retriever, options, writes.make(Writes::kinds()[0], 4 * data.passages.size()));
  report("a batch each", "pairs to known queries", 50, apply(*retriever, writes.make(Writes::kinds()[0], 50), 1));
  for (const Writes::Kind& kind : Writes::kinds()) {
    const std::size_t burst = 8 * options.batch;
    report("burst", kind.name, burst, apply(*retriever, writes.make(kind, burst), options.batch));
  }
  const auto stats = retriever->stats();
  std::printf("search with %zu rows in the deltas, %zu hidden: p50 %.3f ms\n", stats.delta_rows, stats.hidden_rows,
              median(search_ms(*retriever, data.tests)));
  serve_beside_merge(*retriever, data, own_mib);

  beside([&](const std::atomic<bool>& is_over) { merge_until(*retriever, is_over); },
         [&] {
           for (const Writes::Kind& kind : Writes::kinds()) {
             std::size_t count = 0;
             std::vector<double> seconds;
             for (const auto start = Clock::now(); seconds_since(start) < options.seconds; count += options.batch) {
               const auto some = apply(*retriever, writes.make(kind, options.batch), options.batch);
               seconds.insert(seconds.end(), some.begin(), some.end());
             }
             report("beside merges", kind.name, count, seconds);
           }
         });
  std::filesystem::remove_all(options.folder);
}

}  // namespace

int main(int argc, char** argv) {
  LiveOptions options;
  CLI::App app("What learning while serving costs");
  app.add_option("--data", options.data, "the folder that examples/encode made")->required();
  app.add_option("--folder", options.folder, "made anew, for the live folder")->capture_default_str();
  app.add_option("--method", options.method, "erm, xs or xl")->capture_default_str();
  app.add_option("--passages", options.passages, "how many")->capture_default_str();
  app.add_option("--queries", options.queries, "training queries, how many")->capture_default_str();
  app.add_option("--batch", options.batch, "events a batch")->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long each kind of write goes on beside merges")
      ->capture_default_str();
  app.add_flag("!--no-compare", options.compares, "do not build a retriever to hold the live one against");
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_live: %s\n", error.what());
    return 1;
  }
  return 0;
}
