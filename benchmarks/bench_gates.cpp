// Which gate of PEFA-XL? The library's gates, and those that were tried and left out: a threshold on the similarity,
// weights by rank, and other weights of Y in the place of the gate's business. Each at two k, by exact search.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "quality_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

constexpr float lambda = 0.1f;
constexpr std::array<std::size_t, 2> neighbors{16, 64};

/// Any gate by one type, so that one PefaXl is compiled for them all.
struct FunctionGate {
  std::function<void(std::span<const float>, std::span<float>)> weigh = MeanGate{};

  void operator()(std::span<const float> similarities, std::span<float> weights) const { weigh(similarities, weights); }
};

/// w_i = 1/n for the n neighbours at least as near as the threshold, 0 for the others.
struct ThresholdGate {
  float threshold;

  void operator()(std::span<const float> similarities, std::span<float> weights) const {
    std::size_t near = 0;  // the nearest come first
    while (near < similarities.size() && similarities[near] >= threshold) ++near;
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = i < near ? 1.0f / static_cast<float>(near) : 0.0f;
  }
};

/// w_i = (1/i) / Σ 1/i by the rank i of the neighbour, from 1.
struct RankGate {
  void operator()(std::span<const float> /*similarities*/, std::span<float> weights) const {
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = 1.0f / static_cast<float>(i + 1);
    const float sum = std::accumulate(weights.begin(), weights.end(), 0.0f);
    for (float& weight : weights) weight /= sum;
  }
};

/// Each passage's weights divided by their sum, so that every passage has as much to say.
RelevanceMatrix column_normalized(const RelevanceMatrix& relevance) {
  std::vector<double> sums(relevance.cols(), 0.0);
  RelevanceMatrix::Sparse scaled = relevance.sparse();
  const auto column = [&](Eigen::Index i) { return static_cast<std::size_t>(scaled.innerIndexPtr()[i]); };
  for (Eigen::Index i = 0; i < scaled.nonZeros(); ++i) sums[column(i)] += static_cast<double>(scaled.valuePtr()[i]);
  for (Eigen::Index i = 0; i < scaled.nonZeros(); ++i) {
    scaled.valuePtr()[i] = static_cast<float>(static_cast<double>(scaled.valuePtr()[i]) / sums[column(i)]);
  }
  return RelevanceMatrix::from_eigen(scaled);
}

/// A gate over one Y.
struct Setting {
  std::string name;
  FunctionGate gate;
  const RelevanceMatrix& relevance;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The gates of PEFA-XL, and those that were left out");
  Options options;
  add_quality_options(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    const DataSet data = read_data(options);
    const RelevanceMatrix& y = data.train_relevance;
    const RelevanceMatrix by_query = y.row_normalized();
    const RelevanceMatrix by_passage = column_normalized(y);
    const RelevanceMatrix dampened = y.log1p();
    const SoftmaxGate softmax(0.05f);
    const std::vector<Setting> kept{{"mean", {MeanGate{}}, y},
                                    {"sum", {SumGate{}}, y},
                                    {"softmax(0.02)", {SoftmaxGate(0.02f)}, y},
                                    {"softmax(0.05)", {softmax}, y},
                                    {"softmax(0.1)", {SoftmaxGate(0.1f)}, y},
                                    {"softmax(0.2)", {SoftmaxGate(0.2f)}, y}};
    const std::vector<Setting> left_out{{"mean of similarity >= 0.6", {ThresholdGate{0.6f}}, y},
                                        {"mean of similarity >= 0.7", {ThresholdGate{0.7f}}, y},
                                        {"1/rank", {RankGate{}}, y},
                                        {"mean, Y by query", {MeanGate{}}, by_query},
                                        {"softmax(0.05), Y by query", {softmax}, by_query},
                                        {"mean, Y by passage", {MeanGate{}}, by_passage},
                                        {"softmax(0.05), Y by passage", {softmax}, by_passage},
                                        {"mean, log1p of Y", {MeanGate{}}, dampened},
                                        {"softmax(0.05), log1p of Y", {softmax}, dampened}};

    print_data(data, options);
    std::printf("lambda = %g; Y by query: each row normalised; by passage: each column\n", static_cast<double>(lambda));
    nlohmann::ordered_json json{{"data", options.folder}, {"lambda", lambda}};
    const auto report = [&](const char* heading, const char* key, const std::vector<Setting>& settings, std::size_t k) {
      std::printf("\n%s, k = %zu\n", heading, k);
      for (const Setting& setting : settings) {
        const auto xl = ExactXl<FunctionGate>::build(data.passages.view(), data.train_queries.view(), setting.relevance,
                                                     {.lambda = lambda,
                                                      .neighbors = k,
                                                      .gate = setting.gate,
                                                      .passage_index = borrowing,
                                                      .query_index = borrowing});
        const std::size_t vectors = data.passages.size() + data.train_queries.size();
        auto line = print_recall(rank(setting.name, vectors, xl, data.test_queries.view()), data.test_relevance);
        line["neighbors"] = k;
        json[key].push_back(std::move(line));
      }
    };
    print_recall_header();
    for (const std::size_t k : neighbors) report("kept", "kept", kept, k);
    for (const std::size_t k : neighbors) report("left out", "left_out", left_out, k);
    options.write(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_gates: %s\n", error.what());
    return 1;
  }
}
