// pefa live search: a live folder as it is now, searched by a file of queries.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "data_files.hpp"
#include "interrupt.hpp"
#include "live_folder.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "pefa/io/file/text_lines.hpp"
#include "pefa/io/results/hits_npy.hpp"
#include "pefa/live/live_tags.hpp"
#include "query_blocks.hpp"
#include "results_file.hpp"
#include "search_arguments.hpp"

namespace pefa::cli {
namespace {

using IdHits = std::vector<IdHit<>>;

struct LiveSearchCommand : LiveCommand {
  Reading reading;
  std::filesystem::path queries;
  std::filesystem::path query_ids;
  SearchArguments arguments;
  std::filesystem::path filter;
  std::string where;
  ResultsFile results_file;
  std::size_t threads = 0;

  void run() const {
    const std::string format = results_file.format();
    const auto follower = follow();
    const live::LiveView view = follower->view();
    const SearchOptions options = arguments.options(follower->params().spec, folder.string());
    if (format == "npy") require_numeric_ids(view);
    const std::optional<live::EpochPassages> admitted = admitted_of(view);
    const EmbeddingStore<float> asked = reading.queries(queries, {folder.string(), view.passage_count(), view.dim()});
    const auto ids = read_ids_for(query_ids, asked.size(), "queries");
    const auto start = std::chrono::steady_clock::now();
    const std::vector<IdHits> found = search(view, asked, admitted, options);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::size_t n_passages = admitted ? admitted->passages.size() : view.passage_count();
    write(found, rows_by(ids, asked.size()), n_passages);
    const std::size_t written = results_file.limited_to(n_passages, admitted ? " that are admitted" : "");
    output.summary(fmt::format("{}: top {} of {} queries over batch {}, {:.0f} queries/s\n", results_file.name(),
                               written, asked.size(), view.sequence(), static_cast<double>(asked.size()) / seconds),
                   {{"folder", folder.string()},
                    {"batch", view.sequence()},
                    {"out", results_file.name()},
                    {"format", format},
                    {"queries", asked.size()},
                    {"top_k", results_file.top_k()},
                    {"passages_admitted", n_passages},
                    {"seconds", seconds},
                    {"queries_per_second", static_cast<double>(asked.size()) / seconds}});
  }

  /// .npy names passages by numbers, and what has none is told before the search.
  void require_numeric_ids(const live::LiveView& view) const {
    (void)view.passages_where([&](std::string_view id, std::string_view) {
      if (io::parse_hit_id(id)) return true;
      throw ValueError(fmt::format(
          "{}: the passage '{}' has no number of 0 to 2^63 - 1 for an id, as .npy wants; --out run.trec takes any id",
          folder.string(), id));
    });
  }

  /// What --filter and --where both admit; nothing where neither is given.
  [[nodiscard]] std::optional<live::EpochPassages> admitted_of(const live::LiveView& view) const {
    std::optional<live::EpochPassages> admitted;
    if (!where.empty()) admitted = live::LiveTags(view).where(where);
    if (filter.empty()) return admitted;
    const live::EpochPassages listed = listed_passages(view);
    if (!admitted) return listed;
    admitted->passages = PassageSet(admitted->passages.rows() & listed.passages.rows());
    return admitted;
  }

  [[nodiscard]] live::EpochPassages listed_passages(const live::LiveView& view) const {
    require_file(filter);
    std::set<std::string, std::less<>> listed;
    for (io::detail::LineReader lines(filter); lines.next();) listed.emplace(lines.line());
    std::set<std::string, std::less<>> unknown = listed;
    auto passages = view.passages_where([&](std::string_view id, std::string_view) {
      if (const auto at = unknown.find(id); at != unknown.end()) unknown.erase(at);
      return listed.contains(id);
    });
    if (unknown.empty()) return passages;
    throw ValueError(fmt::format("{}: {} has no passage '{}'", filter.string(), folder.string(), *unknown.begin()));
  }

  [[nodiscard]] std::vector<IdHits> search(const live::LiveView& view, const EmbeddingStore<float>& asked,
                                           const std::optional<live::EpochPassages>& admitted,
                                           const SearchOptions& options) const {
    const InterruptibleExecutor executor(threads);
    std::vector<IdHits> found(asked.size());
    search_in_blocks(asked.size(), output.verbosity(), [&](std::size_t begin, std::size_t end) {
      executor.run(end - begin, [&](std::size_t i) {
        const QueryView query(asked.row(begin + i), asked.dim());
        found[begin + i] = admitted ? view.search_filtered(query, results_file.top_k(), *admitted, options)
                                    : view.search(query, results_file.top_k(), options);
      });
    });
    return found;
  }

  /// Writers name hits by the rows of a table; this one has the passages that were found.
  void write(const std::vector<IdHits>& found, const io::RowIds& queries_by, std::size_t n_passages) const {
    io::ExternalIds table;
    std::vector<std::vector<Hit>> results(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      for (const IdHit<>& hit : found[i]) results[i].push_back({PassageId(table.insert(hit.id).first), hit.score});
    }
    results_file.write(results, queries_by, io::RowIds(table), n_passages);
  }
};

}  // namespace

void add_live_search(CLI::App& app) {
  const auto search = std::make_shared<LiveSearchCommand>();
  CLI::App& command = add_live_subcommand(app, "search", "Search a folder as it is now by a file of queries", search);
  search->add_to(command);
  command.add_option("--queries", search->queries, std::string("query vectors [n x dim]: ") + vector_formats_help)
      ->required()
      ->group(groups::data);
  command.add_option("--query-ids", search->query_ids, "ids of the queries, a line each; default: row numbers")
      ->group(groups::data);
  search->reading.add_vector_options(command);
  search->arguments.add_archive_options(command);
  command.add_option("--filter", search->filter, "search only these passages: ids, one a line")->group(groups::search);
  command
      .add_option("--where", search->where,
                  "search only passages whose tags say so: 'lang=en & price<=20 & !(seller in (7,8))'")
      ->group(groups::search);
  search->results_file.add_options(command);
  add_threads_option(command, search->threads);
  command.footer(
      "It takes no lock: a folder that is served can be searched.\n"
      "Example:\n  pefa live search shop --queries T.npy --where 'stock=yes' --out run.trec");
}

}  // namespace pefa::cli
