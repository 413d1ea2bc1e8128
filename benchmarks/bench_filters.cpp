// What does a condition cost? Filtered searches of QuantizedHnswIndex against the exact scan of the admitted rows,
// hnswlib's own filter, faiss's and usearch's, where 50, 10, 1 and 0.1 % of the rows are admitted: by chance, by having
// to do with the query, and by being far from it. Then what PEFA-XL finds by either reading of a filter.
//
// Results first: every row that is found must be admitted, and no search may find fewer than k of them. Times are the
// thread's CPU time of each search: pefa's ways take turns to be the first of a round, so that none finds the caches as
// another left them more often than the others; what reads much, rivals and the exact scan, has rounds of its own.
#include <ctime>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <random>

#include "bench_support.hpp"
#include "usearch_rows.hpp"

#if PEFA_BENCH_FAISS
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/impl/IDSelector.h>
#endif

namespace {

using namespace pefa;
using namespace pefa::bench;

constexpr std::size_t k = 10;

[[nodiscard]] double thread_microseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e6 * static_cast<double>(now.tv_sec) + 1e-3 * static_cast<double>(now.tv_nsec);
}

#if __has_include(<hnswlib/stop_condition.h>)  // hnswlib 0.8, the first that takes a predicate so
#define PEFA_BENCH_HNSWLIB_FILTER 1
/// hnswlib's predicate.
class Functor : public hnswlib::BaseFilterFunctor {
 public:
  explicit Functor(const RowSet& set) : set_(set) {}
  bool operator()(hnswlib::labeltype row) { return set_.contains(static_cast<Row>(row)); }

 private:
  const RowSet& set_;
};
#else
#define PEFA_BENCH_HNSWLIB_FILTER 0
#endif

#if PEFA_BENCH_FAISS
/// Lists of rows with a selector: the index of faiss that filters at any version.
class FaissIvf {
 public:
  explicit FaissIvf(const EmbeddingView<float>& rows)
      : centers_(static_cast<faiss::Index::idx_t>(rows.dim())),
        index_(&centers_, rows.dim(), static_cast<std::size_t>(4.0 * std::sqrt(static_cast<double>(rows.size()))),
               faiss::METRIC_INNER_PRODUCT) {
    const auto n = static_cast<faiss::Index::idx_t>(rows.size());
    index_.train(n, rows.data());
    index_.add(n, rows.data());
  }

  /// @param bitmap  of the admitted rows
  [[nodiscard]] std::vector<Row> search(QueryView query, const std::vector<std::uint8_t>& bitmap) const {
    faiss::IDSelectorBitmap selector(bitmap.size(), bitmap.data());
    faiss::SearchParametersIVF parameters;
    parameters.nprobe = 64;
    parameters.sel = &selector;
    std::array<float, k> scores{};
    std::array<faiss::Index::idx_t, k> labels{};
    index_.search(1, query.data(), k, scores.data(), labels.data(), &parameters);
    std::vector<Row> rows;
    for (const faiss::Index::idx_t label : labels) {
      if (label >= 0) rows.push_back(static_cast<Row>(label));
    }
    return rows;
  }

 private:
  mutable faiss::IndexFlatIP centers_;
  faiss::IndexIVFFlat index_;
};
#endif

/// Rows about 1,000 centres, of length 1, and queries of the same kind: "1000000x96".
[[nodiscard]] DataSet synthetic(const std::string& shape) {
  std::size_t n = 0;
  std::size_t dim = 0;
  if (std::sscanf(shape.c_str(), "%zux%zu", &n, &dim) != 2 || n < 1000 || dim == 0) {
    throw ValueError("--synthetic " + shape + ": expected ROWSxDIM, at least 1000 rows");
  }
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> centers(1000 * dim);
  for (float& x : centers) x = normal(random);
  const auto draw = [&](std::size_t count) {
    std::vector<float> rows(count * dim);
    for (std::size_t i = 0; i < count; ++i) {
      const float* center = centers.data() + random() % 1000 * dim;
      for (std::size_t d = 0; d < dim; ++d) rows[i * dim + d] = center[d] + normal(random);
    }
    return EmbeddingStore<float>::from(EmbeddingView<float>(rows, dim), Normalize::unit);
  };
  auto passages = draw(n);
  auto train = draw(1000);
  auto test = draw(1000);
  const auto none = RelevanceMatrix::from_pairs({}, test.size(), passages.size());
  return {std::move(passages), std::move(train), std::move(test), none, none};
}

/// One condition and the queries asked under it.
struct Case {
  RowSet set;
  std::vector<std::size_t> queries;
  std::vector<std::uint8_t> bitmap{};  ///< of the set, as faiss reads it
};

/// Sets of one size. Those that have to do with queries are the rows nearest to a training query, asked by the test
/// queries nearest to it, or by those farthest from it.
[[nodiscard]] std::vector<Case> cases_of(const std::string& kind, double share, const FlatIndex<>& rows,
                                         const EmbeddingStore<float>& pivots, const EmbeddingStore<float>& queries,
                                         std::size_t count) {
  constexpr std::size_t groups = 8;
  const auto admitted = static_cast<std::size_t>(share * static_cast<double>(rows.size()));
  const auto by_query = FlatIndex<>::build(queries.view(), {.rows = Rows::borrow});
  std::vector<Case> cases;
  for (std::size_t g = 0; g < groups; ++g) {
    Case one;
    if (kind == "independent") {
      std::vector<Row> all(rows.size());
      std::iota(all.begin(), all.end(), Row{0});
      std::mt19937 random(static_cast<unsigned>(g + 1));
      std::shuffle(all.begin(), all.end(), random);
      one.set = RowSet::of(std::span<const Row>(all).first(admitted), rows.size());
      for (std::size_t q = g; q < queries.size() && one.queries.size() < count / groups; q += groups) {
        one.queries.push_back(q);
      }
    } else {
      const QueryView pivot(pivots.row(g * pivots.size() / groups), pivots.dim());
      one.set = RowSet::of(rows_of(rows.search(pivot, admitted)), rows.size());
      std::vector<Row> near = rows_of(by_query.search(pivot, queries.size()));
      if (kind == "opposed") std::reverse(near.begin(), near.end());
      near.resize(std::min(near.size(), count / groups));
      one.queries.assign(near.begin(), near.end());
    }
    one.bitmap.resize((rows.size() + 7) / 8);
    one.set.for_each([&](Row row) { one.bitmap[row / 8] |= static_cast<std::uint8_t>(1U << (row % 8)); });
    cases.push_back(std::move(one));
  }
  return cases;
}

/// Adds cases to those that filters_qdrant.sh asks: who is admitted as a file of row numbers, u32, and the queries.
void write_cases(const std::string& folder, double share, const std::string& kind, const std::vector<Case>& cases,
                 nlohmann::ordered_json& listed) {
  for (std::size_t g = 0; g < cases.size(); ++g) {
    const std::string name = std::to_string(share) + "-" + kind + "-" + std::to_string(g);
    std::vector<Row> rows;
    cases[g].set.for_each([&](Row row) { rows.push_back(row); });
    std::ofstream(std::filesystem::path(folder) / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(rows.data()), static_cast<std::streamsize>(rows.size() * sizeof(Row)));
    listed.push_back({{"admitted", share}, {"filter", kind}, {"rows", name}, {"queries", cases[g].queries}});
  }
}

/// A way to search, and what it came to.
struct Way {
  enum class Kind {
    filtered,    ///< pefa's
    unfiltered,  ///< pefa's without the filter, to hold times against
    dear,        ///< reads so much that it leaves no cache to others: has rounds of its own
    rival        ///< hnswlib's, faiss's or usearch's; dear as well
  };

  std::string name;
  std::function<std::vector<Row>(QueryView, const Case&)> search;
  Kind kind = Kind::filtered;
  double recall = 0.0;
  std::vector<double> microseconds{};
};

/// Runs every way over every case: recall first, then times, one way after the other in every round.
/// @return  whether what they found is right
[[nodiscard]] bool run(std::vector<Way>& ways, const std::vector<Case>& cases, const FlatIndex<>& flat,
                       const EmbeddingStore<float>& queries, std::size_t rounds) {
  std::size_t asked = 0;
  for (const Case& one : cases) {
    const auto query = [&](std::size_t q) { return QueryView(queries.row(q), queries.dim()); };
    for (const std::size_t q : one.queries) {
      const std::vector<Row> exact = rows_of(flat.search_filtered(query(q), k, one.set));
      ++asked;
      for (Way& way : ways) {
        if (way.kind == Way::Kind::unfiltered) continue;
        const std::vector<Row> found = way.search(query(q), one);
        way.recall += recall_of(found, exact);
        const bool admitted = std::all_of(found.begin(), found.end(), [&](Row row) { return one.set.contains(row); });
        if (!admitted || (way.name == "pefa" && found.size() != exact.size())) return false;
      }
    }
    for (const bool much : {false, true}) {
      for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t turn = 0; turn < ways.size(); ++turn) {
          Way& way = ways[(turn + round) % ways.size()];
          if ((way.kind >= Way::Kind::dear) != much) continue;
          for (const std::size_t q : one.queries) {
            const double start = thread_microseconds();
            (void)way.search(query(q), one);
            way.microseconds.push_back(thread_microseconds() - start);
          }
        }
      }
    }
  }
  for (Way& way : ways) {
    way.recall /= static_cast<double>(std::max<std::size_t>(asked, 1));
    if (way.kind == Way::Kind::unfiltered) way.recall = std::numeric_limits<double>::quiet_NaN();
  }
  return true;
}

/// Recall@10 of the admitted relevant passages, by each reading.
void print_readings(const DataSet& data, nlohmann::ordered_json& json) {
  const auto xl = PefaXl<float, FlatIndex<>>::build(data.passages.view(), data.train_queries.view(),
                                                    data.train_relevance, {.lambda = 0.1f, .neighbors = 16});
  std::printf(
      "\nRecall@10 in %%, PEFA-XL (lambda 0.1, k 16), of the relevant passages that are admitted\n"
      "%9s %9s %14s %9s\n",
      "admitted", "ERM", "with_admitted", "all");
  for (const double share : {0.5, 0.1, 0.01, 0.001}) {
    std::array<double, 3> recall{};
    std::size_t asked = 0;
    for (unsigned seed = 1; seed <= 10; ++seed) {
      std::mt19937 random(seed);
      std::bernoulli_distribution in(share);
      const PassageSet set(RowSet::where(data.passages.size(), [&](Row) { return in(random); }));
      for (std::size_t q = 0; q < data.test_queries.size(); ++q) {
        std::vector<Row> relevant;
        for (const std::int32_t passage : data.test_relevance.passages_of(QueryId(static_cast<Row>(q))).columns) {
          if (set.contains(PassageId(static_cast<Row>(passage)))) relevant.push_back(static_cast<Row>(passage));
        }
        if (relevant.empty()) continue;
        ++asked;
        const QueryView query = data.query(q);
        recall[0] += recall_of(rows_of(xl.search_filtered(query, k, set, {.lambda = 1.0f})), relevant);
        recall[1] += recall_of(rows_of(xl.search_filtered(query, k, set)), relevant);
        recall[2] += recall_of(rows_of(xl.search_filtered(query, k, {set, {}, FilteredNeighbors::all})), relevant);
      }
    }
    for (double& each : recall) each *= 100.0 / static_cast<double>(std::max<std::size_t>(asked, 1));
    std::printf("%8.1f%% %9.1f %14.1f %9.1f   (%zu queries)\n", 100 * share, recall[0], recall[1], recall[2], asked);
    json["readings"].push_back({{"admitted", share},
                                {"queries", asked},
                                {"erm", recall[0]},
                                {"with_admitted", recall[1]},
                                {"all", recall[2]}});
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Filtered searches: recall@10, p50 and p99 by share and kind of filter");
  Options options;
  options.queries = 200;
  options.rounds = 3;
  std::size_t rows = 0;
  std::string shape;
  std::size_t construction = ef_construction;
  bool readings = true;
  bool rivals = true;
  std::string cases_folder;
  options.add_to(app);
  app.get_option("--data")->required(false);
  app.add_option("--synthetic", shape, "rows made up in the place of --data, as 1000000x96")->excludes("--data");
  app.add_option("--rows", rows, "the first so many passages alone (default: all)");
  app.add_option("--ef-construction", construction, "of every graph")->capture_default_str();
  app.add_flag("!--no-readings", readings, "leave PEFA-XL out");
  app.add_flag("!--no-rivals", rivals, "leave hnswlib, faiss and usearch out");
  app.add_option("--cases", cases_folder, "write the filters and who asks under them there, for filters_qdrant.sh");
  CLI11_PARSE(app, argc, argv);
  try {
    const DataSet data = shape.empty() ? DataSet::read(options.folder) : synthetic(shape);
    const std::size_t n = rows == 0 ? data.passages.size() : std::min(rows, data.passages.size());
    const EmbeddingView<float> passages = data.passages.view().slice(0, n);
    const ThreadExecutor threads(options.threads);
    const auto flat = FlatIndex<>::build(passages, {.rows = Rows::borrow});
    const auto index = QuantizedHnswIndex<>::build(
        passages, {.graph = {.m = m, .ef_construction = construction}, .rows = Rows::borrow}, {threads});
#if PEFA_BENCH_HNSWLIB_FILTER
    hnswlib::InnerProductSpace space(passages.dim());
    hnswlib::HierarchicalNSW<float> theirs(&space, rivals ? n : 1, m, construction);
    theirs.addPoint(passages.row(0), 0);
    threads.run(rivals ? n - 1 : 0, [&](std::size_t i) { theirs.addPoint(passages.row(i + 1), i + 1); });
    theirs.setEf(300);
#endif

#if PEFA_BENCH_FAISS
    const FaissIvf lists(passages.slice(0, rivals ? n : std::min<std::size_t>(n, 1000)));
#endif
#if PEFA_BENCH_USEARCH
    UsearchRows usearch(passages.slice(0, rivals ? n : std::min<std::size_t>(n, 1000)), m, construction, threads);
#endif

    using Costs = pefa::detail::FilterCosts;
    const auto by_costs = [&](const Costs& costs) {
      return [&index, costs](QueryView query, const Case& one) {
        return rows_of(index.search_filtered(query, k, one.set, {}, costs));
      };
    };
    std::printf("%s\n%zu rows of dim %zu, M %zu, efConstruction %zu, ef 300, k %zu\n", machine().c_str(), n,
                passages.dim(), m, construction, k);
    std::printf("%9s %12s %12s %8s %9s %9s\n", "admitted", "filter", "way", "recall", "p50 us", "p99 us");
    nlohmann::ordered_json json{{"machine", machine()}, {"rows", n}, {"dim", passages.dim()}};
    nlohmann::ordered_json listed;
    if (!cases_folder.empty()) std::filesystem::create_directories(cases_folder);
    for (const double share : {1.0, 0.999, 0.5, 0.1, 0.01, 0.001}) {
      for (const std::string kind : {"independent", "correlated", "opposed"}) {
        if (share > 0.5 && kind != "independent") continue;
        const auto cases = cases_of(kind, share, flat, data.train_queries, data.test_queries, options.queries);
        if (!cases_folder.empty()) write_cases(cases_folder, share, kind, cases, listed);
        std::vector<Way> ways{
            {"pefa", [&](QueryView q, const Case& one) { return rows_of(index.search_filtered(q, k, one.set)); }},
            {"unfiltered", [&](QueryView q, const Case&) { return rows_of(index.search(q, k)); },
             Way::Kind::unfiltered},
            {"scan", by_costs({.scanned_row = 0.0, .candidate = 1e9, .two_hops = 1e9}),
             share > 0.1 ? Way::Kind::dear : Way::Kind::filtered},
            {"walk", by_costs({.scanned_row = 1e9, .candidate = 1.0, .two_hops = 1e9})},
            {"two hops", by_costs({.scanned_row = 1e9, .candidate = 1e9, .two_hops = 0.0}), Way::Kind::dear},
            {"exact scan", [&](QueryView q, const Case& one) { return rows_of(flat.search_filtered(q, k, one.set)); },
             Way::Kind::dear}};
#if PEFA_BENCH_HNSWLIB_FILTER
        ways.push_back({"hnswlib",
                        [&](QueryView q, const Case& one) {
                          Functor functor(one.set);
                          std::vector<Row> found;
                          for (auto queue = theirs.searchKnn(q.data(), k, &functor); !queue.empty(); queue.pop()) {
                            found.push_back(static_cast<Row>(queue.top().second));
                          }
                          return found;
                        },
                        Way::Kind::rival});
#endif
#if PEFA_BENCH_FAISS
        ways.push_back(
            {"faiss", [&](QueryView q, const Case& one) { return lists.search(q, one.bitmap); }, Way::Kind::rival});
#endif
#if PEFA_BENCH_USEARCH
        ways.push_back({"usearch",
                        [&](QueryView q, const Case& one) {
                          return usearch.search_filtered(q, k, 300, [&](Row row) { return one.set.contains(row); });
                        },
                        Way::Kind::rival});
#endif
        if (!rivals) std::erase_if(ways, [](const Way& way) { return way.kind == Way::Kind::rival; });
        if (!run(ways, cases, flat, data.test_queries, options.rounds)) {
          std::fprintf(stderr, "bench_filters: a search found a row that is not admitted, or too few\n");
          return 1;
        }
        for (const Way& way : ways) {
          const double p50 = percentile(way.microseconds, 0.5);
          const double p99 = percentile(way.microseconds, 0.99);
          std::printf("%8.1f%% %12s %12s %8.4f %9.1f %9.1f\n", 100 * share, kind.c_str(), way.name.c_str(), way.recall,
                      p50, p99);
          json["searches"].push_back({{"admitted", share},
                                      {"filter", kind},
                                      {"way", way.name},
                                      {"recall", way.recall},
                                      {"p50", p50},
                                      {"p99", p99}});
        }
        std::fflush(stdout);
      }
    }
    if (!cases_folder.empty()) std::ofstream(std::filesystem::path(cases_folder) / "cases.json") << listed;
    if (readings && shape.empty()) print_readings(data, json);
    options.write(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_filters: %s\n", error.what());
    return 1;
  }
}
