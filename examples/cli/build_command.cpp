// pefa build: a retriever built from files and saved as one archive, which search, eval and a host's code open in
// place.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "commands.hpp"
#include "conditions.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "output.hpp"
#include "pefa/adapter/retriever_spec_json.hpp"
#include "pefa/adapter/spec_text.hpp"
#include "pefa/io/file/replaceable.hpp"
#include "spec_options.hpp"

namespace pefa::cli {
namespace {

struct BuildCommand {
  DataFiles files;
  MethodOptions method;
  std::filesystem::path tags;
  std::filesystem::path query_tags;
  std::filesystem::path out;
  std::size_t threads = 0;
  Output output;

  void run() const {
    const RetrieverSpec spec = method.spec();
    io::detail::require_replaceable(out);  // before the build, not after
    if (out.has_parent_path() && !std::filesystem::is_directory(out.parent_path())) {
      throw IoError(out.string() + ": there is no folder " + out.parent_path().string());
    }
    if (!query_tags.empty() && (spec.method != Method::xl || spec.is_condensed())) {
      throw ValueError("--train-query-tags is for xl that looks up its training queries as they are, but " +
                       out.string() + " is " + describe(spec));
    }
    const TrainingData training = method.read_training(files, spec);
    const Tags read = read_tags(training);
    const Built built = build_with_progress(spec, training, threads, output.verbosity());
    {
      ProgressBar bar("saving", output.verbosity(), Unit::bytes);
      built.retriever.save(out, {.passage_ids = training.passage_ids ? &*training.passage_ids : nullptr,
                                 .passage_tags = read.of_passages ? &*read.of_passages : nullptr,
                                 .query_tags = read.of_queries ? &*read.of_queries : nullptr,
                                 .progress = bar.callback()});
    }
    const auto bytes = std::filesystem::file_size(out);
    nlohmann::ordered_json json = to_json(built.retriever.spec());
    json["out"] = out.string();
    json["passages"] = built.retriever.passage_count();
    json["dim"] = built.retriever.dim();
    json["judgements_skipped"] = training.judgements_skipped;
    json["build_seconds"] = built.seconds;
    json["bytes"] = bytes;
    json["pefa_version"] = version();
    output.summary(fmt::format("{}: {}, {} index, {} passages of dim {}, {:.1f} MiB, built in {:.1f} s\n", out.string(),
                               describe(built.retriever.spec()), name(built.retriever.spec().index.kind),
                               built.retriever.passage_count(), built.retriever.dim(),
                               static_cast<double>(bytes) / (1024.0 * 1024.0), built.seconds),
                   json);
  }

  struct Tags {
    std::optional<TagTable> of_passages;
    std::optional<TagTable> of_queries;
  };

  /// Read before anything is built, as a file may be refused.
  [[nodiscard]] Tags read_tags(const TrainingData& training) const {
    Tags read;
    if (!tags.empty()) read.of_passages = read_tags_file(tags, rows_by(training.passage_ids, training.passages.size()));
    if (!query_tags.empty()) {
      read.of_queries = read_tags_file(query_tags, rows_by(training.query_ids, training.queries.size()));
    }
    return read;
  }
};

}  // namespace

void add_build_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("build", "Build a retriever and save it as one archive (.pefa)");
  const auto build = std::make_shared<BuildCommand>();
  build->files.add_passages(command, Required::yes);
  build->files.add_training(command, Required::no);
  build->files.add_reading(command);
  command.add_option("--tags", build->tags, std::string("tags of the passages, for pefa search --where: ") + tags_help)
      ->group(groups::data);
  command
      .add_option("--train-query-tags", build->query_tags,
                  "XL: tags of the training queries, for a host that lets some of them vote; as --tags")
      ->group(groups::data);
  build->method.add_options(command);
  command.add_option("--out", build->out, "the archive to write; an older one is replaced when the new one is whole")
      ->required()
      ->group(groups::output);
  add_threads_option(command, build->threads);
  build->output.add_options(command);
  command.footer(
      "The ids of --passage-ids go into the archive, and come back in the results of pefa search; the tags, too.\n"
      "Examples:\n"
      "  pefa build --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --out x.pefa\n"
      "  pefa build --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --method xs --lambda 0.3 \\\n"
      "             --index quantized --out x.pefa\n"
      "  pefa build --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --method xl --lambda 0.3 \\\n"
      "             --fold 0.3 --condense 0.85 --out x.pefa\n"
      "  pefa build --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --tuned tune.json --out x.pefa");
  command.callback([build] { build->run(); });
}

}  // namespace pefa::cli
