// pefa compare: the plain model against the paper's adapters and the default one, on the same files, in one table; and
// what changes for a few queries. Runs from elsewhere (a lexical search, a fusion) are further rows.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "interrupt.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "pefa/adapter/spec_text.hpp"
#include "pefa/io/results/trec_run.hpp"
#include "spec_options.hpp"
#include "tuned_file.hpp"

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
  SpecOptions options;
  std::optional<float> xs_lambda;
  std::optional<float> xl_lambda;
  Measurement measurement;
  std::vector<Row> show;
  std::string passage_texts;
  std::string query_texts;
  std::vector<std::string> runs;  // "name=file"
  std::filesystem::path tuned;
  bool tuned_anyway = false;

  /// The plain model, the paper's two with both of its gates, XS and XL as they are by default, and what was tuned;
  /// each with what was asked for.
  [[nodiscard]] std::vector<RetrieverSpec> specs() const {
    RetrieverSpec sum = RetrieverSpec::paper_xl();
    sum.gate.kind = GateKind::sum;
    std::vector<RetrieverSpec> all{{.method = Method::erm},   RetrieverSpec::paper_xs(),
                                   RetrieverSpec::paper_xl(), sum,
                                   {.method = Method::xs},    RetrieverSpec{}};
    options.require_fit(all);
    for (RetrieverSpec& each : all) {
      each = options.over(each);
      const std::optional<float>& lambda = each.method == Method::xs ? xs_lambda : xl_lambda;
      if (each.method != Method::erm) each.lambda = lambda.value_or(each.lambda);
    }
    if (!tuned.empty()) all.push_back(options.index_over(TunedFile(tuned).pick()));
    return all;
  }

  /// The runs as rows of the table. Ids are those of --test-query-ids and --passage-ids, else row numbers.
  [[nodiscard]] std::vector<Measured> measure_runs(const PassageSide& passages, const TestData& test) const {
    std::vector<Measured> measured;
    for (const std::string& each : runs) {
      const std::size_t equals = each.find('=');
      if (equals == 0 || equals == std::string::npos || equals + 1 == each.size()) {
        throw CLI::ValidationError("--run", "'" + each + "' is not NAME=FILE");
      }
      const std::string file = each.substr(equals + 1);
      require_file(file);
      const auto results = [&] {
        const EndAtOnce reading;
        return io::read_trec_run(file, rows_by(test.query_ids, test.queries.size()),
                                 rows_by(passages.ids, passages.size));
      }();
      measured.push_back(measurement.run(each.substr(0, equals), results, test.truth, test.judgements_skipped));
    }
    return measured;
  }

  void run() const {
    const TrainingData training = files.read_training(Training::used);
    const TestData test = files.read_test(files.passage_side(training));
    if (!tuned.empty() && !tuned_anyway) TunedFile(tuned).require_data(training);
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

    const std::vector<Measured> of_runs = measure_runs(files.passage_side(training), test);
    std::vector<Measured> measured;
    std::optional<AnyRetriever> before;
    std::optional<AnyRetriever> after;
    for (const RetrieverSpec& each : specs()) {
      Outcome outcome = measurement.run(each, training, test);
      measured.push_back(std::move(outcome.measured));
      if (!before) before = outcome.retriever;
      after = std::move(outcome.retriever);  // the last: XL by default, or what was tuned
    }
    const std::string last = describe(measured.back().spec);
    measured.insert(measured.end(), of_runs.begin(), of_runs.end());
    auto json = nlohmann::ordered_json::array();
    for (const Measured& one : measured) json.push_back(to_json(one));
    std::string text = to_table(measured);
    for (const Row row : show) {
      text += fmt::format("\nquery: {}\n", queries.of(row));
      text += top_of(*before, "before (ERM)", test, row, passages);
      text += top_of(*after, "after (" + last + ")", test, row, passages);
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
  CLI::App& command = *app.add_subcommand(
      "compare", "Measure the plain model, the paper's PEFA-XS and PEFA-XL, and the default, on the same files");
  const auto compare = std::make_shared<CompareCommand>();
  compare->files.add_passages(command, Required::yes);
  compare->files.add_training(command, Required::yes);
  compare->files.add_test(command);
  compare->files.add_reading(command);
  command.add_option("--xs-lambda", compare->xs_lambda, "XS: weight of the plain model")
      ->check(CLI::Range(0.0, 1.0))
      ->group(groups::method);
  command.add_option("--xl-lambda", compare->xl_lambda, "XL: weight of the plain model")
      ->check(CLI::Range(0.0, 1.0))
      ->group(groups::method);
  command.add_option("--tuned", compare->tuned, "what pefa tune wrote: its pick as one more row")
      ->group(groups::method);
  add_tuned_anyway_option(command, compare->tuned_anyway);
  compare->options.add_adapter(command);
  compare->options.add_index(command);
  for (CLI::Option* option : command.get_options()) {  // rows have defaults of their own
    if (option->get_group() == groups::method || option->get_group() == groups::index) option->default_str("");
  }
  compare->measurement.add_options(command);
  command
      .add_option("--run", compare->runs,
                  "NAME=FILE: a TREC run of the test queries as one more row; by ids where id files are given, else by "
                  "row numbers; may be given again")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("NAME=FILE")
      ->group(groups::data);
  command
      .add_option("--show", compare->show,
                  "rows of test queries whose top 3 to print before and after; * marks relevant ones")
      ->delimiter(',')
      ->group(groups::output);
  command.add_option("--passage-texts", compare->passage_texts, "a text a passage, one a line, for --show")
      ->group(groups::output);
  command.add_option("--query-texts", compare->query_texts, "a text a test query, one a line, for --show")
      ->group(groups::output);
  command.footer(
      "Rows: the plain model; the paper's XS; the paper's XL with the mean and with the sum gate; XS and XL as pefa\n"
      "build makes them; what --tuned holds. Options of method and index hold for every row that has such a thing.\n"
      "Example:\n  pefa compare --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --test-queries T.npy "
      "\\\n"
      "               --test-relevance Z.tsv --show 0,1,2");
  command.callback([compare] { compare->run(); });
}

}  // namespace pefa::cli
