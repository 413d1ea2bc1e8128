// pefa search: an archive searched by a file of queries; the results as a run file, NumPy matrices or JSON lines.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "conditions.hpp"
#include "interrupt.hpp"
#include "measure.hpp"
#include "option_groups.hpp"
#include "output.hpp"
#include "query_blocks.hpp"
#include "results_file.hpp"

namespace pefa::cli {
namespace {

using Results = std::vector<std::vector<Hit>>;

struct SearchCommand {
  std::filesystem::path archive;
  Reading reading;
  std::filesystem::path queries;
  std::filesystem::path query_ids;
  SearchArguments arguments;
  Conditions conditions;
  ResultsFile results_file;
  bool row_numbers = false;
  std::size_t threads = 0;
  Output output;

  void run() const {
    const std::string to = results_file.format();
    const OpenArchive opened = open_archive(archive);
    const SearchOptions options = arguments.options(opened.retriever.spec(), opened.name);
    warn_of_neighbors(options.neighbors, opened.training_queries);
    const std::optional<Admitted> admitted = conditions.admitted(opened.retriever, opened.name);
    const EmbeddingStore<float> asked = reading.queries(queries, opened.passage_side());
    const auto ids = read_ids_for(query_ids, asked.size(), "queries");  // before the search, not after
    const io::ExternalIds* passage_ids = row_numbers ? nullptr : opened.retriever.ids();
    const io::RowIds queries_by = ids ? io::RowIds(*ids) : io::RowIds();
    const io::RowIds passages_by = passage_ids ? io::RowIds(*passage_ids) : io::RowIds();
    results_file.require_ids(queries_by, passages_by);
    const auto start = std::chrono::steady_clock::now();
    const Results results = admitted ? search(Filtered(opened.retriever, *admitted), asked, options)
                                     : search(opened.retriever, asked, options);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::size_t n_passages = admitted ? admitted->passages.size() : opened.retriever.passage_count();
    results_file.write(results, queries_by, passages_by, n_passages);
    const std::size_t written = results_file.limited_to(n_passages, admitted ? " that are admitted" : "");
    const double rate = static_cast<double>(asked.size()) / seconds;
    output.summary(
        fmt::format("{}: top {} of {} queries, {:.0f} queries/s\n", results_file.name(), written, asked.size(), rate),
        {{"archive", archive.string()},
         {"out", results_file.name()},
         {"format", to},
         {"queries", asked.size()},
         {"top_k", results_file.top_k()},
         {"passages_admitted", n_passages},
         {"seconds", seconds},
         {"queries_per_second", rate}});
  }

  template <class Searched>
  [[nodiscard]] Results search(const Searched& retriever, const EmbeddingStore<float>& asked,
                               const SearchOptions& options) const {
    const InterruptibleExecutor executor(threads);
    Results results;
    results.reserve(asked.size());
    search_in_blocks(asked.size(), output.verbosity(), [&](std::size_t begin, std::size_t end) {
      auto found = retriever.search_batch(asked.view().slice(begin, end), results_file.top_k(), options, executor);
      std::move(found.begin(), found.end(), std::back_inserter(results));
    });
    return results;
  }
};

}  // namespace

void add_search_command(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("search", "Search an archive by a file of queries");
  const auto search = std::make_shared<SearchCommand>();
  command.add_option("archive", search->archive, "what pefa build wrote")->required();
  command.add_option("--queries", search->queries, std::string("query vectors [n x dim]: ") + vector_formats_help)
      ->required()
      ->group(groups::data);
  command
      .add_option("--query-ids", search->query_ids,
                  "ids of the queries: one a line, or JSON lines with _id or id (*.jsonl); default: row numbers")
      ->group(groups::data);
  search->reading.add_vector_options(command);
  search->arguments.add_archive_options(command);
  search->conditions.add_options(command);
  search->results_file.add_options(command);
  command.add_flag("--row-numbers", search->row_numbers, "passages by row number, whatever ids the archive has")
      ->group(groups::output);
  add_threads_option(command, search->threads);
  search->output.add_options(command);
  command.footer(
      "A condition compares tags, which pefa info lists: = != < <= > >= and in (a,b), joined by & | ! and "
      "parentheses;\n"
      "values that are no plain words stand in quotes. A passage without the tag is in none but !=.\n"
      "Examples:\n"
      "  pefa search x.pefa --queries T.npy --top-k 100 --out run.trec\n"
      "  pefa search x.pefa --queries T.npy --where 'stock=yes & price<=20' --out run.trec");
  command.callback([search] { search->run(); });
}

}  // namespace pefa::cli
