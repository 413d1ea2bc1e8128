// Does tune() pay on queries it has not seen? It tunes on the training data, once for the paper's PEFA-XS, once for its
// PEFA-XL, once over everything, and the picks meet the test queries beside the plain model and the paper's settings.
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "quality_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

/// What a setting finds for the test queries, by exact search, when it learns from all training queries.
Ranking rank_setting(std::string method, RetrieverSpec setting, const DataSet& data) {
  setting.index.kind = IndexKind::flat;
  setting.query_index.kind = IndexKind::flat;
  const AnyRetriever retriever =
      setting.method == Method::erm
          ? build(setting, data.passages.view(), {}, Rows::borrow)
          : build(setting, data.passages.view(), data.train_queries.view(), data.train_relevance, {}, Rows::borrow);
  return rank(std::move(method),
              setting.method == Method::xl ? data.passages.size() + data.train_queries.size() : data.passages.size(),
              retriever, data.test_queries.view());
}

/// The metric that was tuned, of every test query.
std::vector<double> tuned_metric(const Ranking& ranking, const RelevanceMatrix& truth, const TuneOptions& options) {
  return metric_values(ranking.lists, truth, [&](std::span<const Hit> hits, const RelevanceMatrix::Entries& relevant) {
    switch (options.metric) {
      case TuneMetric::recall: break;
      case TuneMetric::ndcg: return ndcg_at(hits, relevant, options.at);
      case TuneMetric::mrr: return reciprocal_rank_at(hits, relevant, options.at);
    }
    return recall_at(hits, relevant, options.at);
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What tune() picks on the training data, against the paper's settings on the test data");
  Options options;
  TuneOptions whole_grid;
  add_quality_options(app, options);
  app.add_option("--metric", whole_grid.metric, "what is tuned: recall, ndcg or mrr (default: recall)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, TuneMetric>{
          {"recall", TuneMetric::recall}, {"ndcg", TuneMetric::ndcg}, {"mrr", TuneMetric::mrr}}));
  app.add_option("--at", whole_grid.at, "its cut-off")
      ->check(CLI::Range(std::size_t{1}, list_depth))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    const DataSet data = read_data(options);
    print_data(data, options);
    const std::string metric = name(whole_grid.metric) + std::string("@") + std::to_string(whole_grid.at);
    nlohmann::ordered_json json{{"data", options.folder}, {"metric", metric}};

    TuneOptions xs_grid = whole_grid;
    xs_grid.neighbors.clear();
    xs_grid.gates.clear();
    xs_grid.fitted = FittedGrid::none();
    TuneOptions xl_grid = whole_grid;
    xl_grid.cold.clear();
    xl_grid.fitted = FittedGrid::none();
    std::printf("\n%-12s%10s%9s%8s  %s\n", "grid", "settings", "queries", "s", ("pick for " + metric).c_str());
    const auto tuned = [&](const char* grid, const TuneOptions& tuning) {
      std::fprintf(stderr, "tuning %s\n", grid);
      const TuneReport report = tune(data.passages.view(), data.train_queries.view(), data.train_relevance, tuning);
      const std::string pick = describe(report.pick);
      std::printf("%-12s%10zu%9zu%8.1f  %s\n", grid, report.grid.size(), report.queries, report.seconds, pick.c_str());
      std::fflush(stdout);
      json["tune"].push_back({{"grid", grid},
                              {"settings", report.grid.size()},
                              {"queries", report.queries},
                              {"seconds", report.seconds},
                              {"pick", pick},
                              {"validation_score", report.chosen.score}});
      return report.pick;
    };
    const RetrieverSpec xs_pick = tuned("XS", xs_grid);
    const RetrieverSpec xl_pick = tuned("XL", xl_grid);
    const RetrieverSpec whole_pick = tuned("whole", whole_grid);

    const Ranking erm = rank_setting("ERM", {.method = Method::erm}, data);
    const Ranking xs = rank_setting("XS, the paper's", RetrieverSpec::paper_xs(), data);
    const Ranking xs_tuned = rank_setting("XS, tuned", xs_pick, data);
    const Ranking xl = rank_setting("XL, the paper's", RetrieverSpec::paper_xl(), data);
    const Ranking xl_tuned = rank_setting("XL, tuned", xl_pick, data);
    const Ranking whole_tuned = rank_setting("the pick of the whole grid", whole_pick, data);

    std::printf("\n");
    print_recall_header();
    for (const Ranking* ranking : {&erm, &xs, &xs_tuned, &xl, &xl_tuned, &whole_tuned}) {
      auto line = print_recall(*ranking, data.test_relevance);
      line[metric] = to_json(estimate(tuned_metric(*ranking, data.test_relevance, whole_grid)));
      json["methods"].push_back(std::move(line));
    }

    std::printf("\n%-60s%22s\n", "paired differences, percent, 95 % intervals", metric.c_str());
    for (const auto& [first, second] : {std::pair{&xs_tuned, &xs}, std::pair{&xl_tuned, &xl},
                                        std::pair{&whole_tuned, &xs}, std::pair{&whole_tuned, &xl}}) {
      const Estimate gain = estimate(paired_differences(tuned_metric(*first, data.test_relevance, whole_grid),
                                                        tuned_metric(*second, data.test_relevance, whole_grid)));
      const std::string what = first->method + " - " + second->method;
      std::printf("%-60s%22s\n", what.c_str(), percent_gain(gain).c_str());
      json["differences"].push_back({{"first", first->method}, {"second", second->method}, {metric, to_json(gain)}});
    }
    options.write(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_tuned: %s\n", error.what());
    return 1;
  }
}
