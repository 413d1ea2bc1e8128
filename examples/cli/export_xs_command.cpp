// pefa export-xs: the PEFA-XS vectors in a file that any vector database loads, or in a folder that one of them loads
// by the commands beside it; searched by inner product they are the adapter.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "conditions.hpp"
#include "data_files.hpp"
#include "engine_folder.hpp"
#include "enum_option.hpp"
#include "interrupt.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "output.hpp"
#include "pefa/adapter/any_adapters.hpp"
#include "pefa/adapter/exported_rows.hpp"
#include "pefa/adapter/retriever_spec_json.hpp"
#include "pefa/adapter/row_changes.hpp"
#include "pefa/adapter/spec_of.hpp"
#include "pefa/io/archive/tag_section.hpp"
#include "pefa/io/file/output_file.hpp"
#include "pefa/io/tags/tag_json.hpp"
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
  std::string to;
  std::string form = "folded";
  std::filesystem::path since;
  std::filesystem::path tags;
  bool untagged = false;
  std::string format;
  SpecOptions options;
  std::filesystem::path tuned;
  bool tuned_anyway = false;
  std::size_t threads = 0;
  Output output;

  void run() const {
    if (!to.empty()) return export_to_engine(*parse_enum<io::Engine>(to));
    const bool lines = format == "jsonl" || (format.empty() && out.extension() == ".jsonl");
    io::VectorFormat vectors = io::VectorFormat::npy;
    if (!lines) vectors = format.empty() ? io::vector_format_of(out) : io::parse_vector_format(format);
    const RetrieverSpec spec = spec_to_build();
    const TrainingData data = read_data();
    const Exported exported = fold(spec, data, query_map.empty() ? "" : "--query-map");
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

  [[nodiscard]] RetrieverSpec spec_to_build() const {
    RetrieverSpec spec = options.over(tuned.empty() ? RetrieverSpec{.method = Method::xs} : TunedFile(tuned).pick());
    if (spec.method != Method::xs) {
      throw ValueError(tuned.string() + ": its pick is " + name(spec.method) + ", which is not one vector a passage");
    }
    options.require_fit(spec);
    return spec;
  }
  [[nodiscard]] TrainingData read_data() const {
    TrainingData data = files.read_training(Training::used);
    if (!tuned.empty() && !tuned_anyway) TunedFile(tuned).require_data(data);
    return data;
  }

  /// What goes into the files.
  struct Exported {
    EmbeddingStore<float> rows;
    RowMajorMatrix query_map;         ///< of a balanced export
    std::vector<Row> changed{};       ///< of --since
    std::vector<std::string> gone{};  ///< the same
  };

  void export_to_engine(io::Engine engine) const {
    if (!since.empty() && !tuned.empty()) throw ValueError("--tuned: with --since, the archive says how to fold");
    const bool balanced = form == "balanced";
    RetrieverSpec spec = since.empty() ? spec_to_build() : RetrieverSpec{};
    const TrainingData data = read_data();
    std::optional<TagTable> tagged;
    if (!tags.empty()) tagged = read_tags_file(tags, rows_by(data.passage_ids, data.passages.size()));
    if (balanced && spec.balance == 0 && spec.whitened != Whitened::all) spec.balance = data.passages.dim();
    Exported exported =
        since.empty() ? fold(spec, data, balanced ? "--form balanced" : "") : changes(data, balanced, tagged);
    if (since.empty()) {
      exported.changed.resize(exported.rows.size());
      std::iota(exported.changed.begin(), exported.changed.end(), Row{0});
    }
    const EngineFolder folder{.engine = engine,
                              .load = since.empty() ? Load::all : Load::changes,
                              .rows = {exported.rows.view(), rows_by(data.passage_ids, data.passages.size()),
                                       exported.changed, exported.gone},
                              .query_map = balanced ? &exported.query_map : nullptr,
                              .tags = tagged ? &*tagged : nullptr};
    write_engine_folder(out, folder, interrupted);
    output.summary(fmt::format("{}: {} vectors of dim {} for {}{}; its README.md says how to load them\n", out.string(),
                               exported.changed.size(), exported.rows.dim(), pefa::name(engine),
                               since.empty() ? "" : fmt::format(", {} to delete", exported.gone.size())),
                   {{"out", out.string()},
                    {"to", pefa::name(engine)},
                    {"form", form},
                    {"rows", exported.changed.size()},
                    {"deletes", exported.gone.size()},
                    {"dim", exported.rows.dim()},
                    {"judgements_skipped", data.judgements_skipped}});
  }

  /// What of the rows of an archive is no longer as it was, by the archive's own fits, or has other tags.
  [[nodiscard]] Exported changes(const TrainingData& data, bool balanced, const std::optional<TagTable>& tagged) const {
    const io::ArchiveReader reader = io::ArchiveReader::open(since);
    const auto before = PefaXsOverAny<>::open(reader);
    const RetrieverSpec spec = spec_of(before);
    options.require_fit(spec);
    if (options.over(spec) != spec) {
      throw ValueError("--since: " + since.string() + " was built otherwise than the options say, leave them out");
    }
    const std::optional<io::ExternalIds> ids = io::read_passage_ids(reader);
    ProgressBar bar("folding passages", output.verbosity());
    const InterruptibleExecutor executor(threads);
    const io::RowIds old_rows = rows_by(ids, before.passage_count());
    const io::RowIds new_rows = rows_by(data.passage_ids, data.passages.size());
    RowChanges found = changes_since(before, old_rows, data.passages.view(), data.queries.view(), data.relevance,
                                     new_rows, {executor, bar.callback()});
    const std::optional<TagTable> old_tags = tags_before(reader, before.passage_count(), tagged.has_value());
    require_same_types(old_tags, tagged);
    add_changed_tags(old_tags, tagged, old_rows, new_rows, found.changed);
    Exported exported{std::move(found.rows), {}, std::move(found.changed), std::move(found.gone)};
    if (balanced) {
      exported.query_map = require_query_map(before.fitted(), "--form balanced");
    } else {
      exported.rows = rows_for_raw_queries(before.fitted(), std::move(exported.rows), {executor, {}});
    }
    return exported;
  }

  /// The tags that the archive has. @throws ValueError  it has some and the export has none, or the other way round
  [[nodiscard]] std::optional<TagTable> tags_before(const io::ArchiveReader& reader, std::size_t n_passages,
                                                    bool has_tags) const {
    auto before = io::read_tags(reader, detail::passage_tags_prefix, n_passages);
    if (before.has_value() == has_tags || untagged) return before;
    throw ValueError("--tags: " + since.string() +
                     (has_tags ? " has no tags; build it with them, or export all anew"
                               : " has tags, expected those of today; or --untagged where the engine has none"));
  }

  /// @throws ValueError  an engine whose columns have types has others for the tags of before
  void require_same_types(const std::optional<TagTable>& before, const std::optional<TagTable>& now) const {
    if (!before || !now || *parse_enum<io::Engine>(to) != io::Engine::lancedb) return;
    const auto types = [](const TagTable& table) {
      std::vector<std::string> names;
      const std::vector<bool> several = io::keys_with_several(table);
      for (std::size_t k = 0; k < several.size(); ++k) {
        const TagKey& key = table.keys()[k];
        names.push_back(std::string(key.name) + ", " + pefa::name(key.kind) + (several[k] ? "s" : ""));
      }
      return names;
    };
    if (types(*before) == types(*now)) return;
    throw ValueError("--tags: not the keys and types of " + since.string() +
                     ", which the table in LanceDB has; export all anew");
  }

  /// Adds the rows whose tags are others than the archive's.
  static void add_changed_tags(const std::optional<TagTable>& before, const std::optional<TagTable>& now,
                               const io::RowIds& old_rows, const io::RowIds& new_rows, std::vector<Row>& changed) {
    if (!before || !now) return;
    const std::vector<std::string> old_tags = io::tag_objects(*before);
    const std::vector<std::string> new_tags = io::tag_objects(*now);
    for (Row row = 0; row < new_tags.size(); ++row) {
      const std::optional<Row> old = old_rows.find(new_rows.text(row));
      if (old && old_tags[*old] != new_tags[row]) changed.push_back(row);
    }
    std::sort(changed.begin(), changed.end());
    changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  }

  /// @throws ValueError  queries are asked as they are
  [[nodiscard]] static RowMajorMatrix require_query_map(const FittedParts& fitted, const std::string& option) {
    RowMajorMatrix map = query_map_of(fitted);
    if (map.size() == 0) {
      throw ValueError(option + ": queries are asked as they are; it goes with --balance or --whiten all");
    }
    return map;
  }

  /// Rows for raw queries, or, where an option asks for it, the rows that the library would index and the matrix that
  /// they go with.
  [[nodiscard]] Exported fold(const RetrieverSpec& spec, const TrainingData& data,
                              const std::string& map_option) const {
    ProgressBar bar("folding queries", output.verbosity());
    const InterruptibleExecutor executor(threads);
    const auto xs = PefaXsOverAny<>::build(data.passages, data.queries, data.relevance,
                                           {.lambda = spec.lambda,
                                            .cold = spec.cold,
                                            .norm = spec.norm,
                                            .rule = spec.rule,
                                            .least_squares = spec.least_squares,
                                            .whitened = spec.whitened == Whitened::all ? Whitened::all : Whitened::none,
                                            .whitening = spec.whitening,
                                            .balance = spec.balance,
                                            .index = {.index = {.kind = IndexKind::flat}}},
                                           {executor, bar.callback()});
    auto rows = EmbeddingStore<float>::for_overwrite(xs.passage_count(), xs.index().dim());
    for (Row i = 0; i < rows.size(); ++i) xs.index().read_row(i, {rows.mutable_row(i), rows.dim()});
    if (!map_option.empty()) return {std::move(rows), require_query_map(xs.fitted(), map_option)};
    return {rows_for_raw_queries(xs.fitted(), std::move(rows), {executor, {}}), {}};
  }

  /// {"id": "p7", "vector": [...]} a line; nine digits bring every float32 back.
  void write_lines(const EmbeddingStore<float>& rows, const std::optional<io::ExternalIds>& ids) const {
    ProgressBar bar("writing", output.verbosity());
    const Progress progress = bar.callback();
    ProgressMeter meter(progress, rows.size(), "export-xs");
    io::OutputFile file(out, interrupted);
    const io::RowIds names = rows_by(ids, rows.size());
    const std::string where = out.string() + ": ";
    std::string line;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      line = "{\"id\": ";
      io::detail::append_json_string(line, names.text(static_cast<Row>(i)), where);
      line += ", \"vector\": ";
      io::detail::append_json_vector(line, {rows.row(i), rows.dim()});
      file.stream() << line << "}\n";
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
      command.add_option("--tuned", exported->tuned, "take the setting that pefa tune wrote, if it picked xs")
          ->group(groups::method);
  add_tuned_anyway_option(command, exported->tuned_anyway);
  exported->options.add_folding(command);
  exclude_tuned(command, *tuned);
  CLI::Option* to =
      command.add_option("--to", exported->to, "write a folder that this engine loads: " + list_names<io::Engine>())
          ->group(groups::output)
          ->check(CLI::IsMember(choices<io::Engine>()));
  command
      .add_option("--form", exported->form,
                  "of --to: folded (raw queries), or balanced (faster in graphs; queries are multiplied by a matrix)")
      ->group(groups::output)
      ->check(CLI::IsMember({"folded", "balanced"}))
      ->needs(to);
  command
      .add_option("--since", exported->since,
                  "of --to: only what changed since this archive of xs was built, by its fits, and what to delete")
      ->group(groups::output)
      ->needs(to);
  command
      .add_option("--tags", exported->tags, std::string("of --to: tags of the passages, to filter by: ") + tags_help)
      ->group(groups::data)
      ->needs(to);
  command.add_flag("--untagged", exported->untagged, "of --since: the archive has tags, and the engine has none")
      ->group(groups::data)
      ->needs(to)
      ->excludes("--tags");
  command.add_option("--out", exported->out, "the file to write, or the folder of --to")
      ->required()
      ->group(groups::output);
  command
      .add_option("--format", exported->format,
                  std::string("its format, where its extension does not tell: jsonl, ") + vector_formats_help)
      ->group(groups::output)
      ->excludes(to);
  command
      .add_option("--query-map", exported->query_map,
                  "balanced or whitened rows as they are, and here, .npy, the matrix to multiply each query with")
      ->group(groups::output)
      ->excludes(to);
  add_threads_option(command, exported->threads);
  exported->output.add_options(command);
  command.footer(
      "Load the vectors as they are, without normalising them, and search by inner product.\n"
      "Raw queries find what the library would, unless --query-map says what to multiply them with.\n"
      "Examples:\n"
      "  pefa export-xs --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --out xs.fbin\n"
      "  pefa export-xs --passages P.npy --train-queries Q.npy --train-relevance Y.tsv --to qdrant --out xs");
  command.callback([exported] { exported->run(); });
}

}  // namespace pefa::cli
