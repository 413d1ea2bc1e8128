// pefa export-xs: the PEFA-XS vectors in a file that any vector database loads; searched by inner product they are the
// adapter.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "commands.hpp"
#include "data_files.hpp"
#include "interrupt.hpp"
#include "measure.hpp"
#include "output.hpp"
#include "pefa/adapter/aggregation.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/vectors/vector_file.hpp"

namespace pefa::cli {
namespace {

struct ExportCommand {
  DataFiles files;
  std::filesystem::path out;
  std::string format;
  float lambda = 0.5f;
  std::string cold = "erm";
  std::string norm = "unit";
  std::filesystem::path tuned;
  std::size_t threads = 0;
  Output output;

  void run() const {
    const bool lines = format == "jsonl" || (format.empty() && out.extension() == ".jsonl");
    io::VectorFormat vectors = io::VectorFormat::npy;
    if (!lines) vectors = format.empty() ? io::vector_format_of(out) : io::parse_vector_format(format);
    Method method{.name = "xs", .lambda = lambda, .cold = cold};
    if (!tuned.empty()) method = read_tuned(tuned, method);
    if (method.name != "xs") {
      throw ValueError(tuned.string() + ": its pick is " + method.name + ", which is not one vector a passage");
    }
    const TrainingData data = files.read_training(Training::used);
    const EmbeddingStore<float> folded = fold(method, data);
    if (lines) {
      write_lines(folded, data.passage_ids);
    } else {
      io::write_vectors(out, folded, vectors, interrupted);
    }
    output.summary(
        fmt::format("{}: {} vectors of dim {}, lambda {}\n", out.string(), folded.size(), folded.dim(), method.lambda),
        {{"out", out.string()},
         {"format", lines ? "jsonl" : io::name(vectors)},
         {"rows", folded.size()},
         {"dim", folded.dim()},
         {"lambda", to_json(method)["lambda"]},
         {"cold", method.cold},
         {"norm", norm},
         {"judgements_skipped", data.judgements_skipped}});
  }

  [[nodiscard]] EmbeddingStore<float> fold(const Method& method, const TrainingData& data) const {
    ProgressBar bar("folding queries", output.verbosity());
    const InterruptibleExecutor executor(threads);
    return fold_queries<float>(data.passages, data.queries, data.relevance, method.lambda, cold_policy(method.cold),
                               norm == "passage" ? PseudoNorm::passage : PseudoNorm::unit, {executor, bar.callback()});
  }

  /// {"id": "p7", "vector": [...]} a line; nine digits bring every float32 back.
  void write_lines(const EmbeddingStore<float>& rows, const std::optional<io::ExternalIds>& ids) const {
    ProgressBar bar("writing", output.verbosity());
    const Progress progress = bar.callback();
    ProgressMeter meter(progress, rows.size(), "export-xs");
    io::OutputFile file(out, interrupted);
    std::string line;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const nlohmann::json id = ids ? std::string((*ids)[i]) : std::to_string(i);
      line = "{\"id\": " + id.dump() + ", \"vector\": [";
      for (std::size_t d = 0; d < rows.dim(); ++d) line += fmt::format("{}{}", d == 0 ? "" : ", ", rows.row(i)[d]);
      file.stream() << line << "]}\n";
      meter.add(1);
    }
    file.commit();
  }
};

}  // namespace

void add_export_xs_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("export-xs", "Write the PEFA-XS vectors, to load into any vector database");
  const auto exported = std::make_shared<ExportCommand>();
  exported->files.add_passages(command, Required::yes);
  exported->files.add_training(command, Required::yes);
  exported->files.add_reading(command);
  CLI::Option* tuned =
      command.add_option("--tuned", exported->tuned, "take lambda and cold from what pefa tune wrote, if it picked xs");
  command.add_option("--lambda", exported->lambda, "weight of the plain model, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str()
      ->excludes(tuned);
  command.add_option("--cold", exported->cold, "passages without training queries: paper, erm or borrowed")
      ->check(CLI::IsMember({"paper", "erm", "borrowed"}))
      ->capture_default_str()
      ->excludes(tuned);
  command.add_option("--norm", exported->norm, "length of the training side: unit, or that of the passage")
      ->check(CLI::IsMember({"unit", "passage"}))
      ->capture_default_str();
  command.add_option("--out", exported->out, "the file to write")->required();
  command.add_option("--format", exported->format,
                     std::string("its format, where its extension does not tell: jsonl, ") + vector_formats_help);
  add_threads_option(command, exported->threads);
  exported->output.add_options(command);
  command.footer(
      "Load the vectors as they are, without normalising them, and search by inner product.\n"
      "Example:\n"
      "  pefa export-xs --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --lambda 0.5 --out xs.fbin");
  command.callback([exported] { exported->run(); });
}

}  // namespace pefa::cli
