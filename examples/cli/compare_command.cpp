// pefa compare: the plain model against both adapters and every gate, on the same files, in one table; and what changes
// for a few queries.
#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "measure.hpp"

namespace pefa::cli {
namespace {

/// Texts by row, one a line; rows without a text show their number.
class Texts {
 public:
  void read(const std::string& path) {
    std::ifstream in(path);
    if (!in) throw IoError(path + ": cannot be opened; does it exist?");
    for (std::string line; std::getline(in, line);) lines_.push_back(line);
  }
  [[nodiscard]] std::string of(Row row) const { return row < lines_.size() ? lines_[row] : fmt::format("#{}", row); }

 private:
  std::vector<std::string> lines_;
};

struct CompareCommand {
  DataFiles files;
  Method method;  // the parameters that all methods share, and those of XL
  float xs_lambda = 0.5f;
  float xl_lambda = 0.1f;
  Measurement measurement;
  std::vector<Row> show;
  std::string passage_texts;
  std::string query_texts;

  [[nodiscard]] std::vector<Method> methods() const {
    Method plain = method;
    plain.fold.reset();
    plain.condense.reset();
    std::vector<Method> all{plain, plain, method, method, method};
    all[1].name = "xs";
    all[1].lambda = xs_lambda;
    const char* gates[] = {"mean", "sum", "softmax"};
    for (std::size_t i = 0; i < 3; ++i) {
      all[2 + i].name = "xl";
      all[2 + i].lambda = xl_lambda;
      all[2 + i].gate = gates[i];
    }
    return all;
  }

  void run() const {
    const TrainingData training = files.read_training(Training::used);
    const TestData test = files.read_test(files.passage_side(training));
    for (const Row row : show) {
      if (row >= test.queries.size()) {
        throw ShapeError(
            fmt::format("--show {}: there are {} test queries, rows count from 0", row, test.queries.size()));
      }
    }
    Texts passages;
    Texts queries;
    if (!passage_texts.empty()) passages.read(passage_texts);
    if (!query_texts.empty()) queries.read(query_texts);

    std::vector<Measured> measured;
    std::optional<AnyRetriever> before;
    std::optional<AnyRetriever> after;
    for (const Method& each : methods()) {
      Outcome outcome = measurement.run(each, training, test);
      measured.push_back(std::move(outcome.measured));
      if (!before) before = outcome.retriever;
      after = std::move(outcome.retriever);  // the last: XL with the softmax gate
    }
    auto json = nlohmann::ordered_json::array();
    for (const Measured& one : measured) json.push_back(to_json(one));
    std::string text = to_table(measured);
    for (const Row row : show) {
      text += fmt::format("\nquery: {}\n", queries.of(row));
      text += top_of(*before, "before (ERM)", test, row, passages);
      text += top_of(*after, "after (" + measured.back().method.label() + ")", test, row, passages);
    }
    measurement.output().result(text, json);
  }

  static std::string top_of(const AnyRetriever& retriever, const std::string& title, const TestData& test, Row row,
                            const Texts& passages) {
    std::string text = fmt::format("  {}\n", title);
    const QueryView query(test.queries.row(row), test.queries.dim());
    for (const Hit& hit : retriever.search(query, 3)) {
      const bool relevant = grade_of(hit.passage, test.truth.passages_of(QueryId(row))) > 0.0f;
      text += fmt::format("    {} {:6.3f}  {}\n", relevant ? "*" : " ", hit.score, passages.of(hit.passage.row()));
    }
    return text;
  }
};

}  // namespace

void add_compare_command(CLI::App& app) {
  CLI::App& command =
      *app.add_subcommand("compare", "Measure ERM, PEFA-XS and PEFA-XL with every gate on the same files");
  const auto compare = std::make_shared<CompareCommand>();
  compare->files.add_passages(command, Required::yes);
  compare->files.add_training(command, Required::yes);
  compare->files.add_test(command);
  compare->files.add_reading(command);
  Method& method = compare->method;
  method.neighbors = 16;
  command.add_option("--xs-lambda", compare->xs_lambda, "XS: weight of the plain model")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--xl-lambda", compare->xl_lambda, "XL: weight of the plain model")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  add_adapter_options(command, method);
  add_index_options(command, method);
  compare->measurement.add_options(command);
  command
      .add_option("--show", compare->show,
                  "rows of test queries whose top 3 to print before and after; * marks relevant ones")
      ->delimiter(',');
  command.add_option("--passage-texts", compare->passage_texts, "a text a passage, one a line, for --show");
  command.add_option("--query-texts", compare->query_texts, "a text a test query, one a line, for --show");
  command.footer(
      "Example:\n  pefa compare --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --test-queries T.npy "
      "\\\n"
      "               --test-relevance Z.tsv --show 0,1,2");
  command.callback([compare] { compare->run(); });
}

}  // namespace pefa::cli
