// pefa eval: how good one method is on held-out queries, and how fast; built from files or opened from an archive.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "measure.hpp"
#include "source.hpp"

namespace pefa::cli {
namespace {

struct EvalCommand {
  Source source;
  SearchArguments arguments;
  Measurement measurement;

  void run() const {
    const Measured measured = source.is_archive() ? from_archive() : from_files();
    measurement.output().result(to_table({measured}), to_json(measured));
  }

  [[nodiscard]] Measured from_files() const {
    const RetrieverSpec spec = source.spec();
    const SearchOptions search = arguments.options(spec, "the index");
    const DataFiles& files = source.files();
    const TrainingData training = source.read_training(spec);
    const TestData test = files.read_test(files.passage_side(training));
    return measurement.run(spec, training, test, search).measured;
  }

  [[nodiscard]] Measured from_archive() const {
    const OpenArchive archive = source.open();
    const SearchOptions search =
        source.with_overrides(arguments.options(archive.retriever.spec(), archive.name), archive);
    return measurement.run(archive, search, source.files().read_test(archive.passage_side()));
  }
};

}  // namespace

void add_eval_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("eval", "Measure one method, or an archive, on test queries");
  const auto eval = std::make_shared<EvalCommand>();
  eval->source.add_options(command);
  eval->source.files().add_test(command);
  eval->source.files().add_reading(command);
  eval->arguments.add_options(command);
  eval->measurement.add_options(command);
  command.footer(
      "Examples:\n"
      "  pefa eval --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --test-queries T.npy \\\n"
      "            --test-relevance Z.tsv --method xl --lambda 0.2 --json result.json\n"
      "  pefa eval x.pefa --test-queries T.npy --test-relevance Z.tsv");
  command.callback([eval] { eval->run(); });
}

}  // namespace pefa::cli
