// What the adapters make of several encoders: the plain model, the paper's PEFA-XS and PEFA-XL, least squares, and the
// whitened votes over it, one setting for all; then the label budget, and queries near to and far from what was trained
// on. Exact search throughout.
#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pefa/eval/training_part.hpp"
#include "quality_support.hpp"

namespace {

using namespace pefa;
using namespace pefa::bench;

struct Setting {
  const char* name;
  RetrieverSpec spec;
};

RetrieverSpec exact(RetrieverSpec spec) {
  spec.index.kind = spec.query_index.kind = IndexKind::flat;
  return spec;
}

/// PEFA-XS by least squares.
RetrieverSpec solved_xs(float shrinkage) {
  RetrieverSpec spec = RetrieverSpec::paper_xs();
  spec.lambda = 0.1f;
  spec.cold = ColdPassage::erm;
  spec.rule = FoldRule::least_squares;
  spec.least_squares = {.shrinkage = shrinkage};
  return spec;
}

/// Votes in the whitened space; over .05 ERM + .3 least squares where `folded` says so.
RetrieverSpec whitened_xl(float hubness, GateKind gate, bool folded) {
  RetrieverSpec spec = RetrieverSpec::paper_xl();
  spec.passage_candidates = 0;
  spec.neighbors = 32;
  spec.gate = {.kind = gate, .temperature = 0.05f};
  spec.hubness = hubness;
  spec.whitened = folded ? Whitened::queries : Whitened::all;
  spec.whitening = {.scatter = Scatter::within, .shrinkage = 1.0f};
  if (!folded) return spec;
  spec.lambda = 0.35f;
  spec.fold = 1.0f / 7.0f;
  spec.rule = FoldRule::least_squares;
  spec.least_squares = {.shrinkage = 0.3f};
  return spec;
}

std::vector<Setting> table_rows() {
  return {{"ERM", {.method = Method::erm}},
          {"XS, paper", RetrieverSpec::paper_xs()},
          {"XL, paper", RetrieverSpec::paper_xl()},
          {"A: XS, least squares .3", solved_xs(0.3f)},
          {"A': XS, least squares .1", solved_xs(0.1f)},
          {"B: XL whitened", whitened_xl(0.0f, GateKind::softmax, false)},
          {"C: B, hubness", whitened_xl(0.5f, GateKind::softmax, false)},
          {"D: C, local gate", whitened_xl(0.5f, GateKind::local, false)},
          {"E: C over least squares", whitened_xl(0.5f, GateKind::softmax, true)},
          {"F: D over least squares", whitened_xl(0.5f, GateKind::local, true)},
          {"default", RetrieverSpec{}}};
}

AnyRetriever learn(const RetrieverSpec& spec, const DataSet& data, const EmbeddingView<float>& queries,
                   const RelevanceMatrix& relevance) {
  if (spec.method == Method::erm) return build(exact(spec), data.passages.view(), {}, Rows::borrow);
  return build(exact(spec), data.passages.view(), queries, relevance, {}, Rows::borrow);
}

Ranking rank_with(const Setting& row, const DataSet& data) {
  return rank(row.name, data.passages.size(), learn(row.spec, data, data.train_queries.view(), data.train_relevance),
              data.test_queries.view());
}

/// A share of the training queries, by a seeded shuffle, and their pairs; all of them in the order that they have.
pefa::detail::TrainingPart budget(const DataSet& data, double share) {
  std::vector<QueryId> order;
  for (Row i = 0; i < data.train_queries.size(); ++i) order.push_back(QueryId(i));
  if (share < 1.0) std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  order.resize(std::max<std::size_t>(1, static_cast<std::size_t>(share * static_cast<double>(order.size()))));
  return pefa::detail::training_part(data.train_queries.view(), data.train_relevance, order);
}

/// Test queries with truth, the nearest to a training query first.
std::vector<Row> by_nearness(const DataSet& data) {
  const auto index = FlatIndex<>::build(data.train_queries.view(), borrowing);
  const auto nearest = index.search_batch(data.test_queries.view(), 1);
  std::vector<Row> order;
  for (Row q = 0; q < data.test_queries.size(); ++q) {
    if (data.test_relevance.passages_of(QueryId(q)).size() > 0) order.push_back(q);
  }
  std::stable_sort(order.begin(), order.end(), [&](Row a, Row b) { return nearest[a][0].score > nearest[b][0].score; });
  return order;
}

class Report {
 public:
  Report(const DataSet& data, nlohmann::ordered_json& json) : data_(data), json_(json) {}

  void table() {
    print_recall_header();
    for (const Setting& row : table_rows()) {
      Ranking ranking = rank_with(row, data_);
      json_["methods"].push_back(print_recall(ranking, data_.test_relevance));
      rankings_.emplace(row.name, std::move(ranking));
    }
  }

  void tuned(TuneOptions options, std::size_t at) {
    options.at = at;
    const TuneReport report = tune(data_.passages.view(), data_.train_queries.view(), data_.train_relevance, options);
    const std::string name = "tuned for Recall@" + std::to_string(at);
    const Ranking ranking = rank_with({name.c_str(), report.pick}, data_);
    auto line = print_recall(ranking, data_.test_relevance);
    line["pick"] = describe(report.pick);
    line["validation_score"] = report.chosen.score;
    line["seconds"] = report.seconds;
    std::printf("    %s; %zu settings in %.1f s, validation %.1f\n", describe(report.pick).c_str(), report.grid.size(),
                report.seconds, 100 * report.chosen.score);
    json_["methods"].push_back(std::move(line));
  }

  void label_budget() {
    std::printf("%-42s%10s%10s%10s%10s%10s\n", "Recall@10 by share of the training queries", "5 %", "10 %", "25 %",
                "50 %", "100 %");
    for (const Setting& row : table_rows()) {
      const std::string_view name = row.name;
      if (name.starts_with("B:") || name.starts_with("C:") || name.starts_with("D:") || name.starts_with("A:"))
        continue;
      std::printf("%-42s", row.name);
      for (const double share : {0.05, 0.1, 0.25, 0.5, 1.0}) {
        const auto [queries, relevance] = budget(data_, share);
        const AnyRetriever retriever = learn(row.spec, data_, queries.view(), relevance);
        const auto lists = retriever.search_batch(data_.test_queries.view(), 10);
        const double found = estimate(recall_values(lists, data_.test_relevance, 10)).mean;
        json_["budget"][row.name].push_back(found);
        std::printf("%10.1f", 100 * found);
      }
      std::printf("\n");
    }
  }

  void nearness() {
    const std::vector<Row> order = by_nearness(data_);
    std::printf("%-42s%10s%10s%10s%10s%22s\n", "Recall@10 by nearness to a training query", "nearest", "second",
                "third", "farthest", "farthest - ERM");
    const auto values_of = [&](const Ranking& ranking, std::size_t quarter) {
      std::vector<double> values;
      for (std::size_t i = quarter * order.size() / 4; i < (quarter + 1) * order.size() / 4; ++i) {
        values.push_back(recall_at(ranking.lists[order[i]], data_.test_relevance.passages_of(QueryId(order[i])), 10));
      }
      return values;
    };
    for (const Setting& row : table_rows()) {
      const Ranking& ranking = rankings_.at(row.name);
      std::printf("%-42s", row.name);
      for (std::size_t quarter = 0; quarter < 4; ++quarter) {
        const double found = estimate(values_of(ranking, quarter)).mean;
        json_["quarters"][row.name].push_back(found);
        std::printf("%10.1f", 100 * found);
      }
      const Estimate gain = estimate(paired_differences(values_of(ranking, 3), values_of(rankings_.at("ERM"), 3)));
      json_["farthest_gain"][row.name] = to_json(gain);
      std::printf("%22s\n", percent_gain(gain).c_str());
    }
  }

 private:
  const DataSet& data_;
  nlohmann::ordered_json& json_;
  std::map<std::string, Ranking> rankings_;
};

/// "NAME=" and what is behind it, if there is a name.
std::pair<std::string, std::string> split_name(const std::string& set) {
  const std::size_t equals = set.find('=');
  return equals == std::string::npos ? std::pair(set, set) : std::pair(set.substr(0, equals), set.substr(equals + 1));
}

/// "vectors" or "vectors,pairs", two folders where the pairs lie elsewhere.
DataSet read_set(const std::string& folders, std::size_t queries) {
  const std::size_t comma = folders.find(',');
  const std::string vectors = folders.substr(0, comma);
  const std::string pairs = comma == std::string::npos ? vectors : folders.substr(comma + 1);
  DataSet data = DataSet::read(vectors, pairs);
  keep_first_queries(data, queries);
  return data;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What the adapters make of several encoders, one setting for all");
  Options options;
  std::vector<std::string> sets;
  std::vector<std::size_t> tune_at;
  bool details = false;
  app.add_option("--data", sets,
                 "[NAME=]FOLDER[,PAIRS]: folders that examples/encode made; PAIRS where the pairs lie elsewhere")
      ->required();
  app.add_option("--tune", tune_at, "tune for Recall at these cut-offs as well");
  app.add_flag("--details", details, "label budget, and queries by nearness to a training query");
  app.add_option("--json", options.json_path, "write the result here");
  app.add_option("--queries", options.queries, "how many test queries, from the first (0: all)");
  options.queries = 0;
  CLI11_PARSE(app, argc, argv);
  try {
    nlohmann::ordered_json json;
    for (const std::string& set : sets) {
      const auto [name, folders] = split_name(set);
      const DataSet data = read_set(folders, options.queries);
      options.folder = name;
      print_data(data, options);
      nlohmann::ordered_json of_set{{"data", name}};
      Report report(data, of_set);
      report.table();
      for (const std::size_t at : tune_at) report.tuned({}, at);
      if (details) {
        report.label_budget();
        report.nearness();
      }
      std::printf("\n");
      json.push_back(std::move(of_set));
    }
    options.write(json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_encoders: %s\n", error.what());
    return 1;
  }
}
