// pefa live add, remove, click, retract and forget: what happens to a live folder.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conditions.hpp"
#include "data_files.hpp"
#include "live_folder.hpp"
#include "option_groups.hpp"
#include "pefa/io/relevance/judged_ids.hpp"
#include "pefa/io/relevance/relevance_file.hpp"

namespace pefa::cli {
namespace {

struct AddCommand : LiveCommand {
  Reading reading;
  std::filesystem::path passages;
  std::filesystem::path passage_ids;
  std::filesystem::path tags;
  std::filesystem::path queries;
  std::filesystem::path query_ids;
  std::string owner;
  CLI::Option* owner_option = nullptr;

  /// Vectors and their ids.
  struct Rows {
    EmbeddingStore<float> vectors;
    io::ExternalIds ids;
  };

  void run() const {
    if (passages.empty() && queries.empty()) throw CLI::RequiredError("--passages or --train-queries");
    if (passages.empty() && !tags.empty()) throw CLI::RequiredError("--tags: --passages");
    const auto retriever = open();
    LiveEvents events(*retriever);
    if (!passages.empty()) {
      const Rows rows = read(passages, passage_ids, "--passage-ids", retriever->params().dim);
      const std::vector<std::string> tagged =
          tags.empty() ? tags_of_now(retriever->view(), rows.ids) : tag_texts_of(tags, io::RowIds(rows.ids));
      for (Row i = 0; i < rows.ids.size(); ++i) {
        events.add(live::UpsertPassage{std::string(rows.ids[i]), to_vector(rows.vectors, i), tagged[i]});
      }
    }
    if (!queries.empty()) {
      const Rows rows = read(queries, query_ids, "--train-query-ids", retriever->params().dim);
      const std::vector<std::string> owners = owner_option->count() > 0
                                                  ? std::vector<std::string>(rows.ids.size(), owner)
                                                  : owners_of_now(retriever->view(), rows.ids);
      for (Row i = 0; i < rows.ids.size(); ++i) {
        events.add(live::UpsertQuery{std::string(rows.ids[i]), to_vector(rows.vectors, i), owners[i]});
      }
    }
    events.report(folder, output);
  }

  /// The tags that passages have, which stay where no others are given.
  [[nodiscard]] static std::vector<std::string> tags_of_now(const live::LiveView& view, const io::ExternalIds& ids) {
    std::vector<std::string> texts(ids.size());
    (void)view.passages_where([&](std::string_view id, std::string_view text) {
      if (const auto row = ids.find(id)) texts[*row] = text;
      return false;
    });
    return texts;
  }

  /// The owners that training queries have: a new vector does not take them the right to be forgotten.
  [[nodiscard]] static std::vector<std::string> owners_of_now(const live::LiveView& view, const io::ExternalIds& ids) {
    std::vector<std::string> owners(ids.size());
    view.for_each_query([&](std::string_view id, std::string_view of) {
      if (const auto row = ids.find(id)) owners[*row] = of;
    });
    return owners;
  }

  [[nodiscard]] Rows read(const std::filesystem::path& vectors, const std::filesystem::path& ids_file,
                          const char* option, std::size_t dim) const {
    if (ids_file.empty()) throw CLI::RequiredError(option);
    auto rows = reading.vectors(vectors);
    if (rows.dim() != dim) {
      throw ShapeError(fmt::format("{}: has dim {}, {} has {}", vectors.string(), rows.dim(), folder.string(), dim));
    }
    auto ids = read_ids_for(ids_file, rows.size(), "vectors");
    return {std::move(rows), std::move(*ids)};
  }
};

struct RemoveCommand : LiveCommand {
  std::vector<std::string> ids;

  void run() const {
    const auto retriever = open();
    LiveEvents events(*retriever);
    for (const std::string& id : ids) events.add(live::RemovePassage{id});
    events.report(folder, output);
  }
};

/// click and retract: one pair, or a file of them.
struct PairCommand : LiveCommand {
  bool adds = true;
  std::string query;
  std::string passage;
  float weight = 1.0f;
  std::filesystem::path pairs;
  std::string format;

  void run() const {
    if (pairs.empty() ? query.empty() || passage.empty() : !query.empty()) {
      throw CLI::ValidationError("expected a query and a passage, or --pairs");
    }
    const auto retriever = open();
    LiveEvents events(*retriever);
    if (pairs.empty()) {
      put(events, query, passage, weight);
    } else {
      require_file(pairs);
      read_pairs(events);
    }
    events.report(folder, output);
  }

  void put(LiveEvents& events, std::string_view of, std::string_view to, float with) const {
    if (adds) {
      events.add(live::AddPair{std::string(of), std::string(to), with});
    } else {
      events.add(live::RetractPair{std::string(of), std::string(to)});
    }
  }

  /// An event a line, by ids where the format lists them, else by row numbers.
  void read_pairs(LiveEvents& events) const {
    const io::RelevanceFormat of = format.empty() ? io::relevance_format_of(pairs) : io::parse_relevance_format(format);
    if (of == io::RelevanceFormat::tsv || of == io::RelevanceFormat::qrels || of == io::RelevanceFormat::beir) {
      return io::for_each_judgement(pairs, of, [&](std::string_view from, std::string_view to, float with) {
        if (with > 0.0f || !adds) put(events, from, to, with);  // a weight of 0 adds nothing
      });
    }
    const RelevanceMatrix read = io::read_relevance(pairs, of);
    for (std::size_t i = 0; i < read.rows(); ++i) {
      const auto row = read.passages_of(QueryId(static_cast<Row>(i)));
      for (std::size_t j = 0; j < row.size(); ++j) {
        put(events, std::to_string(i), std::to_string(row.columns[j]), row.weights[j]);
      }
    }
  }
};

struct ForgetCommand : LiveCommand {
  std::vector<std::string> queries;
  std::vector<std::string> owners;

  void run() const {
    if (queries.empty() && owners.empty()) throw CLI::RequiredError("--query or --owner");
    const auto retriever = open();
    LiveEvents events(*retriever);
    for (const std::string& id : queries) events.add(live::ForgetQuery{id});
    for (const std::string& owner : owners) events.add(live::ForgetOwner{owner});
    events.report(folder, output);
  }
};

}  // namespace

void add_live_events(CLI::App& app) {
  const auto add = std::make_shared<AddCommand>();
  CLI::App& adds = add_live_subcommand(app, "add", "Add or change passages and training queries", add);
  add->add_to(adds);
  adds.add_option("--passages", add->passages, std::string("passage vectors: ") + vector_formats_help)
      ->group(groups::data);
  adds.add_option("--passage-ids", add->passage_ids, "their ids: one a line, or JSON lines with _id or id (*.jsonl)")
      ->group(groups::data);
  adds.add_option("--tags", add->tags, std::string("their tags; without, those they have stay: ") + tags_help)
      ->group(groups::data);
  adds.add_option("--train-queries", add->queries, "training query vectors, as --passages")->group(groups::data);
  adds.add_option("--train-query-ids", add->query_ids, "their ids, as --passage-ids")->group(groups::data);
  add->owner_option = adds.add_option("--owner", add->owner,
                                      "who may ask that these training queries be forgotten; without, those that they "
                                      "have stay")
                          ->group(groups::data);
  add->reading.add_vector_options(adds);
  adds.footer("Example:\n  pefa live add shop --passages new.npy --passage-ids new.txt");

  const auto remove = std::make_shared<RemoveCommand>();
  CLI::App& removes = add_live_subcommand(app, "remove", "Remove passages, with their pairs", remove);
  remove->add_to(removes);
  removes.add_option("ids", remove->ids, "ids of passages")->required();
  removes.footer("Example:\n  pefa live remove shop sku-17 sku-18");

  for (const bool adds_pairs : {true, false}) {
    const auto pair = std::make_shared<PairCommand>();
    pair->adds = adds_pairs;
    CLI::App& command = adds_pairs ? add_live_subcommand(app, "click", "Add to the weight of pairs", pair)
                                   : add_live_subcommand(app, "retract", "Take pairs back", pair);
    pair->add_to(command);
    command.add_option("query", pair->query, "id of a training query");
    command.add_option("passage", pair->passage, "id of a passage");
    CLI::Option* file = command
                            .add_option("--pairs", pair->pairs,
                                        std::string("a file of pairs, an event a line: ") + relevance_formats_help +
                                            "; ids in the first three, else rows")
                            ->group(groups::data);
    command
        .add_option("--relevance-format", pair->format,
                    std::string("its format, where the extension does not tell: ") + relevance_formats_help)
        ->group(groups::data)
        ->needs(file);
    if (adds_pairs) {
      command.add_option("--weight", pair->weight, "what is added; the lines of --pairs have weights of their own")
          ->check(CLI::PositiveNumber)
          ->capture_default_str()
          ->group(groups::data)
          ->excludes(file);
    }
    command.footer(adds_pairs ? "Example:\n  pefa live click shop query-5 sku-17"
                              : "Example:\n  pefa live retract shop query-5 sku-17");
  }

  const auto forget = std::make_shared<ForgetCommand>();
  CLI::App& forgets =
      add_live_subcommand(app, "forget", "Forget training queries: answers at once, files at the next merge", forget);
  forget->add_to(forgets);
  forgets.add_option("--query", forget->queries, "ids of training queries")->group(groups::data);
  forgets.add_option("--owner", forget->owners, "all training queries of these owners")->group(groups::data);
  forgets.footer("Example:\n  pefa live forget shop --owner user-9");
}

}  // namespace pefa::cli
