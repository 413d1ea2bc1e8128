// pefa build: one method built from files and saved as one archive, which search, eval and a host's code open in place.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "measure.hpp"
#include "output.hpp"
#include "pefa/io/archive/metadata.hpp"

namespace pefa::cli {
namespace {

struct BuildCommand {
  DataFiles files;
  MethodOptions method;
  std::filesystem::path out;
  std::size_t threads = 0;
  Output output;

  void run() const {
    const Method built_method = method.method();
    if (std::filesystem::is_directory(out)) throw IoError(out.string() + ": is a directory, expected a file");
    const TrainingData training = files.read_training(built_method.training());
    const Built built = build_with_progress(built_method, training, threads, output.verbosity());
    {
      ProgressBar bar("saving", output.verbosity(), Unit::bytes);
      io::ArchiveMetadata notes;
      if (built_method.condense) notes.add("condense", *built_method.condense);
      built.retriever.save(out, {.passage_ids = training.passage_ids ? &*training.passage_ids : nullptr,
                                 .notes = &notes,
                                 .progress = bar.callback()});
    }
    const auto bytes = std::filesystem::file_size(out);
    nlohmann::ordered_json json = to_json(built_method);
    json["out"] = out.string();
    json["passages"] = built.retriever.passage_count();
    json["dim"] = built.retriever.dim();
    json["judgements_skipped"] = training.judgements_skipped;
    json["build_seconds"] = built.seconds;
    json["bytes"] = bytes;
    json["pefa_version"] = version();
    output.summary(fmt::format("{}: {}, {} index, {} passages of dim {}, {:.1f} MiB, built in {:.1f} s\n", out.string(),
                               built_method.label(), built_method.index, built.retriever.passage_count(),
                               built.retriever.dim(), static_cast<double>(bytes) / (1024.0 * 1024.0), built.seconds),
                   json);
  }
};

}  // namespace

void add_build_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("build", "Build one method and save it as one archive (.pefa)");
  const auto build = std::make_shared<BuildCommand>();
  build->files.add_passages(command, Required::yes);
  build->files.add_training(command, Required::no);
  build->files.add_reading(command);
  build->method.add_options(command);
  command.add_option("--out", build->out, "the archive to write; an older one is replaced when the new one is whole")
      ->required();
  add_threads_option(command, build->threads);
  build->output.add_options(command);
  command.footer(
      "The ids of --passage-ids go into the archive, and come back in the results of pefa search.\n"
      "Examples:\n"
      "  pefa build --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --method xl --lambda 0.1 \\\n"
      "             --gate softmax --index quantized --out x.pefa\n"
      "  pefa build --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --method xl --lambda 0.3 \\\n"
      "             --gate softmax --fold 0.3 --condense 0.85 --out x.pefa\n"
      "  pefa build --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --tuned tune.json --out x.pefa");
  command.callback([build] { build->run(); });
}

}  // namespace pefa::cli
