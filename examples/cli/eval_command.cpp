// pefa eval: how good one method is on held-out queries, and how fast.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "measure.hpp"

namespace pefa::cli {
namespace {

struct EvalCommand {
  DataFiles files;
  Method method;
  Measurement measurement;

  void run() const {
    const TrainingData training = files.read_training();
    const TestData test = files.read_test(training.passages);
    const Measured measured = measurement.run(method, training, test).measured;
    if (!measurement.json_path().empty()) write_json(measurement.json_path(), to_json(measured));
    if (measurement.json_path() != "-") std::fputs(to_table({measured}).c_str(), stdout);
  }
};

}  // namespace

void add_eval_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("eval", "Build one method and measure it on test queries");
  const auto eval = std::make_shared<EvalCommand>();
  Method& method = eval->method;
  eval->files.add_options(command);
  command.add_option("--method", method.name, "erm, xs or xl")->required()->check(CLI::IsMember({"erm", "xs", "xl"}));
  command.add_option("--lambda", method.lambda, "weight of the plain model, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--gate", method.gate, "XL: mean, sum or softmax")
      ->check(CLI::IsMember({"mean", "sum", "softmax"}))
      ->capture_default_str();
  eval->measurement.add_options(command, method);
  command.footer(
      "Example:\n  pefa eval --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --test-queries T.npy \\\n"
      "            --test-relevance Z.tsv --method xl --lambda 0.1 --gate softmax --json result.json");
  command.callback([eval] { eval->run(); });
}

}  // namespace pefa::cli
