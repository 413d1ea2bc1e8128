#include "search_arguments.hpp"

#include <CLI/CLI.hpp>

#include "option_groups.hpp"
#include "pefa/core/error.hpp"

namespace pefa::cli {

void SearchArguments::add_options(CLI::App& command) {
  command.add_option("--ef", ef_, "beam width on the passage index (default: efSearch of the index)")
      ->check(CLI::PositiveNumber)
      ->group(groups::search);
  command.add_option("--query-ef", query_ef_, "XL: beam width on the index of training queries")
      ->check(CLI::PositiveNumber)
      ->group(groups::search);
  command.add_option("--rerank", rerank_, "quantized and partitioned: candidates that are scored exactly")
      ->check(CLI::PositiveNumber)
      ->group(groups::search);
}

void SearchArguments::add_archive_options(CLI::App& command) {
  add_options(command);
  command.add_option("--lambda", lambda_, "XL: weight of the plain model in this search (default: as built)")
      ->check(CLI::Range(0.0, 1.0))
      ->group(groups::search);
  command.add_option("--neighbors", neighbors_, "XL: training queries looked up (default: as built)")
      ->check(CLI::PositiveNumber)
      ->group(groups::search);
}

SearchOptions SearchArguments::options(const RetrieverSpec& spec, const std::string& archive) const {
  const auto require = [&](bool applies, bool given, const char* option, const char* to) {
    if (given && !applies) {
      throw ValueError(std::string(option) + " is for " + to + ", but " + archive + " holds " + kind_of(spec));
    }
  };
  const bool is_xl = spec.method == Method::xl;
  const auto may_rescore = [](const IndexSpec& index) {
    return index.kind == IndexKind::quantized || index.kind == IndexKind::automatic ||
           (index.kind == IndexKind::partitioned && index.exact_rows == ExactRows::keep);
  };
  require(spec.index.kind != IndexKind::flat, ef_ != 0, "--ef", "graph and partitioned indexes");
  require(is_xl && spec.query_index.kind != IndexKind::flat, query_ef_ != 0, "--query-ef",
          "xl over graph and partitioned indexes");
  require(may_rescore(spec.index), rerank_ != 0, "--rerank", "quantized indexes and partitioned ones with exact rows");
  require(is_xl, lambda_ >= 0.0f, "--lambda", "xl, which blends at search time");
  require(is_xl, neighbors_ != 0, "--neighbors", "xl");
  SearchOptions options{.ef = ef_, .rerank = rerank_, .query_ef = query_ef_, .neighbors = neighbors_};
  if (lambda_ >= 0.0f) options.lambda = lambda_;
  return options;
}

std::string kind_of(const RetrieverSpec& spec) {
  return std::string(name(spec.method)) + " over " + name(spec.index.kind);
}

RetrieverSpec with_arguments(RetrieverSpec spec, const SearchOptions& options) {
  if (options.lambda) spec.lambda = *options.lambda;
  if (options.neighbors != 0) spec.neighbors = options.neighbors;
  if (options.ef != 0) spec.index.ef_search = options.ef;
  return spec;
}

}  // namespace pefa::cli
