// Which method finds how much, for how many bytes? Every method of the library by exact search, from the plain model to
// PEFA-XL over PEFA-XS: Recall and the float vectors it holds, and whether what is ahead of PEFA-XL is so by more than
// chance. With --tsv also Recall@10 over bytes, as plot/draw.sh recall_bytes reads it.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "quality_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

constexpr float lambda = 0.1f;
constexpr float temperature = 0.05f;

/// "0.8"
std::string number(float value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", static_cast<double>(value));
  return text.data();
}

/// The methods, each asked for the test queries.
class Methods {
 public:
  /// @param data  must outlive it
  explicit Methods(const DataSet& data) : data_(data) {}

  [[nodiscard]] Ranking erm() const {
    return rank("ERM", passages().size(), ExactErm::build(passages(), {.index = borrowing}), asked());
  }
  [[nodiscard]] Ranking xs(float weight) const {
    return rank("XS, lambda = " + number(weight), passages().size(),
                ExactXs::build(passages(), training(), relevance(), {.lambda = weight}), asked());
  }
  [[nodiscard]] Ranking xs_multi(std::size_t most) const {
    const auto multi = ExactXsMulti::build(passages(), training(), relevance(),
                                           {.centroids = {.lambda = lambda, .max_centroids = most}});
    return rank("XS multi, at most " + std::to_string(most), multi.vector_count(), multi, asked());
  }
  [[nodiscard]] Ranking xl(const std::string& name, std::size_t neighbors, const AnyGate& gate) const {
    const auto retriever = ExactXl<>::build(
        passages(), training(), relevance(),
        {.lambda = lambda, .neighbors = neighbors, .gate = gate, .passage_index = borrowing, .query_index = borrowing});
    return rank(name, passages().size() + training().size(), retriever, asked());
  }
  [[nodiscard]] Ranking xl_condensed(float cosine) const {
    const CondensedQueries condensed = condense_queries(training(), relevance(), {.min_cosine = cosine});
    const auto retriever = ExactXl<>::build(
        passages(), condensed.queries.view(), condensed.relevance,
        {.lambda = lambda, .gate = SoftmaxGate(temperature), .passage_index = borrowing, .query_index = borrowing});
    return rank("XL softmax, condensed at cosine " + number(cosine), passages().size() + condensed.queries.size(),
                retriever, asked());
  }
  [[nodiscard]] Ranking xl_over_xs(float weight) const {
    const auto retriever = ExactXl<>::build(passages(), training(), relevance(),
                                            {.lambda = weight,
                                             .gate = SoftmaxGate(temperature),
                                             .fold = {.lambda = weight},
                                             .passage_index = borrowing,
                                             .query_index = borrowing});
    return rank("XL softmax over XS, lambda = " + number(weight), passages().size() + training().size(), retriever,
                asked());
  }

 private:
  [[nodiscard]] EmbeddingView<float> passages() const { return data_.passages.view(); }
  [[nodiscard]] EmbeddingView<float> training() const { return data_.train_queries.view(); }
  [[nodiscard]] EmbeddingView<float> asked() const { return data_.test_queries.view(); }
  [[nodiscard]] const RelevanceMatrix& relevance() const { return data_.train_relevance; }

  const DataSet& data_;
};

/// The table of plot/draw.sh recall_bytes. Labels that would stand on each other are left out.
class BytesTable {
 public:
  explicit BytesTable(const RelevanceMatrix& truth) : truth_(truth) {}

  void add(const std::string& method, const Ranking& ranking, const std::string& label = "") {
    const double recall_at_10 = recall(ranking, truth_, 10).mean;
    const double octave = std::log2(static_cast<double>(ranking.bytes));
    const bool is_free = std::none_of(labels_.begin(), labels_.end(), [&](const Label& other) {
      return std::abs(octave - other.octave) < 0.08 && std::abs(recall_at_10 - other.recall) < 0.01;
    });
    const bool is_labelled = is_free && !label.empty();
    if (is_labelled) labels_.push_back({octave, recall_at_10});
    std::array<char, 64> figures{};
    std::snprintf(figures.data(), figures.size(), "\t%zu\t%.6f\t", ranking.bytes, recall_at_10);
    lines_ += method + figures.data() + (is_labelled ? label : "") + '\n';
  }
  void write(const std::string& path) const {
    io::OutputFile file(path);
    file.stream() << "method\tbytes\trecall\tlabel\n" << lines_;
    file.commit();
  }

 private:
  struct Label {
    double octave;  // log2 of the bytes
    double recall;
  };

  const RelevanceMatrix& truth_;
  std::string lines_;
  std::vector<Label> labels_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Recall and bytes of every method, by exact search");
  Options options;
  std::string tsv;
  add_quality_options(app, options);
  app.add_option("--tsv", tsv, "write Recall@10 over bytes here, for plot/draw.sh recall_bytes");
  CLI11_PARSE(app, argc, argv);
  try {
    const DataSet data = read_data(options);
    const RelevanceMatrix& truth = data.test_relevance;
    const Methods methods(data);
    print_data(data, options);
    std::printf("lambda = %g unless given; softmax(%g) with k = 32\n", static_cast<double>(lambda),
                static_cast<double>(temperature));
    print_recall_header();
    nlohmann::ordered_json json{{"data", options.folder}};
    const auto report = [&](Ranking ranking) {
      json["methods"].push_back(print_recall(ranking, truth));
      return ranking;
    };
    const Ranking erm = report(methods.erm());
    const Ranking xs_half = report(methods.xs(0.5f));
    const Ranking xs = report(methods.xs(lambda));
    const Ranking multi_4 = report(methods.xs_multi(4));
    const Ranking multi_8 = report(methods.xs_multi(8));
    const Ranking mean = report(methods.xl("XL mean, k = 16 (the paper's)", 16, MeanGate{}));
    report(methods.xl("XL sum, k = 16", 16, SumGate{}));
    const Ranking softmax = report(methods.xl("XL softmax", 32, SoftmaxGate(temperature)));
    const Ranking condensed = report(methods.xl_condensed(0.8f));
    const Ranking over_xs = report(methods.xl_over_xs(0.3f));

    std::printf("\n%-64s%22s%22s\n", "paired differences, percent, 95 % intervals", "@1", "@100");
    for (const Ranking* better : {&multi_8, &over_xs}) {
      const Estimate at_1 = recall_gain(*better, softmax, truth, 1);
      const Estimate at_100 = recall_gain(*better, softmax, truth, 100);
      std::printf("%-64s%22s%22s\n", (better->method + " - " + softmax.method).c_str(), percent_gain(at_1).c_str(),
                  percent_gain(at_100).c_str());
      json["differences"].push_back({{"first", better->method},
                                     {"second", softmax.method},
                                     {"recall@1", to_json(at_1)},
                                     {"recall@100", to_json(at_100)}});
    }
    options.write(json);

    if (!tsv.empty()) {
      BytesTable table(truth);
      table.add("ERM", erm);
      table.add("XS", xs_half, "λ=0.5");
      table.add("XS", xs, "λ=0.1");
      table.add("XS multi", methods.xs_multi(2), "2");
      table.add("XS multi", multi_4, "4");
      table.add("XS multi", multi_8, "8");
      table.add("XS multi", methods.xs_multi(16), "16");
      for (const float cosine : {0.7f, 0.8f, 0.9f, 0.95f}) {
        table.add("XL condensed", cosine == 0.8f ? condensed : methods.xl_condensed(cosine), number(cosine));
      }
      table.add("XL", mean, "mean");
      table.add("XL", softmax, "softmax");
      table.add("XL over XS", over_xs);
      table.write(tsv);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_methods: %s\n", error.what());
    return 1;
  }
}
