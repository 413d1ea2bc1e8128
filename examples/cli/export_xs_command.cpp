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
#include "option_groups.hpp"
#include "output.hpp"
#include "pefa/adapter/exported_rows.hpp"
#include "pefa/adapter/pefa_xs.hpp"
#include "pefa/adapter/retriever_spec_json.hpp"
#include "pefa/index/flat_index.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/vectors/npy.hpp"
#include "pefa/io/vectors/vector_file.hpp"
#include "spec_options.hpp"
#include "tuned_file.hpp"

namespace pefa::cli {
namespace {

struct ExportCommand {
  DataFiles files;
  std::filesystem::path out;
  std::filesystem::path query_map;
  std::string format;
  SpecOptions options;
  std::filesystem::path tuned;
  bool tuned_anyway = false;
  std::size_t threads = 0;
  Output output;

  void run() const {
    const bool lines = format == "jsonl" || (format.empty() && out.extension() == ".jsonl");
    io::VectorFormat vectors = io::VectorFormat::npy;
    if (!lines) vectors = format.empty() ? io::vector_format_of(out) : io::parse_vector_format(format);
    const RetrieverSpec spec =
        options.over(tuned.empty() ? RetrieverSpec{.method = Method::xs} : TunedFile(tuned).pick());
    if (spec.method != Method::xs) {
      throw ValueError(tuned.string() + ": its pick is " + name(spec.method) + ", which is not one vector a passage");
    }
    const TrainingData data = files.read_training(Training::used);
    if (!tuned.empty() && !tuned_anyway) TunedFile(tuned).require_data(data);
    const Exported exported = fold(spec, data);
    const EmbeddingStore<float>& folded = exported.rows;
    if (!query_map.empty()) {
      io::write_npy(query_map, EmbeddingView<float>(exported.query_map));
    }
    if (lines) {
      write_lines(folded, data.passage_ids);
    } else {
      io::write_vectors(out, folded, vectors, interrupted);
    }
    output.summary(
        fmt::format("{}: {} vectors of dim {}, lambda {}\n", out.string(), folded.size(), folded.dim(), spec.lambda),
        {{"out", out.string()},
         {"format", lines ? "jsonl" : io::name(vectors)},
         {"rows", folded.size()},
         {"dim", folded.dim()},
         {"lambda", to_json(spec)["lambda"]},
         {"cold", name(spec.cold)},
         {"norm", name(spec.norm)},
         {"rule", name(spec.rule)},
         {"query_map",
          query_map.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(query_map.string())},
         {"judgements_skipped", data.judgements_skipped}});
  }

  /// What goes into the files.
  struct Exported {
    EmbeddingStore<float> rows;
    RowMajorMatrix query_map;  ///< of --query-map
  };

  /// Rows for raw queries, or, with --query-map, the rows that the library would index and the matrix they go with.
  [[nodiscard]] Exported fold(const RetrieverSpec& spec, const TrainingData& data) const {
    using Xs = PefaXs<float, FlatIndex<>>;
    ProgressBar bar("folding queries", output.verbosity());
    const InterruptibleExecutor executor(threads);
    const Xs xs = Xs::build(data.passages, data.queries, data.relevance,
                            {.lambda = spec.lambda,
                             .cold = spec.cold,
                             .norm = spec.norm,
                             .rule = spec.rule,
                             .least_squares = spec.least_squares,
                             .whitened = spec.whitened == Whitened::all ? Whitened::all : Whitened::none,
                             .whitening = spec.whitening,
                             .balance = spec.balance},
                            {executor, bar.callback()});
    auto rows = EmbeddingStore<float>::from(xs.index().rows());
    if (!query_map.empty()) {
      RowMajorMatrix map = query_map_of(xs.fitted());
      if (map.size() == 0) {
        throw ValueError("--query-map: queries are asked as they are; it goes with --balance or --whiten all");
      }
      return {std::move(rows), std::move(map)};
    }
    return {rows_for_raw_queries(xs.fitted(), std::move(rows), {executor, {}}), {}};
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
      command.add_option("--tuned", exported->tuned, "take lambda and cold from what pefa tune wrote, if it picked xs")
          ->group(groups::method);
  add_tuned_anyway_option(command, exported->tuned_anyway);
  exported->options.add_folding(command);
  for (const char* name : {"--lambda", "--cold"}) command.get_option(name)->excludes(tuned);
  command.add_option("--out", exported->out, "the file to write")->required()->group(groups::output);
  command
      .add_option("--format", exported->format,
                  std::string("its format, where its extension does not tell: jsonl, ") + vector_formats_help)
      ->group(groups::output);
  command
      .add_option("--query-map", exported->query_map,
                  "balanced or whitened rows as they are, and here, .npy, the matrix to multiply each query with")
      ->group(groups::output);
  add_threads_option(command, exported->threads);
  exported->output.add_options(command);
  command.footer(
      "Load the vectors as they are, without normalising them, and search by inner product.\n"
      "Raw queries find what the library would, unless --query-map says what to multiply them with.\n"
      "Example:\n"
      "  pefa export-xs --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --out xs.fbin");
  command.callback([exported] { exported->run(); });
}

}  // namespace pefa::cli
