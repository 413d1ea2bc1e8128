// What the closed-form fits cost: seconds to fit a whitening, least squares and a balance, and microseconds a query
// that is whitened or balanced between searches, with another index in the caches.
#include <array>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "bench_support.hpp"
#include "pefa/adapter/balance.hpp"
#include "pefa/adapter/least_squares.hpp"
#include "pefa/adapter/whitening.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

EmbeddingStore<float> random_rows(std::size_t size, std::size_t dim, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  RowMajorMatrix rows(static_cast<Eigen::Index>(size), static_cast<Eigen::Index>(dim));
  for (float& value : std::span(rows.data(), size * dim)) value = normal(random);
  return EmbeddingStore<float>::from(rows, Normalize::unit);
}

RelevanceMatrix random_pairs(std::size_t queries, std::size_t passages) {
  std::mt19937 random(3);
  std::vector<RelevancePair> pairs;
  for (Row i = 0; i < queries; ++i) {
    pairs.push_back({QueryId(i), PassageId(static_cast<Row>(random() % passages)), 1.0f});
  }
  return RelevanceMatrix::from_pairs(pairs, queries, passages);
}

/// Median microseconds of `map`, a search of another index before each call.
template <class Map>
double microseconds(const FlatIndex<>& other, const EmbeddingView<float>& queries, const Map& map) {
  std::vector<double> times;
  for (std::size_t round = 0; round < 5; ++round) {
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const QueryView query(queries.row(q), queries.dim());
      (void)other.search(query, 10);
      const auto start = Clock::now();
      map(query);
      times.push_back(1e6 * seconds_since(start));
    }
  }
  return percentile(times, 0.5);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What the closed-form fits cost");
  Options options;
  std::vector<std::size_t> dims{384, 512, 768, 1024, 4096};
  std::size_t queries = 50'000;
  std::size_t passages = 20'000;
  app.add_option("--dims", dims, "dimensions")->capture_default_str();
  app.add_option("--train-queries", queries, "training queries")->capture_default_str();
  app.add_option("--passages", passages, "passages")->capture_default_str();
  app.add_option("--json", options.json_path, "write the result here");
  CLI11_PARSE(app, argc, argv);
  nlohmann::ordered_json json;
  std::printf("%s\n%zu training queries, %zu passages, random rows\n", machine().c_str(), queries, passages);
  std::printf("%6s%14s%14s%14s%14s%16s%16s%16s\n", "dim", "whitening s", "least sq. s", "solve all s", "balance s",
              "whiten us", "rank 1/4 us", "balance us");
  for (const std::size_t dim : dims) {
    const auto p = random_rows(passages, dim, 1);
    const auto q = random_rows(queries, dim, 2);
    const RelevanceMatrix y = random_pairs(queries, passages);
    auto start = Clock::now();
    const auto whitening = Whitening::fit(q.view(), y);
    const double whitening_seconds = seconds_since(start);
    start = Clock::now();
    const auto solved = LeastSquares::fit(p.view(), q.view(), {.shrinkage = 0.3f, .passages_as_queries = 0.3f});
    const double fit_seconds = seconds_since(start);
    start = Clock::now();
    const auto folded = solved.solve_all(p.view(), q.view(), y);
    const double solve_seconds = seconds_since(start);
    start = Clock::now();
    const auto balance = Balance::fit(q.view(), folded.view());
    const double balance_seconds = seconds_since(start);
    const auto low = Whitening::fit(q.view(), y, {.rank = dim / 4});

    const auto other = FlatIndex<>::build(p.view().slice(0, std::min<std::size_t>(passages, (16U << 20) / (4 * dim))),
                                          {.rows = Rows::borrow});
    const EmbeddingView<float> asked = q.view().slice(0, 200);
    std::vector<float> out(dim);
    const double whiten = microseconds(other, asked, [&](QueryView query) { whitening.apply(query, out); });
    const double rank = microseconds(other, asked, [&](QueryView query) { low.apply(query, {out.data(), dim / 4}); });
    const double map = microseconds(other, asked, [&](QueryView query) { balance.map_query(query, out); });
    std::printf("%6zu%14.2f%14.2f%14.2f%14.2f%16.1f%16.1f%16.1f\n", dim, whitening_seconds, fit_seconds, solve_seconds,
                balance_seconds, whiten, rank, map);
    std::fflush(stdout);
    json.push_back({{"dim", dim},
                    {"whitening_seconds", whitening_seconds},
                    {"least_squares_seconds", fit_seconds},
                    {"solve_all_seconds", solve_seconds},
                    {"balance_seconds", balance_seconds},
                    {"whiten_microseconds", whiten},
                    {"quarter_rank_microseconds", rank},
                    {"balance_microseconds", map}});
  }
  options.write(json);
  return 0;
}
