// How do build time, bytes and latency grow with the number of passages? QuantizedHnswIndex over n rows of the data;
// past their number, over copies of them moved by Gaussian noise and brought back to unit length (said in the output).
//
// The exponents of n come from a least-squares line through the logarithms. The last table carries them to catalogues
// of the sizes that the PEFA paper reports on; it is arithmetic, not measurement, and says so.
#include <cmath>
#include <cstdio>
#include <random>

#include "bench_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

constexpr std::size_t k = 100;
constexpr double target = 0.99;

struct Size {
  std::size_t rows = 0;
  double build_seconds = 0.0;
  double bytes = 0.0;
  double milliseconds = 0.0;  // at R@100 = 0.99
};

/// The first n rows, or all of them and moved copies. @param noise  length of the move
EmbeddingStore<float> rows_of_size(const EmbeddingStore<float>& rows, std::size_t n, float noise) {
  auto result = EmbeddingStore<float>::from(rows.view().slice(0, std::min(n, rows.size())));
  result.reserve(n);
  std::mt19937 random(1);
  std::normal_distribution<float> gaussian(0.0f, noise / std::sqrt(static_cast<float>(rows.dim())));
  std::vector<float> moved(rows.dim());
  for (std::size_t i = result.size(); i < n; ++i) {
    rows.view().decode(i % rows.size(), moved.data());
    for (float& x : moved) x += gaussian(random);
    result.append(moved, Normalize::unit);
  }
  return result;
}

/// b of y = a · n^b. @param value  picks y
template <class Value>
double exponent(const std::vector<Size>& sizes, const Value& value) {
  double sx = 0.0;
  double sy = 0.0;
  double sxx = 0.0;
  double sxy = 0.0;
  for (const Size& size : sizes) {
    const double x = std::log(static_cast<double>(size.rows));
    const double y = std::log(value(size));
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
  }
  const auto n = static_cast<double>(sizes.size());
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

Size measure_size(const EmbeddingStore<float>& rows, const EmbeddingView<float>& queries, const Options& options) {
  const auto flat = FlatIndex<>::build(rows.view(), {.rows = Rows::borrow});
  Size size{.rows = rows.size()};
  const auto start = Clock::now();
  const auto index =
      QuantizedHnswIndex<>::build(rows.view(), {.rows = Rows::borrow}, {ThreadExecutor(options.threads)});
  size.build_seconds = seconds_since(start);
  size.bytes = static_cast<double>(index.served_bytes());
  std::vector<Peer> peers(1);
  peers[0].exact = std::make_shared<const std::vector<std::vector<Row>>>(rows_of(search_batch(flat, queries, k)));
  peers[0].search = [&](std::size_t q, std::size_t depth, std::size_t ef) {
    return rows_of(index.search({queries.row(q), queries.dim()}, depth, {.ef = ef}));
  };
  measure(peers, k, {100, 130, 170, 220, 300, 400, 550, 800, 1200}, options.rounds);
  size.milliseconds = milliseconds_for(peers[0].curve, target).value_or(NAN);
  return size;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("How QuantizedHnswIndex grows with the number of passages");
  Options options;
  options.add_to(app);
  std::vector<std::size_t> counts{10'000, 30'000, 100'000, 300'000, 1'000'000};
  float noise = 0.3f;
  app.add_option("--rows", counts, "numbers of rows, ascending")->delimiter(',')->capture_default_str();
  app.add_option("--noise", noise, "length of the noise on copied rows, whose length is 1")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const auto passages = io::read_npy<float>(options.folder + "/passages.npy");
    const auto test = io::read_npy<float>(options.folder + "/test_queries.npy");
    const EmbeddingView<float> queries = test.view().slice(0, std::min(options.queries, test.size()));
    std::printf("%s\ndim %zu, %zu queries, k = %zu; rows past %zu are copies moved by noise of length %.2f\n",
                machine().c_str(), passages.dim(), queries.size(), k, passages.size(), static_cast<double>(noise));
    std::printf("%10s%12s%12s%16s%16s\n", "rows", "build s", "MiB", "bytes a row", "ms at R=.99");
    std::vector<Size> sizes;
    nlohmann::ordered_json json{{"machine", machine()}, {"data", options.folder}, {"noise", noise}};
    for (const std::size_t count : counts) {
      sizes.push_back(measure_size(rows_of_size(passages, count, noise), queries, options));
      const Size& size = sizes.back();
      std::printf("%10zu%12.1f%12.1f%16.0f%16.3f\n", size.rows, size.build_seconds, size.bytes / (1 << 20),
                  size.bytes / static_cast<double>(size.rows), size.milliseconds);
      std::fflush(stdout);
      json["sizes"].push_back({{"rows", size.rows},
                               {"build_seconds", size.build_seconds},
                               {"bytes", size.bytes},
                               {"ms_at_0.99", size.milliseconds}});
    }
    if (sizes.size() < 2) {
      options.write(json);
      return 0;
    }
    const double build = exponent(sizes, [](const Size& size) { return size.build_seconds; });
    const double bytes = exponent(sizes, [](const Size& size) { return size.bytes; });
    const double latency = exponent(sizes, [](const Size& size) { return size.milliseconds; });
    std::printf("exponents of n: build %.2f, bytes %.2f, latency %.2f\n", build, bytes, latency);
    json["exponents"] = {{"build", build}, {"bytes", bytes}, {"latency", latency}};

    const Size& last = sizes.back();
    std::printf("\ncarried on from %zu rows by these exponents (arithmetic, not measured):\n%14s%14s%12s%12s\n",
                last.rows, "rows", "build hours", "GiB", "ms");
    for (const double rows : {5e6, 15e6, 30e6, 100e6}) {
      const double factor = rows / static_cast<double>(last.rows);
      std::printf("%14.0f%14.1f%12.1f%12.2f\n", rows, last.build_seconds * std::pow(factor, build) / 3600.0,
                  last.bytes * std::pow(factor, bytes) / (1 << 30), last.milliseconds * std::pow(factor, latency));
    }
    options.write(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_scale: %s\n", error.what());
    return 1;
  }
}
