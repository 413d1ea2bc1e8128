// What does FlatIndex take a query, alone and in batches, and what would reading every float take? One thread, so that
// a batch's gain is not that of threads.
//
// Results first: every batch must give what single searches give, to the bit, and so must the scan of the floats.
#include <array>
#include <cstdio>
#include <numeric>
#include <random>

#include "bench_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

constexpr std::size_t k = 10;
constexpr std::size_t most_queries = 1000;

EmbeddingStore<float> gaussian_rows(std::size_t n, std::size_t dim, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> gaussian;
  RowMajorMatrix rows(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(dim));
  for (Eigen::Index i = 0; i < rows.size(); ++i) rows.data()[i] = gaussian(random);
  return EmbeddingStore<float>::from(rows, Normalize::unit);
}

/// As many queries as a batch of 1,000 needs, from the front again where there are fewer.
EmbeddingStore<float> repeated(const EmbeddingStore<float>& queries) {
  EmbeddingStore<float> result(queries.dim());
  for (std::size_t i = 0; i < most_queries; ++i) {
    result.append({queries.row(i % queries.size()), queries.dim()});
  }
  return result;
}

/// The best k by the kernel over every row.
std::vector<Neighbor> scan_floats(const EmbeddingView<float>& rows, QueryView query) {
  static const auto numbers = [] {
    std::array<Row, 64> all{};
    std::iota(all.begin(), all.end(), Row{0});
    return all;
  }();
  std::array<float, 64> scores{};
  TopK best(k);
  for (std::size_t first = 0; first < rows.size(); first += numbers.size()) {
    const std::size_t count = std::min(numbers.size(), rows.size() - first);
    simd::dot_rows_kernel<float>()(query.data(), rows.row(first), rows.stride(), rows.dim(), numbers.data(), count,
                                   nullptr, scores.data());
    for (std::size_t i = 0; i < count; ++i) best.push({static_cast<Row>(first + i), scores[i]});
  }
  return best.take();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Microseconds a query of exact search, alone and in batches");
  std::string folder;
  std::size_t rows = 20'000;
  std::size_t dim = 512;
  std::size_t rounds = 5;
  app.add_option("--data", folder, "the folder that examples/encode made (default: Gaussian vectors of unit length)");
  app.add_option("--rows", rows, "how many, at most")->capture_default_str();
  app.add_option("--dim", dim, "of them, without --data")->capture_default_str();
  app.add_option("--rounds", rounds, "how often each batch is timed")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const auto passages = folder.empty() ? gaussian_rows(rows, dim, 1) : io::read_npy<float>(folder + "/passages.npy");
    const auto queries = repeated(folder.empty() ? gaussian_rows(most_queries, dim, 2)
                                                 : io::read_npy<float>(folder + "/test_queries.npy"));
    const EmbeddingView<float> used = passages.view().slice(0, std::min(rows, passages.size()));
    const auto index = FlatIndex<>::build(used, {.rows = Rows::borrow});
    const ThreadExecutor one(1);
    const auto single = [&](std::size_t q) { return index.search({queries.row(q), queries.dim()}, k); };
    std::printf("%s\n%zu rows of dim %zu, k = %zu, one thread, medians of %zu rounds\n", machine().c_str(), used.size(),
                used.dim(), k, rounds);

    std::vector<std::vector<Neighbor>> expected;
    for (std::size_t q = 0; q < most_queries; ++q) expected.push_back(single(q));
    const std::vector<std::size_t> sizes{1, 4, 16, 64, 1000};
    for (const std::size_t size : sizes) {
      for (std::size_t begin = 0; begin + size <= most_queries; begin += size) {
        const auto found = index.search_batch(queries.view().slice(begin, begin + size), k, {}, one);
        if (std::equal(found.begin(), found.end(), expected.begin() + static_cast<std::ptrdiff_t>(begin))) continue;
        std::fprintf(stderr, "bench_flat_batch: a batch of %zu differs from single searches\n", size);
        return 1;
      }
    }
    for (std::size_t q = 0; q < most_queries; ++q) {
      if (scan_floats(used, {queries.row(q), queries.dim()}) == expected[q]) continue;
      std::fprintf(stderr, "bench_flat_batch: a search differs from a scan of the floats\n");
      return 1;
    }
    std::printf("%8s%16s%16s%10s%16s%10s\n", "batch", "single us", "batch us", "ratio", "floats us", "single's");
    for (const std::size_t size : sizes) {
      std::vector<double> alone;
      std::vector<double> together;
      std::vector<double> floats;
      for (std::size_t round = 0; round < rounds; ++round) {
        auto start = Clock::now();
        for (std::size_t q = 0; q < size; ++q) (void)single(q);
        alone.push_back(1e6 * seconds_since(start) / static_cast<double>(size));
        start = Clock::now();
        for (std::size_t q = 0; q < size; ++q) (void)scan_floats(used, {queries.row(q), queries.dim()});
        floats.push_back(1e6 * seconds_since(start) / static_cast<double>(size));
        start = Clock::now();
        (void)index.search_batch(queries.view().slice(0, size), k, {}, one);
        together.push_back(1e6 * seconds_since(start) / static_cast<double>(size));
      }
      const double single_us = percentile(alone, 0.5);
      const double batch_us = percentile(together, 0.5);
      const double floats_us = percentile(floats, 0.5);
      std::printf("%8zu%16.1f%16.1f%10.2f%16.1f%10.2f\n", size, single_us, batch_us, batch_us / single_us, floats_us,
                  single_us / floats_us);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_flat_batch: %s\n", error.what());
    return 1;
  }
}
